/* What the options of a job's sessions ask of us: --tb, --show-capture, -r, --durations,
 * --no-header and --no-summary mean here what they mean in pytest. Sessions tell them as facts,
 * where they are not pytest's default. */
#include <stdio.h>
#include <string.h>

#include "report/terminal.h"

/* Where the fact belongs; NULL: nowhere. All have the same size. */
static char *place_of(struct ff_terminal_job *job, const char *key)
{
	const struct {
		const char *key;
		char *place;
	} places[] = {{"tb", job->asked.tb},
		      {"show_capture", job->asked.capture},
		      {"chars", job->asked.chars},
		      {"durations", job->asked.durations},
		      {"durations_min", job->asked.durations_min},
		      {"no_header", job->asked.no_header},
		      {"no_summary", job->asked.no_summary}};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (strcmp(key, places[i].key) == 0)
			return places[i].place;
	return NULL;
}

void ff_terminal_hear_asked(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	for (size_t i = 0; job && i < event->u.worker_started.facts_len; i++) {
		const struct ff_fact *fact = &event->u.worker_started.facts[i];
		char *place = fact->key && fact->value ? place_of(job, fact->key) : NULL;

		if (place)
			snprintf(place, FF_TERMINAL_ASKED_MAX, "%s", fact->value);
	}
}

bool ff_terminal_wants(struct ff_terminal *t, const char *name, char what)
{
	const struct ff_terminal_job *job = ff_terminal_job(t, name);
	bool asked = job && *job->asked.chars;

	return strchr(asked ? job->asked.chars : FF_TERMINAL_CHARS, what) != NULL;
}

bool ff_terminal_somebody_wants(struct ff_terminal *t, char what)
{
	bool nobody = ff_list_empty(&t->job_list);
	struct ff_list *pos;

	ff_list_for_each(pos, &t->job_list)
		nobody |= ff_terminal_wants(
			t, ff_container_of(pos, struct ff_terminal_job, node)->name, what);
	return nobody;
}

enum ff_terminal_traceback ff_terminal_traceback(struct ff_terminal *t, const char *name)
{
	const struct ff_terminal_job *job = ff_terminal_job(t, name);

	if (job && strcmp(job->asked.tb, "no") == 0)
		return FF_TERMINAL_NO_TRACEBACK;
	return job && strcmp(job->asked.tb, "line") == 0 ? FF_TERMINAL_LINE : FF_TERMINAL_TRACEBACK;
}

bool ff_terminal_shows_section(struct ff_terminal *t, const char *name, const char *title)
{
	const struct ff_terminal_job *job = ff_terminal_job(t, name);

	return !job || !*job->asked.capture || (title && strstr(title, job->asked.capture));
}

bool ff_terminal_no_summary(const struct ff_terminal *t)
{
	const struct ff_list *pos;

	ff_list_for_each(pos, &t->job_list)
		if (!*ff_container_of(pos, struct ff_terminal_job, node)->asked.no_summary)
			return false;
	return !ff_list_empty(&t->job_list);
}
