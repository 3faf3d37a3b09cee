/*
 * Roots: mounting an overlay, binding and copying, and how the number of mounts weighs on new mount namespaces.
 */
#define _GNU_SOURCE
#include "measure.h"
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { MAX_LAYERS = 200 };

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode & 07777);
	int error = from < 0 || to < 0 ? -errno : 0;
	for (off_t left = st->st_size; error == 0 && left > 0;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);
		if (n <= 0)
			error = n < 0 ? -errno : -EIO;
		left -= n;
	}
	close_fd(&from);
	close_fd(&to);
	return error;
}

static int copy_link(int from_dir, int to_dir, const char *name)
{
	char text[4096];
	ssize_t n = readlinkat(from_dir, name, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = 0;
	return symlinkat(text, to_dir, name) < 0 ? -errno : 0;
}

/* Directories, files and links: all that an image's tree of the benchmark has. */
static int copy_tree(int from_dir, const char *from, int to_dir, const char *to)
{
	if (mkdirat(to_dir, to, 0755) < 0)
		return -errno;
	int out = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int in = openat(from_dir, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = in < 0 ? NULL : fdopendir(in);
	int error = out < 0 || !dir ? -errno : 0;
	for (struct dirent *e; error == 0 && (e = readdir(dir));) {
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(in, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			error = -errno;
		else if (S_ISDIR(st.st_mode))
			error = copy_tree(in, e->d_name, out, e->d_name);
		else if (S_ISLNK(st.st_mode))
			error = copy_link(in, out, e->d_name);
		else if (S_ISREG(st.st_mode))
			error = copy_file(in, out, e->d_name, &st);
	}
	if (dir)
		closedir(dir);
	else
		close_fd(&in);
	close_fd(&out);
	return error;
}

/* Relative names keep 64 layers within the page that mount(2) takes. An overlay of one read-only layer needs a second. */
static int overlay_options(char *out, size_t room, unsigned layers, const char *how)
{
	static const char *const rest[][2] = { { "overlay", ",upperdir=upper,workdir=work" },
					       { "overlay-tmpfs", ",upperdir=scratch/upper,workdir=scratch/work" } };
	const char *end = layers == 1 ? ":merged" : "";
	size_t at = 0;
	for (unsigned i = 0; i < layers; i++)
		at += (size_t)snprintf(out + at, room - at, "%sl%u", i ? ":" : "lowerdir=", i);
	for (size_t i = 0; i < ARRAY_LEN(rest); i++)
		end = strcmp(how, rest[i][0]) ? end : rest[i][1];
	at += (size_t)snprintf(out + at, room - at, "%s", end);
	return at < room ? 0 : -ENAMETOOLONG;
}

static int one_mount(const char *how, const char *options, uint64_t row[2])
{
	int error = 0;
	uint64_t t0 = now_ns();
	if (!strcmp(how, "copy"))
		error = copy_tree(AT_FDCWD, "l0", AT_FDCWD, "copy");
	else if (!strcmp(how, "bind"))
		error = mount("l0", "merged", NULL, MS_BIND, NULL) < 0 ? -errno : 0;
	else
		error = mount("overlay", "merged", "overlay", 0, options) < 0 ? -errno : 0;
	uint64_t t1 = now_ns();
	if (!strcmp(how, "copy"))
		(void)remove_tree("copy");
	else if (error == 0)
		error = umount2("merged", 0) < 0 ? -errno : 0;
	row[0] = t1 - t0;
	row[1] = now_ns() - t1;
	errno = -error;
	return error;
}

int measure_mount(struct measure *m)
{
	char options[4096];
	static const char *const ways[] = { "copy", "bind", "overlay", "overlay-tmpfs", "overlay-ro" };
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		known |= !strcmp(m->how, ways[i]);
	if (!known || m->size > MAX_LAYERS || overlay_options(options, sizeof(options), m->size, m->how) < 0)
		return MEASURE_USAGE;
	int error = measure_private_mounts();
	if (error == 0 && chdir(m->dirs[0]) < 0)
		error = measure_error(m->dirs[0]);
	if (error == 0 && !strcmp(m->how, "overlay-tmpfs") &&
	    (mount("tmpfs", "scratch", "tmpfs", 0, "mode=0700") < 0 || mkdir("scratch/upper", 0755) < 0 ||
	     mkdir("scratch/work", 0700) < 0))
		error = measure_error("scratch");
	measure_begin(m);
	while (error == 0 && measure_next(m)) {
		uint64_t row[2];
		if ((error = one_mount(m->how, options, row)) < 0)
			measure_error(m->how);
		else
			error = measure_put(row, 2);
	}
	return error;
}

/* A mount namespace with nothing but one tmpfs in it. */
static int alone_in_tmpfs(const char *at)
{
	if (mount("tmpfs", at, "tmpfs", 0, "mode=0700") < 0 || chdir(at) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return measure_error(at);
	return 0;
}

static int add_mounts(unsigned n)
{
	char name[32];
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/%u", i);
		if (mkdir(name, 0700) < 0 || mount(name, name, NULL, MS_BIND, NULL) < 0)
			return measure_error(name);
	}
	return 0;
}

int measure_unshare(struct measure *m)
{
	int error = measure_private_mounts();
	int base = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (error == 0 && base < 0)
		error = measure_error("/proc/self/ns/mnt");
	if (error == 0)
		error = alone_in_tmpfs(m->dirs[0]);
	if (error == 0)
		error = add_mounts(m->size - 1);
	measure_begin(m);
	while (error == 0 && measure_next(m)) {
		uint64_t t0 = now_ns();
		if (unshare(CLONE_NEWNS) < 0)
			return measure_error("unshare");
		uint64_t t1 = now_ns();
		if (setns(base, CLONE_NEWNS) < 0) /* nothing else refers to the copy: it is taken apart here */
			return measure_error("setns");
		uint64_t row[2] = { t1 - t0, now_ns() - t1 };
		error = measure_put(row, 2);
	}
	close_fd(&base);
	return error;
}
