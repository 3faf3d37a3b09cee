#define _GNU_SOURCE
#include "loop.h"
#include "util.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static int epoll_fd = -1;
static void **garbage;
static size_t garbage_count;
static size_t garbage_room;

int loop_init(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd < 0 ? -errno : 0;
}

int watch_add(struct watch *w, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t))
{
	struct epoll_event e = { .events = events, .data.ptr = w };
	*w = (struct watch){ .fd = fd, .events = events, .ready = ready };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0)
		return 0;
	int error = -errno;
	w->ready = NULL;
	return error;
}

void watch_change(struct watch *w, uint32_t events)
{
	if (w->fd < 0 || !w->ready || w->events == events)
		return;
	if (w->paused) {
		w->events = events;
		return;
	}
	struct epoll_event e = { .events = events, .data.ptr = w };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &e) == 0)
		w->events = events;
}

void watch_pause(struct watch *w)
{
	if (w->ready && !w->paused && epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, NULL) == 0)
		w->paused = true;
}

void watch_resume(struct watch *w)
{
	struct epoll_event e = { .events = w->events, .data.ptr = w };
	if (w->ready && w->paused && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->fd, &e) == 0)
		w->paused = false;
}

int watch_release(struct watch *w)
{
	int fd = w->fd;
	if (fd >= 0 && w->ready && !w->paused)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	w->fd = -1;
	w->ready = NULL;
	return fd;
}

void watch_close(struct watch *w)
{
	int fd = watch_release(w);
	close_fd(&fd);
}

void loop_free(void *p)
{
	if (garbage_count == garbage_room) {
		size_t room = garbage_room ? garbage_room * 2 : 64;
		void **larger = realloc(garbage, room * sizeof(*larger));
		if (!larger)
			return; /* leaked rather than freed under a pending event */
		garbage = larger;
		garbage_room = room;
	}
	garbage[garbage_count++] = p;
}

int loop_once(int timeout_ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(epoll_fd, events, ARRAY_LEN(events), timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;
		if (w->ready && !w->paused)
			w->ready(w, events[i].events);
	}
	while (garbage_count > 0)
		free(garbage[--garbage_count]);
	return n;
}

static void timer_ready(struct watch *w, uint32_t events)
{
	(void)events;
	struct timer *t = container_of(w, struct timer, watch);
	uint64_t count;
	if (read(w->fd, &count, sizeof(count)) == sizeof(count))
		t->expired(t);
}

int timer_start(struct timer *t, uint64_t ms, void (*expired)(struct timer *))
{
	t->expired = expired;
	if (!t->watch.ready) {
		int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (fd < 0)
			return -errno;
		int error = watch_add(&t->watch, fd, EPOLLIN, timer_ready);
		if (error < 0) {
			close(fd);
			return error;
		}
	}
	struct itimerspec when = { .it_value = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 + (ms == 0) } };
	return timerfd_settime(t->watch.fd, 0, &when, NULL) < 0 ? -errno : 0;
}

void timer_stop(struct timer *t)
{
	struct itimerspec never = { 0 };
	if (t->watch.ready)
		timerfd_settime(t->watch.fd, 0, &never, NULL);
}

void timer_close(struct timer *t)
{
	if (t->watch.ready)
		watch_close(&t->watch);
}
