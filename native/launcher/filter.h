/* Between filter.c, which knows the rules, and filter-code.c, which knows the instructions. */
#pragma once
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { X32_BIT = 0x40000000, MAX_CALLS = 1024 };

/* No action of the kernel's: the answer depends on the arguments. */
enum { ASK = 0x7ffe0000 };

/* Numbers are without the bit of x32. */
struct arch {
	uint32_t token;
	uint32_t audit;
	uint32_t bit;
	int last; /* the highest number of a named call */
	uint32_t answers[MAX_CALLS];
};

struct program {
	struct sock_filter at[BPF_MAXINSNS];
	unsigned len;
};

/* What a program answers to a call whose arguments are not known: an action, or ASK. */
uint32_t filter_walk(const struct program *p, uint32_t audit, uint32_t number);
/* Writes the tables of the architectures as a program; what they do not answer is asked of `second`. */
void filter_emit(struct program *p, const struct arch *arches, unsigned count, uint32_t foreign, const struct program *second);
