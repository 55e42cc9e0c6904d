/* `needs`: references resolved, cycles found, jobs put in order. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "plan/private.h"

enum colour { WHITE, GREY, BLACK }; /* not seen, on the way to it, put in order */

struct walk {
	const struct ff_config *config;
	struct ff_mistakes *problems;
	const struct ff_map *names;
	unsigned char *colours;
	struct step {
		size_t job, next; /* next need to look at */
	} * path;
	size_t depth;
	size_t *order;
	size_t ordered;
};

static void complain_unknown(struct walk *w, const struct ff_config_job *job, size_t need)
{
	const struct ff_place *place = job->needs_places ? &job->needs_places[need] : &job->place;
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, job->needs.v[need]);
	/* Looking at all names is dear, and beyond the limit nobody reads what comes of it. */
	for (size_t i = 0; i < w->config->jobs_len && !ff_mistakes_full(w->problems); i++)
		ff_suggest_offer(&suggest, w->config->jobs[i].name);
	ff_mistakes_add(w->problems, place, "job '%s' needs '%s', which is no job%s", job->name,
			job->needs.v[need], ff_suggest_text(&suggest, hint));
}

/* The path from `job` to itself; it is told at the first of it. */
static void complain_cycle(struct walk *w, size_t job)
{
	const struct ff_config_job *jobs = w->config->jobs;
	struct ff_buf text = FF_BUF_INIT;
	size_t start = w->depth;

	if (ff_mistakes_full(w->problems)) { /* a path may be as long as the file */
		ff_mistakes_add(w->problems, &jobs[job].place, "jobs need each other");
		return;
	}
	while (start && w->path[start - 1].job != job)
		start--;
	for (size_t i = start ? start - 1 : 0; i < w->depth; i++)
		ff_buf_addf(&text, "%s -> ", jobs[w->path[i].job].name);
	ff_mistakes_add(w->problems, &jobs[job].place, "jobs need each other: %s%s",
			ff_buf_str(&text), jobs[job].name);
	ff_buf_release(&text);
}

static void enter(struct walk *w, size_t job)
{
	w->colours[job] = GREY;
	w->path[w->depth++] = (struct step){.job = job};
}

/* Depth first, without recursion: a job is put in order after all that it needs. */
static void walk_from(struct walk *w, size_t start)
{
	enter(w, start);
	while (w->depth) {
		struct step *step = &w->path[w->depth - 1];
		const struct ff_config_job *job = &w->config->jobs[step->job];
		uintptr_t found;

		if (step->next == job->needs.len) {
			w->colours[step->job] = BLACK;
			w->order[w->ordered++] = step->job;
			w->depth--;
			continue;
		}
		found = (uintptr_t)ff_map_get(w->names, job->needs.v[step->next]);
		if (!found)
			complain_unknown(w, job, step->next);
		else if (w->colours[found - 1] == GREY)
			complain_cycle(w, found - 1);
		step->next++;
		if (found && w->colours[found - 1] == WHITE)
			enter(w, found - 1);
	}
}

/* --- priority --- */

struct ranked {
	int64_t priority;
	size_t job, place;
};

static int compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

/* The most urgent first, as far as the order of needs allows: what is needed is as urgent as those
 * that wait for it. */
static void rank(const struct ff_config *config, const struct ff_map *names, size_t *order)
{
	size_t len = config->jobs_len;
	struct ranked *ranked = ff_xcalloc(len + 1, sizeof(*ranked));
	int64_t *urgent = ff_xcalloc(len + 1, sizeof(*urgent));

	for (size_t i = 0; i < len; i++)
		urgent[i] = config->jobs[i].priority;
	for (size_t i = len; i-- > 0;) {
		const struct ff_config_job *job = &config->jobs[order[i]];

		for (size_t j = 0; j < job->needs.len; j++) {
			size_t need = (uintptr_t)ff_map_get(names, job->needs.v[j]) - 1;

			if (urgent[need] < urgent[order[i]])
				urgent[need] = urgent[order[i]];
		}
	}
	for (size_t i = 0; i < len; i++)
		ranked[i] = (struct ranked){urgent[order[i]], order[i], i};
	qsort(ranked, len, sizeof(*ranked), compare);
	for (size_t i = 0; i < len; i++)
		order[i] = ranked[i].job;
	ff_free(ranked);
	ff_free(urgent);
}

void ff_plan_names(struct ff_map *names, const struct ff_config *config,
		   struct ff_mistakes *problems)
{
	for (size_t i = 0; i < config->jobs_len; i++) {
		const struct ff_config_job *job = &config->jobs[i];

		if (ff_map_get(names, job->name))
			ff_mistakes_add(problems, &job->place, "duplicate job '%s'", job->name);
		else if (ff_map_set(names, job->name, ff_plan_number(i)))
			ff_mistakes_add(problems, NULL, "%s", ff_err_text(FF_ENOMEM));
	}
}

size_t *ff_plan_order(const struct ff_config *config, const struct ff_map *names,
		      struct ff_mistakes *problems)
{
	size_t len = config->jobs_len, before = problems->total;
	struct walk w = {.config = config, .problems = problems, .names = names};

	w.colours = ff_xcalloc(len + 1, 1);
	w.path = ff_xcalloc(len + 1, sizeof(*w.path));
	w.order = ff_xcalloc(len + 1, sizeof(*w.order));
	for (size_t i = 0; i < len; i++)
		if (w.colours[i] == WHITE)
			walk_from(&w, i);
	ff_free(w.colours);
	ff_free(w.path);
	if (problems->total > before) {
		ff_free(w.order);
		return NULL;
	}
	rank(config, names, w.order);
	return w.order;
}
