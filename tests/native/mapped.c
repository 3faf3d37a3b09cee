/*
 * Both ways to an overlay of layers with mapped ids. Kernels that know the newer one never take the older, so it is
 * called here by itself: the same files with the same owners must come out, and a file made in it must be root's on the
 * disk. Needs root, and /tmp on a file system that can map ids; without them there is nothing to test.
 */
#define _GNU_SOURCE
#include "../../native/launcher/mapped.c"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/wait.h>

enum { FIRST = 1 << 30, LAYERS = 40, OWNER = 1000, UNABLE = 77 };

struct host host = { .proc_fd = -1, .own_mnt_ns = -1, .root_fd = -1 };
char **launcher_argv;
bool launcher_ending;

static char base[64] = "/tmp/thaw-native-XXXXXX";

static const char *in_base(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *out = path[turn++ % ARRAY_LEN(path)];
	snprintf(out, sizeof(path[0]), "%s/%s", base, name);
	return out;
}

static void put_file(int dir, const char *name, uid_t owner)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert(fd >= 0 && fchown(fd, owner, owner) == 0);
	close(fd);
}

static void make_layers(struct buf *lowers)
{
	struct wire_writer w = { lowers, 0 };
	for (int i = 0; i < LAYERS; i++) {
		char name[32];
		snprintf(name, sizeof(name), "layer-%d", i);
		assert(mkdir(in_base(name), 0755) == 0);
		int dir = open(in_base(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		snprintf(name, sizeof(name), "of-%d", i);
		put_file(dir, name, OWNER);
		snprintf(name, sizeof(name), "layer-%d", i);
		wire_put_str(&w, wire_cstr(in_base(name)));
		close(dir);
	}
}

static uid_t owner_at(int dir, const char *name)
{
	struct stat st;
	assert(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st.st_uid;
}

/* In a process of its own, which the mounts go away with. */
static void build(struct container *c, const struct op_root_overlay *op,
		  int (*overlay)(struct child *child, const struct op_root_overlay *op))
{
	enum { REC = 1 << 14, PRIVATE = 1 << 18 };
	struct child child = { .container = c, .root_fd = -1, .tray_fd = -1, .inside_ns = -1 };
	assert(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, REC | PRIVATE, NULL) == 0);
	assert(userns_spaces(&child) == 0);
	int error = overlay(&child, op);
	if (error == -EOPNOTSUPP)
		_exit(UNABLE);
	assert(error == 0);
	assert(owner_at(child.root_fd, "of-0") == FIRST + OWNER);
	char last[32];
	snprintf(last, sizeof(last), "of-%d", LAYERS - 1);
	assert(owner_at(child.root_fd, last) == FIRST + OWNER);
	int root = openat(child.root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(root >= 0 && mkdirat(root, "made", 0755) == 0);
	assert(fchownat(root, "of-1", FIRST, FIRST, 0) == 0);
	assert(owner_at(root, "made") == FIRST);
	_exit(0);
}

/* False when ids cannot be mapped here. */
static bool try_overlay(const struct op_root_overlay *op, int (*overlay)(struct child *, const struct op_root_overlay *))
{
	struct container c = { .ns_pidfd = -1, .net_ns = -1, .cgroup_v2 = -1 };
	struct op_user_make make = { .first = FIRST, .count = 65536 };
	userns_init(&c.userns);
	assert(userns_make(&c, &make) == 0);
	assert(mkdir(in_base("upper"), 0755) == 0 && mkdir(in_base("work"), 0700) == 0);
	pid_t pid = fork();
	if (pid == 0)
		build(&c, op, overlay);
	int status;
	assert(waitpid(pid, &status, 0) == pid && (status == 0 || status == UNABLE << 8));
	userns_close(&c.userns);
	if (status != 0)
		return false;
	assert(owner_at(AT_FDCWD, in_base("upper/made")) == 0);
	assert(owner_at(AT_FDCWD, in_base("upper/of-1")) == 0);
	assert(owner_at(AT_FDCWD, in_base("layer-1/of-1")) == OWNER);
	assert(remove_tree(in_base("upper")) == 0 && remove_tree(in_base("work")) == 0);
	return true;
}

int main(void)
{
	if (geteuid() != 0) {
		puts("skipped: needs root");
		return 0;
	}
	assert(mkdtemp(base) && mkdir(in_base("stage"), 0700) == 0);
	char stage[128], upper[128], work[128];
	snprintf(stage, sizeof(stage), "%s", in_base("stage"));
	snprintf(upper, sizeof(upper), "%s", in_base("upper"));
	snprintf(work, sizeof(work), "%s", in_base("work"));
	host.stage = stage;
	host.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	host.own_mnt_ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	host.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct buf lowers = { 0 };
	make_layers(&lowers);
	struct op_root_overlay op = { .lowers = { lowers.p, (uint32_t)lowers.len, LAYERS },
				      .upper = wire_cstr(upper), .work = wire_cstr(work) };
	if (!try_overlay(&op, overlay_by_paths) || !try_overlay(&op, userns_overlay))
		puts("skipped: /tmp is on a file system that cannot map ids");
	buf_free(&lowers);
	assert(remove_tree(base) == 0);
	return 0;
}
