/*
 * Damaged tables through the check that stands before the restorer, and what passes through the restorer itself, with a
 * stand-in for the kernel: whatever the check lets through, no call touches the hole that the restorer lives in or a
 * descriptor that is its own, asks for what no dumped process had, or reads past the tables (the sanitizers see that).
 * Threads and templates, whose calls depend on little of the tables, are looked at here without their code.
 */
#define _GNU_SOURCE
#include "launcher.h"
#include "fuzz.h"
#include "good_tables.h"
#include <string.h>
#define RESTORER_TEST
#define memcpy restorer_memcpy
#define memset restorer_memset
#include "../../native/restorer/claims.c"
#include "../../native/restorer/files.c"
#include "../../native/restorer/memory.c"
#include "../../native/restorer/self.c"
#include "../../native/restorer/timers.c"
#undef memcpy
#undef memset

#include <linux/openat2.h>
#include <setjmp.h>
#include <sys/prctl.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)
#define ASAN_UNPOISON_MEMORY_REGION(p, n)
#endif

enum { CASES = 200000, PACKS = 2, REPORT_FD = 5000, FIRST_PACK = 5001, FIRST_STREAM = 5010, MADE = 900, MANY_CALLS = 1000000 };

static uint8_t *hole;
static const struct restore_header *header;
static uint64_t hole_bytes;
static jmp_buf failed;
static unsigned long calls;
static int next_fd, next_wd, next_timer;
static volatile uint64_t seen;

void *restorer_memcpy(void *to, const void *from, size_t n)
{
	return memcpy(to, from, n);
}

void *restorer_memset(void *to, int value, size_t n)
{
	return memset(to, value, n);
}

struct restore_boot *restorer_boot(void)
{
	return (struct restore_boot *)(void *)(hole + RESTORE_LIMIT_CODE_BYTES);
}

void fail(long error)
{
	(void)error;
	longjmp(failed, 1);
}

void tell(uint32_t kind, uint32_t number, uint64_t tag)
{
	(void)kind;
	(void)number;
	(void)tag;
}

/* --- the kernel --------------------------------------------------------------------------------------------------- */

static void look_at(long address, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		seen += ((const uint8_t *)address)[i];
}

static const char *text_at(long address)
{
	seen += strlen((const char *)address);
	return (const char *)address;
}

static void outside(uint64_t start, uint64_t bytes)
{
	const uint64_t from = (uint64_t)(uintptr_t)hole;
	assert(start + bytes >= start && start + bytes <= TASK_END);
	assert(start + bytes <= from || start >= from + hole_bytes);
}

/* A descriptor of the process's own, or one that was just made. */
static void not_ours(long fd)
{
	assert(fd != REPORT_FD);
}

static long open_at(const char *path, const struct open_how *how)
{
	assert(path[0] == '/' && how->resolve == RESOLVE_NO_SYMLINKS);
	assert((how->flags & (O_CREAT | O_EXCL | O_TRUNC)) == 0 && (how->flags & O_TMPFILE) != O_TMPFILE);
	assert(how->flags & (O_NONBLOCK | O_PATH));
	return next_fd++;
}

static long read_vector(long fd, const struct iovec *iov, long count)
{
	uint64_t bytes = 0;
	assert(fd >= FIRST_PACK && fd < FIRST_PACK + PACKS && count > 0 && count <= IOVECS);
	for (long i = 0; i < count; i++) {
		outside((uint64_t)(uintptr_t)iov[i].iov_base, iov[i].iov_len);
		bytes += iov[i].iov_len;
	}
	return (long)bytes;
}

static long control(long what, long a, long b, long c)
{
	(void)b;
	switch (what) {
	case PR_SET_MM: {
		const struct prctl_mm_map *map = (const struct prctl_mm_map *)b;
		assert(a == PR_SET_MM_MAP && c == sizeof(*map));
		look_at((long)map->auxv, map->auxv_size);
		return 0;
	}
	case PR_CAPBSET_DROP:
		return a > 40 ? -EINVAL : 0;
	case TIMER_IDS: /* as before Linux 6.15 */
		return -EINVAL;
	default:
		return 0;
	}
}

static long memory_call(long nr, long a, long b, long c, long d)
{
	switch (nr) {
	case SYS_mmap:
		assert(b > 0 && d & MAP_FIXED_NOREPLACE && (c & ~7) == 0);
		outside((uint64_t)a, (uint64_t)b);
		return a;
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_madvise:
		outside((uint64_t)a, (uint64_t)b);
		return 0;
	case SYS_arch_prctl:
		outside((uint64_t)b, 0x8000);
		return 0x2000;
	default:
		return -ENOSYS;
	}
}

static long descriptor_call(long nr, long a, long b, long c, long d, long e)
{
	switch (nr) {
	case SYS_dup3:
		not_ours(a);
		assert(b >= 0 && b < header->first_free_fd);
		return b;
	case SYS_fcntl:
		not_ours(a);
		if (b == F_SETOWN_EX)
			assert(((const struct f_owner_ex *)c)->pid == (int)header->pid);
		if (b == F_SETLK || b == F_OFD_SETLK)
			look_at(c, sizeof(struct flock));
		return b == F_DUPFD ? next_fd++ : 0;
	case SYS_flock:
		not_ours(a);
		assert(b & LOCK_NB);
		return 0;
	case SYS_epoll_ctl:
		assert(c >= 0 && c < header->first_free_fd);
		look_at(d, sizeof(struct epoll_event));
		return 0;
	case SYS_inotify_add_watch:
		assert(text_at(b)[0] == '/');
		return ++next_wd;
	case SYS_setsockopt:
		assert((b == SOL_SOCKET || b == 6 || ((b == 0 || b == 41) && (c < 64 || c == 78))) && e <= 64);
		look_at(d, (uint64_t)e);
		return 0;
	case SYS_bind:
		assert(c <= 128);
		look_at(b, (uint64_t)c);
		return 0;
	case SYS_write:
	case SYS_sendto:
		not_ours(a);
		look_at(b, (uint64_t)c);
		return c;
	case SYS_socket:
		assert(a == AF_UNIX || a == AF_INET || a == AF_INET6);
		return next_fd++;
	case SYS_pipe2:
		((int *)a)[0] = next_fd++;
		((int *)a)[1] = next_fd++;
		return b & O_NONBLOCK ? 0 : -EIO;
	case SYS_socketpair:
		((int *)d)[0] = next_fd++;
		((int *)d)[1] = next_fd++;
		return 0;
	default:
		return -ENOSYS;
	}
}

static long process_call(long nr, long a, long b, long c, long d)
{
	switch (nr) {
	case SYS_prctl:
		return control(a, b, c, d);
	case SYS_setresuid:
	case SYS_setresgid:
		assert((uint32_t)a != UINT32_MAX && (uint32_t)b != UINT32_MAX && (uint32_t)c != UINT32_MAX);
		return 0;
	case SYS_setgroups:
		look_at(b, (uint64_t)a * 4);
		for (long i = 0; i < a; i++)
			assert(((const uint32_t *)b)[i] != UINT32_MAX);
		return 0;
	case SYS_rt_sigaction:
		assert(a >= 1 && a <= 64);
		return 0;
	case SYS_prlimit64:
		assert(b >= 0 && b < 16);
		return 0;
	case SYS_setitimer:
		assert(a >= 0 && a < 3);
		return 0;
	case SYS_timer_create:
		assert(a == 0 || a == 1 || a == 2 || a == 7 || a == 11);
		look_at(b, sizeof(struct timer_event));
		*(int *)c = next_timer++;
		return 0;
	case SYS_timer_delete:
		return 0;
	case SYS_timer_settime:
		look_at(c, sizeof(struct __kernel_itimerspec));
		return 0;
	case SYS_membarrier:
		assert(a & 0x154);
		return 0;
	case SYS_getsid:
		return header->pid;
	default:
		return -ENOSYS;
	}
}

long raw_call(long nr, long a, long b, long c, long d, long e, long f)
{
	(void)f;
	assert(++calls < MANY_CALLS);
	long result = memory_call(nr, a, b, c, d);
	if (result == -ENOSYS)
		result = descriptor_call(nr, a, b, c, d, e);
	if (result == -ENOSYS)
		result = process_call(nr, a, b, c, d);
	if (result != -ENOSYS)
		return result;
	switch (nr) {
	case SYS_preadv:
		return read_vector(a, (const struct iovec *)b, c);
	case SYS_openat2:
		return open_at(text_at(b), (const struct open_how *)c);
	case SYS_read: /* no events wait */
		return -EAGAIN;
	case SYS_close:
		not_ours(a);
		return 0;
	case SYS_eventfd2:
	case SYS_timerfd_create:
	case SYS_signalfd4:
	case SYS_inotify_init1:
	case SYS_epoll_create1:
		return next_fd++;
	case SYS_unlinkat:
	case SYS_fchownat:
		text_at(b);
		return 0;
	default:
		return 0;
	}
}

/* --- one table file ------------------------------------------------------------------------------------------------ */

/* What threads.c does with the tables. */
static void threads(void)
{
	const struct restore_thread *t = TABLE(threads, struct restore_thread);
	const uint64_t from = header->hole + RESTORE_LIMIT_CODE_BYTES + RESTORE_LIMIT_LEADER_BYTES, end = header->hole + hole_bytes;
	for (uint32_t i = 0; i < header->threads_count; i++) {
		assert(t[i].frame_at - RESTORE_LIMIT_THREAD_STACK >= from && t[i].frame_at + t[i].frame_bytes <= end);
		memcpy((void *)(uintptr_t)t[i].frame_at, DATA(t[i].frame), t[i].frame_bytes);
		text_at((long)DATA(t[i].name));
	}
	const struct restore_filter *f = TABLE(filters, struct restore_filter);
	for (uint32_t i = 0; i < header->filters_count; i++)
		look_at((long)DATA(f[i].program), f[i].instructions * 8ULL);
}

static void restore(uint64_t tables, size_t len)
{
	struct restore_boot *boot = restorer_boot();
	*boot = (struct restore_boot){ .tables = tables, .tables_bytes = (len + 4095) & ~4095ULL, .report_fd = REPORT_FD, .pack_count = PACKS };
	for (int i = 0; i < PACKS; i++)
		boot->packs[i] = FIRST_PACK + i;
	for (int i = 0; i < 3; i++)
		boot->stdio[i] = i == 2 ? -1 : FIRST_STREAM + i;
	calls = 0;
	next_fd = MADE;
	next_wd = 0;
	next_timer = 0;
	if (setjmp(failed))
		return;
	memory_build();
	threads();
	self_place();
	memory_map_late();
	files_open();
	self_program();
	files_give();
	self_become();
	memory_advise();
	memory_prefault();
	files_claim();
	files_start_timers();
	timers_start_interval();
	timers_make();
	self_drop();
}

/* True when the check let it pass. */
static bool try_tables(const uint8_t *file, size_t len)
{
	const char *what = NULL;
	uint8_t *copy = malloc(len ? len : 1); /* of exactly its size */
	assert(copy);
	memcpy(copy, file, len);
	int error = restore_check(copy, len, PACKS, &what);
	assert(error == 0 || (error == -EBADMSG && what && *what));
	if (error == 0) {
		header = (const struct restore_header *)(const void *)copy;
		const uint64_t before = RESTORE_LIMIT_CODE_BYTES + header->scratch_bytes;
		hole_bytes = before + ((len + 4095) & ~4095ULL);
		hole = mmap((void *)(uintptr_t)header->hole, hole_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
		if (hole != MAP_FAILED) {
			memcpy(hole + before, file, len);
			ASAN_POISON_MEMORY_REGION(hole + before + len, hole_bytes - before - len);
			restore((uint64_t)(uintptr_t)hole + before, len);
			ASAN_UNPOISON_MEMORY_REGION(hole + before + len, hole_bytes - before - len);
			munmap(hole, hole_bytes);
		}
	}
	free(copy);
	return error == 0;
}

/* --- damage -------------------------------------------------------------------------------------------------------- */

static uint64_t edge(struct fuzz *f, const struct draft *d)
{
	const uint64_t edges[] = { 0, 1, 2, 3, 63, 64, 4095, 4096, 65535, 65536, 0x7fffffff, 0xffffffff, HOLE, HOLE - 4096, HOLE + 0x8000, HOLE + SCRATCH,
				   0x7ffffffff000, 0x7fffffffe000, ~0ULL, 1ULL << 63, d->len, d->len - 1, d->len - 8 };
	return edges[fuzz_below(f, ARRAY_LEN(edges))] + fuzz_below(f, 3) - 1;
}

/* Every section is damaged as often as the others, and the header, which says where they are, most. */
static size_t place_in(struct fuzz *f, const struct draft *d)
{
	const uint32_t *pairs = (const uint32_t *)(const void *)(d->p + offsetof(struct restore_header, vmas_at));
	const size_t sections = (offsetof(struct restore_header, hole) - offsetof(struct restore_header, vmas_at)) / 8;
	size_t section = fuzz_below(f, sections * 2);
	if (section >= sections)
		return fuzz_below(f, sizeof(struct restore_header));
	size_t from = pairs[section * 2], to = section + 1 < sections ? pairs[section * 2 + 2] : d->len;
	return from < to && to <= d->len ? from + fuzz_below(f, to - from) : fuzz_below(f, d->len);
}

static void damage(struct fuzz *f, struct draft *d)
{
	size_t at = place_in(f, d), width = fuzz_chance(f, 2) ? 4 : 8;
	uint64_t value = edge(f, d);
	if (d->len < sizeof(struct restore_header) || at >= d->len)
		return;
	switch (fuzz_below(f, 5)) {
	case 0: d->p[at] ^= (uint8_t)(1u << fuzz_below(f, 8)); break;
	case 1: d->p[at] = (uint8_t)fuzz_next(f); break;
	case 2: /* a field from elsewhere */
		at &= ~(width - 1);
		memmove(d->p + at, d->p + (place_in(f, d) & ~(width - 1)), width);
		break;
	case 3:
		if (!fuzz_chance(f, 20)) {
			at &= ~(width - 1);
			memcpy(d->p + at, &value, width);
		} else {
			d->len = fuzz_below(f, d->len);
		}
		break;
	default: /* a small step */
		d->p[at & ~(size_t)3] = (uint8_t)(d->p[at & ~(size_t)3] + fuzz_below(f, 5) - 2);
	}
}

int main(void)
{
	static struct draft good, d;
	unsigned long done = 0, passed = 0;
	struct fuzz f = fuzz_begin("fuzz_restore");
	make_good(&good);
	if (!try_tables(good.p, good.len)) {
		fprintf(stderr, "good tables are refused\n");
		return 1;
	}
	assert(calls > 150);
	assert(next_timer == 5); /* ids 0, 3 and 4, one after the other */
	for (; fuzz_goes_on(&f, done, CASES); done++) {
		memcpy(&d, &good, offsetof(struct draft, data));
		for (size_t n = fuzz_below(&f, 3) + 1; n > 0; n--)
			damage(&f, &d);
		if (d.len >= sizeof(struct restore_header) && !fuzz_chance(&f, 8)) {
			uint32_t size = (uint32_t)d.len;
			memcpy(d.p + offsetof(struct restore_header, size), &size, sizeof(size));
		}
		passed += try_tables(d.p, d.len);
	}
	printf("%lu tables, %lu passed and were executed\n", done, passed);
	return passed > 0 && passed < done ? 0 : 1;
}
