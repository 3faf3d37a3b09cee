/* Generated from protocol/restore.yaml by protocol/generate.ts. Do not edit. */
#pragma once
#include <stdint.h>

#define RESTORE_MAGIC 0x3130545352574854ULL
#define RESTORE_VERSION 3
#define RESTORE_LIMIT_FILE_BYTES 67108864
#define RESTORE_LIMIT_VMAS 65536
#define RESTORE_LIMIT_RUNS 1048576
#define RESTORE_LIMIT_FILES 65536
#define RESTORE_LIMIT_THREADS 4096
#define RESTORE_LIMIT_FD 1048576
#define RESTORE_LIMIT_FRAME_BYTES 16384
#define RESTORE_LIMIT_CODE_BYTES 32768
#define RESTORE_LIMIT_LEADER_BYTES 32768
#define RESTORE_LIMIT_THREAD_STACK 2048
#define RESTORE_LIMIT_PACKS 1024
#define RESTORE_LIMIT_WATCH 16384
#define RESTORE_LIMIT_TIMER_TRIES 16384

enum restore_vma_kind {
	VMA_KIND_ANONYMOUS = 0,
	VMA_KIND_GROWS_DOWN = 1,
	VMA_KIND_FILE = 2,
	VMA_KIND_FILE_LATE = 3,
	VMA_KIND_DROPPABLE = 4,
};

enum restore_file_kind {
	FILE_KIND_STDIO = 0,
	FILE_KIND_OPEN = 1,
	FILE_KIND_PIPE = 2,
	FILE_KIND_PIPE_WRITE = 3,
	FILE_KIND_EVENTFD = 4,
	FILE_KIND_TIMERFD = 5,
	FILE_KIND_SIGNALFD = 6,
	FILE_KIND_INOTIFY = 7,
	FILE_KIND_EPOLL = 8,
	FILE_KIND_SOCKET = 9,
	FILE_KIND_SOCKETPAIR = 10,
	FILE_KIND_SOCKETPAIR_SECOND = 11,
	FILE_KIND_PATH_SOCKET = 12,
};

enum restore_lock_kind {
	LOCK_KIND_POSIX = 0,
	LOCK_KIND_WHOLE = 1,
	LOCK_KIND_OPEN = 2,
};

enum restore_owner_kind {
	OWNER_KIND_NOBODY = 0,
	OWNER_KIND_PROCESS = 1,
	OWNER_KIND_GROUP = 2,
};

struct restore_vma {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint32_t prot;
	uint32_t kind;
	uint32_t path;
	uint32_t flags;
	uint32_t filled;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_vma) == 48, "vma");

struct restore_run {
	uint64_t address;
	uint64_t offset;
	uint64_t bytes;
	uint32_t pack;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_run) == 32, "run");

struct restore_huge {
	uint64_t start;
	uint64_t bytes;
	uint32_t whole;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_huge) == 24, "huge");

struct restore_advice {
	uint64_t start;
	uint64_t bytes;
	uint32_t advice;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_advice) == 24, "advice");

struct restore_prefault {
	uint64_t start;
	uint64_t bytes;
	uint32_t write;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_prefault) == 24, "prefault");

struct restore_file {
	uint32_t kind;
	uint32_t flags;
	uint32_t text;
	uint32_t length;
	uint32_t first;
	uint32_t count;
	uint64_t a;
	uint64_t b;
	uint64_t c;
	uint64_t d;
	uint64_t e;
};
_Static_assert(sizeof(struct restore_file) == 64, "file");

struct restore_descriptor {
	uint32_t fd;
	uint32_t file;
	uint32_t cloexec;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_descriptor) == 16, "descriptor");

struct restore_watch {
	uint32_t a;
	uint32_t b;
	uint64_t data;
};
_Static_assert(sizeof(struct restore_watch) == 16, "watch");

struct restore_option {
	uint32_t level;
	uint32_t name;
	uint32_t value;
	uint32_t length;
};
_Static_assert(sizeof(struct restore_option) == 16, "option");

struct restore_packet {
	uint32_t file;
	uint32_t data;
	uint32_t length;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_packet) == 16, "packet");

struct restore_lock {
	uint32_t fd;
	uint32_t kind;
	uint32_t exclusive;
	uint32_t pad;
	uint64_t start;
	uint64_t bytes;
};
_Static_assert(sizeof(struct restore_lock) == 32, "lock");

struct restore_owner {
	uint32_t fd;
	uint32_t kind;
	uint32_t signal;
	uint32_t async;
};
_Static_assert(sizeof(struct restore_owner) == 16, "owner");

struct restore_thread {
	uint32_t tid;
	uint32_t frame;
	uint32_t frame_bytes;
	uint32_t name;
	uint64_t frame_at;
	uint64_t fs;
	uint64_t gs;
	uint64_t clear_tid;
	uint64_t robust;
	uint64_t robust_bytes;
	uint64_t rseq;
	uint32_t rseq_bytes;
	uint32_t rseq_signature;
	int32_t policy;
	int32_t priority;
	int32_t nice;
	uint32_t death_signal;
};
_Static_assert(sizeof(struct restore_thread) == 96, "thread");

struct restore_signal {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
	uint32_t signal;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_signal) == 40, "signal");

struct restore_rlimit {
	uint64_t soft;
	uint64_t hard;
	uint32_t resource;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_rlimit) == 24, "rlimit");

struct restore_itimer {
	uint64_t interval;
	uint64_t value;
	uint32_t which;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_itimer) == 24, "itimer");

struct restore_timer {
	uint32_t id;
	uint32_t clock;
	uint32_t notify;
	uint32_t signal;
	uint32_t thread;
	uint32_t pad;
	uint64_t data;
	uint64_t interval;
	uint64_t value;
};
_Static_assert(sizeof(struct restore_timer) == 48, "timer");

struct restore_filter {
	uint32_t program;
	uint32_t instructions;
	uint32_t flags;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_filter) == 16, "filter");

struct restore_group {
	uint32_t gid;
};
_Static_assert(sizeof(struct restore_group) == 4, "group");

struct restore_auxv {
	uint64_t value;
};
_Static_assert(sizeof(struct restore_auxv) == 8, "auxv");

struct restore_header {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	uint32_t vmas_at;
	uint32_t vmas_count;
	uint32_t runs_at;
	uint32_t runs_count;
	uint32_t huge_at;
	uint32_t huge_count;
	uint32_t advice_at;
	uint32_t advice_count;
	uint32_t prefault_at;
	uint32_t prefault_count;
	uint32_t files_at;
	uint32_t files_count;
	uint32_t descriptors_at;
	uint32_t descriptors_count;
	uint32_t watches_at;
	uint32_t watches_count;
	uint32_t options_at;
	uint32_t options_count;
	uint32_t packets_at;
	uint32_t packets_count;
	uint32_t locks_at;
	uint32_t locks_count;
	uint32_t owners_at;
	uint32_t owners_count;
	uint32_t threads_at;
	uint32_t threads_count;
	uint32_t signals_at;
	uint32_t signals_count;
	uint32_t rlimits_at;
	uint32_t rlimits_count;
	uint32_t itimers_at;
	uint32_t itimers_count;
	uint32_t timers_at;
	uint32_t timers_count;
	uint32_t filters_at;
	uint32_t filters_count;
	uint32_t groups_at;
	uint32_t groups_count;
	uint32_t auxv_at;
	uint32_t auxv_count;
	uint32_t data_at;
	uint32_t data_count;
	uint64_t hole;
	uint64_t scratch_bytes;
	uint64_t vdso;
	uint64_t start_code;
	uint64_t end_code;
	uint64_t start_data;
	uint64_t end_data;
	uint64_t start_brk;
	uint64_t brk;
	uint64_t start_stack;
	uint64_t arg_start;
	uint64_t arg_end;
	uint64_t env_start;
	uint64_t env_end;
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
	uint64_t bounding;
	uint64_t ambient;
	uint32_t pid;
	uint32_t pgid;
	uint32_t sid;
	uint32_t umask;
	uint32_t cwd;
	uint32_t exe;
	uint32_t uid;
	uint32_t euid;
	uint32_t suid;
	uint32_t fsuid;
	uint32_t gid;
	uint32_t egid;
	uint32_t sgid;
	uint32_t fsgid;
	uint32_t securebits;
	uint32_t no_new_privs;
	uint32_t dumpable;
	uint32_t membarrier;
	uint32_t thp_disabled;
	uint32_t subreaper;
	uint32_t first_free_fd;
	uint32_t pad;
};
_Static_assert(sizeof(struct restore_header) == 424, "header");

/* Each section's name in the header, and its record's. */
#define RESTORE_SECTIONS(SECTION) \
	SECTION(vmas, struct restore_vma) \
	SECTION(runs, struct restore_run) \
	SECTION(huge, struct restore_huge) \
	SECTION(advice, struct restore_advice) \
	SECTION(prefault, struct restore_prefault) \
	SECTION(files, struct restore_file) \
	SECTION(descriptors, struct restore_descriptor) \
	SECTION(watches, struct restore_watch) \
	SECTION(options, struct restore_option) \
	SECTION(packets, struct restore_packet) \
	SECTION(locks, struct restore_lock) \
	SECTION(owners, struct restore_owner) \
	SECTION(threads, struct restore_thread) \
	SECTION(signals, struct restore_signal) \
	SECTION(rlimits, struct restore_rlimit) \
	SECTION(itimers, struct restore_itimer) \
	SECTION(timers, struct restore_timer) \
	SECTION(filters, struct restore_filter) \
	SECTION(groups, struct restore_group) \
	SECTION(auxv, struct restore_auxv)
