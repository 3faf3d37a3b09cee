/*
 * Primitive values of the launcher protocol (protocol/launcher.yaml has the layout). A reader never goes past
 * its end: the first value that does not fit sets `bad`, and everything read after that is empty. Strings end with a
 * NUL on the wire, so they are used in place.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_str {
	const char *p;
	uint32_t len;
};

struct wire_bytes {
	const uint8_t *p;
	uint32_t len;
};

/* `count` strings; walk them with wire_next_str on a reader over p..p+len. */
struct wire_strs {
	const uint8_t *p;
	uint32_t len;
	uint32_t count;
};

struct phase_time {
	uint8_t phase;
	uint64_t ns;
};

struct wire_phases {
	const struct phase_time *p;
	uint32_t count;
};

struct wire_reader {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

/* Growable output; `failed` once memory ran out. */
struct buf {
	uint8_t *p;
	size_t len;
	size_t cap;
	bool failed;
};

struct wire_writer {
	struct buf *out;
	size_t start;
};

bool buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_consume(struct buf *b, size_t len);
void buf_free(struct buf *b);

static inline const uint8_t *wire_take(struct wire_reader *r, size_t n)
{
	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *at = r->p;
	r->p += n;
	return at;
}

#define WIRE_GETTER(name, type)                                 \
	static inline type wire_get_##name(struct wire_reader *r) \
	{                                                       \
		type value = 0;                                 \
		const uint8_t *at = wire_take(r, sizeof(value));  \
		if (at)                                         \
			memcpy(&value, at, sizeof(value));        \
		return value;                                   \
	}
WIRE_GETTER(u8, uint8_t)
WIRE_GETTER(u16, uint16_t)
WIRE_GETTER(u32, uint32_t)
WIRE_GETTER(u64, uint64_t)
WIRE_GETTER(i32, int32_t)

static inline struct wire_bytes wire_get_bytes(struct wire_reader *r)
{
	uint32_t len = wire_get_u32(r);
	const uint8_t *at = wire_take(r, len);
	return (struct wire_bytes){ at, at ? len : 0 };
}

static inline struct wire_str wire_get_str(struct wire_reader *r)
{
	uint32_t len = wire_get_u32(r);
	const uint8_t *at = len < UINT32_MAX ? wire_take(r, (size_t)len + 1) : NULL;
	if (!at || at[len] != 0 || memchr(at, 0, len)) {
		r->bad = true;
		return (struct wire_str){ "", 0 };
	}
	return (struct wire_str){ (const char *)at, len };
}

static inline struct wire_strs wire_get_strs(struct wire_reader *r)
{
	struct wire_strs list = { NULL, 0, wire_get_u32(r) };
	list.p = r->p;
	for (uint32_t i = 0; i < list.count && !r->bad; i++)
		wire_get_str(r);
	list.len = (uint32_t)(r->p - list.p);
	return list;
}

static inline bool wire_end(struct wire_reader *r)
{
	return !r->bad && r->p == r->end;
}

static inline void wire_put_raw(struct wire_writer *w, const void *data, size_t len)
{
	buf_append(w->out, data, len);
}

#define WIRE_PUTTER(name, type)                                                \
	static inline void wire_put_##name(struct wire_writer *w, type value)  \
	{                                                                      \
		wire_put_raw(w, &value, sizeof(value));                        \
	}
WIRE_PUTTER(u8, uint8_t)
WIRE_PUTTER(u16, uint16_t)
WIRE_PUTTER(u32, uint32_t)
WIRE_PUTTER(u64, uint64_t)
WIRE_PUTTER(i32, int32_t)

static inline void wire_put_str(struct wire_writer *w, struct wire_str s)
{
	wire_put_u32(w, s.len);
	wire_put_raw(w, s.p, s.len);
	wire_put_u8(w, 0);
}

static inline void wire_put_phases(struct wire_writer *w, struct wire_phases list)
{
	wire_put_u32(w, list.count);
	for (uint32_t i = 0; i < list.count; i++) {
		wire_put_u8(w, list.p[i].phase);
		wire_put_u64(w, list.p[i].ns);
	}
}

static inline void wire_begin(struct wire_writer *w, uint16_t code, uint64_t tag)
{
	w->start = w->out->len;
	wire_put_u32(w, 0);
	wire_put_u16(w, code);
	wire_put_u16(w, 0);
	wire_put_u64(w, tag);
}

static inline bool wire_finish(struct wire_writer *w)
{
	if (w->out->failed)
		return false;
	uint32_t len = (uint32_t)(w->out->len - w->start - sizeof(len));
	memcpy(w->out->p + w->start, &len, sizeof(len));
	return true;
}

static inline struct wire_str wire_cstr(const char *s)
{
	return (struct wire_str){ s, (uint32_t)strlen(s) };
}
