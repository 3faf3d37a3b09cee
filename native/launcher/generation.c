/*
 * The file that tells instances of one checkpoint apart. A restored process continues in the middle of a system call and
 * learns nothing of it; but a mapping of this file, which every sandbox has its own of, shows another content from then
 * on. Whoever keeps random numbers compares it before using them (docs/identity.md).
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { RANDOM_BYTES = 16 };

static int write_digits(int fd)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[RANDOM_BYTES];
	char text[2 * RANDOM_BYTES + 1];
	/* fewer than 256 bytes come whole once the kernel has any randomness, which is long before a launcher runs */
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (unsigned i = 0; i < RANDOM_BYTES; i++) {
		text[2 * i] = digits[random[i] >> 4];
		text[2 * i + 1] = digits[random[i] & 15];
	}
	text[2 * RANDOM_BYTES] = '\n';
	int error = write_all(fd, text, sizeof(text));
	return error < 0 ? error : fchmod(fd, 0444) < 0 ? -errno : 0;
}

int generation_write(struct child *child, const struct op_generation *op)
{
	char name[NAME_MAX + 1];
	int parent = open_parent(child->root_fd, op->target.p, name);
	if (parent < 0)
		return child_fail(child, parent, op->target.p);
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	int error = fd < 0 ? -errno : write_digits(fd);
	close_fd(&fd);
	close(parent);
	return error < 0 ? child_fail(child, error, op->target.p) : 0;
}
