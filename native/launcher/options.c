/*
 * Operations that a user's options ask for: binds with their propagation, tmpfs mounts, devices, sysctls, a read-only
 * root. Targets are resolved inside the root like everything in root.c; one that turns out to lie in procfs or sysfs,
 * by a link of the image for instance, or is the root itself, is refused: what is mounted there could stand in for what
 * programs trust.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* glibc's sys/mount.h and the kernel's linux/mount.h do not go together */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
enum { RECURSIVE_PROPAGATION = 1 << 14, PRIVATE = 1 << 18, SLAVE = 1 << 19, SHARED = 1 << 20 };

/* A mount point for something of the user's. */
static int open_user_target(struct child *child, const char *path, bool directory)
{
	struct statfs fs;
	struct stat st, root;
	int fd = open_target(child->root_fd, path, directory);
	if (fd < 0)
		return child_fail(child, fd, path);
	int error = fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0 || fstat(child->root_fd, &root) < 0 ? -errno : 0;
	if (error == 0 && st.st_dev == root.st_dev && st.st_ino == root.st_ino)
		error = -EPERM; /* what covers the root would be the root for who enters the namespace */
	if (error == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC))
		error = -EPERM;
	if (error == 0)
		return fd;
	close(fd);
	return child_fail(child, error, path);
}

static int set_attr(int tree, bool deep, const struct mount_attr *attr)
{
	unsigned flags = AT_EMPTY_PATH | (deep ? AT_RECURSIVE : 0);
	return syscall(SYS_mount_setattr, tree, "", flags, attr, sizeof(*attr)) < 0 ? -errno : 0;
}

/* The tree's mounts are peers of the host's where those are shared. Unless they shall stay so, nothing goes out. */
static int set_tree(int tree, const struct op_attach_tree *op)
{
	bool deep = op->propagation & RECURSIVE_PROPAGATION;
	struct mount_attr all = { .attr_set = op->attributes, .propagation = op->propagation & SHARED ? 0 : SLAVE };
	struct mount_attr wanted = { .propagation = op->propagation & ~(uint64_t)RECURSIVE_PROPAGATION };
	int error = set_attr(tree, true, &all);
	return error < 0 ? error : set_attr(tree, deep, &wanted);
}

static int attach_tree(struct child *child, const struct op_attach_tree *op)
{
	struct stat st;
	int tree = outside_tree(child, op->source.p, true);
	if (tree < 0)
		return tree;
	int error = fstat(tree, &st) < 0 ? -errno : set_tree(tree, op);
	if (error == 0)
		error = userns_map_mount(child, tree, true, op->source.p);
	if (error < 0) {
		close(tree);
		return child_fail(child, error, op->source.p);
	}
	int at = open_user_target(child, op->target.p, S_ISDIR(st.st_mode));
	error = at < 0 ? at : 0;
	if (at >= 0 && syscall(SYS_move_mount, tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		error = child_fail(child, -errno, op->target.p);
	close_fd(&at);
	close(tree);
	return error;
}

static int keep_file(struct child *child, const struct op_keep_file *op)
{
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = PRIVATE };
	int at = open_target(child->root_fd, op->target.p, false);
	if (at < 0)
		return at == -EROFS || at == -ENOTDIR ? 0 : child_fail(child, at, op->target.p);
	int tree = outside_tree(child, op->source.p, false);
	int error = tree < 0 ? tree : set_attr(tree, false, &readonly);
	if (error == 0 && syscall(SYS_move_mount, tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		error = child_fail(child, -errno, op->target.p);
	close_fd(&tree);
	close(at);
	return error;
}

static int mount_tmpfs(struct child *child, const struct op_tmpfs *op)
{
	int at = open_user_target(child, op->target.p, true);
	if (at < 0)
		return at;
	int error = root_mount_at(at, "tmpfs", op->flags, op->options.p);
	close(at);
	return error < 0 ? child_fail(child, error, op->target.p) : 0;
}

static int device_node(struct child *child, const struct op_device_node *op)
{
	char name[NAME_MAX + 1];
	int parent = open_parent(child->root_fd, op->path.p, name);
	if (parent < 0)
		return child_fail(child, parent, op->path.p);
	unlinkat(parent, name, 0);
	mode_t old = umask(0);
	int error = mknodat(parent, name, op->mode, makedev(op->major, op->minor)) < 0 ? -errno : 0;
	umask(old);
	if (error == 0 && fchownat(parent, name, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0)
		error = -errno;
	close(parent);
	return error < 0 ? child_fail(child, error, op->path.p) : 0;
}

/* A procfs that nobody else sees, for the namespaces of this process. */
static int private_proc(void)
{
	struct statfs fs;
	int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
	if (context < 0)
		return -errno;
	int fd = -1, error = 0;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		error = -errno;
	else if ((fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0)) < 0)
		error = -errno;
	close(context);
	if (error == 0 && (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC))
		error = -EINVAL;
	if (error == 0)
		return fd;
	close_fd(&fd);
	return error;
}

static int set_sysctl(struct child *child, const struct op_sysctl *op)
{
	char path[PATH_MAX];
	struct open_how how = { .flags = O_WRONLY | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	if (snprintf(path, sizeof(path), "sys/%s", op->path.p) >= (int)sizeof(path))
		return child_fail(child, -ENAMETOOLONG, op->path.p);
	int error = child_owns(child, strncmp(op->path.p, "net/", 4) ? CLONE_NEWIPC : CLONE_NEWNET);
	if (error < 0)
		return error;
	int proc = private_proc();
	if (proc < 0)
		return child_fail(child, proc, "proc");
	error = userns_act(child, true);
	int fd = error < 0 ? -1 : (int)syscall(SYS_openat2, proc, path, &how, sizeof(how));
	if (error == 0)
		error = fd < 0 ? -errno : write_all(fd, op->value.p, op->value.len);
	close_fd(&fd);
	close(proc);
	int back = userns_act(child, false);
	error = error < 0 ? error : back;
	return error < 0 ? child_fail(child, error, op->path.p) : 0;
}

static int root_readonly(struct child *child)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	return syscall(SYS_mount_setattr, child->root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int set_domainname(struct child *child, struct wire_str name)
{
	int error = child_owns(child, CLONE_NEWUTS);
	return error < 0 ? error : setdomainname(name.p, name.len) < 0 ? -errno : 0;
}

int options_perform(struct child *child, uint16_t code, struct wire_reader *r)
{
	bool in_root = code == OP_ROOT_READONLY || code == OP_ATTACH_TREE || code == OP_TMPFS || code == OP_DEVICE_NODE ||
		       code == OP_KEEP_FILE;
	if (in_root && child->root_fd < 0)
		return child_fail(child, -EINVAL, "there is no root yet");
	switch (code) {
	case OP_ROOT_READONLY:
		return root_readonly(child);
	case OP_ATTACH_TREE: {
		struct op_attach_tree op;
		op_decode_attach_tree(r, &op);
		return attach_tree(child, &op);
	}
	case OP_TMPFS: {
		struct op_tmpfs op;
		op_decode_tmpfs(r, &op);
		return mount_tmpfs(child, &op);
	}
	case OP_DEVICE_NODE: {
		struct op_device_node op;
		op_decode_device_node(r, &op);
		return device_node(child, &op);
	}
	case OP_DOMAINNAME: {
		struct op_domainname op;
		op_decode_domainname(r, &op);
		return set_domainname(child, op.name);
	}
	case OP_SYSCTL: {
		struct op_sysctl op;
		op_decode_sysctl(r, &op);
		return set_sysctl(child, &op);
	}
	case OP_KEEP_FILE: {
		struct op_keep_file op;
		op_decode_keep_file(r, &op);
		return keep_file(child, &op);
	}
	default:
		return -ENOSYS;
	}
}
