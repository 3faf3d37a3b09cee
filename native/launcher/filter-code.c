/*
 * The instructions of seccomp filters: walks a program as the kernel does when it looks for calls that are always
 * allowed, and writes tables of answers as a tree of ranges.
 */
#define _GNU_SOURCE
#include "filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

/* Ranges whose tests and answers, should all be different, are within one jump of 255 instructions. */
enum { BLOCK = 128 };

/* About as many as there are. */
enum { CALLS = 470 };

uint32_t filter_walk(const struct program *p, uint32_t audit, uint32_t number)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < p->len; i++) {
		const struct sock_filter *in = &p->at[i];
		bool yes;
		switch (in->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (in->k != offsetof(struct seccomp_data, nr) && in->k != offsetof(struct seccomp_data, arch))
				return ASK;
			value = in->k == offsetof(struct seccomp_data, nr) ? number : audit;
			continue;
		case BPF_RET | BPF_K:
			return in->k;
		case BPF_JMP | BPF_JA:
			i += in->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = value == in->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = value > in->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = value >= in->k;
			break;
		default:
			return ASK;
		}
		i += yes ? in->jt : in->jf;
	}
	return ASK;
}

enum { TO_END = 0 }; /* the distance of a jump whose target is the second program */

static unsigned emit(struct program *p, unsigned code, uint32_t k, unsigned yes, unsigned no)
{
	if (p->len < BPF_MAXINSNS)
		p->at[p->len] = (struct sock_filter){ (uint16_t)code, (uint8_t)yes, (uint8_t)no, k };
	return p->len++;
}

static unsigned emit_jump(struct program *p)
{
	return emit(p, BPF_JMP | BPF_JA, TO_END, 0, 0);
}

/* A jump that was emitted before leads to what is emitted next. */
static void land(struct program *p, unsigned jump)
{
	if (jump < BPF_MAXINSNS)
		p->at[jump].k = p->len - jump - 1;
}

static void emit_answer(struct program *p, uint32_t action)
{
	if (action == ASK)
		emit_jump(p);
	else
		emit(p, BPF_RET | BPF_K, action, 0, 0);
}

/* Tests one after another, and after them the answers, each once. */
struct block {
	const struct arch *arch;
	struct {
		unsigned at;
		bool yes;
		uint32_t action;
	} open[BLOCK]; /* jumps to an answer */
	unsigned count;
};

static void leave(struct block *b, unsigned test, bool yes, int start)
{
	b->open[b->count].at = test;
	b->open[b->count].yes = yes;
	b->open[b->count++].action = b->arch->answers[start];
}

static void set_jump(struct program *p, unsigned test, bool yes)
{
	uint8_t distance = (uint8_t)(p->len - test - 1);
	if (test >= BPF_MAXINSNS)
		return;
	if (yes)
		p->at[test].jt = distance;
	else
		p->at[test].jf = distance;
}

/*
 * Where to divide ranges. When a filter is installed the kernel runs it once for every call there is, to know which
 * are always allowed: that is most of what installing costs. So wide ranges come first: the halves have about as many calls,
 * not as many ranges.
 */
static unsigned divide(const int *starts, unsigned count, int end)
{
	int middle = starts[0] + (end - starts[0]) / 2;
	unsigned left = 1;
	while (left + 1 < count && starts[left] < middle)
		left++;
	/* the border that is nearer to the middle */
	return left > 1 && middle - starts[left - 1] < starts[left] - middle ? left - 1 : left;
}

static void emit_tests(struct program *p, struct block *b, const int *starts, unsigned count, int end)
{
	unsigned left = divide(starts, count, end);
	unsigned test = emit(p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)starts[left] | b->arch->bit, 0, 0);
	if (left == 1)
		leave(b, test, false, starts[0]);
	else
		emit_tests(p, b, starts, left, starts[left]);
	if (count - left == 1) {
		leave(b, test, true, starts[left]);
	} else {
		set_jump(p, test, true);
		emit_tests(p, b, starts + left, count - left, end);
	}
}

/* Ranges of equal answers: `starts` are their first numbers. The number is loaded. */
static void emit_ranges(struct program *p, const struct arch *a, const int *starts, unsigned count, int end)
{
	unsigned left = count > 1 ? divide(starts, count, end) : 0;
	if (count == 1) {
		emit_answer(p, a->answers[starts[0]]);
	} else if (count > BLOCK) {
		emit(p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)starts[left] | a->bit, 0, 1);
		unsigned far = emit_jump(p);
		emit_ranges(p, a, starts, left, starts[left]);
		land(p, far);
		emit_ranges(p, a, starts + left, count - left, end);
	} else {
		struct block b = { .arch = a };
		emit_tests(p, &b, starts, count, end);
		while (b.count > 0) {
			uint32_t action = b.open[b.count - 1].action;
			unsigned kept = 0;
			for (unsigned i = 0; i < b.count; i++) {
				if (b.open[i].action == action)
					set_jump(p, b.open[i].at, b.open[i].yes);
				else
					b.open[kept++] = b.open[i];
			}
			b.count = kept;
			emit_answer(p, action);
		}
	}
}

static void emit_arch(struct program *p, const struct arch *a)
{
	int starts[MAX_CALLS];
	unsigned count = 0;
	for (int n = 0; n < MAX_CALLS; n++) {
		if (n == 0 || a->answers[n] != a->answers[n - 1])
			starts[count++] = n;
	}
	int last = starts[count - 1];
	emit_ranges(p, a, starts, count, last < CALLS ? CALLS : last + 1);
}

static const struct arch *find_arch(const struct arch *arches, unsigned count, uint32_t audit, uint32_t bit)
{
	for (unsigned i = 0; i < count; i++) {
		if (arches[i].audit == audit && arches[i].bit == bit)
			return &arches[i];
	}
	return NULL;
}

static void emit_or(struct program *p, const struct arch *a, uint32_t foreign)
{
	if (a)
		emit_arch(p, a);
	else
		emit_answer(p, foreign);
}

/* x32 shows itself as x86-64 with a bit in the number. */
void filter_emit(struct program *p, const struct arch *arches, unsigned count, uint32_t foreign, const struct program *second)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	unsigned narrow = emit_jump(p);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	unsigned x32 = emit_jump(p);
	emit_or(p, find_arch(arches, count, AUDIT_ARCH_X86_64, 0), foreign);
	land(p, x32);
	emit_or(p, find_arch(arches, count, AUDIT_ARCH_X86_64, X32_BIT), foreign);
	land(p, narrow);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 1, 0);
	emit_answer(p, foreign);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit_or(p, find_arch(arches, count, AUDIT_ARCH_I386, 0), foreign);
	for (unsigned i = 0; i < p->len && p->len < BPF_MAXINSNS; i++) {
		if (p->at[i].code == (BPF_JMP | BPF_JA) && p->at[i].k == TO_END)
			land(p, i);
	}
	for (unsigned i = 0; i < second->len; i++)
		emit(p, second->at[i].code, second->at[i].k, second->at[i].jt, second->at[i].jf);
}
