/* Finding the process that a restore engine made as our child. */
#include "launcher.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* In that namespace, or the first process of one that was made in it. */
static bool is_in_pid_ns(pid_t pid, ino_t wanted)
{
	char path[64];
	snprintf(path, sizeof(path), "%d/ns/pid", pid);
	int fd = openat(host.proc_fd, path, O_RDONLY | O_CLOEXEC);
	struct stat own, above;
	bool found = fd >= 0 && fstat(fd, &own) == 0 && own.st_ino == wanted;
	int parent = fd < 0 || found ? -1 : ioctl(fd, NS_GET_PARENT);
	if (parent >= 0 && fstat(parent, &above) == 0)
		found = above.st_ino == wanted;
	close_fd(&parent);
	close_fd(&fd);
	return found;
}

static bool is_pid_inside(struct container *c, pid_t pid, uint32_t inside)
{
	char path[64], text[2048], ours[64];
	snprintf(path, sizeof(path), "%d/status", pid);
	if (read_small(host.proc_fd, path, text, sizeof(text)) < 0)
		return false;
	char *line = strstr(text, "\nNSpid:");
	if (!line)
		return false;
	line[strcspn(line + 1, "\n") + 1] = 0;
	char *last = strrchr(line, '\t');
	if (!last || strtoul(last + 1, NULL, 10) != inside)
		return false;
	snprintf(ours, sizeof(ours), "%d/ns/pid", c->holder);
	struct stat holders;
	return fstatat(host.proc_fd, ours, &holders, 0) == 0 && is_in_pid_ns(pid, holders.st_ino);
}

/* A restore engine made the main process as our child; find it among those that we did not make. */
int adopt(struct container *c, uint32_t inside, uint32_t index)
{
	char path[64], text[16384];
	snprintf(path, sizeof(path), "self/task/%d/children", getpid());
	ssize_t n = read_small(host.proc_fd, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	for (char *save, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		pid_t pid = (pid_t)strtol(word, NULL, 10);
		if (pid <= 0 || process_find(pid) || !is_pid_inside(c, pid, inside))
			continue;
		if (!process_add(c, pid, ROLE_MAIN, WAIT_NONE, index))
			return -ENOMEM;
		c->main = pid;
		container_phase(c, PHASE_RESTORED, now_ns() - c->t0);
		return 0;
	}
	return -ESRCH;
}
