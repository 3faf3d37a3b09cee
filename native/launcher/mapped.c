/*
 * Mounts whose ids are mapped for a user namespace. Nothing is ever written with the ids of a range: layers, the writable
 * layer and binds are mounted with their ids mapped, so that the same directories serve any range, and what root inside
 * writes is root's on the disk. The overlay itself is the host's.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* glibc's sys/mount.h and the kernel's linux/mount.h do not go together */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);

int userns_map_mount(struct child *child, int mount_fd, bool recursive, const char *what)
{
	const struct userns *u = &child->container->userns;
	if (u->user < 0)
		return 0;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)u->user };
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	if (syscall(SYS_mount_setattr, mount_fd, "", flags, &attr, sizeof(attr)) == 0)
		return 0;
	/* file systems that cannot do it say EINVAL, and so does much else */
	return child_fail(child, errno == EINVAL ? -EOPNOTSUPP : -errno, what);
}

/* A private copy of the mount at `path`, its ids mapped. */
static int mapped_tree(struct child *child, const char *path)
{
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return child_fail(child, -errno, path);
	int error = userns_map_mount(child, tree, false, path);
	if (error == 0)
		return tree;
	close(tree);
	return error;
}

/* Of the upper and the work directory: they have to be of one mount, so the directory that both are in is mapped. */
struct upper {
	char parent[PATH_MAX];
	const char *names[2]; /* upper, work */
};

static int split_upper(struct child *child, const struct op_root_overlay *op, struct upper *out)
{
	const char *upper = strrchr(op->upper.p, '/'), *work = strrchr(op->work.p, '/');
	if (!upper || !work || upper == op->upper.p || upper - op->upper.p != work - op->work.p ||
	    strncmp(op->upper.p, op->work.p, (size_t)(upper - op->upper.p)) != 0 || op->upper.len >= sizeof(out->parent))
		return child_fail(child, -EINVAL, op->work.p);
	memcpy(out->parent, op->upper.p, (size_t)(upper - op->upper.p));
	out->parent[upper - op->upper.p] = 0;
	out->names[0] = upper + 1;
	out->names[1] = work + 1;
	return 0;
}

/* --- by paths: before Linux 6.15 overlayfs takes no detached mounts ----------------------------------------------------------------- */

/* Attaches a mapped copy of `path` as `name` in the directory we are in. */
static int attach_layer(struct child *child, const char *path, const char *name)
{
	int tree = mapped_tree(child, path);
	if (tree < 0)
		return tree;
	int error = mkdir(name, 0700) < 0 || syscall(SYS_move_mount, tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ?
			    child_fail(child, -errno, path) :
			    0;
	close(tree);
	return error;
}

static int attach_upper(struct child *child, const struct op_root_overlay *op, struct buf *options)
{
	char text[2 * NAME_MAX + 64];
	struct upper u;
	int error = split_upper(child, op, &u);
	if (error < 0)
		return error;
	int n = snprintf(text, sizeof(text), ",redirect_dir=off,metacopy=off,upperdir=u/%s,workdir=u/%s", u.names[0], u.names[1]);
	if (n >= (int)sizeof(text) || strpbrk(u.names[0], "\\:,") || strpbrk(u.names[1], "\\:,"))
		return child_fail(child, -EINVAL, op->upper.p);
	buf_append(options, text, (size_t)n);
	return attach_layer(child, u.parent, "u");
}

static int attach_layers(struct child *child, const struct op_root_overlay *op, struct buf *options)
{
	struct wire_reader r = { op->lowers.p, op->lowers.p + op->lowers.len, false };
	char text[32];
	int error = 0;
	for (uint32_t i = 0; error == 0 && i < op->lowers.count; i++) {
		int n = snprintf(text, sizeof(text), "%s%u", i ? ":" : "lowerdir=", i);
		buf_append(options, text, (size_t)n);
		error = attach_layer(child, wire_get_str(&r).p, text + strcspn(text, ":=") + 1);
	}
	if (error == 0 && op->upper.len)
		error = attach_upper(child, op, options);
	buf_append(options, "", 1);
	return error == 0 && options->failed ? -ENOMEM : error;
}

/* The layers side by side in a tmpfs, by names relative to it: their number is not limited by the length of paths. */
static int overlay_by_paths(struct child *child, const struct op_root_overlay *op)
{
	struct buf options = { 0 };
	int error = outside_copy(child);
	if (error < 0)
		return error;
	if (mount("tmpfs", host.stage, "tmpfs", 0, "mode=700") < 0 || chdir(host.stage) < 0)
		return child_fail(child, -errno, host.stage);
	error = attach_layers(child, op, &options);
	if (error == 0 && (mkdir("root", 0700) < 0 || mount("overlay", "root", "overlay", 0, options.p) < 0))
		error = child_fail(child, -errno, op->upper.len ? op->upper.p : "overlay");
	buf_free(&options);
	if (error == 0)
		error = root_stage_path(child, "root");
	return error < 0 || chdir("/") == 0 ? error : -errno;
}

/* --- by descriptors ---------------------------------------------------------------------------------------------------- */

static int set_layer(struct child *child, int fs, const char *key, int fd, const char *path)
{
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_FD, key, NULL, fd) == 0)
		return 0;
	/* EOPNOTSUPP: overlayfs takes its options as one text, as it did before Linux 6.5 */
	return child_fail(child, errno == EOPNOTSUPP ? -EINVAL : -errno, path);
}

static int set_upper(struct child *child, int fs, const struct op_root_overlay *op)
{
	static const char *const keys[] = { "upperdir", "workdir" };
	struct upper u;
	int error = split_upper(child, op, &u);
	int tree = error < 0 ? error : mapped_tree(child, u.parent);
	if (tree < 0)
		return tree;
	for (size_t i = 0; error == 0 && i < ARRAY_LEN(keys); i++) {
		int dir = openat(tree, u.names[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		error = dir < 0 ? child_fail(child, -errno, op->upper.p) : set_layer(child, fs, keys[i], dir, op->upper.p);
	}
	if (error == 0 && (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "redirect_dir", "off", 0) < 0 ||
			   syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "metacopy", "off", 0) < 0))
		error = -errno;
	return error;
}

/*
 * The descriptors of the layers are left open: closing one takes its mount apart, which waits for an RCU grace period,
 * and all are closed when the sandbox is ready.
 */
static int overlay_by_descriptors(struct child *child, const struct op_root_overlay *op)
{
	int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return child_fail(child, -errno, "overlay");
	struct wire_reader r = { op->lowers.p, op->lowers.p + op->lowers.len, false };
	int error = 0;
	for (uint32_t i = 0; error == 0 && i < op->lowers.count; i++) {
		const char *path = wire_get_str(&r).p;
		int tree = mapped_tree(child, path);
		error = tree < 0 ? tree : set_layer(child, fs, "lowerdir+", tree, path);
	}
	if (error == 0 && op->upper.len)
		error = set_upper(child, fs, op);
	if (error == 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		error = child_fail(child, -errno, op->upper.len ? op->upper.p : "overlay");
	int fd = error == 0 ? (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0) : -1;
	if (error == 0 && fd < 0)
		error = -errno;
	close(fs);
	if (error == 0)
		error = root_stage(child, fd);
	close_fd(&fd);
	return error;
}

int userns_overlay(struct child *child, const struct op_root_overlay *op)
{
	int error = overlay_by_descriptors(child, op);
	return error == -EINVAL ? overlay_by_paths(child, op) : error;
}
