/* What CRIU is told of limits (native/criu/limits.c): what the kernel says of them itself, or nothing. */
#define _GNU_SOURCE
#define syscall limits_syscall
#include "../../native/criu/limits.c"
#undef syscall

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int failures;

static void check(bool right, const char *what)
{
	if (!right) {
		fprintf(stderr, "wrong: %s\n", what);
		failures++;
	}
}

static void compare_own(const char *what)
{
	for (unsigned resource = 0; resource < LIMITS; resource++) {
		struct rlimit64 wanted;
		struct limit found = { 1, 1 };
		getrlimit64((__rlimit_resource_t)resource, &wanted);
		check(limit_of((uint32_t)getpid(), resource, &found) == 0, what);
		check(found.soft == wanted.rlim_cur && found.hard == wanted.rlim_max, what);
	}
}

static void calls_are_passed_on(void)
{
	struct rlimit64 limit = { 0, 0 }, wanted;
	check(limits_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0) == getpid(), "a call that succeeds");
	errno = 0;
	check(limits_syscall(SYS_close, -1, 0, 0, 0, 0, 0) == -1 && errno == EBADF, "a call that fails");
	getrlimit64(RLIMIT_NOFILE, &wanted);
	check(limits_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0) == 0, "a limit that may be asked for");
	check(!memcmp(&limit, &wanted, sizeof(limit)), "the kernel's own answer");
	errno = 0;
	check(limits_syscall(SYS_prlimit64, 0, 99, 0, (long)&limit, 0, 0) == -1 && errno == EINVAL, "an unknown limit");
	long pages = limits_syscall(SYS_mmap, 0, 8192, 3, 0x22, -1, 0);
	check(pages > 0 && limits_syscall(SYS_munmap, pages, 8192, 0, 0, 0, 0) == 0, "six arguments");
}

#define HEADING "Limit                     Soft Limit           Hard Limit           Units     \n"
#define NAME "Max cpu time              "

static void damaged_text_says_nothing(void)
{
	static const char *const damaged[] = {
		"",
		HEADING,
		HEADING "Max cpu time",
		HEADING "Max cpu time\n" NAME "1 1 ",
		HEADING NAME,
		HEADING NAME "1",
		HEADING NAME "1 ",
		HEADING NAME "1 2",
		HEADING NAME "-1 2 ",
		HEADING NAME "unlimite 2 ",
		HEADING NAME "unlimitedly 2 ",
		HEADING NAME "18446744073709551616 2 ",
		HEADING NAME "1x 2 ",
	};
	struct limit found;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
		check(!find_limit(damaged[i], 0, &found), damaged[i]);
	check(find_limit(HEADING NAME "18446744073709551614 unlimited seconds\n", 0, &found), "the largest number");
	check(found.soft == UINT64_MAX - 1 && found.hard == UINT64_MAX, "the largest numbers");
	check(!find_limit(HEADING NAME "1 2 seconds\n", 1, &found), "a line that is missing");
	check(limit_of((uint32_t)getpid(), LIMITS, &found) == -EPERM, "a limit that no file has");
	check(limit_of(UINT32_MAX, 0, &found) == -EPERM, "a process that is not there");
}

int main(void)
{
	compare_own("limits as they are");
	struct rlimit64 changed = { 123, 456 };
	setrlimit64(RLIMIT_NOFILE, &changed);
	compare_own("limits that were changed");
	calls_are_passed_on();
	damaged_text_says_nothing();
	return failures != 0;
}
