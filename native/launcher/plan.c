/*
 * Walks a plan. Host operations are performed here, one after another; a `spawn` makes a process that performs the
 * child operations after it, which are skipped here. Where the spawn says so, walking stops until the process is ready.
 */
#define _GNU_SOURCE
#include "gather.h"
#include "launcher.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/sched.h>

int blob_copy(struct blob *out, struct wire_bytes from)
{
	out->p = NULL;
	out->len = 0;
	if (from.len == 0)
		return 0;
	out->p = malloc(from.len);
	if (!out->p)
		return -ENOMEM;
	memcpy(out->p, from.p, from.len);
	out->len = from.len;
	return 0;
}

bool plan_peek(const struct progress *p, uint16_t *code, struct wire_reader *fields, uint32_t *next)
{
	struct wire_reader r = { p->plan.p + p->at, p->plan.p + p->plan.len, false };
	if (r.p == r.end)
		return false;
	*code = wire_get_u16(&r);
	uint16_t zero = wire_get_u16(&r);
	struct wire_bytes body = wire_get_bytes(&r);
	if (r.bad || zero != 0)
		return false;
	*fields = (struct wire_reader){ body.p, body.p + body.len, false };
	*next = (uint32_t)(r.p - p->plan.p);
	return true;
}

/* What plan_check has seen: whether child operations may stand here, and how much of a shape's part (see `pooled`). */
struct grammar {
	bool in_child;
	enum { OUTSIDE, SHAPE_HOST, SHAPE_CHILD } part;
};

static bool grammar_takes(struct grammar *g, uint16_t code)
{
	if (!op_is_host(code)) {
		if (code == OP_PARK && g->part != SHAPE_CHILD)
			return false;
		if (code == OP_PARK)
			g->part = OUTSIDE;
		return g->in_child;
	}
	g->in_child = code == OP_SPAWN;
	if (g->part == SHAPE_CHILD || (code == OP_POOLED && g->part != OUTSIDE))
		return false;
	if (code == OP_POOLED)
		g->part = SHAPE_HOST;
	else if (code == OP_SPAWN && g->part == SHAPE_HOST)
		g->part = SHAPE_CHILD;
	return true;
}

int plan_check(struct wire_bytes plan, bool *has_spawn)
{
	struct progress p = { .plan = { (uint8_t *)(uintptr_t)plan.p, plan.len } };
	struct grammar grammar = { .part = OUTSIDE };
	*has_spawn = false;
	for (; p.at < plan.len; p.index++) {
		uint16_t code;
		uint32_t next;
		struct wire_reader fields;
		if (p.index >= LIMIT_PLAN_OPS || !plan_peek(&p, &code, &fields, &next) || !op_valid(code, &fields))
			return -EBADMSG;
		if (!grammar_takes(&grammar, code))
			return -EBADMSG;
		*has_spawn |= code == OP_SPAWN;
		p.at = next;
	}
	return grammar.part == OUTSIDE ? 0 : -EBADMSG;
}

/* --- spawn ------------------------------------------------------------------------------------------------------- */

static pid_t clone_process(struct container *c, const struct op_spawn *op, int *pidfd)
{
	struct clone_args args = { .flags = CLONE_PIDFD | op->namespaces,
				   .pidfd = (uint64_t)(uintptr_t)pidfd,
				   .exit_signal = SIGCHLD };
	const pid_t inside = (pid_t)c->next_pid;
	if (op->join && inside > 0) {
		args.set_tid = (uint64_t)(uintptr_t)&inside;
		args.set_tid_size = 1;
		c->next_pid = 0;
	}
	if (c->cgroup_v2 >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)c->cgroup_v2;
	}
	if (op->join && setns(c->sandbox->ns_pidfd, CLONE_NEWPID) < 0)
		return -errno;
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int error = errno;
	if (pid != 0 && op->join)
		setns(host.own_pid_ns, CLONE_NEWPID);
	return pid < 0 ? -error : pid;
}

static void open_net_ns(struct container *c, pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "%d/ns/net", pid);
	close_fd(&c->net_ns);
	c->net_ns = openat(host.proc_fd, path, O_RDONLY | O_CLOEXEC);
}

static void report_ready(struct watch *w, uint32_t events);

int process_listen(struct process *p, int fd)
{
	return watch_add(&p->report, fd, EPOLLIN, report_ready);
}

void process_release(struct process *p)
{
	struct container *c = p->container;
	p->released = true;
	if (c->awaited == p) {
		c->awaited = NULL;
		container_advance(c);
	}
}

uint16_t plan_code(const struct container *c, uint32_t op)
{
	uint16_t code = 0;
	uint32_t next;
	struct wire_reader fields;
	struct progress walk = { .plan = c->plan.plan };
	while (plan_peek(&walk, &code, &fields, &next) && walk.index < op) {
		walk.at = next;
		walk.index++;
	}
	return code;
}

static void report_take(struct process *p, const struct report *r, int fd)
{
	struct container *c = p->container;
	switch (r->kind) {
	case REPORT_MARK:
		container_phase(c, (uint8_t)r->phase, r->ns - c->t0);
		break;
	case REPORT_TTY:
		if (stdio_terminal(&c->io, fd) == 0)
			return;
		break;
	case REPORT_FAIL: {
		uint32_t op = r->op == UINT32_MAX ? p->op : r->op; /* the restorer knows no operations */
		container_fail(c, op, plan_code(c, op), r->error, 0, r->detail);
		break;
	}
	case REPORT_READY:
		if (r->phase == PHASE_RESTORED)
			container_phase(c, PHASE_RESTORED, now_ns() - c->t0);
		p->ready_early = p->pid <= 0;
		if (p->wait == WAIT_READY && !p->ready_early)
			process_release(p);
		break;
	case REPORT_CLONED:
		template_cloned(p, r);
		break;
	case REPORT_PARKED:
		if (c->parking)
			pool_parked(c);
		else if (p->pid <= 0)
			p->held_early = true;
		else
			wake_held(c);
		break;
	case REPORT_AWAITS:
		engine_awaits(p, fd);
		return;
	case REPORT_CLOCK:
		c->clock_shift = (int64_t)r->ns;
		break;
	}
	close_fd(&fd);
}

static void report_ready(struct watch *w, uint32_t events)
{
	(void)events;
	struct process *p = container_of(w, struct process, report);
	struct report r;
	int fd;
	ssize_t n = 0;
	/* who ends without reading what it was sent resets the connection: that is said once, before what it has sent */
	while (w->ready && ((n = receive_with_fd(w->fd, &r, sizeof(r), &fd, MSG_DONTWAIT)) == sizeof(r) ||
			    (n < 0 && errno == ECONNRESET))) {
		if (n < 0)
			continue;
		r.detail[sizeof(r.detail) - 1] = 0;
		report_take(p, &r, fd);
	}
	if (!w->ready || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	watch_close(w); /* its last end is closed: exec'd, holding, or dead */
	if (p->wait == WAIT_EXEC && !p->container->failed)
		process_release(p);
}

void process_drain(struct process *p)
{
	if (p->report.ready) {
		report_ready(&p->report, 0);
		watch_close(&p->report);
	}
}

static int spawn(struct container *c, const struct progress *at, const struct op_spawn *op, uint32_t index)
{
	int pair[2], pidfd = -1;
	/* any other flag of clone would share the launcher's own memory, files or signals with the process */
	if (!spaces_only(op->namespaces) || op->role > ROLE_HELPER || op->wait > WAIT_SUCCESS || op->join > 1)
		return -EINVAL;
	if (op->join && (!c->sandbox || c->sandbox->ns_pidfd < 0))
		return -ESRCH;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid_t pid = clone_process(c, op, &pidfd);
	if (pid == 0) {
		struct child child = { .container = c, .ops = *at, .index = index + 1, .report_fd = pair[1], .root_fd = -1,
				       .tray_fd = -1, .inside_ns = -1, .tables_fd = -1, .t0 = c->t0, .own = op->namespaces, .wait = op->wait };
		child_run(&child);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	struct process *p = process_add(c, pid, op->role, op->wait, index);
	if (!p || process_listen(p, pair[0]) < 0) {
		kill(pid, SIGKILL);
		close(pair[0]);
		close_fd(&pidfd);
		return -ENOMEM;
	}
	if (op->role == ROLE_HOLDER)
		c->holder = pid;
	if (op->role == ROLE_MAIN)
		c->main = pid;
	if (!op->join && op->role != ROLE_HELPER && c->ns_pidfd < 0) {
		c->ns_pidfd = pidfd;
		c->ns_flags = op->namespaces;
		spaces_of_plan(c, at);
		userns_close(&c->userns); /* the process has them */
		if (op->namespaces & CLONE_NEWNET)
			open_net_ns(c, pid);
	} else {
		close_fd(&pidfd);
	}
	if (op->wait != WAIT_NONE || c->parking)
		c->awaited = p;
	return 0;
}

/* --- host operations ------------------------------------------------------------------------------------------------ */

static int set_file(const char *path, struct wire_str value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = write_all(fd, value.p, value.len);
	close(fd);
	return error;
}

/* What takes long is left to a process that is awaited. */
static int await_process(struct container *c, pid_t pid, uint32_t index)
{
	struct process *p = process_add(c, pid, ROLE_HELPER, WAIT_SUCCESS, index);
	if (!p)
		return -ENOMEM;
	c->awaited = p;
	return 0;
}

static int remove_in_process(struct container *c, const char *path, uint32_t index)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close_range(3, ~0U, 0); /* it may take a while, and others wait for the end of what it has copies of */
		_exit(remove_tree(path) < 0 ? 1 : 0);
	}
	return await_process(c, pid, index);
}

static int gather_in_process(struct container *c, const struct op_gather *op, uint32_t index)
{
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close_range(3, ~0U, 0);
		_exit(gather_images(op->checkpoint.p, op->target.p) < 0 ? 1 : 0);
	}
	return await_process(c, pid, index);
}

/* Fields were validated by plan_check, so decoding cannot fail here. */
static int host_perform(struct container *c, uint16_t code, struct wire_reader *r, uint32_t index, const char **what)
{
	switch (code) {
	case OP_CGROUP_MAKE: {
		struct op_cgroup_make op;
		op_decode_cgroup_make(r, &op);
		*what = op.path.p;
		return cgroup_make(c, op.path.p);
	}
	case OP_CGROUP_OPEN: {
		struct op_cgroup_open op;
		op_decode_cgroup_open(r, &op);
		*what = op.path.p;
		return cgroup_open(c, op.path.p);
	}
	case OP_CGROUP_SET: {
		struct op_cgroup_set op;
		op_decode_cgroup_set(r, &op);
		*what = op.path.p;
		return set_file(op.path.p, op.value);
	}
	case OP_DEVICE_FILTER: {
		struct op_device_filter op;
		op_decode_device_filter(r, &op);
		*what = op.path.p;
		return device_filter(op.path.p, op.program);
	}
	case OP_OOM_WATCH: {
		struct op_oom_watch op;
		op_decode_oom_watch(r, &op);
		*what = op.path.p;
		return oom_watch(c, op.path.p);
	}
	case OP_CGROUP_REMOVE: {
		struct op_cgroup_remove op;
		op_decode_cgroup_remove(r, &op);
		*what = op.path.p;
		return cgroup_remove(op.path.p, &c->oom_kills);
	}
	case OP_CGROUP_SPARE: {
		struct op_cgroup_spare op;
		op_decode_cgroup_spare(r, &op);
		*what = op.path.p;
		return cgroup_spare(op.path.p, op.most, &c->oom_kills);
	}
	case OP_MAKE_DIR: {
		struct op_make_dir op;
		op_decode_make_dir(r, &op);
		*what = op.path.p;
		return make_dirs(op.path.p, op.mode);
	}
	case OP_REMOVE_TREE: {
		struct op_remove_tree op;
		op_decode_remove_tree(r, &op);
		*what = op.path.p;
		return remove_in_process(c, op.path.p, index);
	}
	case OP_GATHER: {
		struct op_gather op;
		op_decode_gather(r, &op);
		*what = op.checkpoint.p;
		return gather_in_process(c, &op, index);
	}
	case OP_USER_MAKE: {
		struct op_user_make op;
		op_decode_user_make(r, &op);
		*what = "making a user namespace";
		return userns_make(c, &op);
	}
	case OP_NEXT_PID: {
		struct op_next_pid op;
		op_decode_next_pid(r, &op);
		c->next_pid = op.pid;
		return 0;
	}
	case OP_RESTORE_CLONE: {
		struct op_restore_clone op;
		op_decode_restore_clone(r, &op);
		return template_clone(c, &op, index, what);
	}
	case OP_ADOPT: {
		struct op_adopt op;
		op_decode_adopt(r, &op);
		*what = "the restored process is gone";
		return adopt(c, op.pid_inside, index);
	}
	default:
		return net_perform(c, code, r, what);
	}
}

/* While a holder makes the sandbox a memory template can be cloned, and its clone copy what it will write, if nothing comes
 * before that but settings of leaves that are there. */
static bool goes_ahead(const struct container *c, const struct progress *from)
{
	struct progress p = *from;
	struct wire_reader fields;
	uint16_t code;
	if (from != &c->plan || c->early || c->awaited->role != ROLE_HOLDER || c->awaited->wait != WAIT_READY)
		return false;
	for (uint32_t next; plan_peek(&p, &code, &fields, &next); p.at = next) {
		if (code == OP_RESTORE_CLONE)
			return true;
		if (op_is_host(code) && code != OP_CGROUP_SET && code != OP_OOM_WATCH)
			return false;
	}
	return false;
}

int plan_step(struct container *c, struct progress *p)
{
	uint16_t code;
	uint32_t next;
	struct wire_reader fields;
	if (!c->awaited && c->early) {
		template_enter(c);
		return c->failed ? -ESRCH : 0;
	}
	while ((!c->awaited || goes_ahead(c, p)) && plan_peek(p, &code, &fields, &next)) {
		uint32_t start = p->at, index = p->index++;
		struct progress here = { .plan = p->plan, .at = next, .index = p->index };
		p->at = next;
		if (!op_is_host(code))
			continue;
		const char *what = "";
		int error = 0;
		if (code == OP_POOLED) {
			pool_take(c, p, &fields);
		} else if (code == OP_SPAWN) {
			struct op_spawn op;
			op_decode_spawn(&fields, &op);
			what = "making a process";
			error = spawn(c, &here, &op, index);
		} else {
			error = host_perform(c, code, &fields, index, &what);
		}
		if (error == -EADDRINUSE && p == &c->plan && code == OP_PORT_HOLD && container_try_again(c)) {
			p->at = start;
			p->index = index;
			return 0;
		}
		if (error < 0) {
			if (p == &c->cleanup && error == -EBUSY) { /* the caller tries again later */
				p->at = start;
				p->index = index;
				return error;
			}
			if (p == &c->cleanup && error == -ENOENT && code == OP_CGROUP_SET)
				continue; /* a leaf that was never made has nothing to forget */
			container_fail(c, index, code, -error, 0, what);
			if (p != &c->cleanup)
				return error;
		}
	}
	return c->awaited ? 0 : 1;
}
