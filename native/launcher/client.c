/*
 * Control connections. A client that does not read its events is dropped rather than waited for: it connects again and
 * asks for the list, in which nothing is lost.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { OUT_LIMIT = 8 << 20, HEADER = 4 };

struct client {
	struct list link;
	struct watch conn;
	struct buf in;
	struct buf out;
	bool events; /* said hello, gets events */
	bool dead;
};

static struct list clients = { &clients, &clients };
static struct watch listener;

static void client_drop(struct client *cl)
{
	if (cl->dead)
		return;
	cl->dead = true;
	list_del(&cl->link);
	watch_close(&cl->conn);
	buf_free(&cl->in);
	buf_free(&cl->out);
	list_each(it, container_all()) {
		struct container *c = container_of(it, struct container, link);
		if (c->reply_to == cl)
			c->reply_to = NULL;
	}
	loop_free(cl);
}

bool client_alive(const struct client *cl)
{
	return cl && !cl->dead;
}

static void client_flush(struct client *cl)
{
	while (!cl->dead && cl->out.len) {
		ssize_t n = send(cl->conn.fd, cl->out.p, cl->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			client_drop(cl);
			return;
		}
		buf_consume(&cl->out, (size_t)n);
	}
	if (cl->out.failed || cl->out.len > OUT_LIMIT) {
		log_line("a client that does not read is dropped");
		client_drop(cl);
	} else if (!cl->dead) {
		watch_change(&cl->conn, EPOLLIN | (cl->out.len ? (uint32_t)EPOLLOUT : 0));
	}
}

void client_reply(struct client *cl, uint64_t tag, int error, const char *message, uint64_t value)
{
	if (!client_alive(cl))
		return;
	struct wire_writer w = { .out = &cl->out };
	if (error == 0) {
		struct msg_ok m = { value };
		msg_encode_ok(&w, tag, &m);
	} else {
		struct msg_error m = { -error, wire_cstr(message ? message : strerror(-error)) };
		msg_encode_error(&w, tag, &m);
	}
	client_flush(cl);
}

/* --- events ---------------------------------------------------------------------------------------------------- */

enum { HUSH_MS = 10 };

static struct timer hush;
static bool hushed;

/* While a service wakes the daemon's work on what it is told would take the service's time: events wait until the first
 * answer, or for a moment. What is asked is answered at once, with the events before it. */
void events_hush(void)
{
	if (!hushed)
		hushed = timer_start(&hush, HUSH_MS, events_tell) == 0;
}

void events_tell(struct timer *t)
{
	(void)t;
	timer_stop(&hush);
	hushed = false;
	list_each(it, &clients) {
		struct client *cl = container_of(it, struct client, link);
		if (cl->events)
			client_flush(cl);
	}
}

#define BROADCAST(kind, m)                                                    \
	list_each(it, &clients) {                                             \
		struct client *cl = container_of(it, struct client, link);    \
		struct wire_writer w = { .out = &cl->out };                   \
		if (!cl->events)                                              \
			continue;                                             \
		msg_encode_##kind(&w, 0, &(m));                               \
		if (!hushed)                                                  \
			client_flush(cl);                                     \
	}

void event_started(struct container *c)
{
	struct msg_started m = { wire_cstr(c->id), c->main, c->started_real, { c->phases, c->phase_count } };
	BROADCAST(started, m)
}

void event_failed(struct container *c)
{
	struct msg_failed m = { wire_cstr(c->id), c->failed_op, c->failed_code, c->failed_errno, c->failed_status, wire_cstr(c->detail) };
	BROADCAST(failed, m)
}

void event_exited(struct container *c)
{
	struct msg_exited m = { wire_cstr(c->id), c->wait_status, c->oom_kills, c->ended_real };
	BROADCAST(exited, m)
}

void event_listener(const char *id, uint8_t state)
{
	struct msg_listener_changed m = { wire_cstr(id), state };
	BROADCAST(listener_changed, m)
}

void event_parked(struct container *c)
{
	struct msg_parked m = { wire_cstr(c->id), wire_cstr(c->shape) };
	BROADCAST(parked, m)
}

void event_taken(struct container *entry, struct container *by)
{
	struct msg_taken m = { wire_cstr(entry->id), wire_cstr(by->id) };
	BROADCAST(taken, m)
}

void event_held(const char *id, uint8_t ok, const char *detail)
{
	struct msg_held m = { wire_cstr(id), ok, wire_cstr(detail) };
	BROADCAST(held, m)
}

void event_woke(const char *id, uint8_t result, bool ahead, uint32_t waiting, struct wire_phases phases, const char *detail)
{
	struct msg_woke m = { wire_cstr(id), result, ahead, waiting, phases, wire_cstr(detail) };
	BROADCAST(woke, m)
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

static int start_container(struct client *cl, uint64_t tag, const struct msg_run *m)
{
	int error;
	struct container *sandbox = NULL;
	if (m->sandbox.len && (!(sandbox = container_find(m->sandbox.p)) || sandbox->ns_pidfd < 0))
		return -ESRCH;
	struct container *c = container_new(m->id, &error);
	if (!c)
		return error;
	if (sandbox)
		c->sandbox = sandbox;
	error = container_begin(c, m->plan, m->cleanup);
	if (error == 0)
		error = stdio_open(&c->io, m->stdio, m->log);
	if (error < 0) {
		container_free(c);
		return error;
	}
	attach_pending(c);
	if (c->host_only) {
		c->reply_to = cl;
		c->reply_tag = tag;
	} else {
		client_reply(cl, tag, 0, NULL, 0);
	}
	container_advance(c);
	return 0;
}

struct listing {
	struct client *client;
	uint64_t tag;
};

static void list_listener(void *ctx, const struct msg_listener *m)
{
	const struct listing *l = ctx;
	struct wire_writer w = { .out = &l->client->out };
	msg_encode_listener(&w, l->tag, m);
}

static void list_all(struct client *cl, uint64_t tag)
{
	struct wire_writer w = { .out = &cl->out };
	list_each(it, container_all()) {
		struct container *c = container_of(it, struct container, link);
		struct msg_container m = { wire_cstr(c->id), (uint8_t)c->state,	 c->main,	 c->wait_status,
					   c->oom_kills,     c->started_real, c->ended_real };
		msg_encode_container(&w, tag, &m);
	}
	struct listing l = { cl, tag };
	gateway_each(list_listener, &l);
	client_reply(cl, tag, 0, NULL, 0);
}

static int forget(const char *id)
{
	struct container *c = container_find(id);
	if (!c)
		return 0;
	if (container_lives(c))
		return -EBUSY;
	container_free(c);
	return 0;
}

static int attach(struct client *cl, uint64_t tag, const struct msg_attach *m)
{
	if (m->id.len == 0 || m->id.len >= ID_ROOM)
		return -EINVAL;
	struct container *c = container_find(m->id.p);
	uint8_t streams = m->streams;
	char id[ID_ROOM];
	strcpy(id, m->id.p);
	client_reply(cl, tag, 0, NULL, 0);
	if (cl->dead)
		return 0;
	/* the connection is a stream from here on; a reply fits the socket's buffer */
	int fd = watch_release(&cl->conn);
	client_drop(cl);
	if (c)
		attach_to(&c->io, fd, streams);
	else
		attach_later(id, fd, streams);
	return 0;
}

int launcher_shut_down(bool force)
{
	if (!launcher_ending && !force && !containers_let_go())
		return -EBUSY;
	launcher_ending = true;
	gateway_stop(); /* or a connection would wake what is being killed */
	containers_end();
	keeper_quit();
	return 0;
}

/* Nobody would end what is begun after the shutdown, and the launcher would wait for it, without a keeper, for ever. */
static bool begins_something(uint16_t code)
{
	switch (code) {
	case MSG_HELLO:
	case MSG_RUN:
	case MSG_PREPARE:
	case MSG_ATTACH:
	case MSG_LISTEN:
	case MSG_ROUTE:
		return true;
	default:
		return false;
	}
}

static int perform(struct client *cl, uint16_t code, uint64_t tag, struct wire_reader *r, bool *replied)
{
	struct container *c;
	if (launcher_ending && begins_something(code))
		return -ESHUTDOWN;
	switch (code) {
	case MSG_HELLO: {
		struct msg_hello m;
		if (!msg_decode_hello(r, &m))
			return -EBADMSG;
		cl->events = m.version == PROTOCOL_VERSION;
		*replied = true;
		client_reply(cl, tag, cl->events ? 0 : -EPROTO, "the launcher speaks another protocol version", PROTOCOL_VERSION);
		return 0;
	}
	case MSG_RUN: {
		struct msg_run m;
		if (!msg_decode_run(r, &m))
			return -EBADMSG;
		int error = start_container(cl, tag, &m);
		*replied = error == 0;
		return error;
	}
	case MSG_SIGNAL: {
		struct msg_signal m;
		if (!msg_decode_signal(r, &m))
			return -EBADMSG;
		c = container_find(m.id.p);
		return !c ? -ESRCH : m.signo > 64 ? -EINVAL : container_signal(c, (int)m.signo);
	}
	case MSG_KILL: {
		struct msg_kill m;
		if (!msg_decode_kill(r, &m))
			return -EBADMSG;
		if (!(c = container_find(m.id.p)))
			return -ESRCH;
		container_end(c);
		return 0;
	}
	case MSG_LIST: {
		struct msg_list m;
		if (!msg_decode_list(r, &m))
			return -EBADMSG;
		*replied = true;
		list_all(cl, tag);
		return 0;
	}
	case MSG_FORGET: {
		struct msg_forget m;
		return msg_decode_forget(r, &m) ? forget(m.id.p) : -EBADMSG;
	}
	case MSG_ATTACH: {
		struct msg_attach m;
		if (!msg_decode_attach(r, &m))
			return -EBADMSG;
		int error = attach(cl, tag, &m);
		*replied = error == 0;
		return error;
	}
	case MSG_RESIZE: {
		struct msg_resize m;
		if (!msg_decode_resize(r, &m))
			return -EBADMSG;
		c = container_find(m.id.p);
		return c ? stdio_resize(&c->io, m.rows, m.cols) : -ESRCH;
	}
	case MSG_LISTEN: {
		struct msg_listen m;
		return msg_decode_listen(r, &m) ? gateway_listen(&m) : -EBADMSG;
	}
	case MSG_UNLISTEN: {
		struct msg_unlisten m;
		return msg_decode_unlisten(r, &m) ? gateway_unlisten(m.id.p) : -EBADMSG;
	}
	case MSG_ROUTE: {
		struct msg_route m;
		return msg_decode_route(r, &m) ? gateway_route(&m) : -EBADMSG;
	}
	case MSG_UNROUTE: {
		struct msg_unroute m;
		return msg_decode_unroute(r, &m) ? gateway_unroute(m.id.p) : -EBADMSG;
	}
	case MSG_SLEEP: {
		struct msg_sleep m;
		return msg_decode_sleep(r, &m) ? gateway_sleep(m.id.p, m.force) : -EBADMSG;
	}
	case MSG_PREPARE: {
		struct msg_prepare m;
		return msg_decode_prepare(r, &m) ? pool_prepare(m.id, m.plan, m.cleanup) : -EBADMSG;
	}
	case MSG_SHUTDOWN: {
		struct msg_shutdown m;
		if (!msg_decode_shutdown(r, &m))
			return -EBADMSG;
		return launcher_shut_down(m.force);
	}
	default:
		return -ENOSYS;
	}
}

/* --- frames ---------------------------------------------------------------------------------------------------------- */

/* NULL: what the number says is enough. */
static const char *refusal_of(int error)
{
	switch (error) {
	case -EBADMSG: return "malformed request";
	case -ENOSYS: return "unknown request";
	case -ESHUTDOWN: return "the launcher is ending";
	default: return NULL;
	}
}

/* Serves one frame. Returns the bytes taken, 0 when it is not complete, negative when it is not one. */
static ssize_t serve_frame(struct client *cl)
{
	uint32_t len;
	if (cl->in.len < HEADER)
		return 0;
	memcpy(&len, cl->in.p, sizeof(len));
	if (len < 12 || len > LIMIT_FRAME_BYTES)
		return -EMSGSIZE;
	if (cl->in.len < HEADER + (size_t)len)
		return 0;
	struct wire_reader r = { cl->in.p + HEADER, cl->in.p + HEADER + len, false };
	uint16_t code = wire_get_u16(&r);
	uint16_t zero = wire_get_u16(&r);
	uint64_t tag = wire_get_u64(&r);
	bool replied = false;
	int error = zero ? -EBADMSG : perform(cl, code, tag, &r, &replied);
	if (!replied)
		client_reply(cl, tag, error, refusal_of(error), 0);
	return HEADER + (ssize_t)len;
}

static void client_read(struct client *cl)
{
	if (!buf_reserve(&cl->in, 65536)) {
		client_drop(cl);
		return;
	}
	ssize_t n = recv(cl->conn.fd, cl->in.p + cl->in.len, 65536, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(cl);
		return;
	}
	cl->in.len += (size_t)n;
	for (ssize_t taken; !cl->dead && (taken = serve_frame(cl)) != 0;) {
		if (taken < 0) {
			client_reply(cl, 0, (int)taken, "a frame of a wrong length", 0);
			client_drop(cl);
		} else if (!cl->dead) {
			buf_consume(&cl->in, (size_t)taken);
		}
	}
}

static void client_ready(struct watch *w, uint32_t events)
{
	struct client *cl = container_of(w, struct client, conn);
	if (events & EPOLLOUT)
		client_flush(cl);
	if (!cl->dead && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		client_read(cl);
}

static void accept_client(struct watch *w, uint32_t events)
{
	(void)events;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct client *cl = calloc(1, sizeof(*cl));
	if (!cl || watch_add(&cl->conn, fd, EPOLLIN, client_ready) < 0) {
		free(cl);
		close(fd);
		return;
	}
	list_add(&clients, &cl->link);
}

int clients_listen(int fd)
{
	return watch_add(&listener, fd, EPOLLIN, accept_client);
}
