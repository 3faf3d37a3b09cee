/*
 * Out of memory, all of a container ends. v2 does that itself (memory.oom.group); v1 kills one process, and whoever
 * waits for it may wait for ever. There the kernel tells through an eventfd that a leaf is out of memory. It tells
 * before it has chosen whom to kill, and now and then it finds memory after all, so it is the count of kills that
 * decides, looked at again a few times.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { LOOKS = 40, PAUSE_MS = 5 };

struct oom {
	struct watch event;
	struct timer again;
	struct container *container;
	unsigned looks;
	uint32_t before; /* kills of the leaf's earlier life */
	char path[];
};

static void look_again(struct timer *t);

static void look(struct oom *o)
{
	if (cgroup_oom_kills(o->path) > o->before)
		container_end(o->container);
	else if (o->looks++ < LOOKS)
		timer_start(&o->again, PAUSE_MS, look_again);
}

static void look_again(struct timer *t)
{
	look(container_of(t, struct oom, again));
}

static void out_of_memory(struct watch *w, uint32_t events)
{
	(void)events;
	struct oom *o = container_of(w, struct oom, event);
	uint64_t count;
	if (read(w->fd, &count, sizeof(count)) != sizeof(count))
		return;
	o->looks = 0;
	look(o);
}

/* Asks the kernel to tell `event` when the leaf is out of memory. -ENOENT with v2. */
static int subscribe(const char *leaf, int event)
{
	char path[PATH_MAX], text[64];
	if (snprintf(path, sizeof(path), "%s/memory.oom_control", leaf) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int about = open(path, O_RDONLY | O_CLOEXEC);
	if (about < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/cgroup.event_control", leaf);
	int control = open(path, O_WRONLY | O_CLOEXEC);
	int error = control < 0 ? -errno : 0;
	int len = snprintf(text, sizeof(text), "%d %d", event, about);
	if (error == 0)
		error = write_all(control, text, (size_t)len);
	close_fd(&control);
	close(about);
	return error;
}

int oom_watch(struct container *c, const char *path)
{
	if (c->oom)
		return -EEXIST;
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return -errno;
	int error = subscribe(path, event);
	if (error < 0) {
		close(event);
		return error == -ENOENT ? 0 : error;
	}
	struct oom *o = calloc(1, sizeof(*o) + strlen(path) + 1);
	if (!o || watch_add(&o->event, event, EPOLLIN, out_of_memory) < 0) {
		free(o);
		close(event);
		return -ENOMEM;
	}
	strcpy(o->path, path);
	o->container = c;
	o->before = cgroup_oom_kills(path);
	c->oom = o;
	return 0;
}

void oom_close(struct container *c)
{
	if (!c->oom)
		return;
	watch_close(&c->oom->event);
	timer_close(&c->oom->again);
	loop_free(c->oom);
	c->oom = NULL;
}
