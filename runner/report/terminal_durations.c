/* --durations N, --durations-min S: the slowest set-ups, calls and teardowns of a job's tests, with
 * pytest's words (_pytest/runner.py), and behind them where the run's time went. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"

enum {
	KEPT_MAX = 100000, /* where no number was given */
	ROOM_MIN = 64,
};

#define DEFAULT_MIN_S 0.005

struct ff_terminal_duration {
	int64_t us;
	const char *when;
	char *job, *unit;
};

static int slowest_first(const void *a, const void *b)
{
	const struct ff_terminal_duration *x = a, *y = b;

	return x->us != y->us ? (x->us < y->us) - (x->us > y->us) : strcmp(x->unit, y->unit);
}

static void free_entry(struct ff_terminal_duration *entry)
{
	ff_free(entry->job);
	ff_free(entry->unit);
}

/* How many are asked for; 0: all. False: nobody asked. */
static bool asked_for(const struct ff_terminal_job *job, size_t *count, double *least_s)
{
	char *end;

	if (!job || !*job->asked.durations)
		return false;
	*count = strtoul(job->asked.durations, &end, 10);
	*least_s =
		*job->asked.durations_min ? strtod(job->asked.durations_min, &end) : DEFAULT_MIN_S;
	return true;
}

static void sort_and_cut(struct ff_terminal_durations *all, size_t most)
{
	if (all->len > 1)
		qsort(all->v, all->len, sizeof(*all->v), slowest_first);
	while (all->len > most)
		free_entry(&all->v[--all->len]);
}

/* Only what may be shown is kept: the N slowest of so many as there is room for, twice N. */
static void keep(struct ff_terminal *t, const struct ff_event *event, const char *when, int64_t us)
{
	struct ff_terminal_durations *all = &t->durations;
	size_t most = all->count && all->count < KEPT_MAX ? all->count : KEPT_MAX;

	all->seen++;
	if (t->setup.verbosity < 2 && (double)us < all->least_s * 1e6)
		return;
	if (all->len == all->cap && all->len >= 2 * most)
		sort_and_cut(all, most);
	if (all->len == all->cap) {
		all->cap = all->cap ? 2 * all->cap : ROOM_MIN;
		all->v = ff_xrealloc(all->v, all->cap * sizeof(*all->v));
	}
	all->v[all->len++] = (struct ff_terminal_duration){us, when, ff_xstrdup(event->job),
							   ff_xstrdup(event->unit)};
}

/* Without one there was nothing to be called: it was skipped, or its set-up failed. */
static bool was_called(const struct ff_result *result)
{
	for (size_t i = 0; i < result->phases_len; i++)
		if (result->phases[i].when && strcmp(result->phases[i].when, "setup") == 0 &&
		    result->phases[i].outcome != FF_OUTCOME_PASSED)
			return false;
	return true;
}

void ff_terminal_keep_durations(struct ff_terminal *t, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_terminal_durations *all = &t->durations;
	int64_t call_us = result->duration_us - result->setup_us - result->teardown_us;
	size_t count;
	double least_s;

	if (ff_terminal_has_front(t, event) ||
	    !asked_for(ff_terminal_job(t, event->job), &count, &least_s))
		return;
	if (!all->asked || (all->count && (count == 0 || count > all->count)))
		all->count = count;
	if (!all->asked || least_s < all->least_s)
		all->least_s = least_s;
	all->asked = true;
	keep(t, event, "setup", result->setup_us);
	if (was_called(result))
		keep(t, event, "call", call_us > 0 ? call_us : 0);
	keep(t, event, "teardown", result->teardown_us);
}

void ff_terminal_say_durations(struct ff_terminal *t)
{
	struct ff_terminal_durations *all = &t->durations;
	struct ff_buf *out = &t->screen.text;
	size_t listed = all->count && all->count < all->seen ? all->count : all->seen;

	if (all->seen == 0)
		return;
	sort_and_cut(all, all->count && all->count < KEPT_MAX ? all->count : KEPT_MAX);
	if (all->count)
		ff_terminal_say_title(t, NULL, "slowest %zu durations", all->count);
	else
		ff_terminal_say_title(t, NULL, "slowest durations");
	for (size_t i = 0; i < all->len; i++) {
		ff_buf_addf(out, "%.2fs %-8s ", (double)all->v[i].us / 1e6, all->v[i].when);
		ff_terminal_unit(t, out, all->v[i].job, all->v[i].unit);
		ff_buf_addch(out, '\n');
	}
	if (listed > all->len)
		ff_buf_addf(out,
			    "\n(%zu durations < %gs hidden.  Use -vv to show these durations.)\n",
			    listed - all->len, all->least_s);
	ff_buf_addch(out, '\n');
}

void ff_terminal_free_durations(struct ff_terminal *t)
{
	while (t->durations.len > 0)
		free_entry(&t->durations.v[--t->durations.len]);
	ff_free(t->durations.v);
	ff_slow_free(t->slow);
}

/* --- where the time went --- */

enum { TIMES_LISTED = 5 };

static bool somebody_asked(const struct ff_terminal *t)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &t->job_list)
		if (*ff_container_of(pos, struct ff_terminal_job, node)->asked.durations)
			return true;
	return false;
}

/* A session says what it asks for before it runs a test. One that does not leaves nothing to be
 * kept of those, unless another job's may ask later. */
void ff_terminal_hear_times(struct ff_terminal *t, const struct ff_event *event)
{
	if (!t->slow_settled && event->kind == FF_EVENT_UNIT_STARTED && !t->many_jobs) {
		t->slow_settled = true;
		if (!somebody_asked(t)) {
			ff_slow_free(t->slow);
			t->slow = NULL;
		}
	}
	if (!t->slow && !t->slow_settled)
		t->slow = ff_slow_new(TIMES_LISTED);
	if (t->slow)
		ff_slow_event(t->slow, event);
}

void ff_terminal_say_times(struct ff_terminal *t)
{
	struct ff_slow_answer answer;

	if (!t->slow || !somebody_asked(t))
		return;
	ff_slow_ask(t->slow, &answer);
	ff_terminal_say_title(t, NULL, "where the time went");
	ff_slow_text(&t->screen.text, &answer);
	ff_buf_addch(&t->screen.text, '\n');
	ff_slow_answer_release(&answer);
}
