/*
 * Damaged frames and plans through the very code that serves clients: each complete frame is answered exactly once,
 * whatever is in it, and nothing is read past its end (the sanitizers see that). Plans that pass the check are walked
 * by a stand-in for plan_step that decodes every operation to its last byte and performs none; what else would reach
 * the machine is stood in for, too. In case something new is not, all of it happens in empty namespaces and an empty root.
 */
#define _GNU_SOURCE
#include "launcher.h"
int real_plan_step(struct container *c, struct progress *p);
#define plan_step real_plan_step
#include "../../native/launcher/plan.c"
#undef plan_step
#include "../../native/launcher/client.c"
#include "fuzz.h"

#include <assert.h>
#include <dirent.h>

enum { MOST_GOLDEN = 1024, FRAME_ROOM = 1 << 16, CASES = 300000, TAG_AT = 8, BODY_AT = 16 };

struct host host = { .proc_fd = -1, .own_pid_ns = -1, .own_net_ns = -1, .last_pid_fd = -1, .null_fd = -1, .own_mnt_ns = -1, .nursery_ns = -1, .root_fd = -1, .stage = "/" };
char **launcher_argv;
bool launcher_ending;

static unsigned long operations;
static volatile uint64_t seen; /* what is only read must not be optimized away */

/* --- stand-ins ------------------------------------------------------------------------------------------------ */

static void look_at(const void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		seen += ((const uint8_t *)p)[i];
}

/* Every checked operation has fields that can be taken apart again. */
int plan_step(struct container *c, struct progress *p)
{
	uint16_t code;
	uint32_t next;
	struct wire_reader fields;
	(void)c;
	for (; plan_peek(p, &code, &fields, &next); p->at = next, p->index++, operations++) {
		look_at(fields.p, (size_t)(fields.end - fields.p));
		assert(op_valid(code, &fields));
		assert(p->index < LIMIT_PLAN_OPS && next <= p->plan.len);
	}
	assert(p->at == p->plan.len);
	return 1;
}

static int look_at_plan(struct wire_bytes plan)
{
	bool spawns;
	struct container none = { 0 };
	struct progress p = { .plan = { (uint8_t *)(uintptr_t)plan.p, plan.len } };
	int error = plan_check(plan, &spawns);
	if (error == 0)
		plan_step(&none, &p);
	return error;
}

int stdio_open(struct streams *io, uint8_t mode, struct wire_str log)
{
	(void)io;
	look_at(log.p, (size_t)log.len + 1);
	return mode > STDIO_TTY ? -EINVAL : 0;
}

int stdio_resize(struct streams *io, uint16_t rows, uint16_t cols)
{
	(void)io;
	return rows == cols ? -ENOTTY : 0;
}

void attach_to(struct streams *io, int fd, uint8_t streams)
{
	(void)io;
	(void)streams;
	close(fd);
}

void attach_later(const char *id, int fd, uint8_t streams)
{
	look_at(id, strlen(id));
	(void)streams;
	close(fd);
}

void stdio_init(struct streams *io) { (void)io; }
int stdio_terminal(struct streams *io, int fd) { (void)io; (void)fd; return -ENOTTY; }
void stdio_started(struct streams *io) { (void)io; }
void stdio_drain(struct streams *io) { (void)io; }
void stdio_close(struct streams *io) { (void)io; }
void attach_pending(struct container *c) { (void)c; }
void keeper_quit(void) {}
void gateway_stop(void) {}

int gateway_listen(const struct msg_listen *m)
{
	look_at(m->id.p, (size_t)m->id.len + 1);
	look_at(m->address.p, (size_t)m->address.len + 1);
	look_at(m->path.p, (size_t)m->path.len + 1);
	return 0;
}

int gateway_route(const struct msg_route *m)
{
	look_at(m->target.p, (size_t)m->target.len + 1);
	look_at(m->refusal.p, m->refusal.len);
	return look_at_plan(m->wake) | look_at_plan(m->second) | look_at_plan(m->fallback) | look_at_plan(m->cleanup) ? -EBADMSG : 0;
}

int gateway_unroute(const char *id) { look_at(id, strlen(id)); return 0; }
int gateway_unlisten(const char *id) { look_at(id, strlen(id)); return -ESRCH; }
int gateway_sleep(const char *id, bool force) { look_at(id, strlen(id)); return force ? 0 : -EBUSY; }

void gateway_each(void (*fn)(void *ctx, const struct msg_listener *m), void *ctx)
{
	struct msg_listener m = { wire_cstr("l"), wire_cstr("t"), LISTENER_STATE_ASLEEP, 1, 0 };
	fn(ctx, &m);
}

/* --- one frame --------------------------------------------------------------------------------------------------- */

struct golden {
	uint8_t *p;
	size_t len;
};

static struct golden corpus[MOST_GOLDEN];
static size_t corpus_count;

static void read_golden(void)
{
	DIR *dir = opendir("protocol/golden");
	assert(dir); /* run from the top of the checkout */
	for (struct dirent *e; (e = readdir(dir)) && corpus_count < MOST_GOLDEN;) {
		char path[512];
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "protocol/golden/%s", e->d_name);
		struct golden *g = &corpus[corpus_count++];
		g->p = malloc(FRAME_ROOM);
		g->len = (size_t)read_small(AT_FDCWD, path, (char *)g->p, FRAME_ROOM);
		assert(g->len >= BODY_AT && g->len < FRAME_ROOM);
	}
	closedir(dir);
	assert(corpus_count > 0 && corpus_count < MOST_GOLDEN);
}

/* The answers that came: all of them whole, `list` records aside exactly one ok or error. */
static unsigned count_answers(int fd, uint64_t tag)
{
	static uint8_t in[1 << 20];
	ssize_t n, len = 0;
	unsigned answers = 0;
	while ((n = recv(fd, in + len, sizeof(in) - (size_t)len, MSG_DONTWAIT)) > 0)
		len += n;
	for (ssize_t at = 0; at < len;) {
		uint32_t size;
		uint16_t code;
		uint64_t got;
		assert(len - at >= BODY_AT);
		memcpy(&size, in + at, sizeof(size));
		memcpy(&code, in + at + HEADER, sizeof(code));
		memcpy(&got, in + at + TAG_AT, sizeof(got));
		assert(size >= BODY_AT - HEADER && (ssize_t)size + HEADER <= len - at);
		assert(got == tag);
		answers += code == MSG_OK || code == MSG_ERROR;
		at += HEADER + (ssize_t)size;
	}
	return answers;
}

/* Serves the frame out of a block of its exact size. */
static void serve_one(const uint8_t *frame, size_t len)
{
	int pair[2];
	uint64_t tag = 0;
	struct client *cl = calloc(1, sizeof(*cl));
	assert(cl && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	assert(watch_add(&cl->conn, pair[0], EPOLLIN, client_ready) == 0);
	list_add(&clients, &cl->link);
	cl->in = (struct buf){ malloc(len), len, len, false };
	memcpy(cl->in.p, frame, len);
	if (len >= BODY_AT)
		memcpy(&tag, frame + TAG_AT, sizeof(tag));
	ssize_t taken = serve_frame(cl);
	assert(taken <= (ssize_t)len);
	assert(count_answers(pair[1], tag) == (taken > 0));
	client_drop(cl);
	close(pair[1]);
	loop_once(0); /* frees what was dropped */
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

struct draft {
	uint8_t p[FRAME_ROOM];
	size_t len;
};

static void put_number(struct fuzz *f, struct draft *d)
{
	static const uint32_t edges[] = { 0, 1, 2, 4, 12, 63, 64, 65, 255, 256, 511, 512, 513, 4095, 4096, 65535, 65536,
					  1048575, 1048576, 1048577, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	uint32_t value = edges[fuzz_below(f, ARRAY_LEN(edges))];
	size_t width = 1u << fuzz_below(f, 3), at = fuzz_below(f, d->len);
	if (at + width <= d->len)
		memcpy(d->p + at, &value, width);
}

static void copy_range(struct fuzz *f, struct draft *d, const uint8_t *from, size_t from_len)
{
	size_t start = fuzz_below(f, from_len), n = 1 + fuzz_below(f, from_len - start), at = fuzz_below(f, d->len);
	if (d->len + n > sizeof(d->p))
		return;
	memmove(d->p + at + n, d->p + at, d->len - at);
	uint8_t *copy = malloc(n);
	assert(copy);
	memcpy(copy, from + start, n);
	memcpy(d->p + at, copy, n);
	free(copy);
	d->len += n;
}

static void cut_range(struct fuzz *f, struct draft *d)
{
	size_t at = fuzz_below(f, d->len), n = 1 + fuzz_below(f, d->len - at);
	memmove(d->p + at, d->p + at + n, d->len - at - n);
	d->len -= n;
	if (d->len == 0)
		d->len = 1;
}

static void damage(struct fuzz *f, struct draft *d)
{
	const struct golden *other = &corpus[fuzz_below(f, corpus_count)];
	switch (fuzz_below(f, 7)) {
	case 0: d->p[fuzz_below(f, d->len)] = (uint8_t)fuzz_next(f); break;
	case 1: d->p[fuzz_below(f, d->len)] ^= (uint8_t)(1u << fuzz_below(f, 8)); break;
	case 2: put_number(f, d); break;
	case 3: copy_range(f, d, d->p, d->len); break;
	case 4: copy_range(f, d, other->p, other->len); break;
	case 5: cut_range(f, d); break;
	default: d->len = 1 + fuzz_below(f, d->len); break;
	}
}

/* One operation with fields of a few kinds; some are well-formed for their code. */
static void add_operation(struct fuzz *f, struct draft *d)
{
	size_t head = d->len;
	uint16_t code = (uint16_t)fuzz_below(f, 150), zero = 0;
	if (d->len > sizeof(d->p) - 512)
		return;
	memcpy(d->p + d->len, &code, 2);
	memcpy(d->p + d->len + 2, &zero, 2);
	d->len += 8;
	for (size_t n = fuzz_below(f, 5); n > 0; n--) {
		uint32_t len = (uint32_t)fuzz_below(f, 6);
		size_t width = 1u << fuzz_below(f, 4);
		if (fuzz_chance(f, 2)) { /* a number */
			memset(d->p + d->len, (int)fuzz_below(f, 3), width);
			d->len += width;
		} else { /* a string */
			memcpy(d->p + d->len, &len, 4);
			memcpy(d->p + d->len + 4, "/a/../b", len);
			d->p[d->len + 4 + len] = 0;
			d->len += 5 + len;
		}
	}
	uint32_t size = (uint32_t)(d->len - head - 8);
	memcpy(d->p + head + 4, &size, 4);
}

/* A run request around a plan of such operations. */
static void generate_run(struct fuzz *f, struct draft *d)
{
	static const uint8_t start[] = { 0, 0, 0, 0, MSG_RUN, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
					 1, 0, 0, 0, 'c', 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0 };
	memcpy(d->p, start, sizeof(start));
	d->len = sizeof(start);
	for (int plan = 0; plan < 2; plan++) {
		size_t head = d->len;
		d->len += 4;
		for (size_t n = fuzz_below(f, fuzz_chance(f, 50) ? 600 : 8); n > 0; n--)
			add_operation(f, d);
		uint32_t size = (uint32_t)(d->len - head - 4);
		memcpy(d->p + head, &size, 4);
	}
}

static void make_case(struct fuzz *f, struct draft *d)
{
	const struct golden *g = &corpus[fuzz_below(f, corpus_count)];
	if (fuzz_chance(f, 4)) {
		generate_run(f, d);
	} else {
		memcpy(d->p, g->p, g->len);
		d->len = g->len;
	}
	for (size_t n = fuzz_below(f, 5); n > 0; n--)
		damage(f, d);
	if (d->len >= HEADER && !fuzz_chance(f, 8)) { /* a true length, so that what is inside is looked at */
		uint32_t len = (uint32_t)(d->len - HEADER);
		memcpy(d->p, &len, sizeof(len));
	}
}

/* --- all of them ----------------------------------------------------------------------------------------------------- */

static void forget_containers(void)
{
	list_each(it, container_all())
		container_free(container_of(it, struct container, link));
	loop_once(0);
}

static void host_only_gone(struct container *c)
{
	if (!c->host_only)
		return;
	client_reply(c->reply_to, c->reply_tag, 0, NULL, 0);
	container_free(c);
}

int main(void)
{
	static struct draft d;
	unsigned long done = 0;
	struct fuzz f = fuzz_begin("fuzz_frames");
	read_golden();
	fuzz_hide();
	containers_init();
	container_gone = host_only_gone;
	assert(loop_init() == 0);
	for (size_t i = 0; i < corpus_count; i++)
		serve_one(corpus[i].p, corpus[i].len);
	for (; fuzz_goes_on(&f, done, CASES); done++) {
		make_case(&f, &d);
		serve_one(d.p, d.len);
		if (done % 64 == 0)
			forget_containers();
	}
	forget_containers();
	for (size_t i = 0; i < corpus_count; i++)
		free(corpus[i].p);
	printf("%lu frames, %lu operations in plans that passed\n", done, operations);
	return operations > 0 ? 0 : 1;
}
