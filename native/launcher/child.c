/*
 * Performs child operations in the new process, which is a copy of the launcher until it execs. The first failure is
 * reported with the operation's index and ends the process. Descriptors that exec shall keep are collected and put in
 * place at the very end, so that they cannot collide with the ones that are still needed.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { HIGH_FD = 600, FILES_UNTIL_EXEC = 1024 };

int child_send(struct child *child, const struct report *r, int fd)
{
	return send_with_fd(child->report_fd, r, sizeof(*r), fd);
}

int child_fail(struct child *child, int error, const char *what)
{
	snprintf(child->detail, sizeof(child->detail), "%s", what);
	return error;
}

static int send_simple(struct child *child, int kind, uint32_t phase)
{
	struct report r = { .op = child->index, .phase = phase };
	r.ns = now_ns() - (uint64_t)child->clock_shift;
	r.kind = kind;
	return child_send(child, &r, -1);
}

int child_place(struct child *child, int from, int to)
{
	if (child->place_count == ARRAY_LEN(child->places))
		return -E2BIG;
	int high = fcntl(from, F_DUPFD_CLOEXEC, HIGH_FD);
	if (high < 0)
		return -errno;
	child->places[child->place_count].from = high;
	child->places[child->place_count++].to = to;
	return 0;
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int close_others(int *keep, size_t count)
{
	unsigned from = 0;
	qsort(keep, count, sizeof(keep[0]), ascending);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0)
			continue;
		if ((unsigned)keep[i] > from && close_range(from, (unsigned)keep[i] - 1, 0) < 0)
			return -errno;
		from = (unsigned)keep[i] + 1;
	}
	return close_range(from, ~0U, 0) < 0 ? -errno : 0;
}

int child_owns(struct child *child, uint64_t space)
{
	return child->own & space ? 0 : child_fail(child, -EPERM, "the process has no namespace of its own for this");
}

/* --- identity ---------------------------------------------------------------------------------------------------- */

static int apply_capabilities(struct child *child)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	uint64_t permitted = child->caps_permitted | filter_capability(child);
	uint32_t low = (uint32_t)permitted, high = (uint32_t)(permitted >> 32);
	struct __user_cap_data_struct data[2] = { { low, low, (uint32_t)child->caps_ambient },
						  { high, high, (uint32_t)(child->caps_ambient >> 32) } };
	child->caps_pending = false;
	if (syscall(SYS_capset, &head, data) < 0)
		return child_fail(child, -errno, "setting capabilities");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int cap = 0; cap < 64; cap++) {
		if (child->caps_ambient >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return child_fail(child, -errno, "raising an ambient capability");
	}
	return 0;
}

static int cut_bounding(struct child *child, uint64_t keep)
{
	for (int cap = 0; child->bounding != keep && cap < 64; cap++) {
		if (keep >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno != EINVAL)
			return -errno;
		break; /* the kernel has none from here on */
	}
	child->bounding = keep;
	return 0;
}

static int set_capabilities(struct child *child, const struct op_capabilities *op)
{
	int error = cut_bounding(child, op->bounding);
	if (error < 0)
		return error;
	/* what this process does not have itself it cannot give */
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct have[2];
	if (syscall(SYS_capget, &head, have) < 0)
		return -errno;
	uint64_t own = have[0].permitted | (uint64_t)have[1].permitted << 32;
	child->caps_permitted = op->permitted & own;
	child->caps_ambient = op->ambient & own;
	child->caps_pending = true;
	return 0;
}

/* The user may open its pipes and its terminal again by name (/dev/stdout), which only an owner can. */
static void give_streams(const struct streams *io, uid_t uid)
{
	for (int i = 0; io->mode != STDIO_NONE && i < 3; i++) {
		struct stat st;
		if (io->child[i] >= 0 && fstat(io->child[i], &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(io->child[i])))
			(void)!fchown(io->child[i], uid, (gid_t)-1);
	}
}

static int set_user(struct child *child, const struct op_user *op)
{
	gid_t groups[256];
	size_t count = 0;
	struct wire_reader r = { op->groups.p, op->groups.p + op->groups.len, false };
	for (uint32_t i = 0; i < op->groups.count; i++) {
		struct wire_str text = wire_get_str(&r);
		char *end;
		unsigned long gid = strtoul(text.p, &end, 10);
		if (text.len == 0 || *end || gid > UINT32_MAX - 1 || count == ARRAY_LEN(groups))
			return child_fail(child, -EINVAL, "group is not a number");
		groups[count++] = (gid_t)gid;
	}
	give_streams(&child->container->io, op->uid);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(count, groups) < 0 || setresgid(op->gid, op->gid, op->gid) < 0 ||
	    setresuid(op->uid, op->uid, op->uid) < 0)
		return -errno;
	return child->caps_pending ? apply_capabilities(child) : 0;
}

/* --- surroundings --------------------------------------------------------------------------------------------------- */

static int join_cgroups(struct child *child)
{
	const struct container *c = child->container;
	for (unsigned i = 0; i < c->cgroup_count; i++) {
		if (write(c->cgroup_tasks[i], "0", 1) < 0)
			return -errno;
	}
	return 0;
}

static int loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	int error = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
	close(fd);
	return error;
}

static int write_number(int fd, long value)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld", value);
	/* at offset 0: a second write to the same open sysctl file would otherwise be ignored */
	return pwrite(fd, text, (size_t)n, 0) < 0 ? -errno : 0;
}

static int set_oom_score(int32_t adj)
{
	int fd = openat(host.proc_fd, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = write_number(fd, adj);
	close(fd);
	return error;
}

/* High descriptors are needed up to exec, so a low limit of files waits until then. */
static int set_rlimit(struct child *child, const struct op_rlimit *op)
{
	struct rlimit limit = { op->soft, op->hard };
	if (op->resource == RLIMIT_NOFILE) {
		child->files = limit;
		child->files_pending = true;
		limit.rlim_cur = op->soft < FILES_UNTIL_EXEC ? FILES_UNTIL_EXEC : op->soft;
		limit.rlim_max = op->hard < FILES_UNTIL_EXEC ? FILES_UNTIL_EXEC : op->hard;
	}
	return setrlimit((__rlimit_resource_t)op->resource, &limit) < 0 ? -errno : 0;
}

static int enter_dir(struct child *child, const struct op_working_dir *op)
{
	/* never through a link of procfs: it would lead along one of our own descriptors to the host */
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int dir = root < 0 ? -errno : op->create ? open_target(root, op->path.p, true) : open_inside(root, op->path.p, O_PATH);
	int error = dir < 0 ? dir : fchdir(dir) < 0 ? -errno : 0;
	close_fd(&root);
	close_fd(&dir);
	if (error < 0)
		return child_fail(child, error, op->path.p);
	char where[PATH_MAX]; /* the kernel says "(unreachable)" of a directory outside the root */
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0 || where[0] != '/')
		return child_fail(child, -EACCES, "working directory is outside the container");
	return 0;
}

static int place_stdio(struct child *child, const struct op_stdio_at *op)
{
	struct streams *io = &child->container->io;
	if (io->mode == STDIO_TTY) {
		int error = tty_open(child);
		if (error < 0)
			return error;
	}
	const uint32_t to[3] = { op->stdin, op->stdout, op->stderr };
	for (int i = 0; i < 3; i++) {
		int from = io->child[i];
		/* the container's own /dev/null, so that a checkpoint finds it again */
		int null = from < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
		int error = child_place(child, from >= 0 ? from : null >= 0 ? null : host.null_fd, (int)to[i]);
		close_fd(&null);
		if (error < 0)
			return error;
	}
	return 0;
}

static int output_to(struct child *child, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return child_fail(child, -errno, path);
	int error = child_place(child, fd, 1);
	if (error == 0)
		error = child_place(child, fd, 2);
	if (error == 0)
		error = child_place(child, host.null_fd, 0);
	close(fd);
	return error;
}

static int open_host(struct child *child, const struct op_open_at *op)
{
	int fd = open(op->path.p, (int)op->flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return child_fail(child, -errno, op->path.p);
	int error = child_place(child, fd, (int)op->fd);
	close(fd);
	return error;
}

/* --- the end of it ------------------------------------------------------------------------------------------------------ */

static char **string_array(struct wire_strs list)
{
	char **out = calloc((size_t)list.count + 1, sizeof(*out));
	struct wire_reader r = { list.p, list.p + list.len, false };
	for (uint32_t i = 0; out && i < list.count; i++)
		out[i] = (char *)(uintptr_t)wire_get_str(&r).p;
	return out;
}

static int exec_search(const char *name, char **argv, char **env)
{
	const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (char **e = env; *e; e++) {
		if (!strncmp(*e, "PATH=", 5))
			path = *e + 5;
	}
	int error = -ENOENT;
	char full[PATH_MAX];
	while (*path) {
		size_t len = strcspn(path, ":");
		if (snprintf(full, sizeof(full), "%.*s/%s", (int)len, len ? path : ".", name) < (int)sizeof(full)) {
			execve(full, argv, env);
			if (errno != ENOENT && errno != ENOTDIR)
				error = -errno;
		}
		path += len + (path[len] == ':');
	}
	return error;
}

static int exec_program(struct child *child, const struct op_exec *op)
{
	if (child->wait == WAIT_READY && !child->said_ready)
		return child_fail(child, -EINVAL, "the process would never be ready");
	char **argv = string_array(op->argv), **env = string_array(op->env);
	if (!argv || !env)
		return -ENOMEM;
	if (child->caps_pending) {
		int error = apply_capabilities(child);
		if (error < 0)
			return error;
	}
	int high = fcntl(child->report_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (high < 0 || close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	child->report_fd = high;
	for (unsigned i = 0; i < child->place_count; i++) {
		if (dup2(child->places[i].from, child->places[i].to) < 0)
			return -errno;
	}
	if (child->files_pending && setrlimit(RLIMIT_NOFILE, &child->files) < 0)
		return child_fail(child, -errno, "limit of open files");
	int error = filter_install(child);
	if (error < 0)
		return child_fail(child, error, "installing the seccomp filter");
	if (strchr(op->path.p, '/')) {
		execve(op->path.p, argv, env);
		return child_fail(child, -errno, op->path.p);
	}
	return child_fail(child, exec_search(op->path.p, argv, env), op->path.p);
}

static void hold(void) __attribute__((noreturn));
static void hold(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_NAME, "thaw-init");
	prctl(PR_SET_DUMPABLE, 0); /* /proc/1 tells the container nothing */
	close_range(0, ~0U, 0);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sigwaitinfo(&set, NULL);
	}
}

static int perform(struct child *child, uint16_t code, struct wire_reader *r)
{
	switch (code) {
	case OP_PIVOT:
		return root_pivot(child);
	case OP_PARK:
		return child->container->parking ? child_park(child) : 0;
	case OP_HOSTNAME: {
		struct op_hostname op;
		op_decode_hostname(r, &op);
		int error = child_owns(child, CLONE_NEWUTS);
		return error < 0 ? error : sethostname(op.name.p, op.name.len) < 0 ? -errno : 0;
	}
	case OP_LOOPBACK_UP: {
		int error = child_owns(child, CLONE_NEWNET);
		return error < 0 ? error : loopback_up();
	}
	case OP_CGROUP_JOIN:
		return join_cgroups(child);
	case OP_JOIN:
		return spaces_join(child);
	case OP_STDIO_AT: {
		struct op_stdio_at op;
		op_decode_stdio_at(r, &op);
		return place_stdio(child, &op);
	}
	case OP_OPEN_AT: {
		struct op_open_at op;
		op_decode_open_at(r, &op);
		return open_host(child, &op);
	}
	case OP_OUTPUT_TO: {
		struct op_output_to op;
		op_decode_output_to(r, &op);
		return output_to(child, op.path.p);
	}
	case OP_RLIMIT: {
		struct op_rlimit op;
		op_decode_rlimit(r, &op);
		return set_rlimit(child, &op);
	}
	case OP_OOM_SCORE: {
		struct op_oom_score op;
		op_decode_oom_score(r, &op);
		return set_oom_score(op.adj);
	}
	case OP_USER: {
		struct op_user op;
		op_decode_user(r, &op);
		return set_user(child, &op);
	}
	case OP_CAPABILITIES: {
		struct op_capabilities op;
		op_decode_capabilities(r, &op);
		return set_capabilities(child, &op);
	}
	case OP_BOUNDING: {
		struct op_bounding op;
		op_decode_bounding(r, &op);
		return cut_bounding(child, op.keep);
	}
	case OP_NO_NEW_PRIVS:
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
	case OP_SECCOMP: {
		struct op_seccomp op;
		op_decode_seccomp(r, &op);
		return filter_take(child, &op);
	}
	case OP_WORKING_DIR: {
		struct op_working_dir op;
		op_decode_working_dir(r, &op);
		return enter_dir(child, &op);
	}
	case OP_SESSION:
		return setsid() < 0 ? -errno : 0;
	case OP_MARK: {
		struct op_mark op;
		op_decode_mark(r, &op);
		return send_simple(child, REPORT_MARK, op.phase);
	}
	case OP_READY:
		child->said_ready = true;
		return send_simple(child, REPORT_READY, 0);
	case OP_HOLD:
		if (child->wait == WAIT_READY && !child->said_ready)
			return child_fail(child, -EINVAL, "the process would never be ready");
		hold();
	case OP_EXEC: {
		struct op_exec op;
		op_decode_exec(r, &op);
		return exec_program(child, &op);
	}
	case OP_EXIT: {
		struct op_exit op;
		op_decode_exit(r, &op);
		int error = filter_install(child);
		if (error < 0)
			return error;
		_exit(op.status);
	}
	case OP_LAST_PID: {
		struct op_last_pid op;
		op_decode_last_pid(r, &op);
		return host.last_pid_fd < 0 ? -ENOSYS : write_number(host.last_pid_fd, op.pid);
	}
	case OP_AWAIT_GO: {
		struct op_await_go op;
		op_decode_await_go(r, &op);
		return engine_await(child, &op);
	}
	case OP_LIMITS_LIBRARY: {
		struct op_limits_library op;
		op_decode_limits_library(r, &op);
		return engine_limits(child, &op);
	}
	case OP_REPAIR_END: {
		struct op_repair_end op;
		op_decode_repair_end(r, &op);
		return repair_end(child, &op);
	}
	case OP_UMASK: {
		struct op_umask op;
		op_decode_umask(r, &op);
		umask((mode_t)op.mask);
		return 0;
	}
	case OP_NETLINK_INSIDE:
		return net_inside(child, r);
	case OP_DIE_WITH_PARENT:
		/* a launcher that died before this is noticed by the next report (`mark`, `ready`), which fails */
		return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
	case OP_RESTORE_OPEN: {
		struct op_restore_open op;
		op_decode_restore_open(r, &op);
		return restore_open(child, &op);
	}
	case OP_RESTORE: {
		struct op_restore op;
		op_decode_restore(r, &op);
		return restore_begin(child, &op);
	}
	case OP_UNSHARE:
	case OP_TIME_OFFSETS:
	case OP_CLOCK_FROM:
	case OP_USER_SPACES:
	case OP_USER_ENTER:
	case OP_CGROUP_VIEW:
		return spaces_perform(child, code, r);
	default:
		return code >= OP_ROOT_READONLY && code <= OP_KEEP_FILE ? options_perform(child, code, r) : root_perform(child, code, r);
	}
}

static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void child_run(struct child *child)
{
	uint16_t code;
	uint32_t next;
	struct wire_reader fields;
	prctl(PR_SET_NAME, "thaw-child"); /* until it execs or holds: it is not the launcher any more */
	reset_signals();
	while (plan_peek(&child->ops, &code, &fields, &next) && !op_is_host(code)) {
		int error = perform(child, code, &fields);
		if (error < 0) {
			struct report r = { .op = child->index, .error = -error };
			r.kind = REPORT_FAIL;
			memcpy(r.detail, child->detail, sizeof(r.detail));
			child_send(child, &r, -1);
			_exit(126);
		}
		if (code == OP_PARK && child->container->parking)
			continue; /* the operations are others now */
		child->ops.at = next;
		child->index++;
	}
	_exit(0);
}
