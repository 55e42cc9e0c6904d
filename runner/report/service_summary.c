/* GitHub's summary of a step, in Markdown: totals, failures by cause, flaky units, hosts and jobs
 * that went wrong. */
#include <string.h>

#include "base/alloc.h"
#include "report/service.h"
#include "report/text.h"

enum { ROOM_FOR_WORDS = 512 };

void ff_service_story_release(struct ff_service_story *story)
{
	for (size_t i = 0; i < story->causes_len; i++)
		ff_free(story->causes[i].tail);
	ff_free(story->causes);
	ff_alike_release(&story->failures);
	ff_buf_release(&story->alone);
	ff_buf_release(&story->flaky);
	ff_buf_release(&story->faults);
	ff_buf_release(&story->totals);
}

void ff_service_markdown(struct ff_buf *out, const char *text)
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
	struct ff_buf line = FF_BUF_INIT;

	ff_text_line(&line, *group->message ? group->message : "no message", 400, "...");
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
		ff_service_markdown(out, group->names[i]);
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
static void add_list(struct ff_buf *out, const char *title, uint32_t count, struct ff_buf *list,
		     size_t max)
{
	const char *text = list->len ? ff_buf_str(list) : "";
	uint32_t left = count;

	if (count == 0)
		return;
	ff_buf_addf(out, "### %s: %u\n\n", title, count);
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

static void add_causes(struct ff_buf *out, struct ff_service_story *story, size_t max)
{
	struct ff_buf entry = FF_BUF_INIT;
	size_t i = 0;
	uint32_t left = 0;

	if (story->failures.total > 0)
		ff_buf_addf(out, "### Failures: %u\n\n", story->failures.total);
	for (; i < story->failures.len; i++) {
		ff_buf_clear(&entry);
		add_cause(&entry, story->failures.v[i],
			  i < story->causes_len ? story->causes[i].tail : NULL);
		if (out->len + entry.len + 4 * ROOM_FOR_WORDS > max)
			break;
		ff_buf_add(out, ff_buf_data(&entry), entry.len);
	}
	for (; i < story->failures.len; i++)
		left += story->failures.v[i]->count;
	if (left > 0)
		ff_buf_addf(out, "and %u more, of other causes\n\n", left);
	ff_buf_release(&entry);
}

void ff_service_summary(struct ff_buf *out, struct ff_service_story *story, size_t max)
{
	if (max < 8 * ROOM_FOR_WORDS)
		return;
	ff_buf_addf(out, "## farflung: %s\n\n", story->good ? "passed" : "failed");
	ff_service_markdown(out, ff_buf_str(&story->totals));
	ff_buf_addstr(out, "\n\n");
	add_list(out, "Hosts and jobs", story->faults_len, &story->faults, max / 4);
	add_causes(out, story, max - max / 8);
	add_list(out, "Failures without a message", story->alone_len, &story->alone,
		 max - max / 16);
	add_list(out, "Flaky", story->flaky_len, &story->flaky, max);
}
