/*
 * Waking. While a service sleeps, connections queue in the kernel, and the first one starts the wake plan with no daemon
 * in between:
 *
 *     unrouted --route--> asleep --connection--> waking --service accepts--> awake --idle--> stopping --gone--> asleep
 *                                                  \--plan fails--> next plan ... --fails--> refuse all, asleep
 *
 * Only in `asleep` and `awake` is the socket watched; in all others what comes waits in the kernel's queue. The target of
 * a route with `ahead` is made while the service sleeps, up to where its process holds before it runs on; a connection
 * lets it go on, and the launcher connects to it in the meantime.
 */
#define _GNU_SOURCE
#include "gateway.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { ACCEPT_BATCH = 64, RETRY_MS = 2, RETRY_MAX_MS = 20, HOLD_MS = 1000 };

static void add_phase(struct listener *l, uint8_t phase)
{
	if (l->phase_count < MAX_PHASES)
		l->phases[l->phase_count++] = (struct phase_time){ phase, now_ns() - l->t0 };
}

bool target_alive(const struct container *c)
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
	event_woke(l->id, result, l->was_ahead, l->owner.connections, (struct wire_phases){ l->phases, l->phase_count }, l->detail);
	events_tell(NULL);
}

static uint8_t good_result(const struct listener *l)
{
	static const uint8_t results[PLANS] = { WAKE_RESULT_RESTORED, WAKE_RESULT_SECOND, WAKE_RESULT_FALLBACK };
	return results[l->attempt];
}

void stop_probing(struct listener *l)
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
	listener_set_state(l, LISTENER_STATE_ASLEEP);
}

/* The plan after that of number `from` - 1; PLANS when there is none. */
static unsigned next_plan(const struct listener *l, unsigned from)
{
	while (from < PLANS && !l->plans[from].len)
		from++;
	return from;
}

/* How long the plan that is tried may take, ms. */
static uint32_t patience(const struct listener *l)
{
	return next_plan(l, l->attempt + 1) < PLANS ? l->wake_ms : l->ready_ms;
}

/* An engine that hangs (CRIU does on a short pages file) must not keep the fallback from its turn. */
static void plan_too_slow(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, retry);
	struct container *c = container_find(l->target);
	char text[128];
	if (l->state != LISTENER_STATE_WAKING || !c || c->route != l || c->state != CONTAINER_STATE_STARTING)
		return;
	snprintf(text, sizeof(text), "it was not started after %u ms", patience(l));
	container_fail(c, 0, 0, ETIMEDOUT, 0, text);
}

static struct container *new_target(struct listener *l, const struct blob *plan, int *error)
{
	struct container *old = container_find(l->target);
	*error = -EBUSY;
	if (old && container_lives(old))
		return NULL;
	if (old)
		container_free(old);
	struct container *c = container_new(wire_cstr(l->target), error);
	if (!c)
		return NULL;
	*error = container_begin(c, (struct wire_bytes){ plan->p, plan->len }, (struct wire_bytes){ l->cleanup.p, l->cleanup.len });
	if (*error == 0)
		*error = stdio_open(&c->io, l->stdio, wire_cstr(l->log));
	if (*error == 0)
		return c;
	container_free(c);
	return NULL;
}

static int start_target(struct listener *l, const struct blob *plan)
{
	int error;
	struct container *c = new_target(l, plan, &error);
	if (!c)
		return error;
	c->t0 = l->t0;
	c->route = l;
	attach_pending(c);
	timer_start(&l->retry, patience(l), plan_too_slow);
	container_advance(c);
	return 0;
}

static void connect_first(struct listener *l);

static void retry_connect(struct timer *t)
{
	connect_first(container_of(t, struct listener, retry));
}

/* Of a container that somebody else started `ready_ms` is its age: a program that is starting up gets its time, one that
 * ran for long and does not listen will not begin to. */
static bool waited_enough(const struct listener *l, const struct container *c)
{
	uint64_t now = now_ns(), waited_ms = (now - l->t0) / 1000000, age_ms = (now - c->t0) / 1000000;
	if (l->plans[0].len)
		return waited_ms > l->ready_ms;
	return waited_ms > HOLD_MS && age_ms > l->ready_ms;
}

static void not_yet(struct listener *l)
{
	struct container *c = container_find(l->target);
	if (!target_alive(c))
		return; /* its end is reported on its own */
	if (waited_enough(l, c)) {
		snprintf(l->detail, sizeof(l->detail), "nothing accepts on port %u after %u ms", l->port, l->ready_ms);
		if (l->plans[0].len) {
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
	listener_set_state(l, LISTENER_STATE_AWAKE);
	if (l->owner.connections == 0)
		l->owner.changed(&l->owner);
}

static void probe_ready(struct watch *w, uint32_t events)
{
	(void)events;
	struct listener *l = container_of(w, struct listener, probe);
	const struct container *c = container_find(l->target);
	bool runs = c && c->state == CONTAINER_STATE_RUNNING;
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
		if (runs)
			connected(l);
		else
			watch_pause(w); /* its kernel took the connection before it runs: see gateway_container_up */
		return;
	}
	watch_close(w);
	if (runs)
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
	if (l->probe.ready)
		connected(l);
	else
		connect_first(l);
}

/* --- made ahead ------------------------------------------------------------------------------------------------------- */

void make_ahead(struct listener *l)
{
	int error;
	if (!l->ahead || l->ahead_failed || l->state != LISTENER_STATE_ASLEEP)
		return;
	struct container *c = new_target(l, &l->plans[0], &error);
	if (!c)
		return; /* an old one is just ending, and we come again; or memory is short */
	c->ahead = true;
	c->ahead_for = l;
	container_advance(c);
}

void drop_ahead(struct listener *l)
{
	struct container *c = container_find(l->target);
	if (c && c->ahead && c->ahead_for == l) {
		c->unwanted = true;
		container_end(c);
	}
}

void wake_held(struct container *c)
{
	c->awaited = NULL;
	c->held = true;
	if (!c->ahead) { /* a connection came while it was being made */
		held_go_on(c);
		return;
	}
	c->state = CONTAINER_STATE_PARKED;
	list_each(it, gateway_listeners()) {
		struct listener *l = container_of(it, struct listener, link);
		if (!strcmp(l->target, c->id) && l->ahead)
			event_held(l->id, 1, "");
	}
}

/* An engine waits for the end of a pipe, another process at its report socket. */
void held_go_on(struct container *c)
{
	struct process *p = process_find(c->main);
	c->state = CONTAINER_STATE_STARTING;
	c->held = false;
	if (c->go_fd >= 0) {
		int error = engine_go(c);
		if (error < 0)
			container_fail(c, 0, 0, -error, 0, "what was made ahead is gone");
		return;
	}
	c->awaited = p;
	if (!p || send(p->report.fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		container_fail(c, 0, 0, ESRCH, 0, "what was made ahead is gone");
}

/* Lets go on what was made ahead. False when there is no such thing. */
static bool take_ahead(struct listener *l, struct container *c)
{
	if (!c || !c->ahead || c->unwanted || c->failed || c->ended)
		return false;
	c->ahead = false;
	c->route = l;
	c->t0 = l->t0;
	c->phase_count = 0;
	l->was_ahead = c->held;
	attach_pending(c);
	timer_start(&l->retry, patience(l), plan_too_slow);
	if (c->held) {
		held_go_on(c);
		l->retry_ms = RETRY_MS;
		int fd = connect_inside(c, l->port);
		if (fd >= 0 && watch_add(&l->probe, fd, EPOLLOUT, probe_ready) < 0)
			close(fd);
	}
	return true;
}

/* True when the container was made ahead and nobody has waited for it. */
static bool ahead_ended(struct listener *l, const struct container *c)
{
	if (!c->ahead)
		return false;
	if (!c->unwanted && l->ahead && !l->ahead_failed) {
		l->ahead_failed = true;
		event_held(l->id, 0, c->detail[0] ? c->detail : "it ended");
	}
	return true;
}

/* --- from the connection on ------------------------------------------------------------------------------------------- */

static void wake(struct listener *l)
{
	struct container *c = container_find(l->target);
	l->t0 = now_ns();
	l->phase_count = 0;
	l->attempt = 0;
	l->detail[0] = 0;
	l->was_ahead = l->ahead_failed = false;
	events_hush();
	listener_set_state(l, LISTENER_STATE_WAKING);
	if (target_alive(c) && !c->ahead) {
		l->reporting = false; /* another listener of it woke it, or the daemon started it */
		if (c->state == CONTAINER_STATE_RUNNING)
			begin_connecting(l);
		return;
	}
	if (!l->plans[0].len) {
		listener_set_state(l, LISTENER_STATE_UNROUTED);
		return;
	}
	l->reporting = true;
	l->wakes++;
	if (take_ahead(l, c))
		return;
	int error = start_target(l, &l->plans[0]);
	if (error == -EBUSY)
		return; /* it is just ending: gateway_container_gone goes on */
	if (error < 0) {
		snprintf(l->detail, sizeof(l->detail), "%s", strerror(-error));
		wake_failed(l);
	}
}

void listener_ready(struct watch *w, uint32_t events)
{
	(void)events;
	struct listener *l = container_of(w, struct listener, socket);
	if (l->state == LISTENER_STATE_ASLEEP)
		wake(l);
	else if (l->state == LISTENER_STATE_AWAKE)
		accept_all(l);
}

/* --- idling ------------------------------------------------------------------------------------------------------------ */

bool group_busy(const char *target, uint64_t *last_use)
{
	bool busy = false;
	list_each(it, gateway_listeners()) {
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

void put_to_sleep(const char *target)
{
	struct container *c = container_find(target);
	list_each(it, gateway_listeners()) {
		struct listener *l = container_of(it, struct listener, link);
		if (strcmp(l->target, target))
			continue;
		timer_stop(&l->idle);
		l->sleep_soon = false;
		listener_set_state(l, target_alive(c) && !c->ahead ? LISTENER_STATE_STOPPING : LISTENER_STATE_ASLEEP);
	}
	if (c && !c->ahead)
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

void connections_changed(struct proxy_owner *o)
{
	struct listener *l = container_of(o, struct listener, owner);
	if (o->connections > 0)
		return;
	l->last_use = now_ns();
	if (l->reporting && l->state == LISTENER_STATE_AWAKE)
		tell_woke(l, good_result(l));
	if (l->state == LISTENER_STATE_AWAKE && l->plans[0].len && (l->idle_ms || l->sleep_soon))
		timer_start(&l->idle, l->sleep_soon ? 0 : l->idle_ms, idle_expired);
}

void first_byte(struct proxy_owner *o)
{
	struct listener *l = container_of(o, struct listener, owner);
	add_phase(l, PHASE_FIRST_BYTE);
	tell_woke(l, good_result(l));
}

/* --- what happens to the containers -------------------------------------------------------------------------------------- */

void gateway_container_up(struct container *c)
{
	list_each(it, gateway_listeners()) {
		struct listener *l = container_of(it, struct listener, link);
		if (strcmp(l->target, c->id) || l->state != LISTENER_STATE_WAKING)
			continue;
		for (unsigned i = 0; l->reporting && i < c->phase_count && l->phase_count < MAX_PHASES; i++)
			l->phases[l->phase_count++] = c->phases[i];
		begin_connecting(l);
	}
}

/* Why this plan failed, after why those before it did. */
static void note_failure(struct listener *l, const struct container *c)
{
	size_t used = strlen(l->detail);
	char *at = l->detail + used;
	size_t room = sizeof(l->detail) - used;
	if (c->detail[0])
		snprintf(at, room, "%s%.120s%s%.40s", used ? "; then: " : "", c->detail, c->failed_errno ? ": " : "",
			 c->failed_errno ? strerror(c->failed_errno) : "");
	else
		snprintf(at, room, "%sit ended before it accepted", used ? "; then: " : "");
}

static void waking_ended(struct listener *l, struct container *c)
{
	stop_probing(l);
	bool tried = c->route == l;
	if (tried)
		note_failure(l, c);
	if (!l->reporting) { /* it was waiting for somebody else's container, or for an old one to go */
		wake(l);
		return;
	}
	if (tried)
		l->attempt = next_plan(l, l->attempt + 1);
	l->phase_count = 0;
	int error = l->attempt < PLANS ? start_target(l, &l->plans[l->attempt]) : -ENOENT;
	if (error == -EBUSY)
		l->reporting = false; /* another listener of the target was quicker */
	if (error == 0 || error == -EBUSY)
		return;
	l->attempt = 0;
	wake_failed(l);
}

void gateway_container_gone(struct container *c)
{
	list_each(it, gateway_listeners()) {
		struct listener *l = container_of(it, struct listener, link);
		if (strcmp(l->target, c->id) || l->state == LISTENER_STATE_UNROUTED)
			continue;
		timer_stop(&l->idle);
		bool was_ahead = ahead_ended(l, c);
		if (l->state == LISTENER_STATE_WAKING)
			waking_ended(l, c);
		else
			listener_set_state(l, l->plans[0].len ? LISTENER_STATE_ASLEEP : LISTENER_STATE_UNROUTED);
		if (!was_ahead || c->unwanted)
			make_ahead(l);
	}
}
