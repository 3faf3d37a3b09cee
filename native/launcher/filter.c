/*
 * thaw-launcher filter: builds a seccomp filter out of a flat list of rules on stdin and writes it as BPF to stdout.
 * Which rules there are is decided elsewhere; this is libseccomp as a program. The list has one item a line, words
 * separated by single blanks:
 *
 *     default ACTION DATA                  for calls without a rule; comes first
 *     arch NAME                            x86_64, x86 or x32; all of them come before the calls
 *     foreign ACTION DATA                  for calls of an architecture that is not listed
 *     newer ACTION DATA                    for calls with a number above those of all named calls
 *     known CALL                           a named call without a rule
 *     rule ACTION DATA CALL [INDEX OP VALUE VALUE2]...
 *
 * CALL is a name, or NAME@NUMBER with the number (the same on all architectures) that counts where libseccomp is
 * older than the call. DATA is the errno or the tracer's message, else 0. The conditions of one rule all have to hold.
 *
 * A filter is translated to machine code at every start of a container, and the kernel walks it once for each call
 * that there is; both cost in proportion to its size, and libseccomp needs some instructions for each call. So what
 * libseccomp makes of all rules is walked here, as the kernel would, which gives each call whose answer does not depend
 * on its arguments a place in a table. The table is written as a tree of ranges; only calls that do depend on their
 * arguments go on into a second program of libseccomp's, made of the rules with conditions.
 */
#define _GNU_SOURCE
#include "filter.h"
#include "launcher.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LIST_BYTES = 1 << 20, MAX_ARGS = 6 };

struct word {
	const char *name;
	uint32_t value;
};

static const struct word arches[] = { { "x86_64", SCMP_ARCH_X86_64 }, { "x86", SCMP_ARCH_X86 }, { "x32", SCMP_ARCH_X32 } };

static const struct word actions[] = {
	{ "kill_process", SCMP_ACT_KILL_PROCESS }, { "kill_thread", SCMP_ACT_KILL_THREAD },
	{ "trap", SCMP_ACT_TRAP },		   { "errno", SCMP_ACT_ERRNO(0) },
	{ "trace", SCMP_ACT_TRACE(0) },		   { "log", SCMP_ACT_LOG },
	{ "allow", SCMP_ACT_ALLOW },
};

static const struct word ops[] = { { "ne", SCMP_CMP_NE }, { "lt", SCMP_CMP_LT }, { "le", SCMP_CMP_LE },
				   { "eq", SCMP_CMP_EQ }, { "ge", SCMP_CMP_GE }, { "gt", SCMP_CMP_GT },
				   { "masked_eq", SCMP_CMP_MASKED_EQ } };

/* Which rules libseccomp is given: all, those with conditions, and those and the ones of multiplexed calls. */
enum { ALL, CONDITIONAL, MULTIPLEXED, CONTEXTS };

struct filter {
	scmp_filter_ctx ctx[CONTEXTS];
	struct arch arches[ARRAY_LEN(arches)];
	unsigned arch_count;
	uint32_t foreign;
	uint32_t newer;
	uint32_t raw[MAX_CALLS]; /* actions of calls that libseccomp does not know, 0 where there is none */
};

/* --- the list ------------------------------------------------------------------------------------------------------ */

static const struct word *find_word(const struct word *words, size_t count, const char *name)
{
	for (size_t i = 0; name && i < count; i++) {
		if (!strcmp(words[i].name, name))
			return &words[i];
	}
	return NULL;
}

static int take_number(char **rest, uint64_t *out)
{
	char *end, *text = strsep(rest, " ");
	if (!text || *text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return *end || errno ? -EINVAL : 0;
}

static int take_action(char **rest, uint32_t *out)
{
	const struct word *action = find_word(actions, ARRAY_LEN(actions), strsep(rest, " "));
	uint64_t data;
	if (!action || take_number(rest, &data) < 0 || data > 0xffff)
		return -EINVAL;
	*out = action->value | (uint32_t)data;
	return 0;
}

static int take_conditions(char **rest, struct scmp_arg_cmp *out, unsigned *count)
{
	for (*count = 0; *rest; (*count)++) {
		uint64_t index, a, b;
		if (*count == MAX_ARGS || take_number(rest, &index) < 0 || index >= MAX_ARGS)
			return -EINVAL;
		const struct word *op = find_word(ops, ARRAY_LEN(ops), strsep(rest, " "));
		if (!op || take_number(rest, &a) < 0 || take_number(rest, &b) < 0)
			return -EINVAL;
		out[*count] = (struct scmp_arg_cmp){ (unsigned)index, (enum scmp_compare)op->value, a, b };
	}
	return 0;
}

/* The call's number on this machine's own architecture; where libseccomp has none, `*raw` is the given one or -1. */
static int take_call(struct filter *f, char **rest, int *number, int *raw)
{
	char *name = strsep(rest, " "), *at = name ? strchr(name, '@') : NULL;
	if (!name || !*name)
		return -EINVAL;
	if (at)
		*at++ = 0;
	*number = seccomp_syscall_resolve_name(name);
	*raw = *number == __NR_SCMP_ERROR && at ? atoi(at) : -1;
	for (unsigned i = 0; i < f->arch_count; i++) {
		struct arch *a = &f->arches[i];
		int own = *number == __NR_SCMP_ERROR ? *raw : seccomp_syscall_resolve_name_arch(a->token, name);
		if (own >= 0)
			own &= ~X32_BIT;
		if (own >= MAX_CALLS)
			return -ERANGE;
		if (own > a->last)
			a->last = own;
	}
	return 0;
}

/* Calls that 32-bit x86 may also make through another one, which libseccomp tells apart by that one's argument. */
static bool is_multiplexed(const struct filter *f, int number)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	bool found = false;
	for (unsigned i = 0; name && i < f->arch_count; i++) {
		int own = seccomp_syscall_resolve_name_arch(f->arches[i].token, name);
		found |= own < 0 && own >= -299 && own != __NR_SCMP_ERROR;
	}
	free(name);
	return found;
}

static int add_rule(struct filter *f, char **rest)
{
	struct scmp_arg_cmp conditions[MAX_ARGS];
	uint32_t action;
	unsigned count;
	int number, raw;
	if (take_action(rest, &action) < 0 || take_call(f, rest, &number, &raw) < 0 || take_conditions(rest, conditions, &count) < 0)
		return -EINVAL;
	if (number == __NR_SCMP_ERROR) {
		/* a condition cannot be checked there: such a call gets the default */
		if (raw >= 0 && count == 0)
			f->raw[raw] = action ? action : SCMP_ACT_KILL_PROCESS; /* 0 is to kill one thread */
		return 0;
	}
	int error = seccomp_rule_add_array(f->ctx[ALL], action, number, count, conditions);
	if (error == 0 && count > 0)
		error = seccomp_rule_add_array(f->ctx[CONDITIONAL], action, number, count, conditions);
	if (error == 0 && (count > 0 || is_multiplexed(f, number)))
		error = seccomp_rule_add_array(f->ctx[MULTIPLEXED], action, number, count, conditions);
	return error == -EEXIST ? 0 : error;
}

static int add_arch(struct filter *f, char **rest)
{
	const struct word *arch = find_word(arches, ARRAY_LEN(arches), strsep(rest, " "));
	if (!arch || f->arch_count == ARRAY_LEN(f->arches))
		return -EINVAL;
	/* a kernel that has no x32 needs no rules for it: its calls are foreign */
	if (arch->value == SCMP_ARCH_X32 && syscall(X32_BIT | SYS_getpid) < 0)
		return 0;
	struct arch *a = &f->arches[f->arch_count++];
	a->token = arch->value;
	a->audit = arch->value == SCMP_ARCH_X86 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
	a->bit = arch->value == SCMP_ARCH_X32 ? X32_BIT : 0;
	a->last = -1;
	for (unsigned i = 0; i < CONTEXTS; i++) {
		int error = seccomp_arch_add(f->ctx[i], a->token);
		/* a filter begins with the native one, and cannot be without any */
		if (error == 0 && f->arch_count == 1)
			error = seccomp_arch_remove(f->ctx[i], SCMP_ARCH_NATIVE);
		if (error < 0 && error != -EEXIST)
			return error;
	}
	return 0;
}

static int set_default(struct filter *f, char **rest)
{
	uint32_t action;
	if (f->ctx[ALL] || take_action(rest, &action) < 0)
		return -EINVAL;
	f->newer = f->foreign = action;
	for (unsigned i = 0; i < CONTEXTS; i++) {
		f->ctx[i] = seccomp_init(action);
		if (!f->ctx[i])
			return -ENOMEM;
	}
	return 0;
}

static int take_line(struct filter *f, char *line)
{
	char *rest = line, *what = strsep(&rest, " ");
	int number, raw;
	if (!strcmp(what, "default"))
		return set_default(f, &rest);
	if (!f->ctx[ALL])
		return -EINVAL;
	if (!strcmp(what, "rule"))
		return add_rule(f, &rest);
	if (!strcmp(what, "known"))
		return take_call(f, &rest, &number, &raw);
	if (!strcmp(what, "arch"))
		return add_arch(f, &rest);
	if (!strcmp(what, "newer"))
		return take_action(&rest, &f->newer);
	if (!strcmp(what, "foreign"))
		return take_action(&rest, &f->foreign);
	return -EINVAL;
}

/* --- the table --------------------------------------------------------------------------------------------------------- */

static int export(scmp_filter_ctx ctx, struct program *out)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	int error = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	ssize_t len = error < 0 ? error : pread(fd, out->at, sizeof(out->at), 0);
	close_fd(&fd);
	if (len < 0)
		return (int)len;
	out->len = (unsigned)((size_t)len / sizeof(out->at[0]));
	return out->len == BPF_MAXINSNS ? -E2BIG : 0;
}

/* The rules of the calls whose answers depend on their arguments. */
static scmp_filter_ctx fill_answers(struct filter *f, const struct program *all)
{
	static const char *const multiplexers[] = { "socketcall", "ipc" };
	scmp_filter_ctx rest = NULL;
	for (unsigned i = 0; i < f->arch_count; i++) {
		struct arch *a = &f->arches[i];
		for (int n = 0; n < MAX_CALLS; n++) {
			a->answers[n] = n > a->last ? f->newer : f->raw[n] ? f->raw[n] : filter_walk(all, a->audit, (uint32_t)n | a->bit);
			if (a->answers[n] == ASK && !rest)
				rest = f->ctx[CONDITIONAL];
		}
		for (unsigned k = 0; k < ARRAY_LEN(multiplexers); k++) {
			int n = seccomp_syscall_resolve_name_arch(a->token, multiplexers[k]);
			if (n >= 0 && n < MAX_CALLS && a->answers[n] == ASK)
				rest = f->ctx[MULTIPLEXED];
		}
	}
	return rest;
}

/* --- the program ------------------------------------------------------------------------------------------------------- */

static int fail(const char *what, unsigned line, int error)
{
	fprintf(stderr, "thaw-launcher: filter: %s (line %u): %s\n", what, line, strerror(-error));
	return 1;
}

static int read_list(char *out)
{
	size_t len = 0;
	for (ssize_t n; (n = read(STDIN_FILENO, out + len, LIST_BYTES - len)) != 0; len += (size_t)n) {
		if (n < 0)
			return -errno;
		if (len + (size_t)n == LIST_BYTES)
			return -E2BIG;
	}
	out[len] = 0;
	return 0;
}

static int make_filter(struct filter *f)
{
	static struct program all, second, out;
	if (!f->ctx[ALL] || f->arch_count == 0)
		return -EINVAL;
	int error = export(f->ctx[ALL], &all);
	if (error < 0)
		return error;
	scmp_filter_ctx rest = fill_answers(f, &all);
	/* a binary tree of the calls' numbers instead of a chain */
	if (rest && ((error = seccomp_attr_set(rest, SCMP_FLTATR_CTL_OPTIMIZE, 2)) < 0 || (error = export(rest, &second)) < 0))
		return error;
	filter_emit(&out, f->arches, f->arch_count, f->foreign, &second);
	return out.len > BPF_MAXINSNS ? -E2BIG : write_all(STDOUT_FILENO, out.at, out.len * sizeof(out.at[0]));
}

int filter_main(void)
{
	static char list[LIST_BYTES];
	static struct filter f;
	unsigned number = 0;
	int error = read_list(list);
	if (error < 0)
		return fail("cannot read the rules", 0, error);
	for (char *rest = list, *line; (line = strsep(&rest, "\n"));) {
		number++;
		error = *line ? take_line(&f, line) : 0;
		if (error < 0)
			return fail("cannot take a rule", number, error);
	}
	error = make_filter(&f);
	if (error < 0)
		return fail("cannot make the filter", number, error);
	return 0; /* the contexts end with the process */
}
