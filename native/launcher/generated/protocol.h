/* Generated from protocol/launcher.yaml by protocol/generate.ts. Do not edit. */

#pragma once

#include "../wire.h"

enum {
	PROTOCOL_VERSION = 1,
	LIMIT_FRAME_BYTES = 1048576,
	LIMIT_PLAN_OPS = 512,
	LIMIT_STR_BYTES = 131072,
	LIMIT_LIST_ITEMS = 4096,
	LIMIT_ID_BYTES = 64,
};

enum wait {
	WAIT_NONE = 0,
	WAIT_READY = 1,
	WAIT_EXEC = 2,
	WAIT_SUCCESS = 3,
};

enum role {
	ROLE_HOLDER = 0,
	ROLE_MAIN = 1,
	ROLE_HELPER = 2,
};

enum stdio {
	STDIO_NONE = 0,
	STDIO_PIPES = 1,
	STDIO_PIPES_STDIN = 2,
	STDIO_TTY = 3,
};

enum container_state {
	CONTAINER_STATE_STARTING = 0,
	CONTAINER_STATE_RUNNING = 1,
	CONTAINER_STATE_STOPPING = 2,
	CONTAINER_STATE_EXITED = 3,
	CONTAINER_STATE_FAILED = 4,
	CONTAINER_STATE_PARKED = 5,
};

enum listener_state {
	LISTENER_STATE_UNROUTED = 0,
	LISTENER_STATE_ASLEEP = 1,
	LISTENER_STATE_WAKING = 2,
	LISTENER_STATE_AWAKE = 3,
	LISTENER_STATE_STOPPING = 4,
};

enum phase {
	PHASE_SANDBOX = 0,
	PHASE_EXEC = 1,
	PHASE_RESTORED = 2,
	PHASE_CONNECTED = 3,
	PHASE_FIRST_BYTE = 4,
	PHASE_ENGINE = 5,
};

enum net_place {
	NET_PLACE_OWN = 0,
	NET_PLACE_LAUNCHER = 1,
	NET_PLACE_SANDBOX = 2,
};

enum wake_result {
	WAKE_RESULT_RESTORED = 0,
	WAKE_RESULT_FALLBACK = 1,
	WAKE_RESULT_FAILED = 2,
	WAKE_RESULT_SECOND = 3,
};

enum {
	MSG_HELLO = 1,
	MSG_RUN = 2,
	MSG_SIGNAL = 3,
	MSG_KILL = 4,
	MSG_LIST = 5,
	MSG_FORGET = 6,
	MSG_ATTACH = 7,
	MSG_RESIZE = 8,
	MSG_LISTEN = 9,
	MSG_UNLISTEN = 10,
	MSG_ROUTE = 11,
	MSG_UNROUTE = 12,
	MSG_SLEEP = 13,
	MSG_PREPARE = 15,
	MSG_SHUTDOWN = 14,
	MSG_OK = 64,
	MSG_ERROR = 65,
	MSG_CONTAINER = 66,
	MSG_LISTENER = 67,
	MSG_STARTED = 96,
	MSG_FAILED = 97,
	MSG_EXITED = 98,
	MSG_LISTENER_CHANGED = 99,
	MSG_WOKE = 100,
	MSG_HELD = 103,
	MSG_PARKED = 101,
	MSG_TAKEN = 102,
};

enum {
	OP_CGROUP_MAKE = 1,
	OP_CGROUP_OPEN = 2,
	OP_CGROUP_SET = 3,
	OP_CGROUP_REMOVE = 4,
	OP_MAKE_DIR = 5,
	OP_REMOVE_TREE = 6,
	OP_GATHER = 46,
	OP_DEVICE_FILTER = 26,
	OP_OOM_WATCH = 25,
	OP_SPAWN = 7,
	OP_ADOPT = 8,
	OP_USER_MAKE = 20,
	OP_POOLED = 35,
	OP_CGROUP_SPARE = 36,
	OP_NETLINK = 16,
	OP_PORT_HOLD = 17,
	OP_NEXT_PID = 51,
	OP_RESTORE_CLONE = 50,
	OP_MOUNTS_PRIVATE = 64,
	OP_ROOT_OVERLAY = 65,
	OP_ROOT_BIND = 66,
	OP_BIND = 67,
	OP_MOUNT = 68,
	OP_MAKE_NODE = 69,
	OP_MAKE_LINK = 70,
	OP_MAKE_ROOT_DIR = 71,
	OP_MASK = 72,
	OP_MAKE_READONLY = 73,
	OP_WRITE_FILE = 74,
	OP_PIVOT = 75,
	OP_HOSTNAME = 76,
	OP_LOOPBACK_UP = 77,
	OP_CGROUP_JOIN = 78,
	OP_JOIN = 79,
	OP_STDIO_AT = 80,
	OP_OPEN_AT = 81,
	OP_OUTPUT_TO = 82,
	OP_RLIMIT = 83,
	OP_OOM_SCORE = 84,
	OP_USER = 85,
	OP_CAPABILITIES = 86,
	OP_NO_NEW_PRIVS = 87,
	OP_SECCOMP = 88,
	OP_WORKING_DIR = 89,
	OP_SESSION = 90,
	OP_MARK = 91,
	OP_READY = 92,
	OP_HOLD = 93,
	OP_EXEC = 94,
	OP_EXIT = 95,
	OP_LAST_PID = 96,
	OP_UMASK = 97,
	OP_DIE_WITH_PARENT = 98,
	OP_UNSHARE = 105,
	OP_TIME_OFFSETS = 106,
	OP_CLOCK_FROM = 126,
	OP_USER_SPACES = 107,
	OP_USER_ENTER = 108,
	OP_CGROUP_VIEW = 109,
	OP_ROOT_READONLY = 110,
	OP_ATTACH_TREE = 112,
	OP_TMPFS = 113,
	OP_DEVICE_NODE = 114,
	OP_DOMAINNAME = 115,
	OP_SYSCTL = 116,
	OP_KEEP_FILE = 117,
	OP_PARK = 120,
	OP_TRAY = 121,
	OP_FROM_TRAY = 122,
	OP_NETLINK_INSIDE = 100,
	OP_EMPTY_MOUNTS = 123,
	OP_MOUNT_AHEAD = 124,
	OP_BOUNDING = 125,
	OP_RESTORE_OPEN = 150,
	OP_RESTORE = 151,
	OP_GENERATION = 140,
	OP_REPAIR_END = 130,
	OP_LIMITS_LIBRARY = 132,
	OP_AWAIT_GO = 131,
};

static inline bool op_is_host(uint16_t code)
{
	return code < 64;
}

struct msg_hello {
	uint32_t version;
};

struct msg_run {
	struct wire_str id;
	struct wire_str sandbox;
	uint8_t stdio;
	struct wire_str log;
	struct wire_bytes plan;
	struct wire_bytes cleanup;
};

struct msg_signal {
	struct wire_str id;
	uint32_t signo;
};

struct msg_kill {
	struct wire_str id;
};

struct msg_list {
	char empty;
};

struct msg_forget {
	struct wire_str id;
};

struct msg_attach {
	struct wire_str id;
	uint8_t streams;
};

struct msg_resize {
	struct wire_str id;
	uint16_t rows;
	uint16_t cols;
};

struct msg_listen {
	struct wire_str id;
	struct wire_str address;
	uint16_t port;
	struct wire_str path;
	uint32_t backlog;
};

struct msg_unlisten {
	struct wire_str id;
};

struct msg_route {
	struct wire_str id;
	struct wire_str target;
	uint16_t port;
	uint32_t idle_ms;
	uint32_t wake_ms;
	uint32_t ready_ms;
	uint8_t stdio;
	struct wire_str log;
	uint8_t ahead;
	struct wire_bytes wake;
	struct wire_bytes second;
	struct wire_bytes fallback;
	struct wire_bytes cleanup;
	struct wire_bytes refusal;
};

struct msg_unroute {
	struct wire_str id;
};

struct msg_sleep {
	struct wire_str id;
	uint8_t force;
};

struct msg_prepare {
	struct wire_str id;
	struct wire_bytes plan;
	struct wire_bytes cleanup;
};

struct msg_shutdown {
	uint8_t force;
};

struct msg_ok {
	uint64_t value;
};

struct msg_error {
	int32_t errno;
	struct wire_str message;
};

struct msg_container {
	struct wire_str id;
	uint8_t state;
	int32_t pid;
	int32_t wait_status;
	uint32_t oom_kills;
	uint64_t started_ns;
	uint64_t ended_ns;
};

struct msg_listener {
	struct wire_str id;
	struct wire_str target;
	uint8_t state;
	uint64_t wakes;
	uint32_t connections;
};

struct msg_started {
	struct wire_str id;
	int32_t pid;
	uint64_t at_ns;
	struct wire_phases phases;
};

struct msg_failed {
	struct wire_str id;
	uint32_t op;
	uint16_t code;
	int32_t errno;
	int32_t exit_status;
	struct wire_str detail;
};

struct msg_exited {
	struct wire_str id;
	int32_t wait_status;
	uint32_t oom_kills;
	uint64_t at_ns;
};

struct msg_listener_changed {
	struct wire_str id;
	uint8_t state;
};

struct msg_woke {
	struct wire_str id;
	uint8_t result;
	uint8_t ahead;
	uint32_t waiting;
	struct wire_phases phases;
	struct wire_str detail;
};

struct msg_held {
	struct wire_str id;
	uint8_t ok;
	struct wire_str detail;
};

struct msg_parked {
	struct wire_str id;
	struct wire_str shape;
};

struct msg_taken {
	struct wire_str id;
	struct wire_str by;
};

struct op_cgroup_make {
	struct wire_str path;
};

struct op_cgroup_open {
	struct wire_str path;
};

struct op_cgroup_set {
	struct wire_str path;
	struct wire_str value;
};

struct op_cgroup_remove {
	struct wire_str path;
};

struct op_make_dir {
	struct wire_str path;
	uint32_t mode;
};

struct op_remove_tree {
	struct wire_str path;
};

struct op_gather {
	struct wire_str checkpoint;
	struct wire_str target;
};

struct op_device_filter {
	struct wire_str path;
	struct wire_bytes program;
};

struct op_oom_watch {
	struct wire_str path;
};

struct op_spawn {
	uint8_t role;
	uint8_t wait;
	uint64_t namespaces;
	uint8_t join;
};

struct op_adopt {
	uint32_t pid_inside;
};

struct op_user_make {
	uint32_t first;
	uint32_t count;
	uint64_t namespaces;
};

struct op_pooled {
	struct wire_str shape;
};

struct op_cgroup_spare {
	struct wire_str path;
	uint32_t most;
};

struct op_netlink {
	uint32_t family;
	uint32_t ignore;
	struct wire_bytes batch;
};

struct op_port_hold {
	uint8_t protocol;
	struct wire_str address;
	uint16_t port;
};

struct op_next_pid {
	uint32_t pid;
};

struct op_restore_clone {
	struct wire_str template;
	uint8_t hold;
	uint32_t fail_at;
};

struct op_mounts_private {
	char empty;
};

struct op_root_overlay {
	struct wire_strs lowers;
	struct wire_str upper;
	struct wire_str work;
};

struct op_root_bind {
	struct wire_str path;
	uint8_t readonly;
};

struct op_bind {
	struct wire_str source;
	struct wire_str target;
	uint8_t readonly;
	uint8_t recursive;
};

struct op_mount {
	struct wire_str fstype;
	struct wire_str target;
	uint64_t flags;
	struct wire_str options;
};

struct op_make_node {
	struct wire_str path;
	uint32_t mode;
	uint32_t major;
	uint32_t minor;
};

struct op_make_link {
	struct wire_str path;
	struct wire_str text;
};

struct op_make_root_dir {
	struct wire_str path;
	uint32_t mode;
};

struct op_mask {
	struct wire_str path;
};

struct op_make_readonly {
	struct wire_str path;
};

struct op_write_file {
	struct wire_str path;
	struct wire_bytes data;
	uint32_t mode;
};

struct op_pivot {
	char empty;
};

struct op_hostname {
	struct wire_str name;
};

struct op_loopback_up {
	char empty;
};

struct op_cgroup_join {
	char empty;
};

struct op_join {
	char empty;
};

struct op_stdio_at {
	uint32_t stdin;
	uint32_t stdout;
	uint32_t stderr;
};

struct op_open_at {
	struct wire_str path;
	uint32_t fd;
	uint32_t flags;
};

struct op_output_to {
	struct wire_str path;
};

struct op_rlimit {
	uint32_t resource;
	uint64_t soft;
	uint64_t hard;
};

struct op_oom_score {
	int32_t adj;
};

struct op_user {
	uint32_t uid;
	uint32_t gid;
	struct wire_strs groups;
};

struct op_capabilities {
	uint64_t bounding;
	uint64_t permitted;
	uint64_t ambient;
};

struct op_no_new_privs {
	char empty;
};

struct op_seccomp {
	uint32_t flags;
	struct wire_bytes filter;
};

struct op_working_dir {
	struct wire_str path;
	uint8_t create;
};

struct op_session {
	char empty;
};

struct op_mark {
	uint8_t phase;
};

struct op_ready {
	char empty;
};

struct op_hold {
	char empty;
};

struct op_exec {
	struct wire_str path;
	struct wire_strs argv;
	struct wire_strs env;
};

struct op_exit {
	uint8_t status;
};

struct op_last_pid {
	uint32_t pid;
};

struct op_umask {
	uint32_t mask;
};

struct op_die_with_parent {
	char empty;
};

struct op_unshare {
	uint64_t namespaces;
};

struct op_time_offsets {
	int32_t monotonic_s;
	uint32_t monotonic_ns;
	int32_t boottime_s;
	uint32_t boottime_ns;
};

struct op_clock_from {
	uint64_t monotonic_ns;
	uint64_t boottime_ns;
};

struct op_user_spaces {
	char empty;
};

struct op_user_enter {
	char empty;
};

struct op_cgroup_view {
	struct wire_str target;
	struct wire_strs names;
	struct wire_strs paths;
	struct wire_strs links;
};

struct op_root_readonly {
	char empty;
};

struct op_attach_tree {
	struct wire_str source;
	struct wire_str target;
	uint64_t attributes;
	uint64_t propagation;
};

struct op_tmpfs {
	struct wire_str target;
	uint64_t flags;
	struct wire_str options;
};

struct op_device_node {
	struct wire_str path;
	uint32_t mode;
	uint32_t major;
	uint32_t minor;
	uint32_t uid;
	uint32_t gid;
};

struct op_domainname {
	struct wire_str name;
};

struct op_sysctl {
	struct wire_str path;
	struct wire_str value;
};

struct op_keep_file {
	struct wire_str source;
	struct wire_str target;
};

struct op_park {
	char empty;
};

struct op_tray {
	char empty;
};

struct op_from_tray {
	struct wire_str path;
};

struct op_netlink_inside {
	uint32_t family;
	uint8_t place;
	uint32_t patch;
	uint32_t ignore;
	struct wire_bytes batch;
};

struct op_empty_mounts {
	char empty;
};

struct op_mount_ahead {
	struct wire_str fstype;
	struct wire_str target;
	uint64_t attributes;
};

struct op_bounding {
	uint64_t keep;
};

struct op_restore_open {
	struct wire_str tables;
	struct wire_strs packs;
};

struct op_restore {
	uint8_t as_template;
	uint32_t fail_at;
};

struct op_generation {
	struct wire_str target;
};

struct op_repair_end {
	struct wire_strs pids;
};

struct op_limits_library {
	uint32_t fd;
};

struct op_await_go {
	uint32_t fd;
};

static inline bool msg_decode_hello(struct wire_reader *r, struct msg_hello *out)
{
	out->version = wire_get_u32(r);
	return wire_end(r);
}

static inline bool msg_decode_run(struct wire_reader *r, struct msg_run *out)
{
	out->id = wire_get_str(r);
	out->sandbox = wire_get_str(r);
	out->stdio = wire_get_u8(r);
	out->log = wire_get_str(r);
	out->plan = wire_get_bytes(r);
	out->cleanup = wire_get_bytes(r);
	return wire_end(r);
}

static inline bool msg_decode_signal(struct wire_reader *r, struct msg_signal *out)
{
	out->id = wire_get_str(r);
	out->signo = wire_get_u32(r);
	return wire_end(r);
}

static inline bool msg_decode_kill(struct wire_reader *r, struct msg_kill *out)
{
	out->id = wire_get_str(r);
	return wire_end(r);
}

static inline bool msg_decode_list(struct wire_reader *r, struct msg_list *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool msg_decode_forget(struct wire_reader *r, struct msg_forget *out)
{
	out->id = wire_get_str(r);
	return wire_end(r);
}

static inline bool msg_decode_attach(struct wire_reader *r, struct msg_attach *out)
{
	out->id = wire_get_str(r);
	out->streams = wire_get_u8(r);
	return wire_end(r);
}

static inline bool msg_decode_resize(struct wire_reader *r, struct msg_resize *out)
{
	out->id = wire_get_str(r);
	out->rows = wire_get_u16(r);
	out->cols = wire_get_u16(r);
	return wire_end(r);
}

static inline bool msg_decode_listen(struct wire_reader *r, struct msg_listen *out)
{
	out->id = wire_get_str(r);
	out->address = wire_get_str(r);
	out->port = wire_get_u16(r);
	out->path = wire_get_str(r);
	out->backlog = wire_get_u32(r);
	return wire_end(r);
}

static inline bool msg_decode_unlisten(struct wire_reader *r, struct msg_unlisten *out)
{
	out->id = wire_get_str(r);
	return wire_end(r);
}

static inline bool msg_decode_route(struct wire_reader *r, struct msg_route *out)
{
	out->id = wire_get_str(r);
	out->target = wire_get_str(r);
	out->port = wire_get_u16(r);
	out->idle_ms = wire_get_u32(r);
	out->wake_ms = wire_get_u32(r);
	out->ready_ms = wire_get_u32(r);
	out->stdio = wire_get_u8(r);
	out->log = wire_get_str(r);
	out->ahead = wire_get_u8(r);
	out->wake = wire_get_bytes(r);
	out->second = wire_get_bytes(r);
	out->fallback = wire_get_bytes(r);
	out->cleanup = wire_get_bytes(r);
	out->refusal = wire_get_bytes(r);
	return wire_end(r);
}

static inline bool msg_decode_unroute(struct wire_reader *r, struct msg_unroute *out)
{
	out->id = wire_get_str(r);
	return wire_end(r);
}

static inline bool msg_decode_sleep(struct wire_reader *r, struct msg_sleep *out)
{
	out->id = wire_get_str(r);
	out->force = wire_get_u8(r);
	return wire_end(r);
}

static inline bool msg_decode_prepare(struct wire_reader *r, struct msg_prepare *out)
{
	out->id = wire_get_str(r);
	out->plan = wire_get_bytes(r);
	out->cleanup = wire_get_bytes(r);
	return wire_end(r);
}

static inline bool msg_decode_shutdown(struct wire_reader *r, struct msg_shutdown *out)
{
	out->force = wire_get_u8(r);
	return wire_end(r);
}

static inline bool msg_encode_ok(struct wire_writer *w, uint64_t tag, const struct msg_ok *in)
{
	wire_begin(w, MSG_OK, tag);
	wire_put_u64(w, in->value);
	return wire_finish(w);
}

static inline bool msg_encode_error(struct wire_writer *w, uint64_t tag, const struct msg_error *in)
{
	wire_begin(w, MSG_ERROR, tag);
	wire_put_i32(w, in->errno);
	wire_put_str(w, in->message);
	return wire_finish(w);
}

static inline bool msg_encode_container(struct wire_writer *w, uint64_t tag, const struct msg_container *in)
{
	wire_begin(w, MSG_CONTAINER, tag);
	wire_put_str(w, in->id);
	wire_put_u8(w, in->state);
	wire_put_i32(w, in->pid);
	wire_put_i32(w, in->wait_status);
	wire_put_u32(w, in->oom_kills);
	wire_put_u64(w, in->started_ns);
	wire_put_u64(w, in->ended_ns);
	return wire_finish(w);
}

static inline bool msg_encode_listener(struct wire_writer *w, uint64_t tag, const struct msg_listener *in)
{
	wire_begin(w, MSG_LISTENER, tag);
	wire_put_str(w, in->id);
	wire_put_str(w, in->target);
	wire_put_u8(w, in->state);
	wire_put_u64(w, in->wakes);
	wire_put_u32(w, in->connections);
	return wire_finish(w);
}

static inline bool msg_encode_started(struct wire_writer *w, uint64_t tag, const struct msg_started *in)
{
	wire_begin(w, MSG_STARTED, tag);
	wire_put_str(w, in->id);
	wire_put_i32(w, in->pid);
	wire_put_u64(w, in->at_ns);
	wire_put_phases(w, in->phases);
	return wire_finish(w);
}

static inline bool msg_encode_failed(struct wire_writer *w, uint64_t tag, const struct msg_failed *in)
{
	wire_begin(w, MSG_FAILED, tag);
	wire_put_str(w, in->id);
	wire_put_u32(w, in->op);
	wire_put_u16(w, in->code);
	wire_put_i32(w, in->errno);
	wire_put_i32(w, in->exit_status);
	wire_put_str(w, in->detail);
	return wire_finish(w);
}

static inline bool msg_encode_exited(struct wire_writer *w, uint64_t tag, const struct msg_exited *in)
{
	wire_begin(w, MSG_EXITED, tag);
	wire_put_str(w, in->id);
	wire_put_i32(w, in->wait_status);
	wire_put_u32(w, in->oom_kills);
	wire_put_u64(w, in->at_ns);
	return wire_finish(w);
}

static inline bool msg_encode_listener_changed(struct wire_writer *w, uint64_t tag, const struct msg_listener_changed *in)
{
	wire_begin(w, MSG_LISTENER_CHANGED, tag);
	wire_put_str(w, in->id);
	wire_put_u8(w, in->state);
	return wire_finish(w);
}

static inline bool msg_encode_woke(struct wire_writer *w, uint64_t tag, const struct msg_woke *in)
{
	wire_begin(w, MSG_WOKE, tag);
	wire_put_str(w, in->id);
	wire_put_u8(w, in->result);
	wire_put_u8(w, in->ahead);
	wire_put_u32(w, in->waiting);
	wire_put_phases(w, in->phases);
	wire_put_str(w, in->detail);
	return wire_finish(w);
}

static inline bool msg_encode_held(struct wire_writer *w, uint64_t tag, const struct msg_held *in)
{
	wire_begin(w, MSG_HELD, tag);
	wire_put_str(w, in->id);
	wire_put_u8(w, in->ok);
	wire_put_str(w, in->detail);
	return wire_finish(w);
}

static inline bool msg_encode_parked(struct wire_writer *w, uint64_t tag, const struct msg_parked *in)
{
	wire_begin(w, MSG_PARKED, tag);
	wire_put_str(w, in->id);
	wire_put_str(w, in->shape);
	return wire_finish(w);
}

static inline bool msg_encode_taken(struct wire_writer *w, uint64_t tag, const struct msg_taken *in)
{
	wire_begin(w, MSG_TAKEN, tag);
	wire_put_str(w, in->id);
	wire_put_str(w, in->by);
	return wire_finish(w);
}

static inline bool op_decode_cgroup_make(struct wire_reader *r, struct op_cgroup_make *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_cgroup_open(struct wire_reader *r, struct op_cgroup_open *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_cgroup_set(struct wire_reader *r, struct op_cgroup_set *out)
{
	out->path = wire_get_str(r);
	out->value = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_cgroup_remove(struct wire_reader *r, struct op_cgroup_remove *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_make_dir(struct wire_reader *r, struct op_make_dir *out)
{
	out->path = wire_get_str(r);
	out->mode = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_remove_tree(struct wire_reader *r, struct op_remove_tree *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_gather(struct wire_reader *r, struct op_gather *out)
{
	out->checkpoint = wire_get_str(r);
	out->target = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_device_filter(struct wire_reader *r, struct op_device_filter *out)
{
	out->path = wire_get_str(r);
	out->program = wire_get_bytes(r);
	return wire_end(r);
}

static inline bool op_decode_oom_watch(struct wire_reader *r, struct op_oom_watch *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_spawn(struct wire_reader *r, struct op_spawn *out)
{
	out->role = wire_get_u8(r);
	out->wait = wire_get_u8(r);
	out->namespaces = wire_get_u64(r);
	out->join = wire_get_u8(r);
	return wire_end(r);
}

static inline bool op_decode_adopt(struct wire_reader *r, struct op_adopt *out)
{
	out->pid_inside = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_user_make(struct wire_reader *r, struct op_user_make *out)
{
	out->first = wire_get_u32(r);
	out->count = wire_get_u32(r);
	out->namespaces = wire_get_u64(r);
	return wire_end(r);
}

static inline bool op_decode_pooled(struct wire_reader *r, struct op_pooled *out)
{
	out->shape = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_cgroup_spare(struct wire_reader *r, struct op_cgroup_spare *out)
{
	out->path = wire_get_str(r);
	out->most = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_netlink(struct wire_reader *r, struct op_netlink *out)
{
	out->family = wire_get_u32(r);
	out->ignore = wire_get_u32(r);
	out->batch = wire_get_bytes(r);
	return wire_end(r);
}

static inline bool op_decode_port_hold(struct wire_reader *r, struct op_port_hold *out)
{
	out->protocol = wire_get_u8(r);
	out->address = wire_get_str(r);
	out->port = wire_get_u16(r);
	return wire_end(r);
}

static inline bool op_decode_next_pid(struct wire_reader *r, struct op_next_pid *out)
{
	out->pid = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_restore_clone(struct wire_reader *r, struct op_restore_clone *out)
{
	out->template = wire_get_str(r);
	out->hold = wire_get_u8(r);
	out->fail_at = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_mounts_private(struct wire_reader *r, struct op_mounts_private *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_root_overlay(struct wire_reader *r, struct op_root_overlay *out)
{
	out->lowers = wire_get_strs(r);
	out->upper = wire_get_str(r);
	out->work = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_root_bind(struct wire_reader *r, struct op_root_bind *out)
{
	out->path = wire_get_str(r);
	out->readonly = wire_get_u8(r);
	return wire_end(r);
}

static inline bool op_decode_bind(struct wire_reader *r, struct op_bind *out)
{
	out->source = wire_get_str(r);
	out->target = wire_get_str(r);
	out->readonly = wire_get_u8(r);
	out->recursive = wire_get_u8(r);
	return wire_end(r);
}

static inline bool op_decode_mount(struct wire_reader *r, struct op_mount *out)
{
	out->fstype = wire_get_str(r);
	out->target = wire_get_str(r);
	out->flags = wire_get_u64(r);
	out->options = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_make_node(struct wire_reader *r, struct op_make_node *out)
{
	out->path = wire_get_str(r);
	out->mode = wire_get_u32(r);
	out->major = wire_get_u32(r);
	out->minor = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_make_link(struct wire_reader *r, struct op_make_link *out)
{
	out->path = wire_get_str(r);
	out->text = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_make_root_dir(struct wire_reader *r, struct op_make_root_dir *out)
{
	out->path = wire_get_str(r);
	out->mode = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_mask(struct wire_reader *r, struct op_mask *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_make_readonly(struct wire_reader *r, struct op_make_readonly *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_write_file(struct wire_reader *r, struct op_write_file *out)
{
	out->path = wire_get_str(r);
	out->data = wire_get_bytes(r);
	out->mode = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_pivot(struct wire_reader *r, struct op_pivot *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_hostname(struct wire_reader *r, struct op_hostname *out)
{
	out->name = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_loopback_up(struct wire_reader *r, struct op_loopback_up *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_cgroup_join(struct wire_reader *r, struct op_cgroup_join *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_join(struct wire_reader *r, struct op_join *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_stdio_at(struct wire_reader *r, struct op_stdio_at *out)
{
	out->stdin = wire_get_u32(r);
	out->stdout = wire_get_u32(r);
	out->stderr = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_open_at(struct wire_reader *r, struct op_open_at *out)
{
	out->path = wire_get_str(r);
	out->fd = wire_get_u32(r);
	out->flags = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_output_to(struct wire_reader *r, struct op_output_to *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_rlimit(struct wire_reader *r, struct op_rlimit *out)
{
	out->resource = wire_get_u32(r);
	out->soft = wire_get_u64(r);
	out->hard = wire_get_u64(r);
	return wire_end(r);
}

static inline bool op_decode_oom_score(struct wire_reader *r, struct op_oom_score *out)
{
	out->adj = wire_get_i32(r);
	return wire_end(r);
}

static inline bool op_decode_user(struct wire_reader *r, struct op_user *out)
{
	out->uid = wire_get_u32(r);
	out->gid = wire_get_u32(r);
	out->groups = wire_get_strs(r);
	return wire_end(r);
}

static inline bool op_decode_capabilities(struct wire_reader *r, struct op_capabilities *out)
{
	out->bounding = wire_get_u64(r);
	out->permitted = wire_get_u64(r);
	out->ambient = wire_get_u64(r);
	return wire_end(r);
}

static inline bool op_decode_no_new_privs(struct wire_reader *r, struct op_no_new_privs *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_seccomp(struct wire_reader *r, struct op_seccomp *out)
{
	out->flags = wire_get_u32(r);
	out->filter = wire_get_bytes(r);
	return wire_end(r);
}

static inline bool op_decode_working_dir(struct wire_reader *r, struct op_working_dir *out)
{
	out->path = wire_get_str(r);
	out->create = wire_get_u8(r);
	return wire_end(r);
}

static inline bool op_decode_session(struct wire_reader *r, struct op_session *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_mark(struct wire_reader *r, struct op_mark *out)
{
	out->phase = wire_get_u8(r);
	return wire_end(r);
}

static inline bool op_decode_ready(struct wire_reader *r, struct op_ready *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_hold(struct wire_reader *r, struct op_hold *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_exec(struct wire_reader *r, struct op_exec *out)
{
	out->path = wire_get_str(r);
	out->argv = wire_get_strs(r);
	out->env = wire_get_strs(r);
	return wire_end(r);
}

static inline bool op_decode_exit(struct wire_reader *r, struct op_exit *out)
{
	out->status = wire_get_u8(r);
	return wire_end(r);
}

static inline bool op_decode_last_pid(struct wire_reader *r, struct op_last_pid *out)
{
	out->pid = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_umask(struct wire_reader *r, struct op_umask *out)
{
	out->mask = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_die_with_parent(struct wire_reader *r, struct op_die_with_parent *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_unshare(struct wire_reader *r, struct op_unshare *out)
{
	out->namespaces = wire_get_u64(r);
	return wire_end(r);
}

static inline bool op_decode_time_offsets(struct wire_reader *r, struct op_time_offsets *out)
{
	out->monotonic_s = wire_get_i32(r);
	out->monotonic_ns = wire_get_u32(r);
	out->boottime_s = wire_get_i32(r);
	out->boottime_ns = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_clock_from(struct wire_reader *r, struct op_clock_from *out)
{
	out->monotonic_ns = wire_get_u64(r);
	out->boottime_ns = wire_get_u64(r);
	return wire_end(r);
}

static inline bool op_decode_user_spaces(struct wire_reader *r, struct op_user_spaces *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_user_enter(struct wire_reader *r, struct op_user_enter *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_cgroup_view(struct wire_reader *r, struct op_cgroup_view *out)
{
	out->target = wire_get_str(r);
	out->names = wire_get_strs(r);
	out->paths = wire_get_strs(r);
	out->links = wire_get_strs(r);
	return wire_end(r);
}

static inline bool op_decode_root_readonly(struct wire_reader *r, struct op_root_readonly *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_attach_tree(struct wire_reader *r, struct op_attach_tree *out)
{
	out->source = wire_get_str(r);
	out->target = wire_get_str(r);
	out->attributes = wire_get_u64(r);
	out->propagation = wire_get_u64(r);
	return wire_end(r);
}

static inline bool op_decode_tmpfs(struct wire_reader *r, struct op_tmpfs *out)
{
	out->target = wire_get_str(r);
	out->flags = wire_get_u64(r);
	out->options = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_device_node(struct wire_reader *r, struct op_device_node *out)
{
	out->path = wire_get_str(r);
	out->mode = wire_get_u32(r);
	out->major = wire_get_u32(r);
	out->minor = wire_get_u32(r);
	out->uid = wire_get_u32(r);
	out->gid = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_domainname(struct wire_reader *r, struct op_domainname *out)
{
	out->name = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_sysctl(struct wire_reader *r, struct op_sysctl *out)
{
	out->path = wire_get_str(r);
	out->value = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_keep_file(struct wire_reader *r, struct op_keep_file *out)
{
	out->source = wire_get_str(r);
	out->target = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_park(struct wire_reader *r, struct op_park *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_tray(struct wire_reader *r, struct op_tray *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_from_tray(struct wire_reader *r, struct op_from_tray *out)
{
	out->path = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_netlink_inside(struct wire_reader *r, struct op_netlink_inside *out)
{
	out->family = wire_get_u32(r);
	out->place = wire_get_u8(r);
	out->patch = wire_get_u32(r);
	out->ignore = wire_get_u32(r);
	out->batch = wire_get_bytes(r);
	return wire_end(r);
}

static inline bool op_decode_empty_mounts(struct wire_reader *r, struct op_empty_mounts *out)
{
	out->empty = 0;
	return wire_end(r);
}

static inline bool op_decode_mount_ahead(struct wire_reader *r, struct op_mount_ahead *out)
{
	out->fstype = wire_get_str(r);
	out->target = wire_get_str(r);
	out->attributes = wire_get_u64(r);
	return wire_end(r);
}

static inline bool op_decode_bounding(struct wire_reader *r, struct op_bounding *out)
{
	out->keep = wire_get_u64(r);
	return wire_end(r);
}

static inline bool op_decode_restore_open(struct wire_reader *r, struct op_restore_open *out)
{
	out->tables = wire_get_str(r);
	out->packs = wire_get_strs(r);
	return wire_end(r);
}

static inline bool op_decode_restore(struct wire_reader *r, struct op_restore *out)
{
	out->as_template = wire_get_u8(r);
	out->fail_at = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_generation(struct wire_reader *r, struct op_generation *out)
{
	out->target = wire_get_str(r);
	return wire_end(r);
}

static inline bool op_decode_repair_end(struct wire_reader *r, struct op_repair_end *out)
{
	out->pids = wire_get_strs(r);
	return wire_end(r);
}

static inline bool op_decode_limits_library(struct wire_reader *r, struct op_limits_library *out)
{
	out->fd = wire_get_u32(r);
	return wire_end(r);
}

static inline bool op_decode_await_go(struct wire_reader *r, struct op_await_go *out)
{
	out->fd = wire_get_u32(r);
	return wire_end(r);
}

/* True when `r` holds exactly the fields of operation `code`. */
static inline bool op_valid(uint16_t code, struct wire_reader *r)
{
	switch (code) {
	case 1: {
		struct op_cgroup_make op;
		return op_decode_cgroup_make(r, &op);
	}
	case 2: {
		struct op_cgroup_open op;
		return op_decode_cgroup_open(r, &op);
	}
	case 3: {
		struct op_cgroup_set op;
		return op_decode_cgroup_set(r, &op);
	}
	case 4: {
		struct op_cgroup_remove op;
		return op_decode_cgroup_remove(r, &op);
	}
	case 5: {
		struct op_make_dir op;
		return op_decode_make_dir(r, &op);
	}
	case 6: {
		struct op_remove_tree op;
		return op_decode_remove_tree(r, &op);
	}
	case 46: {
		struct op_gather op;
		return op_decode_gather(r, &op);
	}
	case 26: {
		struct op_device_filter op;
		return op_decode_device_filter(r, &op);
	}
	case 25: {
		struct op_oom_watch op;
		return op_decode_oom_watch(r, &op);
	}
	case 7: {
		struct op_spawn op;
		return op_decode_spawn(r, &op);
	}
	case 8: {
		struct op_adopt op;
		return op_decode_adopt(r, &op);
	}
	case 20: {
		struct op_user_make op;
		return op_decode_user_make(r, &op);
	}
	case 35: {
		struct op_pooled op;
		return op_decode_pooled(r, &op);
	}
	case 36: {
		struct op_cgroup_spare op;
		return op_decode_cgroup_spare(r, &op);
	}
	case 16: {
		struct op_netlink op;
		return op_decode_netlink(r, &op);
	}
	case 17: {
		struct op_port_hold op;
		return op_decode_port_hold(r, &op);
	}
	case 51: {
		struct op_next_pid op;
		return op_decode_next_pid(r, &op);
	}
	case 50: {
		struct op_restore_clone op;
		return op_decode_restore_clone(r, &op);
	}
	case 64: {
		struct op_mounts_private op;
		return op_decode_mounts_private(r, &op);
	}
	case 65: {
		struct op_root_overlay op;
		return op_decode_root_overlay(r, &op);
	}
	case 66: {
		struct op_root_bind op;
		return op_decode_root_bind(r, &op);
	}
	case 67: {
		struct op_bind op;
		return op_decode_bind(r, &op);
	}
	case 68: {
		struct op_mount op;
		return op_decode_mount(r, &op);
	}
	case 69: {
		struct op_make_node op;
		return op_decode_make_node(r, &op);
	}
	case 70: {
		struct op_make_link op;
		return op_decode_make_link(r, &op);
	}
	case 71: {
		struct op_make_root_dir op;
		return op_decode_make_root_dir(r, &op);
	}
	case 72: {
		struct op_mask op;
		return op_decode_mask(r, &op);
	}
	case 73: {
		struct op_make_readonly op;
		return op_decode_make_readonly(r, &op);
	}
	case 74: {
		struct op_write_file op;
		return op_decode_write_file(r, &op);
	}
	case 75: {
		struct op_pivot op;
		return op_decode_pivot(r, &op);
	}
	case 76: {
		struct op_hostname op;
		return op_decode_hostname(r, &op);
	}
	case 77: {
		struct op_loopback_up op;
		return op_decode_loopback_up(r, &op);
	}
	case 78: {
		struct op_cgroup_join op;
		return op_decode_cgroup_join(r, &op);
	}
	case 79: {
		struct op_join op;
		return op_decode_join(r, &op);
	}
	case 80: {
		struct op_stdio_at op;
		return op_decode_stdio_at(r, &op);
	}
	case 81: {
		struct op_open_at op;
		return op_decode_open_at(r, &op);
	}
	case 82: {
		struct op_output_to op;
		return op_decode_output_to(r, &op);
	}
	case 83: {
		struct op_rlimit op;
		return op_decode_rlimit(r, &op);
	}
	case 84: {
		struct op_oom_score op;
		return op_decode_oom_score(r, &op);
	}
	case 85: {
		struct op_user op;
		return op_decode_user(r, &op);
	}
	case 86: {
		struct op_capabilities op;
		return op_decode_capabilities(r, &op);
	}
	case 87: {
		struct op_no_new_privs op;
		return op_decode_no_new_privs(r, &op);
	}
	case 88: {
		struct op_seccomp op;
		return op_decode_seccomp(r, &op);
	}
	case 89: {
		struct op_working_dir op;
		return op_decode_working_dir(r, &op);
	}
	case 90: {
		struct op_session op;
		return op_decode_session(r, &op);
	}
	case 91: {
		struct op_mark op;
		return op_decode_mark(r, &op);
	}
	case 92: {
		struct op_ready op;
		return op_decode_ready(r, &op);
	}
	case 93: {
		struct op_hold op;
		return op_decode_hold(r, &op);
	}
	case 94: {
		struct op_exec op;
		return op_decode_exec(r, &op);
	}
	case 95: {
		struct op_exit op;
		return op_decode_exit(r, &op);
	}
	case 96: {
		struct op_last_pid op;
		return op_decode_last_pid(r, &op);
	}
	case 97: {
		struct op_umask op;
		return op_decode_umask(r, &op);
	}
	case 98: {
		struct op_die_with_parent op;
		return op_decode_die_with_parent(r, &op);
	}
	case 105: {
		struct op_unshare op;
		return op_decode_unshare(r, &op);
	}
	case 106: {
		struct op_time_offsets op;
		return op_decode_time_offsets(r, &op);
	}
	case 126: {
		struct op_clock_from op;
		return op_decode_clock_from(r, &op);
	}
	case 107: {
		struct op_user_spaces op;
		return op_decode_user_spaces(r, &op);
	}
	case 108: {
		struct op_user_enter op;
		return op_decode_user_enter(r, &op);
	}
	case 109: {
		struct op_cgroup_view op;
		return op_decode_cgroup_view(r, &op);
	}
	case 110: {
		struct op_root_readonly op;
		return op_decode_root_readonly(r, &op);
	}
	case 112: {
		struct op_attach_tree op;
		return op_decode_attach_tree(r, &op);
	}
	case 113: {
		struct op_tmpfs op;
		return op_decode_tmpfs(r, &op);
	}
	case 114: {
		struct op_device_node op;
		return op_decode_device_node(r, &op);
	}
	case 115: {
		struct op_domainname op;
		return op_decode_domainname(r, &op);
	}
	case 116: {
		struct op_sysctl op;
		return op_decode_sysctl(r, &op);
	}
	case 117: {
		struct op_keep_file op;
		return op_decode_keep_file(r, &op);
	}
	case 120: {
		struct op_park op;
		return op_decode_park(r, &op);
	}
	case 121: {
		struct op_tray op;
		return op_decode_tray(r, &op);
	}
	case 122: {
		struct op_from_tray op;
		return op_decode_from_tray(r, &op);
	}
	case 100: {
		struct op_netlink_inside op;
		return op_decode_netlink_inside(r, &op);
	}
	case 123: {
		struct op_empty_mounts op;
		return op_decode_empty_mounts(r, &op);
	}
	case 124: {
		struct op_mount_ahead op;
		return op_decode_mount_ahead(r, &op);
	}
	case 125: {
		struct op_bounding op;
		return op_decode_bounding(r, &op);
	}
	case 150: {
		struct op_restore_open op;
		return op_decode_restore_open(r, &op);
	}
	case 151: {
		struct op_restore op;
		return op_decode_restore(r, &op);
	}
	case 140: {
		struct op_generation op;
		return op_decode_generation(r, &op);
	}
	case 130: {
		struct op_repair_end op;
		return op_decode_repair_end(r, &op);
	}
	case 132: {
		struct op_limits_library op;
		return op_decode_limits_library(r, &op);
	}
	case 131: {
		struct op_await_go op;
		return op_decode_await_go(r, &op);
	}
	default:
		return false;
	}
}
