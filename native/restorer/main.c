/*
 * The restorer: turns the process that it runs in into the one that the tables describe. It has no libc, no data of its
 * own and no decisions to make; docs/restore.md says why its steps have their order. Everything that it knows is in
 * the hole that it lives in: its code, scratch with a `boot`, the tables.
 *
 *     memory.c   mappings, pages, what is known of them
 *     files.c    descriptors
 *     self.c     session, program, limits, signals, credentials
 *     claims.c   locks on files, and who hears of their events
 *     timers.c   timers of the process
 *     clock.c    the clocks of who has waited
 *     threads.c  threads, filters, and the way out
 */
#include "sys.h"
#include "../launcher/report.h"

#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/socket.h>

void *memcpy(void *to, const void *from, size_t n)
{
	void *result = to;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return result;
}

void *memset(void *to, int value, size_t n)
{
	void *result = to;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
	return result;
}

/* --- reports ----------------------------------------------------------------------------------------------------- */

static char *put_text(char *to, const char *end, const char *text)
{
	while (*text && to < end)
		*to++ = *text++;
	return to;
}

static char *put_number(char *to, const char *end, uint32_t number)
{
	char digits[12];
	int n = 0;
	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0 && to < end)
		*to++ = digits[--n];
	return to;
}

void tell(uint32_t kind, uint32_t number, uint64_t tag)
{
	struct report r;
	memset(&r, 0, sizeof(r));
	r.kind = kind;
	r.op = r.phase = number;
	r.ns = tag;
	must(call(SYS_sendto, BOOT->report_fd, &r, sizeof(r), MSG_NOSIGNAL));
}

void fail(long error)
{
	struct report r;
	const char *what = (const char *)(uintptr_t)BOOT->stage;
	memset(&r, 0, sizeof(r));
	r.kind = REPORT_FAIL;
	r.op = UINT32_MAX;
	r.error = (int32_t)-error;
	char *end = r.detail + sizeof(r.detail) - 1;
	char *at = put_text(r.detail, end, what ? what : "restoring");
	if (BOOT->index > 0)
		put_number(put_text(at, end, " "), end, BOOT->index - 1);
	raw_call(SYS_sendto, BOOT->report_fd, (long)&r, sizeof(r), MSG_NOSIGNAL, 0, 0);
	for (;;)
		raw_call(SYS_exit_group, 126, 0, 0, 0, 0, 0);
}

/* --- templates ---------------------------------------------------------------------------------------------------- */

struct wanted_fds {
	int count;
	int fd[WANTED_FDS_MAX];
};

/* Waits for the next request; the process ends when the launcher is gone. */
static void receive(struct restore_wanted *wanted, struct wanted_fds *fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(fds->fd))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { wanted, sizeof(*wanted) };
	struct msghdr m;
	memset(&m, 0, sizeof(m));
	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	m.msg_control = &control;
	m.msg_controllen = sizeof(control);
	long n = call(SYS_recvmsg, BOOT->report_fd, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		raw_call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	fds->count = 0;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		fds->count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	if (fds->count > 0)
		memcpy(fds->fd, CMSG_DATA(c), (size_t)fds->count * sizeof(int));
	if (n != sizeof(*wanted) || fds->count < WANTED_FDS)
		fail(-EBADMSG);
}

static int move_high(int fd)
{
	return (int)must(call(SYS_fcntl, fd, 1030 /* F_DUPFD_CLOEXEC */, HEADER->first_free_fd + 1));
}

/* The process ends when the launcher has no use for it. */
static void wait_word_from_launcher(void)
{
	char go;
	if (must(call(SYS_recvfrom, BOOT->report_fd, &go, 1, 0, 0, 0)) != 1)
		raw_call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* In the clone: into the sandbox. What came with the request moves out of the way of the process's own descriptors. */
static void enter(const struct restore_wanted *wanted, const struct wanted_fds *fds)
{
	struct restore_boot *boot = BOOT;
	boot->park = wanted->park;
	boot->early = wanted->early;
	boot->fail_at = wanted->fail_at;
	boot->calls = 0;
	int old = boot->report_fd;
	boot->report_fd = fds->fd[0];
	boot->report_fd = move_high(fds->fd[0]);
	raw_call(SYS_close, old, 0, 0, 0, 0, 0);
	stage("joining the container's cgroups");
	for (int i = WANTED_FDS; i < fds->count && !wanted->cgroup_v2; i++)
		must(call(SYS_write, fds->fd[i], "0", 1));
	if (boot->early) {
		memory_prefault();
		stage("waiting for the sandbox");
		wait_word_from_launcher();
	}
	stage("entering the sandbox");
	clock_before_sandbox();
	if (wanted->namespaces)
		must(call(SYS_setns, fds->fd[1], wanted->namespaces));
	clock_in_sandbox((wanted->namespaces & CLONE_NEWTIME) != 0);
	for (int i = 0; i < 3; i++)
		boot->stdio[i] = wanted->streams >> i & 1 ? move_high(fds->fd[2 + i]) : -1;
	must(call(SYS_close_range, 0, HEADER->first_free_fd, 0));
}

static long clone_child(const struct restore_wanted *wanted, const struct wanted_fds *fds)
{
	const int tid = (int)HEADER->pid;
	struct clone_args args;
	long error = raw_call(SYS_setns, fds->fd[1], CLONE_NEWPID, 0, 0, 0, 0);
	if (error < 0)
		return error;
	memset(&args, 0, sizeof(args));
	args.flags = CLONE_PARENT | CLONE_CLEAR_SIGHAND;
	args.set_tid = (uint64_t)(uintptr_t)&tid;
	args.set_tid_size = 1;
	if (wanted->cgroup_v2) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)fds->fd[WANTED_FDS];
	}
	return raw_call(SYS_clone3, (long)&args, sizeof(args), 0, 0, 0, 0);
}

/* Returns in clones only. */
static void serve(void)
{
	for (;;) {
		struct restore_wanted wanted;
		struct wanted_fds fds;
		receive(&wanted, &fds);
		long pid = clone_child(&wanted, &fds);
		if (pid == 0) {
			enter(&wanted, &fds);
			return;
		}
		for (int i = 0; i < fds.count; i++)
			raw_call(SYS_close, fds.fd[i], 0, 0, 0, 0, 0);
		tell(REPORT_CLONED, (uint32_t)(int32_t)pid, wanted.tag);
	}
}

/* --- one process ---------------------------------------------------------------------------------------------------- */

static void wait_parked(void)
{
	clock_hold();
	tell(REPORT_PARKED, 0, 0);
	wait_word_from_launcher();
	clock_go_on();
}

void restorer_main(void) __attribute__((noreturn, used));
void restorer_main(void)
{
	const uint64_t all = ~0ULL;
	must(call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, 0, sizeof(all)));
	memory_build();
	threads_frames();
	if (BOOT->as_template) {
		tell(REPORT_READY, 0, 0);
		serve();
	}
	self_place();
	memory_map_late();
	files_open();
	self_program();
	files_give();
	self_become();
	memory_advise();
	if (!BOOT->early)
		memory_prefault();
	if (BOOT->park)
		wait_parked();
	files_claim();
	files_start_timers();
	timers_start_interval();
	threads_make();
	timers_make();
	threads_release();
}

__asm__(".pushsection .text.entry,\"ax\"\n"
	"xor %ebp, %ebp\n"
	"and $-16, %rsp\n"
	"call restorer_main\n"
	"ud2\n"
	".popsection\n");
