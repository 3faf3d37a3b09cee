/*
 * Loaded before CRIU when it dumps. It asks for the limits of each task with prlimit64, which the kernel answers about
 * another user's task only with CAP_SYS_RESOURCE (check_prlimit_permission in kernel/sys.c), and the dump fails where root
 * lacks that. The same numbers are in /proc/PID/limits for everybody. CRIU calls the kernel through the C library's
 * syscall(), so a function of that name stands in for it here; whatever the kernel does answer is passed on as it is.
 * No C library of its own: one file serves each that a CRIU was built for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

enum { LIMITS = 16, NAME_COLUMN = 26, MOST_TEXT = 4096, FIRST_ERROR = -4095 };

struct limit {
	uint64_t soft, hard;
};

/* of the C library that CRIU has loaded */
extern int *__errno_location(void);
long syscall(long number, long a, long b, long c, long d, long e, long f);

static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static char *put(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	return to;
}

static long open_limits(uint32_t pid)
{
	char path[32], digits[11] = "";
	size_t at = sizeof(digits) - 1;
	do
		digits[--at] = (char)('0' + pid % 10);
	while (pid /= 10);
	*put(put(put(path, "/proc/"), digits + at), "/limits") = 0;
	return call(SYS_open, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
}

/* All of the file as text; false when it is not there or longer than it ever is. */
static bool read_limits(uint32_t pid, char *text)
{
	long fd = open_limits(pid), length = 0, n = 0;
	if (fd < 0)
		return false;
	while (length < MOST_TEXT - 1 && (n = call(SYS_read, fd, (long)(text + length), MOST_TEXT - 1 - length, 0, 0, 0)) > 0)
		length += n;
	call(SYS_close, fd, 0, 0, 0, 0, 0);
	text[length] = 0;
	return n == 0 && length < MOST_TEXT - 1;
}

/* A number or "unlimited", with the spaces behind it; NULL for anything else. */
static const char *take(const char *text, uint64_t *value)
{
	const char *unlimited = "unlimited";
	uint64_t number = 0;
	if (*text == *unlimited) {
		for (number = UINT64_MAX; *unlimited; text++)
			if (*text != *unlimited++)
				return NULL;
	} else {
		if (*text < '0' || *text > '9')
			return NULL;
		for (; *text >= '0' && *text <= '9'; text++)
			if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, *text - '0', &number))
				return NULL;
	}
	if (*text != ' ')
		return NULL;
	while (*text == ' ')
		text++;
	*value = number;
	return text;
}

/* One line for each limit, in the order of their numbers, below one of headings. */
static bool find_limit(const char *text, unsigned resource, struct limit *found)
{
	for (unsigned line = 0; line <= resource; line++) {
		while (*text && *text != '\n')
			text++;
		if (!*text++)
			return false;
	}
	for (unsigned i = 0; i < NAME_COLUMN; i++)
		if (*text == '\n' || !*text++)
			return false;
	text = take(text, &found->soft);
	return text && take(text, &found->hard);
}

static long limit_of(uint32_t pid, unsigned long resource, struct limit *limit)
{
	char text[MOST_TEXT];
	struct limit found;
	if (resource >= LIMITS || !read_limits(pid, text) || !find_limit(text, (unsigned)resource, &found))
		return -EPERM;
	*limit = found;
	return 0;
}

long syscall(long number, long a, long b, long c, long d, long e, long f)
{
	long result = call(number, a, b, c, d, e, f);
	if (number == SYS_prlimit64 && result == -EPERM && c == 0 && d != 0)
		result = limit_of((uint32_t)a, (unsigned long)b, (struct limit *)d);
	if (result >= 0 || result < FIRST_ERROR)
		return result;
	*__errno_location() = (int)-result;
	return -1;
}
