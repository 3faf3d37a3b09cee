/*
 * The keeper: a second process that holds duplicates of the listening sockets, so that no connection is refused while
 * a launcher that was killed is replaced. Each watches the other over a seqpacket socket whose end of file is a death:
 *
 *     keeper --table, END--> launcher          at a launcher's start
 *     launcher --PUT key fd / DROP key--> keeper   as sockets come and go
 *     launcher --QUIT--> keeper                the launcher is asked to end
 *
 * A keeper that lost its launcher starts a new one with its table; a launcher that lost its keeper starts a new keeper.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { KEY_ROOM = 256, MIN_LIFE_MS = 200, MAX_QUICK_DEATHS = 20 };

struct note {
	enum { NOTE_PUT, NOTE_DROP, NOTE_END, NOTE_QUIT } kind;
	char key[KEY_ROOM];
};

struct kept {
	struct list link;
	char key[KEY_ROOM];
	int fd;
};

static struct list table = { &table, &table };
static struct watch channel = { .fd = -1 };
static const char *control_path;
static int control_fd = -1;

static int send_note(int to, int kind, const char *key, int fd)
{
	struct note note = { 0 };
	note.kind = kind;
	snprintf(note.key, sizeof(note.key), "%s", key);
	return send_with_fd(to, &note, sizeof(note), fd);
}

/* False when the other side is gone. */
static bool receive_note(int from, struct note *note, int *fd)
{
	ssize_t n;
	do
		n = receive_with_fd(from, note, sizeof(*note), fd, 0);
	while (n < 0 && errno == EINTR);
	note->key[sizeof(note->key) - 1] = 0;
	return n == sizeof(*note);
}

static void table_drop(const char *key)
{
	list_each(it, &table) {
		struct kept *k = container_of(it, struct kept, link);
		if (strcmp(k->key, key))
			continue;
		close_fd(&k->fd);
		list_del(&k->link);
		free(k);
	}
}

static void table_put(const char *key, int fd)
{
	table_drop(key);
	struct kept *k = calloc(1, sizeof(*k));
	if (!k) {
		close(fd);
		return;
	}
	snprintf(k->key, sizeof(k->key), "%s", key);
	k->fd = fd;
	list_add(&table, &k->link);
}

/* Starts this program again in another part. Returns our end of the channel to it. */
static int start_other(const char *part)
{
	int ends[2];
	char number[16];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGCHLD, SIG_DFL);
		fcntl(ends[1], F_SETFD, 0);
		snprintf(number, sizeof(number), "%d", ends[1]);
		char *argv[] = { launcher_argv[0], (char *)(uintptr_t)part, (char *)(uintptr_t) "--socket",
				 (char *)(uintptr_t)control_path, (char *)(uintptr_t) "--channel", number, NULL };
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(ends[1]);
	return ends[0];
}

/* --- the keeper's side ------------------------------------------------------------------------------------------ */

static int replace_launcher(void)
{
	int to = start_other("serve");
	if (to < 0)
		return to;
	list_each(it, &table) {
		struct kept *k = container_of(it, struct kept, link);
		send_note(to, NOTE_PUT, k->key, k->fd);
	}
	send_note(to, NOTE_END, "", -1);
	return to;
}

static int keep(int from)
{
	unsigned quick_deaths = 0;
	uint64_t began = now_ns();
	for (;;) {
		struct note note;
		int fd;
		if (from >= 0 && receive_note(from, &note, &fd)) {
			if (note.kind == NOTE_QUIT)
				return 0;
			if (note.kind == NOTE_PUT && fd >= 0)
				table_put(note.key, fd);
			else
				close_fd(&fd);
			if (note.kind == NOTE_DROP)
				table_drop(note.key);
			continue;
		}
		close_fd(&from);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		quick_deaths = now_ns() - began < (uint64_t)MIN_LIFE_MS * 1000000 ? quick_deaths + 1 : 0;
		if (quick_deaths > MAX_QUICK_DEATHS) {
			log_line("keeper: the launcher dies at once, again and again; giving up");
			return 1;
		}
		began = now_ns();
		log_line("keeper: starting a launcher");
		from = replace_launcher();
	}
}

/* `keep`: with a channel from a launcher that lost its keeper, or with none at the very start. */
int keeper_run(const char *socket_path, int from, int control)
{
	control_path = socket_path;
	prctl(PR_SET_NAME, "thaw-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	/* What a dead launcher leaves becomes ours: reaped by the kernel, else its sandboxes would wait for it for ever. */
	signal(SIGCHLD, SIG_IGN);
	if (control >= 0)
		table_put("control", control);
	return keep(from);
}

/* --- the launcher's side ------------------------------------------------------------------------------------------- */

static void put_each(const char *key, int fd)
{
	send_note(channel.fd, NOTE_PUT, key, fd);
}

static void keeper_died(struct watch *w, uint32_t events)
{
	(void)events;
	watch_close(w);
	log_line("the keeper died; starting another");
	int to = start_other("keep");
	if (to < 0 || watch_add(&channel, to, EPOLLIN, keeper_died) < 0) {
		log_line("no keeper: %s", strerror(errno));
		close_fd(&to);
		return;
	}
	put_each("control", control_fd);
	gateway_each_socket(put_each);
}

/* Takes the table over. Returns the control socket or a negative errno. */
int keeper_connect(const char *socket_path, int from)
{
	struct note note;
	int fd;
	control_path = socket_path;
	while (receive_note(from, &note, &fd) && note.kind != NOTE_END) {
		if (!strcmp(note.key, "control"))
			control_fd = fd;
		else if (fd >= 0)
			gateway_adopt(note.key, fd);
	}
	int error = watch_add(&channel, from, EPOLLIN, keeper_died);
	return error < 0 ? error : control_fd;
}

void keeper_put(const char *key, int fd)
{
	if (channel.ready)
		send_note(channel.fd, NOTE_PUT, key, fd);
}

void keeper_drop(const char *key)
{
	if (channel.ready)
		send_note(channel.fd, NOTE_DROP, key, -1);
}

void keeper_quit(void)
{
	if (!channel.ready)
		return;
	send_note(channel.fd, NOTE_QUIT, "", -1);
	watch_close(&channel);
}
