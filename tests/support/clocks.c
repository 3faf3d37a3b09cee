/*
 * A server that answers each connection on port 8000 with what the clocks say, in nanoseconds, as libc reads them (from the
 * vDSO) and as the kernel does: monotonic, the same by system call, boot time, the same, wall clock.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000LL + t->tv_nsec;
}

static long long fast(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return ns(&t);
}

static long long slow(clockid_t clock)
{
	struct timespec t;
	syscall(SYS_clock_gettime, clock, &t);
	return ns(&t);
}

int main(int argc, char **argv)
{
	(void)argv;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(8000) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 16) < 0)
		return 1;
	/* with an argument it is two processes */
	if (argc > 1 && fork() == 0) {
		for (;;)
			pause();
	}
	for (;;) {
		int client = accept(listener, NULL, NULL);
		char request[4096], body[256];
		if (client < 0)
			continue;
		if (read(client, request, sizeof(request)) > 0) {
			int n = snprintf(body, sizeof(body), "%lld %lld %lld %lld %lld", fast(CLOCK_MONOTONIC), slow(CLOCK_MONOTONIC),
					 fast(CLOCK_BOOTTIME), slow(CLOCK_BOOTTIME), fast(CLOCK_REALTIME));
			dprintf(client, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", n, body);
		}
		close(client);
	}
}
