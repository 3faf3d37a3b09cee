/*
 * Descriptors. Each open file is made where the first descriptor that refers to it stands, the others are duplicates.
 * What refers to other descriptors (epoll) or is sent through them (packets) comes when all stand.
 */
#include "sys.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/time_types.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define NOTHING (~0ULL)
#define NANOSECONDS 1000000000ULL
/* <sys/timerfd.h> has its inline libc. */
#define TIMERFD_SET_TICKS 0x40085400

int open_plain(const char *path, uint32_t flags)
{
	struct open_how how;
	const uint32_t waits = flags & (O_PATH | O_NONBLOCK) ? 0 : O_NONBLOCK;
	memset(&how, 0, sizeof(how));
	how.flags = flags | waits | O_NOCTTY;
	if (flags & O_PATH)
		how.flags = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	how.resolve = RESOLVE_NO_SYMLINKS;
	int fd = (int)must(call(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)));
	if (waits)
		must(call(SYS_fcntl, fd, F_SETFL, flags));
	return fd;
}

static void place(int from, uint32_t to)
{
	if ((uint32_t)from == to)
		return;
	must(call(SYS_dup3, from, to, 0));
	must(call(SYS_close, from));
}

/* Two at once may stand in each other's way. */
static void place_pair(const int made[2], uint32_t first, uint32_t second)
{
	int high[2];
	for (int i = 0; i < 2; i++) {
		high[i] = (int)must(call(SYS_fcntl, made[i], F_DUPFD, HEADER->first_free_fd));
		must(call(SYS_close, made[i]));
	}
	place(high[0], first);
	place(high[1], second);
}

static void set_options(const struct restore_file *f, uint32_t fd)
{
	const struct restore_option *o = TABLE(options, struct restore_option) + f->first;
	for (uint32_t i = 0; i < f->count; i++)
		must(call(SYS_setsockopt, fd, o[i].level, o[i].name, DATA(o[i].value), o[i].length));
}

static int open_path(const struct restore_file *f)
{
	int fd = open_plain(DATA(f->text), f->flags);
	if (f->a != NOTHING)
		must(call(SYS_lseek, fd, f->a, 0));
	return fd;
}

static struct __kernel_timespec timespec(uint64_t ns)
{
	return (struct __kernel_timespec){ (long long)(ns / NANOSECONDS), (long long)(ns % NANOSECONDS) };
}

static uint64_t nanoseconds(const struct __kernel_timespec *time)
{
	return (uint64_t)time->tv_sec * NANOSECONDS + (uint64_t)time->tv_nsec;
}

static void start_timer(const struct restore_file *f, uint32_t fd)
{
	uint64_t ticks = f->d, left = f->c;
	struct __kernel_timespec now = { 0, 0 };
	/* It is due, and its next round begins when it is read. */
	if (left == 0 && f->b && ticks)
		left = 1;
	if (f->e & TIMER_ABSTIME)
		must(call(SYS_clock_gettime, f->a, &now));
	struct __kernel_itimerspec timer = { timespec(f->b), timespec(nanoseconds(&now) + left) };
	if (left)
		must(call(SYS_timerfd_settime, fd, f->e, &timer, 0));
	if (ticks)
		must(call(SYS_ioctl, fd, TIMERFD_SET_TICKS, &ticks));
}

/* Watch descriptors count up; those of watches that are gone are passed over. */
static void add_inotify(int fd, const struct restore_watch *w)
{
	for (;;) {
		long wd = must(call(SYS_inotify_add_watch, fd, DATA(w->data), w->b));
		if (wd == (long)w->a)
			return;
		if (wd > (long)w->a)
			fail(-ERANGE);
		must(call(SYS_inotify_rm_watch, fd, wd));
	}
}

static int open_inotify(const struct restore_file *f)
{
	const struct restore_watch *w = TABLE(watches, struct restore_watch) + f->first;
	int fd = (int)must(call(SYS_inotify_init1, f->flags | O_NONBLOCK));
	for (uint32_t i = 0; i < f->count; i++)
		add_inotify(fd, &w[i]);
	/* Of the watches that were passed over it would tell that they are gone. */
	char events[256];
	long n;
	while ((n = call(SYS_read, fd, events, sizeof(events))) != -EAGAIN)
		must(n);
	must(call(SYS_fcntl, fd, F_SETFL, f->flags));
	return fd;
}

/* The socket's own mode becomes the path's: by the time that this could be set, something else may be there. */
static void bind_path(const struct restore_file *f, int fd)
{
	const char *path = DATA(f->text) + 2; /* after the family */
	call(SYS_unlinkat, AT_FDCWD, path, 0); /* the dumped one's */
	must(call(SYS_fchmod, fd, f->e));
	must(call(SYS_umask, 0));
	must(call(SYS_bind, fd, DATA(f->text), f->length));
	must(call(SYS_umask, HEADER->umask));
	must(call(SYS_fchownat, AT_FDCWD, path, f->c >> 32, (uint32_t)f->c, AT_SYMLINK_NOFOLLOW));
}

static int open_socket(const struct restore_file *f)
{
	int fd = (int)must(call(SYS_socket, f->a, f->b | f->flags, f->kind == FILE_KIND_PATH_SOCKET ? 0 : f->c));
	set_options(f, (uint32_t)fd);
	if (f->kind == FILE_KIND_PATH_SOCKET)
		bind_path(f, fd);
	else if (f->length)
		must(call(SYS_bind, fd, DATA(f->text), f->length));
	if (f->d != NOTHING)
		must(call(SYS_listen, fd, f->d));
	return fd;
}

static void open_pipe(const struct restore_file *f, uint32_t read_end, uint32_t write_end)
{
	int made[2];
	must(call(SYS_pipe2, made, O_NONBLOCK)); /* what does not fit must not keep us waiting */
	place_pair(made, read_end, write_end);
	if (f->a)
		must(call(SYS_fcntl, write_end, 1031 /* F_SETPIPE_SZ */, f->a));
	if (f->length && must(call(SYS_write, write_end, DATA(f->text), f->length)) != (long)f->length)
		fail(-EIO);
	if (f[0].flags != O_NONBLOCK)
		must(call(SYS_fcntl, read_end, F_SETFL, f[0].flags));
	if (f[1].flags != O_NONBLOCK)
		must(call(SYS_fcntl, write_end, F_SETFL, f[1].flags));
}

static void open_socketpair(const struct restore_file *f, uint32_t first, uint32_t second)
{
	int made[2];
	must(call(SYS_socketpair, AF_UNIX, f->a, 0, made));
	place_pair(made, first, second);
	set_options(&f[0], first);
	set_options(&f[1], second);
	must(call(SYS_fcntl, first, F_SETFL, f[0].flags));
	must(call(SYS_fcntl, second, F_SETFL, f[1].flags));
}

/* eventfd2 takes no more than 32 bits. */
static int open_eventfd(const struct restore_file *f)
{
	const uint64_t counter = f->a;
	int fd = (int)must(call(SYS_eventfd2, counter <= UINT32_MAX ? counter : 0, f->flags));
	if (counter > UINT32_MAX)
		must(call(SYS_write, fd, &counter, sizeof(counter)));
	return fd;
}

/* A stream that is connected to nothing is the container's own /dev/null: the host's node is not the container's to have. */
static int open_stream(const struct restore_file *f)
{
	int stream = BOOT->stdio[f->a];
	if (stream < 0)
		return open_plain("/dev/null", O_RDWR | f->flags);
	int fd = (int)must(call(SYS_fcntl, stream, F_DUPFD, 0));
	if (f->flags)
		must(call(SYS_fcntl, fd, F_SETFL, f->flags));
	return fd;
}

/* eventfd2(2) takes 32 bits. */
static int open_single(const struct restore_file *f)
{
	uint64_t mask = f->a;
	switch (f->kind) {
	case FILE_KIND_STDIO:
		return open_stream(f);
	case FILE_KIND_OPEN:
		return open_path(f);
	case FILE_KIND_EVENTFD:
		return open_eventfd(f);
	case FILE_KIND_TIMERFD:
		return (int)must(call(SYS_timerfd_create, f->a, f->flags));
	case FILE_KIND_SIGNALFD:
		return (int)must(call(SYS_signalfd4, -1, &mask, 8, f->flags));
	case FILE_KIND_INOTIFY:
		return open_inotify(f);
	case FILE_KIND_EPOLL:
		return (int)must(call(SYS_epoll_create1, f->flags));
	default:
		return open_socket(f);
	}
}

/* Descriptors of one file follow each other, and the first of the next file (of a pair) comes after them. */
static const struct restore_descriptor *first_of(const struct restore_descriptor *d, uint32_t file)
{
	while (d->file != file)
		d++;
	return d;
}

static void make_files(void)
{
	const struct restore_file *f = TABLE(files, struct restore_file);
	const struct restore_descriptor *d = TABLE(descriptors, struct restore_descriptor);
	for (uint32_t i = 0; i < HEADER->files_count; i++) {
		BOOT->index = i + 1;
		d = first_of(d, i);
		if (f[i].kind == FILE_KIND_PIPE)
			open_pipe(&f[i], d->fd, first_of(d, i + 1)->fd);
		else if (f[i].kind == FILE_KIND_SOCKETPAIR)
			open_socketpair(&f[i], d->fd, first_of(d, i + 1)->fd);
		else if (f[i].kind != FILE_KIND_PIPE_WRITE && f[i].kind != FILE_KIND_SOCKETPAIR_SECOND)
			place(open_single(&f[i]), d->fd);
	}
}

static void make_duplicates(void)
{
	const struct restore_descriptor *d = TABLE(descriptors, struct restore_descriptor);
	uint32_t first = 0;
	for (uint32_t i = 0; i < HEADER->descriptors_count; i++) {
		if (d[i].file != d[first].file)
			first = i;
		if (i != first)
			must(call(SYS_dup3, d[first].fd, d[i].fd, 0));
		if (d[i].cloexec == 1)
			must(call(SYS_fcntl, d[i].fd, F_SETFD, FD_CLOEXEC));
	}
}

void files_open(void)
{
	stage("opening file");
	make_files();
	stage("duplicating descriptors");
	make_duplicates();
}

/* --- when all stand ----------------------------------------------------------------------------------------------- */

static void watch_files(void)
{
	const struct restore_file *f = TABLE(files, struct restore_file);
	const struct restore_descriptor *d = TABLE(descriptors, struct restore_descriptor);
	stage("watching for events, file");
	for (uint32_t i = 0; i < HEADER->files_count; i++) {
		const struct restore_watch *w = TABLE(watches, struct restore_watch) + f[i].first;
		d = first_of(d, i);
		BOOT->index = i + 1;
		for (uint32_t k = 0; f[i].kind == FILE_KIND_EPOLL && k < f[i].count; k++) {
			struct epoll_event event = { .events = w[k].b, .data.u64 = w[k].data };
			must(call(SYS_epoll_ctl, d->fd, EPOLL_CTL_ADD, w[k].a, &event));
		}
	}
}

/* What waits at one side of a pair was sent from the other. */
static void send_packets(void)
{
	const struct restore_packet *p = TABLE(packets, struct restore_packet);
	const struct restore_file *f = TABLE(files, struct restore_file);
	const struct restore_descriptor *d = TABLE(descriptors, struct restore_descriptor);
	stage("filling sockets, packet");
	for (uint32_t i = 0; i < HEADER->packets_count; i++) {
		uint32_t other = f[p[i].file].kind == FILE_KIND_SOCKETPAIR ? p[i].file + 1 : p[i].file - 1;
		BOOT->index = i + 1;
		long n = must(call(SYS_sendto, first_of(d, other)->fd, DATA(p[i].data), p[i].length, MSG_NOSIGNAL | MSG_DONTWAIT));
		if (n != (long)p[i].length)
			fail(-EIO);
	}
}

static void give_streams(void)
{
	const struct restore_header *h = HEADER;
	stage("giving the streams to the user");
	for (int i = 0; i < 3 && h->uid != 0; i++) {
		if (BOOT->stdio[i] < 0)
			continue;
		long error = call(SYS_fchown, BOOT->stdio[i], h->uid, -1);
		if (is_error(error) && error != -EPERM && error != -EROFS)
			fail(error);
	}
}

static void close_lone_ends(void)
{
	const struct restore_descriptor *d = TABLE(descriptors, struct restore_descriptor);
	for (uint32_t i = 0; i < HEADER->descriptors_count; i++) {
		if (d[i].cloexec == 2)
			must(call(SYS_close, d[i].fd));
	}
}

void files_give(void)
{
	send_packets();
	close_lone_ends();
	watch_files();
	give_streams();
	stage("closing what is not the process's");
	for (int i = 0; i < 3; i++) {
		if (BOOT->stdio[i] >= 0)
			must(call(SYS_close, BOOT->stdio[i]));
	}
}

void files_start_timers(void)
{
	const struct restore_file *f = TABLE(files, struct restore_file);
	const struct restore_descriptor *d = TABLE(descriptors, struct restore_descriptor);
	stage("starting the timer of file");
	for (uint32_t i = 0; i < HEADER->files_count; i++) {
		BOOT->index = i + 1;
		if (f[i].kind == FILE_KIND_TIMERFD)
			start_timer(&f[i], first_of(d, i)->fd);
	}
}
