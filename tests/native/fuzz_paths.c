/*
 * Operations on a container's root with paths that try to get out of it: through "..", absolute and relative links,
 * links to links, and names that are too long. Whatever they do inside, nothing outside the root changes. Needs root
 * (mounts); without it, it says so and ends well.
 */
#define _GNU_SOURCE
#include "launcher.h"
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { CASES = 20000, ROUND = 100, PATH_ROOM = 8192 };

struct host host = { .proc_fd = -1, .own_pid_ns = -1, .own_net_ns = -1, .last_pid_fd = -1, .null_fd = -1, .own_mnt_ns = -1, .nursery_ns = -1, .root_fd = -1, .stage = "/stage" };
char **launcher_argv;
bool launcher_ending;

static const char canary[] = "untouched";

static void write_canary(void)
{
	assert(mkdir("/outside", 0755) == 0);
	int fd = open("/outside/canary", O_CREAT | O_EXCL | O_WRONLY, 0644);
	assert(fd >= 0 && write_all(fd, canary, sizeof(canary)) == 0);
	close(fd);
}

static unsigned count_entries(const char *path)
{
	unsigned n = 0;
	DIR *dir = opendir(path);
	assert(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* What is outside is as it was, and nothing was mounted over it. */
static void check_outside(unsigned top)
{
	char text[64];
	struct stat st;
	ssize_t n = read_small(AT_FDCWD, "/outside/canary", text, sizeof(text));
	assert(n == sizeof(canary) && !memcmp(text, canary, sizeof(canary)));
	assert(stat("/outside/canary", &st) == 0 && st.st_mode == (S_IFREG | 0644) && st.st_nlink == 1);
	assert(count_entries("/outside") == 3 && count_entries("/") == top);
	int fd = open("/outside/canary", O_WRONLY);
	assert(fd >= 0);
	close(fd);
}

/* --- cases ------------------------------------------------------------------------------------------------------- */

static void put_path(struct fuzz *f, char *out)
{
	static const char *const parts[] = { "a", "b", "l0", "l1", "l2", "..", ".", "", "outside", "canary", "proc", "self", "root", "cwd" };
	size_t len = 0;
	*out = 0;
	if (!fuzz_chance(f, 4))
		out[len++] = '/';
	for (size_t n = fuzz_below(f, 6); n > 0; n--)
		len += (size_t)sprintf(out + len, "%s%s", parts[fuzz_below(f, ARRAY_LEN(parts))], n > 1 || fuzz_chance(f, 8) ? "/" : "");
	if (fuzz_chance(f, 40)) {
		size_t more = 200 + fuzz_below(f, 5000);
		memset(out + len, fuzz_chance(f, 2) ? 'n' : '/', more);
		len += more;
	}
	out[len] = 0;
}

static void put_link_text(struct fuzz *f, char *out)
{
	static const char *const texts[] = { "/outside", "../outside", "../../outside", "/proc/self/root", "/proc/1/root/outside",
					     "l0", "l1", "l2", "/", "..", ".", "/a", "a/b", "/proc/self/cwd" };
	strcpy(out, texts[fuzz_below(f, ARRAY_LEN(texts))]);
}

/* Puts an operation's fields; gives back its code. */
static uint16_t put_operation(struct fuzz *f, struct wire_writer *w)
{
	static char path[PATH_ROOM], text[256];
	put_path(f, path);
	switch (fuzz_below(f, 9)) {
	case 0:
	case 1:
		snprintf(path, sizeof(path), "/%sl%zu", fuzz_chance(f, 2) ? "" : "a/", fuzz_below(f, 3));
		put_link_text(f, text);
		wire_put_str(w, wire_cstr(path));
		wire_put_str(w, wire_cstr(text));
		return OP_MAKE_LINK;
	case 2:
		wire_put_str(w, wire_cstr(path));
		wire_put_u32(w, 0755);
		return OP_MAKE_ROOT_DIR;
	case 3:
		wire_put_str(w, wire_cstr(path));
		wire_put_u32(w, 4);
		wire_put_raw(w, "evil", 4);
		wire_put_u32(w, 0600);
		return OP_WRITE_FILE;
	case 4:
		wire_put_str(w, wire_cstr(path));
		wire_put_u32(w, S_IFCHR | 0600);
		wire_put_u32(w, 1);
		wire_put_u32(w, 3);
		return OP_MAKE_NODE;
	case 5:
		wire_put_str(w, wire_cstr(path));
		return OP_MASK;
	case 6:
		wire_put_str(w, wire_cstr(path));
		return OP_MAKE_READONLY;
	case 7:
		wire_put_str(w, wire_cstr("tmpfs"));
		wire_put_str(w, wire_cstr(path));
		wire_put_u64(w, 0);
		wire_put_str(w, wire_cstr(""));
		return OP_MOUNT;
	default:
		wire_put_str(w, wire_cstr("/source"));
		wire_put_str(w, wire_cstr(path));
		wire_put_u8(w, (uint8_t)fuzz_below(f, 2));
		wire_put_u8(w, (uint8_t)fuzz_below(f, 2));
		return OP_BIND;
	}
}

/* The fields lie in a block of their exact size, as in a frame's end. */
static int perform_one(struct fuzz *f, struct child *child)
{
	struct buf fields = { 0 };
	struct wire_writer w = { .out = &fields };
	uint16_t code = put_operation(f, &w);
	uint8_t *exact = malloc(fields.len);
	assert(exact && !fields.failed);
	memcpy(exact, fields.p, fields.len);
	struct wire_reader r = { exact, exact + fields.len, false }, again = r;
	assert(op_valid(code, &r));
	int error = root_perform(child, code, &again);
	free(exact);
	buf_free(&fields);
	return error;
}

static void open_root(struct child *child, struct container *c)
{
	umount2("/root", MNT_DETACH);
	assert(mount("tmpfs", "/root", "tmpfs", 0, "size=8m") == 0 && mkdir("/root/a", 0755) == 0);
	*child = (struct child){ .container = c, .report_fd = -1, .root_fd = -1, .tray_fd = -1, .inside_ns = -1, .own = CLONE_NEWNS };
	child->root_fd = open("/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert(child->root_fd >= 0);
}

int main(void)
{
	struct fuzz f = fuzz_begin("fuzz_paths");
	struct container c = { .ns_pidfd = -1 };
	struct child child = { .root_fd = -1 };
	unsigned long done = 0, performed = 0;
	if (!fuzz_hide()) {
		puts("not root: nothing was tried");
		return 0;
	}
	userns_init(&c.userns);
	write_canary();
	assert(mkdir("/root", 0755) == 0 && mkdir("/source", 0755) == 0 && mkdir("/dev", 0755) == 0);
	assert(mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	unsigned top = count_entries("/");
	for (; fuzz_goes_on(&f, done, CASES); done++) {
		if (done % ROUND == 0) {
			close_fd(&child.root_fd);
			open_root(&child, &c);
		}
		performed += perform_one(&f, &child) == 0;
		check_outside(top);
	}
	close_fd(&child.root_fd);
	printf("%lu operations, %lu of them performed\n", done, performed);
	return performed > 0 ? 0 : 1;
}
