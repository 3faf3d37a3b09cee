/*
 * A container's life, as the launcher sees it:
 *
 *     starting --plan done--> running --main exits--> stopping --all dead, output drained, cleaned--> exited
 *         \--an operation fails--> (everything is killed) ------ same way ------------------------> failed
 *
 * The record stays until the daemon forgets it, so that no exit status is lost while the daemon is away.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { BUCKETS = 256, CLEANUP_TRIES = 400, CLEANUP_PAUSE_MS = 5, PORT_TRIES = 12 };

static struct list containers;
static struct list processes[BUCKETS];
static struct list expected;

/* Ends of children that nobody knew: a template's clone may be gone before its template has told of it. They are only
 * looked at while a clone is expected: later, another process may have that pid. */
static struct {
	pid_t pid;
	int status;
} strangers[64];
static unsigned next_stranger;

enum { LOST = SIGKILL }; /* how a process ended whose end was not kept */

void (*container_gone)(struct container *c);
void (*container_up)(struct container *c);

void containers_init(void)
{
	list_init(&containers);
	list_init(&expected);
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&processes[i]);
}

struct list *container_all(void)
{
	return &containers;
}

struct container *container_find(const char *id)
{
	list_each(it, &containers) {
		struct container *c = container_of(it, struct container, link);
		if (!strcmp(c->id, id))
			return c;
	}
	return NULL;
}

bool container_lives(const struct container *c)
{
	return c->state <= CONTAINER_STATE_STOPPING || c->state == CONTAINER_STATE_PARKED;
}

size_t containers_alive(void)
{
	size_t n = 0;
	list_each(it, &containers)
		n += container_lives(container_of(it, struct container, link));
	return n;
}

bool containers_let_go(void)
{
	list_each(it, &containers) {
		const struct container *c = container_of(it, struct container, link);
		if (c->state <= CONTAINER_STATE_STOPPING && !c->parking && !c->ahead)
			return false;
	}
	list_each(parked, &containers)
		container_kill(container_of(parked, struct container, link));
	return true;
}

struct container *container_new(struct wire_str id, int *error)
{
	*error = -EINVAL;
	if (id.len == 0 || id.len >= ID_ROOM)
		return NULL;
	*error = -EEXIST;
	if (container_find(id.p))
		return NULL;
	struct container *c = calloc(1, sizeof(*c));
	*error = -ENOMEM;
	if (!c)
		return NULL;
	memcpy(c->id, id.p, id.len + 1);
	c->sandbox = c;
	c->ns_pidfd = c->net_ns = c->cgroup_v2 = c->go_fd = -1;
	userns_init(&c->userns);
	stdio_init(&c->io);
	list_add(&containers, &c->link);
	return c;
}

static void release_kernel_things(struct container *c)
{
	oom_close(c);
	for (unsigned i = 0; i < c->cgroup_count; i++)
		close_fd(&c->cgroup_tasks[i]);
	c->cgroup_count = 0;
	close_fd(&c->cgroup_v2);
	close_fd(&c->ns_pidfd);
	close_fd(&c->go_fd);
	close_fd(&c->net_ns);
	userns_close(&c->userns);
	net_release(c);
}

void container_free(struct container *c)
{
	list_each(it, &containers) {
		struct container *other = container_of(it, struct container, link);
		if (other->sandbox == c && other != c)
			other->sandbox = NULL;
	}
	list_del(&c->link);
	stdio_close(&c->io);
	release_kernel_things(c);
	timer_close(&c->retry);
	free(c->plan.plan.p);
	free(c->cleanup.plan.p);
	loop_free(c);
}

int container_begin(struct container *c, struct wire_bytes plan, struct wire_bytes cleanup)
{
	bool spawns, cleanup_spawns;
	if (plan_check(plan, &spawns) < 0 || plan_check(cleanup, &cleanup_spawns) < 0 || cleanup_spawns)
		return -EBADMSG;
	int error = blob_copy(&c->plan.plan, plan);
	if (error == 0)
		error = blob_copy(&c->cleanup.plan, cleanup);
	if (error < 0)
		return error;
	c->host_only = !spawns;
	c->t0 = c->t0 ? c->t0 : now_ns();
	c->state = CONTAINER_STATE_STARTING;
	return 0;
}

/* --- processes ------------------------------------------------------------------------------------------------- */

struct process *process_find(pid_t pid)
{
	struct list *bucket = &processes[(unsigned)pid % BUCKETS];
	list_each(it, bucket) {
		struct process *p = container_of(it, struct process, link);
		if (p->pid == pid)
			return p;
	}
	return NULL;
}

struct process *process_add(struct container *c, pid_t pid, enum role role, enum wait wait, uint32_t op)
{
	struct process *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	*p = (struct process){ .pid = pid, .role = role, .wait = wait, .container = c, .op = op, .report = { .fd = -1 } };
	list_add(&processes[(unsigned)pid % BUCKETS], &p->link);
	c->alive++;
	return p;
}

struct list *process_expected(void)
{
	return &expected;
}

struct process *process_expect(struct container *c, uint32_t op)
{
	struct process *p = process_add(c, 0, ROLE_MAIN, WAIT_READY, op);
	if (!p)
		return NULL;
	list_del(&p->link);
	list_add(&expected, &p->link);
	return p;
}

static void process_ended(struct process *p, int status);

static void forget_strangers(void)
{
	for (size_t i = 0; list_empty(&expected) && i < ARRAY_LEN(strangers); i++)
		strangers[i].pid = 0;
}

/* True when the child is gone already, and how it ended. */
static bool take_stranger(pid_t pid, int *status)
{
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		if (strangers[i].pid != pid)
			continue;
		strangers[i].pid = 0;
		*status = strangers[i].status;
		return true;
	}
	*status = LOST; /* more ended at once than are kept */
	return kill(pid, 0) < 0 && errno == ESRCH;
}

void process_known(struct process *p, pid_t pid)
{
	int status;
	list_del(&p->link);
	p->pid = pid;
	list_add(&processes[(unsigned)pid % BUCKETS], &p->link);
	p->container->main = pid;
	bool gone_already = take_stranger(pid, &status);
	forget_strangers();
	if (gone_already) {
		process_ended(p, status);
		return;
	}
	if (p->container->failed || p->container->ended)
		kill(pid, SIGKILL);
	else if (p->ready_early)
		process_release(p);
	else if (p->held_early)
		wake_held(p->container);
}

void process_never(struct process *p)
{
	struct container *c = p->container;
	list_del(&p->link);
	if (p->report.ready)
		watch_close(&p->report);
	c->alive--;
	if (c->awaited == p)
		c->awaited = NULL;
	if (c->early == p)
		c->early = NULL;
	loop_free(p);
	forget_strangers();
}

void process_change_hands(struct container *from, struct container *to)
{
	for (size_t i = 0; from->alive > 0 && i < BUCKETS; i++) {
		list_each(it, &processes[i]) {
			struct process *p = container_of(it, struct process, link);
			if (p->container != from)
				continue;
			p->container = to;
			from->alive--;
			to->alive++;
		}
	}
}

void container_kill(struct container *c)
{
	for (size_t i = 0; c->alive > 0 && i < BUCKETS; i++) {
		list_each(it, &processes[i]) {
			struct process *p = container_of(it, struct process, link);
			if (p->container == c && !(c->cleaning && p->role == ROLE_HELPER))
				kill(p->pid, SIGKILL);
		}
	}
}

void container_end(struct container *c)
{
	container_kill(c);
	cgroup_thaw(c);
}

void containers_end(void)
{
	list_each(it, &containers) {
		struct container *c = container_of(it, struct container, link);
		container_end(c);
		/* the plan would go on after a pause, or with a process that is killed too early to be known */
		if (c->state == CONTAINER_STATE_STARTING)
			container_fail(c, 0, 0, ECANCELED, 0, "the launcher was ended");
	}
}

int container_signal(struct container *c, int signo)
{
	if (c->main <= 0 || c->ended || c->state > CONTAINER_STATE_STOPPING)
		return -ESRCH;
	return kill(c->main, signo) < 0 ? -errno : 0;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void finish(struct container *c);

static void retry_finish(struct timer *t)
{
	finish(container_of(t, struct container, retry));
}

static void gone(struct container *c)
{
	timer_close(&c->retry);
	release_kernel_things(c);
	stdio_close(&c->io);
	c->state = c->failed ? CONTAINER_STATE_FAILED : CONTAINER_STATE_EXITED;
	if (container_gone)
		container_gone(c);
}

/* Everything is dead: take the last output, undo what the plan made. */
static void finish(struct container *c)
{
	if (!c->cleaning) {
		c->cleaning = true;
		stdio_drain(&c->io);
		release_kernel_things(c); /* an open tasks file would not, but a v2 directory may keep its cgroup busy */
	}
	int done = plan_step(c, &c->cleanup);
	if (done == 0)
		return;
	if (done == 1) {
		gone(c);
		return;
	}
	cgroup_thaw(c); /* what holds the leaves may be killed and frozen */
	if (++c->cleanup.tries > CLEANUP_TRIES || timer_start(&c->retry, CLEANUP_PAUSE_MS, retry_finish) < 0) {
		log_line("%s: a clean-up could not be finished", c->id);
		gone(c);
	}
}

void container_settle(struct container *c)
{
	bool plan_done = c->plan.at == c->plan.plan.len && !c->awaited;
	if (c->alive == 0 && !c->cleaning && (c->ended || c->failed || plan_done))
		finish(c);
}

void container_fail(struct container *c, uint32_t op, uint16_t code, int error, int status, const char *detail)
{
	if (c->cleaning) {
		log_line("%s: clean-up: %s: %s", c->id, detail, strerror(error));
		return;
	}
	if (c->failed)
		return;
	c->failed = true;
	c->failed_op = op;
	c->failed_code = code;
	c->failed_errno = error;
	c->failed_status = status;
	snprintf(c->detail, sizeof(c->detail), "%s", detail);
	c->awaited = c->early = NULL;
	container_kill(c);
	container_settle(c);
}

void container_phase(struct container *c, uint8_t phase, uint64_t ns)
{
	if (c->phase_count < MAX_PHASES)
		c->phases[c->phase_count++] = (struct phase_time){ phase, ns };
}

static void plan_finished(struct container *c)
{
	if (c->host_only || c->alive == 0) {
		container_settle(c);
		return;
	}
	c->state = CONTAINER_STATE_RUNNING;
	c->started_real = real_ns();
	stdio_started(&c->io);
	if (container_up)
		container_up(c);
}

void container_advance(struct container *c)
{
	if (c->cleaning) {
		finish(c);
		return;
	}
	if (c->failed || c->ended || c->state != CONTAINER_STATE_STARTING)
		return;
	int done = plan_step(c, &c->plan);
	if (done == 1)
		plan_finished(c);
	else if (done < 0)
		container_settle(c);
}

static void retry_advance(struct timer *t)
{
	container_advance(container_of(t, struct container, retry));
}

bool container_try_again(struct container *c)
{
	return !host.sync && ++c->plan.tries <= PORT_TRIES && timer_start(&c->retry, CLEANUP_PAUSE_MS, retry_advance) == 0;
}

static void awaited_died(struct container *c, const struct process *p, int status)
{
	c->awaited = NULL;
	if (p->wait == WAIT_SUCCESS && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		container_advance(c);
		return;
	}
	if (c->cleaning) {
		log_line("%s: clean-up: a helper ended with status %d", c->id, status);
		container_advance(c);
		return;
	}
	container_fail(c, p->op, plan_code(c, p->op), 0, status, p->wait == WAIT_SUCCESS ? "a helper failed" : "a process ended too early");
}

static void process_ended(struct process *p, int status)
{
	struct container *c = p->container;
	process_drain(p);
	list_del(&p->link);
	c->alive--;
	if (p->pid == c->main || (p->role == ROLE_HELPER && !c->main && !c->holder && !c->cleaning)) {
		c->wait_status = status;
		c->ended_real = real_ns();
	}
	/* an engine that was made ahead, or its sandbox, while it waited */
	const bool waited = c->held && c->go_fd >= 0 && (p->pid == c->go_pid || p->pid == c->holder);
	if (p->pid == c->main || waited || (c->parking && c->state != CONTAINER_STATE_STARTING))
		c->ended = true;
	if (p->pid == c->main || p->pid == c->holder || waited) {
		if (c->state < CONTAINER_STATE_STOPPING && c->awaited != p && c->state == CONTAINER_STATE_RUNNING)
			c->state = CONTAINER_STATE_STOPPING;
		container_kill(c);
	}
	if (c->early == p)
		container_fail(c, p->op, OP_RESTORE_CLONE, 0, status, "a process ended too early");
	if (c->awaited == p)
		awaited_died(c, p, status);
	if (p->pid == c->main)
		template_gone(c);
	loop_free(p);
	container_settle(c);
}

void reap_children(void)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
		struct process *p = process_find(pid);
		if (p) {
			process_ended(p, status);
			continue;
		}
		if (list_empty(&expected))
			continue;
		strangers[next_stranger].pid = pid;
		strangers[next_stranger].status = status;
		next_stranger = (next_stranger + 1) % ARRAY_LEN(strangers);
	}
}
