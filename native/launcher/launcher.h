/*
 * What the launcher knows. It decides nothing: the daemon sends plans and the launcher performs them, keeps what the
 * kernel only tells the parent (exit statuses, output), and proxies connections into sandboxes.
 *
 *   client.c     control connections: frames in, replies and events out
 *   container.c  the records of containers and their life from `run` to `exited`
 *   plan.c       walks a plan: host operations here, `spawn` for the rest
 *   adopt.c      finds the process that a restore engine made
 *   cgroup.c     leaves: making, joining, removing, keeping for the next
 *   pool.c       sandboxes made ahead
 *   devices.c    what devices a v2 leaf may use
 *   oom.c        ends containers that are out of memory
 *   child.c      performs the child operations in the new process, up to exec
 *   root.c       those of them that build the root file system
 *   overlay.c    the root over an image's layers
 *   outside.c    between the sandbox's mounts and the host's
 *   spaces.c     those that make namespaces late; the view of the own cgroups
 *   clocks.c     the time namespace
 *   repair.c     connections after a dump
 *   engine.c     restore engines that are started ahead
 *   userns.c     user namespaces
 *   mapped.c     roots and binds whose ids are mapped for one
 *   options.c    those that a user's options ask for: binds, tmpfs, devices, sysctls
 *   tray.c       /proc, /sys and /dev, put together before there is one
 *   generation.c tells instances of one checkpoint apart
 *   confine.c    gives the process its seccomp filter
 *   filter.c     the program that makes such filters, filter-code.c its instructions
 *   stdio.c      pipes, terminals, the log, attached streams
 *   gateway.c    listeners
 *   wake.c       wake-ups, what is made ahead of them, idling
 *   proxy.c      the bytes of one connection
 *   net.c        netlink batches; ports that are only held
 *   restore.c    becomes a dumped process: checks its tables, starts the restorer (native/restorer)
 *   template.c   has memory templates clone processes
 *   cpu.c        says how this CPU lays out its state
 *   keeper.c     keeps listening sockets over the launcher's death
 */
#pragma once
#include "generated/protocol.h"
#include "loop.h"
#include "report.h"
#include "util.h"

#include <sys/resource.h>
#include <sys/types.h>

enum { MAX_CGROUPS = 12, MAX_PHASES = 16, ID_ROOM = LIMIT_ID_BYTES + 1 };

struct blob {
	uint8_t *p;
	uint32_t len;
};

/* What a container's standard streams are connected to. */
struct streams {
	enum stdio mode;
	int child[3];		/* ends for the child, -1 when not there; stdin, stdout, stderr */
	struct watch input;	/* the launcher's end of stdin */
	struct watch output[2]; /* of stdout and stderr; of a terminal [0] serves both ways */
	struct buf pending;	/* input that did not fit yet */
	bool input_closing;
	bool paused;
	int log_fd;
	struct list attached;
};

/* How far a plan has come. */
struct progress {
	struct blob plan;
	uint32_t at;	/* next operation's offset */
	uint32_t index; /* and its number */
	unsigned tries; /* of an operation that was busy */
};

/* A user namespace and what it owns, until the process that they are for is made. */
struct userns {
	int user;
	int owned[3]; /* namespaces */
	unsigned owned_count;
	uint64_t flags; /* of all of them */
	uint32_t first; /* the host's id of root inside */
};

struct container {
	struct list link;
	char id[ID_ROOM];
	enum container_state state;
	struct container *sandbox; /* whose namespaces `join` enters; itself unless an exec */
	struct progress plan;
	struct progress cleanup;
	bool cleaning;
	bool ahead;		  /* made for a sleeping listener; no connection has asked for it yet */
	struct listener *ahead_for; /* which one */
	bool held;		  /* and its process waits to go on */
	bool unwanted;		  /* and its route is no more */
	bool parking;		  /* `park` waits: a sandbox made ahead, of the shape below */
	char shape[ID_ROOM];
	bool host_only;		  /* only host operations: answered when done, then forgotten */
	struct client *reply_to;  /* for host_only */
	uint64_t reply_tag;
	struct listener *route;	  /* the listener that woke it */
	struct streams io;
	int cgroup_tasks[MAX_CGROUPS]; /* v1: tasks files, v2: one directory in cgroup_v2 */
	unsigned cgroup_count;
	int cgroup_v2;
	int ns_pidfd; /* of the process whose namespaces are the sandbox's */
	uint64_t ns_flags;
	int net_ns;
	struct userns userns;
	uint32_t next_pid; /* inside, of the next process made there; 0: any */
	int go_fd; /* what an engine that was started ahead waits for, and its pid */
	pid_t go_pid;
	int64_t clock_shift; /* how far the sandbox's CLOCK_MONOTONIC is ahead, ns */
	int *held_ports; /* bound, never read */
	unsigned held_count;
	pid_t holder;
	pid_t main;
	unsigned alive; /* processes of ours that are not reaped */
	struct process *awaited;
	struct process *early; /* a clone that waits until the awaited holder has made the sandbox */
	uint64_t t0;
	uint64_t started_real;
	uint64_t ended_real;
	struct phase_time phases[MAX_PHASES];
	unsigned phase_count;
	int32_t wait_status;
	uint32_t oom_kills;
	bool ended; /* its main process (or last helper) is gone */
	/* first failure */
	bool failed;
	uint32_t failed_op;
	uint16_t failed_code;
	int32_t failed_errno;
	int32_t failed_status;
	char detail[256];
	struct timer retry;
	struct oom *oom; /* watches its memory, with v1 and a limit */
};

/* A process that the launcher is the parent of. */
struct process {
	struct list link;
	pid_t pid;
	enum role role;
	enum wait wait;
	struct container *container;
	uint32_t op; /* index of its spawn */
	struct watch report;
	bool released; /* the plan no longer waits for it */
	uint64_t tag;  /* of what a memory template was asked, while its pid is not known */
	struct container *template;
	bool held_early;  /* it said that it waits */
	bool ready_early; /* or runs, before the template said which pid it has */
};

/* --- globals, set once in main.c ------------------------------------------------------------------------ */
struct host {
	int proc_fd;	    /* the host's /proc, so that no container's mount can stand in for it */
	int own_pid_ns;
	int own_net_ns;
	int last_pid_fd;    /* /proc/sys/kernel/ns_last_pid */
	int null_fd;
	int own_mnt_ns;
	int nursery_ns; /* mounts of every sandbox, to begin with: one empty root */
	int root_fd;
	const char *stage;  /* a directory that is covered by the root while it is built */
	bool sync;	    /* `run` and `loop`: no clients, failures are printed */
};
extern struct host host;

/* --- adopt.c ----------------------------------------------------------------------------------------------- */
int adopt(struct container *c, uint32_t inside, uint32_t index);

/* --- plan.c ------------------------------------------------------------------------------------------------ */
int plan_check(struct wire_bytes plan, bool *has_spawn);
int blob_copy(struct blob *out, struct wire_bytes from);
/* The code of the operation of that number in a container's plan. */
uint16_t plan_code(const struct container *c, uint32_t op);
/* The plan no longer depends on this process being watched. */
void process_release(struct process *p);
/* Takes its reports from this end of a socket pair. */
int process_listen(struct process *p, int fd);
/* Goes on until the plan ends (1), waits for a process (0), or fails (negative, recorded in the container). */
int plan_step(struct container *c, struct progress *progress);
/* The operation at `p->at`. False at the end. */
bool plan_peek(const struct progress *p, uint16_t *code, struct wire_reader *fields, uint32_t *next);

/* --- cgroup.c ---------------------------------------------------------------------------------------------- */
/* Both open the leaf for the container's children; `cgroup_make` takes a spare one when there is one. */
int cgroup_make(struct container *c, const char *path);
int cgroup_open(struct container *c, const char *path);
uint32_t cgroup_oom_kills(const char *path);
/* Lets the processes of a frozen v1 leaf go on. */
void cgroup_thaw(const struct container *c);
int cgroup_remove(const char *path, uint32_t *oom_kills);
int cgroup_spare(const char *path, uint32_t most, uint32_t *oom_kills);
void cgroup_drop_spares(void);

/* --- pool.c ------------------------------------------------------------------------------------------------ */
/* At a `pooled` operation: goes on in a parked sandbox of the shape, when there is one. */
void pool_take(struct container *c, struct progress *p, struct wire_reader *fields);
/* `c` waits to be taken now. */
void pool_parked(struct container *c);
int pool_prepare(struct wire_str id, struct wire_bytes plan, struct wire_bytes cleanup);
/* The part of `plan` from its first `pooled` to `park`, in place; nothing when it has none. */
struct wire_bytes pool_part(struct wire_bytes plan);

/* --- restore.c, template.c --------------------------------------------------------------------------------------- */
struct child;
/* Whether every number in a table file can be relied on by who executes it; -EBADMSG with `what` is wrong. */
int restore_check(const uint8_t *file, size_t len, uint32_t packs, const char **what);
int restore_open(struct child *child, const struct op_restore_open *op);
int restore_begin(struct child *child, const struct op_restore *op);
int template_clone(struct container *c, const struct op_restore_clone *op, uint32_t index, const char **what);
/* Lets a clone that was made early go on into the sandbox. */
void template_enter(struct container *c);
void template_cloned(struct process *template, const struct report *r);
void template_gone(struct container *template);

/* --- child.c, root.c, options.c ------------------------------------------------------------------------------------------- */
struct child {
	struct container *container;
	struct progress ops;
	uint32_t index;	 /* of the operation being performed */
	int report_fd;
	int root_fd;
	int tray_fd;
	struct {
		int fd;
		const char *target;
	} ahead[4]; /* mounts that wait for a root */
	unsigned ahead_count;
	uint64_t bounding; /* what its bounding set was cut down to; 0: nothing yet */
	int inside_ns; /* its own mounts, once it has left the host's */
	bool inside;   /* and whether it is there now */
	uint64_t t0;
	uint64_t own;	 /* CLONE_NEW* of the namespaces that are not the launcher's */
	enum wait wait;	 /* what the launcher waits for */
	bool said_ready;
	struct {
		int from;
		int to;
	} places[16];
	unsigned place_count;
	bool files_pending;
	struct rlimit files; /* of open files, set just before exec */
	bool caps_pending;
	uint64_t caps_permitted;
	uint64_t caps_ambient;
	int64_t clock_shift; /* of the time namespace this process is in, ns */
	struct wire_bytes filter; /* in the plan */
	uint32_t filter_flags;
	int tables_fd;
	int pack_fds[256];
	uint32_t pack_count;
	char detail[128];
};
void child_run(struct child *child) __attribute__((noreturn));
int child_fail(struct child *child, int error, const char *what);
int child_place(struct child *child, int from, int to);
/* Closes all descriptors but those of `keep`, which is sorted; negative ones are none. */
int close_others(int *keep, size_t count);
/* Refuses what would change a namespace (CLONE_NEW*) of the launcher's and so of the host. */
int child_owns(struct child *child, uint64_t space);
int child_send(struct child *child, const struct report *r, int fd);
int root_perform(struct child *child, uint16_t code, struct wire_reader *fields);
int root_pivot(struct child *child);
/* Makes a mount the root of what follows. */
int root_stage(struct child *child, int mount_fd);
int root_stage_path(struct child *child, const char *path);
int root_mount_at(int directory, const char *fstype, uint64_t flags, const char *options);
int root_overlay(struct child *child, const struct op_root_overlay *op);
int root_attach(struct child *child, int tree, const char *target, bool directory);
/* Opens a path inside a root, never through a link out of it. */
int open_inside(int root, const char *path, uint64_t flags);
/* The directory that holds the last name of `path`, made when missing, and that name (NAME_MAX + 1 bytes). */
int open_parent(int root, const char *path, char *name);
/* Opens a mount point inside a root, making it when missing. */
int open_target(int root, const char *path, bool directory);
int options_perform(struct child *child, uint16_t code, struct wire_reader *fields);
int tray_make(struct child *child);
int tray_move(struct child *child, const char *path);
int mount_ahead(struct child *child, const struct op_mount_ahead *op);
int generation_write(struct child *child, const struct op_generation *op);
int child_park(struct child *child);
int tty_open(struct child *child);

/* --- outside.c --------------------------------------------------------------------------------------------- */
int outside_init(void);
/* To the root of our mount namespace, and back to the one we were started in: they differ in a chroot. */
int outside_leave_chroot(void);
int outside_enter_chroot(void);
int outside_leave(struct child *child);
/* The host's files can be opened, and nothing attached, until `outside_return`. */
int outside_look(struct child *child);
/* A private copy of the host's mounts, in which can be attached. */
int outside_copy(struct child *child);
int outside_return(struct child *child);
/* A detached copy of the mounts at a path of the host's. */
int outside_tree(struct child *child, const char *path, bool recursive);
/* A new tmpfs, detached. `options` end with NULL, `attributes` are MOUNT_ATTR_*. */
int tmpfs_mount(const char *const (*options)[2], unsigned attributes);

/* --- spaces.c, clocks.c, repair.c, userns.c, mapped.c ----------------------------------------------------------------------------------------- */
int spaces_perform(struct child *child, uint16_t code, struct wire_reader *fields);
/* True when `flags` are namespaces and nothing else that clone or unshare takes. */
bool spaces_only(uint64_t flags);
/* What the child operations at `at` change about the namespaces of the process that performs them. */
void spaces_of_plan(struct container *c, const struct progress *at);
int spaces_join(struct child *child);
/* How far CLOCK_MONOTONIC is ahead, ns. */
int64_t clocks_shift(const struct op_time_offsets *op);
int repair_end(struct child *child, const struct op_repair_end *op);
int clocks_join(struct child *child, pid_t main);
int clocks_perform(struct child *child, uint16_t code, struct wire_reader *fields);
void userns_init(struct userns *u);
void userns_close(struct userns *u);
int userns_make(struct container *c, const struct op_user_make *op);
int userns_spaces(struct child *child);
int userns_enter(struct child *child);
int userns_act(struct child *child, bool as_root_inside);
/* Root of the user namespace that this process has entered. */
int userns_become_root(void);
/* Maps the ids of a detached mount when the container has a user namespace. */
int userns_map_mount(struct child *child, int mount_fd, bool recursive, const char *what);
int userns_overlay(struct child *child, const struct op_root_overlay *op);
/* --- filter.c, confine.c -------------------------------------------------------------------------------------------- */
int filter_main(void);
int cpu_main(void);
int filter_take(struct child *child, const struct op_seccomp *op);
/* The capability that the process needs for the filter and the program may not keep, as a bit. */
uint64_t filter_capability(const struct child *child);
int filter_install(struct child *child);

/* --- engine.c ----------------------------------------------------------------------------------------------- */
int engine_limits(struct child *child, const struct op_limits_library *op);
int engine_await(struct child *child, const struct op_await_go *op);
void engine_awaits(struct process *p, int fd);
/* Lets it go on, as the process that the plan waits for. */
int engine_go(struct container *c);

/* --- container.c ----------------------------------------------------------------------------------------------- */
void containers_init(void);
/* Ends all, also what is only about to be made. To be repeated until none is alive. */
void containers_end(void);
struct container *container_find(const char *id);
struct list *container_all(void);
struct container *container_new(struct wire_str id, int *error);
int container_begin(struct container *c, struct wire_bytes plan, struct wire_bytes cleanup);
void container_advance(struct container *c);
/* Goes on with its plan a little later, some times: a process that was just made keeps a port that is free otherwise,
 * because it has copies of the launcher's descriptors until it closes them. False when it was often enough. */
bool container_try_again(struct container *c);
void container_phase(struct container *c, uint8_t phase, uint64_t ns);
void container_fail(struct container *c, uint32_t op, uint16_t code, int error, int status, const char *detail);
void container_kill(struct container *c);
/* Tidies up after a container when nothing of it is left to wait for. */
void container_settle(struct container *c);
/* The same for one that may be frozen. */
void container_end(struct container *c);
void container_free(struct container *c);
int container_signal(struct container *c, int signo);
struct process *process_add(struct container *c, pid_t pid, enum role role, enum wait wait, uint32_t op);
/* One that a memory template is to make; `process_known` when it has. */
struct process *process_expect(struct container *c, uint32_t op);
void process_known(struct process *p, pid_t pid);
void process_never(struct process *p);
struct list *process_expected(void);
struct process *process_find(pid_t pid);
void process_change_hands(struct container *from, struct container *to);
void process_drain(struct process *p);
void reap_children(void);
bool container_lives(const struct container *c); /* processes of it may run */
size_t containers_alive(void);
bool containers_let_go(void); /* ends what only waits to be taken; false when anything else lives */
/* Called when nothing of a container is left; set by serve, run and loop. */
extern void (*container_gone)(struct container *c);
extern void (*container_up)(struct container *c);

/* --- devices.c ------------------------------------------------------------------------------------------------------ */
int device_filter(const char *path, struct wire_bytes program);

/* --- oom.c ---------------------------------------------------------------------------------------------------------- */
int oom_watch(struct container *c, const char *path);
void oom_close(struct container *c);

/* --- stdio.c ------------------------------------------------------------------------------------------------------ */
int stdio_open(struct streams *io, uint8_t mode, struct wire_str log);
void stdio_init(struct streams *io);
int stdio_terminal(struct streams *io, int master);
void stdio_started(struct streams *io);
void stdio_drain(struct streams *io);
void stdio_close(struct streams *io);
int stdio_resize(struct streams *io, uint16_t rows, uint16_t cols);
void attach_to(struct streams *io, int fd, uint8_t streams);
void attach_later(const char *id, int fd, uint8_t streams);
void attach_pending(struct container *c);

/* --- client.c ------------------------------------------------------------------------------------------------------ */
int clients_listen(int fd);
/* Ends everything and then the launcher; nothing is begun from here on. -EBUSY when containers run, and not `force`. */
int launcher_shut_down(bool force);
extern bool launcher_ending;
void client_reply(struct client *cl, uint64_t tag, int error, const char *message, uint64_t value);
void event_started(struct container *c);
void event_failed(struct container *c);
void event_exited(struct container *c);
void event_listener(const char *id, uint8_t state);
void event_parked(struct container *c);
void event_taken(struct container *entry, struct container *by);
void event_woke(const char *id, uint8_t result, bool ahead, uint32_t waiting, struct wire_phases phases, const char *detail);
void events_hush(void);
void events_tell(struct timer *t);
void event_held(const char *id, uint8_t ok, const char *detail);
bool client_alive(const struct client *cl);

/* --- gateway.c ----------------------------------------------------------------------------------------------------- */
int gateway_listen(const struct msg_listen *m);
int gateway_adopt(const char *key, int fd);
int gateway_route(const struct msg_route *m);
int gateway_unroute(const char *id);
int gateway_unlisten(const char *id);
int gateway_sleep(const char *id, bool force);
void gateway_stop(void);
/* A restored process waits before it runs on. */
void wake_held(struct container *c);
void held_go_on(struct container *c);
void gateway_container_up(struct container *c);
void gateway_container_gone(struct container *c);
void gateway_each(void (*fn)(void *ctx, const struct msg_listener *m), void *ctx);
void gateway_each_socket(void (*fn)(const char *key, int fd));

/* --- proxy.c ------------------------------------------------------------------------------------------------------- */
struct proxy_owner {
	unsigned connections;
	void (*changed)(struct proxy_owner *o);	   /* a connection closed */
	void (*first_byte)(struct proxy_owner *o); /* the answer to `watch_first` passed */
	bool watch_first;
	struct list all;
};
/* Joins two connected sockets; both are closed when done. */
int proxy_join(struct proxy_owner *owner, int client, int upstream, bool connecting);
/* Writes `text`, then discards what the client sends until it closes. */
void proxy_refuse(struct proxy_owner *owner, int client, struct blob text);
void proxy_close_all(struct proxy_owner *owner);

/* --- net.c --------------------------------------------------------------------------------------------------------- */
int net_perform(struct container *c, uint16_t code, struct wire_reader *fields, const char **what);
int net_inside(struct child *child, struct wire_reader *fields);
void net_release(struct container *c);

/* --- keeper.c ------------------------------------------------------------------------------------------------------ */
int keeper_run(const char *socket_path, int from, int control);
int keeper_connect(const char *socket_path, int from);
void keeper_put(const char *key, int fd);
void keeper_drop(const char *key);
void keeper_quit(void);
extern char **launcher_argv;
