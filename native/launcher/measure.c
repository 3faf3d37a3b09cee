/*
 * thaw-launcher measure KIND ...: what single steps of making a container cost on this kernel, for `thaw bench
 * primitives`. It is here because the steps are system calls that have to be timed without anything around them.
 */
#define _GNU_SOURCE
#include "measure.h"
#include "util.h"

#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

static volatile sig_atomic_t ending;

static const char usage[] =
	"usage: thaw-launcher measure KIND [--how HOW] [--dir DIR]... [--size N] [--parallel N] [--fresh] [--until-gone]\n"
	"                                  [--count N] [--seconds S] [--interval-us U]\n"
	"\n"
	"Each step gives one row of u64 nanoseconds (little-endian) on stdout.\n"
	"  mount      make, undo: --how overlay|overlay-tmpfs|overlay-ro|bind|copy, of --size layers DIR/l0, l1, ...\n"
	"  unshare    make, drop a mount namespace with --size mounts; DIR is covered meanwhile\n"
	"  namespace  make, drop: --how mnt|pid|ipc|uts|net|cgroup|user|time; --until-gone: one column, until it is freed\n"
	"  net        make, drop, time since the start: --how none|lo|veth, --parallel at a time; last row: all gone\n"
	"  cgroup     make, join, remove a leaf in each DIR: --how tasks|procs|into|none; without --fresh the leaf is reused\n";

void measure_begin(struct measure *m)
{
	m->begin = m->next = now_ns();
	m->end = m->seconds > 0 ? m->begin + (uint64_t)(m->seconds * 1e9) : UINT64_MAX;
	m->done = 0;
}

bool measure_next(struct measure *m)
{
	if (m->interval_us) {
		struct timespec t = { (time_t)(m->next / 1000000000u), (long)(m->next % 1000000000u) };
		while (!ending && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
			;
		m->next += m->interval_us * 1000u;
	}
	return !ending && (m->count == 0 || m->done++ < m->count) && now_ns() < m->end;
}

int measure_put(const uint64_t *row, size_t series)
{
	return write_all(STDOUT_FILENO, row, series * sizeof(*row));
}

int measure_error(const char *what)
{
	int error = -errno;
	fprintf(stderr, "thaw-launcher: measure: %s: %s\n", what, strerror(-error));
	return error;
}

int measure_private_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return measure_error("a mount namespace");
	return 0;
}

void gate_wait(uint32_t *gate)
{
	while (!__atomic_load_n(gate, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, gate, FUTEX_WAIT, 0, NULL, NULL, 0);
}

void gate_open(uint32_t *gate)
{
	__atomic_store_n(gate, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, gate, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void end_soon(int signo)
{
	(void)signo;
	ending = 1;
}

static void prepare_signals(void)
{
	/* without SA_RESTART, so that a wait between two steps ends at once */
	struct sigaction action = { .sa_handler = end_soon };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
}

static bool parse_unsigned(const char *text, unsigned *out)
{
	unsigned long number;
	bool good = whole_number(text, UINT_MAX, &number);
	*out = good ? (unsigned)number : 0;
	return good;
}

static int parse(int argc, char **argv, struct measure *m)
{
	static const struct option longs[] = {
		{ "how", required_argument, NULL, 'h' },     { "dir", required_argument, NULL, 'd' },
		{ "size", required_argument, NULL, 's' },    { "parallel", required_argument, NULL, 'p' },
		{ "fresh", no_argument, NULL, 'f' },	     { "until-gone", no_argument, NULL, 'g' },
		{ "count", required_argument, NULL, 'n' },   { "seconds", required_argument, NULL, 't' },
		{ "interval-us", required_argument, NULL, 'i' }, { NULL, 0, NULL, 0 },
	};
	*m = (struct measure){ .how = "", .size = 1, .parallel = 1 };
	bool good = true;
	for (int c; good && (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (c) {
		case 'h': m->how = optarg; break;
		case 'd':
			if (m->dir_count == MEASURE_DIRS)
				return -E2BIG;
			m->dirs[m->dir_count++] = optarg;
			break;
		case 's': good = parse_unsigned(optarg, &m->size); break;
		case 'p': good = parse_unsigned(optarg, &m->parallel); break;
		case 'f': m->fresh = true; break;
		case 'g': m->until_gone = true; break;
		case 'n': good = whole_number(optarg, ULONG_MAX, &m->count); break;
		case 't': good = seconds_number(optarg, &m->seconds); break;
		case 'i': good = whole_number(optarg, ULONG_MAX / 1000, &m->interval_us); break;
		default: return -EINVAL;
		}
	}
	bool bounded = m->count > 0 || m->seconds > 0;
	return good && optind == argc - 1 && bounded && m->size >= 1 && m->parallel >= 1 ? 0 : -EINVAL;
}

void measure_leave_chroot(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	(void)!setns(fd, CLONE_NEWNS);
	close_fd(&fd);
}

int measure_main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct measure *m);
		bool needs_dir;
	} kinds[] = {
		{ "mount", measure_mount, true },	{ "unshare", measure_unshare, true },
		{ "namespace", measure_namespace, false }, { "net", measure_net, false },
		{ "cgroup", measure_cgroup, true },
	};
	struct measure m;
	int good = parse(argc, argv, &m);
	for (size_t i = 0; good == 0 && i < ARRAY_LEN(kinds); i++) {
		if (strcmp(argv[optind], kinds[i].name) || (kinds[i].needs_dir && m.dir_count == 0))
			continue;
		prepare_signals();
		int error = kinds[i].run(&m);
		if (error == MEASURE_USAGE)
			break;
		return error < 0 ? 1 : ending ? 130 : 0;
	}
	fputs(usage, stderr);
	return 2;
}
