/*
 * Builds a container's root. Every path inside it is resolved with openat2 from the root's descriptor, so that a link
 * of the image cannot lead out of it, and mounts go to the descriptor that was resolved, not to a path that may
 * change. Until `pivot` the host's root is still the process's root; the new one covers the stage directory.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* glibc's sys/mount.h and the kernel's linux/mount.h do not go together */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
enum { DETACH = 2 };

int open_inside(int root, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* The directory that holds the last name of `path`, made when missing, and that name. */
int open_parent(int root, const char *path, char *name)
{
	char copy[PATH_MAX], part[PATH_MAX];
	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	size_t len = strlen(copy);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = 0;
	char *slash = strrchr(copy, '/');
	const char *last = slash ? slash + 1 : copy;
	if (!*last || !strcmp(last, ".") || !strcmp(last, ".."))
		return -EINVAL;
	if (strlen(last) > NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(name, last);
	if (slash)
		*slash = 0;
	int dir = open_inside(root, ".", O_PATH | O_DIRECTORY);
	if (!slash)
		return dir;
	for (char *at = copy; dir >= 0 && *(at += strspn(at, "/"));) {
		size_t n = strcspn(at, "/");
		memcpy(part, copy, (size_t)(at + n - copy));
		part[at + n - copy] = 0;
		close(dir);
		dir = open_inside(root, part, O_PATH | O_DIRECTORY);
		if (dir == -ENOENT) {
			char up[PATH_MAX];
			memcpy(up, copy, (size_t)(at - copy));
			strcpy(up + (at - copy), "."); /* the prefix before its last name, itself resolved inside the root */
			int parent = open_inside(root, up, O_PATH | O_DIRECTORY);
			if (parent < 0)
				return parent;
			int error = mkdirat(parent, part + (at - copy), 0755) < 0 && errno != EEXIST ? -errno : 0;
			close(parent);
			if (error < 0)
				return error;
			dir = open_inside(root, part, O_PATH | O_DIRECTORY);
		}
		at += n;
	}
	return dir;
}

/* Opens a mount point inside the root, making it when missing. */
int open_target(int root, const char *path, bool directory)
{
	int fd = open_inside(root, path, O_PATH);
	if (fd != -ENOENT)
		return fd;
	char name[NAME_MAX + 1];
	int parent = open_parent(root, path, name);
	if (parent < 0)
		return parent;
	int error = 0;
	if (directory) {
		error = mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	} else {
		int file = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
		error = file < 0 && errno != EEXIST ? -errno : 0;
		close_fd(&file);
	}
	close(parent);
	return error < 0 ? error : open_inside(root, path, O_PATH);
}

/* --- the root itself ------------------------------------------------------------------------------------------- */

/* The new root of what follows: covers what there is inside, or the stage while this is a copy of the host's mounts. */
int root_stage(struct child *child, int mount_fd)
{
	int error = outside_return(child);
	if (error < 0)
		return error;
	int over = child->inside ? child->root_fd : -1;
	if (over >= 0)
		error = syscall(SYS_move_mount, mount_fd, "", over, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
	else
		error = syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, child->inside ? "/" : host.stage, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
	if (error < 0)
		return child_fail(child, error, child->inside ? "covering the empty root" : host.stage);
	close_fd(&child->root_fd); /* the tray's */
	child->root_fd = fcntl(mount_fd, F_DUPFD_CLOEXEC, 3);
	return child->root_fd < 0 ? -errno : 0;
}

/* The same with what is mounted at `path` in a private copy of the host's mounts. */
int root_stage_path(struct child *child, const char *path)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int error = fd < 0 ? -errno : root_stage(child, fd);
	close_fd(&fd);
	return error;
}

static int set_readonly(int fd)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int root_bind(struct child *child, const struct op_root_bind *op)
{
	int fd = outside_tree(child, op->path.p, false);
	if (fd < 0)
		return fd;
	int error = userns_map_mount(child, fd, false, op->path.p);
	if (error == 0 && op->readonly)
		error = set_readonly(fd);
	if (error == 0)
		error = root_stage(child, fd);
	close(fd);
	return error;
}

/*
 * When thaw itself runs in a chroot, the root of the mount namespace is not the process's: pivoting would change only
 * the chroot, and whoever joins the namespace later (setns goes to its root) would stand in the host's file system.
 * Joining our own namespace takes us to its root.
 */
static int leave_chroot(void)
{
	int own = openat(host.proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int error = own < 0 || setns(own, CLONE_NEWNS) < 0 ? -errno : 0;
	close_fd(&own);
	return error;
}

int root_pivot(struct child *child)
{
	if (child->root_fd < 0)
		return child_fail(child, -EINVAL, "no root to pivot to");
	if (child->inside) { /* nothing but the empty root is below: see outside.c */
		close_fd(&child->tray_fd);
		return fchdir(child->root_fd) < 0 || chroot(".") < 0 ? -errno : 0;
	}
	int error = leave_chroot();
	if (error < 0)
		return error;
	if (fchdir(child->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", DETACH) < 0 || chdir("/") < 0)
		return -errno;
	close_fd(&child->tray_fd);
	close_fd(&child->root_fd);
	child->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return child->root_fd < 0 ? -errno : 0;
}

/* --- what is mounted in it ----------------------------------------------------------------------------------------- */

int root_attach(struct child *child, int tree, const char *target, bool directory)
{
	int at = open_target(child->root_fd, target, directory);
	if (at < 0)
		return child_fail(child, at, target);
	int error = 0;
	if (syscall(SYS_move_mount, tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		error = child_fail(child, -errno, target);
	close(at);
	return error;
}

static int bind_inside(struct child *child, const struct op_bind *op)
{
	struct stat st;
	int tree = outside_tree(child, op->source.p, op->recursive);
	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0) {
		close(tree);
		return child_fail(child, -errno, op->source.p);
	}
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (op->readonly ? MOUNT_ATTR_RDONLY : 0) };
	unsigned deep = AT_EMPTY_PATH | (op->recursive ? AT_RECURSIVE : 0);
	int error = syscall(SYS_mount_setattr, tree, "", deep, &attr, sizeof(attr)) < 0 ? -errno : 0;
	if (error == 0)
		error = userns_map_mount(child, tree, op->recursive, op->source.p);
	if (error == 0)
		error = root_attach(child, tree, op->target.p, S_ISDIR(st.st_mode));
	close(tree);
	return error;
}

/* By way of the working directory: there may be no /proc yet to name the descriptor by. */
int root_mount_at(int directory, const char *fstype, uint64_t flags, const char *options)
{
	if (fchdir(directory) < 0 || mount(fstype, ".", fstype, flags, options) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

static int mount_inside(struct child *child, const struct op_mount *op)
{
	int at = open_target(child->root_fd, op->target.p, true);
	if (at < 0)
		return child_fail(child, at, op->target.p);
	int error = root_mount_at(at, op->fstype.p, op->flags, op->options.p);
	close(at);
	return error < 0 ? child_fail(child, error, op->target.p) : 0;
}

static int make_node(struct child *child, const struct op_make_node *op)
{
	char name[NAME_MAX + 1];
	int parent = open_parent(child->root_fd, op->path.p, name);
	if (parent < 0)
		return child_fail(child, parent, op->path.p);
	mode_t old = umask(0);
	int error = mknodat(parent, name, op->mode, makedev(op->major, op->minor)) < 0 ? -errno : 0;
	umask(old);
	close(parent);
	return error < 0 ? child_fail(child, error, op->path.p) : 0;
}

static int make_link(struct child *child, const struct op_make_link *op)
{
	char name[NAME_MAX + 1];
	int parent = open_parent(child->root_fd, op->path.p, name);
	if (parent < 0)
		return child_fail(child, parent, op->path.p);
	int error = symlinkat(op->text.p, parent, name) < 0 ? -errno : 0;
	close(parent);
	return error < 0 ? child_fail(child, error, op->path.p) : 0;
}

static int make_dir(struct child *child, const struct op_make_root_dir *op)
{
	char name[NAME_MAX + 1];
	int parent = open_parent(child->root_fd, op->path.p, name);
	if (parent < 0)
		return child_fail(child, parent, op->path.p);
	int error = mkdirat(parent, name, op->mode) < 0 && errno != EEXIST ? -errno : 0;
	close(parent);
	return error < 0 ? child_fail(child, error, op->path.p) : 0;
}

/* The container's own /dev/null, which is on a file system that no image has touched. */
static int own_null(struct child *child)
{
	struct stat st;
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	int at = (int)syscall(SYS_openat2, child->root_fd, "/dev/null", &how, sizeof(how));
	if (at < 0)
		return -errno;
	bool is_null = fstat(at, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
	int tree = is_null ? (int)syscall(SYS_open_tree, at, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) : -1;
	int error = !is_null ? -ENODEV : tree < 0 ? -errno : tree;
	close(at);
	return error;
}

static int mask(struct child *child, const char *target)
{
	struct stat st;
	int at = open_inside(child->root_fd, target, O_PATH);
	if (at < 0 || fstat(at, &st) < 0)
		return at == -ENOENT || at == -ENOTDIR ? 0 : child_fail(child, at < 0 ? at : -errno, target);
	int error = 0;
	if (S_ISDIR(st.st_mode)) {
		error = root_mount_at(at, "tmpfs", 1 /* MS_RDONLY */ | 2 | 4 | 8, "size=0k,nr_inodes=1,mode=0555");
	} else {
		int tree = own_null(child);
		if (tree < 0)
			error = tree;
		else if (syscall(SYS_move_mount, tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			error = -errno;
		close_fd(&tree);
	}
	close(at);
	return error < 0 ? child_fail(child, error, target) : 0;
}

static int make_readonly(struct child *child, const char *target)
{
	int at = open_inside(child->root_fd, target, O_PATH);
	if (at < 0)
		return at == -ENOENT || at == -ENOTDIR ? 0 : child_fail(child, at, target);
	int tree = (int)syscall(SYS_open_tree, at, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	int error = tree < 0 ? -errno : set_readonly(tree);
	if (error == 0 && syscall(SYS_move_mount, tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		error = -errno;
	close_fd(&tree);
	close(at);
	return error < 0 ? child_fail(child, error, target) : 0;
}

/* Replaces a file of the root. A link in its place is removed, not followed. */
static int write_file(struct child *child, const struct op_write_file *op)
{
	char name[NAME_MAX + 1];
	int parent = open_parent(child->root_fd, op->path.p, name);
	if (parent < 0)
		return child_fail(child, parent, op->path.p);
	unlinkat(parent, name, 0);
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, op->mode);
	int error = fd < 0 ? -errno : write_all(fd, op->data.p, op->data.len);
	close_fd(&fd);
	close(parent);
	return error < 0 ? child_fail(child, error, op->path.p) : 0;
}

int root_perform(struct child *child, uint16_t code, struct wire_reader *r)
{
	if (code == OP_EMPTY_MOUNTS)
		return outside_leave(child);
	int refused = child_owns(child, CLONE_NEWNS);
	if (refused < 0)
		return refused;
	if (code == OP_MOUNTS_PRIVATE) { /* slave: nothing goes out, what the host mounts later comes in */
		enum { REC = 1 << 14, SLAVE = 1 << 19 };
		return mount(NULL, "/", NULL, REC | SLAVE, NULL) < 0 ? -errno : 0;
	}
	if (code == OP_ROOT_OVERLAY) {
		struct op_root_overlay op;
		op_decode_root_overlay(r, &op);
		return root_overlay(child, &op);
	}
	if (code == OP_ROOT_BIND) {
		struct op_root_bind op;
		op_decode_root_bind(r, &op);
		return root_bind(child, &op);
	}
	if (code == OP_TRAY)
		return tray_make(child);
	if (code == OP_MOUNT_AHEAD) {
		struct op_mount_ahead op;
		op_decode_mount_ahead(r, &op);
		return mount_ahead(child, &op);
	}
	if (child->root_fd < 0)
		return child_fail(child, -EINVAL, "there is no root yet");
	switch (code) {
	case OP_FROM_TRAY: {
		struct op_from_tray op;
		op_decode_from_tray(r, &op);
		return tray_move(child, op.path.p);
	}
	case OP_BIND: {
		struct op_bind op;
		op_decode_bind(r, &op);
		return bind_inside(child, &op);
	}
	case OP_MOUNT: {
		struct op_mount op;
		op_decode_mount(r, &op);
		return mount_inside(child, &op);
	}
	case OP_MAKE_NODE: {
		struct op_make_node op;
		op_decode_make_node(r, &op);
		return make_node(child, &op);
	}
	case OP_MAKE_LINK: {
		struct op_make_link op;
		op_decode_make_link(r, &op);
		return make_link(child, &op);
	}
	case OP_MAKE_ROOT_DIR: {
		struct op_make_root_dir op;
		op_decode_make_root_dir(r, &op);
		return make_dir(child, &op);
	}
	case OP_MASK: {
		struct op_mask op;
		op_decode_mask(r, &op);
		return mask(child, op.path.p);
	}
	case OP_MAKE_READONLY: {
		struct op_make_readonly op;
		op_decode_make_readonly(r, &op);
		return make_readonly(child, op.path.p);
	}
	case OP_WRITE_FILE: {
		struct op_write_file op;
		op_decode_write_file(r, &op);
		return write_file(child, &op);
	}
	case OP_GENERATION: {
		struct op_generation op;
		op_decode_generation(r, &op);
		return generation_write(child, &op);
	}
	default:
		return -ENOSYS;
	}
}
