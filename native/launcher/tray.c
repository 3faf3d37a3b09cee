/*
 * The tray: /proc, /sys and /dev are put together on a private tmpfs, with what is hidden and read-only of them, before
 * there is a root. Nothing of an image takes part in that, so a link in it can neither divert a mount nor uncover
 * one; and it is the same for every container of a shape, so it can be done ahead. Each is then moved into the root as
 * one tree. The tray itself stays behind when the process pivots.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_plain(int root, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

int tray_make(struct child *child)
{
	static const char *const options[][2] = { { "mode", "0755" }, { "size", "64k" }, { NULL, NULL } };
	int fd = tmpfs_mount(options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		return child_fail(child, fd, "tmpfs");
	int error = root_stage(child, fd);
	close(fd);
	if (error == 0 && (child->tray_fd = fcntl(child->root_fd, F_DUPFD_CLOEXEC, 3)) < 0)
		error = -errno;
	return error;
}

/* A mount that needs no tray: for what a sandbox with hardly anything in it would make one for. */
int mount_ahead(struct child *child, const struct op_mount_ahead *op)
{
	if (child->ahead_count == ARRAY_LEN(child->ahead))
		return child_fail(child, -E2BIG, op->target.p);
	int fs = (int)syscall(SYS_fsopen, op->fstype.p, FSOPEN_CLOEXEC);
	int error = fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
	int fd = error == 0 ? (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)op->attributes) : -1;
	if (error == 0 && fd < 0)
		error = -errno;
	close_fd(&fs);
	if (error < 0)
		return child_fail(child, error, op->target.p);
	child->ahead[child->ahead_count].target = op->target.p;
	child->ahead[child->ahead_count++].fd = fd;
	return 0;
}

/* What is to be attached at a path, out of what was made ahead or off the tray. */
static int open_made(struct child *child, const char *path)
{
	for (unsigned i = 0; i < child->ahead_count; i++) {
		int fd = child->ahead[i].fd;
		if (fd < 0 || strcmp(child->ahead[i].target, path))
			continue;
		child->ahead[i].fd = -1;
		return fd;
	}
	return child->tray_fd < 0 ? -ENOENT : open_plain(child->tray_fd, path);
}

int tray_move(struct child *child, const char *path)
{
	if (path[0] != '/')
		return child_fail(child, -EINVAL, path);
	int from = open_made(child, path);
	if (from < 0)
		return child_fail(child, from, path);
	int to = open_plain(child->root_fd, path);
	if (to == -ENOENT && (mkdirat(child->root_fd, path + 1, 0755) == 0 || errno == EEXIST))
		to = open_plain(child->root_fd, path);
	int error = to < 0 ? to : 0;
	if (error == 0 && syscall(SYS_move_mount, from, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		error = -errno;
	close(from);
	close_fd(&to);
	return error < 0 ? child_fail(child, error, path) : 0;
}
