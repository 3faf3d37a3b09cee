/*
 * Becoming a dumped process. The tables (protocol/restore.yaml) and the files with its pages are opened while the host's
 * paths can be seen, checked, and copied into the hole together with the restorer's code; then the process jumps there
 * and nothing of the launcher is left in it.
 */
#define _GNU_SOURCE
#include "launcher.h"
#include "../restorer/boot.h"

#include <fcntl.h>
#include <linux/rseq.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The restorer's bytes, in read-only memory; the Makefile links them. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"restorer_bytes: .incbin \"build/restorer/restorer.bin\"\n"
	"restorer_bytes_end:\n"
	".popsection\n");
extern const uint8_t restorer_bytes[] __attribute__((visibility("hidden")));
extern const uint8_t restorer_bytes_end[] __attribute__((visibility("hidden")));

static int open_read(struct child *child, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? child_fail(child, -errno, path) : fd;
}

int restore_open(struct child *child, const struct op_restore_open *op)
{
	struct wire_reader packs = { op->packs.p, op->packs.p + op->packs.len, false };
	if (child->tables_fd >= 0 || op->packs.count > ARRAY_LEN(child->pack_fds))
		return -EINVAL;
	child->tables_fd = open_read(child, op->tables.p);
	if (child->tables_fd < 0)
		return child->tables_fd;
	for (uint32_t i = 0; i < op->packs.count; i++) {
		int fd = open_read(child, wire_get_str(&packs).p);
		if (fd < 0)
			return fd;
		child->pack_fds[child->pack_count++] = fd;
	}
	return 0;
}

/* --- descriptors ------------------------------------------------------------------------------------------------- */

static int move_above(int fd, const struct restore_header *h)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, (int)h->first_free_fd);
	return high < 0 ? -errno : high;
}

/* All that the restorer needs goes above the dumped process's own descriptors; the others are closed. */
static int keep_descriptors(struct child *child, const struct restore_header *h, struct restore_boot *boot)
{
	const struct streams *io = &child->container->io;
	int keep[5 + ARRAY_LEN(child->pack_fds)];
	size_t count = 0;
	keep[count++] = boot->report_fd = move_above(child->report_fd, h);
	boot->proc_fd = boot->offsets_fd = -1;
	if (boot->as_template)
		keep[count++] = boot->proc_fd = move_above(host.proc_fd, h);
	for (int i = 0; i < 3; i++) {
		boot->stdio[i] = -1;
		if (!boot->as_template && io->child[i] >= 0)
			keep[count++] = boot->stdio[i] = move_above(io->child[i], h);
	}
	for (uint32_t i = 0; i < child->pack_count; i++)
		keep[count++] = boot->packs[i] = move_above(child->pack_fds[i], h);
	boot->pack_count = child->pack_count;
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0)
			return child_fail(child, keep[i], "moving descriptors out of the process's way");
	}
	child->report_fd = boot->report_fd;
	return close_others(keep, count);
}

/* --- the hole ----------------------------------------------------------------------------------------------------- */

static uint8_t *read_tables(struct child *child, uint64_t *len)
{
	struct stat st;
	uint8_t *file = NULL;
	if (child->tables_fd < 0 || fstat(child->tables_fd, &st) < 0 || st.st_size <= 0 || st.st_size > RESTORE_LIMIT_FILE_BYTES)
		return NULL;
	*len = (uint64_t)st.st_size;
	file = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file == MAP_FAILED)
		return NULL;
	for (uint64_t at = 0; at < *len;) {
		ssize_t n = pread(child->tables_fd, file + at, *len - at, (off_t)at);
		if (n <= 0)
			return NULL;
		at += (uint64_t)n;
	}
	return file;
}

static int fill_hole(const struct restore_header *h, const uint8_t *file, uint64_t len, const struct restore_boot *boot)
{
	const size_t code = (size_t)(restorer_bytes_end - restorer_bytes), before = RESTORE_LIMIT_CODE_BYTES + h->scratch_bytes;
	uint8_t *hole = mmap((void *)(uintptr_t)h->hole, before + len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (hole == MAP_FAILED)
		return -errno;
	memcpy(hole, restorer_bytes, code);
	memcpy(hole + RESTORE_LIMIT_CODE_BYTES, boot, sizeof(*boot));
	memcpy(hole + before, file, len);
	return mprotect(hole, RESTORE_LIMIT_CODE_BYTES, PROT_READ | PROT_EXEC) < 0 ? -errno : 0;
}

/* The kernel would go on writing to what libc registered for this thread, which is about to be unmapped. */
static int forget_libc(void)
{
	syscall(SYS_set_robust_list, NULL, sizeof(void *) * 3);
	if (__rseq_size == 0)
		return 0;
	void *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	return syscall(SYS_rseq, area, sizeof(struct rseq), RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0 ? -errno : 0;
}

static void jump(const struct restore_header *h) __attribute__((noreturn));
static void jump(const struct restore_header *h)
{
	uint64_t stack = h->hole + RESTORE_LIMIT_CODE_BYTES + RESTORE_LIMIT_LEADER_BYTES;
	__asm__ volatile("mov %0, %%rsp\n\tjmp *%1" : : "r"(stack), "r"(h->hole) : "memory");
	__builtin_unreachable();
}

int restore_begin(struct child *child, const struct op_restore *op)
{
	const char *what = "";
	uint64_t len = 0;
	if (child->wait != WAIT_READY || op->as_template > 1)
		return child_fail(child, -EINVAL, "who is restored says when it is ready");
	uint8_t *file = read_tables(child, &len);
	if (!file)
		return child_fail(child, -EIO, "reading the tables");
	int error = restore_check(file, len, child->pack_count, &what);
	if (error < 0)
		return child_fail(child, error, what);
	const struct restore_header *h = (const struct restore_header *)(const void *)file;
	if (!op->as_template && (uint32_t)getpid() != h->pid)
		return child_fail(child, -ESRCH, "the process has not the pid that was dumped");
	struct restore_boot boot = { .as_template = op->as_template, .fail_at = op->fail_at };
	boot.tables = h->hole + RESTORE_LIMIT_CODE_BYTES + h->scratch_bytes;
	boot.tables_bytes = (len + 4095) & ~4095ULL;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || (op->as_template && prctl(PR_SET_NAME, "thaw-template", 0, 0, 0) < 0))
		return -errno;
	error = keep_descriptors(child, h, &boot);
	if (error < 0)
		return error;
	error = fill_hole(h, file, len, &boot);
	if (error < 0)
		return child_fail(child, error, "the hole of the tables is not free");
	error = forget_libc();
	if (error < 0)
		return child_fail(child, error, "unregistering rseq");
	jump(h);
}
