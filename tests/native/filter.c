/*
 * The program that makes seccomp filters, with lists of rules that are right and thousands that are damaged: it makes a
 * filter or says no, and nothing else. Each list has a process of its own.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { ROUNDS = 500, MADE = 40, REFUSED = 41 };

static const char good[] = "default errno 1\n"
			   "arch x86_64\n"
			   "arch x86\n"
			   "arch x32\n"
			   "foreign errno 38\n"
			   "newer errno 38\n"
			   "known bpf\n"
			   "known not_a_call\n"
			   "known mseal@462\n"
			   "rule allow 0 read\n"
			   "rule allow 0 futex_wait@455\n"
			   "rule kill_thread 0 futex_wake@454\n"
			   "rule trace 7 connect\n"
			   "rule errno 38 clone3\n"
			   "rule allow 0 clone 0 masked_eq 2114060288 0\n"
			   "rule allow 0 socket 0 lt 38 0 2 ne 9 0\n"
			   "rule log 0 personality 0 eq 18446744073709551615 0\n";

static int make(const char *list, size_t len, size_t *made)
{
	int in = memfd_create("rules", 0), out = memfd_create("filter", 0), status;
	if (in < 0 || out < 0 || pwrite(in, list, len, 0) != (ssize_t)len)
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		_exit(filter_main() == 0 ? MADE : REFUSED);
	}
	waitpid(pid, &status, 0);
	*made = (size_t)lseek(out, 0, SEEK_END);
	close(in);
	close(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static unsigned next_random(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static size_t damage(char *list, unsigned *state)
{
	static const char letters[] = " \n@-0918eqx_\t\0z";
	size_t len = sizeof(good) - 1;
	memcpy(list, good, len);
	for (unsigned n = 1 + next_random(state) % 4; n > 0; n--) {
		size_t at = next_random(state) % len;
		if (next_random(state) % 8 == 0)
			len = at + 1;
		else
			list[at] = letters[next_random(state) % (sizeof(letters) - 1)];
	}
	return len;
}

int main(void)
{
	static char list[sizeof(good)];
	size_t made;
	unsigned state = 7, counts[2] = { 0, 0 };
	if (make(good, sizeof(good) - 1, &made) != MADE || made == 0 || made % sizeof(struct sock_filter) != 0) {
		fprintf(stderr, "no filter of a good list\n");
		return 1;
	}
	for (int round = 0; round < ROUNDS; round++) {
		size_t len = damage(list, &state);
		int result = make(list, len, &made);
		if ((result != MADE && result != REFUSED) || (result == MADE) != (made > 0)) {
			fprintf(stderr, "round %d ended with %d and %zu bytes:\n%.*s\n", round, result, made, (int)len, list);
			return 1;
		}
		counts[result == MADE]++;
	}
	if (counts[0] == 0 || counts[1] == 0)
		return 1;
	printf("%u refused, %u made\n", counts[0], counts[1]);
	return 0;
}
