/*
 * Putting pages files together: right ones come out whole, whatever is wrong with a recipe or a pack is refused and
 * nothing outside of the target is touched. Thousands of damaged recipes, the same every time.
 */
#define _GNU_SOURCE
#include "../../native/launcher/gather.c"
#include "fuzz.h"

#include <assert.h>
#include <stdio.h>

enum { PACK_PAGES = 5 };

static char base[64] = "/tmp/thaw-native-XXXXXX";
static const char pack_name[] = "abababababababababababababababababababababababababababababababab";

static const char *in_base(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *out = path[turn++ % ARRAY_LEN(path)];
	snprintf(out, sizeof(path[0]), "%s/%s", base, name);
	return out;
}

static void put(const char *name, const void *bytes, size_t len)
{
	int fd = open(in_base(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0 && write_all(fd, bytes, len) == 0);
	close(fd);
}

static uint8_t page_of(const uint8_t *pages, size_t page)
{
	uint8_t first = pages[page * PAGE_BYTES];
	for (size_t i = 0; i < PAGE_BYTES; i++)
		assert(pages[page * PAGE_BYTES + i] == first);
	return first;
}

static struct {
	struct header head;
	uint8_t digest[DIGEST_BYTES];
	struct run runs[3];
} good = { { RECIPE_MAGIC, RECIPE_VERSION, 6, 1, 3 }, { 0 }, { { 1, 2, 0 }, { 0, 3, UINT32_MAX }, { 4, 1, 0 } } };

static void make_checkpoint(void)
{
	uint8_t pack[PACK_PAGES * PAGE_BYTES];
	assert(mkdtemp(base));
	const char *const dirs[] = { "cp", "cp/images", "cp/pages", "cp/packs" };
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		assert(mkdir(in_base(dirs[i]), 0700) == 0);
	for (size_t page = 0; page < PACK_PAGES; page++)
		memset(pack + page * PAGE_BYTES, 'a' + (int)page, PAGE_BYTES);
	char name[128];
	snprintf(name, sizeof(name), "cp/packs/%s", pack_name);
	put(name, pack, sizeof(pack));
	put("cp/images/core-2.img", "core", 4);
	memset(good.digest, 0xab, sizeof(good.digest));
}

static int gather(const void *recipe, size_t len)
{
	put("cp/pages/pages-1.img", recipe, len);
	char from[256], to[256];
	snprintf(from, sizeof(from), "%s", in_base("cp"));
	snprintf(to, sizeof(to), "%s", in_base("out"));
	return gather_images(from, to);
}

static void test_whole(void)
{
	assert(gather(&good, sizeof(good)) == 0);
	uint8_t *bytes = NULL;
	size_t len = 0;
	assert(read_all(AT_FDCWD, in_base("out/pages-1.img"), &bytes, &len) == 0 && len == 6 * PAGE_BYTES);
	static const uint8_t expected[] = { 'b', 'c', 0, 0, 0, 'e' };
	for (size_t page = 0; page < ARRAY_LEN(expected); page++)
		assert(page_of(bytes, page) == expected[page]);
	free(bytes);
	struct stat st;
	assert(stat(in_base("out/core-2.img"), &st) == 0 && st.st_nlink == 2 && st.st_size == 4);
	assert(stat(in_base("out"), &st) == 0 && (st.st_mode & 0777) == 0700);
	assert(stat(in_base("out/pages-1.img"), &st) == 0 && (st.st_mode & 0777) == 0600);
}

/* A pages file that is an image already is taken as it is. */
static void test_plain(void)
{
	put("cp/images/pages-1.img", "plain", 5);
	assert(gather(&good, sizeof(good)) == 0);
	struct stat st;
	assert(stat(in_base("out/pages-1.img"), &st) == 0 && st.st_size == 5);
	assert(unlink(in_base("cp/images/pages-1.img")) == 0);
}

static void test_wrong(void)
{
	uint8_t bad[sizeof(good)];
	for (size_t len = 0; len < sizeof(good); len++)
		assert(gather(&good, len) == -EBADMSG);
	memcpy(bad, &good, sizeof(good));
	bad[sizeof(struct header)] ^= 1;
	assert(gather(bad, sizeof(bad)) == -ENOENT); /* no such pack */
	good.runs[2].first = PACK_PAGES;
	assert(gather(&good, sizeof(good)) == -EBADMSG); /* behind the pack's end */
	good.runs[2].first = 4;
	assert(symlink("/etc/passwd", in_base("cp/pages/link")) == 0);
	assert(gather(&good, sizeof(good)) == 0); /* what is no file is no recipe */
	assert(unlink(in_base("cp/pages/link")) == 0);
}

static void test_random(void)
{
	struct fuzz f = fuzz_begin("gather");
	for (unsigned long done = 0; fuzz_goes_on(&f, done, 2000); done++) {
		uint8_t bad[sizeof(good)];
		memcpy(bad, &good, sizeof(good));
		for (size_t flips = 1 + fuzz_below(&f, 4); flips > 0; flips--)
			bad[fuzz_below(&f, sizeof(bad))] = (uint8_t)fuzz_next(&f);
		gather(bad, sizeof(bad) - (fuzz_chance(&f, 4) ? fuzz_below(&f, sizeof(bad)) : 0));
	}
}

int main(void)
{
	make_checkpoint();
	test_whole();
	test_plain();
	test_wrong();
	test_random();
	assert(remove_tree(base) == 0);
	return 0;
}
