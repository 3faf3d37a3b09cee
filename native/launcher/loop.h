/*
 * One epoll loop. A `watch` is embedded in what it serves; its function gets the events. Something that is closed
 * while events for it may still be pending in this round is given to loop_free, which frees it after the round.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct watch {
	int fd;
	uint32_t events;
	bool paused;
	void (*ready)(struct watch *w, uint32_t events);
};

struct timer {
	struct watch watch;
	void (*expired)(struct timer *t);
};

int loop_init(void);
int watch_add(struct watch *w, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t));
void watch_change(struct watch *w, uint32_t events);
/* No events at all until watch_resume: epoll reports hang-ups even when nothing is asked for. */
void watch_pause(struct watch *w);
void watch_resume(struct watch *w);
/* Stops watching and closes the descriptor. */
void watch_close(struct watch *w);
/* Stops watching, leaves the descriptor open and returns it. */
int watch_release(struct watch *w);
void loop_free(void *p);
/* Waits once (timeout in ms, -1 for ever) and serves what is ready. */
int loop_once(int timeout_ms);

/* One shot, `ms` from now; 0 ms is 1 ns. Sets up the timer at its first use. */
int timer_start(struct timer *t, uint64_t ms, void (*expired)(struct timer *));
void timer_stop(struct timer *t);
void timer_close(struct timer *t);
