/* Of many failures the end shows one of each cause in full, and of that the last lines: the rest
 * are in the list of those that are alike, and all of them in the run's journal. */
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"

enum {
	FEW_WHOLE = 10,	     /* so many failures are shown in full, whatever they are of */
	FEW_HEAD_LINES = 4,  /* of a long text */
	FEW_TAIL_LINES = 12, /* likewise: what a command said last */
	/* From so many failures on all of the end is to fit on two screens. */
	MANY = 50,
	MANY_WHOLE = 3,
	MANY_LINES = 8, /* of the summary */
	MANY_TAIL_LINES = 8,
};

/* What one unit added to a text for the end. */
struct few_span {
	size_t from, to;
	bool repeats; /* another of its cause is there already */
	bool test;
};

static void add_span(struct ff_buf *spans, size_t from, size_t to, bool repeats, bool test)
{
	const struct few_span span = {from, to, repeats, test};

	if (to > from)
		ff_buf_add(spans, &span, sizeof(span));
}

void ff_terminal_keep_few(struct ff_terminal *t, const struct ff_event *event, uint32_t alike,
			  size_t failures, size_t summary)
{
	const struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	/* Who runs tests looks for each of them, as in any other runner's words. */
	if (!job || (!job->command && !t->setup.few_tests))
		return;
	t->few.commands += job->command && t->failures.len > failures;
	add_span(&t->few.failures, failures, t->failures.len, alike > 1, !job->command);
	add_span(&t->few.summary, summary, t->summary.len, alike > 1, !job->command);
}

bool ff_terminal_shows_many(const struct ff_terminal *t)
{
	return t->setup.verbosity <= 0 && t->few.failures.len / sizeof(struct few_span) > MANY;
}

bool ff_terminal_shows_few(const struct ff_terminal *t)
{
	return ff_terminal_shows_many(t) ||
	       (t->setup.verbosity <= 0 && t->few.commands > FEW_WHOLE);
}

static size_t count_lines(const char *text, size_t len)
{
	size_t lines = 0;

	for (const char *end = text + len; (text = memchr(text, '\n', (size_t)(end - text)));
	     text++)
		lines++;
	return lines;
}

/* Where line `number` begins, from 0. */
static size_t line_at(const char *text, size_t len, size_t number)
{
	const char *at = text;

	while (number-- > 0)
		at = (const char *)memchr(at, '\n', len - (size_t)(at - text)) + 1;
	return (size_t)(at - text);
}

/* How it begins, which says what and where, and its last lines. */
static void add_short(const struct ff_terminal *t, struct ff_buf *out, const char *text, size_t len)
{
	size_t lines = count_lines(text, len), head, tail;
	size_t at_end = ff_terminal_shows_many(t) ? MANY_TAIL_LINES : FEW_TAIL_LINES;

	if (lines <= FEW_HEAD_LINES + at_end + 1) {
		ff_buf_add(out, text, len);
		return;
	}
	head = line_at(text, len, FEW_HEAD_LINES);
	tail = line_at(text, len, lines - at_end);
	ff_buf_add(out, text, head);
	ff_terminal_unpaint(t, out);
	ff_buf_addf(out, "%s %zu lines are left out %s\n", t->glyphs->ellipsis,
		    lines - FEW_HEAD_LINES - at_end, t->glyphs->ellipsis);
	ff_buf_add(out, text + tail, len - tail);
}

/* `whole` without what repeats, and of many failures without more than `most`; gives how many are
 * left out, and whether those are all like others that are not. */
static uint32_t add_few(const struct ff_terminal *t, struct ff_buf *out, struct ff_buf *whole,
			struct ff_buf *spans, uint32_t most, bool *like_these)
{
	bool many = ff_terminal_shows_many(t);
	uint32_t shown = 0;
	const char *text = (const char *)ff_buf_data(whole);
	const unsigned char *next = ff_buf_data(spans);
	size_t at = 0;
	uint32_t left_out = 0;
	struct few_span span;

	*like_these = true;

	for (size_t left = spans->len / sizeof(span); left > 0; left--, next += sizeof(span)) {
		memcpy(&span, next, sizeof(span));
		ff_buf_add(out, text + at, span.from - at);
		at = span.to;
		if (many ? span.repeats || shown == most : span.repeats && !span.test) {
			left_out++;
			*like_these &= span.repeats;
			continue;
		}
		shown++;
		if (many || !span.test)
			add_short(t, out, text + span.from, span.to - span.from);
		else
			ff_buf_add(out, text + span.from, span.to - span.from);
	}
	if (whole->len > at)
		ff_buf_add(out, text + at, whole->len - at);
	return left_out;
}

static void say_where(const struct ff_terminal *t, struct ff_buf *out)
{
	if (t->few.run_id)
		ff_buf_addf(out,
			    "all of them: farflung replay -v %s\n"
			    "all output of one:\n  farflung show %s UNIT --output\n",
			    t->few.run_id, t->few.run_id);
}

void ff_terminal_say_few_failures(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	uint32_t repeats;
	bool like;

	ff_terminal_say_title(t, FF_TERMINAL_RED, "failures");
	repeats = add_few(t, out, &t->failures, &t->few.failures, MANY_WHOLE, &like);
	ff_terminal_say_left_out(t, t->failures_left_out);
	if (repeats > 0)
		ff_buf_addf(out, "%u more not shown here\n", repeats);
	say_where(t, out);
	ff_buf_addch(out, '\n');
	ff_buf_release(&t->failures);
}

void ff_terminal_say_few_lines(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	bool like;
	uint32_t left_out = add_few(t, out, &t->summary, &t->few.summary, MANY_LINES, &like);

	if (left_out > 0)
		ff_buf_addf(out, "and %u more%s\n", left_out, like ? " like these" : "");
	ff_buf_addch(out, '\n');
}

void ff_terminal_free_few(struct ff_terminal *t)
{
	ff_buf_release(&t->few.failures);
	ff_buf_release(&t->few.summary);
	ff_free(t->few.run_id);
}
