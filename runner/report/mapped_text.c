/* How output of `farflung map`'s units waits, and how it goes out: line by line with a tag, in
 * pieces that a reader has room for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "report/file.h"
#include "report/mapped_private.h"
#include "report/text.h"

enum {
	UNIT_HELD = 1 << 20, /* of one unit, in memory */
	ALL_HELD = 8 << 20,  /* of all, before even short ones are put aside */
	WORTH_A_PIECE = 16 << 10,
	CHUNK = 128 << 10,
	SCREEN_HELD = 64 << 10,
	BAR_COLUMNS = 20,
};

/* --- waiting --- */

static int write_piece(struct ff_mapped_screen *s, const struct ff_buf *memory)
{
	const char *bytes = (const char *)ff_buf_data(memory);
	struct ff_err err = {0};
	size_t done = 0;

	if (s->scratch < 0)
		s->scratch = ff_report_scratch("/dev/null", &err);
	if (s->scratch < 0)
		return errno ? errno : EIO;
	while (done < memory->len) {
		ssize_t n = pwrite(s->scratch, bytes + done, memory->len - done,
				   (off_t)(s->scratch_at + done));

		if (n < 0 && errno != EINTR)
			return errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void put_aside(struct ff_mapped_screen *s, struct ff_mapped_text *text)
{
	int errnum = write_piece(s, &text->memory);

	if (errnum) {
		/* It stays where it is, until there is room. */
		if (text->memory.len > FF_BUF_MAX / 2) {
			s->lost_errno = errnum;
			s->held -= text->memory.len;
			ff_buf_release(&text->memory);
		}
		return;
	}
	text->pieces = ff_xrealloc(text->pieces, (text->len + 1) * sizeof(*text->pieces));
	text->pieces[text->len++] = (struct ff_mapped_piece){s->scratch_at, text->memory.len};
	s->scratch_at += text->memory.len;
	s->held -= text->memory.len;
	ff_buf_release(&text->memory);
}

void ff_mapped_add(struct ff_mapped_screen *s, struct ff_mapped_text *text, const char *bytes,
		   size_t len)
{
	if (ff_buf_add(&text->memory, bytes, len)) {
		s->lost_errno = ENOMEM;
		return;
	}
	s->held += len;
	if (s->opts.order != FF_MAPPED_LINES &&
	    (text->memory.len > UNIT_HELD ||
	     (s->held > ALL_HELD && text->memory.len > WORTH_A_PIECE)))
		put_aside(s, text);
}

void ff_mapped_unit_free(struct ff_mapped_screen *s, struct ff_mapped_unit *unit)
{
	for (int i = 0; i < 2; i++) {
		s->held -= unit->out[i].memory.len;
		ff_buf_release(&unit->out[i].memory);
		ff_free(unit->out[i].pieces);
	}
	ff_free(unit->tag);
	ff_free(unit);
}

/* --- going out --- */

void ff_mapped_put(struct ff_mapped_screen *s, int which, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	if (which == 0 && s->out) {
		ff_writer_put(s->out, bytes, len, NULL);
		return;
	}
	ff_buf_add(&s->err.text, bytes, len);
	/* Above a bar it waits for the next frame. */
	if (!s->bar || s->err.text.len > SCREEN_HELD)
		ff_screen_frame(&s->err, NULL, 0);
}

static void make_tag(struct ff_mapped_screen *s, struct ff_mapped_unit *unit)
{
	struct ff_buf tag = FF_BUF_INIT;

	if (unit->tag)
		return;
	s->opts.units.tag(s->opts.units.ctx, unit->index, &tag);
	ff_buf_addch(&tag, '\t');
	unit->tag = ff_buf_take(&tag);
}

static void put_tagged(struct ff_mapped_screen *s, struct ff_mapped_unit *unit, int which,
		       const char *bytes, size_t len)
{
	struct ff_buf lines = FF_BUF_INIT;

	if (!s->opts.tag) {
		ff_mapped_put(s, which, bytes, len);
		return;
	}
	make_tag(s, unit);
	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		size_t line = end ? (size_t)(end - bytes) + 1 : len;

		if (unit->out[which].fresh)
			ff_buf_addstr(&lines, unit->tag);
		ff_buf_add(&lines, bytes, line);
		unit->out[which].fresh = end != NULL;
		bytes += line;
		len -= line;
	}
	ff_mapped_put(s, which, ff_buf_data(&lines), lines.len);
	ff_buf_release(&lines);
}

static void consume(struct ff_mapped_screen *s, struct ff_mapped_unit *unit, int which, size_t len)
{
	struct ff_buf *memory = &unit->out[which].memory;

	put_tagged(s, unit, which, (const char *)ff_buf_data(memory), len);
	ff_buf_consume(memory, len);
	s->held -= len;
}

void ff_mapped_show_lines(struct ff_mapped_screen *s, struct ff_mapped_unit *unit, int which)
{
	const struct ff_buf *memory = &unit->out[which].memory;
	const char *bytes = (const char *)ff_buf_data(memory);
	const char *end = memory->len ? memrchr(bytes, '\n', memory->len) : NULL;

	if (end)
		consume(s, unit, which, (size_t)(end - bytes) + 1);
}

void ff_mapped_show_rest(struct ff_mapped_screen *s, struct ff_mapped_unit *unit)
{
	for (int i = 0; i < 2; i++)
		if (unit->out[i].memory.len > 0)
			consume(s, unit, i, unit->out[i].memory.len);
}

/* A part of what is in the file. False: there is no more of it. */
static bool show_piece(struct ff_mapped_screen *s, struct ff_mapped_unit *unit, int which)
{
	struct ff_mapped_text *text = &unit->out[which];
	struct ff_mapped_piece *piece;
	size_t len;
	char *bytes;
	ssize_t n;

	while (text->shown < text->len && text->pieces[text->shown].len == 0)
		text->shown++;
	if (text->shown == text->len)
		return false;
	piece = &text->pieces[text->shown];
	len = piece->len < CHUNK ? (size_t)piece->len : CHUNK;
	bytes = ff_xmalloc(CHUNK);
	n = pread(s->scratch, bytes, len, (off_t)piece->offset);
	if (n > 0) {
		put_tagged(s, unit, which, bytes, (size_t)n);
		piece->offset += (uint64_t)n;
		piece->len -= (uint64_t)n;
	} else if (n == 0 || errno != EINTR) {
		s->lost_errno = n < 0 ? errno : EIO;
		piece->len = 0;
	}
	ff_free(bytes);
	return true;
}

bool ff_mapped_waits(struct ff_mapped_screen *s)
{
	bool full = s->out && ff_writer_full(s->out);

	return ff_writer_full(s->err.writer) || full || !ff_list_empty(&s->showing);
}

void ff_mapped_pump(struct ff_mapped_screen *s)
{
	while (!ff_list_empty(&s->showing)) {
		struct ff_mapped_unit *unit =
			ff_container_of(s->showing.next, struct ff_mapped_unit, node);

		for (int i = 0; i < 2; i++) {
			do {
				if ((s->out && ff_writer_full(s->out)) ||
				    ff_writer_full(s->err.writer))
					return;
			} while (show_piece(s, unit, i));
			if (unit->out[i].memory.len > 0)
				consume(s, unit, i, unit->out[i].memory.len);
		}
		ff_list_del(&unit->node);
		ff_mapped_unit_free(s, unit);
	}
}

void ff_mapped_show(struct ff_mapped_screen *s, struct ff_mapped_unit *unit)
{
	ff_list_add_tail(&s->showing, &unit->node);
	ff_mapped_pump(s);
}

/* --- how far it is --- */

static void add_eta(const struct ff_mapped_screen *s, struct ff_buf *line)
{
	int64_t spent = s->now_us - s->started_us;

	ff_buf_addstr(line, " in ");
	ff_text_seconds(line, spent);
	if (s->finished == 0 || s->finished >= s->total)
		return;
	ff_buf_addstr(line, ", ETA ");
	ff_text_seconds(line, (int64_t)((double)spent / s->finished * (s->total - s->finished)));
}

void ff_mapped_draw(struct ff_mapped_screen *s)
{
	struct ff_screen_size size = ff_screen_size(&s->err);
	struct ff_buf line = FF_BUF_INIT;
	unsigned filled = s->total ? (unsigned)((uint64_t)BAR_COLUMNS * s->finished / s->total) : 0;
	const char *text;

	ff_buf_addch(&line, '[');
	for (unsigned i = 0; i < BAR_COLUMNS; i++)
		ff_buf_addch(&line, i < filled ? '=' : i == filled ? '>' : ' ');
	ff_buf_addf(&line, "] %u/%u %u%%", s->finished, s->total,
		    s->total ? (unsigned)(100 * (uint64_t)s->finished / s->total) : 0);
	if (s->opts.tally->failed)
		ff_buf_addf(&line, ", %u failed", s->opts.tally->failed);
	add_eta(s, &line);
	text = ff_buf_str(&line);
	line.len = ff_text_fit(text, line.len, size.columns > 1 ? size.columns - 1 : 1);
	ff_screen_frame(&s->err, &line, 1);
	ff_buf_release(&line);
}
