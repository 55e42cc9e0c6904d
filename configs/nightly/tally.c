/* How often each line comes, in the order of their first: "2 b". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 1000, LINE_BYTES_MAX = 256 };

static char lines[LINES_MAX][LINE_BYTES_MAX];
static unsigned counts[LINES_MAX];

int main(int argc, char **argv)
{
	char line[LINE_BYTES_MAX];
	size_t len = 0, i;

	if (argc > 1) {
		fprintf(stderr, "usage: tally < FILE\n");
		return 2;
	}
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		for (i = 0; i < len && strcmp(lines[i], line) != 0; i++)
			;
		if (i == LINES_MAX)
			return EXIT_FAILURE;
		if (i == len)
			strcpy(lines[len++], line);
		counts[i]++;
	}
	for (i = 0; i < len; i++)
		printf("%u %s\n", counts[i], lines[i]);
	return ferror(stdin) || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
