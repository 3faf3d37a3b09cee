/* The process's memory: everything else is unmapped, its own mapped and read, and what is known of it said again. */
#include "sys.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum { IOVECS = 256 };
/* Where user addresses end on x86-64 with four levels of page tables. */
#define TASK_END 0x7ffffffff000ULL
#define READ_AT_MOST 0x40000000ULL

static void unmap_others(void)
{
	const struct restore_header *h = HEADER;
	uint64_t end = BOOT->tables + BOOT->tables_bytes;
	stage("unmapping the launcher");
	must(call(SYS_munmap, 0, h->hole));
	must(call(SYS_munmap, end, TASK_END - end));
	stage("placing the vDSO");
	if (h->vdso)
		must(call(SYS_arch_prctl, ARCH_MAP_VDSO_64, h->vdso));
}

/* Keeps the file of the last mapping open: those of one file stand together. */
struct opened {
	uint32_t path;
	int flags;
	int fd;
};

static int open_mapped(struct opened *last, uint32_t path, int flags)
{
	if (last->fd >= 0 && last->path == path && last->flags == flags)
		return last->fd;
	if (last->fd >= 0)
		call(SYS_close, last->fd);
	last->path = path;
	last->flags = flags;
	last->fd = open_plain(DATA(path), (uint32_t)flags | O_CLOEXEC);
	return last->fd;
}

static void map(const struct restore_vma *v, struct opened *last)
{
	uint32_t prot = v->prot | (v->filled ? PROT_WRITE : 0);
	int fd = -1;
	if (v->kind == VMA_KIND_FILE)
		fd = open_mapped(last, v->path, O_RDONLY);
	if (v->kind == VMA_KIND_FILE_LATE)
		fd = open_mapped(last, v->path, v->prot & PROT_WRITE || v->filled ? O_RDWR : O_RDONLY);
	must(call(SYS_mmap, v->start, v->end - v->start, prot, v->flags | MAP_FIXED_NOREPLACE, fd, v->offset));
}

static void map_all(bool late)
{
	const struct restore_vma *v = TABLE(vmas, struct restore_vma);
	struct opened last = { 0, 0, -1 };
	stage("mapping memory, number");
	for (uint32_t i = 0; i < HEADER->vmas_count; i++) {
		BOOT->index = i + 1;
		if ((v[i].kind == VMA_KIND_FILE_LATE) == late)
			map(&v[i], &last);
	}
	if (last.fd >= 0)
		must(call(SYS_close, last.fd));
}

static void protect_filled(void)
{
	const struct restore_vma *v = TABLE(vmas, struct restore_vma);
	stage("protecting memory, number");
	for (uint32_t i = 0; i < HEADER->vmas_count; i++) {
		BOOT->index = i + 1;
		if (v[i].filled && v[i].kind != VMA_KIND_FILE_LATE && !(v[i].prot & PROT_WRITE))
			must(call(SYS_mprotect, v[i].start, v[i].end - v[i].start, v[i].prot));
	}
}

/* Reads vectors to their end; a file that is too short is an error. */
static void read_vectors(int fd, struct iovec *iov, uint32_t count, uint64_t offset)
{
	while (count > 0) {
		long n = must(call(SYS_preadv, fd, iov, count, offset, 0));
		if (n == 0)
			fail(-ENODATA);
		offset += (uint64_t)n;
		for (; count > 0 && (uint64_t)n >= iov->iov_len; count--)
			n -= (long)(iov++)->iov_len;
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (uint64_t)n;
		}
	}
}

/* Runs that follow each other in a pack are one read. */
static void read_pages(void)
{
	const struct restore_run *runs = TABLE(runs, struct restore_run);
	struct iovec iov[IOVECS];
	stage("reading memory, run");
	for (uint32_t i = 0, count; i < HEADER->runs_count; i += count) {
		uint64_t offset = runs[i].offset, bytes = 0;
		for (count = 0; i + count < HEADER->runs_count && count < IOVECS; count++) {
			const struct restore_run *r = &runs[i + count];
			if (r->pack != runs[i].pack || r->offset != offset + bytes || (count > 0 && bytes + r->bytes > READ_AT_MOST))
				break;
			iov[count] = (struct iovec){ (void *)(uintptr_t)r->address, r->bytes };
			bytes += r->bytes;
		}
		BOOT->index = i + 1;
		read_vectors(BOOT->packs[runs[i].pack], iov, count, offset);
	}
	for (uint32_t i = 0; i < BOOT->pack_count; i++)
		must(call(SYS_close, BOOT->packs[i]));
}

/* Reading into huge pages takes one page fault instead of 512, and a clone copies one entry instead of 512. Without them
 * it is only slower. Afterwards a mapping is as if nothing had been asked: this is for machines where huge pages are
 * for who asks (transparent_hugepage/enabled: madvise), so that one that asks for none has none as before. */
static void advise_whole(int advice)
{
	const struct restore_huge *huge = TABLE(huge, struct restore_huge);
	for (uint32_t i = 0; i < HEADER->huge_count; i++) {
		if (huge[i].whole)
			call(SYS_madvise, huge[i].start, huge[i].bytes, advice);
	}
}

static void collapse_parts(void)
{
	const struct restore_huge *huge = TABLE(huge, struct restore_huge);
	for (uint32_t i = 0; i < HEADER->huge_count; i++) {
		if (!huge[i].whole)
			call(SYS_madvise, huge[i].start, huge[i].bytes, 25 /* MADV_COLLAPSE */);
	}
}

void memory_build(void)
{
	unmap_others();
	map_all(false);
	advise_whole(14 /* MADV_HUGEPAGE */);
	read_pages();
	advise_whole(15 /* MADV_NOHUGEPAGE */);
	protect_filled();
	if (BOOT->as_template)
		collapse_parts();
}

void memory_map_late(void)
{
	map_all(true);
}

/* An early copy is all that is lost where one fails. */
void memory_prefault(void)
{
	const struct restore_prefault *prefault = TABLE(prefault, struct restore_prefault);
	for (uint32_t i = 0; i < HEADER->prefault_count; i++)
		call(SYS_madvise, prefault[i].start, prefault[i].bytes, prefault[i].write ? 23 : 22 /* MADV_POPULATE_* */);
}

void memory_advise(void)
{
	const struct restore_advice *advice = TABLE(advice, struct restore_advice);
	stage("advice on memory, number");
	for (uint32_t i = 0; i < HEADER->advice_count; i++) {
		BOOT->index = i + 1;
		must(call(SYS_madvise, advice[i].start, advice[i].bytes, advice[i].advice));
	}
}

void memory_drop_tables(void)
{
	must(call(SYS_munmap, BOOT->tables, BOOT->tables_bytes));
}
