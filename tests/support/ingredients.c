/*
 * A process with something of everything that thaw's own restore engine restores. On SIGUSR1 it prints one line that
 * says what it is and has, which must be the same before a dump and after a restore. `undumpable` and `no-futex` as
 * arguments make it more difficult. Static, so that a root needs no
 * more than it; it writes in /data.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
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
#include <netinet/in.h>
#include <unistd.h>

#define CHECK(x)                                           \
	do {                                               \
		if ((long)(x) == -1) {                     \
			perror(#x);                        \
			exit(9);                           \
		}                                          \
	} while (0)

enum { THREADS = 3, BIG = 4 << 20 };
static volatile sig_atomic_t asked;
static int file, directory, pipes[2], pair[2], event, timer, epoll, notify, bound, abstract, inet, quiet;
static char *memory;
static timer_t armed;
static uint32_t waiting;
static pthread_mutex_t mutex;

static void on_user(int signal)
{
	(void)signal;
	asked = 1;
}

static void *thread_main(void *number)
{
	char name[16];
	snprintf(name, sizeof(name), "worker %ld", (long)number);
	prctl(PR_SET_NAME, name);
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	for (;;)
		sleep(1000);
	return NULL;
}

static void make_sockets(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/data/socket" };
	struct sockaddr_un hidden = { .sun_family = AF_UNIX, .sun_path = "\0ingredients" };
	struct sockaddr_in port = { .sin_family = AF_INET, .sin_port = htons(8080) };
	int yes = 1;
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	CHECK(write(pair[0], "packet one", 10));
	CHECK(write(pair[0], "packet two", 10));
	CHECK(bound = socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK(bind(bound, (struct sockaddr *)&name, sizeof(name)));
	CHECK(chmod("/data/socket", 0721));
	CHECK(listen(bound, 5));
	CHECK(abstract = socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK(bind(abstract, (struct sockaddr *)&hidden, sizeof(sa_family_t) + 12));
	CHECK(listen(abstract, 5));
	CHECK(inet = socket(AF_INET, SOCK_STREAM, 0));
	CHECK(setsockopt(inet, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)));
	CHECK(bind(inet, (struct sockaddr *)&port, sizeof(port)));
	CHECK(listen(inet, 64));
}

static void make_files(void)
{
	uint64_t many = 0x200000005ULL; /* more than eventfd(2) itself takes */
	struct itimerspec in = { .it_value = { 50000, 0 }, .it_interval = { 60, 0 } };
	sigset_t mask;
	CHECK(file = open("/data/file", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	CHECK(write(file, "some content", 12));
	CHECK(lseek(file, 5, SEEK_SET));
	CHECK(dup3(file, 40, 0));
	CHECK(directory = open("/data", O_RDONLY | O_DIRECTORY));
	CHECK(quiet = open("/dev/null", O_RDWR));
	CHECK(pipe2(pipes, O_NONBLOCK));
	CHECK(write(pipes[1], "in the pipe", 11));
	CHECK(event = eventfd(0, EFD_NONBLOCK));
	CHECK(write(event, &many, sizeof(many)));
	CHECK(timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	CHECK(timerfd_settime(timer, 0, &in, NULL));
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	CHECK(sigprocmask(SIG_BLOCK, &mask, NULL));
	CHECK(signalfd(-1, &mask, SFD_CLOEXEC));
	CHECK(notify = inotify_init1(IN_NONBLOCK));
	CHECK(inotify_add_watch(notify, "/dev/shm", IN_CREATE));
	CHECK(epoll = epoll_create1(0));
	const int watched[] = { pipes[0], inet, bound, notify };
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
		struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u64 = 7000 + i };
		CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, watched[i], &e));
	}
}

static void make_memory(void)
{
	memory = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < BIG; i += 4096)
		memcpy(memory + i, &i, sizeof(i));
	CHECK(madvise(memory, 65536, MADV_DONTFORK));
	CHECK(madvise(memory + 65536, 65536, MADV_DONTDUMP));
	CHECK(mprotect(memory + 131072, 65536, PROT_READ));
	char *heap = sbrk(1 << 16);
	memset(heap, 5, 1 << 16);
	int fd = open("/data/shared", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(fd, 8192));
	char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(shared);
	strcpy(shared, "shared with a file");
	close(fd);
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&mutex, &attr);
	pthread_mutex_lock(&mutex);
}

/* What is made again at the very end. */
static void make_claims(void)
{
	struct sigevent told = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	struct itimerspec in = { .it_value = { 50000, 0 }, .it_interval = { 60, 0 } };
	struct flock range = { .l_type = F_WRLCK, .l_start = 3, .l_len = 4 };
	timer_t gone;
	CHECK(timer_create(CLOCK_MONOTONIC, &told, &gone));
	CHECK(timer_create(CLOCK_MONOTONIC, &told, &armed));
	CHECK(timer_delete(gone));
	CHECK(timer_settime(armed, 0, &in, NULL));
	CHECK(fcntl(file, F_SETLK, &range));
	CHECK(flock(directory, LOCK_SH));
	CHECK(fcntl(inet, F_SETOWN, getpid()));
	CHECK(fcntl(inet, F_SETSIG, SIGUSR2));
	CHECK(fcntl(inet, F_SETFL, O_ASYNC));
}

static unsigned long sum_memory(void)
{
	unsigned long sum = 0;
	for (size_t i = 0; i < BIG; i += 4096)
		sum = sum * 31 + *(size_t *)(memory + i);
	return sum;
}

static void print_user(void)
{
	gid_t groups[64];
	uid_t a, b, c, d, e, f;
	int n = getgroups(64, groups);
	getresuid(&a, &b, &c);
	getresgid(&d, &e, &f);
	printf("uid=%u,%u,%u gid=%u,%u,%u groups=", a, b, c, d, e, f);
	for (int i = 0; i < n; i++)
		printf("%u,", groups[i]);
	printf(" keepcaps=%d securebits=%d dumpable=%d nnp=%d", prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS),
	       prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void report(void)
{
	struct itimerspec left, of_process;
	struct itimerval alarm_in;
	struct stat st;
	struct rlimit limit;
	char path[4096], name[16];
	int waits = 0, packets = 0;
	uint64_t count = 0;
	mode_t mask = umask(0);
	umask(mask);
	CHECK(read(event, &count, sizeof(count)));
	CHECK(write(event, &count, sizeof(count)));
	ioctl(pipes[0], FIONREAD, &waits);
	ioctl(pair[1], FIONREAD, &packets);
	timerfd_gettime(timer, &left);
	timer_gettime(armed, &of_process);
	getitimer(ITIMER_REAL, &alarm_in);
	getrlimit(RLIMIT_NOFILE, &limit);
	prctl(PR_GET_NAME, name);
	stat("/data/socket", &st);
	printf("report pid=%d sid=%d name=%s ", getpid(), getsid(0), name);
	print_user();
	printf(" umask=%o cwd=%s files=%lu event=%llx pipe=%d packet=%d timer=%d,%ld posix=%d,%ld owner=%d,%d alarm=%d offset=%ld flags=%x,%x,%x socket=%o,%u sum=%lx "
	       "mutex=%d heap=%d\n",
	       mask, getcwd(path, sizeof(path)), (unsigned long)limit.rlim_cur, (unsigned long long)count, waits, packets,
	       left.it_value.tv_sec > 40000, left.it_interval.tv_sec, of_process.it_value.tv_sec > 40000, of_process.it_interval.tv_sec, fcntl(inet, F_GETOWN),
	       fcntl(inet, F_GETSIG), alarm_in.it_value.tv_sec > 40000, lseek(40, 0, SEEK_CUR),
	       fcntl(40, F_GETFL), fcntl(pipes[1], F_GETFL), fcntl(pair[0], F_GETFL), st.st_mode, st.st_uid, sum_memory(),
	       pthread_mutex_trylock(&mutex), ((char *)sbrk(0))[-1]);
	fflush(stdout);
}

/* In all threads; they sleep, and this one needs none. */
static void forbid_futex(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program));
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_user, .sa_flags = SA_RESTART };
	struct itimerval in = { .it_value = { 50000, 0 } };
	struct rlimit files = { 200, 300 };
	pthread_t thread;
	umask(027);
	CHECK(chdir("/data"));
	make_memory();
	make_sockets();
	make_files();
	make_claims();
	CHECK(sigaction(SIGUSR1, &action, NULL));
	signal(SIGHUP, SIG_IGN);
	CHECK(setitimer(ITIMER_REAL, &in, NULL));
	CHECK(setrlimit(RLIMIT_NOFILE, &files));
	if (argc > 1 && !strcmp(argv[1], "undumpable"))
		CHECK(prctl(PR_SET_DUMPABLE, 0));
	for (long i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, thread_main, (void *)i);
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < THREADS)
		usleep(1000);
	if (argc > 1 && !strcmp(argv[1], "no-futex"))
		forbid_futex();
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		if (asked) {
			asked = 0;
			report();
		}
		usleep(2000);
	}
}
