/*
 * The clocks of a process that was made ahead. It was in a time namespace from then on, whose clocks went on while it
 * waited; what it has waited is taken off by another one when it goes on. A new one can be entered by a process with one
 * thread only, and its offsets are from the host's clocks, which are seen before the sandbox's are entered.
 */
#include "sys.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/time.h>
#include <linux/time_types.h>

enum { CLOCKS = 2 };
#define NANOSECONDS 1000000000LL

static const int clock_ids[CLOCKS] = { 1 /* CLOCK_MONOTONIC */, 7 /* CLOCK_BOOTTIME */ };

static void read_clocks(int64_t *to)
{
	for (int i = 0; i < CLOCKS; i++) {
		struct __kernel_timespec t;
		must(call(SYS_clock_gettime, clock_ids[i], &t));
		to[i] = t.tv_sec * NANOSECONDS + t.tv_nsec;
	}
}

void clock_before_sandbox(void)
{
	read_clocks(BOOT->clock_shift);
}

void clock_in_sandbox(bool own)
{
	int64_t now[CLOCKS];
	struct restore_boot *boot = BOOT;
	boot->offsets_fd = -1;
	if (!own || !boot->park) {
		must(call(SYS_close, boot->proc_fd));
		return;
	}
	read_clocks(now);
	for (int i = 0; i < CLOCKS; i++)
		boot->clock_shift[i] = now[i] - boot->clock_shift[i];
	boot->offsets_fd = (int)must(call(SYS_openat, boot->proc_fd, "self/timens_offsets", O_WRONLY | O_CLOEXEC));
	int high = (int)must(call(SYS_fcntl, boot->offsets_fd, F_DUPFD_CLOEXEC, HEADER->first_free_fd + 1));
	must(call(SYS_close, boot->offsets_fd));
	boot->offsets_fd = high;
}

void clock_hold(void)
{
	if (BOOT->offsets_fd >= 0)
		read_clocks(BOOT->held_at);
}

static char *put(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	return to;
}

static char *put_number(char *to, int64_t number)
{
	char digits[24];
	int n = 0;
	if (number < 0) {
		*to++ = '-';
		number = -number;
	}
	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		*to++ = digits[--n];
	return to;
}

/* "monotonic SECONDS NANOSECONDS" of an offset that may be negative, as the kernel reads it. */
static char *put_offset(char *to, const char *name, int64_t offset)
{
	int64_t rest = offset % NANOSECONDS, seconds = offset / NANOSECONDS;
	if (rest < 0) {
		rest += NANOSECONDS;
		seconds--;
	}
	to = put_number(put(put(to, name), " "), seconds);
	return put(put_number(put(to, " "), rest), "\n");
}

void clock_go_on(void)
{
	int64_t now[CLOCKS];
	char text[128], *end = text;
	struct restore_boot *boot = BOOT;
	if (boot->offsets_fd < 0)
		return;
	stage("setting the clocks back");
	read_clocks(now);
	for (int i = 0; i < CLOCKS; i++)
		end = put_offset(end, i == 0 ? "monotonic" : "boottime", boot->clock_shift[i] - (now[i] - boot->held_at[i]));
	must(call(SYS_unshare, CLONE_NEWTIME));
	must(call(SYS_write, boot->offsets_fd, text, end - text));
	int space = (int)must(call(SYS_openat, boot->proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC));
	must(call(SYS_setns, space, CLONE_NEWTIME));
	must(call(SYS_close, space));
	must(call(SYS_close, boot->offsets_fd));
	must(call(SYS_close, boot->proc_fd));
}
