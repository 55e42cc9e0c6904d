#include "report/summary.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "report/text.h"

enum {
	ROOM_FOR_WORDS = 512,
	LISTED_MAX = 5000, /* lines of a list */
	TAIL_LINES = 20,
	TAIL_BYTES = 4 << 10,
};

/* --- what happens --- */

char *ff_summary_name(const struct ff_summary *summary, const char *job, const char *unit)
{
	unit = unit ? unit : "";
	return summary->many_jobs && job ? ff_xasprintf("%s: %s", job, unit) : ff_xstrdup(unit);
}

static void add_item(struct ff_summary_list *list, const char *name, const char *words)
{
	if (++list->count > LISTED_MAX)
		return;
	ff_buf_addstr(&list->text, "- ");
	ff_summary_text(&list->text, name);
	if (words && *words) {
		ff_buf_addstr(&list->text, ": ");
		ff_summary_text(&list->text, words);
	}
	ff_buf_addch(&list->text, '\n');
}

/* The last lines of what there is to show of a failure. */
static char *tail_of(const struct ff_result *result)
{
	const char *text = result->longrepr ? result->longrepr : "", *from;
	size_t len = strlen(text);
	struct ff_buf shown = FF_BUF_INIT;
	int lines = 0;

	for (size_t i = result->sections_len; i > 0 && len == 0; i--) {
		if (!result->sections[i - 1].text)
			continue;
		text = result->sections[i - 1].text;
		len = result->sections[i - 1].len;
	}
	while (len > 0 && text[len - 1] == '\n')
		len--;
	for (from = text + len; from > text; from--) {
		lines += from[-1] == '\n';
		if (lines == TAIL_LINES || text + len - from == TAIL_BYTES)
			break;
	}
	ff_text_lines(&shown, from, (size_t)(text + len - from), "", false);
	return shown.len ? ff_buf_take(&shown) : NULL;
}

static void on_failure(struct ff_summary *summary, const struct ff_case *c, const char *name)
{
	const struct ff_result *result = c->result;
	size_t causes = summary->failures.len;

	summary->alike = ff_alike_add_result(&summary->failures, c->payload, result, name);
	if (summary->failures.len > causes) {
		summary->tails = ff_xrealloc(summary->tails,
					     summary->failures.len * sizeof(*summary->tails));
		summary->tails[summary->tails_len++] = tail_of(result);
	}
	if (summary->alike == 0)
		add_item(&summary->alone, name, ff_outcome_word(result->outcome));
}

static void on_unit(struct ff_summary *summary, const struct ff_case *c, const char *name)
{
	char words[48];

	if (ff_outcome_bad(c->result->outcome)) {
		on_failure(summary, c, name);
	} else if (ff_case_flaky(c)) {
		snprintf(words, sizeof(words), "passed at attempt %u", c->attempts + 1);
		add_item(&summary->flaky, name, c->attempts ? words : "passed when run again");
	}
}

static void on_case(void *ctx, const struct ff_case *c)
{
	struct ff_summary *summary = ctx;
	char *name = ff_summary_name(summary, c->job, c->name);

	switch (c->kind) {
	case FF_CASE_UNIT:
		on_unit(summary, c, name);
		break;
	case FF_CASE_NOT_RUN:
		add_item(&summary->not_run, name, c->message);
		break;
	case FF_CASE_COLLECTION:
		if (c->status == FF_CASE_ERROR)
			add_item(&summary->faults, name, c->text ? c->text : c->message);
		break;
	case FF_CASE_JOB:
		if (c->status == FF_CASE_ERROR)
			add_item(&summary->faults, c->name, c->message);
		break;
	default:
		break;
	}
	ff_free(name);
}

static void on_host(struct ff_summary *summary, const struct ff_event *event)
{
	char *title = ff_xasprintf("host %s", event->host ? event->host : "?");

	add_item(&summary->faults, title, event->u.host_lost.error);
	ff_free(title);
}

static void on_finished(struct ff_summary *summary, const struct ff_event *event)
{
	const struct ff_counts *counts = &event->u.run_finished.counts;
	struct ff_buf *out = &summary->totals;

	summary->good = event->u.run_finished.exit_code == 0;
	ff_buf_clear(out);
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (counts->by_outcome[i])
			ff_buf_addf(out, "%s%u %s", out->len ? ", " : "", counts->by_outcome[i],
				    ff_outcome_word((enum ff_outcome)i));
	if (counts->not_run)
		ff_buf_addf(out, "%s%u not run", out->len ? ", " : "", counts->not_run);
	if (counts->parts_not_run)
		ff_buf_addf(out, "%s%u files not run", out->len ? ", " : "", counts->parts_not_run);
	ff_buf_addf(out, "%s in ", out->len ? "" : "nothing was run");
	ff_text_took(out, event->u.run_finished.took_us);
	if (event->u.run_finished.reason && event->u.run_finished.why != FF_REASON_NONE)
		ff_buf_addf(out, " (%s)", event->u.run_finished.reason);
}

void ff_summary_event(struct ff_summary *summary, const struct ff_event *event)
{
	ff_cases_event(&summary->cases, event);
	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		summary->many_jobs = event->u.run_started.jobs > 1;
		break;
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
		on_host(summary, event);
		break;
	case FF_EVENT_RUN_FINISHED:
		on_finished(summary, event);
		break;
	default:
		break;
	}
}

void ff_summary_init(struct ff_summary *summary)
{
	*summary = (struct ff_summary){.cases = {.each = on_case, .ctx = summary}};
}

void ff_summary_release(struct ff_summary *summary)
{
	ff_cases_release(&summary->cases);
	for (size_t i = 0; i < summary->tails_len; i++)
		ff_free(summary->tails[i]);
	ff_free(summary->tails);
	ff_alike_release(&summary->failures);
	ff_buf_release(&summary->alone.text);
	ff_buf_release(&summary->flaky.text);
	ff_buf_release(&summary->faults.text);
	ff_buf_release(&summary->not_run.text);
	ff_buf_release(&summary->totals);
}

/* --- the text --- */

void ff_summary_text(struct ff_buf *out, const char *text)
{
	struct ff_buf line = FF_BUF_INIT;

	ff_text_line(&line, text, 400, "...");
	for (const char *c = line.len ? ff_buf_str(&line) : ""; *c; c++)
		if (strchr("<>&@", *c))
			ff_buf_addf(out, "&#%d;", *c);
		else if (strchr("\\`*_{}[]()#+-.!|~$:", *c))
			ff_buf_addf(out, "\\%c", *c);
		else
			ff_buf_addch(out, *c);
	ff_buf_release(&line);
}

static void add_html(struct ff_buf *out, const char *text)
{
	for (; *text; text++)
		if (strchr("<>&@", *text))
			ff_buf_addf(out, "&#%d;", *text);
		else
			ff_buf_addch(out, *text);
}

static void add_cause(struct ff_buf *out, const struct ff_alike_group *group, const char *tail)
{
	struct ff_buf line = FF_BUF_INIT, title = FF_BUF_INIT;

	ff_alike_title(&title, group);
	ff_text_line(&line, title.len ? ff_buf_str(&title) : "no message", 400, "...");
	ff_buf_release(&title);
	ff_buf_addf(out, "<details><summary>%u: ", group->count);
	add_html(out, ff_buf_str(&line));
	if (*group->frame) {
		ff_buf_clear(&line);
		ff_text_line(&line, group->frame, 400, "...");
		ff_buf_addstr(out, " (");
		add_html(out, ff_buf_str(&line));
		ff_buf_addch(out, ')');
	}
	ff_buf_addstr(out, "</summary>\n\n");
	for (int i = 0; i < FF_ALIKE_NAMES_MAX && group->names[i]; i++) {
		ff_buf_addstr(out, "- ");
		ff_summary_text(out, group->names[i]);
		ff_buf_addch(out, '\n');
	}
	if (group->count > FF_ALIKE_NAMES_MAX)
		ff_buf_addf(out, "- and %u more\n", group->count - FF_ALIKE_NAMES_MAX);
	if (tail && *tail) {
		ff_buf_addstr(out, "\n<pre>\n");
		add_html(out, tail);
		ff_buf_addstr(out, "</pre>\n");
	}
	ff_buf_addstr(out, "\n</details>\n\n");
	ff_buf_release(&line);
}

/* Whole lines of `list`, as many as fit. */
static void add_list(struct ff_buf *out, const char *title, struct ff_summary_list *list,
		     size_t max)
{
	const char *text = list->text.len ? ff_buf_str(&list->text) : "";
	uint32_t left = list->count;

	if (list->count == 0)
		return;
	ff_buf_addf(out, "### %s: %u\n\n", title, list->count);
	while (*text) {
		size_t len = strcspn(text, "\n") + 1;

		if (out->len + len + ROOM_FOR_WORDS > max)
			break;
		ff_buf_add(out, text, len);
		text += len;
		left--;
	}
	if (left > 0)
		ff_buf_addf(out, "- and %u more\n", left);
	ff_buf_addch(out, '\n');
}

static void add_causes(struct ff_buf *out, const struct ff_summary *summary, size_t max)
{
	struct ff_buf entry = FF_BUF_INIT;
	size_t i = 0;
	uint32_t left = 0;

	if (summary->failures.total > 0)
		ff_buf_addf(out, "### Failures: %u\n\n", summary->failures.total);
	for (; i < summary->failures.len; i++) {
		ff_buf_clear(&entry);
		add_cause(&entry, summary->failures.v[i],
			  i < summary->tails_len ? summary->tails[i] : NULL);
		if (out->len + entry.len + 4 * ROOM_FOR_WORDS > max)
			break;
		ff_buf_add(out, ff_buf_data(&entry), entry.len);
	}
	for (; i < summary->failures.len; i++)
		left += summary->failures.v[i]->count;
	if (left > 0)
		ff_buf_addf(out, "and %u more, of other causes\n\n", left);
	ff_buf_release(&entry);
}

void ff_summary_write(struct ff_buf *out, struct ff_summary *summary, size_t max)
{
	struct ff_buf text = FF_BUF_INIT;

	if (max < 8 * ROOM_FOR_WORDS)
		return;
	ff_buf_addf(&text, "## farflung: %s\n\n", summary->good ? "passed" : "failed");
	ff_summary_text(&text, summary->totals.len ? ff_buf_str(&summary->totals)
						   : "the run did not come to its end");
	ff_buf_addstr(&text, "\n\n");
	add_list(&text, "Hosts and jobs", &summary->faults, max / 4);
	add_causes(&text, summary, max - max / 4);
	add_list(&text, "Failures without a message", &summary->alone, max - max / 8);
	add_list(&text, "Not run", &summary->not_run, max - max / 16);
	add_list(&text, "Flaky", &summary->flaky, max);
	ff_buf_add(out, ff_buf_data(&text), text.len);
	ff_buf_release(&text);
}
