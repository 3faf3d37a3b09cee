/*
 * The C decoder against the golden frames and against damaged ones. Built with sanitizers by `make check`: a read past
 * the end or an undefined shift ends the program.
 */
#include "launcher.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* what client.c and others take from main.c */
struct host host;
char **launcher_argv;
bool launcher_ending;

static size_t read_file(const char *name, uint8_t *out, size_t room)
{
	char path[256];
	snprintf(path, sizeof(path), "protocol/golden/%s.bin", name);
	FILE *f = fopen(path, "rb");
	if (!f) {
		fprintf(stderr, "%s is missing (run from the top of the checkout)\n", path);
		exit(1);
	}
	size_t n = fread(out, 1, room, f);
	fclose(f);
	return n;
}

/* Decodes a frame's body as the launcher would. True when it is a good request. */
static bool decode(const uint8_t *p, size_t len)
{
	bool spawns;
	struct wire_reader r = { p, p + len, false };
	uint16_t code = wire_get_u16(&r);
	wire_get_u16(&r);
	wire_get_u64(&r);
	switch (code) {
	case MSG_HELLO: {
		struct msg_hello m;
		return msg_decode_hello(&r, &m);
	}
	case MSG_LIST: {
		struct msg_list m;
		return msg_decode_list(&r, &m);
	}
	case MSG_RUN: {
		struct msg_run m;
		return msg_decode_run(&r, &m) && plan_check(m.plan, &spawns) == 0 && plan_check(m.cleanup, &spawns) == 0;
	}
	case MSG_SIGNAL: {
		struct msg_signal m;
		return msg_decode_signal(&r, &m);
	}
	case MSG_LISTEN: {
		struct msg_listen m;
		return msg_decode_listen(&r, &m);
	}
	case MSG_ROUTE: {
		struct msg_route m;
		return msg_decode_route(&r, &m) && plan_check(m.wake, &spawns) == 0 && plan_check(m.second, &spawns) == 0 && plan_check(m.fallback, &spawns) == 0 &&
		       plan_check(m.cleanup, &spawns) == 0;
	}
	default:
		return false;
	}
}

static void check_run_values(const uint8_t *p, size_t len)
{
	struct wire_reader r = { p + 12, p + len, false };
	struct msg_run m;
	bool spawns;
	assert(msg_decode_run(&r, &m));
	assert(m.id.len == 64 && m.id.p[0] == 'c' && m.stdio == STDIO_PIPES && !strcmp(m.log.p, "/log"));
	assert(plan_check(m.plan, &spawns) == 0 && spawns);
	assert(plan_check(m.cleanup, &spawns) == 0 && !spawns);
	struct progress walk = { .plan = { (uint8_t *)(uintptr_t)m.plan.p, m.plan.len } };
	struct wire_reader fields;
	uint16_t code;
	uint32_t next, seen = 0;
	for (; plan_peek(&walk, &code, &fields, &next); walk.at = next, seen++) {
		struct op_root_overlay overlay;
		struct op_oom_score oom;
		if (code == OP_ROOT_OVERLAY)
			assert(op_decode_root_overlay(&fields, &overlay) && overlay.lowers.count == 3 && !strcmp(overlay.work.p, "/w"));
		if (code == OP_OOM_SCORE)
			assert(op_decode_oom_score(&fields, &oom) && oom.adj == -1000);
	}
	assert(seen == 16);
}

/* The bytes are copied to the end of a heap block of their exact size, so that one too many is seen. */
static bool decode_exact(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	assert(copy);
	memcpy(copy, p, len);
	bool good = decode(copy, len);
	free(copy);
	return good;
}

int main(void)
{
	static const char *const names[] = { "hello", "list", "run", "signal", "listen", "route" };
	uint8_t frame[65536], damaged[65536];
	unsigned long cases = 0, survived = 0;
	srandom(11);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t len = read_file(names[i], frame, sizeof(frame)) - 4;
		const uint8_t *body = frame + 4;
		if (!decode_exact(body, len)) {
			fprintf(stderr, "golden %s is not decoded\n", names[i]);
			return 1;
		}
		if (!strcmp(names[i], "run"))
			check_run_values(body, len);
		for (size_t cut = 0; cut < len; cut++, cases++) {
			if (decode_exact(body, cut)) {
				fprintf(stderr, "%s cut to %zu bytes is taken\n", names[i], cut);
				return 1;
			}
		}
		for (int n = 0; n < 20000; n++, cases++) {
			memcpy(damaged, body, len);
			for (int flips = 1 + (int)(random() % 4); flips > 0; flips--)
				damaged[(size_t)random() % len] = (uint8_t)random();
			survived += decode_exact(damaged, len);
		}
	}
	printf("%lu damaged frames, %lu of them still well-formed\n", cases, survived);
	return 0;
}
