/* What `farflung map` shows: the output of units, and nothing else unless it must be known. Output
 * that has to wait is kept in memory while it is little, else in a nameless file. */
#include "report/mapped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "report/mapped_private.h"
#include "report/text.h"

enum { SUBJECT_COLUMNS = 200 };

static struct ff_mapped_unit *unit_of(struct ff_mapped_screen *s, uint32_t index)
{
	struct ff_mapped_unit *unit = ff_map_get_u32(&s->units, index);

	if (unit)
		return unit;
	unit = ff_xcalloc(1, sizeof(*unit));
	unit->index = index;
	unit->out[0].fresh = unit->out[1].fresh = true;
	ff_map_set_u32(&s->units, index, unit);
	return unit;
}

static void forget(struct ff_mapped_screen *s, uint32_t index)
{
	struct ff_mapped_unit *unit = ff_map_get_u32(&s->units, index);

	if (!unit)
		return;
	ff_map_del_u32(&s->units, index);
	ff_mapped_unit_free(s, unit);
}

/* --- what is to be known --- */

static void say(struct ff_mapped_screen *s, const char *subject, const char *text)
{
	struct ff_buf line = FF_BUF_INIT;

	ff_buf_addstr(&line, "farflung: ");
	ff_text_line(&line, subject, SUBJECT_COLUMNS, "...");
	ff_text_line(&line, text, 0, "");
	ff_buf_addch(&line, '\n');
	ff_mapped_put(s, 1, ff_buf_data(&line), line.len);
	ff_buf_release(&line);
}

static void on_host(struct ff_mapped_screen *s, const struct ff_event *event)
{
	struct ff_buf subject = FF_BUF_INIT;

	/* The three have one shape. */
	ff_buf_addf(&subject, "host %s: ", event->host);
	say(s, ff_buf_str(&subject), event->u.host_away.error);
	ff_buf_release(&subject);
}

static void on_notice(struct ff_mapped_screen *s, const struct ff_event *event)
{
	const char *level = event->u.notice.level;

	if (s->opts.tally->deserted)
		return; /* that is nothing to complain of */
	if (strcmp(level, "warning") == 0 || strcmp(level, "error") == 0)
		say(s, "", event->u.notice.text);
}

/* An end that no exit value tells. */
static void say_end(struct ff_mapped_screen *s, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_buf subject = FF_BUF_INIT;

	if (result->outcome != FF_OUTCOME_ERROR && result->outcome != FF_OUTCOME_TIMEOUT &&
	    (result->outcome != FF_OUTCOME_LOST || s->killing))
		return;
	s->opts.units.command(s->opts.units.ctx, event->index, &subject);
	ff_buf_addstr(&subject, ": ");
	say(s, ff_buf_str(&subject), result->message ? result->message : "");
	ff_buf_release(&subject);
}

/* --- units --- */

static void on_output(struct ff_mapped_screen *s, const struct ff_event *event)
{
	int which = event->u.unit_output.stream == 2;
	struct ff_mapped_unit *unit = unit_of(s, event->index);

	ff_mapped_add(s, &unit->out[which], event->u.unit_output.bytes, event->u.unit_output.len);
	if (s->opts.order == FF_MAPPED_LINES)
		ff_mapped_show_lines(s, unit, which);
}

static void tally(struct ff_mapped_screen *s, const struct ff_result *result)
{
	struct ff_mapped_end end = ff_mapped_end(result);
	struct ff_mapped_tally *tally = s->opts.tally;

	s->finished++;
	/* What a stop has killed did not fail by itself. */
	if (result->outcome == FF_OUTCOME_LOST && s->killing)
		return;
	tally->failed += ff_outcome_bad(result->outcome);
	if (tally->stopped)
		return;
	tally->last_value = end.value >= 0 && end.signal == 0 ? end.value
			    : end.signal > 0		      ? 128 + end.signal
							      : 255;
}

static bool was_before(const struct ff_mapped_screen *s, uint32_t index)
{
	return index / 64 < s->before_words && (s->before[index / 64] >> index % 64 & 1);
}

static void show_next(struct ff_mapped_screen *s)
{
	struct ff_mapped_unit *unit;

	for (;; s->next++) {
		if (was_before(s, s->next))
			continue;
		unit = ff_map_get_u32(&s->units, s->next);
		if (!unit || !unit->done)
			return;
		ff_map_del_u32(&s->units, s->next);
		ff_mapped_show(s, unit);
	}
}

/* An earlier run had them, and showed what they wrote. */
static void on_before(struct ff_mapped_screen *s, const struct ff_event *event)
{
	uint32_t count = event->u.units_before.count, words = (event->index + count) / 64 + 1;

	if (words > s->before_words) {
		words += s->before_words;
		s->before = ff_xrealloc(s->before, words * sizeof(*s->before));
		memset(s->before + s->before_words, 0,
		       (words - s->before_words) * sizeof(*s->before));
		s->before_words = words;
	}
	for (uint32_t i = event->index; i < event->index + count; i++)
		s->before[i / 64] |= UINT64_C(1) << i % 64;
	s->finished += count;
	if (ff_outcome_bad(event->u.units_before.outcome))
		s->opts.tally->failed += count;
	show_next(s);
}

static void on_finished(struct ff_mapped_screen *s, const struct ff_event *event)
{
	struct ff_mapped_unit *unit;

	if (!event->u.unit_finished.result)
		return;
	if (!event->u.unit_finished.final) {
		if (s->opts.order == FF_MAPPED_LINES)
			ff_mapped_show_rest(s, unit_of(s, event->index));
		forget(s, event->index);
		return;
	}
	tally(s, event->u.unit_finished.result);
	if (s->opts.order == FF_MAPPED_KEPT) {
		unit_of(s, event->index)->done = true;
		say_end(s, event);
		show_next(s);
		return;
	}
	unit = ff_map_get_u32(&s->units, event->index);
	if (unit) {
		ff_map_del_u32(&s->units, event->index);
		ff_mapped_show(s, unit);
	}
	say_end(s, event);
}

static int by_index(const void *a, const void *b)
{
	const struct ff_mapped_unit *const *x = a, *const *y = b;

	return ((*x)->index > (*y)->index) - ((*x)->index < (*y)->index);
}

/* Nobody comes before them any more. */
static void show_all(struct ff_mapped_screen *s)
{
	struct ff_mapped_unit **units = ff_xcalloc(s->units.len + 1, sizeof(*units));
	size_t cursor = 0, len = 0;
	void *unit;

	while (ff_map_next(&s->units, &cursor, NULL, &unit))
		units[len++] = unit;
	ff_map_release(&s->units);
	qsort(units, len, sizeof(*units), by_index);
	for (size_t i = 0; i < len; i++)
		ff_mapped_show(s, units[i]);
	ff_free(units);
}

static void on_interrupted(struct ff_mapped_screen *s, const struct ff_event *event)
{
	s->killing = s->killing || event->u.interrupted.times > 1;
	say(s, "",
	    event->u.interrupted.times > 1
		    ? "interrupted again: what runs is killed"
		    : "interrupted: nothing more is begun, what runs may end (again to kill it)");
}

static void on_stopping(struct ff_mapped_screen *s, const struct ff_event *event)
{
	s->killing = s->killing || event->u.stopping.kill;
	s->opts.tally->stopped |= event->u.stopping.why == FF_REASON_MAXFAIL;
}

static void mapped_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct ff_mapped_screen *s = (struct ff_mapped_screen *)reporter;

	s->event_us = event->time_us;
	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		s->started_us = event->time_us;
		break;
	case FF_EVENT_JOB_ADDED:
		s->opts.tally->total = s->total = event->u.job_added.units;
		break;
	case FF_EVENT_UNITS_ADDED:
		s->total += event->u.units_added.count;
		s->opts.tally->total = s->total;
		break;
	case FF_EVENT_UNITS_BEFORE:
		on_before(s, event);
		break;
	case FF_EVENT_UNIT_OUTPUT:
		on_output(s, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
		on_finished(s, event);
		break;
	case FF_EVENT_UNIT_LOST:
		forget(s, event->index); /* what it does again, it says again */
		break;
	case FF_EVENT_HOST_AWAY:
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
		on_host(s, event);
		break;
	case FF_EVENT_NOTICE:
		on_notice(s, event);
		break;
	case FF_EVENT_STOPPING:
		on_stopping(s, event);
		break;
	case FF_EVENT_INTERRUPTED:
		on_interrupted(s, event);
		break;
	case FF_EVENT_RUN_FINISHED:
		s->over = true;
		show_all(s);
		break;
	default:
		break;
	}
	ff_mapped_pump(s);
}

/* --- as a reporter --- */

static void mapped_tick(struct ff_reporter *reporter, int64_t now_us)
{
	struct ff_mapped_screen *s = (struct ff_mapped_screen *)reporter;

	ff_mapped_pump(s);
	if (!s->bar || s->over || !s->started_us)
		return;
	/* What the events said last, carried on by the tick's own clock. */
	if (s->event_us != s->anchor_us) {
		s->anchor_us = s->event_us;
		s->anchor_tick_us = now_us;
	}
	s->now_us = s->anchor_us + now_us - s->anchor_tick_us;
	ff_mapped_draw(s);
}

static bool mapped_full(const struct ff_reporter *reporter)
{
	struct ff_mapped_screen *s = (struct ff_mapped_screen *)(uintptr_t)reporter;

	ff_mapped_pump(s);
	return ff_mapped_waits(s);
}

static int mapped_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct ff_mapped_screen *s = (struct ff_mapped_screen *)reporter;
	int out = 0, other = 0;

	do {
		ff_mapped_pump(s);
		out = s->out ? ff_writer_finish(s->out) : 0;
		ff_screen_frame(&s->err, NULL, 0);
		other = ff_writer_finish(s->err.writer);
	} while (!ff_list_empty(&s->showing) && !out && !other);
	if (s->lost_errno)
		return ff_err_sys(err, s->lost_errno,
				  "output of units could not be kept until it was shown");
	if (out && out != ECANCELED && !ff_writer_deserted(s->out))
		return ff_err_sys(err, out, "cannot write to stdout");
	if (other && other != ECANCELED && !ff_writer_deserted(s->err.writer))
		return ff_err_sys(err, other, "cannot write to stderr");
	return 0;
}

static bool mapped_deserted(const struct ff_reporter *reporter)
{
	const struct ff_mapped_screen *s = (const struct ff_mapped_screen *)reporter;

	return s->out && ff_writer_deserted(s->out);
}

/* As a signal would end another program. */
static bool mapped_failed(struct ff_reporter *reporter, struct ff_err *err)
{
	struct ff_mapped_screen *s = (struct ff_mapped_screen *)reporter;

	if (s->opts.tally->deserted || !mapped_deserted(reporter))
		return false;
	s->opts.tally->deserted = true;
	ff_err_set(err, FF_ESYS, "nobody reads what units write");
	return true;
}

static void mapped_abandon(struct ff_reporter *reporter)
{
	struct ff_mapped_screen *s = (struct ff_mapped_screen *)reporter;

	if (s->out)
		ff_writer_abandon(s->out);
	ff_writer_abandon(s->err.writer);
}

static void mapped_free(struct ff_reporter *reporter)
{
	struct ff_mapped_screen *s = (struct ff_mapped_screen *)reporter;

	show_all(s);
	while (!ff_list_empty(&s->showing)) {
		struct ff_mapped_unit *unit =
			ff_container_of(s->showing.next, struct ff_mapped_unit, node);

		ff_list_del(&unit->node);
		ff_mapped_unit_free(s, unit);
	}
	if (s->scratch >= 0)
		close(s->scratch);
	ff_writer_free(s->out);
	ff_screen_release(&s->err);
	ff_free(s->before);
	ff_free(s);
}

static const struct ff_reporter_class mapped_class = {
	.name = "mapped",
	.event = mapped_event,
	.tick = mapped_tick,
	.full = mapped_full,
	.failed = mapped_failed,
	.finish = mapped_finish,
	.deserted = mapped_deserted,
	.abandon = mapped_abandon,
	.free = mapped_free,
};

struct ff_reporter *ff_report_mapped(const struct ff_reporter_opts *opts,
				     const struct ff_mapped_opts *mapped)
{
	struct ff_writer_opts writer = {.fd = STDERR_FILENO, .wake = opts->wake, .ctx = opts->ctx};
	struct ff_mapped_screen *s = ff_xcalloc(1, sizeof(*s));

	s->base.class = &mapped_class;
	s->opts = *mapped;
	s->scratch = -1;
	s->bar = mapped->bar && isatty(STDERR_FILENO);
	ff_list_init(&s->showing);
	ff_screen_init(&s->err, &writer);
	writer.fd = opts->stdout_taken ? STDERR_FILENO : STDOUT_FILENO;
	/* Lines on one terminal with the bar go by the same way. */
	if (!s->bar || !isatty(STDOUT_FILENO))
		s->out = ff_writer_new(&writer);
	return &s->base;
}
