/* Checks tables as the launcher does: PROGRAM PACKS < tables. Prints what is wrong with them, or nothing. */
#include "../../native/launcher/restore-check.c"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	static _Alignas(8) uint8_t bytes[RESTORE_LIMIT_FILE_BYTES];
	const char *what = "";
	size_t len = fread(bytes, 1, sizeof(bytes), stdin);
	if (argc == 2 && restore_check(bytes, len, (uint32_t)atoi(argv[1]), &what) < 0)
		puts(what);
	return 0;
}
