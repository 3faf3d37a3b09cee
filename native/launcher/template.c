/*
 * Memory templates: processes of the restorer (native/restorer) that hold a dumped process's memory and wait. For each
 * restore one of them clones a child, which enters the sandbox and becomes the container's main process:
 *
 *     launcher                              template                    clone
 *        | -- wanted, descriptors ----------> |
 *        |                                    | -- clone3(CLONE_PARENT) ->|
 *        | <-- REPORT_CLONED: its pid ------- |                           |
 *        | <------------------------------------------- REPORT_READY ---- |
 *
 * The clone is the launcher's child and has a report socket of its own, so that its messages may come before the one with
 * its pid.
 */
#define _GNU_SOURCE
#include "launcher.h"
#include "../restorer/boot.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

static int send_wanted(int to, struct restore_wanted *wanted, const int *fds, size_t count)
{
	union {
		char bytes[CMSG_SPACE(WANTED_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { wanted, sizeof(*wanted) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	return sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static struct process *template_process(const char *id)
{
	struct container *t = container_find(id);
	struct process *p = t && t->state == CONTAINER_STATE_RUNNING ? process_find(t->main) : NULL;
	return p && p->report.ready && p->released ? p : NULL;
}

static int ask(const struct container *c, const struct op_restore_clone *op, struct process *template, uint64_t tag, int report)
{
	int fds[WANTED_FDS_MAX] = { report, c->sandbox->ns_pidfd };
	size_t count = WANTED_FDS;
	uint32_t streams = 0;
	for (int i = 0; i < 3; i++) {
		fds[2 + i] = c->io.child[i] >= 0 ? c->io.child[i] : host.null_fd;
		streams |= (uint32_t)(c->io.child[i] >= 0) << i;
	}
	if (c->cgroup_v2 >= 0)
		fds[count++] = c->cgroup_v2;
	for (unsigned i = 0; c->cgroup_v2 < 0 && i < c->cgroup_count; i++)
		fds[count++] = c->cgroup_tasks[i];
	struct restore_wanted wanted = { .tag = tag,
					 .namespaces = c->sandbox->ns_flags & ~(uint64_t)CLONE_NEWPID,
					 .cgroup_v2 = c->cgroup_v2 >= 0,
					 .park = op->hold,
					 .early = c->awaited != NULL,
					 .fail_at = op->fail_at,
					 .streams = streams };
	return send_wanted(template->report.fd, &wanted, fds, count);
}

int template_clone(struct container *c, const struct op_restore_clone *op, uint32_t index, const char **what)
{
	static uint64_t next_tag = 1;
	int pair[2];
	struct process *template = template_process(op->template.p);
	*what = "its memory template is gone";
	if (!template)
		return -ESRCH;
	*what = "a clone of a memory template needs a sandbox";
	if (!c->sandbox || c->sandbox->ns_pidfd < 0 || op->hold > 1)
		return -EINVAL;
	*what = "a clone of a memory template cannot enter a user namespace";
	if (c->sandbox->ns_flags & CLONE_NEWUSER)
		return -EINVAL;
	*what = "asking its memory template";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	struct process *p = process_expect(c, index);
	if (!p || process_listen(p, pair[0]) < 0) {
		close(pair[0]);
		close(pair[1]);
		if (p)
			process_never(p);
		return -ENOMEM;
	}
	p->tag = next_tag++;
	p->template = template->container;
	int error = ask(c, op, template, p->tag, pair[1]);
	close(pair[1]);
	if (error < 0)
		process_never(p);
	else if (c->awaited)
		c->early = p;
	else
		c->awaited = p;
	return error;
}

void template_enter(struct container *c)
{
	struct process *p = c->early;
	c->early = NULL;
	c->awaited = p;
	if (send(p->report.fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		container_fail(c, p->op, OP_RESTORE_CLONE, ESRCH, 0, "the clone of its memory template is gone");
}

static void give_up(struct process *p, int error, const char *what)
{
	struct container *c = p->container;
	uint32_t op = p->op;
	process_never(p);
	container_fail(c, op, OP_RESTORE_CLONE, error, 0, what);
	container_settle(c); /* it may have failed before, and have waited for this one only */
}

void template_cloned(struct process *template, const struct report *r)
{
	int32_t pid = (int32_t)r->op;
	list_each(it, process_expected()) {
		struct process *p = container_of(it, struct process, link);
		if (p->tag != r->ns || p->template != template->container)
			continue;
		if (pid > 0)
			process_known(p, pid);
		else
			give_up(p, -pid, "its memory template could not be cloned");
		return;
	}
}

void template_gone(struct container *template)
{
	list_each(it, process_expected()) {
		struct process *p = container_of(it, struct process, link);
		if (p->template == template)
			give_up(p, ESRCH, "its memory template ended");
	}
}
