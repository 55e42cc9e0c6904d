/* What the end tells of failures beyond themselves: which are of one cause, and since when they
 * fail. Nothing of it where a front tells the job's story. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

enum { TELLS_OF_MANY = 3 }; /* entries, where all is to fit on two screens */

static void add_since(struct ff_terminal *t, const struct ff_event *event, const char *name)
{
	const struct ff_terminal_job *job = ff_terminal_job(t, event->job);
	struct ff_report_known known = {0};
	struct ff_buf *out;

	if (!t->setup.known || !job || !job->kind ||
	    !t->setup.known(t->setup.ctx, job->kind, event->unit, &known))
		return;
	t->tells.compared = true;
	if (known.bad) {
		out = &t->tells.old;
		if (t->tells.old_len++ >= FF_TERMINAL_TELLS_MAX)
			return;
		ff_buf_addf(out, "  %s - failing since ", name);
		ff_terminal_name(t, out, known.since ? known.since : "an unknown run");
	} else {
		out = &t->tells.fresh;
		if (t->tells.fresh_len++ >= FF_TERMINAL_TELLS_MAX)
			return;
		ff_buf_addf(out, "  %s - ", name);
		ff_buf_addstr(out, known.since ? "passing since " : "never seen before");
		ff_terminal_name(t, out, known.since);
	}
	ff_buf_addch(out, '\n');
}

bool ff_terminal_tell_failure(struct ff_terminal *t, const struct ff_event *event, uint32_t *alike)
{
	const struct ff_terminal_job *job = ff_terminal_job(t, event->job);
	struct ff_buf name = FF_BUF_INIT;

	if (ff_terminal_has_front(t, event))
		return true;
	ff_terminal_unit(t, &name, event->job, event->unit);
	*alike = ff_alike_add_result(&t->tells.alike, job && job->command ? "run" : NULL,
				     event->u.unit_finished.result, ff_buf_str(&name));
	add_since(t, event, ff_buf_str(&name));
	ff_buf_release(&name);
	return !t->setup.runs || *alike <= 1;
}

void ff_terminal_keep_attempt(struct ff_terminal *t, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	const char *key = ff_terminal_unit_key(t, event->job, event->index, 0);
	char *before = ff_map_get(&t->retried, key);
	struct ff_buf lines = FF_BUF_INIT;

	ff_buf_addf(&lines, "%s  attempt %u: %s", before ? before : "",
		    event->u.unit_finished.attempt, ff_outcome_word(result->outcome));
	ff_terminal_place(t, &lines, event);
	ff_buf_addch(&lines, ' ');
	ff_text_seconds(&lines, result->duration_us);
	ff_buf_addstr(&lines, result->message ? " - " : "");
	ff_terminal_name(t, &lines, result->message);
	ff_buf_addch(&lines, '\n');
	ff_map_set(&t->retried, key, ff_xstrdup(ff_buf_str(&lines)));
	ff_free(before);
	ff_buf_release(&lines);
}

/* Entries that a list has room for. */
static uint32_t room(const struct ff_terminal *t)
{
	return ff_terminal_shows_many(t) ? TELLS_OF_MANY : FF_TERMINAL_TELLS_MAX;
}

static void say_group(struct ff_terminal *t, const struct ff_alike_group *group)
{
	struct ff_buf *out = &t->screen.text, message = FF_BUF_INIT;

	ff_alike_message(&message, group->message);
	ff_buf_addf(out, "%u times: ", group->count);
	ff_terminal_name(t, out, group->cause);
	ff_buf_addstr(out, *group->cause && message.len > 0 ? ": " : "");
	ff_terminal_name(t, out, ff_buf_str(&message));
	if (*group->frame) {
		ff_buf_addstr(out, message.len > 0 ? " at " : "at ");
		ff_terminal_name(t, out, group->frame);
	}
	ff_buf_addch(out, '\n');
	for (uint32_t i = 0; i < group->count && i < FF_ALIKE_NAMES_MAX; i++)
		ff_buf_addf(out, "  %s\n", group->names[i]);
	if (group->count > FF_ALIKE_NAMES_MAX)
		ff_buf_addf(out, "  and %u more\n", group->count - FF_ALIKE_NAMES_MAX);
	ff_buf_release(&message);
}

/* The largest first, of those alike in size the first. */
static int compare(const void *a, const void *b)
{
	const struct ff_alike_group *const *one = a, *const *other = b;

	if ((*one)->count != (*other)->count)
		return (*one)->count > (*other)->count ? -1 : 1;
	return (*one)->number < (*other)->number ? -1 : 1;
}

static void say_alike(struct ff_terminal *t)
{
	struct ff_alike *alike = &t->tells.alike;
	uint32_t told = 0, groups = 0;

	if (alike->largest < 2 || t->setup.runs)
		return;
	ff_terminal_say_title(t, FF_TERMINAL_RED, "failures that are alike");
	if (ff_terminal_shows_many(t))
		qsort(alike->v, alike->len, sizeof(struct ff_alike_group *), compare);
	for (size_t i = 0; i < alike->len; i++) {
		if (alike->v[i]->count < 2)
			continue;
		told += alike->v[i]->count;
		if (groups++ < room(t))
			say_group(t, alike->v[i]);
	}
	if (groups > room(t))
		ff_buf_addf(&t->screen.text, "and %u more causes of several failures\n",
			    groups - room(t));
	ff_buf_addf(&t->screen.text, "%u of %u failures have their cause in common with others\n\n",
		    told, alike->total);
}

static void say_list(struct ff_terminal *t, const char *title, struct ff_buf *list, uint32_t len)
{
	struct ff_buf *out = &t->screen.text;
	const char *line;

	if (len == 0)
		return;
	line = ff_buf_str(list);
	ff_buf_addf(out, "%s: %u\n", title, len);
	for (uint32_t i = 0; i < len && i < room(t); i++) {
		const char *end = strchr(line, '\n');

		ff_buf_add(out, line, (size_t)(end - line) + 1);
		line = end + 1;
	}
	if (len > room(t))
		ff_buf_addf(out, "  and %u more\n", len - room(t));
}

static void say_since(struct ff_terminal *t)
{
	struct ff_terminal_tells *tells = &t->tells;
	struct ff_buf *out = &t->screen.text;
	struct ff_report_green green = {0};

	if (!tells->compared)
		return;
	ff_terminal_say_title(t, FF_TERMINAL_RED, "failures by their history");
	if (t->setup.green && t->setup.green(t->setup.ctx, &green)) {
		ff_buf_addstr(out, "last green run: ");
		ff_terminal_name(t, out, green.run);
		ff_buf_addf(out, " of %u\n", green.total);
	} else {
		ff_buf_addstr(out, "last green run: none is known\n");
	}
	say_list(t, "new", &tells->fresh, tells->fresh_len);
	say_list(t, "failing before", &tells->old, tells->old_len);
	ff_buf_addch(out, '\n');
}

void ff_terminal_hear_shard(struct ff_terminal *t, const struct ff_event *event)
{
	static const char *const keys[] = {
		"farflung.shard=", "farflung.shard.tests=", "farflung.shard.left="};
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	for (size_t i = 0; job && event->u.notice.text && i < sizeof(keys) / sizeof(*keys); i++) {
		if (strncmp(event->u.notice.text, keys[i], strlen(keys[i])) != 0)
			continue;
		ff_free(job->shard[i]);
		job->shard[i] = ff_xstrdup(event->u.notice.text + strlen(keys[i]));
	}
}

static void say_shards(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	struct ff_list *pos;

	ff_list_for_each(pos, &t->job_list) {
		const struct ff_terminal_job *job =
			ff_container_of(pos, struct ff_terminal_job, node);

		if (!job->shard[0] || !job->shard[1] || !job->shard[2])
			continue;
		if (t->many_jobs) {
			ff_terminal_name(t, out, job->name);
			ff_buf_addstr(out, ": ");
		}
		ff_buf_addstr(out, "shard ");
		ff_terminal_name(t, out, job->shard[0]);
		ff_buf_addstr(out, ": tests here: ");
		ff_terminal_name(t, out, job->shard[1]);
		ff_buf_addstr(out, ", left to other shards: ");
		ff_terminal_name(t, out, job->shard[2]);
		ff_buf_addch(out, '\n');
	}
}

void ff_terminal_say_tells(struct ff_terminal *t)
{
	if (t->setup.verbosity < -1)
		return;
	say_alike(t);
	say_since(t);
	say_shards(t);
}

void ff_terminal_free_tells(struct ff_terminal *t)
{
	size_t cursor = 0;
	struct ff_list *pos;
	void *lines;

	ff_list_for_each(pos, &t->job_list) {
		struct ff_terminal_job *job = ff_container_of(pos, struct ff_terminal_job, node);

		for (size_t i = 0; i < sizeof(job->shard) / sizeof(*job->shard); i++)
			ff_free(job->shard[i]);
	}
	while (ff_map_next(&t->retried, &cursor, NULL, &lines))
		ff_free(lines);
	ff_map_release(&t->retried);
	ff_alike_release(&t->tells.alike);
	ff_buf_release(&t->tells.fresh);
	ff_buf_release(&t->tells.old);
}
