/* Any bytes as a journal of several lines with its output file: refused by file and line, or events
 * that write lines which read back as the same, inline and with their texts apart.
 *
 * An input is the journal, a NUL, the output file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/codec.h"
#include "event/journal.h"
#include "event/reader.h"
#include "event/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char journal_path[64], output_path[64];

static void remove_files(void)
{
	unlink(journal_path);
	unlink(output_path);
	*strrchr(journal_path, '/') = '\0';
	rmdir(journal_path);
}

static void make_files(void)
{
	char dir[] = "/tmp/ff-fuzz-XXXXXX";

	if (*journal_path)
		return;
	if (!mkdtemp(dir))
		abort();
	snprintf(journal_path, sizeof(journal_path), "%s/journal.jsonl", dir);
	snprintf(output_path, sizeof(output_path), "%s/output", dir);
	atexit(remove_files);
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
	int fd;

	/* Some file systems write a file out that is cut and written again. */
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

/* What was read is written and read again; both say the same. */
static void check_inline(const struct ff_event *event)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_buf line = FF_BUF_INIT, second = FF_BUF_INIT, third = FF_BUF_INIT;
	struct ff_event once, twice;
	struct ff_err err = {0};

	/* The first time, bytes that are no UTF-8 are replaced, and told texts left out. */
	if (ff_event_json(&line, event) < 0 ||
	    ff_event_parse(&once, &arena, ff_buf_str(&line), line.len - 1, &err) < 0 ||
	    ff_event_json(&second, &once) < 0 ||
	    ff_event_parse(&twice, &arena, ff_buf_str(&second), second.len - 1, &err) < 0 ||
	    ff_event_json(&third, &twice) < 0)
		abort();
	if (second.len != third.len ||
	    memcmp(ff_buf_data(&second), ff_buf_data(&third), third.len) != 0)
		abort();
	ff_buf_release(&line);
	ff_buf_release(&second);
	ff_buf_release(&third);
	ff_arena_release(&arena);
}

/* A copy writes what its model does, to the line and to the output. */
static void check_copy(const struct ff_event *event)
{
	struct ff_event_ref *copy = ff_event_copy(event);
	struct ff_buf lines[2] = {FF_BUF_INIT, FF_BUF_INIT}, texts[2] = {FF_BUF_INIT, FF_BUF_INIT};

	for (int i = 0; i < 2; i++) {
		struct ff_output_sink sink = {.bytes = &texts[i], .base = 7};

		if (ff_event_encode(&lines[i], i ? copy->event : event, &sink) < 0)
			abort();
	}
	if (lines[0].len != lines[1].len || texts[0].len != texts[1].len ||
	    memcmp(ff_buf_data(&lines[0]), ff_buf_data(&lines[1]), lines[0].len) != 0 ||
	    (texts[0].len > 0 &&
	     memcmp(ff_buf_data(&texts[0]), ff_buf_data(&texts[1]), texts[0].len) != 0))
		abort();
	for (int i = 0; i < 2; i++) {
		ff_buf_release(&lines[i]);
		ff_buf_release(&texts[i]);
	}
	ff_event_unref(copy);
}

static void check_line(const uint8_t *data, size_t size)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_event event;
	struct ff_err err = {0};

	if (ff_event_parse(&event, &arena, (const char *)data, size, &err) == 0) {
		check_inline(&event);
		check_copy(&event);
	} else if (err.code >= 0 || !*err.text) {
		abort();
	}
	ff_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	const struct ff_event *event;
	struct ff_reader *reader;
	struct ff_err err = {0};
	uint64_t seq = 0;
	int rc;

	make_files();
	write_file(journal_path, data, len);
	if (end)
		write_file(output_path, end + 1, size - len - 1);
	else
		unlink(output_path);
	check_line(data, len);
	reader = ff_reader_new(journal_path, &err);
	if (!reader)
		abort();
	while ((rc = ff_reader_next(reader, &event, &err)) > 0) {
		if (event->seq != ++seq)
			abort();
		check_inline(event);
		check_copy(event);
	}
	if (rc < 0 && !strstr(err.text, "journal.jsonl:"))
		abort();
	ff_reader_free(reader);
	return 0;
}
