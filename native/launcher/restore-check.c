/*
 * Checks a table file (protocol/restore.yaml) as a whole before any of it is used, so that the restorer need not: every
 * offset and count lies in the file, every address in the process's own half and outside of the hole, every reference
 * names something that is there, and nothing is asked of the kernel that a dumped process could not have had (what is done
 * here is done with the host's rights). What the kernel checks itself (registers, values of options) is left to it.
 */
#define _GNU_SOURCE
#include "launcher.h"
#include "../restorer/boot.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

enum { PAGE = 4096, MAX_GROUPS = 65536, MAX_AUXV = 64, MAX_INSTRUCTIONS = 4096, MAX_SOCKADDR = 128, MAX_OPTION = 64 };
#define TASK_END 0x7ffffffff000ULL
#define LOWEST 0x1000ULL
/* What the kernel maps as vvar and vdso, at most. */
#define VDSO_BYTES (16ULL * PAGE)
#define NOBODY UINT32_MAX /* means "leave it as it is" to the calls that change ids */
#define PIPE_BYTES 65536
/* MAP_DROPPABLE, of Linux 6.11: a type of mapping in the place of MAP_PRIVATE. */
#define DROPPABLE 8U
/* MEMBARRIER_CMD_REGISTER_* */
#define REGISTRATIONS 0x154U
/* Only when a file is made. */
#define OPEN_NEVER (O_CREAT | O_EXCL | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

struct file {
	const uint8_t *p;
	uint64_t len;
	const struct restore_header *h;
	uint64_t hole_end;
	const char *what;
};

#define RECORDS(f, name, type) ((const type *)(const void *)((f)->p + (f)->h->name##_at))

static bool is_page(uint64_t address)
{
	return address % PAGE == 0;
}

static bool is_range(const struct file *f, uint64_t start, uint64_t bytes)
{
	if (start < LOWEST || bytes == 0 || start >= TASK_END || bytes > TASK_END - start)
		return false;
	return start + bytes <= f->h->hole || start >= f->hole_end;
}

static bool is_text(const struct file *f, uint32_t offset)
{
	return offset < f->h->data_count;
}

static bool is_path(const struct file *f, uint32_t offset)
{
	return is_text(f, offset) && f->p[f->h->data_at + offset] == '/';
}

static bool is_span(const struct file *f, uint32_t offset, uint64_t bytes)
{
	return offset < f->h->data_count && bytes <= f->h->data_count - offset;
}

static bool is_section(const struct file *f, uint32_t at, uint64_t count, uint64_t record, uint64_t limit)
{
	return at % 8 == 0 && at >= sizeof(*f->h) && at <= f->len && count <= limit && count * record <= f->len - at;
}

static bool check_sections(struct file *f)
{
	const struct restore_header *h = f->h;
	f->what = "tables: a section lies outside of the file";
#define SECTION(name, type) \
	if (!is_section(f, h->name##_at, h->name##_count, sizeof(type), RESTORE_LIMIT_RUNS)) \
		return false;
	RESTORE_SECTIONS(SECTION)
#undef SECTION
	if (!is_section(f, h->data_at, h->data_count, 1, RESTORE_LIMIT_FILE_BYTES) || h->data_count == 0)
		return false;
	f->what = "tables: too many records";
	if (h->vmas_count > RESTORE_LIMIT_VMAS || h->files_count > RESTORE_LIMIT_FILES || h->threads_count > RESTORE_LIMIT_THREADS ||
	    h->groups_count > MAX_GROUPS || h->auxv_count > MAX_AUXV)
		return false;
	f->what = "tables: texts do not end";
	const uint8_t *data = f->p + h->data_at;
	return data[0] == 0 && data[h->data_count - 1] == 0;
}

static bool check_header(struct file *f)
{
	const struct restore_header *h = f->h;
	const uint64_t most = (uint64_t)RESTORE_LIMIT_THREADS * (RESTORE_LIMIT_FRAME_BYTES + RESTORE_LIMIT_THREAD_STACK);
	f->what = "tables: not those of this restorer";
	if (f->len < sizeof(*h) || h->magic != RESTORE_MAGIC || h->version != RESTORE_VERSION || h->size != f->len)
		return false;
	f->what = "tables: the hole";
	if (!is_page(h->hole) || h->hole < LOWEST || h->hole >= TASK_END || !is_page(h->scratch_bytes) ||
	    h->scratch_bytes <= RESTORE_LIMIT_LEADER_BYTES || h->scratch_bytes > most)
		return false;
	f->hole_end = h->hole + RESTORE_LIMIT_CODE_BYTES + h->scratch_bytes + ((f->len + PAGE - 1) & ~(uint64_t)(PAGE - 1));
	if (f->hole_end > TASK_END || !check_sections(f))
		return false;
	f->what = "tables: the header";
	return is_page(h->vdso) && (h->vdso == 0 || is_range(f, h->vdso, VDSO_BYTES)) && h->pid > 0 && h->pid <= 1 << 22 &&
	       h->sid == h->pid && h->pgid == h->pid && is_path(f, h->cwd) && is_path(f, h->exe) && h->first_free_fd >= 64 &&
	       h->first_free_fd <= RESTORE_LIMIT_FD && h->dumpable <= 1 && (h->membarrier & ~REGISTRATIONS) == 0;
}

static bool check_ids(struct file *f)
{
	const struct restore_header *h = f->h;
	const uint32_t ids[] = { h->uid, h->euid, h->suid, h->fsuid, h->gid, h->egid, h->sgid, h->fsgid };
	const struct restore_group *group = RECORDS(f, groups, struct restore_group);
	f->what = "tables: users and groups";
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		if (ids[i] == NOBODY)
			return false;
	}
	for (uint32_t i = 0; i < h->groups_count; i++) {
		if (group[i].gid == NOBODY)
			return false;
	}
	return true;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static bool is_vma(const struct file *f, const struct restore_vma *v)
{
	const uint32_t anonymous = MAP_ANONYMOUS, free_flags = MAP_NORESERVE | MAP_STACK;
	const bool is_named = v->kind == VMA_KIND_FILE || v->kind == VMA_KIND_FILE_LATE;
	uint32_t wanted = MAP_PRIVATE | anonymous;
	if (v->kind == VMA_KIND_GROWS_DOWN)
		wanted |= MAP_GROWSDOWN;
	else if (v->kind == VMA_KIND_FILE)
		wanted = MAP_PRIVATE;
	else if (v->kind == VMA_KIND_FILE_LATE)
		wanted = MAP_SHARED;
	else if (v->kind == VMA_KIND_DROPPABLE)
		wanted = DROPPABLE | anonymous;
	else if (v->kind != VMA_KIND_ANONYMOUS)
		return false;
	return is_page(v->start) && is_page(v->end) && v->start < v->end && is_range(f, v->start, v->end - v->start) && is_page(v->offset) &&
	       v->offset < 1ULL << 62 && (v->prot & ~7U) == 0 && (v->flags & ~free_flags) == wanted && v->filled <= 1 &&
	       (is_named ? is_path(f, v->path) : is_text(f, v->path));
}

static bool check_memory(struct file *f)
{
	const struct restore_vma *v = RECORDS(f, vmas, struct restore_vma);
	const struct restore_run *r = RECORDS(f, runs, struct restore_run);
	uint64_t end = 0;
	f->what = "tables: a mapping";
	for (uint32_t i = 0; i < f->h->vmas_count; end = v[i++].end) {
		if (!is_vma(f, &v[i]) || v[i].start < end)
			return false;
	}
	f->what = "tables: a run of pages";
	end = 0;
	for (uint32_t i = 0, k = 0; i < f->h->runs_count; end = r[i].address + r[i].bytes, i++) {
		while (k < f->h->vmas_count && v[k].end <= r[i].address)
			k++;
		if (k == f->h->vmas_count || !v[k].filled || v[k].kind == VMA_KIND_FILE_LATE || v[k].kind == VMA_KIND_DROPPABLE ||
		    r[i].address < v[k].start ||
		    r[i].address < end || !is_page(r[i].address) || !is_page(r[i].bytes) || r[i].bytes == 0 ||
		    r[i].bytes > v[k].end - r[i].address || r[i].offset > 1ULL << 62)
			return false;
	}
	return true;
}

static bool is_advice(uint32_t advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_DONTFORK:
	case MADV_DONTDUMP:
	case MADV_MERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_WIPEONFORK:
		return true;
	default:
		return false;
	}
}

static bool check_hints(struct file *f)
{
	const struct restore_huge *huge = RECORDS(f, huge, struct restore_huge);
	const struct restore_advice *advice = RECORDS(f, advice, struct restore_advice);
	const struct restore_prefault *prefault = RECORDS(f, prefault, struct restore_prefault);
	f->what = "tables: advice on memory";
	for (uint32_t i = 0; i < f->h->huge_count; i++) {
		if (!is_page(huge[i].start) || !is_range(f, huge[i].start, huge[i].bytes) || huge[i].whole > 1)
			return false;
	}
	for (uint32_t i = 0; i < f->h->advice_count; i++) {
		if (!is_page(advice[i].start) || !is_range(f, advice[i].start, advice[i].bytes) || !is_advice(advice[i].advice))
			return false;
	}
	for (uint32_t i = 0; i < f->h->prefault_count; i++) {
		if (!is_page(prefault[i].start) || !is_range(f, prefault[i].start, prefault[i].bytes) || prefault[i].write > 1)
			return false;
	}
	return true;
}

static bool check_packs(struct file *f, uint32_t packs)
{
	const struct restore_run *r = RECORDS(f, runs, struct restore_run);
	f->what = "tables: pages of a file that was not named";
	for (uint32_t i = 0; i < f->h->runs_count; i++) {
		if (r[i].pack >= packs)
			return false;
	}
	return true;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static bool is_socket_type(uint64_t type)
{
	return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
}

static bool is_socket(const struct restore_file *file)
{
	const bool is_unix = file->a == AF_UNIX, is_inet = file->a == AF_INET || file->a == AF_INET6;
	if (!is_socket_type(file->b) || file->length > MAX_SOCKADDR || (file->flags & ~(uint32_t)O_NONBLOCK) != 0)
		return false;
	if (file->kind == FILE_KIND_PATH_SOCKET)
		return is_unix && file->length > 2 && (uint32_t)(file->c >> 32) != NOBODY && (uint32_t)file->c != NOBODY && file->e <= 07777;
	return (is_unix && file->c == 0) || (is_inet && (file->c == IPPROTO_TCP || file->c == IPPROTO_UDP));
}

static bool is_file(const struct file *f, const struct restore_file *file, const struct restore_file *next)
{
	const bool plain_flags = (file->flags & ~(uint32_t)O_NONBLOCK) == 0;
	uint64_t all = file->kind == FILE_KIND_EPOLL || file->kind == FILE_KIND_INOTIFY ? f->h->watches_count : f->h->options_count;
	if (!is_span(f, file->text, file->length) || file->first > all || file->count > all - file->first)
		return false;
	switch (file->kind) {
	case FILE_KIND_STDIO:
		return file->a < 3 && plain_flags;
	case FILE_KIND_OPEN:
		return is_path(f, file->text) && (file->flags & (uint32_t)OPEN_NEVER) == 0;
	case FILE_KIND_PIPE:
		return next && next->kind == FILE_KIND_PIPE_WRITE && plain_flags && file->length <= (file->a ? file->a : PIPE_BYTES);
	case FILE_KIND_SOCKETPAIR:
		return next && next->kind == FILE_KIND_SOCKETPAIR_SECOND && plain_flags && is_socket_type(file->a);
	case FILE_KIND_SOCKET:
	case FILE_KIND_PATH_SOCKET:
		return is_socket(file);
	default:
		return file->kind <= FILE_KIND_PATH_SOCKET && plain_flags;
	}
}

static bool check_files(struct file *f)
{
	const struct restore_file *file = RECORDS(f, files, struct restore_file);
	const struct restore_descriptor *d = RECORDS(f, descriptors, struct restore_descriptor);
	const uint32_t files = f->h->files_count, count = f->h->descriptors_count;
	f->what = "tables: a file";
	for (uint32_t i = 0; i < files; i++) {
		bool second = file[i].kind == FILE_KIND_PIPE_WRITE || file[i].kind == FILE_KIND_SOCKETPAIR_SECOND;
		if (!is_file(f, &file[i], i + 1 < files ? &file[i + 1] : NULL) || (second && (i == 0 || file[i - 1].kind != file[i].kind - 1)))
			return false;
	}
	f->what = "tables: a descriptor";
	for (uint32_t i = 0; i < count; i++) {
		uint32_t last = i == 0 ? UINT32_MAX : d[i - 1].file;
		if (d[i].fd >= f->h->first_free_fd || d[i].file >= files || d[i].cloexec > 2 || (d[i].file != last && d[i].file != last + 1))
			return false;
	}
	return files == 0 ? count == 0 : count > 0 && d[0].file == 0 && d[count - 1].file == files - 1;
}

static bool is_watch(const struct file *f, uint32_t kind, const struct restore_watch *w)
{
	if (kind == FILE_KIND_EPOLL)
		return w->a < f->h->first_free_fd;
	return w->a <= RESTORE_LIMIT_WATCH && w->data <= UINT32_MAX && is_path(f, (uint32_t)w->data);
}

/* Of the levels that options can be on, and none that is a firewall's. */
static bool is_option(const struct file *f, const struct restore_option *o)
{
	const bool known = o->level == SOL_SOCKET || o->level == IPPROTO_TCP ||
			   ((o->level == IPPROTO_IP || o->level == IPPROTO_IPV6) && (o->name < 64 || o->name == IPV6_FREEBIND));
	return known && o->length <= MAX_OPTION && is_span(f, o->value, o->length);
}

static bool check_parts_of_files(struct file *f)
{
	const struct restore_file *file = RECORDS(f, files, struct restore_file);
	const struct restore_watch *w = RECORDS(f, watches, struct restore_watch);
	const struct restore_option *o = RECORDS(f, options, struct restore_option);
	const struct restore_packet *p = RECORDS(f, packets, struct restore_packet);
	f->what = "tables: a part of a file";
	for (uint32_t i = 0; i < f->h->files_count; i++) {
		bool watches = file[i].kind == FILE_KIND_INOTIFY || file[i].kind == FILE_KIND_EPOLL;
		for (uint32_t k = 0; watches && k < file[i].count; k++) {
			if (!is_watch(f, file[i].kind, &w[file[i].first + k]))
				return false;
		}
	}
	for (uint32_t i = 0; i < f->h->options_count; i++) {
		if (!is_option(f, &o[i]))
			return false;
	}
	for (uint32_t i = 0; i < f->h->packets_count; i++) {
		uint32_t kind = p[i].file < f->h->files_count ? file[p[i].file].kind : UINT32_MAX;
		if ((kind != FILE_KIND_SOCKETPAIR && kind != FILE_KIND_SOCKETPAIR_SECOND) || !is_span(f, p[i].data, p[i].length))
			return false;
	}
	return true;
}

/* --- the process --------------------------------------------------------------------------------------------------- */

static bool check_threads(struct file *f)
{
	const struct restore_thread *t = RECORDS(f, threads, struct restore_thread);
	const uint64_t scratch = f->h->hole + RESTORE_LIMIT_CODE_BYTES;
	uint64_t end = scratch + RESTORE_LIMIT_LEADER_BYTES;
	f->what = "tables: a thread";
	for (uint32_t i = 0; i < f->h->threads_count; end = t[i].frame_at + t[i].frame_bytes, i++) {
		if (t[i].tid == 0 || t[i].tid > 1 << 22 || !is_text(f, t[i].name) || !is_span(f, t[i].frame, t[i].frame_bytes) ||
		    t[i].frame_bytes == 0 || t[i].frame_bytes > RESTORE_LIMIT_FRAME_BYTES || t[i].frame_at % 8 != 0 ||
		    t[i].frame_at < end + RESTORE_LIMIT_THREAD_STACK || t[i].frame_at > scratch + f->h->scratch_bytes - t[i].frame_bytes)
			return false;
	}
	return f->h->threads_count > 0 && t[0].tid == f->h->pid;
}

static bool is_thread(const struct file *f, uint32_t tid)
{
	const struct restore_thread *t = RECORDS(f, threads, struct restore_thread);
	for (uint32_t i = 0; i < f->h->threads_count; i++) {
		if (t[i].tid == tid)
			return true;
	}
	return false;
}

/* A clock of the machine's, or the process's own time: those of a thread or of others are not the tables' to name. */
static bool is_clock(uint32_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_BOOTTIME ||
	       clock == CLOCK_TAI;
}

static bool check_timers(struct file *f)
{
	const struct restore_timer *t = RECORDS(f, timers, struct restore_timer);
	f->what = "tables: a timer";
	for (uint32_t i = 0; i < f->h->timers_count; i++) {
		const bool to_thread = t[i].notify == SIGEV_THREAD_ID, is_quiet = t[i].notify == SIGEV_NONE;
		if (t[i].id > INT32_MAX || (i > 0 && t[i].id <= t[i - 1].id) || !is_clock(t[i].clock))
			return false;
		if (!to_thread && !is_quiet && t[i].notify != SIGEV_SIGNAL && t[i].notify != SIGEV_THREAD)
			return false;
		if (!is_quiet && (t[i].signal < 1 || t[i].signal > 64))
			return false;
		if (to_thread && !is_thread(f, t[i].thread))
			return false;
	}
	return true;
}

static bool check_process(struct file *f)
{
	const struct restore_signal *s = RECORDS(f, signals, struct restore_signal);
	const struct restore_rlimit *r = RECORDS(f, rlimits, struct restore_rlimit);
	const struct restore_itimer *t = RECORDS(f, itimers, struct restore_itimer);
	const struct restore_filter *filter = RECORDS(f, filters, struct restore_filter);
	f->what = "tables: a signal, limit, timer or filter";
	for (uint32_t i = 0; i < f->h->signals_count; i++) {
		if (s[i].signal < 1 || s[i].signal > 64)
			return false;
	}
	for (uint32_t i = 0; i < f->h->rlimits_count; i++) {
		if (r[i].resource >= 16)
			return false;
	}
	for (uint32_t i = 0; i < f->h->itimers_count; i++) {
		if (t[i].which > 2)
			return false;
	}
	for (uint32_t i = 0; i < f->h->filters_count; i++) {
		if (filter[i].instructions == 0 || filter[i].instructions > MAX_INSTRUCTIONS || (filter[i].flags & ~6U) != 0 ||
		    !is_span(f, filter[i].program, (uint64_t)filter[i].instructions * 8))
			return false;
	}
	return true;
}

/* Of descriptors that the process has itself. */
static bool check_claims(struct file *f)
{
	const struct restore_lock *l = RECORDS(f, locks, struct restore_lock);
	const struct restore_owner *o = RECORDS(f, owners, struct restore_owner);
	f->what = "tables: a lock";
	for (uint32_t i = 0; i < f->h->locks_count; i++) {
		if (l[i].fd >= f->h->first_free_fd || l[i].kind > LOCK_KIND_OPEN || l[i].exclusive > 1 || l[i].start > INT64_MAX ||
		    l[i].bytes > INT64_MAX - l[i].start)
			return false;
	}
	f->what = "tables: who hears of a file";
	for (uint32_t i = 0; i < f->h->owners_count; i++) {
		if (o[i].fd >= f->h->first_free_fd || o[i].kind > OWNER_KIND_GROUP || o[i].signal > 64 || o[i].async > 1)
			return false;
	}
	return true;
}

int restore_check(const uint8_t *p, size_t len, uint32_t packs, const char **what)
{
	struct file f = { .p = p, .len = len, .h = (const struct restore_header *)(const void *)p };
	bool good = check_header(&f) && check_ids(&f) && check_memory(&f) && check_packs(&f, packs) && check_hints(&f) && check_files(&f) &&
		    check_parts_of_files(&f) && check_threads(&f) && check_process(&f) &&
		    check_timers(&f) && check_claims(&f);
	*what = f.what;
	return good ? 0 : -EBADMSG;
}
