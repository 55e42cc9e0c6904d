/* Reading a journal and the output beside it. */
#include "event/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "event/codec.h"
#include "event/journal.h"
#include "event/output.h"

enum { READ_SIZE = 64 << 10 };

static const char missing_text[] = "[output is missing]";

/* A piece of an attempt's output. */
struct piece {
	uint64_t at, cut;
	size_t len;
	int stream;
	bool tail;
};

/* The attempt of a unit that is going on. */
struct attempt {
	struct piece *pieces;
	size_t len, cap;
};

struct ff_reader {
	struct ff_output_source source; /* first: it is cast back */
	char *path, *output_path;
	int fd, output_fd; /* output_fd: -1 until it is looked for, or if there is none */
	uint64_t line, seq, output_size, read;
	uint64_t budget; /* bytes that this event may still take from the output file */
	struct ff_buf pending;
	size_t scanned; /* of pending, has no newline */
	size_t taken;	/* of pending, the line of the event that was given last */
	struct ff_arena arena;
	struct ff_map attempts; /* "index job" -> struct attempt */
	char *missing;
	bool brief;
};

static void note_missing(struct ff_reader *reader, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void note_missing(struct ff_reader *reader, const char *fmt, ...)
{
	struct ff_buf text = FF_BUF_INIT;
	va_list args;

	if (reader->missing)
		return;
	va_start(args, fmt);
	ff_buf_addf(&text, "%s:%" PRIu64 ": ", reader->path, reader->line);
	ff_buf_vaddf(&text, fmt, args);
	va_end(args);
	reader->missing = ff_buf_take(&text);
}

static void set_missing(struct ff_section *text)
{
	text->text = missing_text;
	text->len = sizeof(missing_text) - 1;
}

/* The output file grows with the journal. */
static bool output_has(struct ff_reader *reader, uint64_t at, size_t len)
{
	struct stat st;

	if (len == 0)
		return true;
	if (reader->output_fd < 0) {
		reader->output_fd = open(reader->output_path, O_RDONLY | O_CLOEXEC);
		if (reader->output_fd < 0) {
			note_missing(reader, "%s: %s", reader->output_path, strerror(errno));
			return false;
		}
	}
	if (at > reader->output_size || len > reader->output_size - at) {
		if (fstat(reader->output_fd, &st) == 0 && S_ISREG(st.st_mode))
			reader->output_size = (uint64_t)st.st_size;
	}
	if (at <= reader->output_size && len <= reader->output_size - at)
		return true;
	note_missing(reader, "%s: %zu bytes from %" PRIu64 " are wanted, it has %" PRIu64,
		     reader->output_path, len, at, reader->output_size);
	return false;
}

/* The place is known to be in the file. */
static bool read_output(struct ff_reader *reader, uint64_t at, size_t len, char *into)
{
	while (len > 0) {
		ssize_t n = pread(reader->output_fd, into, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			note_missing(reader, "%s: %s", reader->output_path,
				     n < 0 ? strerror(errno) : "it became shorter");
			return false;
		}
		into += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

/* No event can speak of more output than there is: a line that says so costs no memory. */
static int take_budget(struct ff_reader *reader, size_t len, struct ff_err *err)
{
	if (len > reader->budget)
		return ff_err_set(err, FF_ELOAD,
				  "'len': expected no more than the output file has");
	reader->budget -= len;
	return 0;
}

static int get_bytes(struct ff_output_source *source, const struct ff_event *event,
		     struct ff_arena *arena, uint64_t at, size_t len, struct ff_section *text,
		     struct ff_err *err)
{
	struct ff_reader *reader = (struct ff_reader *)source;
	char *bytes;

	if (!output_has(reader, at, len)) {
		set_missing(text);
		return 0;
	}
	if (reader->budget == UINT64_MAX)
		reader->budget = reader->output_size;
	if (take_budget(reader, len, err) < 0)
		return FF_ELOAD;
	bytes = ff_arena_alloc(arena, len + 1);
	if (!bytes)
		return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	bytes[len] = '\0';
	text->text = bytes;
	text->len = len;
	if (!read_output(reader, at, len, bytes))
		set_missing(text);
	return 0;
}

/* A unit's key: names may hold anything. */
static const char *key_of(const struct ff_event *event, struct ff_buf *key)
{
	ff_buf_addf(key, "%" PRIu32 " %s", event->index, event->job);
	return ff_buf_str(key);
}

static struct attempt *find_attempt(struct ff_reader *reader, const struct ff_event *event,
				    bool remove)
{
	struct ff_buf key = FF_BUF_INIT;
	const char *text = key_of(event, &key);
	struct attempt *attempt =
		remove ? ff_map_del(&reader->attempts, text) : ff_map_get(&reader->attempts, text);

	ff_buf_release(&key);
	return attempt;
}

static void free_attempt(struct attempt *attempt)
{
	if (!attempt)
		return;
	ff_free(attempt->pieces);
	ff_free(attempt);
}

/* What one stream of an attempt was put together from. */
struct told {
	uint64_t head, tail, cut;
};

static struct told measure(const struct attempt *attempt, int stream)
{
	struct told told = {0};

	for (size_t i = 0; attempt && i < attempt->len; i++) {
		const struct piece *piece = &attempt->pieces[i];

		if (piece->stream != stream)
			continue;
		*(piece->tail ? &told.tail : &told.head) += piece->len;
		told.cut += piece->cut;
	}
	return told;
}

/* As ff_output_text puts it together, from what the run told of it. */
static bool put_together(struct ff_reader *reader, const struct attempt *attempt, int stream,
			 const struct told *told, struct ff_buf *text)
{
	bool marked = false;

	for (size_t i = 0; attempt && i < attempt->len; i++) {
		const struct piece *piece = &attempt->pieces[i];
		uint8_t *into;

		if (piece->stream != stream)
			continue;
		if (piece->tail && told->cut > 0 && !marked &&
		    ff_output_mark(text, told->cut, told->head, told->tail) < 0)
			return false;
		marked |= piece->tail;
		if (piece->len == 0)
			continue;
		into = ff_buf_reserve(text, piece->len);
		if (!into || !read_output(reader, piece->at, piece->len, (char *)into))
			return false;
		ff_buf_added(text, piece->len);
	}
	return true;
}

static int get_told(struct ff_output_source *source, const struct ff_event *event,
		    struct ff_arena *arena, int stream, size_t len, struct ff_section *text,
		    struct ff_err *err)
{
	struct ff_reader *reader = (struct ff_reader *)source;
	const struct attempt *attempt = find_attempt(reader, event, false);
	struct told told = measure(attempt, stream);
	struct ff_buf whole = FF_BUF_INIT;
	int rc = 0;

	set_missing(text);
	for (size_t i = 0; attempt && i < attempt->len; i++)
		if (!output_has(reader, attempt->pieces[i].at, attempt->pieces[i].len))
			return 0;
	if (reader->budget == UINT64_MAX)
		reader->budget = reader->output_size;
	rc = take_budget(reader, (size_t)(told.head + told.tail), err);
	if (rc == 0 && put_together(reader, attempt, stream, &told, &whole)) {
		if (whole.len != len) {
			note_missing(reader, "%zu bytes of output were told, %zu are wanted",
				     whole.len, len);
		} else {
			text->text = ff_arena_copy(arena, ff_buf_str(&whole), whole.len);
			text->len = len;
			if (!text->text)
				rc = ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		}
	}
	ff_buf_release(&whole);
	return rc;
}

static int add_piece(struct ff_reader *reader, const struct ff_event *event,
		     const struct ff_output_place *place, struct ff_err *err)
{
	struct attempt *attempt = find_attempt(reader, event, false);
	struct piece piece = {.at = place->at,
			      .len = place->len,
			      .stream = event->u.unit_output.stream,
			      .tail = event->u.unit_output.tail,
			      .cut = event->u.unit_output.cut};
	struct piece *last;

	if (!attempt) {
		struct ff_buf key = FF_BUF_INIT;

		attempt = ff_xcalloc(1, sizeof(*attempt));
		if (ff_map_set(&reader->attempts, key_of(event, &key), attempt) < 0) {
			free_attempt(attempt);
			attempt = NULL;
		}
		ff_buf_release(&key);
		if (!attempt)
			return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	}
	last = attempt->len > 0 ? &attempt->pieces[attempt->len - 1] : NULL;
	/* Many small writes of a unit that nobody interrupts are one piece. */
	if (last && last->stream == piece.stream && last->tail == piece.tail &&
	    last->at + last->len == piece.at && piece.cut == 0) {
		last->len += piece.len;
		return 0;
	}
	if (attempt->len == attempt->cap) {
		attempt->cap = attempt->cap ? attempt->cap * 2 : 4;
		attempt->pieces =
			ff_xrealloc(attempt->pieces, attempt->cap * sizeof(*attempt->pieces));
	}
	attempt->pieces[attempt->len++] = piece;
	return 0;
}

struct ff_reader *ff_reader_new(const char *path, struct ff_err *err)
{
	struct ff_reader *reader;
	const char *slash = strrchr(path, '/');
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		ff_err_sys(err, errno, "%s", path);
		return NULL;
	}
	reader = ff_xcalloc(1, sizeof(*reader));
	reader->source.bytes = get_bytes;
	reader->source.told = get_told;
	reader->fd = fd;
	reader->output_fd = -1;
	reader->path = ff_xstrdup(path);
	reader->output_path = ff_xasprintf("%.*soutput", slash ? (int)(slash - path) + 1 : 0, path);
	return reader;
}

void ff_reader_free(struct ff_reader *reader)
{
	size_t cursor = 0;
	void *attempt;

	if (!reader)
		return;
	close(reader->fd);
	if (reader->output_fd >= 0)
		close(reader->output_fd);
	while (ff_map_next(&reader->attempts, &cursor, NULL, &attempt))
		free_attempt(attempt);
	ff_map_release(&reader->attempts);
	ff_arena_release(&reader->arena);
	ff_buf_release(&reader->pending);
	ff_free(reader->path);
	ff_free(reader->output_path);
	ff_free(reader->missing);
	ff_free(reader);
}

void ff_reader_place(const struct ff_reader *reader, uint64_t *at, uint64_t *size)
{
	struct stat st;

	*at = *size = 0;
	if (fstat(reader->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	*size = (uint64_t)st.st_size;
	*at = reader->read - (reader->pending.len - reader->taken);
}

const char *ff_reader_missing(const struct ff_reader *reader)
{
	return reader->missing;
}

/* 1: the next line is at the front of `pending`, `len` bytes with its newline. 0: it has no end. */
static int next_line(struct ff_reader *reader, size_t *len, struct ff_err *err)
{
	for (;;) {
		struct ff_buf *pending = &reader->pending;
		const uint8_t *data = ff_buf_data(pending), *end = NULL;
		uint8_t *into;
		ssize_t n;

		if (pending->len > reader->scanned)
			end = memchr(data + reader->scanned, '\n', pending->len - reader->scanned);
		if (end) {
			*len = (size_t)(end - data) + 1;
			reader->scanned = 0;
			return 1;
		}
		reader->scanned = pending->len;
		into = ff_buf_reserve(pending, READ_SIZE);
		if (!into)
			return ff_err_set(err, FF_ETOOBIG, "%s:%" PRIu64 ": line too long",
					  reader->path, reader->line + 1);
		n = read(reader->fd, into, READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ff_err_sys(err, errno, "%s", reader->path);
		if (n == 0)
			return 0;
		reader->read += (uint64_t)n;
		ff_buf_added(pending, (size_t)n);
	}
}

/* What an event means for the attempts that are going on. */
static int follow(struct ff_reader *reader, const struct ff_event *event,
		  const struct ff_output_place *place, struct ff_err *err)
{
	switch (event->kind) {
	case FF_EVENT_UNIT_OUTPUT:
		return add_piece(reader, event, place, err);
	case FF_EVENT_UNIT_STARTED:
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_LOST:
		free_attempt(find_attempt(reader, event, true));
		return 0;
	default:
		return 0;
	}
}

static int check_seq(const struct ff_reader *reader, const struct ff_event *event,
		     struct ff_err *err)
{
	if (event->seq == reader->seq + 1)
		return 0;
	return ff_err_set(err, FF_ELOAD, "'seq': expected %" PRIu64 ", not %" PRIu64 ": %s",
			  reader->seq + 1, event->seq,
			  event->seq <= reader->seq ? "an event is repeated"
						    : "events are missing");
}

void ff_reader_brief(struct ff_reader *reader)
{
	reader->brief = true;
}

/* 1: `read` is to be given; 0: it is left out. */
static int decode(struct ff_reader *reader, struct ff_event *read, size_t len, struct ff_err *err)
{
	const char *line = (const char *)ff_buf_data(&reader->pending);
	int brief = reader->brief ? ff_event_brief(read, &reader->arena, line, len) : -1;
	struct ff_output_place place = {0};
	int rc = 0;

	if (brief < 0)
		rc = ff_event_decode(read, &reader->arena, line, len, &reader->source, &place, err);
	if (rc == 0)
		rc = check_seq(reader, read, err);
	if (rc == 0 && !reader->brief)
		rc = follow(reader, read, &place, err);
	if (rc < 0)
		return rc;
	reader->seq = read->seq;
	return !(reader->brief && ff_event_left_out(read->kind));
}

int ff_reader_next(struct ff_reader *reader, const struct ff_event **event, struct ff_err *err)
{
	struct ff_event *read;
	size_t len = 0;
	int rc;

	do {
		ff_buf_consume(&reader->pending, reader->taken);
		reader->taken = 0;
		rc = next_line(reader, &len, err);
		if (rc <= 0)
			return rc;
		reader->line++;
		reader->taken = len;
		reader->budget = UINT64_MAX; /* until the size of the output file matters */
		ff_arena_release(&reader->arena);
		read = ff_arena_alloc(&reader->arena, sizeof(*read));
		rc = read ? decode(reader, read, len, err)
			  : ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	} while (rc == 0);
	if (rc < 0) {
		ff_err_prefix(err, "%s:%" PRIu64 ": ", reader->path, reader->line);
		return rc;
	}
	*event = read;
	return 1;
}
