/*
 * Threads, and the way out. The leader makes all others with their dumped ids; each sets what only it can and waits.
 * When all wait the leader gives them the filters (TSYNC: a filter says what threads may be made with), tells the launcher,
 * gives the process its dumpability, and lets them go. Everyone leaves through rt_sigreturn, which takes registers, FPU,
 * mask and alternate stack from a frame that the compiler has written. After the filters only these are called:
 * seccomp (for another filter), capset (without no_new_privs), munmap, sendto, close, prctl, futex, rt_sigreturn; emit.ts
 * makes sure that they may be.
 *
 *     leader                              threads
 *       |-- clone3(set_tid) ------------->  set what is theirs, drop capabilities
 *       |<------------ pending: n .. 0 ---  wait
 *       |  filters, READY
 *       |-- released ------------------->   rt_sigreturn
 *       |  rt_sigreturn
 *
 * What they leave on must stay mapped, because nobody knows when the last one is through: the code, and scratch.
 */
#include "sys.h"
#include "../launcher/report.h"

#include <asm/prctl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

struct sched_parameter {
	int priority;
};

static const struct restore_thread *thread(uint32_t i)
{
	return TABLE(threads, struct restore_thread) + i;
}

void threads_frames(void)
{
	for (uint32_t i = 0; i < HEADER->threads_count; i++)
		memcpy((void *)(uintptr_t)thread(i)->frame_at, DATA(thread(i)->frame), thread(i)->frame_bytes);
}

static void leave(uint64_t frame) __attribute__((noreturn));
static void leave(uint64_t frame)
{
	/* the kernel looks for the frame below the stack pointer: its first word is the return address */
	__asm__ volatile("mov %0, %%rsp\n\tmov %1, %%eax\n\tsyscall\n\tud2" : : "r"(frame + 8), "i"(SYS_rt_sigreturn) : "memory");
	__builtin_unreachable();
}

/* What belongs to one thread, in that thread. */
static void set_own(const struct restore_thread *t)
{
	if (t->fs)
		must(call(SYS_arch_prctl, ARCH_SET_FS, t->fs));
	if (t->gs)
		must(call(SYS_arch_prctl, ARCH_SET_GS, t->gs));
	must(call(SYS_set_tid_address, t->clear_tid));
	if (t->robust)
		must(call(SYS_set_robust_list, t->robust, t->robust_bytes));
	if (t->rseq)
		must(call(SYS_rseq, t->rseq, t->rseq_bytes, 0, t->rseq_signature));
	must(call(SYS_prctl, PR_SET_NAME, DATA(t->name)));
	if (t->policy != 0 || t->priority != 0) {
		const struct sched_parameter parameter = { t->priority };
		must(call(SYS_sched_setscheduler, 0, t->policy, &parameter));
	}
	if (t->nice != 0)
		must(call(SYS_setpriority, 0, 0, t->nice));
	if (t->death_signal)
		must(call(SYS_prctl, PR_SET_PDEATHSIG, t->death_signal));
}

/* Waits while `*word` is `value`, or for a moment. These two cannot fail, and nobody could be told when they did: all may
 * be running by then. */
static void wait_word(uint32_t *word, uint32_t value)
{
	raw_call(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
}

static void wake_word(uint32_t *word)
{
	raw_call(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, INT32_MAX, 0, 0, 0);
}

static void thread_main(const struct restore_thread *t) __attribute__((noreturn, used));
static void thread_main(const struct restore_thread *t)
{
	struct restore_boot *boot = BOOT;
	const uint64_t frame = t->frame_at; /* the tables go before this is through */
	set_own(t);
	self_drop();
	if (__atomic_sub_fetch(&boot->pending, 1, __ATOMIC_ACQ_REL) == 0)
		wake_word(&boot->pending);
	while (!__atomic_load_n(&boot->released, __ATOMIC_ACQUIRE))
		wait_word(&boot->released, 0);
	leave(frame);
}

static void make_thread(const struct restore_thread *t)
{
	const int tid = (int)t->tid;
	struct clone_args args;
	memset(&args, 0, sizeof(args));
	args.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	args.set_tid = (uint64_t)(uintptr_t)&tid;
	args.set_tid_size = 1;
	args.stack = t->frame_at - RESTORE_LIMIT_THREAD_STACK;
	args.stack_size = RESTORE_LIMIT_THREAD_STACK;
	struct restore_boot *boot = BOOT;
	if (boot->fail_at && __atomic_add_fetch(&boot->calls, 1, __ATOMIC_RELAXED) == boot->fail_at)
		fail(-EIO);
	long result;
	register const struct restore_thread *in_child __asm__("r12") = t;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r12, %%rdi\n\t"
			 "and $-16, %%rsp\n\t"
			 "call *%[run]\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(result)
			 : "a"(SYS_clone3), "D"(&args), "S"(sizeof(args)), [run] "r"(thread_main), "r"(in_child)
			 : "rcx", "r11", "memory");
	must(result);
}

void threads_make(void)
{
	const uint32_t count = HEADER->threads_count;
	BOOT->pending = count - 1;
	stage("making thread");
	for (uint32_t i = 1; i < count; i++) {
		BOOT->index = i + 1;
		make_thread(thread(i));
	}
	stage("setting what is the leader's");
	uint32_t pending;
	while ((pending = __atomic_load_n(&BOOT->pending, __ATOMIC_ACQUIRE)) > 0)
		wait_word(&BOOT->pending, pending);
}

static void install_filters(void)
{
	const struct restore_filter *f = TABLE(filters, struct restore_filter);
	stage("installing filter");
	for (uint32_t i = 0; i < HEADER->filters_count; i++) {
		const struct sock_fprog program = { (unsigned short)f[i].instructions, (struct sock_filter *)(uintptr_t)DATA(f[i].program) };
		BOOT->index = i + 1;
		must(call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f[i].flags | SECCOMP_FILTER_FLAG_TSYNC, &program));
	}
}

void threads_release(void)
{
	struct restore_boot *boot = BOOT;
	const uint64_t frame = thread(0)->frame_at;
	const bool alone = HEADER->threads_count == 1;
	const uint32_t dumpable = HEADER->dumpable;
	set_own(thread(0));
	stage("dropping capabilities");
	if (HEADER->no_new_privs)
		self_drop();
	install_filters();
	if (!HEADER->no_new_privs)
		self_drop();
	stage("dropping the tables");
	memory_drop_tables();
	stage("saying that it runs");
	tell(REPORT_READY, 2 /* PHASE_RESTORED */, 0);
	/* Nothing may fail any more. Dumpability is the last: before, a tracer in the same container would get at what is
	 * the launcher's, its end of the reports among it. */
	call(SYS_close, boot->report_fd);
	call(SYS_prctl, PR_SET_DUMPABLE, dumpable);
	if (!alone) {
		__atomic_store_n(&boot->released, 1, __ATOMIC_RELEASE);
		wake_word(&boot->released);
	}
	leave(frame);
}
