/*
 * The writable root: an overlay over an image's layers. Its layers are the host's files, so it is made looking outside
 * (outside.c), detached, and attached inside.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* glibc's sys/mount.h and the kernel's linux/mount.h do not go together */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);

static int set_string(int fs, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

/* Layers one by one (Linux 6.5): no limit on the length of them all, no escaping. */
static int add_lowers(struct child *child, int fs, struct wire_strs lowers)
{
	struct wire_reader r = { lowers.p, lowers.p + lowers.len, false };
	for (uint32_t i = 0; i < lowers.count; i++) {
		const char *path = wire_get_str(&r).p;
		int error = set_string(fs, "lowerdir+", path);
		if (error < 0)
			return child_fail(child, error, path);
	}
	return 0;
}

/* Appends a path to mount options; what separates options and layers is escaped. */
static void append_path(struct buf *options, const char *path)
{
	for (; *path; path++) {
		if (strchr("\\:,", *path))
			buf_append(options, "\\", 1);
		buf_append(options, path, 1);
	}
}

static void append_text(struct buf *options, const char *text)
{
	buf_append(options, text, strlen(text));
}

/* By mount(2): for kernels before 6.5, and for paths longer than the 255 bytes that fsconfig takes. */
static int overlay_by_options(struct child *child, const struct op_root_overlay *op)
{
	struct buf options = { 0 };
	struct wire_reader r = { op->lowers.p, op->lowers.p + op->lowers.len, false };
	append_text(&options, "lowerdir=");
	for (uint32_t i = 0; i < op->lowers.count; i++) {
		append_text(&options, i ? ":" : "");
		append_path(&options, wire_get_str(&r).p);
	}
	if (op->upper.len) {
		append_text(&options, ",redirect_dir=off,metacopy=off,upperdir=");
		append_path(&options, op->upper.p);
		append_text(&options, ",workdir=");
		append_path(&options, op->work.p);
	}
	buf_append(&options, "", 1);
	if (options.failed)
		return -ENOMEM;
	int error = outside_copy(child);
	if (error == 0 && mount("overlay", host.stage, "overlay", 0, options.p) < 0)
		error = child_fail(child, -errno, op->upper.len ? op->upper.p : "overlay");
	buf_free(&options);
	return error < 0 ? error : root_stage_path(child, host.stage);
}

/* What is written must be whole files at their own places: it becomes a layer, or a checkpoint's lower. */
static int set_upper(int fs, const struct op_root_overlay *op)
{
	const char *const pairs[][2] = {
		{ "upperdir", op->upper.p }, { "workdir", op->work.p }, { "redirect_dir", "off" }, { "metacopy", "off" }
	};
	int error = 0;
	for (size_t i = 0; op->upper.len && error == 0 && i < ARRAY_LEN(pairs); i++)
		error = set_string(fs, pairs[i][0], pairs[i][1]);
	return error;
}

int root_overlay(struct child *child, const struct op_root_overlay *op)
{
	if (op->lowers.count == 0)
		return -EINVAL;
	int error = outside_look(child);
	if (error < 0)
		return error;
	if (child->container->userns.user >= 0)
		return userns_overlay(child, op);
	int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return child_fail(child, -errno, "overlay");
	error = set_string(fs, "source", "overlay"); /* what mount tables show first */
	if (error == 0)
		error = add_lowers(child, fs, op->lowers);
	if (error == 0)
		error = set_upper(fs, op);
	/* before Linux 6.5 the options are taken as they come, and only looked at here */
	if (error == 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		error = child_fail(child, -errno, op->upper.len ? op->upper.p : "overlay");
	if (error == -EINVAL) {
		close(fs);
		return overlay_by_options(child, op);
	}
	int fd = error == 0 ? (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0) : -1;
	if (error == 0 && fd < 0)
		error = -errno;
	close(fs);
	if (error == 0)
		error = root_stage(child, fd);
	close_fd(&fd);
	return error;
}
