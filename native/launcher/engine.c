/*
 * What a CRIU is given that only the launcher can give. One that is started ahead has come as far as it can without
 * knowing when, and reads a pipe that has no end yet: closing the launcher's end is the word to go on. One that dumps
 * finds a library for what the kernel does not tell it.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/syscall.h>

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* The library's bytes; the Makefile links them. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"limits_library: .incbin \"build/criu/limits.so\"\n"
	"limits_library_end:\n"
	".popsection\n");
extern const uint8_t limits_library[] __attribute__((visibility("hidden")));
extern const uint8_t limits_library_end[] __attribute__((visibility("hidden")));

/* Not executable as a program, which a kernel may insist on (vm.memfd_noexec) and older ones cannot say. */
static int memory_file(void)
{
	int fd = (int)syscall(SYS_memfd_create, "limits", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = (int)syscall(SYS_memfd_create, "limits", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int engine_limits(struct child *child, const struct op_limits_library *op)
{
	size_t length = (size_t)(limits_library_end - limits_library);
	int fd = memory_file();
	if (fd < 0)
		return fd;
	ssize_t n = write(fd, limits_library, length);
	int error = n < 0 ? -errno : (size_t)n < length ? -EIO : 0;
	if (error == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		error = -errno;
	if (error == 0)
		error = child_place(child, fd, (int)op->fd);
	close(fd);
	return error;
}

int engine_await(struct child *child, const struct op_await_go *op)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	int error = child_place(child, ends[0], (int)op->fd);
	struct report r = { .op = child->index };
	r.kind = REPORT_AWAITS;
	if (error == 0)
		error = child_send(child, &r, ends[1]);
	close(ends[0]);
	close(ends[1]);
	return error;
}

/* The container has the only end of the pipe. */
void engine_awaits(struct process *p, int fd)
{
	struct container *c = p->container;
	close_fd(&c->go_fd);
	c->go_fd = fd;
	c->go_pid = p->pid;
	wake_held(c);
}

int engine_go(struct container *c)
{
	c->awaited = process_find(c->go_pid);
	close_fd(&c->go_fd);
	return c->awaited ? 0 : -ESRCH;
}
