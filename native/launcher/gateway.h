/* Listeners, for gateway.c, which keeps them, and wake.c, which wakes what is behind them. */
#pragma once
#include "launcher.h"

#include <limits.h>

enum { KEY_ROOM = 256, PLANS = 3 };

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
	struct blob plans[PLANS]; /* to wake it: the first that works */
	struct blob cleanup, refusal;
	bool ahead;	/* its target is to wait, made, while it sleeps */
	bool ahead_failed; /* which did not work since it was routed or woken */
	struct proxy_owner owner;
	struct watch probe; /* the first connection into the service */
	struct timer retry;
	struct timer idle;
	uint32_t retry_ms;
	bool sleep_soon;
	unsigned attempt; /* index of the plan that is tried */
	bool was_ahead; /* the target of this wake-up waited for it */
	bool reporting; /* a wake-up whose end was not yet told */
	char detail[256];
	uint64_t t0;
	uint64_t last_use;
	uint64_t wakes;
	struct phase_time phases[MAX_PHASES];
	unsigned phase_count;
};

/* All of them. */
struct list *gateway_listeners(void);
void listener_set_state(struct listener *l, enum listener_state state);
void listener_ready(struct watch *w, uint32_t events);
void connections_changed(struct proxy_owner *o);
void first_byte(struct proxy_owner *o);
void stop_probing(struct listener *l);
bool target_alive(const struct container *c);
/* Whether a connection is open or waits at any listener of the target. */
bool group_busy(const char *target, uint64_t *last_use);
void put_to_sleep(const char *target);
/* Makes a sleeping listener's target ahead, where that is asked for. */
void make_ahead(struct listener *l);
/* Ends what was made ahead by an old route. */
void drop_ahead(struct listener *l);
