/*
 * User namespaces. The sandbox is built by a process that has the host's rights and enters the user namespace last:
 * so device nodes can be made, /proc and /sys be mounted without conditions, and the mounts stay the host's, out of
 * reach of whoever is root inside. What must belong to the user namespace for its root to have rights over it (network,
 * ipc, uts) is made together with it, beforehand, by a process that does nothing else.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

void userns_init(struct userns *u)
{
	*u = (struct userns){ .user = -1 };
}

void userns_close(struct userns *u)
{
	close_fd(&u->user);
	for (unsigned i = 0; i < u->owned_count; i++)
		close_fd(&u->owned[i]);
	userns_init(u);
}

/* --- in the launcher ---------------------------------------------------------------------------------------------- */

static int keep_alive(void *launcher) __attribute__((noreturn));
static int keep_alive(void *launcher)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == *(const pid_t *)launcher)
		pause();
	_exit(0); /* it died before it could be noticed */
}

static int open_ns(pid_t pid, const char *kind)
{
	char path[64];
	snprintf(path, sizeof(path), "%d/ns/%s", pid, kind);
	int fd = openat(host.proc_fd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_map(pid_t pid, const char *file, const struct op_user_make *op)
{
	char path[64], text[64];
	snprintf(path, sizeof(path), "%d/%s", pid, file);
	int n = snprintf(text, sizeof(text), "0 %u %u\n", op->first, op->count);
	int fd = openat(host.proc_fd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = write_all(fd, text, (size_t)n);
	close(fd);
	return error;
}

static int take_spaces(struct container *c, pid_t pid, const struct op_user_make *op)
{
	static const struct {
		uint64_t flag;
		const char *kind;
	} kinds[] = { { CLONE_NEWNET, "net" }, { CLONE_NEWIPC, "ipc" }, { CLONE_NEWUTS, "uts" } };
	struct userns *u = &c->userns;
	u->first = op->first;
	u->flags = CLONE_NEWUSER | op->namespaces;
	u->user = open_ns(pid, "user");
	if (u->user < 0)
		return u->user;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!(op->namespaces & kinds[i].flag))
			continue;
		int fd = open_ns(pid, kinds[i].kind);
		if (fd < 0)
			return fd;
		u->owned[u->owned_count++] = fd;
		if (kinds[i].flag == CLONE_NEWNET) {
			close_fd(&c->net_ns);
			c->net_ns = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		}
	}
	return 0;
}

/* So that root inside may open its pipes again by name, and give them to another user. */
static void give_streams(struct container *c, uint32_t id)
{
	for (int i = 0; c->io.mode != STDIO_NONE && i < 3; i++) {
		struct stat st;
		if (c->io.child[i] >= 0 && fstat(c->io.child[i], &st) == 0 && S_ISFIFO(st.st_mode))
			(void)!fchown(c->io.child[i], id, id);
	}
}

int userns_make(struct container *c, const struct op_user_make *op)
{
	static char stack[16384] __attribute__((aligned(16)));
	const uint64_t ownable = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	if (op->count == 0 || op->first > UINT32_MAX - op->count || (op->namespaces & ~ownable))
		return -EINVAL;
	userns_close(&c->userns);
	/* shares our memory, so nothing is copied; without an exit signal it disturbs no one */
	int flags = CLONE_VM | CLONE_FILES | CLONE_NEWUSER | (int)op->namespaces;
	pid_t own = getpid(), pid = clone(keep_alive, stack + sizeof(stack), flags, &own);
	/* the kernel refuses that to who is in a chroot */
	if (pid < 0 && errno == EPERM && outside_leave_chroot() == 0) {
		pid = clone(keep_alive, stack + sizeof(stack), flags, &own);
		int refused = errno;
		if (outside_enter_chroot() < 0)
			abort(); /* every path would mean another file from now on */
		errno = refused;
	}
	if (pid < 0)
		return -errno;
	int error = write_map(pid, "uid_map", op);
	if (error == 0)
		error = write_map(pid, "gid_map", op);
	if (error == 0)
		error = take_spaces(c, pid, op);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	if (error < 0)
		userns_close(&c->userns);
	else
		give_streams(c, op->first);
	return error;
}

/* --- in the child ------------------------------------------------------------------------------------------------- */

/* The kernel takes the rights over files from a process whose file system id is not root: take them back. */
static int regain_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* What is made from here on belongs to `id`, without losing the rights over what belongs to others. */
static int take_file_ids(uint32_t id)
{
	setfsgid(id);
	setfsuid(id);
	bool taken = (uint32_t)setfsuid((uid_t)-1) == id && (uint32_t)setfsgid((gid_t)-1) == id;
	return taken ? regain_capabilities() : -EINVAL;
}

int userns_spaces(struct child *child)
{
	const struct userns *u = &child->container->userns;
	if (u->user < 0)
		return child_fail(child, -EINVAL, "no user namespace was made");
	for (unsigned i = 0; i < u->owned_count; i++) {
		if (setns(u->owned[i], 0) < 0)
			return -errno;
	}
	if (take_file_ids(u->first) < 0)
		return child_fail(child, -EINVAL, "the container's root is not an id of this machine");
	return 0;
}

/*
 * Some files (sysctls of an IPC namespace) can be written only by the user that is root of the namespace's owner, who
 * the host's root is not.
 */
int userns_act(struct child *child, bool as_root_inside)
{
	const struct userns *u = &child->container->userns;
	if (u->user < 0)
		return 0;
	uid_t id = as_root_inside ? u->first : 0;
	if (setresgid((gid_t)-1, id, (gid_t)-1) < 0 || setresuid((uid_t)-1, id, (uid_t)-1) < 0)
		return -errno;
	return take_file_ids(u->first);
}

int userns_become_root(void)
{
	return setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? -errno : 0;
}

int userns_enter(struct child *child)
{
	const struct userns *u = &child->container->userns;
	if (u->user < 0)
		return child_fail(child, -EINVAL, "no user namespace was made");
	return setns(u->user, CLONE_NEWUSER) < 0 ? -errno : userns_become_root();
}
