/*
 * TCP connections that CRIU has dumped are still as it needed them to read their state, "in repair": nothing is sent or
 * received. CRIU ends that itself only when it lets the processes go on itself.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Without telling the other end of a window that it knows already. */
static int end_repair(int fd)
{
	int protocol = 0, repair = 0, off = TCP_REPAIR_OFF_NO_WP, reuse = 1;
	socklen_t len = sizeof(protocol);
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 || protocol != IPPROTO_TCP)
		return 0;
	len = sizeof(repair);
	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &repair, &len) < 0 || !repair)
		return 0;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0)
		return -errno;
	/* repair has changed it, and nobody knows any more what it was: this way a port is not lost */
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) < 0 ? -errno : 0;
}

static int repair_descriptor(int pidfd, int directory, const char *name)
{
	char target[16] = "";
	if (readlinkat(directory, name, target, sizeof(target) - 1) < 0 || strncmp(target, "socket:[", 8) != 0)
		return 0;
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(name), 0);
	if (fd < 0)
		return -errno;
	int error = end_repair(fd);
	close(fd);
	return error;
}

static int repair_process(pid_t pid)
{
	char path[32];
	snprintf(path, sizeof(path), "%d/fd", pid);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? 0 : -errno;
	int fd = openat(host.proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	int error = directory ? 0 : -errno;
	for (struct dirent *entry; error == 0 && (entry = readdir(directory));) {
		if (entry->d_name[0] != '.')
			error = repair_descriptor(pidfd, fd, entry->d_name);
	}
	if (directory)
		closedir(directory);
	else
		close_fd(&fd);
	close(pidfd);
	return error;
}

int repair_end(struct child *child, const struct op_repair_end *op)
{
	struct wire_reader pids = { op->pids.p, op->pids.p + op->pids.len, false };
	for (uint32_t i = 0; i < op->pids.count; i++) {
		const char *text = wire_get_str(&pids).p;
		long pid = strtol(text, NULL, 10);
		int error = pid > 0 && pid <= INT_MAX ? repair_process((pid_t)pid) : -EINVAL;
		if (error < 0)
			return child_fail(child, error, text);
	}
	return 0;
}
