/*
 * A process gets into its cgroup leaves, which are made for it or are there already. The ways in:
 *   tasks  the fresh child writes 0 into files that were opened before (v1)
 *   procs  the parent writes the child's pid into cgroup.procs (v1 and v2)
 *   into   the child is made inside (v2); what counts is the whole clone
 *   none   nothing: what the process itself costs, for comparison with into
 */
#define _GNU_SOURCE
#include "measure.h"
#include "util.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { REMOVE_TRIES = 20000, LOOK_AGAIN_NS = 50000 };

struct leaves {
	const struct measure *m;
	int fds[MEASURE_DIRS];
	int group;	 /* the directory, for `into` */
	struct shared *shared;
};

/* What parent and child tell each other. */
struct shared {
	uint64_t joined; /* ns that the child's join took */
	uint32_t go_on;
};

static void leaf_path(char *out, size_t size, const char *dir, const char *file)
{
	snprintf(out, size, "%s/measure-%d%s%s", dir, getpid(), *file ? "/" : "", file);
}

static int open_leaves(struct leaves *l)
{
	char path[PATH_MAX];
	bool into = !strcmp(l->m->how, "into"), none = !strcmp(l->m->how, "none");
	for (unsigned i = 0; i < l->m->dir_count; i++) {
		leaf_path(path, sizeof(path), l->m->dirs[i], "");
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return measure_error(path);
		if (into || none) {
			l->group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			continue;
		}
		leaf_path(path, sizeof(path), l->m->dirs[i], strcmp(l->m->how, "procs") ? "tasks" : "cgroup.procs");
		l->fds[i] = open(path, O_WRONLY | O_CLOEXEC);
		if (l->fds[i] < 0)
			return measure_error(path);
	}
	return 0;
}

/* The dead child may still be on its way out. */
static int remove_leaves(struct leaves *l)
{
	const struct timespec pause = { 0, LOOK_AGAIN_NS };
	int error = 0;
	close_fd(&l->group);
	for (unsigned i = 0; i < l->m->dir_count; i++) {
		char path[PATH_MAX];
		close_fd(&l->fds[i]);
		leaf_path(path, sizeof(path), l->m->dirs[i], "");
		int tries = 0;
		while (rmdir(path) < 0 && errno == EBUSY && ++tries < REMOVE_TRIES)
			nanosleep(&pause, NULL);
		if (access(path, F_OK) == 0)
			error = measure_error(path);
	}
	return error;
}

static pid_t make_child(const struct leaves *l)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	if (!strcmp(l->m->how, "into")) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)l->group;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void child(const struct leaves *l)
{
	uint64_t t = now_ns();
	bool joins = !strcmp(l->m->how, "tasks"), failed = false;
	for (unsigned i = 0; joins && i < l->m->dir_count; i++)
		failed |= write(l->fds[i], "0", 1) < 0;
	l->shared->joined = now_ns() - t;
	gate_wait(&l->shared->go_on);
	_exit(failed);
}

/* The parent moves the child, as runtimes do that were made before the alternatives. */
static int move_child(const struct leaves *l, pid_t pid)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", pid);
	for (unsigned i = 0; i < l->m->dir_count; i++) {
		if (write(l->fds[i], text, (size_t)len) < 0)
			return measure_error("cgroup.procs");
	}
	return 0;
}

/* Nanoseconds of the join, or of the whole clone for `into` and `none`. */
static int join(struct leaves *l, uint64_t *taken)
{
	int error = 0, status = 0;
	bool moves = !strcmp(l->m->how, "procs"), clones = !moves && strcmp(l->m->how, "tasks");
	*l->shared = (struct shared){ 0 };
	uint64_t t = now_ns();
	pid_t pid = make_child(l);
	if (pid == 0)
		child(l);
	if (pid < 0)
		return measure_error("clone");
	if (clones)
		*taken = now_ns() - t;
	t = now_ns();
	if (moves) {
		error = move_child(l, pid);
		*taken = now_ns() - t;
	}
	gate_open(&l->shared->go_on);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!moves && !clones)
		*taken = l->shared->joined;
	errno = EIO;
	return error < 0 ? error : status != 0 ? measure_error("a child could not join") : 0;
}

static int step(struct leaves *l)
{
	uint64_t row[3] = { 0 };
	int error = 0;
	if (l->m->fresh) {
		uint64_t t = now_ns();
		error = open_leaves(l);
		row[0] = now_ns() - t;
	}
	if (error == 0)
		error = join(l, &row[1]);
	if (l->m->fresh) {
		uint64_t t = now_ns();
		int removed = remove_leaves(l);
		row[2] = now_ns() - t;
		error = error < 0 ? error : removed;
	}
	return error < 0 ? error : measure_put(row, 3);
}

int measure_cgroup(struct measure *m)
{
	struct leaves l = { .m = m, .group = -1 };
	const char *const ways[] = { "tasks", "procs", "into", "none" };
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		known |= !strcmp(m->how, ways[i]);
	if (!known)
		return MEASURE_USAGE;
	for (unsigned i = 0; i < MEASURE_DIRS; i++)
		l.fds[i] = -1;
	l.shared = mmap(NULL, sizeof(*l.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l.shared == MAP_FAILED)
		return measure_error("mmap");
	int error = m->fresh ? 0 : open_leaves(&l);
	measure_begin(m);
	while (error == 0 && measure_next(m))
		error = step(&l);
	int removed = remove_leaves(&l);
	munmap(l.shared, sizeof(*l.shared));
	return error < 0 ? error : removed;
}
