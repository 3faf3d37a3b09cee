/*
 * What the launcher and the restorer share besides the tables. The launcher fills a `boot` at the beginning of scratch
 * and jumps to the first byte of the code; a template is told by `wanted` packets what to clone.
 */
#pragma once
#include "generated/tables.h"
#include <stdint.h>

/* One table of the file: where it lies, and how many records. */
struct restore_boot {
	uint64_t tables; /* address of the header */
	uint64_t tables_bytes;
	int32_t report_fd; /* all descriptors stand at header.first_free_fd or above */
	int32_t stdio[3];  /* -1: none */
	int32_t proc_fd;   /* the host's /proc, in a template and until its clones need it no more */
	int32_t offsets_fd; /* see clock.c */
	int64_t clock_shift[2]; /* how far the sandbox's clocks are ahead of the host's, ns */
	int64_t held_at[2];
	uint32_t as_template;
	uint32_t early;
	uint32_t park;	   /* stop before the threads are made, and wait for a packet */
	uint32_t fail_at;  /* for tests: that system call fails with EIO; 0: none does */
	uint32_t calls;
	uint32_t pending;  /* threads that are not ready yet */
	uint32_t released;
	uint64_t stage;	   /* text of what is being done, for reports */
	uint32_t index;	   /* and which one of many */
	uint32_t pack_count;
	int32_t packs[RESTORE_LIMIT_PACKS];
};

/* Descriptors come with it, in this order: report, pidfd of the sandbox's holder, stdin, stdout, stderr, and either the
 * v2 cgroup's directory or the v1 tasks files. */
struct restore_wanted {
	uint64_t tag;
	uint64_t namespaces; /* CLONE_NEW* to enter; the pid namespace is another matter */
	uint32_t cgroup_v2;  /* 1: the sixth descriptor is a directory to be cloned into */
	uint32_t park;
	uint32_t fail_at;
	uint32_t early;	  /* 1: the sandbox is still being made: a packet says when it can be entered */
	uint32_t pad;
	uint32_t streams; /* bit n: stream n is connected; the descriptor that stands for another is not used */
};

enum { WANTED_FDS = 5, WANTED_FDS_MAX = 24 };
