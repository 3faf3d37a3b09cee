/*
 * What the measuring modes share. A mode performs one step again and again and writes a row for each: as many u64
 * nanoseconds, little-endian, as it has series. Everything a mode makes is private to it (namespaces, mounts) or is
 * removed by it before it returns (cgroup leaves, copies), also when it is told to end.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* MEASURE_USAGE: the options make no sense; every other failure was said already. */
enum { MEASURE_DIRS = 16, MEASURE_USAGE = -100000 };

struct measure {
	const char *how;
	const char *dirs[MEASURE_DIRS];
	unsigned dir_count;
	unsigned size;
	unsigned parallel;
	bool fresh;
	bool until_gone;
	unsigned long count;
	double seconds;
	unsigned long interval_us;
	/* set by measure_begin */
	uint64_t begin;
	uint64_t end;
	uint64_t next;
	unsigned long done;
};

/* Starts the clock; then measure_next waits until the next step is due, and is false when enough were made. */
void measure_begin(struct measure *m);
bool measure_next(struct measure *m);
int measure_put(const uint64_t *row, size_t series);
/* Says what failed; gives back -errno. */
int measure_error(const char *what);
/* A mount namespace of our own into which and out of which nothing propagates. */
int measure_private_mounts(void);

/* One process waits until another has opened the gate, a word of memory that they share; it sleeps, not spins. */
void gate_wait(uint32_t *gate);
void gate_open(uint32_t *gate);

int measure_mount(struct measure *m);
int measure_unshare(struct measure *m);
int measure_namespace(struct measure *m);
/* To the root of the mount namespace: the kernel makes no user namespace for who is in a chroot. */
void measure_leave_chroot(void);
int measure_net(struct measure *m);
int measure_cgroup(struct measure *m);

int measure_main(int argc, char **argv);
