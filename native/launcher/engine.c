/*
 * A restore engine that is started ahead: it has come as far as it can without knowing when, and reads a pipe that has
 * no end yet. Closing the launcher's end is the word to go on.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>

int engine_await(struct child *child, const struct op_await_go *op)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	int error = child_place(child, ends[0], (int)op->fd);
	struct report r = { .op = child->index };
	r.kind = REPORT_AWAITS;
	if (error == 0)
		error = child_send(child, &r, ends[1]);
	close(ends[0]);
	close(ends[1]);
	return error;
}

/* The container has the only end of the pipe. */
void engine_awaits(struct process *p, int fd)
{
	struct container *c = p->container;
	close_fd(&c->go_fd);
	c->go_fd = fd;
	c->go_pid = p->pid;
	wake_held(c);
}

int engine_go(struct container *c)
{
	c->awaited = process_find(c->go_pid);
	close_fd(&c->go_fd);
	return c->awaited ? 0 : -ESRCH;
}
