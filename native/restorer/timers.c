/* Timers of the process. They begin to run when it goes on; what is due before its threads do waits, blocked. */
#include "sys.h"

#include <linux/time_types.h>
#include <sys/time.h>

#define NANOSECONDS 1000000000ULL
/* Linux 6.15: timer_create takes the id that stands where it puts the id. */
enum { TIMER_IDS = 77, TIMER_IDS_OFF = 0, TIMER_IDS_ON = 1 };

/* As the kernel has it; libc's is padded to the same 64 bytes, but hides the thread. */
struct timer_event {
	uint64_t data;
	int32_t signal;
	int32_t notify;
	int32_t thread;
	int32_t pad[11];
};

void timers_start_interval(void)
{
	const struct restore_itimer *t = TABLE(itimers, struct restore_itimer);
	stage("setting timer");
	for (uint32_t i = 0; i < HEADER->itimers_count; i++) {
		const struct __kernel_old_timeval timer[2] = {
			{ (long)(t[i].interval / NANOSECONDS), (long)(t[i].interval % NANOSECONDS / 1000) },
			{ (long)(t[i].value / NANOSECONDS), (long)(t[i].value % NANOSECONDS / 1000) },
		};
		BOOT->index = t[i].which + 1;
		must(call(SYS_setitimer, t[i].which, timer, 0));
	}
}

/* Without a choice ids count up from 0; those of timers that are gone are passed over. */
static void create(const struct restore_timer *t, bool chosen)
{
	struct timer_event event;
	memset(&event, 0, sizeof(event));
	event.data = t->data;
	event.signal = (int32_t)t->signal;
	event.notify = (int32_t)t->notify;
	event.thread = (int32_t)t->thread;
	for (uint32_t tries = 0; tries <= RESTORE_LIMIT_TIMER_TRIES; tries++) {
		int32_t id = (int32_t)t->id;
		must(call(SYS_timer_create, t->clock, &event, &id));
		if (id == (int32_t)t->id)
			return;
		if (chosen || id > (int32_t)t->id)
			break;
		must(call(SYS_timer_delete, id));
	}
	fail(-ERANGE);
}

static void arm(const struct restore_timer *t)
{
	const struct __kernel_itimerspec timer = {
		{ (long long)(t->interval / NANOSECONDS), (long long)(t->interval % NANOSECONDS) },
		{ (long long)(t->value / NANOSECONDS), (long long)(t->value % NANOSECONDS) },
	};
	if (t->value)
		must(call(SYS_timer_settime, t->id, 0, &timer, 0));
}

void timers_make(void)
{
	const struct restore_timer *t = TABLE(timers, struct restore_timer);
	const uint32_t count = HEADER->timers_count;
	if (count == 0)
		return;
	stage("choosing timers' ids");
	long chosen = call(SYS_prctl, TIMER_IDS, TIMER_IDS_ON);
	if (chosen != -EINVAL)
		must(chosen);
	stage("making timer");
	for (uint32_t i = 0; i < count; i++) {
		BOOT->index = t[i].id + 1;
		create(&t[i], chosen == 0);
		arm(&t[i]);
	}
	stage("choosing timers' ids");
	if (chosen == 0)
		must(call(SYS_prctl, TIMER_IDS, TIMER_IDS_OFF));
}
