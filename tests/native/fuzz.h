/*
 * What the fuzzers share: numbers from a seed, which is printed so that a failure can be repeated, and a place to run
 * in where nothing of the machine can be reached. THAW_FUZZ_SEED and THAW_FUZZ_SECONDS are taken from the environment.
 */
#pragma once
#include <assert.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct fuzz {
	uint64_t state;
	double seconds; /* 0: a fixed number of cases */
	time_t begin;
};

static inline uint64_t fuzz_next(struct fuzz *f)
{
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return f->state;
}

/* 0 .. n-1 */
static inline size_t fuzz_below(struct fuzz *f, size_t n)
{
	return n ? (size_t)(fuzz_next(f) % n) : 0;
}

static inline bool fuzz_chance(struct fuzz *f, unsigned one_in)
{
	return fuzz_below(f, one_in) == 0;
}

static inline struct fuzz fuzz_begin(const char *name)
{
	const char *seed = getenv("THAW_FUZZ_SEED"), *seconds = getenv("THAW_FUZZ_SECONDS");
	struct fuzz f = { .state = seed ? strtoull(seed, NULL, 10) : 1, .seconds = seconds ? atof(seconds) : 0 };
	f.begin = time(NULL);
	printf("%s: THAW_FUZZ_SEED=%llu\n", name, (unsigned long long)f.state);
	fflush(stdout);
	f.state = f.state * 2654435761u + 88172645463325252u;
	return f;
}

/* True as long as there are cases to try: `count` of them, or as many as the seconds allow. */
static inline bool fuzz_goes_on(const struct fuzz *f, unsigned long done, unsigned long count)
{
	return f->seconds > 0 ? difftime(time(NULL), f->begin) < f->seconds : done < count;
}

/*
 * Goes where nothing of the machine can be reached: own namespaces, an empty root with a /proc to read (the sanitizers
 * want one). False when we are not root: then nothing can be harmed either.
 */
static inline bool fuzz_hide(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return false;
	assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("tmpfs", "/mnt", "tmpfs", 0, "size=64m") == 0);
	assert(mkdir("/mnt/proc", 0755) == 0 && mount("/proc", "/mnt/proc", NULL, MS_BIND, NULL) == 0);
	assert(mount(NULL, "/mnt/proc", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
	assert(chdir("/mnt") == 0 && chroot(".") == 0);
	return true;
}
