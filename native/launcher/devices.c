/*
 * Which devices the processes of a v2 leaf may make and open. v1 has a controller for that, v2 asks a BPF program, which
 * the daemon compiles. The last one is kept: nearly all containers have the same.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/syscall.h>

enum { MOST_INSTRUCTIONS = 4096 };

static struct {
	struct blob program;
	int fd;
} loaded = { .fd = -1 };

static int load(struct wire_bytes program)
{
	if (loaded.fd >= 0 && loaded.program.len == program.len && !memcmp(loaded.program.p, program.p, program.len))
		return loaded.fd;
	uint32_t count = program.len / (uint32_t)sizeof(struct bpf_insn);
	if (count == 0 || count > MOST_INSTRUCTIONS || program.len % sizeof(struct bpf_insn) != 0)
		return -EINVAL;
	struct blob copy;
	if (blob_copy(&copy, program) < 0)
		return -ENOMEM;
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
				.insns = (uint64_t)(uintptr_t)copy.p,
				.insn_cnt = count,
				.license = (uint64_t)(uintptr_t) "" };
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0) {
		int error = -errno;
		free(copy.p);
		return error;
	}
	close_fd(&loaded.fd);
	free(loaded.program.p);
	loaded.program = copy;
	loaded.fd = fd;
	return fd;
}

int device_filter(const char *path, struct wire_bytes program)
{
	int fd = load(program);
	if (fd < 0)
		return fd;
	int leaf = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (leaf < 0)
		return -errno;
	union bpf_attr attr = { .target_fd = (uint32_t)leaf,
				.attach_bpf_fd = (uint32_t)fd,
				.attach_type = BPF_CGROUP_DEVICE,
				.attach_flags = BPF_F_ALLOW_MULTI };
	int error = syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 ? -errno : 0;
	close(leaf);
	return error;
}
