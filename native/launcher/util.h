/*
 * Errors: functions return 0 or a negative errno. Memory: an allocation that fails ends the request, never the
 * launcher. Logging goes to stderr, one line each.
 */
#pragma once
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Doubly linked, circular, with a head. */
struct list {
	struct list *next;
	struct list *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_add(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

static inline void list_del(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

#define list_each(it, head) for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_ns(void);	/* CLOCK_MONOTONIC */
uint64_t real_ns(void); /* CLOCK_REALTIME */
void close_fd(int *fd); /* closes when >= 0, sets to -1 */
int write_all(int fd, const void *data, size_t len);
/* Reads at most size - 1 bytes of a small file, NUL-terminates. Returns the length or a negative errno. */
ssize_t read_small(int dirfd, const char *path, char *out, size_t size);
/* One message, with a descriptor when `fd` >= 0. */
int send_with_fd(int to, const void *data, size_t len, int fd);
/* Receives one message; `*fd` is -1 when none came with it. Returns recvmsg's result. */
ssize_t receive_with_fd(int from, void *data, size_t len, int *fd, int flags);
int remove_tree(const char *path);
int make_dirs(const char *path, mode_t mode);
/* The whole of `text` as a decimal number from 0 to `most`; false when it is something else. */
bool whole_number(const char *text, unsigned long most, unsigned long *out);
/* Seconds, with a fraction; false when it is something else. */
bool seconds_number(const char *text, double *out);
