/* What the process is: its place in the session and the file system, its program, its limits, signals and rights. */
#include "sys.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

enum { CHECKPOINT_RESTORE = 40, SYS_ADMIN = 21, CAPABILITIES = 64 };

/* See threads.c: who gives itself a thread with a certain id, or a filter without no_new_privs, needs these until then,
 * and so does who will enter another time namespace. */
static uint64_t kept_capabilities(void)
{
	uint64_t kept = 1ULL << CHECKPOINT_RESTORE;
	if (HEADER->filters_count > 0 && !HEADER->no_new_privs)
		kept |= 1ULL << SYS_ADMIN;
	if (BOOT->park && BOOT->offsets_fd >= 0)
		kept |= 1ULL << SYS_ADMIN;
	return kept;
}

void self_place(void)
{
	const struct restore_header *h = HEADER;
	stage("starting a session");
	if (h->sid == h->pid && call(SYS_getsid, 0) != (long)h->pid)
		must(call(SYS_setsid));
	stage("entering the working directory");
	int cwd = open_plain(DATA(h->cwd), O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(call(SYS_fchdir, cwd));
	must(call(SYS_close, cwd));
	must(call(SYS_umask, h->umask));
}

void self_program(void)
{
	const struct restore_header *h = HEADER;
	stage("opening the program");
	int exe = open_plain(DATA(h->exe), O_RDONLY | O_CLOEXEC);
	struct prctl_mm_map map = {
		.start_code = h->start_code,
		.end_code = h->end_code,
		.start_data = h->start_data,
		.end_data = h->end_data,
		.start_brk = h->start_brk,
		.brk = h->brk,
		.start_stack = h->start_stack,
		.arg_start = h->arg_start,
		.arg_end = h->arg_end,
		.env_start = h->env_start,
		.env_end = h->env_end,
		.auxv = (__u64 *)(uintptr_t)TABLE(auxv, struct restore_auxv),
		.auxv_size = h->auxv_count * (uint32_t)sizeof(struct restore_auxv),
		.exe_fd = (uint32_t)exe,
	};
	stage("becoming the program");
	must(call(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0));
	must(call(SYS_close, exe));
	if (h->thp_disabled)
		must(call(SYS_prctl, PR_SET_THP_DISABLE, 1));
	if (h->subreaper)
		must(call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1));
	stage("registering memory barriers");
	for (uint32_t bit = 0; bit < 32; bit++) {
		if (h->membarrier >> bit & 1)
			must(call(SYS_membarrier, 1U << bit));
	}
}

static void set_signals(void)
{
	struct action {
		uint64_t handler, flags, restorer, mask;
	};
	const struct restore_signal *s = TABLE(signals, struct restore_signal);
	stage("setting the action of signal");
	for (uint32_t i = 0; i < HEADER->signals_count; i++) {
		const struct action action = { s[i].handler, s[i].flags, s[i].restorer, s[i].mask };
		BOOT->index = s[i].signal + 1;
		must(call(SYS_rt_sigaction, s[i].signal, &action, 0, 8));
	}
}

static void set_limits(void)
{
	const struct restore_rlimit *r = TABLE(rlimits, struct restore_rlimit);
	stage("setting limit");
	for (uint32_t i = 0; i < HEADER->rlimits_count; i++) {
		const uint64_t limit[2] = { r[i].soft, r[i].hard };
		BOOT->index = r[i].resource + 1;
		must(call(SYS_prlimit64, 0, r[i].resource, limit, 0));
	}
}

/* --- rights ---------------------------------------------------------------------------------------------------------- */

static void set_capabilities(uint64_t effective, uint64_t permitted)
{
	const uint64_t inheritable = HEADER->inheritable;
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32) },
	};
	must(call(SYS_capset, &head, data));
}

static void cut_bounding(void)
{
	stage("cutting the bounding set, capability");
	for (uint32_t cap = 0; cap < CAPABILITIES; cap++) {
		BOOT->index = cap + 1;
		long error = HEADER->bounding >> cap & 1 ? 0 : call(SYS_prctl, PR_CAPBSET_DROP, cap);
		if (error == -EINVAL)
			return; /* the kernel has none from here on */
		must(error);
	}
}

static void set_ids(void)
{
	const struct restore_header *h = HEADER;
	stage("becoming the user");
	must(call(SYS_setgroups, h->groups_count, TABLE(groups, struct restore_group)));
	must(call(SYS_setresgid, h->gid, h->egid, h->sgid));
	if (h->fsgid != h->egid)
		must(call(SYS_setfsgid, h->fsgid));
	must(call(SYS_prctl, PR_SET_KEEPCAPS, 1));
	must(call(SYS_setresuid, h->uid, h->euid, h->suid));
	if (h->fsuid != h->euid)
		must(call(SYS_setfsuid, h->fsuid));
	/* kept, it would spare the process's capabilities from the next change of user as well */
	must(call(SYS_prctl, PR_SET_KEEPCAPS, h->securebits >> SECURE_KEEP_CAPS & 1));
	/* the kernel may have been told to let the user trace who changes its ids (fs.suid_dumpable) */
	must(call(SYS_prctl, PR_SET_DUMPABLE, 0));
}

static void set_ambient(void)
{
	stage("raising ambient capabilities");
	must(call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	for (uint32_t cap = 0; cap < CAPABILITIES; cap++) {
		if (HEADER->ambient >> cap & 1)
			must(call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0));
	}
}

void self_become(void)
{
	const struct restore_header *h = HEADER;
	set_signals();
	set_limits();
	cut_bounding();
	stage("setting securebits");
	if (h->securebits)
		must(call(SYS_prctl, PR_SET_SECUREBITS, h->securebits));
	set_ids();
	stage("setting capabilities");
	set_capabilities(h->effective | kept_capabilities(), h->permitted | kept_capabilities());
	set_ambient();
	if (h->no_new_privs)
		must(call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1));
}

void self_drop(void)
{
	set_capabilities(HEADER->effective, HEADER->permitted);
}
