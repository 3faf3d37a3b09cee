/*
 * Gives a child its seccomp filter, as the last thing before its program: nothing of the launcher has to be allowed
 * by it but exec itself. Installing one takes no_new_privs or CAP_SYS_ADMIN, which is kept until then where it must be.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int filter_take(struct child *child, const struct op_seccomp *op)
{
	if (op->filter.len == 0 || op->filter.len % sizeof(struct sock_filter) != 0 || op->filter.len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return child_fail(child, -EINVAL, "not a seccomp filter");
	child->filter = op->filter;
	child->filter_flags = op->flags;
	return 0;
}

/* exec takes it away again: neither the bounding set nor the ambient one has it. */
uint64_t filter_capability(const struct child *child)
{
	return child->filter.len > 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 1ULL << CAP_SYS_ADMIN : 0;
}

int filter_install(struct child *child)
{
	struct sock_fprog program = { (unsigned short)(child->filter.len / sizeof(struct sock_filter)),
				      (struct sock_filter *)(uintptr_t)child->filter.p };
	if (child->filter.len == 0)
		return 0;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, child->filter_flags, &program) < 0 ? -errno : 0;
}
