/*
 * Makes system calls and tells how they ended: each argument is WIDTH:NUMBER[:ARGUMENT]... with WIDTH 64 or 32 (made
 * by int 0x80), the output one errno for each on a line, 0 for success, or "signal N" for a call that killed. Each call
 * is made by a process of its own, whose own status is lost when the call makes another process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long narrow(const unsigned long *c)
{
	long result;
	register unsigned long a6 __asm__("r8") = c[6];
	__asm__ volatile("push %%rbp; mov %%r8, %%rbp; int $0x80; pop %%rbp"
			 : "=a"(result)
			 : "a"(c[0]), "b"(c[1]), "c"(c[2]), "d"(c[3]), "S"(c[4]), "D"(c[5]), "r"(a6)
			 : "memory");
	return (int)result;
}

static int call(char *text)
{
	unsigned long c[7] = { 0 };
	int width = atoi(strsep(&text, ":"));
	for (int i = 0; text && i < 7; i++)
		c[i] = strtoul(strsep(&text, ":"), NULL, 0);
	if (width == 32) {
		long result = narrow(c);
		return result < 0 && result > -4096 ? (int)-result : 0;
	}
	return syscall((long)c[0], c[1], c[2], c[3], c[4], c[5], c[6]) == -1 ? errno : 0;
}

int main(int argc, char **argv)
{
	int *error = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 1; i < argc; i++) {
		int status;
		*error = -1;
		pid_t pid = fork();
		if (pid == 0) {
			pid_t self = getpid();
			int result = call(argv[i]);
			if (getpid() == self)
				*error = result;
			_exit(0);
		}
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status))
			printf("signal %d\n", WTERMSIG(status));
		else
			printf("%d\n", *error);
	}
	return 0;
}
