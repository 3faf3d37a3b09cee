/*
 * Listeners: the sockets of services, which the launcher holds while they sleep (see wake.c) and the keeper over its
 * death.
 */
#define _GNU_SOURCE
#include "gateway.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { READY_DEFAULT_MS = 60000 };

struct orphan {
	struct list link;
	char key[KEY_ROOM];
	int fd;
};

static struct list listeners = { &listeners, &listeners };
static struct list orphans = { &orphans, &orphans };

struct list *gateway_listeners(void)
{
	return &listeners;
}

static struct listener *find(const char *id)
{
	list_each(it, &listeners) {
		struct listener *l = container_of(it, struct listener, link);
		if (!strcmp(l->id, id))
			return l;
	}
	return NULL;
}

void listener_set_state(struct listener *l, enum listener_state state)
{
	if (state == LISTENER_STATE_ASLEEP || state == LISTENER_STATE_AWAKE)
		watch_resume(&l->socket);
	else
		watch_pause(&l->socket);
	if (l->state == state)
		return;
	l->state = state;
	event_listener(l->id, (uint8_t)state);
}

static int listen_unix(const char *path, int backlog)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct stat st;
	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, backlog) == 0)
		return fd;
	int error = -errno;
	close(fd);
	return error;
}

static int listen_tcp(const char *address, uint16_t port, int backlog)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		return -EINVAL;
	int on = 1, fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	int bound = is_v4 ? bind(fd, (struct sockaddr *)&v4, sizeof(v4)) : bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	if (bound == 0 && listen(fd, backlog) == 0)
		return fd;
	int error = -errno;
	close(fd);
	return error;
}

int gateway_adopt(const char *key, int fd)
{
	struct orphan *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	snprintf(o->key, sizeof(o->key), "%s", key);
	o->fd = fd;
	list_add(&orphans, &o->link);
	return 0;
}

static int take_orphan(const char *key)
{
	list_each(it, &orphans) {
		struct orphan *o = container_of(it, struct orphan, link);
		if (strcmp(o->key, key))
			continue;
		int fd = o->fd;
		list_del(&o->link);
		free(o);
		return fd;
	}
	return -ENOENT;
}

static struct listener *listener_new(const char *id, const char *key)
{
	struct listener *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	strcpy(l->id, id);
	strcpy(l->key, key);
	l->socket.fd = l->probe.fd = -1;
	l->owner = (struct proxy_owner){ .changed = connections_changed, .first_byte = first_byte };
	list_init(&l->owner.all);
	return l;
}

int gateway_listen(const struct msg_listen *m)
{
	char key[KEY_ROOM];
	int n = m->path.len ? snprintf(key, sizeof(key), "unix:%s", m->path.p) : snprintf(key, sizeof(key), "tcp:%s:%u", m->address.p, m->port);
	if (m->id.len == 0 || m->id.len >= ID_ROOM || n >= (int)sizeof(key))
		return -EINVAL;
	struct listener *l = find(m->id.p);
	if (l)
		return strcmp(l->key, key) ? -EEXIST : 0;
	int backlog = m->backlog > INT_MAX ? INT_MAX : (int)m->backlog;
	int fd = take_orphan(key);
	if (fd < 0)
		fd = m->path.len ? listen_unix(m->path.p, backlog) : listen_tcp(m->address.p, m->port, backlog);
	if (fd < 0)
		return fd;
	l = listener_new(m->id.p, key);
	if (!l || watch_add(&l->socket, fd, EPOLLIN, listener_ready) < 0) {
		free(l);
		close(fd);
		return -ENOMEM;
	}
	watch_pause(&l->socket);
	list_add(&listeners, &l->link);
	keeper_put(key, fd);
	return 0;
}

static void drop_route(struct listener *l)
{
	stop_probing(l);
	drop_ahead(l);
	timer_stop(&l->idle);
	for (int i = 0; i < PLANS; i++) {
		free(l->plans[i].p);
		l->plans[i] = (struct blob){ 0 };
	}
	free(l->cleanup.p);
	free(l->refusal.p);
	l->cleanup = l->refusal = (struct blob){ 0 };
	l->reporting = l->sleep_soon = l->ahead = l->ahead_failed = false;
	l->target[0] = 0;
}

/* What is awake goes on; the next wake-up is another. */
static int swap_plans(struct listener *l, const struct msg_route *m, const struct wire_bytes plans[PLANS])
{
	struct blob fresh[PLANS] = { { 0 } }, cleanup = { 0 };
	bool copied = blob_copy(&cleanup, m->cleanup) == 0;
	for (int i = 0; i < PLANS; i++)
		copied = copied && blob_copy(&fresh[i], plans[i]) == 0;
	for (int i = 0; i < PLANS; i++) {
		free(copied ? l->plans[i].p : fresh[i].p);
		if (copied)
			l->plans[i] = fresh[i];
	}
	free(copied ? l->cleanup.p : cleanup.p);
	if (!copied)
		return -ENOMEM;
	l->cleanup = cleanup;
	l->idle_ms = m->idle_ms;
	l->wake_ms = m->wake_ms;
	l->ahead = m->ahead;
	l->ahead_failed = false;
	return 0;
}

int gateway_route(const struct msg_route *m)
{
	bool spawns;
	struct listener *l = find(m->id.p);
	if (!l)
		return -ENOENT;
	if (m->target.len == 0 || m->target.len >= ID_ROOM || m->log.len >= sizeof(l->log))
		return -EINVAL;
	const struct wire_bytes plans[PLANS] = { m->wake, m->second, m->fallback };
	for (int i = 0; i < PLANS; i++) {
		if (plan_check(plans[i], &spawns) < 0)
			return -EBADMSG;
	}
	if (m->ahead > 1 || plan_check(m->cleanup, &spawns) < 0)
		return -EBADMSG;
	if (!strcmp(l->target, m->target.p) && l->state >= LISTENER_STATE_WAKING)
		return swap_plans(l, m, plans);
	drop_route(l);
	strcpy(l->target, m->target.p);
	strcpy(l->log, m->log.p);
	l->port = m->port;
	l->idle_ms = m->idle_ms;
	l->ready_ms = m->ready_ms ? m->ready_ms : READY_DEFAULT_MS;
	l->wake_ms = m->wake_ms ? m->wake_ms : l->ready_ms;
	l->stdio = m->stdio;
	bool copied = blob_copy(&l->cleanup, m->cleanup) == 0 &&
		      blob_copy(&l->refusal, (struct wire_bytes){ m->refusal.p, m->refusal.len }) == 0;
	for (int i = 0; i < PLANS; i++)
		copied = copied && blob_copy(&l->plans[i], plans[i]) == 0;
	if (!copied) {
		drop_route(l);
		return -ENOMEM;
	}
	l->ahead = m->ahead;
	bool ready = l->plans[0].len || target_alive(container_find(l->target));
	listener_set_state(l, ready ? LISTENER_STATE_ASLEEP : LISTENER_STATE_UNROUTED);
	make_ahead(l);
	return 0;
}

int gateway_unroute(const char *id)
{
	struct listener *l = find(id);
	if (!l)
		return -ENOENT;
	drop_route(l);
	listener_set_state(l, LISTENER_STATE_UNROUTED);
	return 0;
}

int gateway_unlisten(const char *id)
{
	struct listener *l = find(id);
	if (!l)
		return 0;
	list_del(&l->link);
	/* the keeper's duplicate closes a moment later: nobody must be able to connect to it, or be kept from the port */
	shutdown(l->socket.fd, SHUT_RDWR);
	keeper_drop(l->key);
	if (!strncmp(l->key, "unix:", 5))
		unlink(l->key + 5);
	drop_route(l);
	l->owner.changed = connections_changed;
	l->state = LISTENER_STATE_UNROUTED;
	proxy_close_all(&l->owner);
	watch_close(&l->socket);
	timer_close(&l->retry);
	timer_close(&l->idle);
	list_each(it, container_all()) {
		struct container *c = container_of(it, struct container, link);
		if (c->route == l)
			c->route = NULL;
	}
	loop_free(l);
	return 0;
}

int gateway_sleep(const char *id, bool force)
{
	uint64_t last_use = 0;
	struct listener *l = find(id);
	if (!l)
		return -ENOENT;
	if (!l->plans[0].len)
		return -EINVAL;
	if (force || !group_busy(l->target, &last_use))
		put_to_sleep(l->target);
	else
		l->sleep_soon = true;
	return 0;
}

/* Nothing is woken any more. */
void gateway_stop(void)
{
	list_each(it, &listeners) {
		struct listener *l = container_of(it, struct listener, link);
		drop_route(l);
		listener_set_state(l, LISTENER_STATE_UNROUTED);
	}
}

void gateway_each(void (*fn)(void *ctx, const struct msg_listener *m), void *ctx)
{
	list_each(it, &listeners) {
		const struct listener *l = container_of(it, struct listener, link);
		struct msg_listener m = { wire_cstr(l->id), wire_cstr(l->target), (uint8_t)l->state, l->wakes, l->owner.connections };
		fn(ctx, &m);
	}
}

void gateway_each_socket(void (*fn)(const char *key, int fd))
{
	list_each(it, &listeners)
		fn(container_of(it, struct listener, link)->key, container_of(it, struct listener, link)->socket.fd);
	list_each(ot, &orphans)
		fn(container_of(ot, struct orphan, link)->key, container_of(ot, struct orphan, link)->fd);
}
