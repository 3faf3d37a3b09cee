/* What a process that the launcher made tells it, as packets on a socket pair of its own. */
#pragma once
#include <stdint.h>

enum report_kind {
	REPORT_MARK,
	REPORT_READY,
	REPORT_FAIL,
	REPORT_TTY,
	REPORT_PARKED,
	REPORT_AWAITS, /* with the end of a pipe whose closing it waits for */
	REPORT_CLOCK,  /* `ns` is how far CLOCK_MONOTONIC is ahead in the sandbox */
	REPORT_CLONED, /* by a memory template: `op` is the pid, `ns` the tag of what was asked */
};

struct report {
	enum report_kind kind;
	uint32_t op;
	uint32_t phase;
	int32_t error;
	uint64_t ns;
	char detail[128];
};
