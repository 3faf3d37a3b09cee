/*
 * The bytes of one proxied connection: two sockets, a buffer each way. End of input passes through as a shutdown; the
 * connection ends when both ways have ended or either side breaks.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { WAY_BYTES = 32768, LINGER_BYTES = 65536 };

/* What was read from one socket and not yet written to the other. */
struct way {
	uint8_t *p;
	uint32_t from;
	uint32_t to;
	bool ended;  /* the source has no more */
	bool passed; /* and the other side was told */
};

struct connection {
	struct list link;
	struct watch client;
	struct watch upstream;
	struct way up;
	struct way down;
	bool connecting;
	bool refused;
	bool dead;
	uint32_t discarded;
	struct proxy_owner *owner;
};

static void connection_close(struct connection *c)
{
	if (c->dead)
		return;
	c->dead = true;
	list_del(&c->link);
	watch_close(&c->client);
	watch_close(&c->upstream);
	free(c->up.p);
	free(c->down.p);
	c->up.p = c->down.p = NULL;
	if (!c->refused) {
		c->owner->connections--;
		c->owner->changed(c->owner);
	}
	loop_free(c);
}

/* Reads what fits. False when the source broke. */
static bool way_fill(struct way *w, int fd)
{
	if (w->ended || w->from < w->to)
		return true;
	if (!w->p && !(w->p = malloc(WAY_BYTES)))
		return false;
	ssize_t n = recv(fd, w->p, WAY_BYTES, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	w->from = 0;
	w->to = (uint32_t)n;
	w->ended = n == 0;
	return true;
}

/* Writes what there is. False when the destination broke. */
static bool way_pour(struct way *w, int fd)
{
	while (w->from < w->to) {
		ssize_t n = send(fd, w->p + w->from, w->to - w->from, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		w->from += (uint32_t)n;
	}
	if (w->ended && !w->passed) {
		w->passed = true;
		shutdown(fd, SHUT_WR);
	}
	return true;
}

static uint32_t wanted(const struct way *in, const struct way *out)
{
	return (!in->ended && in->from == in->to ? (uint32_t)EPOLLIN : 0) | (out->from < out->to ? (uint32_t)EPOLLOUT : 0);
}

/* A hang-up is reported even where nothing is asked for, so a side that has nothing to do is not watched at all. */
static void watch_for(struct watch *w, uint32_t events)
{
	if (events == 0) {
		watch_pause(w);
		return;
	}
	watch_change(w, events);
	watch_resume(w);
}

static void note_first_byte(struct connection *c)
{
	struct proxy_owner *o = c->owner;
	if (o->watch_first && c->down.to > 0) {
		o->watch_first = false;
		o->first_byte(o);
	}
}

static void connection_move(struct connection *c)
{
	bool fine = way_fill(&c->up, c->client.fd) && way_pour(&c->up, c->upstream.fd) && way_fill(&c->down, c->upstream.fd) &&
		    way_pour(&c->down, c->client.fd);
	note_first_byte(c);
	if (!fine || (c->up.passed && c->down.passed)) {
		connection_close(c);
		return;
	}
	watch_for(&c->client, wanted(&c->up, &c->down));
	watch_for(&c->upstream, wanted(&c->down, &c->up));
}

static void moved(struct connection *c, uint32_t events)
{
	if (events & EPOLLERR)
		connection_close(c);
	else
		connection_move(c);
}

static void client_ready(struct watch *w, uint32_t events)
{
	moved(container_of(w, struct connection, client), events);
}

static void upstream_ready(struct watch *w, uint32_t events)
{
	struct connection *c = container_of(w, struct connection, upstream);
	if (!c->connecting) {
		moved(c, events);
		return;
	}
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		connection_close(c);
		return;
	}
	c->connecting = false;
	watch_change(&c->client, EPOLLIN);
	connection_move(c);
}

int proxy_join(struct proxy_owner *owner, int client, int upstream, bool connecting)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (!c) {
		close(client);
		close(upstream);
		return -ENOMEM;
	}
	c->owner = owner;
	c->connecting = connecting;
	c->client.fd = c->upstream.fd = -1;
	list_add(&owner->all, &c->link);
	owner->connections++;
	int error = watch_add(&c->client, client, connecting ? 0 : EPOLLIN, client_ready);
	if (error == 0)
		error = watch_add(&c->upstream, upstream, connecting ? EPOLLOUT : EPOLLIN, upstream_ready);
	if (error < 0) {
		if (c->upstream.fd < 0)
			close(upstream);
		connection_close(c);
		return error;
	}
	if (!connecting)
		connection_move(c);
	return 0;
}

/* --- refusing ----------------------------------------------------------------------------------------------------- */

/* Closing with unread input would reset the connection and take the answer with it. */
static void refused_ready(struct watch *w, uint32_t events)
{
	struct connection *c = container_of(w, struct connection, client);
	uint8_t chunk[4096];
	ssize_t n = recv(w->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n > 0 && (c->discarded += (uint32_t)n) < LINGER_BYTES)
		return;
	if (n < 0 && errno == EAGAIN && !(events & (EPOLLHUP | EPOLLERR)))
		return;
	connection_close(c);
}

void proxy_refuse(struct proxy_owner *owner, int client, struct blob text)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (text.len)
		(void)!send(client, text.p, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(client, SHUT_WR);
	if (!c || watch_add(&c->client, client, EPOLLIN, refused_ready) < 0) {
		free(c);
		close(client);
		return;
	}
	c->refused = true;
	c->upstream.fd = -1;
	c->owner = owner;
	list_add(&owner->all, &c->link);
}

void proxy_close_all(struct proxy_owner *owner)
{
	list_each(it, &owner->all)
		connection_close(container_of(it, struct connection, link));
}
