/*
 * What Node's hook (src/sandbox/identity/node.cjs) cannot do in JavaScript: map the generation's file, and let OpenSSL mix
 * something into its random numbers. An addon of Node-API, whose functions are declared here, without a C library: so one
 * file serves every Node and every libc. What it needs is found in the program that loads it.
 */
#include <stddef.h>
#include <stdint.h>

typedef void *napi_env, *napi_value, *napi_info;
typedef int napi_status;
typedef napi_value (*napi_callback)(napi_env, napi_info);

extern napi_status napi_create_external_arraybuffer(napi_env, void *, size_t, void (*)(napi_env, void *, void *), void *, napi_value *);
extern napi_status napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
extern napi_status napi_set_named_property(napi_env, napi_value, const char *, napi_value);
extern napi_status napi_get_boolean(napi_env, _Bool, napi_value *);
/* Not there in a Node that hides its OpenSSL or has none. */
extern void RAND_add(const void *, int, double) __attribute__((weak));

napi_value napi_register_module_v1(napi_env env, napi_value exports);
int32_t node_api_module_get_api_version_v1(void);

enum { OPEN = 2, CLOSE = 3, MMAP = 9, GETRANDOM = 318, PAGE = 4096 };
enum { CLOEXEC = 02000000, PROT_READ = 1, MAP_SHARED = 1, RANDOM_BYTES = 32 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static void *map_generation(void)
{
	static const char path[] = "/dev/thaw/generation";
	long fd = call(OPEN, (long)path, CLOEXEC, 0, 0, 0, 0);
	if (fd < 0)
		return NULL;
	long page = call(MMAP, 0, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	call(CLOSE, fd, 0, 0, 0, 0, 0);
	return page < 0 && page > -PAGE ? NULL : (void *)page;
}

/* stir(): whether OpenSSL took what the kernel gave. */
static napi_value stir(napi_env env, napi_info info)
{
	(void)info;
	uint8_t random[RANDOM_BYTES];
	napi_value result = NULL;
	_Bool can = RAND_add && call(GETRANDOM, (long)random, sizeof(random), 0, 0, 0, 0) == (long)sizeof(random);
	if (can)
		RAND_add(random, sizeof(random), sizeof(random));
	napi_get_boolean(env, can, &result);
	return result;
}

int32_t node_api_module_get_api_version_v1(void)
{
	return 8;
}

/* exports.page: the mapping, to be read only; exports.stir. */
napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
	napi_value page, function;
	void *at = map_generation();
	if (at && napi_create_external_arraybuffer(env, at, PAGE, NULL, NULL, &page) == 0)
		napi_set_named_property(env, exports, "page", page);
	if (napi_create_function(env, "stir", sizeof("stir") - 1, stir, NULL, &function) == 0)
		napi_set_named_property(env, exports, "stir", function);
	return exports;
}
