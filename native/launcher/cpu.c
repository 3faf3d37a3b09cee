/* `thaw-launcher cpu`: where the parts of the FPU's state stand in this machine's XSAVE area, which only CPUID says. */
#include "launcher.h"

#include <cpuid.h>
#include <stdio.h>

/* The parts that have names in CRIU's images: bits of XCR0. */
static const struct {
	unsigned bit;
	const char *name;
} parts[] = {
	{ 2, "ymm" }, { 3, "bndregs" }, { 4, "bndcsr" }, { 5, "opmask" }, { 6, "zmm_hi256" }, { 7, "hi16_zmm" }, { 9, "pkru" },
};

enum { LEAF_XSAVE = 0xd, LEGACY_BYTES = 576 };

int cpu_main(void)
{
	unsigned enabled, b, c, d, most = LEGACY_BYTES;
	if (!__get_cpuid_count(LEAF_XSAVE, 0, &enabled, &b, &c, &d)) {
		fprintf(stderr, "thaw-launcher: this CPU has no XSAVE\n");
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		unsigned size, offset;
		if (!(enabled >> parts[i].bit & 1) || !__get_cpuid_count(LEAF_XSAVE, parts[i].bit, &size, &offset, &c, &d) || size == 0)
			continue;
		printf("%s %u\n", parts[i].name, offset);
		most = offset + size > most ? offset + size : most;
	}
	printf("size %u\n", most);
	return 0;
}
