/* System calls without libc, and what every file of the restorer uses. */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "boot.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>

#ifdef RESTORER_TEST
/* A native test stands in for the kernel, and says where the hole is. */
extern struct restore_boot *restorer_boot(void);
extern long raw_call(long nr, long a, long b, long c, long d, long e, long f);
#else
/* First byte of the code, from the linker's script: the hole begins there. */
extern const char restorer_code[] __attribute__((visibility("hidden")));

/* Hidden from the compiler, which would take what lies behind the code for constant like it. */
static inline struct restore_boot *restorer_boot(void)
{
	uintptr_t at = (uintptr_t)restorer_code;
	__asm__("" : "+r"(at));
	return (struct restore_boot *)(at + RESTORE_LIMIT_CODE_BYTES);
}
#endif

#define BOOT restorer_boot()
#define HEADER ((const struct restore_header *)(uintptr_t)BOOT->tables)
/* The records of a section, and texts and spans of `data`. */
#define TABLE(name, type) ((const type *)(uintptr_t)(BOOT->tables + HEADER->name##_at))
#define DATA(offset) ((const char *)(uintptr_t)(BOOT->tables + HEADER->data_at + (offset)))

#ifndef RESTORER_TEST
static inline long raw_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#endif

/* The same, failing where a test wants it to. */
static inline long call6(long nr, long a, long b, long c, long d, long e, long f)
{
	struct restore_boot *boot = BOOT;
	if (__builtin_expect(boot->fail_at != 0, 0) && __atomic_add_fetch(&boot->calls, 1, __ATOMIC_RELAXED) == boot->fail_at)
		return -EIO;
	return raw_call(nr, a, b, c, d, e, f);
}

#define CALL_ARGS(nr, a, b, c, d, e, f, ...) call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* call(SYS_name, arguments...): the result, or a negated errno. */
#define call(nr, ...) CALL_ARGS(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)

static inline bool is_error(long result)
{
	return result < 0 && result > -4096;
}

/* Where it is, should it fail. */
static inline void stage(const char *what)
{
	BOOT->stage = (uint64_t)(uintptr_t)what;
	BOOT->index = 0;
}

/* Tells the launcher what failed, and ends the process. */
void fail(long error) __attribute__((noreturn));
/* The result, when it is none of an error. */
static inline long must(long result)
{
	if (__builtin_expect(is_error(result), 0))
		fail(result);
	return result;
}

/* Opens a path as it was dumped, which had no links on its way: one that is there now was put there since. What is not
 * what it was, such as a FIFO, must not keep us waiting either: opened without O_NONBLOCK, it is taken off again. */
int open_plain(const char *path, uint32_t flags);

/* Compilers call these, too. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

void tell(uint32_t kind, uint32_t number, uint64_t tag);

/* memory.c */
void memory_build(void);
void memory_map_late(void);
void memory_advise(void);
void memory_prefault(void);
void memory_drop_tables(void);
/* files.c */
void files_open(void);
void files_give(void);
/* self.c */
void self_place(void);
void self_program(void);
void self_become(void);
/* Of one thread: those that only making threads took. */
void self_drop(void);
/* Timers begin to run. */
void files_start_timers(void);
/* timers.c: those of the process, and, when its threads are there to be told, those of timer_create */
void timers_start_interval(void);
void timers_make(void);
/* claims.c */
void files_claim(void);
/* clock.c */
void clock_before_sandbox(void);
void clock_in_sandbox(bool own);
void clock_hold(void);
void clock_go_on(void);
/* threads.c */
void threads_frames(void);
void threads_make(void);
void threads_release(void) __attribute__((noreturn));
