/* Stands in for libFuzzer in the ordinary build: gives a fuzz target every file of its corpus, and
 * mutations of them that are the same on each run.
 *
 *     fuzz_NAME MUTATIONS PATH…    files, or folders of files */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEEDS_MAX = 256, SIZE_MAX_BYTES = 64 << 10 };

struct seed {
	uint8_t *data;
	size_t size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seeds_len;

/* xorshift64: mutations depend on nothing but their number. */
static uint64_t state = 88172645463325252ull;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t below(size_t limit)
{
	return limit ? (size_t)(next() % limit) : 0;
}

/* In a block of its own size, so that a sanitizer sees every byte beyond the end. */
static void give(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void add_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct seed *seed = &seeds[seeds_len];

	if (!file || seeds_len == SEEDS_MAX) {
		perror(path);
		exit(2);
	}
	seed->data = malloc(SIZE_MAX_BYTES);
	if (!seed->data)
		abort();
	seed->size = fread(seed->data, 1, SIZE_MAX_BYTES, file);
	fclose(file);
	seeds_len++;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void add_path(const char *path)
{
	struct dirent **entries;
	struct stat st;
	char name[4096];
	int count;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	count = scandir(path, &entries, is_visible, alphasort);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		add_file(name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static size_t change_once(uint8_t *data, size_t size)
{
	static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '\n', '/', '"', '[', '{'};
	size_t at = below(size), len;

	switch (below(7)) {
	case 0: /* flip a bit */
		if (size)
			data[at] = (uint8_t)(data[at] ^ (1u << below(8)));
		return size;
	case 1:
		if (size)
			data[at] = telling[below(sizeof(telling))];
		return size;
	case 2:
		if (size)
			data[at] = (uint8_t)next();
		return size;
	case 3: /* cut the end off */
		return at;
	case 4: /* take a piece out */
		len = below(size - at + 1);
		memmove(data + at, data + at + len, size - at - len);
		return size - len;
	case 5: /* repeat a piece */
		len = below(size - at + 1);
		if (size + len > SIZE_MAX_BYTES)
			return size;
		memmove(data + at + len, data + at, size - at);
		return size + len;
	default: /* put a piece of another seed in */
	{
		const struct seed *other = &seeds[below(seeds_len)];
		size_t from = below(other->size);

		len = below(other->size - from + 1);
		if (size + len > SIZE_MAX_BYTES)
			return size;
		memmove(data + at + len, data + at, size - at);
		if (len)
			memcpy(data + at, other->data + from, len);
		return size + len;
	}
	}
}

int main(int argc, char **argv)
{
	static uint8_t data[SIZE_MAX_BYTES];
	long mutations = argc > 1 ? atol(argv[1]) : 0;

	for (int i = 2; i < argc; i++)
		add_path(argv[i]);
	if (seeds_len == 0) {
		fprintf(stderr, "usage: %s MUTATIONS FILE|FOLDER…\n", argv[0]);
		return 2;
	}
	give(NULL, 0);
	for (size_t i = 0; i < seeds_len; i++)
		give(seeds[i].data, seeds[i].size);
	for (long i = 0; i < mutations; i++) {
		const struct seed *seed = &seeds[below(seeds_len)];
		size_t size = seed->size;

		memcpy(data, seed->data, size);
		for (size_t changes = 1 + below(4); changes > 0; changes--)
			size = change_once(data, size);
		give(data, size);
	}
	printf("%zu seeds, %ld mutations\n", seeds_len, mutations);
	for (size_t i = 0; i < seeds_len; i++)
		free(seeds[i].data);
	return 0;
}
