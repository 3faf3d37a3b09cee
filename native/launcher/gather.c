/*
 * Makes a directory of images that CRIU can read out of a checkpoint whose memory pages are stored elsewhere: hard links
 * to the images, and the pages files that are missing among them, each put together by its recipe (its format:
 * src/checkpoint/pages/recipe.ts). The daemon has compared all digests; what is checked here keeps a damaged recipe from
 * doing more than failing.
 */
#define _GNU_SOURCE
#include "gather.h"
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	RECIPE_MAGIC = 0x43525054,
	RECIPE_VERSION = 1,
	PAGE_BYTES = 4096,
	DIGEST_BYTES = 32,
	RECIPE_LIMIT = 256 << 20,
	PACKS_LIMIT = 512, /* each is an open file */
	COPY_BYTES = 1 << 16,
};

static const uint32_t zeros = UINT32_MAX;
static const uint64_t most_pages = 1 << 28;

struct header {
	uint32_t magic;
	uint32_t version;
	uint64_t pages;
	uint32_t packs;
	uint32_t runs;
};

struct run {
	uint64_t first;
	uint32_t pages;
	uint32_t pack;
};

struct recipe {
	struct header head;
	const uint8_t *digests;
	const struct run *runs;
	int *packs; /* open files */
};

/* All of a file; the caller frees it. */
static int read_all(int dir, const char *name, uint8_t **out, size_t *len)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return -errno;
	int error = fstat(fd, &st) < 0 ? -errno : 0;
	if (!error && (!S_ISREG(st.st_mode) || st.st_size > RECIPE_LIMIT))
		error = -EBADMSG;
	uint8_t *bytes = error ? NULL : malloc((size_t)st.st_size + 1);
	if (!error && !bytes)
		error = -ENOMEM;
	size_t have = 0;
	while (!error && have < (size_t)st.st_size) {
		ssize_t n = read(fd, bytes + have, (size_t)st.st_size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			error = n < 0 ? -errno : -EBADMSG;
		else
			have += (size_t)n;
	}
	close(fd);
	if (error) {
		free(bytes);
		return error;
	}
	*out = bytes;
	*len = have;
	return 0;
}

/* The recipe in `bytes`, which are aligned and stay where they are, when every number in it is one that can be. */
static int recipe_check(struct recipe *r, const uint8_t *bytes, size_t len)
{
	if (len < sizeof(r->head))
		return -EBADMSG;
	memcpy(&r->head, bytes, sizeof(r->head));
	const struct header *h = &r->head;
	if (h->magic != RECIPE_MAGIC || h->version != RECIPE_VERSION || h->packs > PACKS_LIMIT || h->pages > most_pages)
		return -EBADMSG;
	if (len != sizeof(*h) + (size_t)h->packs * DIGEST_BYTES + (size_t)h->runs * sizeof(struct run))
		return -EBADMSG;
	r->digests = bytes + sizeof(*h);
	r->runs = (const struct run *)(const void *)(r->digests + (size_t)h->packs * DIGEST_BYTES);
	uint64_t total = 0;
	for (uint32_t i = 0; i < h->runs; i++) {
		const struct run *run = &r->runs[i];
		if (run->pages == 0 || run->first > most_pages || (run->pack != zeros && run->pack >= h->packs))
			return -EBADMSG;
		total += run->pages;
		if (total > h->pages)
			return -EBADMSG;
	}
	return total == h->pages ? 0 : -EBADMSG;
}

static void packs_close(struct recipe *r, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		close(r->packs[i]);
	free(r->packs);
	r->packs = NULL;
}

static int packs_open(struct recipe *r, int directory)
{
	static const char digits[] = "0123456789abcdef";
	r->packs = calloc(r->head.packs + 1, sizeof(int));
	if (!r->packs)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->head.packs; i++) {
		char name[2 * DIGEST_BYTES + 1] = { 0 };
		for (int at = 0; at < DIGEST_BYTES; at++) {
			uint8_t byte = r->digests[(size_t)i * DIGEST_BYTES + (size_t)at];
			name[2 * at] = digits[byte >> 4];
			name[2 * at + 1] = digits[byte & 15];
		}
		r->packs[i] = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (r->packs[i] < 0) {
			int error = -errno;
			packs_close(r, i);
			return error;
		}
	}
	return 0;
}

/* For file systems between which the kernel does not copy. */
static ssize_t copy_some(int from, off_t *at, int to, off_t *target, size_t len)
{
	char bytes[COPY_BYTES];
	ssize_t n = pread(from, bytes, len < sizeof(bytes) ? len : sizeof(bytes), *at);
	if (n <= 0)
		return n;
	ssize_t written = pwrite(to, bytes, (size_t)n, *target);
	if (written <= 0)
		return -1;
	*at += written;
	*target += written;
	return written;
}

static int copy_run(int from, off_t at, int to, off_t target, size_t len)
{
	bool in_kernel = true;
	while (len > 0) {
		ssize_t n = in_kernel ? copy_file_range(from, &at, to, &target, len, 0) :
					copy_some(from, &at, to, &target, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && in_kernel && errno != ENOSPC && errno != EIO) {
			in_kernel = false;
			continue;
		}
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG; /* the pack is too short */
		len -= (size_t)n;
	}
	return 0;
}

static int pages_write(const struct recipe *r, int out)
{
	if (ftruncate(out, (off_t)(r->head.pages * PAGE_BYTES)) < 0)
		return -errno;
	off_t target = 0;
	for (uint32_t i = 0; i < r->head.runs; i++) {
		const struct run *run = &r->runs[i];
		size_t len = (size_t)run->pages * PAGE_BYTES;
		int error = run->pack == zeros ?
				    0 :
				    copy_run(r->packs[run->pack], (off_t)(run->first * PAGE_BYTES), out, target, len);
		if (error < 0)
			return error;
		target += (off_t)len;
	}
	return 0;
}

static int pages_gather(int recipes, int packs, int target, const char *name)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	struct recipe r = { .packs = NULL };
	int out = openat(target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return errno == EEXIST ? 0 : -errno; /* it is there as a file */
	int error = read_all(recipes, name, &bytes, &len);
	if (error == 0) {
		error = recipe_check(&r, bytes, len);
		if (error == 0)
			error = packs_open(&r, packs);
		if (error == 0) {
			error = pages_write(&r, out);
			packs_close(&r, r.head.packs);
		}
		free(bytes);
	}
	close(out);
	return error;
}

struct gathering {
	int images;
	int recipes;
	int packs;
	int target;
};

static int image_link(const struct gathering *g, const char *name)
{
	return linkat(g->images, name, g->target, name, 0) < 0 ? -errno : 0;
}

static int image_gather(const struct gathering *g, const char *name)
{
	return pages_gather(g->recipes, g->packs, g->target, name);
}

static int each_file(int directory, const struct gathering *g, int (*take)(const struct gathering *, const char *))
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		int error = -errno;
		close_fd(&copy);
		return error;
	}
	int error = 0;
	for (struct dirent *e; error == 0 && (e = readdir(dir));)
		if (e->d_type == DT_REG || e->d_type == DT_UNKNOWN)
			error = e->d_name[0] == '.' ? 0 : take(g, e->d_name);
	closedir(dir);
	return error;
}

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int gather_images(const char *checkpoint, const char *target)
{
	int error = remove_tree(target);
	if (error == 0)
		error = mkdir(target, 0700) < 0 ? -errno : 0;
	if (error < 0)
		return error;
	int from = open_dir(AT_FDCWD, checkpoint);
	struct gathering g = { open_dir(from, "images"), open_dir(from, "pages"), open_dir(from, "packs"),
			       open_dir(AT_FDCWD, target) };
	int *const all[] = { &from, &g.images, &g.recipes, &g.packs, &g.target };
	for (size_t i = 0; i < ARRAY_LEN(all) && error == 0; i++)
		error = *all[i] < 0 ? *all[i] : 0;
	if (error == 0)
		error = each_file(g.images, &g, image_link);
	if (error == 0)
		error = each_file(g.recipes, &g, image_gather);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		close_fd(all[i]);
	return error;
}
