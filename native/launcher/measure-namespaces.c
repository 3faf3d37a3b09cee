/*
 * Making and dropping each kind of namespace. "Dropping" is closing the last descriptor of it, as the end of a
 * container does; some kinds are only handed to a kernel worker there, so --until-gone measures when they are freed:
 * the kernel counts the namespaces of a user namespace, and with a limit on it the next one can be made only then.
 */
#define _GNU_SOURCE
#include "measure.h"
#include "util.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { LOOK_AGAIN_NS = 20000 };

struct kind {
	const char *name;
	int flag;
	const char *link;  /* in /proc/self/ns, after unshare */
};

/* A pid namespace without a process has no descriptor: leaving it drops it. */
static const struct kind kinds[] = {
	{ "mnt", CLONE_NEWNS, "mnt" },	     { "pid", CLONE_NEWPID, NULL },
	{ "ipc", CLONE_NEWIPC, "ipc" },	     { "uts", CLONE_NEWUTS, "uts" },
	{ "net", CLONE_NEWNET, "net" },	     { "cgroup", CLONE_NEWCGROUP, "cgroup" },
	{ "time", CLONE_NEWTIME, "time_for_children" },
};

static int open_own(const char *link)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/ns/%s", link);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int leave(const struct kind *k, int base, uint64_t *dropped)
{
	int fd = k->link ? open_own(k->link) : -1;
	uint64_t t = now_ns();
	if ((k->link && fd < 0) || setns(base, k->flag) < 0)
		return measure_error(k->name);
	if (fd >= 0) {
		t = now_ns();
		close(fd);
	}
	*dropped = now_ns() - t;
	return 0;
}

static int step(const struct kind *k, int base)
{
	uint64_t row[2], t = now_ns();
	if (unshare(k->flag) < 0)
		return measure_error(k->name);
	row[0] = now_ns() - t;
	int error = leave(k, base, &row[1]);
	return error < 0 ? error : measure_put(row, 2);
}

/* Makes one as soon as the limit allows it. */
static int unshare_when_free(const struct kind *k)
{
	const struct timespec pause = { 0, LOOK_AGAIN_NS };
	while (unshare(k->flag) < 0) {
		if (errno != ENOSPC)
			return measure_error(k->name);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int step_until_gone(const struct kind *k, int base)
{
	uint64_t row[1], ignored;
	int error = unshare_when_free(k);
	if (error == 0)
		error = leave(k, base, &ignored);
	row[0] = now_ns();
	if (error == 0)
		error = unshare_when_free(k);
	row[0] = now_ns() - row[0];
	if (error == 0)
		error = leave(k, base, &ignored);
	return error < 0 ? error : measure_put(row, 1);
}

static int repeat(struct measure *m, const struct kind *k)
{
	int error = k->flag == CLONE_NEWNS && !m->until_gone ? measure_private_mounts() : 0;
	const char *link = k->flag == CLONE_NEWPID ? "pid" : k->flag == CLONE_NEWTIME ? "time" : k->link;
	int base = open_own(link);
	if (base < 0)
		return measure_error(link);
	measure_begin(m);
	while (error == 0 && measure_next(m))
		error = m->until_gone ? step_until_gone(k, base) : step(k, base);
	close(base);
	return error;
}

/* Runs the loop in a user namespace that may have one namespace of the kind besides its first. */
static int repeat_limited(struct measure *m, const struct kind *k)
{
	char path[64];
	measure_leave_chroot();
	if (unshare(CLONE_NEWUSER | k->flag) < 0)
		return measure_error(k->name);
	snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", k->name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write_all(fd, "2", 1) < 0)
		return measure_error(path);
	close(fd);
	pid_t pid = fork(); /* pid and time namespaces are entered by children only */
	if (pid < 0)
		return measure_error("fork");
	if (pid == 0)
		_exit(repeat(m, k) < 0 ? 1 : 0);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		kill(pid, SIGTERM);
	return status == 0 ? 0 : -ECHILD;
}

struct shared {
	uint64_t taken;
	int32_t error;
	uint32_t made;
	uint32_t end;
};

static void user_child(struct shared *s)
{
	measure_leave_chroot();
	uint64_t t = now_ns();
	s->error = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
	s->taken = now_ns() - t;
	gate_open(&s->made);
	gate_wait(&s->end);
	_exit(0);
}

/* A process cannot leave its user namespace, so each one gets a process; only its unshare is timed. */
static int user_step(struct shared *s)
{
	char path[64];
	*s = (struct shared){ 0 };
	pid_t pid = fork();
	if (pid < 0)
		return measure_error("fork");
	if (pid == 0)
		user_child(s);
	gate_wait(&s->made);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	errno = s->error ? s->error : errno;
	int error = fd < 0 || s->error ? measure_error("user") : 0;
	gate_open(&s->end);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	uint64_t row[2] = { s->taken };
	row[1] = now_ns();
	close_fd(&fd);
	row[1] = now_ns() - row[1];
	return error < 0 ? error : measure_put(row, 2);
}

static int repeat_user(struct measure *m)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return measure_error("mmap");
	int error = 0;
	measure_begin(m);
	while (error == 0 && measure_next(m))
		error = user_step(s);
	munmap(s, sizeof(*s));
	return error;
}

int measure_namespace(struct measure *m)
{
	if (!strcmp(m->how, "user") && !m->until_gone)
		return repeat_user(m);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!strcmp(m->how, kinds[i].name))
			return m->until_gone ? repeat_limited(m, &kinds[i]) : repeat(m, &kinds[i]);
	}
	return MEASURE_USAGE;
}
