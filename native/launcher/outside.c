/*
 * Inside and outside. A copy of the host's mounts would have to be made for each container, and taken apart again when its
 * root is in place, which waits for an RCU grace period. So a sandbox's mount namespace is not a copy of the host's
 * but one of the nursery's, in which there is a single empty, read-only file system; the container's root covers that, as a
 * machine's root covers its initial one. Where something of the host is wanted (layers, binds, leaves), the process looks
 * outside: it enters the launcher's mount namespace, opens it as a detached mount, and comes back in to attach it.
 * Outside nothing is ever attached. What can only be made with attached mounts is made in a private copy of the host's.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* glibc's sys/mount.h and the kernel's linux/mount.h do not go together */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
enum { DETACH = 2, PRIVATE_REC = 1 << 18 | 1 << 14 };

static int own_mounts(void)
{
	int fd = openat(host.proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* --- the nursery -------------------------------------------------------------------------------------------------- */

int tmpfs_mount(const char *const (*options)[2], unsigned attributes)
{
	int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	int error = 0;
	for (; error == 0 && (*options)[0]; options++)
		error = syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, (*options)[0], (*options)[1], 0) < 0 ? -errno : 0;
	if (error == 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		error = -errno;
	int fd = error == 0 ? (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes) : -1;
	if (error == 0 && fd < 0)
		error = -errno;
	close(fs);
	return error < 0 ? error : fd;
}

/* In a process of its own: leaves everything but an empty root, says so, and waits for its end. */
static void become_nursery(int ready)
{
	static const char *const options[][2] = { { "mode", "0555" }, { "size", "4k" }, { NULL, NULL } };
	int fd = unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, PRIVATE_REC, NULL) < 0
			 ? -1
			 : tmpfs_mount(options, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	int own = fd < 0 ? -1 : own_mounts();
	/* in a chroot, only the namespace's own root can be pivoted away from */
	bool made = own >= 0 && setns(own, CLONE_NEWNS) == 0 &&
		    syscall(SYS_move_mount, fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0 && fchdir(fd) == 0 &&
		    syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", DETACH) == 0;
	if (made)
		(void)!write(ready, "", 1);
	for (;;)
		pause();
}

static int open_nursery(pid_t pid, int ready)
{
	char byte, path[64];
	if (read(ready, &byte, 1) != 1)
		return -EPERM;
	snprintf(path, sizeof(path), "%d/ns/mnt", pid);
	int fd = openat(host.proc_fd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int outside_init(void)
{
	int ready[2];
	host.own_mnt_ns = own_mounts();
	host.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host.own_mnt_ns < 0 || host.root_fd < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		close(ready[0]);
		become_nursery(ready[1]);
	}
	close(ready[1]);
	host.nursery_ns = pid < 0 ? -errno : open_nursery(pid, ready[0]);
	close(ready[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return host.nursery_ns < 0 ? host.nursery_ns : 0;
}

int outside_leave_chroot(void)
{
	return setns(host.own_mnt_ns, CLONE_NEWNS) < 0 ? -errno : 0;
}

int outside_enter_chroot(void)
{
	return fchdir(host.root_fd) < 0 || chroot(".") < 0 ? -errno : 0;
}

/* --- in the child --------------------------------------------------------------------------------------------------- */

int outside_leave(struct child *child)
{
	if (child->inside_ns >= 0)
		return child_fail(child, -EINVAL, "it has left the host's mounts already");
	if (setns(host.nursery_ns, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)
		return -errno;
	child->own |= CLONE_NEWNS;
	child->inside_ns = own_mounts();
	child->inside = true;
	return child->inside_ns < 0 ? child->inside_ns : 0;
}

int outside_look(struct child *child)
{
	if (!child->inside)
		return 0;
	/* to the launcher's own root, which is not the namespace's when it runs in a chroot */
	int error = outside_leave_chroot();
	if (error == 0)
		error = outside_enter_chroot();
	if (error < 0)
		return child_fail(child, error, "looking at the host's files");
	child->inside = false;
	return 0;
}

int outside_copy(struct child *child)
{
	if (child->inside_ns < 0)
		return 0; /* it is one */
	int error = outside_look(child);
	if (error == 0 && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, PRIVATE_REC, NULL) < 0))
		error = -errno;
	return error;
}

int outside_return(struct child *child)
{
	if (child->inside || child->inside_ns < 0)
		return 0;
	if (setns(child->inside_ns, CLONE_NEWNS) < 0)
		return child_fail(child, -errno, "coming back from the host's files");
	child->inside = true;
	return 0;
}

int outside_tree(struct child *child, const char *path, bool recursive)
{
	int error = outside_look(child);
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
	int fd = error < 0 ? error : (int)syscall(SYS_open_tree, AT_FDCWD, path, flags);
	if (error == 0 && fd < 0)
		error = child_fail(child, -errno, path);
	int back = outside_return(child);
	if (error == 0 && back < 0) {
		close(fd);
		error = back;
	}
	return error < 0 ? error : fd;
}
