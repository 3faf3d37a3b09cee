/*
 * cgroup leaves. Making one is dear (the memory controller allocates per CPU, and a removed leaf lives on as long as a
 * page of it is in the cache), so leaves can be kept: `cgroup_spare` renames one that is empty to `spare-N` beside it, and
 * the next `cgroup_make` in that directory renames it again. v2 cannot rename; there a leaf is removed and made.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SPARE_MEMORY = 1 << 20 };

/* The spare leaves of one directory: spare-0 ... spare-(count - 1). */
struct shelf {
	struct list link;
	unsigned count;
	char directory[];
};

static struct list shelves = { &shelves, &shelves };

static size_t directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) : 0;
}

static struct shelf *shelf_of(const char *path, bool make)
{
	size_t len = directory_length(path);
	list_each(it, &shelves) {
		struct shelf *s = container_of(it, struct shelf, link);
		if (!strncmp(s->directory, path, len) && !s->directory[len])
			return s;
	}
	struct shelf *s = make ? calloc(1, sizeof(*s) + len + 1) : NULL;
	if (s) {
		memcpy(s->directory, path, len);
		list_add(&shelves, &s->link);
	}
	return s;
}

static int spare_path(const struct shelf *s, unsigned n, char *out, size_t size)
{
	return snprintf(out, size, "%s/spare-%u", s->directory, n) < (int)size ? 0 : -ENAMETOOLONG;
}

static bool take_spare(const char *path)
{
	char from[PATH_MAX];
	struct shelf *s = shelf_of(path, false);
	while (s && s->count > 0) {
		if (spare_path(s, s->count - 1, from, sizeof(from)) == 0 && rename(from, path) == 0) {
			s->count--;
			return true;
		}
		if (errno == EEXIST)
			return false;
		s->count--; /* somebody has removed it: then the next one, or a new leaf */
	}
	return false;
}

static int open_leaf(struct container *c, const char *path)
{
	char file[PATH_MAX];
	if (snprintf(file, sizeof(file), "%s/tasks", path) >= (int)sizeof(file))
		return -ENAMETOOLONG;
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (c->cgroup_count == MAX_CGROUPS) {
			close(fd);
			return -E2BIG;
		}
		c->cgroup_tasks[c->cgroup_count++] = fd;
		return 0;
	}
	/* v2 has no tasks file: the child is made inside the directory */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close_fd(&c->cgroup_v2);
	c->cgroup_v2 = fd;
	return 0;
}

int cgroup_make(struct container *c, const char *path)
{
	if (!take_spare(path) && mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	return open_leaf(c, path);
}

int cgroup_open(struct container *c, const char *path)
{
	return open_leaf(c, path);
}

/* --- the end of one ------------------------------------------------------------------------------------------- */

uint32_t cgroup_oom_kills(const char *path)
{
	static const char *const files[] = { "memory.oom_control", "memory.events" };
	char file[PATH_MAX], text[512];
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, files[i]);
		if (read_small(AT_FDCWD, file, text, sizeof(text)) < 0)
			continue;
		const char *at = strstr(text, "oom_kill ");
		return at ? (uint32_t)strtoul(at + strlen("oom_kill "), NULL, 10) : 0;
	}
	return 0;
}

/* A frozen v1 group would keep its dead; those of v2 can be killed as they are. */
static void thaw_leaf(const char *path)
{
	char file[PATH_MAX];
	snprintf(file, sizeof(file), "%s/freezer.state", path);
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "THAWED", 6);
		close(fd);
	}
}

void cgroup_thaw(const struct container *c)
{
	uint16_t code;
	uint32_t next;
	struct wire_reader fields;
	struct progress p = { .plan = c->cleanup.plan };
	for (; plan_peek(&p, &code, &fields, &next); p.at = next) {
		if (code == OP_CGROUP_REMOVE || code == OP_CGROUP_SPARE)
			thaw_leaf(wire_get_str(&fields).p); /* the first field of both */
	}
}

static void kill_all(const char *path)
{
	char file[PATH_MAX], text[65536];
	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	if (read_small(AT_FDCWD, file, text, sizeof(text)) <= 0)
		return;
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);
		if (pid > 1)
			kill(pid, SIGKILL);
	}
	thaw_leaf(path);
}

static int remove_leaf(const char *path)
{
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY)
		return -errno;
	kill_all(path);
	return rmdir(path) == 0 || errno == ENOENT ? 0 : -errno;
}

int cgroup_remove(const char *path, uint32_t *oom_kills)
{
	*oom_kills += cgroup_oom_kills(path);
	return remove_leaf(path);
}

static bool is_empty(const char *path)
{
	char file[PATH_MAX], text[64];
	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	return read_small(AT_FDCWD, file, text, sizeof(text)) == 0;
}

/* Page cache that a container leaves is charged to its leaf, and would be to the next container's. */
static bool holds_much(const char *path)
{
	char file[PATH_MAX], text[64];
	snprintf(file, sizeof(file), "%s/memory.usage_in_bytes", path);
	return read_small(AT_FDCWD, file, text, sizeof(text)) > 0 && strtoull(text, NULL, 10) > SPARE_MEMORY;
}

void cgroup_drop_spares(void)
{
	char path[PATH_MAX];
	list_each(it, &shelves) {
		struct shelf *s = container_of(it, struct shelf, link);
		while (s->count > 0) {
			if (spare_path(s, --s->count, path, sizeof(path)) == 0)
				rmdir(path);
		}
	}
}

int cgroup_spare(const char *path, uint32_t most, uint32_t *oom_kills)
{
	char to[PATH_MAX];
	uint32_t kills = cgroup_oom_kills(path);
	struct shelf *s = kills == 0 ? shelf_of(path, true) : NULL; /* that counter cannot be reset */
	*oom_kills += kills;
	if (!s || s->count >= most || !is_empty(path) || holds_much(path) || spare_path(s, s->count, to, sizeof(to)) < 0 || rename(path, to) < 0)
		return remove_leaf(path);
	s->count++;
	return 0;
}
