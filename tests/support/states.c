/*
 * Brings itself into the state that its argument names, says "ready", and waits: what dumps of such processes say, and
 * what has to be refused, is tested with them (tests/understand.test.ts). "cannot NAME: ERROR" when the machine does not
 * let it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };

static const char *state;

/* The result of a call that must not fail. */
static long must(long result)
{
	if (result != -1)
		return result;
	printf("cannot %s: %s\n", state, strerror(errno));
	fflush(stdout);
	exit(1);
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void *sleeper(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void start(void *(*run)(void *))
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, run, NULL) != 0)
		must(-1);
}

static struct sockaddr_in local(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int bound(int type, int port)
{
	struct sockaddr_in address = local(port);
	int fd = must(socket(AF_INET, type, 0));
	must(bind(fd, (struct sockaddr *)&address, sizeof address));
	return fd;
}

static int listening(int port)
{
	int fd = bound(SOCK_STREAM, port);
	must(listen(fd, 77));
	return fd;
}

static int connected(int type, int port)
{
	struct sockaddr_in address = local(port);
	int fd = must(socket(AF_INET, type, 0));
	must(connect(fd, (struct sockaddr *)&address, sizeof address));
	return fd;
}

static int unix_bound(int type, const char *name, size_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, name, length);
	int fd = must(socket(AF_UNIX, type, 0));
	must(bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length));
	return fd;
}

static char *memory(size_t pages, int flags, int fd)
{
	char *start = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	must(start == MAP_FAILED ? -1 : 0);
	return start;
}

static int file(const char *path, off_t size)
{
	int fd = must(open(path, O_RDWR | O_CREAT, 0600));
	must(ftruncate(fd, size));
	return fd;
}

static void filter(int flags, unsigned short instructions)
{
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { instructions, code + 2 - instructions };
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

/* What is understood, as much of it as there is: sockets. */
static int sockets(void)
{
	int one = 1, buffer = 50000, fd = listening(8080), pair[2];
	struct linger linger = { 1, 9 };
	struct timeval timeout = { 2, 500000 };
	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
	must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer));
	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(9090), .sin6_addr = IN6ADDR_ANY_INIT };
	int six = must(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
	must(setsockopt(six, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one));
	must(bind(six, (struct sockaddr *)&any, sizeof any));
	must(listen(six, 5));
	bound(SOCK_STREAM, 8081);
	bound(SOCK_DGRAM, 5353);
	must(listen(unix_bound(SOCK_STREAM, "/tmp/socket", sizeof "/tmp/socket"), 3));
	must(chmod("/tmp/socket", 0640));
	unix_bound(SOCK_DGRAM, "\0abs", 4);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	must(write(pair[0], "to side one", 11));
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	must(write(pair[1], "a", 1));
	must(write(pair[1], "bc", 2));
	return fd;
}

/* Files; `listener` is watched. */
static void files(int listener)
{
	int pipe[2], counter = must(eventfd(7, EFD_NONBLOCK | EFD_CLOEXEC));
	must(pipe2(pipe, O_NONBLOCK));
	must(write(pipe[1], "hello", 5));
	must(fcntl(pipe[1], F_SETPIPE_SZ, 4 * PAGE));
	struct itimerspec every = { { 3, 5 }, { 1000, 0 } };
	must(timerfd_settime(must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), 0, &every, NULL));
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	must(signalfd(-1, &signals, 0));
	int watches = must(inotify_init1(IN_NONBLOCK)), first = must(inotify_add_watch(watches, "/dev/shm", IN_CREATE));
	char gone[64];
	must(inotify_rm_watch(watches, first));
	must(read(watches, gone, sizeof gone));
	must(inotify_add_watch(watches, "/dev/shm", IN_MODIFY | IN_DELETE | IN_EXCL_UNLINK));
	int outer = must(epoll_create1(EPOLL_CLOEXEC)), inner = must(epoll_create1(0));
	struct epoll_event event = { EPOLLIN | EPOLLET, { .u64 = 0x1122334455667788 } };
	must(epoll_ctl(inner, EPOLL_CTL_ADD, pipe[0], &event));
	must(epoll_ctl(inner, EPOLL_CTL_ADD, listener, &event));
	must(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
	must(epoll_ctl(outer, EPOLL_CTL_ADD, counter, &event));
	int text = file("/tmp/text", 10);
	must(lseek(text, 4, SEEK_SET));
	must(fcntl(text, F_SETFL, O_APPEND));
	must(dup2(text, 40));
	must(dup3(text, 41, O_CLOEXEC));
	must(open("/tmp", O_RDONLY | O_DIRECTORY));
	must(open("/dev/urandom", O_RDONLY));
	must(open("/tmp/text", O_PATH));
}

static void mappings(void)
{
	char *start = memory(64, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	memset(start, 1, 64 * PAGE);
	must(madvise(start + 8 * PAGE, 8 * PAGE, MADV_DONTFORK));
	must(madvise(start + 24 * PAGE, 8 * PAGE, MADV_DONTDUMP));
	must(madvise(start + 32 * PAGE, 8 * PAGE, MADV_WIPEONFORK));
	int mapped = file("/tmp/mapped", 2 * PAGE);
	memory(2, MAP_SHARED, mapped)[0] = 'x';
	memory(2, MAP_PRIVATE, mapped)[PAGE] = 'y';
	close(mapped);
	printf("memory %lx\n", (unsigned long)start);
}

static void everything(void)
{
	files(sockets());
	mappings();
	struct itimerval alarm = { { 5, 0 }, { 500, 0 } };
	must(setitimer(ITIMER_REAL, &alarm, NULL));
	signal(SIGALRM, SIG_IGN);
	must(syscall(SYS_membarrier, 1 << 4, 0, 0));
	must(setpriority(PRIO_PROCESS, 0, 5));
	umask(027);
	must(chdir("/tmp"));
	must(prctl(PR_SET_NAME, "renamed"));
	must(prctl(PR_SET_PDEATHSIG, SIGTERM));
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };
	must(sigaltstack(&stack, NULL));
	start(sleeper);
	start(sleeper);
	filter(SECCOMP_FILTER_FLAG_TSYNC, 1);
	filter(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG, 2);
}

static void guard(void)
{
	char *start = memory(8, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	memset(start, 1, 8 * PAGE);
	must(madvise(start + 2 * PAGE, 2 * PAGE, 102 /* MADV_GUARD_INSTALL */));
	printf("memory %lx\n", (unsigned long)start);
}

static void pause_without_libc(void)
{
	for (;;)
		__asm__ volatile("syscall" : : "a"(SYS_pause) : "rcx", "r11", "memory");
}

/* Fills vector registers, has the CPU write down its state in a file, and touches none of it any more. */
static void fpu(void)
{
	unsigned int a = 0xd, b, c = 0, d;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	int fd = file("/tmp/xsave", 65536);
	char *area = memory(16, MAP_SHARED, fd);
	printf("xsave %u", b);
	for (unsigned int part = 2; part <= 9; part++) {
		unsigned int size = 0xd, offset, rest = part;
		__asm__ volatile("cpuid" : "+a"(size), "=b"(offset), "+c"(rest), "=d"(d));
		printf(" %u", size == 0 ? 0 : offset);
	}
	puts("");
	ready();
	static const unsigned long pattern[8] = { 0x0123456789abcdef, 0xfedcba9876543210, 3, 4, 5, 6, 7, 8 };
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile("vmovups %0, %%zmm17\n vmovups %0, %%zmm3\n kmovw %1, %%k5" : : "m"(pattern), "r"(0x5a5a));
	else if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vmovups %0, %%ymm3" : : "m"(pattern));
	__asm__ volatile("fldpi\n movups %0, %%xmm9" : : "m"(pattern));
	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(0xff), "d"(0) : "memory");
	pause_without_libc();
}

static void tiles(void)
{
	must(syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA));
	static unsigned char config[64] __attribute__((aligned(64))) = { [0] = 1, [16] = 64, [48] = 16 };
	static char data[1024] = { 1 };
	ready();
	__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x00" : : "a"(config) : "memory"); /* ldtilecfg (%rax) */
	__asm__ volatile(".byte 0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x08" : : "a"(data), "c"(64L)); /* tileloadd (%rax,%rcx), %tmm0 */
	pause_without_libc();
}

/* States that one call makes. */
#define ONE_CALL(name, call) \
	static void name(void) \
	{ \
		must(call); \
	}
ONE_CALL(tcp_unbound, socket(AF_INET, SOCK_STREAM, 0))
ONE_CALL(memfd, memfd_create("mine", 0))
ONE_CALL(locked, mlock(memory(2, MAP_PRIVATE | MAP_ANONYMOUS, -1), 2 * PAGE))
ONE_CALL(pidfd, syscall(SYS_pidfd_open, getpid(), 0))
ONE_CALL(netlink, socket(AF_NETLINK, SOCK_RAW, 0))
ONE_CALL(semaphore, eventfd(3, EFD_SEMAPHORE))
ONE_CALL(stdout_again, open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK))
ONE_CALL(stdout_reader, open("/proc/self/fd/1", O_RDONLY))

static void established(void)
{
	int fd = listening(8080);
	connected(SOCK_STREAM, 8080);
	must(accept(fd, NULL, NULL));
}

static void udp_connected(void)
{
	connected(SOCK_DGRAM, 8080);
}

static timer_t posix_timer(clockid_t clock, int notify)
{
	timer_t timer;
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77 };
	event._sigev_un._tid = getpid();
	must(timer_create(clock, &event, &timer));
	return timer;
}

static void timer_of_thread(void)
{
	posix_timer(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL);
}

static void timer_of_others(void)
{
	clockid_t clock;
	clock_getcpuclockid(getpid(), &clock);
	posix_timer(clock, SIGEV_SIGNAL);
}

static void timers(void)
{
	struct itimerspec far = { { 7, 5 }, { 3000, 0 } };
	timer_t first = posix_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL);
	posix_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL);
	must(timer_delete(first));
	must(timer_settime(posix_timer(CLOCK_REALTIME, SIGEV_THREAD_ID), 0, &far, NULL));
}

static void locks(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_start = 10, .l_len = 5 }, rest = { .l_type = F_RDLCK, .l_start = 100 };
	must(fcntl(file("/tmp/range", 10), F_SETLK, &range));
	must(fcntl(file("/tmp/open", 10), F_OFD_SETLK, &rest));
	must(flock(file("/tmp/whole", 10), LOCK_EX));
}

static void owners(void)
{
	struct f_owner_ex group = { F_OWNER_PGRP, getpgid(0) };
	int fd = listening(8080), pair[2];
	must(fcntl(fd, F_SETOWN, getpid()));
	must(fcntl(fd, F_SETSIG, SIGUSR2));
	must(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(fcntl(pair[1], F_SETOWN_EX, &group));
}

static void thread_owner(void)
{
	struct f_owner_ex self = { F_OWNER_TID, getpid() };
	must(fcntl(listening(8080), F_SETOWN_EX, &self));
}

static void pending_signals(void)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
}

static void aio(void)
{
	unsigned long context = 0;
	must(syscall(SYS_io_setup, 8, &context));
}

static void shared_memory(void)
{
	memory(2, MAP_SHARED | MAP_ANONYMOUS, -1)[0] = 1;
}

static void tmpfs_mapped(void)
{
	memory(1, MAP_SHARED, file("/dev/shm/x", PAGE));
}

static void deleted_mapped(void)
{
	int fd = file("/tmp/gone", PAGE);
	memory(1, MAP_PRIVATE, fd);
	close(fd);
	must(unlink("/tmp/gone"));
}

static void deleted_open(void)
{
	file("/tmp/gone", PAGE);
	must(unlink("/tmp/gone"));
}

static void child(void)
{
	if (must(fork()) == 0)
		sleeper(NULL);
}

static void zombie(void)
{
	if (must(fork()) == 0)
		_exit(0);
	siginfo_t ended;
	must(waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT));
}

static void fifo(void)
{
	must(mkfifo("/tmp/fifo", 0600));
	must(open("/tmp/fifo", O_RDWR));
}

static void droppable(void)
{
	char *start = memory(2, 0x8 /* MAP_DROPPABLE */ | MAP_ANONYMOUS, -1);
	memset(start, 1, 2 * PAGE);
	printf("memory %lx\n", (unsigned long)start);
}

static pthread_barrier_t met;

static void *nobody(void *unused)
{
	must(syscall(SYS_setresuid, 65534, 65534, 65534));
	pthread_barrier_wait(&met);
	return sleeper(unused);
}

static void *filtered(void *unused)
{
	filter(0, 1);
	pthread_barrier_wait(&met);
	return sleeper(unused);
}

static void meet(void *(*run)(void *))
{
	pthread_barrier_init(&met, NULL, 2);
	start(run);
	pthread_barrier_wait(&met);
}

static void thread_credentials(void)
{
	meet(nobody);
}

static void thread_filter(void)
{
	meet(filtered);
}

static void unix_connected(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/tmp/socket" };
	int server = unix_bound(SOCK_STREAM, "/tmp/socket", sizeof "/tmp/socket"), client = must(socket(AF_UNIX, SOCK_STREAM, 0));
	must(listen(server, 3));
	must(connect(client, (struct sockaddr *)&address, sizeof address));
	must(accept(server, NULL, NULL));
}

static void fd_in_flight(void)
{
	int pair[2], zero = 0;
	char control[CMSG_SPACE(sizeof zero)];
	struct iovec io = { "x", 1 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	*header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof zero) };
	memcpy(CMSG_DATA(header), &zero, sizeof zero);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(sendmsg(pair[0], &message, 0));
}

static void half_pair(void)
{
	int pair[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(write(pair[1], "last words", 10));
	close(pair[1]);
}

static void shut_down_pair(void)
{
	int pair[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(shutdown(pair[0], SHUT_WR));
}

static void half_pipe(void)
{
	int ends[2];
	must(pipe(ends));
	close(ends[1]);
}

static void reopened_pipe(void)
{
	int ends[2];
	char path[32];
	must(pipe(ends));
	snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
	must(open(path, O_RDONLY));
}

static void stopped(void)
{
	ready();
	raise(SIGSTOP);
}

static const struct {
	const char *name;
	void (*enter)(void);
} states[] = {
	{ "everything", everything }, { "guard", guard }, { "fpu", fpu }, { "tiles", tiles }, { "established", established },
	{ "udp-connected", udp_connected }, { "tcp-unbound", tcp_unbound }, { "timer-of-thread", timer_of_thread },
	{ "pending-signals", pending_signals }, { "aio", aio }, { "memfd", memfd }, { "shared-memory", shared_memory },
	{ "tmpfs-mapped", tmpfs_mapped }, { "deleted-mapped", deleted_mapped }, { "deleted-open", deleted_open },
	{ "child", child }, { "zombie", zombie }, { "fifo", fifo }, { "thread-owner", thread_owner }, { "locked", locked },
	{ "droppable", droppable }, { "thread-credentials", thread_credentials }, { "thread-filter", thread_filter },
	{ "pidfd", pidfd }, { "netlink", netlink }, { "unix-connected", unix_connected }, { "fd-in-flight", fd_in_flight },
	{ "half-pair", half_pair }, { "shut-down-pair", shut_down_pair }, { "half-pipe", half_pipe }, { "reopened-pipe", reopened_pipe },
	{ "stdout-again", stdout_again }, { "stdout-reader", stdout_reader }, { "semaphore", semaphore },
	{ "stopped", stopped }, { "timer-of-others", timer_of_others }, { "timers", timers }, { "locks", locks }, { "owners", owners },
};

int main(int argc, char **argv)
{
	state = argc > 1 ? argv[1] : "";
	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (strcmp(states[i].name, state) == 0)
			states[i].enter();
	ready();
	for (;;)
		pause();
}
