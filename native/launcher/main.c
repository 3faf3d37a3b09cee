/*
 * thaw-launcher serve --socket PATH     the resident launcher and its keeper
 * thaw-launcher run  --plan-fd N        one plan, no daemon: waits for it and exits with its status
 * thaw-launcher loop --plan-fd N ...    one plan again and again, its latencies on stdout
 * thaw-launcher measure KIND ...        single steps again and again: see measure.c
 * thaw-launcher filter                  a seccomp filter out of rules on stdin, as BPF on stdout
 * thaw-launcher cpu                     where the FPU's state stands in memory
 */
#define _GNU_SOURCE
#include "launcher.h"
#include "measure.h"

#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum { CONTROL_BACKLOG = 128, PLAN_LIMIT = 1 << 20, END_AGAIN_MS = 50 };

struct host host = { .proc_fd = -1, .own_pid_ns = -1, .own_net_ns = -1, .last_pid_fd = -1, .null_fd = -1, .own_mnt_ns = -1, .nursery_ns = -1, .root_fd = -1, .stage = "/mnt" };
char **launcher_argv;
bool launcher_ending;

struct options {
	const char *socket;
	int channel;
	int plan_fd;
	int cleanup_fd;
	int beside_fd;
	bool detach;
	double seconds;
	unsigned long count;
	unsigned long interval_us;
	bool ahead;
};

static const char usage[] =
	"usage: thaw-launcher serve --socket PATH\n"
	"       thaw-launcher run --plan-fd N [--cleanup-fd N] [--stage DIR] [--detach]\n"
	"       thaw-launcher loop --plan-fd N [--cleanup-fd N] [--stage DIR] [--seconds S] [--count N] [--interval-us U]\n"
	"                      [--ahead] [--beside-fd N]\n"
	"       thaw-launcher measure KIND ...\n"
	"       thaw-launcher filter <RULES >BPF\n"
	"       thaw-launcher cpu\n"
	"       thaw-launcher version\n"
	"\n"
	"Executes plans of thaw: see protocol/launcher.yaml. `loop` writes one u64 (ns, little-endian) a run;\n"
	"with --ahead the part of the plan that can be made ahead is, before the time of each run begins;\n"
	"the plan of --beside-fd makes a sandbox that stays, which the other plan may join.\n";

/* --- surroundings ------------------------------------------------------------------------------------------------ */

static int open_host_things(void)
{
	host.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	host.own_pid_ns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	host.own_net_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	host.last_pid_fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	host.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return host.proc_fd < 0 || host.own_pid_ns < 0 || host.own_net_ns < 0 || host.null_fd < 0 ? -errno : 0;
}

/*
 * Runs from a sealed copy in memory, so that a container that gets hold of /proc/PID/exe of one of our processes
 * cannot write to the program, and replacing the file on disk does not disturb a running launcher.
 */
static void seal_self(char **argv)
{
	char name[PATH_MAX];
	struct stat st;
	ssize_t n = readlink("/proc/self/exe", name, sizeof(name) - 1);
	if (n > 0 && !strncmp(name, "/memfd:", 7))
		return;
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int copy = (int)syscall(SYS_memfd_create, "thaw-launcher", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (from < 0 || copy < 0 || fstat(from, &st) < 0)
		return;
	for (off_t left = st.st_size; left > 0;) {
		uint8_t chunk[65536];
		ssize_t got = read(from, chunk, sizeof(chunk));
		if (got <= 0 || write_all(copy, chunk, (size_t)got) < 0)
			return;
		left -= got;
	}
	close(from);
	if (fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		syscall(SYS_execveat, copy, "", argv, environ, AT_EMPTY_PATH);
	log_line("running unsealed: %s", strerror(errno));
}

static void child_signal(struct watch *w, uint32_t events)
{
	(void)events;
	struct signalfd_siginfo info;
	while (read(w->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGTERM && info.ssi_signo != SIGINT)
			continue;
		if (host.sync)
			launcher_ending = true;
		else
			launcher_shut_down(false); /* -EBUSY: it does not leave its containers alone */
	}
	reap_children();
}

static int common_start(void)
{
	static struct watch signals;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "thaw-launcher");
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	containers_init();
	int error = open_host_things();
	if (error == 0)
		error = outside_init();
	if (error == 0)
		error = loop_init();
	int fd = error == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
	return error < 0 ? error : fd < 0 ? -errno : watch_add(&signals, fd, EPOLLIN, child_signal);
}

/* --- serve ----------------------------------------------------------------------------------------------------------- */

static void serve_up(struct container *c)
{
	event_started(c);
	gateway_container_up(c);
}

static void serve_gone(struct container *c)
{
	if (c->host_only) {
		client_reply(c->reply_to, c->reply_tag, c->failed ? -(c->failed_errno ? c->failed_errno : EIO) : 0,
			     c->detail[0] ? c->detail : NULL, 0);
		container_free(c);
		return;
	}
	if (c->failed)
		event_failed(c);
	else
		event_exited(c);
	gateway_container_gone(c);
}

static int open_control(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0) {
		close(fd);
		return -EADDRINUSE;
	}
	close(fd);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(0177);
	int error = fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, CONTROL_BACKLOG) < 0 ? -errno : 0;
	umask(old);
	if (error < 0)
		close_fd(&fd);
	return error < 0 ? error : fd;
}

static int serve(const struct options *o)
{
	static char stage[PATH_MAX];
	if (!o->socket) {
		fputs("thaw-launcher: serve needs --socket PATH\n", stderr);
		return 2;
	}
	if (o->channel < 0) {
		int control = open_control(o->socket);
		if (control < 0) {
			fprintf(stderr, "thaw-launcher: %s: %s\n", o->socket,
				control == -EADDRINUSE ? "another launcher answers there" : strerror(-control));
			return control == -EADDRINUSE ? 3 : 1;
		}
		return keeper_run(o->socket, -1, control);
	}
	fcntl(o->channel, F_SETFD, FD_CLOEXEC);
	/* a directory of its own: what is covered while a root is built cannot be bound into it */
	char beside[PATH_MAX - 8];
	snprintf(beside, sizeof(beside), "%s", o->socket);
	snprintf(stage, sizeof(stage), "%s/stage", dirname(beside));
	if (mkdir(stage, 0700) < 0 && errno != EEXIST) {
		log_line("%s: %s", stage, strerror(errno));
		return 1;
	}
	host.stage = stage;
	container_up = serve_up;
	container_gone = serve_gone;
	int error = common_start();
	int control = error < 0 ? error : keeper_connect(o->socket, o->channel);
	if (control < 0 || (error = clients_listen(control)) < 0) {
		log_line("cannot serve: %s", strerror(error < 0 ? -error : -control));
		return 1;
	}
	while (!(launcher_ending && containers_alive() == 0)) {
		if (loop_once(launcher_ending ? END_AGAIN_MS : -1) < 0)
			return 1;
		if (launcher_ending)
			containers_end();
	}
	cgroup_drop_spares();
	unlink(o->socket);
	return 0;
}

/* --- run and loop ------------------------------------------------------------------------------------------------------ */

/* The container that the loop's containers may join. */
#define BESIDE "beside"

static bool sync_gone;
static bool sync_started;

static void run_up(struct container *c)
{
	(void)c;
	sync_started = true;
}

static void run_gone(struct container *c)
{
	sync_gone |= strcmp(c->id, BESIDE) != 0;
}

static int read_plan(int fd, struct buf *out)
{
	for (;;) {
		if (!buf_reserve(out, 65536))
			return -ENOMEM;
		ssize_t n = read(fd, out->p + out->len, 65536);
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		if (out->len > PLAN_LIMIT)
			return -E2BIG;
	}
}

static struct container *sync_start(const struct buf *plan, const struct buf *undo, bool inherit, int *error)
{
	struct container *c = container_new(wire_cstr("run"), error);
	if (!c)
		return NULL;
	sync_gone = sync_started = false;
	*error = container_begin(c, (struct wire_bytes){ plan->p, (uint32_t)plan->len },
				 (struct wire_bytes){ undo->p, (uint32_t)undo->len });
	struct container *beside = container_find(BESIDE);
	if (beside)
		c->sandbox = beside;
	for (int i = 0; inherit && i < 3; i++)
		c->io.child[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
	if (*error < 0) {
		container_free(c);
		return NULL;
	}
	container_advance(c);
	return c;
}

static void print_failure(const struct container *c)
{
	fprintf(stderr, "thaw-launcher: operation %u (code %u): %s%s%s\n", c->failed_op, c->failed_code, c->detail,
		c->failed_errno ? ": " : "", c->failed_errno ? strerror(c->failed_errno) : "");
}

static int prepare_sync(const struct options *o, struct buf *plan, struct buf *undo)
{
	host.sync = true;
	container_up = run_up;
	container_gone = run_gone;
	int error = o->plan_fd < 0 ? -EBADF : read_plan(o->plan_fd, plan);
	if (error == 0 && o->cleanup_fd >= 0)
		error = read_plan(o->cleanup_fd, undo);
	if (error == 0)
		error = common_start();
	if (error < 0)
		fprintf(stderr, "thaw-launcher: cannot read the plan: %s\n", strerror(-error));
	return error;
}

static int run_once(const struct options *o)
{
	struct buf plan = { 0 }, undo = { 0 };
	int error;
	if (prepare_sync(o, &plan, &undo) < 0)
		return 125;
	struct container *c = sync_start(&plan, &undo, true, &error);
	if (!c) {
		fprintf(stderr, "thaw-launcher: %s\n", error == -EBADMSG ? "malformed plan" : strerror(-error));
		return 125;
	}
	while (!sync_gone && !(o->detach && sync_started)) {
		if (loop_once(-1) < 0)
			return 125;
		if (launcher_ending)
			container_kill(c);
	}
	if (c->failed) {
		print_failure(c);
		return 125;
	}
	if (o->detach && !sync_gone) {
		printf("%d\n", c->main ? c->main : c->holder);
		return 0;
	}
	return WIFEXITED(c->wait_status) ? WEXITSTATUS(c->wait_status) : 128 + WTERMSIG(c->wait_status);
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* One sandbox made ahead, ready when this returns. */
static int park_one(const struct buf *plan)
{
	struct wire_bytes part = pool_part((struct wire_bytes){ plan->p, (uint32_t)plan->len });
	int error = part.len == 0 ? -EINVAL : pool_prepare(wire_cstr("ahead"), part, (struct wire_bytes){ NULL, 0 });
	for (struct container *c; error >= 0 && (c = container_find("ahead")) && c->state != CONTAINER_STATE_PARKED;) {
		if (c->failed || launcher_ending)
			return -ECANCELED;
		error = loop_once(-1);
	}
	return error;
}

/* The sandbox that stays for as long as the launcher does; it is up when this returns. */
static int start_beside(int fd)
{
	struct buf plan = { 0 };
	int error = read_plan(fd, &plan);
	struct container *c = error < 0 ? NULL : container_new(wire_cstr(BESIDE), &error);
	if (!c)
		return error;
	error = container_begin(c, (struct wire_bytes){ plan.p, (uint32_t)plan.len }, (struct wire_bytes){ NULL, 0 });
	if (error == 0)
		container_advance(c);
	while (error >= 0 && c->state == CONTAINER_STATE_STARTING && !c->failed && !launcher_ending)
		error = loop_once(-1);
	if (c->failed)
		print_failure(c);
	return error < 0 ? error : c->state == CONTAINER_STATE_RUNNING ? 0 : -ECANCELED;
}

static int run_loop(const struct options *o)
{
	struct buf plan = { 0 }, undo = { 0 };
	if (prepare_sync(o, &plan, &undo) < 0)
		return 125;
	int beside = o->beside_fd < 0 ? 0 : start_beside(o->beside_fd);
	if (beside < 0) {
		fprintf(stderr, "thaw-launcher: the sandbox beside: %s\n", strerror(-beside));
		return 125;
	}
	uint64_t begin = now_ns(), end = o->seconds > 0 ? begin + (uint64_t)(o->seconds * 1e9) : UINT64_MAX, next = begin;
	for (unsigned long n = 0; (o->count == 0 || n < o->count) && now_ns() < end && !launcher_ending; n++) {
		int error = o->ahead ? park_one(&plan) : 0;
		if (o->interval_us) {
			sleep_until(next);
			next += o->interval_us * 1000u;
		}
		uint64_t t = now_ns();
		struct container *c = error < 0 ? NULL : sync_start(&plan, &undo, false, &error);
		while (c && !sync_gone && error >= 0)
			error = loop_once(-1);
		uint64_t taken = now_ns() - t;
		if (!c || error < 0 || c->failed) {
			if (c && c->failed)
				print_failure(c);
			else
				fprintf(stderr, "thaw-launcher: %s\n", strerror(-error));
			return 125;
		}
		if (c->wait_status != 0) {
			fprintf(stderr, "thaw-launcher: run %lu ended with wait status %d\n", n + 1, c->wait_status);
			return 125;
		}
		container_free(c);
		if (write_all(STDOUT_FILENO, &taken, sizeof(taken)) < 0)
			return 125;
	}
	return 0;
}

/* --- start --------------------------------------------------------------------------------------------------------------- */

static bool parse_fd(const char *text, int *fd)
{
	unsigned long number;
	if (!whole_number(text, INT_MAX, &number))
		return false;
	*fd = (int)number;
	return true;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },   { "channel", required_argument, NULL, 'c' },
		{ "plan-fd", required_argument, NULL, 'p' },  { "cleanup-fd", required_argument, NULL, 'u' }, { "stage", required_argument, NULL, 'd' },
		{ "detach", no_argument, NULL, 'b' },	      { "seconds", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'n' },    { "interval-us", required_argument, NULL, 'i' },
		{ "ahead", no_argument, NULL, 'a' },	      { "beside-fd", required_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	*o = (struct options){ .channel = -1, .plan_fd = -1, .cleanup_fd = -1, .beside_fd = -1 };
	bool good = true;
	for (int c; good && (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (c) {
		case 's': o->socket = optarg; break;
		case 'c': good = parse_fd(optarg, &o->channel); break;
		case 'p': good = parse_fd(optarg, &o->plan_fd); break;
		case 'u': good = parse_fd(optarg, &o->cleanup_fd); break;
		case 'd': host.stage = optarg; break;
		case 'b': o->detach = true; break;
		case 't': good = seconds_number(optarg, &o->seconds); break;
		case 'n': good = whole_number(optarg, ULONG_MAX, &o->count); break;
		case 'a': o->ahead = true; break;
		case 'e': good = parse_fd(optarg, &o->beside_fd); break;
		case 'i': good = whole_number(optarg, ULONG_MAX / 1000, &o->interval_us); break;
		default: return -EINVAL;
		}
	}
	return good && optind == argc - 1 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct options o;
	launcher_argv = argv;
	if (argc > 1 && !strcmp(argv[1], "measure"))
		return measure_main(argc - 1, argv + 1);
	if (parse(argc, argv, &o) < 0) {
		fputs(usage, stderr);
		return 2;
	}
	const char *mode = argv[optind];
	if (!strcmp(mode, "version")) {
		printf("thaw-launcher protocol %d\n", PROTOCOL_VERSION);
		return 0;
	}
	if (!strcmp(mode, "help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (!strcmp(mode, "filter"))
		return filter_main();
	if (!strcmp(mode, "cpu"))
		return cpu_main();
	seal_self(argv);
	if (!strcmp(mode, "serve"))
		return serve(&o);
	if (!strcmp(mode, "keep") && o.channel >= 0 && o.socket) {
		fcntl(o.channel, F_SETFD, FD_CLOEXEC);
		return keeper_run(o.socket, o.channel, -1);
	}
	if (!strcmp(mode, "run"))
		return run_once(&o);
	if (!strcmp(mode, "loop"))
		return run_loop(&o);
	fputs(usage, stderr);
	return 2;
}
