/*
 * Sandboxes made ahead. A plan marks the part of it that is the same for every sandbox of a shape: from the `pooled`
 * operation, which names the shape, to `park` among the child operations of the next `spawn`. `prepare` runs that
 * part alone: its process waits in `park`. When a plan that runs comes to its `pooled`, a parked sandbox of the shape
 * becomes the container's own: its processes, namespaces and leaves change hands, the part is skipped, and its
 * process gets the child operations after `park` as a message:
 *
 *     launcher                                   process
 *        | <------------------ REPORT_PARKED ------ |  waits
 *        | -- number of the next operation, ops --> |  performs them
 *        | <----- REPORT_MARK ... REPORT_READY ---- |
 *
 * Where none is parked the plan runs from beginning to end, slower and otherwise the same.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* A message must fit a socket's buffer (212,992 bytes as the kernel comes). */
enum { REST_LIMIT = 128 << 10 };

/* What a parked process is told. */
struct rest {
	uint32_t index;
	uint8_t ops[];
};

/* Where in a plan a shape's part lies. `after` is the first operation after `park`, `end` the next host operation. */
struct part {
	struct progress after;
	struct progress end;
	struct op_spawn spawn;
};

/* plan_check has made sure that all of it is there. */
static void find_part(const struct progress *from, struct part *part)
{
	uint16_t code;
	uint32_t next;
	struct wire_reader fields;
	struct progress p = *from;
	*part = (struct part){ .after = { .plan = from->plan } };
	for (; plan_peek(&p, &code, &fields, &next); p.at = next, p.index++) {
		if (code == OP_SPAWN && part->after.at == 0)
			op_decode_spawn(&fields, &part->spawn);
		if (part->after.at && op_is_host(code))
			break;
		if (code == OP_PARK && part->after.at == 0)
			part->after = (struct progress){ .plan = p.plan, .at = next, .index = p.index + 1 };
	}
	part->end = p;
}

struct wire_bytes pool_part(struct wire_bytes plan)
{
	uint16_t code;
	uint32_t next;
	struct wire_reader fields;
	struct part part;
	struct progress p = { .plan = { (uint8_t *)(uintptr_t)plan.p, plan.len } };
	for (; plan_peek(&p, &code, &fields, &next); p.at = next) {
		if (code != OP_POOLED)
			continue;
		find_part(&p, &part);
		return (struct wire_bytes){ plan.p + p.at, part.after.at - p.at };
	}
	return (struct wire_bytes){ NULL, 0 };
}

/* --- making ahead ------------------------------------------------------------------------------------------------ */

int pool_prepare(struct wire_str id, struct wire_bytes plan, struct wire_bytes cleanup)
{
	int error;
	struct container *c = container_new(id, &error);
	if (!c)
		return error;
	c->parking = true;
	error = container_begin(c, plan, cleanup);
	if (error == 0 && pool_part(plan).len != plan.len)
		error = -EBADMSG; /* something before or after the part would be lost */
	if (error < 0) {
		container_free(c);
		return error;
	}
	container_advance(c);
	return 0;
}

void pool_parked(struct container *c)
{
	if (!c->parking || c->failed || c->state != CONTAINER_STATE_STARTING)
		return;
	c->awaited = NULL;
	c->state = CONTAINER_STATE_PARKED;
	event_parked(c);
}

/* --- taking ------------------------------------------------------------------------------------------------------ */

static struct process *parked_process(struct container *c)
{
	struct process *p = process_find(c->holder > 0 ? c->holder : c->main);
	return p && p->report.ready ? p : NULL;
}

static struct container *find_parked(const char *shape)
{
	list_each(it, container_all()) {
		struct container *c = container_of(it, struct container, link);
		if (c->state == CONTAINER_STATE_PARKED && !strcmp(c->shape, shape) && parked_process(c))
			return c;
	}
	return NULL;
}

static int tell_rest(struct process *p, const struct part *part)
{
	size_t len = part->end.at - part->after.at;
	struct rest *rest = malloc(sizeof(*rest) + len);
	if (!rest)
		return -ENOMEM;
	rest->index = part->after.index;
	memcpy(rest->ops, part->after.plan.p + part->after.at, len);
	ssize_t sent = send(p->report.fd, rest, sizeof(*rest) + len, MSG_DONTWAIT | MSG_NOSIGNAL);
	int error = sent < 0 ? -errno : 0;
	free(rest);
	return error;
}

/* Gives the leaves the names that the plan wants. Neither v1 nor the open tasks files mind. */
static int rename_leaves(const struct container *entry, const struct progress *from)
{
	uint16_t code;
	uint32_t next, next_old;
	struct wire_reader fields, fields_old;
	struct progress p = *from, old = { .plan = entry->plan.plan };
	for (; plan_peek(&p, &code, &fields, &next) && code != OP_SPAWN; p.at = next) {
		struct op_cgroup_make to, own;
		if (code != OP_CGROUP_MAKE)
			continue;
		uint16_t code_old = 0;
		while (plan_peek(&old, &code_old, &fields_old, &next_old) && code_old != OP_CGROUP_MAKE && code_old != OP_SPAWN)
			old.at = next_old;
		if (code_old != OP_CGROUP_MAKE)
			return -EINVAL;
		old.at = next_old;
		op_decode_cgroup_make(&fields, &to);
		op_decode_cgroup_make(&fields_old, &own);
		if (rename(own.path.p, to.path.p) < 0)
			return -errno;
	}
	return 0;
}

static int append_cleanup(struct container *c, const struct container *entry)
{
	if (entry->cleanup.plan.len == 0)
		return 0;
	size_t len = (size_t)c->cleanup.plan.len + entry->cleanup.plan.len;
	uint8_t *both = realloc(c->cleanup.plan.p, len);
	if (!both)
		return -ENOMEM;
	memcpy(both + c->cleanup.plan.len, entry->cleanup.plan.p, entry->cleanup.plan.len);
	c->cleanup.plan = (struct blob){ both, (uint32_t)len };
	return 0;
}

/* All that the kernel made for `entry` belongs to `c` now. */
static void change_hands(struct container *c, struct container *entry)
{
	process_change_hands(entry, c);
	memcpy(c->cgroup_tasks, entry->cgroup_tasks, sizeof(c->cgroup_tasks));
	c->cgroup_count = entry->cgroup_count;
	c->cgroup_v2 = entry->cgroup_v2;
	c->ns_pidfd = entry->ns_pidfd;
	c->ns_flags = entry->ns_flags;
	c->net_ns = entry->net_ns;
	c->clock_shift = entry->clock_shift;
	c->holder = entry->holder;
	c->main = entry->main;
	entry->cgroup_count = 0;
	entry->cgroup_v2 = entry->ns_pidfd = entry->net_ns = -1;
	event_taken(entry, c);
	container_free(entry);
}

void pool_take(struct container *c, struct progress *p, struct wire_reader *fields)
{
	struct op_pooled op;
	struct part part;
	op_decode_pooled(fields, &op);
	if (c->parking) {
		snprintf(c->shape, sizeof(c->shape), "%s", op.shape.p);
		return;
	}
	find_part(p, &part);
	if (c->cgroup_count > 0 || c->ns_pidfd >= 0 || part.end.at - part.after.at > REST_LIMIT)
		return; /* it has things of its own that would be lost */
	for (struct container *entry; (entry = find_parked(op.shape.p));) {
		struct process *process = parked_process(entry);
		if (rename_leaves(entry, p) < 0 || append_cleanup(c, entry) < 0 || tell_rest(process, &part) < 0) {
			entry->state = CONTAINER_STATE_STOPPING;
			container_kill(entry);
			continue;
		}
		process->wait = part.spawn.wait;
		process->op = part.after.index;
		change_hands(c, entry);
		spaces_of_plan(c, &part.after);
		if (process->wait != WAIT_NONE)
			c->awaited = process;
		p->at = part.end.at;
		p->index = part.end.index;
		return;
	}
}

/* --- in the parked process ------------------------------------------------------------------------------------------ */

/* Of the launcher's descriptors only those that the rest needs: it must not hold a pipe or a socket of others. */
static int close_for_parking(const struct child *child)
{
	const struct container *c = child->container;
	int keep[MAX_CGROUPS + 10 + ARRAY_LEN(child->ahead)] = { child->report_fd, child->root_fd,   child->tray_fd,  child->inside_ns, host.proc_fd,
				       host.null_fd,	 host.last_pid_fd, host.own_mnt_ns, host.root_fd,     host.own_net_ns };
	size_t count = 10;
	for (unsigned i = 0; i < c->cgroup_count; i++)
		keep[count++] = c->cgroup_tasks[i];
	for (unsigned i = 0; i < child->ahead_count; i++)
		keep[count++] = child->ahead[i].fd;
	return close_others(keep, count);
}

int child_park(struct child *child)
{
	struct report parked = { .op = child->index };
	parked.kind = REPORT_PARKED;
	int error = close_for_parking(child);
	if (error == 0)
		error = child_send(child, &parked, -1);
	if (error < 0)
		return error;
	prctl(PR_SET_NAME, "thaw-parked");
	ssize_t len = recv(child->report_fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	if (len <= (ssize_t)sizeof(struct rest))
		_exit(0); /* the launcher is gone, or has no use for it */
	struct rest *rest = malloc((size_t)len);
	if (!rest)
		return -ENOMEM;
	if (recv(child->report_fd, rest, (size_t)len, 0) != len)
		return -EIO;
	child->ops = (struct progress){ .plan = { rest->ops, (uint32_t)((size_t)len - sizeof(*rest)) } };
	child->index = rest->index;
	return 0;
}
