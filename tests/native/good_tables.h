/* A table file (protocol/restore.yaml) with something in every section, to be damaged. */
#pragma once
#include "../../native/restorer/boot.h"
#include "util.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#define HOLE 0x200000000000ULL

enum { ROOM = 1 << 16, SCRATCH = 0x10000 };

struct draft {
	_Alignas(8) uint8_t p[ROOM];
	size_t len;
	uint32_t data_len;
	uint8_t data[8192];
};

static uint32_t add_data(struct draft *d, const void *p, uint32_t len)
{
	uint32_t at = (d->data_len + 7) & ~7u;
	memcpy(d->data + at, p, len);
	d->data_len = at + len;
	return at;
}

static void add_section(struct draft *d, uint32_t *at, uint32_t *count, const void *records, uint32_t n, size_t size)
{
	d->len = (d->len + 7) & ~(size_t)7;
	*at = (uint32_t)d->len;
	*count = n;
	memcpy(d->p + d->len, records, n * size);
	d->len += n * size;
}

#define ADD(name, records) add_section(d, &h->name##_at, &h->name##_count, records, ARRAY_LEN(records), sizeof(records[0]))
#define TEXT(text) add_data(d, text, sizeof(text))
enum { A = VMA_KIND_ANONYMOUS, PRIVATE = 0x22, GROWS = 0x122 };

static void make_memory(struct draft *d, struct restore_header *h)
{
	const uint32_t lib = TEXT("/lib/a.so");
	const struct restore_vma vmas[] = {
		{ .start = 0x10000, .end = 0x20000, .prot = 3, .kind = A, .flags = PRIVATE, .filled = 1 },
		{ .start = 0x400000, .end = 0x500000, .offset = 0x1000, .prot = 5, .kind = VMA_KIND_FILE, .path = lib, .flags = 2, .filled = 1 },
		{ .start = 0x600000, .end = 0x601000, .prot = 3, .kind = VMA_KIND_FILE_LATE, .path = lib, .flags = 1, .filled = 1 },
		{ .start = 0x700000, .end = 0x702000, .prot = 3, .kind = VMA_KIND_DROPPABLE, .flags = 0x28 },
		{ .start = 0x7ffe00000000, .end = 0x7ffe00021000, .prot = 3, .kind = VMA_KIND_GROWS_DOWN, .flags = GROWS, .filled = 1 },
	};
	const struct restore_run runs[] = {
		{ .address = 0x11000, .offset = 0, .bytes = 0x2000 },
		{ .address = 0x14000, .offset = 0x2000, .bytes = 0x1000 },
		{ .address = 0x400000, .offset = 0x9000, .bytes = 0x3000, .pack = 1 },
		{ .address = 0x7ffe00020000, .offset = 0xc000, .bytes = 0x1000, .pack = 1 },
	};
	const struct restore_huge huge[] = { { 0x200000, 0x200000, 0, 0 }, { 0x400000, 0x100000, 1, 0 } };
	const struct restore_advice advice[] = { { 0x10000, 0x10000, 10, 0 } };
	const struct restore_prefault prefault[] = { { 0x11000, 0x1000, 1, 0 }, { 0x400000, 0x1000, 0, 0 } };
	ADD(vmas, vmas);
	ADD(runs, runs);
	ADD(huge, huge);
	ADD(advice, advice);
	ADD(prefault, prefault);
}

static void make_files_of(struct draft *d, struct restore_header *h)
{
	const uint64_t none = ~0ULL;
	const uint32_t one = 1, value = add_data(d, &one, 4), path = TEXT("/srv/x"), waits = TEXT("in the pipe");
	const uint8_t inet[16] = { 2, 0, 31, 144 };
	const uint32_t name = add_data(d, inet, 16), local = TEXT("\1\0/run/s");
	const struct restore_file files[] = {
		{ .kind = FILE_KIND_STDIO, .a = 1 },
		{ .kind = FILE_KIND_STDIO, .a = 2, .flags = O_NONBLOCK },
		{ .kind = FILE_KIND_OPEN, .text = path, .flags = O_RDWR | O_APPEND, .a = 77 },
		{ .kind = FILE_KIND_PIPE, .a = 65536, .text = waits, .length = 11 },
		{ .kind = FILE_KIND_PIPE_WRITE, .flags = O_NONBLOCK },
		{ .kind = FILE_KIND_EVENTFD, .a = 1ULL << 33 },
		{ .kind = FILE_KIND_TIMERFD, .a = 1, .b = 1000, .c = 5000, .d = 2 },
		{ .kind = FILE_KIND_SIGNALFD, .a = 512 },
		{ .kind = FILE_KIND_INOTIFY, .first = 0, .count = 2 },
		{ .kind = FILE_KIND_EPOLL, .first = 2, .count = 2 },
		{ .kind = FILE_KIND_SOCKET, .a = 2, .b = 1, .c = 6, .text = name, .length = 16, .d = 128, .first = 0, .count = 2 },
		{ .kind = FILE_KIND_SOCKETPAIR, .a = 2 },
		{ .kind = FILE_KIND_SOCKETPAIR_SECOND, .flags = O_NONBLOCK },
		{ .kind = FILE_KIND_PATH_SOCKET, .a = 1, .b = 1, .c = 7ULL << 32 | 8, .e = 0600, .text = local, .length = 9, .d = none },
	};
	struct restore_descriptor descriptors[ARRAY_LEN(files) + 1];
	for (uint32_t i = 0; i <= ARRAY_LEN(files); i++)
		descriptors[i] = (struct restore_descriptor){ .fd = i, .file = i ? i - 1 : 0, .cloexec = i % 3 };
	const struct restore_watch watches[] = { { 1, 2, path }, { 4, 2, path }, { 3, 1, 99 }, { 10, 1, 98 } };
	const struct restore_option options[] = { { 1, 2, value, 4 }, { 6, 1, value, 4 } };
	const struct restore_lock locks[] = { { 3, LOCK_KIND_WHOLE, 1, 0, 0, 0 }, { 3, LOCK_KIND_POSIX, 0, 0, 10, 20 }, { 3, LOCK_KIND_OPEN, 1, 0, 5, 0 } };
	const struct restore_owner owners[] = { { 12, OWNER_KIND_PROCESS, 29, 1 }, { 4, OWNER_KIND_GROUP, 0, 0 } };
	const struct restore_packet packets[] = { { 11, waits, 11, 0 }, { 12, waits, 3, 0 } };
	ADD(files, files);
	ADD(descriptors, descriptors);
	ADD(watches, watches);
	ADD(options, options);
	ADD(packets, packets);
	ADD(locks, locks);
	ADD(owners, owners);
}

static void make_process(struct draft *d, struct restore_header *h)
{
	static const uint8_t frame[1200], program[16];
	const uint32_t at = add_data(d, frame, sizeof(frame)), name = TEXT("worker"), code = add_data(d, program, sizeof(program));
	const uint64_t first = HOLE + RESTORE_LIMIT_CODE_BYTES + RESTORE_LIMIT_LEADER_BYTES + RESTORE_LIMIT_THREAD_STACK;
	const struct restore_thread all[] = {
		{ .tid = 2, .frame = at, .frame_bytes = sizeof(frame), .name = name, .frame_at = first },
		{ .tid = 3, .frame = at, .frame_bytes = sizeof(frame), .name = name, .frame_at = first + 4096 },
	};
	const struct restore_signal signals[] = { { .handler = 1, .signal = 10 }, { .handler = 0x400010, .signal = 64 } };
	const struct restore_rlimit rlimits[] = { { 100, 200, 7, 0 } };
	const struct restore_itimer itimers[] = { { 0, 5000000, 0, 0 } };
	const struct restore_timer timers[] = {
		{ .id = 0, .clock = 1, .notify = 0, .signal = 14, .data = 7, .interval = 5000000, .value = 1 },
		{ .id = 3, .clock = 0, .notify = 4, .signal = 34, .thread = 3, .value = 6000000000 },
		{ .id = 4, .clock = 2, .notify = 1 },
	};
	const struct restore_filter filters[] = { { code, 2, 2, 0 } };
	const struct restore_group groups[] = { { 20 }, { 30 }, { 40 } };
	const struct restore_auxv auxv[] = { { 6 }, { 4096 }, { 0 }, { 0 } };
	ADD(threads, all);
	ADD(signals, signals);
	ADD(rlimits, rlimits);
	ADD(itimers, itimers);
	ADD(timers, timers);
	ADD(filters, filters);
	ADD(groups, groups);
	ADD(auxv, auxv);
}

static void make_good(struct draft *d)
{
	struct restore_header head = { .magic = RESTORE_MAGIC, .version = RESTORE_VERSION }, *h = &head;
	memset(d, 0, sizeof(*d));
	d->data_len = 1;
	d->len = sizeof(head);
	head.hole = HOLE;
	head.scratch_bytes = SCRATCH;
	head.vdso = 0x7fff00000000;
	head.pid = head.sid = head.pgid = 2;
	head.uid = head.euid = head.suid = head.fsuid = 1000;
	head.fsgid = 5;
	head.membarrier = 0x10;
	head.ambient = head.inheritable = head.permitted = 0x400;
	head.first_free_fd = 64;
	head.cwd = TEXT("/srv");
	head.exe = TEXT("/bin/x");
	make_memory(d, h);
	make_files_of(d, h);
	make_process(d, h);
	add_section(d, &head.data_at, &head.data_count, d->data, d->data_len + 1, 1);
	head.size = (uint32_t)d->len;
	memcpy(d->p, &head, sizeof(head));
}
