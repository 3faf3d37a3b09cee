/*
 * Networks. The daemon encodes netlink messages; here they are sent and their acknowledgements read. A netlink
 * request is carried out while it is sent, so reading never waits. It may wait for the kernel's lock of all network
 * configuration, though, which a namespace that goes away holds for milliseconds: what makes and removes interfaces
 * is therefore done in a child (`netlink_inside`), and the launcher itself only changes sets of nftables, which have
 * a lock of their own.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ANSWER_BYTES = 16384, DETAIL_BYTES = 120 };
#define IGNORE_ALL UINT32_MAX

struct answers {
	unsigned wanted; /* acknowledgements that the batch asks for */
	unsigned got;
	uint32_t ignore;
	bool tolerated; /* one that says what is to be ignored; it ends a transaction, and the rest is not answered */
	int error;	/* the first bad one */
	uint32_t seq;
	char text[DETAIL_BYTES]; /* the kernel's own words */
};

/* How many acknowledgements a batch asks for; the daemon's lengths are not believed. */
static int count_wanted(struct wire_bytes batch, unsigned *wanted)
{
	struct nlmsghdr head;
	for (uint32_t at = 0; at < batch.len; at += NLMSG_ALIGN(head.nlmsg_len)) {
		if (batch.len - at < sizeof(head))
			return -EBADMSG;
		memcpy(&head, batch.p + at, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > batch.len - at)
			return -EBADMSG;
		*wanted += (head.nlmsg_flags & NLM_F_ACK) != 0;
	}
	return batch.len == 0 ? -EBADMSG : 0;
}

/* With NETLINK_CAP_ACK only the header of the request is repeated; attributes follow it. */
static void take_words(struct answers *a, const struct nlmsghdr *head)
{
	const size_t fixed = NLMSG_HDRLEN + sizeof(struct nlmsgerr);
	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS) || head->nlmsg_len < fixed)
		return;
	const uint8_t *at = (const uint8_t *)head + fixed, *end = (const uint8_t *)head + head->nlmsg_len;
	while ((size_t)(end - at) >= sizeof(struct nlattr)) {
		struct nlattr attr;
		memcpy(&attr, at, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > end - at)
			return;
		if ((attr.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
			snprintf(a->text, sizeof(a->text), "%.*s", (int)(attr.nla_len - sizeof(attr)), (const char *)at + sizeof(attr));
		if (NLA_ALIGN(attr.nla_len) > end - at)
			return;
		at += NLA_ALIGN(attr.nla_len);
	}
}

static bool ignored(const struct answers *a, int error)
{
	return a->ignore == IGNORE_ALL || (uint32_t)-error == a->ignore;
}

static void take_answers(struct answers *a, const uint8_t *data, size_t len)
{
	const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)data;
	for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
		const struct nlmsgerr *body = NLMSG_DATA(head);
		if (head->nlmsg_type != NLMSG_ERROR || head->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
			continue;
		a->got++;
		if (body->error == 0 || a->error < 0)
			continue;
		if (ignored(a, body->error)) {
			a->tolerated = true;
			continue;
		}
		a->error = body->error;
		a->seq = head->nlmsg_seq;
		take_words(a, head);
	}
}

static int exchange(int fd, struct wire_bytes batch, struct answers *a)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	_Alignas(struct nlmsghdr) uint8_t data[ANSWER_BYTES];
	const int on = 1;
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	if (sendto(fd, batch.p, batch.len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	for (ssize_t n; (n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) != 0;) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		take_answers(a, data, (size_t)n);
	}
	if (a->error < 0)
		return a->error;
	return a->got < a->wanted && !a->tolerated ? -EIO : 0;
}

static int open_netlink(uint32_t family)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)family);
	return fd < 0 ? -errno : fd;
}

/* Every acknowledgement is read, also of a batch that failed, so that a socket can be used again. */
static int send_batch(int fd, uint32_t ignore, struct wire_bytes batch, char *detail, size_t room)
{
	struct answers a = { .ignore = ignore };
	if (fd < 0)
		return fd;
	int error = count_wanted(batch, &a.wanted);
	if (error < 0)
		return error;
	error = exchange(fd, batch, &a);
	if (error < 0)
		snprintf(detail, room, "message %u%s%s", a.seq, a.text[0] ? ": " : "", a.text);
	return error;
}

/* --- in a child ------------------------------------------------------------------------------------------------ */

static int send_patched(struct child *child, const struct op_netlink_inside *op)
{
	uint8_t *copy = malloc(op->batch.len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, op->batch.p, op->batch.len);
	int error = 0;
	if (op->patch && (op->patch > op->batch.len || op->batch.len - op->patch < sizeof(host.own_net_ns)))
		error = -EINVAL;
	else if (op->patch)
		memcpy(copy + op->patch, &host.own_net_ns, sizeof(host.own_net_ns));
	if (error == 0) {
		int fd = open_netlink(op->family);
		error = send_batch(fd, op->ignore, (struct wire_bytes){ copy, op->batch.len }, child->detail, sizeof(child->detail));
		close_fd(&fd);
	}
	free(copy);
	return error;
}

int net_inside(struct child *child, struct wire_reader *fields)
{
	struct op_netlink_inside op;
	op_decode_netlink_inside(fields, &op);
	const struct container *sandbox = child->container->sandbox;
	int own = -1, there = op.place == NET_PLACE_LAUNCHER ? host.own_net_ns : sandbox ? sandbox->net_ns : -1;
	if (op.place == NET_PLACE_OWN)
		return send_patched(child, &op);
	if (there < 0)
		return child_fail(child, -ESRCH, "the sandbox has no network namespace");
	own = openat(host.proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(there, CLONE_NEWNET) < 0) {
		int error = -errno;
		close_fd(&own);
		return error;
	}
	int error = send_patched(child, &op);
	if (setns(own, CLONE_NEWNET) < 0 && error == 0)
		error = -errno;
	close(own);
	return error;
}

/* --- in the launcher -------------------------------------------------------------------------------------------- */

/* Listening, because only that keeps a port from others who reuse addresses; deaf, so that what comes before the
 * packets are passed on is lost and sent again, and not answered by nobody. */
static int make_deaf(int fd, bool listens)
{
	struct sock_filter drop = { .code = BPF_RET | BPF_K, .k = 0 };
	const struct sock_fprog program = { 1, &drop };
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return -errno;
	return listens && listen(fd, 1) < 0 ? -errno : 0;
}

static int bind_port(const struct op_port_hold *op)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(op->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(op->port) };
	bool is_v4 = inet_pton(AF_INET, op->address.p, &v4.sin_addr) == 1;
	if (!is_v4 && inet_pton(AF_INET6, op->address.p, &v6.sin6_addr) != 1)
		return -EINVAL;
	bool tcp = op->protocol == IPPROTO_TCP;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	const int on = 1;
	if (!is_v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (tcp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	int bound = is_v4 ? bind(fd, (struct sockaddr *)&v4, sizeof(v4)) : bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	int error = bound < 0 ? -errno : make_deaf(fd, tcp);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

static int hold_port(struct container *c, const struct op_port_hold *op)
{
	if (op->protocol != IPPROTO_TCP && op->protocol != IPPROTO_UDP)
		return -EINVAL;
	int *more = realloc(c->held_ports, (c->held_count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->held_ports = more;
	int fd = bind_port(op);
	if (fd < 0)
		return fd;
	c->held_ports[c->held_count++] = fd;
	return 0;
}

void net_release(struct container *c)
{
	for (unsigned i = 0; i < c->held_count; i++)
		close(c->held_ports[i]);
	free(c->held_ports);
	c->held_ports = NULL;
	c->held_count = 0;
}

/*
 * One socket for all changes of nftables, never closed: closing one waits until the kernel has let go of what was
 * deleted, an RCU grace period and more, 10-20 ms.
 */
static int change_tables(const struct op_netlink *op, char *detail, size_t room)
{
	static int kept = -1;
	if (op->family != NETLINK_NETFILTER)
		return -EPROTONOSUPPORT;
	if (kept < 0)
		kept = open_netlink(op->family);
	return send_batch(kept, op->ignore, op->batch, detail, room);
}

int net_perform(struct container *c, uint16_t code, struct wire_reader *fields, const char **what)
{
	static char detail[DETAIL_BYTES + 32];
	if (code == OP_NETLINK) {
		struct op_netlink op;
		op_decode_netlink(fields, &op);
		detail[0] = 0;
		*what = detail;
		return change_tables(&op, detail, sizeof(detail));
	}
	if (code == OP_PORT_HOLD) {
		struct op_port_hold op;
		op_decode_port_hold(fields, &op);
		snprintf(detail, sizeof(detail), "%.64s:%u/%s", op.address.p, op.port, op.protocol == IPPROTO_UDP ? "udp" : "tcp");
		*what = detail;
		return hold_port(c, &op);
	}
	return -ENOSYS;
}
