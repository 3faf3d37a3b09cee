/*
 * Namespaces that are made late, by the process itself: the cgroup namespace after the process has joined its leaf; the way into all of a sandbox's namespaces; and the view of the own cgroups.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern int setns(int fd, int type);
extern int unshare(int flags);

bool spaces_only(uint64_t flags)
{
	const uint64_t all = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
			     CLONE_NEWNET | CLONE_NEWTIME;
	return (flags & ~all) == 0;
}

void spaces_of_plan(struct container *c, const struct progress *from)
{
	struct progress at = *from;
	struct wire_reader fields;
	uint16_t code;
	for (uint32_t next; plan_peek(&at, &code, &fields, &next) && !op_is_host(code); at.at = next) {
		if (code == OP_UNSHARE) {
			struct op_unshare op;
			op_decode_unshare(&fields, &op);
			c->ns_flags |= op.namespaces;
		} else if (code == OP_TIME_OFFSETS) {
			struct op_time_offsets op;
			op_decode_time_offsets(&fields, &op);
			c->ns_flags |= CLONE_NEWTIME;
			c->clock_shift = clocks_shift(&op);
		} else if (code == OP_CLOCK_FROM) {
			c->ns_flags |= CLONE_NEWTIME; /* its shift is reported */
		} else if (code == OP_EMPTY_MOUNTS) {
			c->ns_flags |= CLONE_NEWNS;
		} else if (code == OP_USER_SPACES) {
			c->ns_flags |= c->userns.flags & ~(uint64_t)CLONE_NEWUSER;
		} else if (code == OP_USER_ENTER) {
			c->ns_flags |= CLONE_NEWUSER;
		}
	}
}

int spaces_join(struct child *child)
{
	const struct container *target = child->container->sandbox;
	uint64_t flags = target->ns_flags & ~(uint64_t)CLONE_NEWPID;
	/* a copy of the launcher's memory and descriptors comes within reach of the container until it execs */
	prctl(PR_SET_DUMPABLE, 0);
	if (setns(target->ns_pidfd, (int)flags) < 0)
		return -errno;
	child->own |= target->ns_flags;
	if (flags & CLONE_NEWTIME)
		child->clock_shift = target->clock_shift;
	int error = target->main > 0 && !target->ended ? clocks_join(child, target->main) : 0;
	if (error < 0)
		return error;
	return flags & CLONE_NEWUSER ? userns_become_root() : 0;
}

/* --- the view of the own cgroups -------------------------------------------------------------------------------- */

static int open_cgroup(struct child *child, const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	int tree = outside_tree(child, path, false);
	if (tree < 0)
		return tree;
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
		return tree;
	int error = child_fail(child, -errno, path);
	close_fd(&tree);
	return error;
}

static int fill_view(struct child *child, int dir, const struct op_cgroup_view *op)
{
	struct wire_reader names = { op->names.p, op->names.p + op->names.len, false };
	struct wire_reader paths = { op->paths.p, op->paths.p + op->paths.len, false };
	struct wire_reader links = { op->links.p, op->links.p + op->links.len, false };
	for (uint32_t i = 0; i < op->names.count; i++) {
		const char *name = wire_get_str(&names).p, *path = wire_get_str(&paths).p;
		int tree = strchr(name, '/') || name[0] == '.' ? child_fail(child, -EINVAL, name) : open_cgroup(child, path);
		if (tree < 0)
			return tree;
		int error = mkdirat(dir, name, 0755) < 0 ||
					    syscall(SYS_move_mount, tree, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0
				    ? child_fail(child, -errno, name)
				    : 0;
		close(tree);
		if (error < 0)
			return error;
	}
	for (uint32_t i = 0; i + 1 < op->links.count; i += 2) {
		const char *name = wire_get_str(&links).p, *text = wire_get_str(&links).p;
		if (strchr(name, '/'))
			return child_fail(child, -EINVAL, name);
		if (symlinkat(text, dir, name) < 0)
			return child_fail(child, -errno, name);
	}
	return 0;
}

static int cgroup_view(struct child *child, const struct op_cgroup_view *op)
{
	if (child->root_fd < 0 || op->paths.count != (op->names.count ? op->names.count : 1) || op->links.count % 2)
		return -EINVAL;
	struct wire_reader paths = { op->paths.p, op->paths.p + op->paths.len, false };
	/* its mount becomes read-only when the names are in it */
	static const char *const options[][2] = { { "source", "tmpfs" }, { "mode", "755" }, { "size", "64k" }, { NULL, NULL } };
	const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	int fd = op->names.count ? tmpfs_mount(options, attributes) : open_cgroup(child, wire_get_str(&paths).p);
	if (fd < 0)
		return fd;
	int error = root_attach(child, fd, op->target.p, true);
	if (error == 0 && op->names.count)
		error = fill_view(child, fd, op);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	if (error == 0 && op->names.count && syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		error = -errno;
	close(fd);
	return error;
}

int spaces_perform(struct child *child, uint16_t code, struct wire_reader *r)
{
	switch (code) {
	case OP_UNSHARE: {
		struct op_unshare op;
		op_decode_unshare(r, &op);
		if (!spaces_only(op.namespaces) || unshare((int)op.namespaces) < 0)
			return spaces_only(op.namespaces) ? -errno : -EINVAL;
		child->own |= op.namespaces;
		return 0;
	}
	case OP_TIME_OFFSETS:
	case OP_CLOCK_FROM:
		return clocks_perform(child, code, r);
	case OP_USER_SPACES:
		child->own |= child->container->userns.flags;
		return userns_spaces(child);
	case OP_USER_ENTER:
		return userns_enter(child);
	case OP_CGROUP_VIEW: {
		struct op_cgroup_view op;
		op_decode_cgroup_view(r, &op);
		return cgroup_view(child, &op);
	}
	default:
		return -ENOSYS;
	}
}
