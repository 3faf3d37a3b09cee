/*
 * Standard streams. The launcher holds the other ends, so that a container neither dies of SIGPIPE nor loses output
 * when the daemon goes away: what comes is appended to the log and passed to who is attached. A reader that is slow
 * stops the reading of its container's output, and nothing else. Input that does not fit waits; its sender is not
 * read meanwhile.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>

enum { CHUNK = 65536, ATTACH_HIGH = 262144, STREAM_IN = 1, STREAM_OUT = 2, STREAM_ERR = 4 };

struct attach {
	struct list link;
	struct watch conn;
	struct streams *io; /* NULL: its container is not there yet */
	char id[ID_ROOM];
	uint8_t streams;
	bool input_done;
	bool closing; /* no more output will come: flush and close */
	struct buf out;
};

static struct list waiting = { &waiting, &waiting };

void stdio_init(struct streams *io)
{
	*io = (struct streams){ .child = { -1, -1, -1 }, .log_fd = -1 };
	io->input.fd = io->output[0].fd = io->output[1].fd = -1;
	list_init(&io->attached);
}

static void stdout_ready(struct watch *w, uint32_t events);
static void stderr_ready(struct watch *w, uint32_t events);
static void input_ready(struct watch *w, uint32_t events);

static int open_output(struct streams *io, int i)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	io->child[i + 1] = ends[1];
	int error = watch_add(&io->output[i], ends[0], EPOLLIN, i == 0 ? stdout_ready : stderr_ready);
	if (error < 0)
		close(ends[0]);
	return error;
}

static int open_input(struct streams *io)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	io->child[0] = ends[0];
	int error = watch_add(&io->input, ends[1], 0, input_ready);
	if (error < 0)
		close(ends[1]);
	return error;
}

int stdio_open(struct streams *io, uint8_t mode, struct wire_str log)
{
	if (mode > STDIO_TTY)
		return -EINVAL;
	io->mode = (enum stdio)mode;
	if (log.len) {
		io->log_fd = open(log.p, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (io->log_fd < 0)
			return -errno;
	}
	int error = 0;
	if (mode == STDIO_PIPES || mode == STDIO_PIPES_STDIN)
		error = open_output(io, 0);
	if (error == 0 && (mode == STDIO_PIPES || mode == STDIO_PIPES_STDIN))
		error = open_output(io, 1);
	if (error == 0 && mode == STDIO_PIPES_STDIN)
		error = open_input(io);
	return error;
}

int stdio_terminal(struct streams *io, int master)
{
	if (io->mode != STDIO_TTY || io->output[0].ready || master < 0)
		return -EINVAL;
	fcntl(master, F_SETFL, O_NONBLOCK);
	return watch_add(&io->output[0], master, EPOLLIN, stdout_ready);
}

int stdio_resize(struct streams *io, uint16_t rows, uint16_t cols)
{
	struct winsize size = { .ws_row = rows, .ws_col = cols };
	if (io->mode != STDIO_TTY || !io->output[0].ready)
		return -ENOTTY;
	return ioctl(io->output[0].fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

/* --- attached ------------------------------------------------------------------------------------------------- */

static void attach_close(struct attach *a)
{
	list_del(&a->link);
	watch_close(&a->conn);
	buf_free(&a->out);
	loop_free(a);
}

static bool someone_is_slow(const struct streams *io)
{
	list_each(it, &io->attached) {
		if (container_of(it, struct attach, link)->out.len > ATTACH_HIGH)
			return true;
	}
	return false;
}

static void pace_output(struct streams *io)
{
	bool slow = someone_is_slow(io);
	for (int i = 0; i < 2; i++) {
		if (slow)
			watch_pause(&io->output[i]);
		else
			watch_resume(&io->output[i]);
	}
}

static uint32_t attach_events(const struct attach *a)
{
	bool read = !a->input_done && (!a->io || a->io->pending.len == 0);
	return (read ? (uint32_t)EPOLLIN : 0) | (a->out.len ? (uint32_t)EPOLLOUT : 0);
}

/* False when the peer is gone and `a` closed. */
static bool attach_flush(struct attach *a)
{
	while (a->out.len) {
		ssize_t n = send(a->conn.fd, a->out.p, a->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			attach_close(a);
			return false;
		}
		buf_consume(&a->out, (size_t)n);
	}
	if (a->closing && a->out.len == 0) {
		attach_close(a);
		return false;
	}
	watch_change(&a->conn, attach_events(a));
	return true;
}

static void end_input(struct streams *io)
{
	if (io->mode == STDIO_TTY)
		return;
	io->input_closing = true;
	if (io->pending.len == 0 && io->input.ready)
		watch_close(&io->input);
}

static void feed_input(struct streams *io)
{
	struct watch *to = io->mode == STDIO_TTY ? &io->output[0] : &io->input;
	while (io->pending.len && to->ready) {
		ssize_t n = write(to->fd, io->pending.p, io->pending.len);
		if (n < 0 && errno == EAGAIN)
			break;
		buf_consume(&io->pending, n < 0 ? io->pending.len : (size_t)n);
	}
	if (to->ready)
		watch_change(to, (to->events & ~(uint32_t)EPOLLOUT) | (io->pending.len ? (uint32_t)EPOLLOUT : 0));
	if (io->input_closing)
		end_input(io);
}

static void input_ready(struct watch *w, uint32_t events)
{
	struct streams *io = container_of(w, struct streams, input);
	if (events & (EPOLLERR | EPOLLHUP)) { /* nobody reads any more */
		watch_close(w);
		io->pending.len = 0;
	}
	feed_input(io);
	list_each(it, &io->attached) {
		struct attach *a = container_of(it, struct attach, link);
		watch_change(&a->conn, attach_events(a));
	}
}

static void attach_read(struct attach *a)
{
	uint8_t chunk[16384];
	ssize_t n = recv(a->conn.fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	bool feeds = a->streams & STREAM_IN;
	if (n <= 0) {
		a->input_done = true;
		if (a->io && feeds)
			end_input(a->io);
	} else if (a->io && feeds) {
		buf_append(&a->io->pending, chunk, (size_t)n);
		feed_input(a->io);
	}
	watch_change(&a->conn, attach_events(a));
}

static void attach_ready(struct watch *w, uint32_t events)
{
	struct attach *a = container_of(w, struct attach, conn);
	struct streams *io = a->io;
	if (events & (EPOLLHUP | EPOLLERR)) { /* both directions are gone */
		if (io && (a->streams & STREAM_IN) && !a->input_done)
			end_input(io);
		attach_close(a);
	} else {
		if ((events & EPOLLOUT) && !attach_flush(a))
			w = NULL;
		if (w && (events & EPOLLIN))
			attach_read(a);
	}
	if (io)
		pace_output(io);
}

static struct attach *attach_new(int fd, uint8_t streams)
{
	struct attach *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	list_init(&a->link);
	a->streams = streams;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (watch_add(&a->conn, fd, 0, attach_ready) == 0)
		return a;
	free(a);
	return NULL;
}

static bool output_over(const struct streams *io)
{
	return !io->output[0].ready && !io->output[1].ready && io->mode != STDIO_TTY;
}

static void attach_link(struct attach *a, struct streams *io)
{
	a->io = io;
	list_add(&io->attached, &a->link);
	a->closing = io->mode == STDIO_NONE || (output_over(io) && io->child[1] < 0);
	attach_flush(a);
}

void attach_to(struct streams *io, int fd, uint8_t streams)
{
	struct attach *a = attach_new(fd, streams);
	if (a)
		attach_link(a, io);
	else
		close(fd);
}

void attach_later(const char *id, int fd, uint8_t streams)
{
	struct attach *a = attach_new(fd, streams);
	if (!a) {
		close(fd);
		return;
	}
	strcpy(a->id, id); /* its length was checked by the caller */
	list_add(&waiting, &a->link);
}

void attach_pending(struct container *c)
{
	list_each(it, &waiting) {
		struct attach *a = container_of(it, struct attach, link);
		if (strcmp(a->id, c->id))
			continue;
		list_del(&a->link);
		attach_link(a, &c->io);
	}
}

/* --- output ------------------------------------------------------------------------------------------------------ */

static void log_record(const struct streams *io, uint8_t stream, const uint8_t *data, uint32_t len)
{
	struct __attribute__((packed)) {
		uint64_t ns;
		uint32_t len;
		uint8_t stream;
		uint8_t zero[3];
	} head = { real_ns(), len, stream, { 0 } };
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)data, len } };
	/* a full disk costs the record, not the container; a short write would shift all records after it */
	struct stat before;
	if (io->log_fd < 0 || fstat(io->log_fd, &before) < 0)
		return;
	ssize_t want = (ssize_t)(sizeof(head) + len);
	if (writev(io->log_fd, parts, 2) != want && ftruncate(io->log_fd, before.st_size) < 0)
		log_line("log: %s", strerror(errno));
}

static void pass_on(struct streams *io, uint8_t stream, const uint8_t *data, uint32_t len)
{
	log_record(io, stream, data, len);
	uint8_t head[8] = { stream };
	uint32_t big = htonl(len);
	memcpy(head + 4, &big, sizeof(big));
	list_each(it, &io->attached) {
		struct attach *a = container_of(it, struct attach, link);
		if (!(a->streams & (stream == 1 ? STREAM_OUT : STREAM_ERR)))
			continue;
		if (io->mode != STDIO_TTY)
			buf_append(&a->out, head, sizeof(head));
		buf_append(&a->out, data, len);
		attach_flush(a);
	}
}

static void output_closed(struct streams *io, struct watch *w)
{
	watch_close(w);
	if (io->output[0].ready || io->output[1].ready)
		return;
	list_each(it, &io->attached) {
		struct attach *a = container_of(it, struct attach, link);
		a->closing = true;
		attach_flush(a);
	}
}

/* Reads once. False when there is nothing more for now. */
static bool output_read(struct streams *io, struct watch *w)
{
	static uint8_t chunk[CHUNK];
	ssize_t n = read(w->fd, chunk, sizeof(chunk));
	if (n > 0) {
		pass_on(io, w == &io->output[1] ? 2 : 1, chunk, (uint32_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		output_closed(io, w);
	return false;
}

static void output_ready(struct streams *io, struct watch *w, uint32_t events)
{
	if (events & EPOLLOUT)
		feed_input(io);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		output_read(io, w);
	pace_output(io);
}

static void stdout_ready(struct watch *w, uint32_t events)
{
	output_ready(container_of(w, struct streams, output[0]), w, events);
}

static void stderr_ready(struct watch *w, uint32_t events)
{
	output_ready(container_of(w, struct streams, output[1]), w, events);
}

void stdio_started(struct streams *io)
{
	for (int i = 0; i < 3; i++)
		close_fd(&io->child[i]);
}

/* All writers are dead: what is in the pipes is all there will be. Goes past a slow reader, into its buffer. */
void stdio_drain(struct streams *io)
{
	stdio_started(io);
	for (int i = 0; i < 2; i++) {
		while (io->output[i].ready && output_read(io, &io->output[i]))
			;
		if (io->output[i].ready)
			output_closed(io, &io->output[i]);
	}
}

void stdio_close(struct streams *io)
{
	stdio_drain(io);
	watch_close(&io->input);
	list_each(it, &io->attached) { /* their last bytes go out on their own */
		struct attach *a = container_of(it, struct attach, link);
		list_del(&a->link);
		a->io = NULL;
		a->closing = true;
		attach_flush(a);
	}
	buf_free(&io->pending);
	close_fd(&io->log_fd);
}

/* In the child: a terminal of the container's own devpts; its master goes to the launcher. */
int tty_open(struct child *child)
{
	struct streams *io = &child->container->io;
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlock = 0;
	if (master < 0)
		return child_fail(child, -errno, "/dev/ptmx");
	int slave = ioctl(master, TIOCSPTLCK, &unlock) < 0 ? -1 : ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		return child_fail(child, -errno, "making the terminal the controlling one");
	struct report r = { .op = child->index };
	r.kind = REPORT_TTY;
	int error = child_send(child, &r, master);
	close(master);
	for (int i = 0; i < 3; i++)
		io->child[i] = slave;
	return error;
}
