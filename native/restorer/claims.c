/*
 * What a process holds of files that others may want, too, and what it has asked to be told of: taken when it goes on,
 * so that nobody waits for one that is held ahead. Nothing is closed after it: closing any descriptor of a file drops
 * the process's locks on it.
 */
#include "sys.h"

#include <fcntl.h>
#include <sys/file.h>

static void take_lock(const struct restore_lock *l)
{
	const bool is_write = l->exclusive != 0;
	if (l->kind == LOCK_KIND_WHOLE) {
		must(call(SYS_flock, l->fd, (is_write ? LOCK_EX : LOCK_SH) | LOCK_NB));
		return;
	}
	struct flock range;
	memset(&range, 0, sizeof(range));
	range.l_type = is_write ? F_WRLCK : F_RDLCK;
	range.l_whence = 0; /* SEEK_SET */
	range.l_start = (off_t)l->start;
	range.l_len = (off_t)l->bytes;
	must(call(SYS_fcntl, l->fd, l->kind == LOCK_KIND_POSIX ? F_SETLK : F_OFD_SETLK, &range));
}

/* Before the signals are asked for: of an event in between nobody would have been told either. */
static void set_owner(const struct restore_owner *o)
{
	const struct f_owner_ex owner = { o->kind == OWNER_KIND_GROUP ? F_OWNER_PGRP : F_OWNER_PID, (int)HEADER->pid };
	if (o->kind != OWNER_KIND_NOBODY)
		must(call(SYS_fcntl, o->fd, F_SETOWN_EX, &owner));
	if (o->signal)
		must(call(SYS_fcntl, o->fd, F_SETSIG, o->signal));
	if (o->async) {
		long flags = must(call(SYS_fcntl, o->fd, F_GETFL));
		must(call(SYS_fcntl, o->fd, F_SETFL, flags | O_ASYNC));
	}
}

void files_claim(void)
{
	const struct restore_lock *l = TABLE(locks, struct restore_lock);
	const struct restore_owner *o = TABLE(owners, struct restore_owner);
	stage("locking the file of descriptor");
	for (uint32_t i = 0; i < HEADER->locks_count; i++) {
		BOOT->index = l[i].fd + 1;
		take_lock(&l[i]);
	}
	stage("choosing who hears of descriptor");
	for (uint32_t i = 0; i < HEADER->owners_count; i++) {
		BOOT->index = o[i].fd + 1;
		set_owner(&o[i]);
	}
}
