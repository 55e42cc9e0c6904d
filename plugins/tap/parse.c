/* Line by line. What is no TAP is somebody's output, and means nothing. */
#include "tap/parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { INDENT = 4, FAILURES_MAX = 256 << 10, NUMBER_MAX = 1000000000 };

struct parser {
	struct ff_tap *tap;
	struct ff_buf under;	  /* failed points of the subtests that the next point is about */
	struct ff_buf *explained; /* the last point failed: what follows explains it there; NULL */
	bool yaml;		  /* within a block */
	bool plan_came_last;	  /* behind points */
};

struct line {
	const char *at;
	size_t len;
	int depth; /* of subtests; -1: it is indented otherwise */
};

struct point {
	bool ok, todo, skip;
	int64_t number; /* -1: it has none */
	const char *name;
	size_t name_len;
};

static void wrong(struct parser *p, const char *fmt, long long a, long long b)
	__attribute__((format(printf, 2, 0)));
static void wrong(struct parser *p, const char *fmt, long long a, long long b)
{
	if (p->tap->wrong.len == 0)
		ff_buf_addf(&p->tap->wrong, fmt, a, b);
}

static size_t blanks(const char *at, size_t len)
{
	size_t n = 0;

	while (n < len && (at[n] == ' ' || at[n] == '\t'))
		n++;
	return n;
}

static bool begins(const struct line *line, const char *word)
{
	return line->len >= strlen(word) && memcmp(line->at, word, strlen(word)) == 0;
}

/* Digits; -1: none, or too many. Moves on behind them. */
static int64_t number(const char **at, const char *end)
{
	int64_t value = 0;
	const char *from = *at;

	while (*at < end && isdigit((unsigned char)**at) && value <= NUMBER_MAX)
		value = 10 * value + (*(*at)++ - '0');
	return *at == from || value > NUMBER_MAX ? -1 : value;
}

/* --- points --- */

/* Where a directive ("# SKIP why") begins; `end`: nowhere. */
static const char *find_directive(const char *at, const char *end, struct point *point)
{
	for (const char *from = at; at < end; at++) {
		const char *word = at + 1;

		if (*at == '\\' && at + 1 < end) {
			at++;
			continue;
		}
		if (*at != '#' || (at > from && !isspace((unsigned char)at[-1])))
			continue;
		word += blanks(word, (size_t)(end - word));
		if (end - word < 4)
			continue;
		point->skip = strncasecmp(word, "skip", 4) == 0;
		point->todo = strncasecmp(word, "todo", 4) == 0 &&
			      (word + 4 == end || !isalnum((unsigned char)word[4]));
		if (point->skip || point->todo)
			return at;
	}
	return end;
}

static bool read_point(const struct line *line, struct point *point)
{
	const char *at = line->at, *end = line->at + line->len;

	*point = (struct point){.ok = begins(line, "ok"), .number = -1};
	if (!point->ok && !begins(line, "not ok"))
		return false;
	at += point->ok ? 2 : 6;
	if (at < end && !isspace((unsigned char)*at))
		return false;
	at += blanks(at, (size_t)(end - at));
	point->number = number(&at, end);
	at += blanks(at, (size_t)(end - at));
	if (at < end && *at == '-')
		at++;
	at += blanks(at, (size_t)(end - at));
	point->name = at;
	end = find_directive(at, end, point);
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	point->name_len = (size_t)(end - at);
	return true;
}

static void describe(struct ff_buf *out, const struct point *point, int64_t number)
{
	ff_buf_addf(out, "not ok %lld", (long long)number);
	if (point->name_len > 0)
		ff_buf_addf(out, " - %.*s", (int)point->name_len, point->name);
}

static void on_failed(struct parser *p, const struct point *point)
{
	struct ff_tap *tap = p->tap;

	tap->failed++;
	if (tap->first.len == 0)
		describe(&tap->first, point, tap->points);
	if (tap->failures.len >= FAILURES_MAX)
		return;
	describe(&tap->failures, point, tap->points);
	ff_buf_addch(&tap->failures, '\n');
	ff_buf_add(&tap->failures, ff_buf_data(&p->under), p->under.len);
	p->explained = &tap->failures;
}

static void on_point(struct parser *p, const struct point *point)
{
	struct ff_tap *tap = p->tap;

	tap->points++;
	p->explained = NULL;
	if (p->plan_came_last)
		wrong(p, "point %lld comes behind the plan", tap->points, 0);
	if (point->number >= 0 && point->number != tap->points)
		wrong(p, "point %lld is numbered %lld", tap->points, point->number);
	tap->skipped += point->skip;
	tap->todo += point->todo && !point->ok;
	tap->todo_passed += point->todo && point->ok;
	if (!point->ok && !point->todo && !point->skip)
		on_failed(p, point);
	ff_buf_clear(&p->under);
}

/* --- other lines --- */

static bool on_plan(struct parser *p, const struct line *line)
{
	const char *at = line->at + 3, *end = line->at + line->len;
	struct ff_tap *tap = p->tap;
	struct point directive = {0};
	int64_t planned;

	if (!begins(line, "1.."))
		return false;
	planned = number(&at, end);
	if (planned < 0)
		return false;
	if (tap->planned >= 0)
		wrong(p, "there are two plans, of %lld and of %lld points", tap->planned, planned);
	else
		tap->planned = planned;
	p->plan_came_last = tap->points > 0;
	at = find_directive(at, end, &directive);
	if (directive.skip) {
		at++;
		at += blanks(at, (size_t)(end - at));
		while (at < end && !isspace((unsigned char)*at))
			at++;
		at += blanks(at, (size_t)(end - at));
		ff_buf_add(&tap->skip, at, (size_t)(end - at));
	}
	return true;
}

static bool on_bail_out(struct parser *p, const struct line *line)
{
	static const char word[] = "Bail out!";
	size_t len = sizeof(word) - 1;

	if (line->len < len || strncasecmp(line->at, word, len) != 0)
		return false;
	p->tap->bailed = true;
	len += blanks(line->at + len, line->len - len);
	ff_buf_add(&p->tap->bail, line->at + len, line->len - len);
	return true;
}

/* Comments and YAML behind a point that failed. */
static void explain(struct parser *p, const char *at, size_t len)
{
	if (!p->explained || p->explained->len >= FAILURES_MAX)
		return;
	ff_buf_addstr(p->explained, "  ");
	ff_buf_add(p->explained, at, len);
	ff_buf_addch(p->explained, '\n');
}

static void on_nested(struct parser *p, const struct line *line)
{
	struct point point;

	if (!read_point(line, &point))
		return;
	p->tap->nested++;
	p->explained = NULL;
	if (point.ok || point.todo || point.skip || p->under.len >= FAILURES_MAX)
		return;
	for (int i = 0; i < line->depth; i++)
		ff_buf_addstr(&p->under, "    ");
	describe(&p->under, &point, point.number < 0 ? 0 : point.number);
	ff_buf_addch(&p->under, '\n');
	p->explained = &p->under;
}

/* `text` with all its indentation; true: it was of a block. */
static bool in_yaml(struct parser *p, const char *text, size_t len)
{
	const char *at = text + blanks(text, len);
	size_t left = len - (size_t)(at - text);

	if (!p->yaml) {
		p->yaml = at > text && left >= 3 && memcmp(at, "---", 3) == 0;
		return p->yaml;
	}
	/* One that nobody ends ends where there is no indentation. */
	if (at == text && left > 0) {
		p->yaml = false;
		return false;
	}
	if (left >= 3 && memcmp(at, "...", 3) == 0)
		p->yaml = false;
	else
		explain(p, text, len);
	return true;
}

static void on_line(struct parser *p, const char *text, size_t len)
{
	size_t indent = blanks(text, len);
	struct line line = {text + indent, len - indent, -1};
	struct point point;

	if (in_yaml(p, text, len))
		return;
	if (indent % INDENT == 0)
		line.depth = (int)(indent / INDENT);
	if (line.depth < 0 || line.len == 0 || on_bail_out(p, &line))
		return;
	if (line.depth > 0)
		on_nested(p, &line);
	else if (read_point(&line, &point))
		on_point(p, &point);
	else if (!on_plan(p, &line) && *line.at == '#')
		explain(p, line.at, line.len);
}

/* --- all of it --- */

static void check_plan(struct parser *p)
{
	struct ff_tap *tap = p->tap;

	if (tap->bailed)
		return;
	if (tap->planned < 0)
		wrong(p,
		      tap->points > 0 ? "there is no plan, but %lld points"
				      : "there is neither a plan nor a point",
		      tap->points, 0);
	else if (tap->planned != tap->points)
		wrong(p, "%lld points were planned, %lld came", tap->planned, tap->points);
}

void ff_tap_parse(struct ff_tap *tap, const char *text, size_t len)
{
	struct parser p = {.tap = tap};
	const char *end = text + len;

	*tap = (struct ff_tap){.planned = -1};
	while (text < end && !tap->bailed) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t line = (size_t)((stop ? stop : end) - text);

		on_line(&p, text, line > 0 && text[line - 1] == '\r' ? line - 1 : line);
		text += line + 1;
	}
	check_plan(&p);
	ff_buf_release(&p.under);
}

void ff_tap_release(struct ff_tap *tap)
{
	ff_buf_release(&tap->bail);
	ff_buf_release(&tap->skip);
	ff_buf_release(&tap->first);
	ff_buf_release(&tap->failures);
	ff_buf_release(&tap->wrong);
}
