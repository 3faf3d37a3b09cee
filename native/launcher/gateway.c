/*
 * Listeners. The launcher holds the listening sockets of services; while one sleeps, connections queue in the kernel,
 * and the first one starts the wake plan with no daemon in between:
 *
 *     unrouted --route--> asleep --connection--> waking --service accepts--> awake --idle--> stopping --gone--> asleep
 *                                                  \--plan fails--> fallback plan --fails--> refuse all, asleep
 *
 * Only in `asleep` and `awake` is the socket watched; in all others what comes waits in the kernel's queue.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { KEY_ROOM = 256, ACCEPT_BATCH = 64, RETRY_MS = 2, RETRY_MAX_MS = 20, READY_DEFAULT_MS = 60000 };

struct listener {
	struct list link;
	char id[ID_ROOM];
	char key[KEY_ROOM];
	struct watch socket;
	enum listener_state state;
	char target[ID_ROOM];
	uint16_t port;
	uint32_t idle_ms;
	uint32_t wake_ms;
	uint32_t ready_ms;
	uint8_t stdio;
	char log[PATH_MAX];
	struct blob wake, fallback, cleanup, refusal;
	struct proxy_owner owner;
	struct watch probe; /* the first connection into the service */
	struct timer retry;
	struct timer idle;
	uint32_t retry_ms;
	bool sleep_soon;
	bool fell_back;
	bool reporting; /* a wake-up whose end was not yet told */
	char detail[256];
	uint64_t t0;
	uint64_t last_use;
	uint64_t wakes;
	struct phase_time phases[MAX_PHASES];
	unsigned phase_count;
};

struct orphan {
	struct list link;
	char key[KEY_ROOM];
	int fd;
};

static struct list listeners = { &listeners, &listeners };
static struct list orphans = { &orphans, &orphans };

static struct listener *find(const char *id)
{
	list_each(it, &listeners) {
		struct listener *l = container_of(it, struct listener, link);
		if (!strcmp(l->id, id))
			return l;
	}
	return NULL;
}

static void set_state(struct listener *l, enum listener_state state)
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

static void add_phase(struct listener *l, uint8_t phase)
{
	if (l->phase_count < MAX_PHASES)
		l->phases[l->phase_count++] = (struct phase_time){ phase, now_ns() - l->t0 };
}

static bool target_alive(const struct container *c)
{
	return c && c->state <= CONTAINER_STATE_RUNNING && !c->failed && !c->ended;
}

/* --- connecting into the sandbox --------------------------------------------------------------------------------- */

static int connect_inside(const struct container *c, uint16_t port)
{
	if (c->net_ns >= 0 && setns(c->net_ns, CLONE_NEWNET) < 0)
		return -errno;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = errno, on = 1;
	if (c->net_ns >= 0)
		setns(host.own_net_ns, CLONE_NEWNET);
	if (fd < 0)
		return -error;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int accept_one(struct listener *l)
{
	int on = 1, fd = accept4(l->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void accept_all(struct listener *l)
{
	struct container *c = container_find(l->target);
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int client = accept_one(l);
		if (client < 0)
			return;
		int upstream = target_alive(c) ? connect_inside(c, l->port) : -ESRCH;
		if (upstream < 0)
			proxy_refuse(&l->owner, client, l->refusal);
		else
			proxy_join(&l->owner, client, upstream, true);
	}
}

/* --- waking ----------------------------------------------------------------------------------------------------------- */

static void tell_woke(struct listener *l, uint8_t result)
{
	if (!l->reporting)
		return;
	l->reporting = false;
	event_woke(l->id, result, l->owner.connections, (struct wire_phases){ l->phases, l->phase_count }, l->detail);
}

static uint8_t good_result(const struct listener *l)
{
	return l->fell_back ? WAKE_RESULT_FALLBACK : WAKE_RESULT_RESTORED;
}

static void stop_probing(struct listener *l)
{
	timer_stop(&l->retry);
	if (l->probe.ready)
		watch_close(&l->probe);
}

/* Nothing could be woken: who waits is told so; the next connection tries again. */
static void wake_failed(struct listener *l)
{
	stop_probing(l);
	tell_woke(l, WAKE_RESULT_FAILED);
	for (int fd; (fd = accept_one(l)) >= 0;)
		proxy_refuse(&l->owner, fd, l->refusal);
	set_state(l, LISTENER_STATE_ASLEEP);
}

/* An engine that hangs (CRIU does on a short pages file) must not keep the fallback from its turn. */
static void plan_too_slow(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, retry);
	struct container *c = container_find(l->target);
	char text[128];
	if (l->state != LISTENER_STATE_WAKING || !c || c->route != l || c->state != CONTAINER_STATE_STARTING)
		return;
	snprintf(text, sizeof(text), "it was not started after %u ms", l->fell_back ? l->ready_ms : l->wake_ms);
	container_fail(c, 0, 0, ETIMEDOUT, 0, text);
}

static int start_target(struct listener *l, const struct blob *plan)
{
	int error;
	struct container *old = container_find(l->target);
	if (old && container_lives(old))
		return -EBUSY;
	if (old)
		container_free(old);
	struct container *c = container_new(wire_cstr(l->target), &error);
	if (!c)
		return error;
	c->t0 = l->t0;
	c->route = l;
	error = container_begin(c, (struct wire_bytes){ plan->p, plan->len }, (struct wire_bytes){ l->cleanup.p, l->cleanup.len });
	if (error == 0)
		error = stdio_open(&c->io, l->stdio, wire_cstr(l->log));
	if (error < 0) {
		container_free(c);
		return error;
	}
	attach_pending(c);
	timer_start(&l->retry, l->fell_back ? l->ready_ms : l->wake_ms, plan_too_slow);
	container_advance(c);
	return 0;
}

static void connect_first(struct listener *l);

static void retry_connect(struct timer *t)
{
	connect_first(container_of(t, struct listener, retry));
}

static void not_yet(struct listener *l)
{
	struct container *c = container_find(l->target);
	uint64_t waited_ms = (now_ns() - l->t0) / 1000000;
	if (!target_alive(c))
		return; /* its end is reported on its own */
	if (waited_ms > l->ready_ms) {
		snprintf(l->detail, sizeof(l->detail), "nothing accepts on port %u after %u ms", l->port, l->ready_ms);
		if (l->wake.len) {
			container_fail(c, 0, 0, ETIMEDOUT, 0, l->detail);
			container_kill(c);
		} else {
			wake_failed(l);
		}
		return;
	}
	l->retry_ms = l->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : l->retry_ms * 2;
	timer_start(&l->retry, l->retry_ms, retry_connect);
}

static void connected(struct listener *l)
{
	int upstream = watch_release(&l->probe);
	add_phase(l, PHASE_CONNECTED);
	l->owner.watch_first = l->reporting;
	l->last_use = now_ns();
	int client = accept_one(l);
	if (client >= 0) {
		proxy_join(&l->owner, client, upstream, false);
	} else {
		close(upstream);
		tell_woke(l, good_result(l));
	}
	set_state(l, LISTENER_STATE_AWAKE);
	if (l->owner.connections == 0)
		l->owner.changed(&l->owner);
}

static void probe_ready(struct watch *w, uint32_t events)
{
	(void)events;
	struct listener *l = container_of(w, struct listener, probe);
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
		connected(l);
		return;
	}
	watch_close(w);
	not_yet(l);
}

static void connect_first(struct listener *l)
{
	struct container *c = container_find(l->target);
	if (!target_alive(c))
		return;
	int fd = connect_inside(c, l->port);
	if (fd < 0) {
		not_yet(l);
	} else if (watch_add(&l->probe, fd, EPOLLOUT, probe_ready) < 0) {
		close(fd);
		not_yet(l);
	}
}

static void begin_connecting(struct listener *l)
{
	l->retry_ms = RETRY_MS;
	connect_first(l);
}

static void wake(struct listener *l)
{
	struct container *c = container_find(l->target);
	l->t0 = now_ns();
	l->phase_count = 0;
	l->fell_back = false;
	l->detail[0] = 0;
	set_state(l, LISTENER_STATE_WAKING);
	if (target_alive(c)) {
		l->reporting = false; /* another listener of it woke it, or the daemon started it */
		if (c->state == CONTAINER_STATE_RUNNING)
			begin_connecting(l);
		return;
	}
	if (!l->wake.len) {
		set_state(l, LISTENER_STATE_UNROUTED);
		return;
	}
	l->reporting = true;
	l->wakes++;
	int error = start_target(l, &l->wake);
	if (error == -EBUSY)
		return; /* it is just ending: gateway_container_gone goes on */
	if (error < 0) {
		snprintf(l->detail, sizeof(l->detail), "%s", strerror(-error));
		wake_failed(l);
	}
}

static void listener_ready(struct watch *w, uint32_t events)
{
	(void)events;
	struct listener *l = container_of(w, struct listener, socket);
	if (l->state == LISTENER_STATE_ASLEEP)
		wake(l);
	else if (l->state == LISTENER_STATE_AWAKE)
		accept_all(l);
}

/* --- idling ------------------------------------------------------------------------------------------------------------ */

static bool group_busy(const char *target, uint64_t *last_use)
{
	bool busy = false;
	list_each(it, &listeners) {
		struct listener *l = container_of(it, struct listener, link);
		if (strcmp(l->target, target))
			continue;
		struct pollfd waiting = { .fd = l->socket.fd, .events = POLLIN };
		busy |= l->owner.connections > 0 || l->state == LISTENER_STATE_WAKING || poll(&waiting, 1, 0) > 0;
		if (l->last_use > *last_use)
			*last_use = l->last_use;
	}
	return busy;
}

static void put_to_sleep(const char *target)
{
	struct container *c = container_find(target);
	list_each(it, &listeners) {
		struct listener *l = container_of(it, struct listener, link);
		if (strcmp(l->target, target))
			continue;
		timer_stop(&l->idle);
		l->sleep_soon = false;
		set_state(l, target_alive(c) ? LISTENER_STATE_STOPPING : LISTENER_STATE_ASLEEP);
	}
	if (c)
		container_kill(c);
}

static void idle_expired(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, idle);
	uint64_t last_use = 0, now = now_ns(), idle_ns = l->sleep_soon ? 0 : (uint64_t)l->idle_ms * 1000000;
	if (l->state != LISTENER_STATE_AWAKE || group_busy(l->target, &last_use))
		return; /* the connection that is open starts the clock again when it closes */
	if (last_use + idle_ns > now)
		timer_start(t, (last_use + idle_ns - now) / 1000000 + 1, idle_expired);
	else
		put_to_sleep(l->target);
}

static void connections_changed(struct proxy_owner *o)
{
	struct listener *l = container_of(o, struct listener, owner);
	if (o->connections > 0)
		return;
	l->last_use = now_ns();
	if (l->reporting && l->state == LISTENER_STATE_AWAKE)
		tell_woke(l, good_result(l));
	if (l->state == LISTENER_STATE_AWAKE && l->wake.len && (l->idle_ms || l->sleep_soon))
		timer_start(&l->idle, l->sleep_soon ? 0 : l->idle_ms, idle_expired);
}

static void first_byte(struct proxy_owner *o)
{
	struct listener *l = container_of(o, struct listener, owner);
	add_phase(l, PHASE_FIRST_BYTE);
	tell_woke(l, good_result(l));
}

/* --- what happens to the containers -------------------------------------------------------------------------------------- */

void gateway_container_up(struct container *c)
{
	list_each(it, &listeners) {
		struct listener *l = container_of(it, struct listener, link);
		if (strcmp(l->target, c->id) || l->state != LISTENER_STATE_WAKING)
			continue;
		for (unsigned i = 0; l->reporting && i < c->phase_count && l->phase_count < MAX_PHASES; i++)
			l->phases[l->phase_count++] = c->phases[i];
		begin_connecting(l);
	}
}

static void waking_ended(struct listener *l, struct container *c)
{
	stop_probing(l);
	bool tried = c->route == l;
	if (tried && c->detail[0])
		snprintf(l->detail, sizeof(l->detail), "%.200s%s%.40s", c->detail, c->failed_errno ? ": " : "",
			 c->failed_errno ? strerror(c->failed_errno) : "");
	else if (tried)
		snprintf(l->detail, sizeof(l->detail), "it ended before it accepted");
	if (!l->reporting) { /* it was waiting for somebody else's container, or for an old one to go */
		wake(l);
		return;
	}
	const struct blob *next = !tried ? &l->wake : l->fell_back ? NULL : &l->fallback;
	if (tried)
		l->fell_back = true;
	l->phase_count = 0;
	if (!next || !next->len || start_target(l, next) < 0)
		wake_failed(l);
}

void gateway_container_gone(struct container *c)
{
	list_each(it, &listeners) {
		struct listener *l = container_of(it, struct listener, link);
		if (strcmp(l->target, c->id) || l->state == LISTENER_STATE_UNROUTED)
			continue;
		timer_stop(&l->idle);
		if (l->state == LISTENER_STATE_WAKING)
			waking_ended(l, c);
		else
			set_state(l, l->wake.len ? LISTENER_STATE_ASLEEP : LISTENER_STATE_UNROUTED);
	}
}

/* --- requests ----------------------------------------------------------------------------------------------------------- */

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
	timer_stop(&l->idle);
	free(l->wake.p);
	free(l->fallback.p);
	free(l->cleanup.p);
	free(l->refusal.p);
	l->wake = l->fallback = l->cleanup = l->refusal = (struct blob){ 0 };
	l->reporting = l->sleep_soon = false;
	l->target[0] = 0;
}

int gateway_route(const struct msg_route *m)
{
	bool spawns;
	struct listener *l = find(m->id.p);
	if (!l)
		return -ENOENT;
	if (m->target.len == 0 || m->target.len >= ID_ROOM || m->log.len >= sizeof(l->log))
		return -EINVAL;
	if (plan_check(m->wake, &spawns) < 0 || plan_check(m->fallback, &spawns) < 0 || plan_check(m->cleanup, &spawns) < 0)
		return -EBADMSG;
	drop_route(l);
	strcpy(l->target, m->target.p);
	strcpy(l->log, m->log.p);
	l->port = m->port;
	l->idle_ms = m->idle_ms;
	l->ready_ms = m->ready_ms ? m->ready_ms : READY_DEFAULT_MS;
	l->wake_ms = m->wake_ms ? m->wake_ms : l->ready_ms;
	l->stdio = m->stdio;
	if (blob_copy(&l->wake, m->wake) < 0 || blob_copy(&l->fallback, m->fallback) < 0 || blob_copy(&l->cleanup, m->cleanup) < 0 ||
	    blob_copy(&l->refusal, (struct wire_bytes){ m->refusal.p, m->refusal.len }) < 0) {
		drop_route(l);
		return -ENOMEM;
	}
	bool ready = l->wake.len || target_alive(container_find(l->target));
	set_state(l, ready ? LISTENER_STATE_ASLEEP : LISTENER_STATE_UNROUTED);
	return 0;
}

int gateway_unroute(const char *id)
{
	struct listener *l = find(id);
	if (!l)
		return -ENOENT;
	drop_route(l);
	set_state(l, LISTENER_STATE_UNROUTED);
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
	if (!l->wake.len)
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
		set_state(l, LISTENER_STATE_UNROUTED);
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
