/*
 * Network namespaces, made and dropped by several processes at a time: bare, with the loopback device up, or with a
 * veth pair to a bridge. All of it happens in a user and a network namespace of the benchmark's own, so that
 * nothing of the machine's network is touched and the kernel's count of them tells when the last one is gone.
 */
#define _GNU_SOURCE
#include "measure.h"
#include "util.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { LIVE_LIMIT = 256, MAX_PARALLEL = 64, MESSAGE_ROOM = 512, LOOK_AGAIN_NS = 100000 };

static const char limit_path[] = "/proc/sys/user/max_net_namespaces";

/* --- netlink ------------------------------------------------------------------------------------------------- */

struct message {
	struct nlmsghdr head;
	char room[MESSAGE_ROOM];
};

static void *add_bytes(struct message *m, const void *data, size_t len)
{
	char *at = (char *)m + NLMSG_ALIGN(m->head.nlmsg_len);
	memcpy(at, data, len);
	m->head.nlmsg_len = (uint32_t)(at - (char *)m + (ptrdiff_t)len);
	return at;
}

static struct rtattr *add_attribute(struct message *m, unsigned short type, const void *data, size_t len)
{
	struct rtattr attribute = { .rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type };
	struct rtattr *at = add_bytes(m, &attribute, sizeof(attribute));
	if (len)
		add_bytes(m, data, len);
	return at;
}

static void end_nest(struct message *m, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((char *)m + m->head.nlmsg_len - (char *)nest);
}

static struct message new_link(void)
{
	struct message m = { .head = { .nlmsg_len = NLMSG_LENGTH(0),
				       .nlmsg_type = RTM_NEWLINK,
				       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL } };
	struct ifinfomsg info = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	add_bytes(&m, &info, sizeof(info));
	return m;
}

static int request(int socket, const struct message *m)
{
	char answer[1024];
	if (send(socket, m, m->head.nlmsg_len, 0) < 0)
		return -errno;
	ssize_t n = recv(socket, answer, sizeof(answer), 0);
	const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)answer;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || head->nlmsg_type != NLMSG_ERROR)
		return n < 0 ? -errno : -EPROTO;
	return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
}

static int make_bridge(int socket)
{
	struct message m = new_link();
	add_attribute(&m, IFLA_IFNAME, "bridge", sizeof("bridge"));
	struct rtattr *info = add_attribute(&m, IFLA_LINKINFO, NULL, 0);
	add_attribute(&m, IFLA_INFO_KIND, "bridge", sizeof("bridge") - 1);
	end_nest(&m, info);
	return request(socket, &m);
}

/* One end at the bridge, the other in the namespace `net`: one message. `socket` is of the bridge's namespace. */
static int make_veth(int socket, uint32_t bridge, const char *name, int net)
{
	uint32_t fd = (uint32_t)net;
	struct message m = new_link();
	struct ifinfomsg peer = { 0 }; /* it can be brought up only when both ends are there */
	add_attribute(&m, IFLA_IFNAME, name, strlen(name) + 1);
	add_attribute(&m, IFLA_MASTER, &bridge, sizeof(bridge));
	struct rtattr *info = add_attribute(&m, IFLA_LINKINFO, NULL, 0);
	add_attribute(&m, IFLA_INFO_KIND, "veth", sizeof("veth") - 1);
	struct rtattr *data = add_attribute(&m, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *inner = add_attribute(&m, VETH_INFO_PEER, NULL, 0);
	add_bytes(&m, &peer, sizeof(peer));
	add_attribute(&m, IFLA_IFNAME, "eth0", sizeof("eth0"));
	add_attribute(&m, IFLA_NET_NS_FD, &fd, sizeof(fd));
	end_nest(&m, inner);
	end_nest(&m, data);
	end_nest(&m, info);
	return request(socket, &m);
}

static int device_up(const char *name)
{
	struct ifreq up = { .ifr_flags = IFF_UP | IFF_RUNNING };
	snprintf(up.ifr_name, sizeof(up.ifr_name), "%s", name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &up) < 0 ? -errno : 0;
	close_fd(&fd);
	return error;
}

/* --- one namespace ------------------------------------------------------------------------------------------------ */

struct worker {
	struct measure *m;
	int base;
	int netlink;
	uint32_t bridge;
	unsigned number;
	unsigned long made;
};

/* The limit keeps what waits to be freed from growing without bound; waiting for it counts. */
static int unshare_net(void)
{
	const struct timespec pause = { 0, LOOK_AGAIN_NS };
	while (unshare(CLONE_NEWNET) < 0) {
		if (errno != ENOSPC)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int make_one(struct worker *w, int *net)
{
	char name[IFNAMSIZ];
	bool wired = !strcmp(w->m->how, "veth");
	int error = unshare_net();
	*net = error == 0 ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
	if (error == 0 && *net < 0)
		error = -errno;
	if (error == 0 && strcmp(w->m->how, "none"))
		error = device_up("lo");
	snprintf(name, sizeof(name), "v%u-%lu", w->number, w->made++ % 100000);
	if (error == 0 && wired)
		error = make_veth(w->netlink, w->bridge, name, *net);
	if (error == 0 && wired)
		error = device_up("eth0");
	if (setns(w->base, CLONE_NEWNET) < 0 && error == 0)
		error = -errno;
	return error;
}

static int work(struct worker *w)
{
	int error = 0;
	w->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (w->netlink < 0)
		return measure_error("netlink");
	while (error == 0 && measure_next(w->m)) {
		uint64_t row[3], t = now_ns();
		int net = -1;
		error = make_one(w, &net);
		row[0] = now_ns() - t;
		if (error < 0) {
			errno = -error;
			measure_error(w->m->how);
		}
		t = now_ns();
		close_fd(&net);
		row[1] = now_ns() - t;
		row[2] = now_ns() - w->m->begin;
		if (error == 0)
			error = measure_put(row, 3);
	}
	close_fd(&w->netlink);
	return error;
}

/* --- all of them ------------------------------------------------------------------------------------------------------ */

static int set_limit(int fd, unsigned n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);
	return pwrite(fd, text, (size_t)len, 0) < 0 ? measure_error(limit_path) : 0;
}

static int run_workers(struct measure *m, int base)
{
	pid_t pids[MAX_PARALLEL];
	int error = 0;
	unsigned long share = (m->count + m->parallel - 1) / m->parallel;
	measure_begin(m);
	m->count = share;
	for (unsigned i = 0; i < m->parallel; i++) {
		struct worker w = { .m = m, .base = base, .bridge = if_nametoindex("bridge"), .number = i };
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(work(&w) < 0 ? 1 : 0);
		if (pids[i] < 0)
			error = measure_error("fork");
	}
	for (unsigned i = 0; i < m->parallel; i++) {
		int status = 0;
		while (pids[i] > 0 && waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
			kill(pids[i], SIGTERM);
		if (status != 0)
			error = -ECHILD;
	}
	return error;
}

int measure_net(struct measure *m)
{
	if (m->parallel > MAX_PARALLEL || (strcmp(m->how, "none") && strcmp(m->how, "lo") && strcmp(m->how, "veth")))
		return MEASURE_USAGE;
	measure_leave_chroot();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return measure_error("a user and a network namespace");
	int base = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int limit = open(limit_path, O_WRONLY | O_CLOEXEC);
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (base < 0 || limit < 0 || netlink < 0)
		return measure_error(limit_path);
	int error = make_bridge(netlink);
	close(netlink);
	errno = -error;
	if (error < 0)
		return measure_error("a bridge");
	error = set_limit(limit, LIVE_LIMIT);
	if (error == 0)
		error = run_workers(m, base);
	/* one besides the first can be made only when all others are gone */
	if (error == 0)
		error = set_limit(limit, 2);
	if (error == 0)
		error = unshare_net();
	uint64_t row[3] = { 0, 0, now_ns() - m->begin };
	return error < 0 ? error : measure_put(row, 3);
}
