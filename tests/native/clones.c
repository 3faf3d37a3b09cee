/*
 * Clones of memory templates whose ends and pids come in any order: an end that was told before the pid is taken for it, one
 * that belongs to nobody is not kept for a later process with that pid, and one that was lost is noticed. Needs root, to
 * choose pids.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <assert.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct host host = { .proc_fd = -1, .own_pid_ns = -1, .own_net_ns = -1, .last_pid_fd = -1, .null_fd = -1, .own_mnt_ns = -1, .nursery_ns = -1, .root_fd = -1, .stage = "/" };
char **launcher_argv;
bool launcher_ending;

enum { STATUS = 7, CROWD = 80 };

/* A child with that pid (0: any), which ends at once or waits to be killed. */
static pid_t make_child(pid_t wanted, bool ends)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	if (wanted > 0) {
		args.set_tid = (uint64_t)(uintptr_t)&wanted;
		args.set_tid_size = 1;
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0 && ends)
		_exit(STATUS);
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody */
	while (pid == 0)
		pause();
	assert(pid > 0);
	return pid;
}

static void until_dead(pid_t pid)
{
	siginfo_t info;
	assert(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
}

static pid_t dead_child(void)
{
	pid_t pid = make_child(0, true);
	until_dead(pid);
	return pid;
}

static struct container *make_container(const char *id)
{
	int error;
	struct container *c = container_new(wire_cstr(id), &error);
	assert(c);
	c->state = CONTAINER_STATE_STARTING;
	return c;
}

/* It has ended, with that status. */
static void expect_end(struct container *c, int status)
{
	assert(c->ended && c->alive == 0 && c->wait_status == status);
	container_free(c);
	loop_once(0);
}

static void end_before_pid(void)
{
	struct container *c = make_container("early");
	struct process *p = process_expect(c, 0);
	pid_t pid = dead_child();
	reap_children();
	assert(p && c->alive == 1 && !c->ended);
	process_known(p, pid);
	expect_end(c, STATUS << 8);
}

static void end_of_nobody(void)
{
	struct container *first = make_container("first"), *second = make_container("second");
	struct process *never = process_expect(first, 0);
	pid_t pid = dead_child();
	reap_children();
	process_never(never);
	struct process *p = process_expect(second, 0);
	assert(make_child(pid, false) == pid);
	process_known(p, pid);
	assert(!second->ended && process_find(pid) == p && second->main == pid);
	kill(pid, SIGKILL);
	until_dead(pid);
	reap_children();
	expect_end(second, SIGKILL);
	container_free(first);
}

/* More at once than are kept. */
static void end_in_a_crowd(void)
{
	struct container *c = make_container("crowd");
	struct process *p = process_expect(c, 0);
	pid_t pid = dead_child();
	reap_children();
	for (int i = 0; i < CROWD; i++) {
		dead_child();
		reap_children();
	}
	process_known(p, pid);
	expect_end(c, SIGKILL);
}

int main(void)
{
	containers_init();
	assert(loop_init() == 0);
	end_before_pid();
	end_of_nobody();
	end_in_a_crowd();
	puts("ends and pids in any order");
	return 0;
}
