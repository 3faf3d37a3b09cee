/*
 * The time namespace of a sandbox: its CLOCK_MONOTONIC and CLOCK_BOOTTIME are ahead of the machine's by given offsets, or
 * go on from given values at the moment that the process gets here. The wall clock is always the machine's.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

extern int setns(int fd, int type);
extern int unshare(int flags);

enum { NANOSECONDS = 1000000000 };

/* How far the clocks of a namespace are ahead of the machine's, ns. */
struct offsets {
	int64_t monotonic;
	int64_t boottime;
};

int64_t clocks_shift(const struct op_time_offsets *op)
{
	return (int64_t)op->monotonic_s * NANOSECONDS + op->monotonic_ns;
}

/* The kernel counts nanoseconds upwards from the second before. */
static int64_t seconds_of(int64_t ns)
{
	return ns >= 0 ? ns / NANOSECONDS : -((-ns + NANOSECONDS - 1) / NANOSECONDS);
}

/* Offsets can be set until a first process is in the namespace; unshare leaves this one outside. */
static int write_offsets(struct offsets o)
{
	char text[160];
	int64_t monotonic_s = seconds_of(o.monotonic), boottime_s = seconds_of(o.boottime);
	int n = snprintf(text, sizeof(text), "monotonic %" PRId64 " %" PRId64 "\nboottime %" PRId64 " %" PRId64 "\n", monotonic_s,
			 o.monotonic - monotonic_s * NANOSECONDS, boottime_s, o.boottime - boottime_s * NANOSECONDS);
	int fd = openat(host.proc_fd, "self/timens_offsets", O_WRONLY | O_CLOEXEC);
	int error = fd < 0 ? -errno : write_all(fd, text, (size_t)n);
	close_fd(&fd);
	return error;
}

/* Of the namespace that this process is in itself; a new one begins with the same. */
static int read_offsets(struct offsets *o)
{
	char text[256];
	int64_t s[2];
	long ns[2];
	ssize_t n = read_small(host.proc_fd, "self/timens_offsets", text, sizeof(text));
	if (n < 0)
		return (int)n;
	if (sscanf(text, "monotonic %" SCNd64 " %ld boottime %" SCNd64 " %ld", &s[0], &ns[0], &s[1], &ns[1]) != 4)
		return -EPROTO;
	*o = (struct offsets){ s[0] * NANOSECONDS + ns[0], s[1] * NANOSECONDS + ns[1] };
	return 0;
}

static int enter(struct child *child)
{
	int fd = openat(host.proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	int error = fd < 0 || setns(fd, CLONE_NEWTIME) < 0 ? -errno : 0;
	close_fd(&fd);
	return error < 0 ? child_fail(child, error, "entering a time namespace") : 0;
}

static int time_offsets(struct child *child, const struct op_time_offsets *op)
{
	if (op->monotonic_ns >= NANOSECONDS || op->boottime_ns >= NANOSECONDS)
		return -EINVAL;
	if (unshare(CLONE_NEWTIME) < 0)
		return child_fail(child, -errno, "making a time namespace");
	int error = write_offsets((struct offsets){ clocks_shift(op), (int64_t)op->boottime_s * NANOSECONDS + op->boottime_ns });
	if (error < 0)
		return child_fail(child, error, "setting the clocks of a time namespace");
	child->clock_shift = clocks_shift(op);
	return enter(child);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * NANOSECONDS + t.tv_nsec;
}

/* What the clocks say here may itself be shifted, when the launcher runs in a time namespace. */
static int clock_from(struct child *child, const struct op_clock_from *op)
{
	struct offsets own = { 0, 0 };
	if (op->monotonic_ns > INT64_MAX || op->boottime_ns > INT64_MAX)
		return -EINVAL;
	if (unshare(CLONE_NEWTIME) < 0)
		return child_fail(child, -errno, "making a time namespace");
	int error = read_offsets(&own);
	if (error < 0)
		return child_fail(child, error, "reading the offsets of a time namespace");
	struct offsets ahead = { (int64_t)op->monotonic_ns - clock_ns(CLOCK_MONOTONIC),
				 (int64_t)op->boottime_ns - clock_ns(CLOCK_BOOTTIME) };
	error = write_offsets((struct offsets){ ahead.monotonic + own.monotonic, ahead.boottime + own.boottime });
	if (error < 0)
		return child_fail(child, error, "setting the clocks of a time namespace");
	child->clock_shift = ahead.monotonic;
	error = enter(child);
	if (error < 0)
		return error;
	/* who joins later cannot know it */
	struct report r = { .op = child->index, .ns = (uint64_t)ahead.monotonic };
	r.kind = REPORT_CLOCK;
	return child_send(child, &r, -1);
}

/* Whoever restored the main process may have given it clocks of its own. */
int clocks_join(struct child *child, pid_t main)
{
	struct offsets before = { 0, 0 }, after = { 0, 0 };
	struct stat own, theirs;
	char path[32];
	snprintf(path, sizeof(path), "%d/ns/time", main);
	if (fstatat(host.proc_fd, "self/ns/time", &own, 0) < 0 || fstatat(host.proc_fd, path, &theirs, 0) < 0)
		return errno == ENOENT ? 0 : -errno; /* no such namespaces, or it has just ended */
	if (own.st_ino == theirs.st_ino)
		return 0;
	int error = read_offsets(&before);
	int fd = openat(host.proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (error == 0 && (fd < 0 || setns(fd, CLONE_NEWTIME) < 0))
		error = child_fail(child, -errno, "entering the time namespace of the main process");
	close_fd(&fd);
	if (error == 0)
		error = read_offsets(&after);
	child->clock_shift += after.monotonic - before.monotonic;
	return error;
}

int clocks_perform(struct child *child, uint16_t code, struct wire_reader *r)
{
	if (code == OP_CLOCK_FROM) {
		struct op_clock_from op;
		op_decode_clock_from(r, &op);
		return clock_from(child, &op);
	}
	struct op_time_offsets op;
	op_decode_time_offsets(r, &op);
	return time_offsets(child, &op);
}
