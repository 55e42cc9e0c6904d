/* The live block's lines: progress, and what is running. Only text; screen.c puts it on the screen.
 */
#include <stdio.h>
#include <string.h>

#include "report/terminal.h"
#include "report/text.h"

enum {
	LIVE_UNITS = 8,
	BAR_COLUMNS = 20,
	MINUTE_US = 60 * 1000000,
};

/* "12.3s": hundredths would only flicker. */
static void add_clock(struct ff_buf *line, int64_t us)
{
	char text[24];

	if (us >= MINUTE_US - 50000) {
		ff_text_seconds(line, us);
		return;
	}
	snprintf(text, sizeof(text), "%.1fs", us > 0 ? (double)us / 1e6 : 0.0);
	ff_buf_addstr(line, text);
}

static void add_bar(const struct ff_terminal *t, struct ff_buf *line)
{
	unsigned filled = t->total ? (unsigned)((uint64_t)BAR_COLUMNS * t->finished / t->total) : 0;

	ff_buf_addch(line, '[');
	ff_terminal_paint(t, line, t->failed > 0 ? FF_TERMINAL_RED : FF_TERMINAL_GREEN);
	for (unsigned i = 0; i < BAR_COLUMNS; i++)
		ff_buf_addch(line, i < filled ? '=' : i == filled ? '>' : ' ');
	ff_terminal_unpaint(t, line);
	ff_buf_addf(line, "] %u/%u %u%%", t->finished, t->total,
		    (unsigned)(100 * (uint64_t)t->finished / t->total));
}

static void add_eta(const struct ff_terminal *t, struct ff_buf *line, int64_t now_us)
{
	int64_t spent = now_us - t->first_unit_us, left = -1;

	/* As if those that are left took what the others did. */
	if (t->total > 0 && t->finished >= t->total)
		left = 0;
	else if (t->finished > 0 && t->first_unit_us > 0 && spent > 0)
		left = (int64_t)((double)spent / t->finished * (t->total - t->finished));
	if (t->setup.left_us)
		left = t->setup.left_us(t->setup.ctx, left);
	if (left < 0 || (left == 0 && t->finished >= t->total))
		return;
	ff_buf_addf(line, " %s ETA ", t->glyphs->dot);
	if (left < MINUTE_US)
		ff_buf_addf(line, "%ds", (int)((left + 999999) / 1000000));
	else
		ff_text_seconds(line, left);
}

static void add_progress(const struct ff_terminal *t, struct ff_buf *line, int64_t now_us)
{
	const char *dot = t->glyphs->dot;
	uint32_t bad = t->failed + t->errors_len;

	if (t->interrupts > 0 || t->stopping)
		ff_buf_addf(line, "stopping %s ", dot);
	if (t->total > 0)
		add_bar(t, line);
	else if (t->hosts_ready + t->hosts_failed < t->hosts)
		ff_buf_addf(line, "%u of %u hosts ready", t->hosts_ready, t->hosts);
	else
		ff_buf_addstr(line, "collecting");
	if (bad > 0)
		ff_buf_addf(line, " %s %u failed", dot, bad);
	if (t->retries > 0)
		ff_buf_addf(line, "%s%s %u retried", bad > 0 ? "," : " ", bad > 0 ? "" : dot,
			    t->retries);
	ff_buf_addf(line, " %s ", dot);
	add_clock(line, now_us - t->started_us);
	add_eta(t, line, now_us);
}

static void add_running(const struct ff_terminal *t, const struct ff_terminal_running *running,
			struct ff_buf *line, int64_t now_us)
{
	struct ff_buf took = FF_BUF_INIT;

	add_clock(&took, now_us - running->started_us);
	ff_buf_addf(line, "%7s ", ff_buf_str(&took));
	ff_buf_release(&took);
	ff_terminal_unit(t, line, running->job, running->unit);
	if (!running->host)
		return;
	ff_buf_addstr(line, " [");
	ff_terminal_name(t, line, running->host);
	ff_buf_addstr(line, running->worker ? " " : "");
	ff_terminal_name(t, line, running->worker);
	ff_buf_addch(line, ']');
}

/* Ends the line so that the terminal cannot wrap it; the unit's tail matters less than its place.
 */
static void add_cut(const struct ff_terminal *t, struct ff_buf *block, const struct ff_buf *line,
		    unsigned columns)
{
	const char *text = (const char *)ff_buf_data(line);
	size_t dots = strlen(t->glyphs->ellipsis) > 1 && t->glyphs->ellipsis[0] == '.' ? 3 : 1;

	columns = columns > 1 ? columns - 1 : 1;
	if (ff_text_width(text, line->len) <= columns) {
		ff_buf_add(block, text, line->len);
		return;
	}
	ff_buf_add(block, text, ff_text_fit(text, line->len, columns > dots ? columns - dots : 0));
	ff_terminal_unpaint(t, block);
	if (columns > dots)
		ff_buf_addstr(block, t->glyphs->ellipsis);
}

unsigned ff_terminal_live(struct ff_terminal *t, int64_t now_us, struct ff_buf *block)
{
	struct ff_screen_size size = ff_screen_size(&t->screen);
	struct ff_buf line = FF_BUF_INIT;
	size_t left = t->running.len;
	unsigned rows = 1, units = LIVE_UNITS;
	struct ff_list *pos;

	/* Progress, units and "more" leave at least one row to the permanent lines. */
	if (size.rows < LIVE_UNITS + 3)
		units = size.rows > 3 ? size.rows - 3 : 0;
	add_progress(t, &line, now_us);
	add_cut(t, block, &line, size.columns);
	ff_list_for_each(pos, &t->running_list) {
		if (rows > units)
			break;
		ff_buf_clear(&line);
		add_running(t, ff_container_of(pos, struct ff_terminal_running, node), &line,
			    now_us);
		ff_buf_addch(block, '\n');
		add_cut(t, block, &line, size.columns);
		rows++;
		left--;
	}
	if (left > 0 && units > 0) {
		ff_buf_clear(&line);
		ff_buf_addf(&line, "%7s +%zu more", "", left);
		ff_buf_addch(block, '\n');
		add_cut(t, block, &line, size.columns);
		rows++;
	}
	ff_buf_release(&line);
	return rows;
}
