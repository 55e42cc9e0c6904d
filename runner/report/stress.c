/* How often each test failed, with what, and how long it took. Knows of each run only what that
 * needs. */
#include "report/stress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "event/json.h"
#include "report/alike.h"
#include "report/text.h"
#include "report/writer.h"

enum { TEXT_COLUMNS = 400, GROUPS_TOLD = 20, GREEN_TOLD = 200 };

/* Of one test. */
struct test {
	char *name;
	uint32_t counts[FF_OUTCOMES];
	uint32_t runs, bad;
	int64_t *took_us; /* of each run */
	size_t len, cap;
	struct ff_alike alike; /* a failure's name is which run it was */
};

struct stress {
	struct ff_reporter base;
	struct ff_stress_opts opts;
	struct ff_writer *writer;
	struct ff_map by_name, seeds; /* seeds: by worker */
	char *seed;	 /* told first: what is the same of all workers one of them tells */
	struct test **v; /* in the order of their first runs */
	size_t len, cap;
	bool colour, on_stdout;
};

/* --- what happens --- */

static struct test *test_of(struct stress *stress, const char *unit, size_t len)
{
	char *name = ff_xstrndup(unit, len);
	struct test *test = ff_map_get(&stress->by_name, name);

	if (test) {
		ff_free(name);
		return test;
	}
	if (stress->len == stress->cap) {
		stress->cap = stress->cap ? 2 * stress->cap : 16;
		stress->v = ff_xrealloc(stress->v, stress->cap * sizeof(struct test *));
	}
	test = ff_xcalloc(1, sizeof(*test));
	test->name = name;
	ff_map_set(&stress->by_name, name, test);
	stress->v[stress->len++] = test;
	return test;
}

static void add_failure(const struct stress *stress, struct test *test,
			const struct ff_event *event, const char *number)
{
	const struct ff_result *result = event->u.unit_finished.result;
	const char *own = event->worker ? ff_map_get(&stress->seeds, event->worker) : NULL;
	const char *seed = own ? own : stress->seed;
	struct ff_buf which = FF_BUF_INIT;

	ff_buf_addf(&which, "run %s", number);
	if (event->worker)
		ff_buf_addf(&which, " on %s", event->worker);
	if (event->host)
		ff_buf_addf(&which, " (%s)", event->host);
	if (seed)
		ff_buf_addf(&which, ", seed: %s", seed);
	ff_alike_add(&test->alike, result->message, result->longrepr, ff_buf_str(&which));
	ff_buf_release(&which);
}

static void on_finished(struct stress *stress, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	const char *at = event->unit ? strrchr(event->unit, '@') : NULL;
	struct test *test;

	if (!event->u.unit_finished.final || !result || !at)
		return;
	test = test_of(stress, event->unit, (size_t)(at - event->unit));
	test->runs++;
	test->counts[result->outcome]++;
	if (test->len == test->cap) {
		test->cap = test->cap ? 2 * test->cap : 16;
		test->took_us = ff_xrealloc(test->took_us, test->cap * sizeof(*test->took_us));
	}
	test->took_us[test->len++] = result->duration_us;
	if (!ff_outcome_bad(result->outcome))
		return;
	test->bad++;
	add_failure(stress, test, event, at + 1);
}

static void on_notice(struct stress *stress, const struct ff_event *event)
{
	static const char key[] = "farflung.seed=";
	const char *text = event->u.notice.text;

	if (!event->worker || !text || !event->u.notice.level ||
	    strcmp(event->u.notice.level, "property") != 0 ||
	    strncmp(text, key, sizeof(key) - 1) != 0)
		return;
	if (!stress->seed)
		stress->seed = ff_xstrdup(text + sizeof(key) - 1);
	ff_free(ff_map_del(&stress->seeds, event->worker));
	ff_map_set(&stress->seeds, event->worker, ff_xstrdup(text + sizeof(key) - 1));
}

/* --- the end --- */

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The worst first; those alike as they began. */
static int by_rate(const void *a, const void *b)
{
	const struct test *x = *(struct test *const *)a, *y = *(struct test *const *)b;
	uint64_t left = (uint64_t)x->bad * y->runs, right = (uint64_t)y->bad * x->runs;

	return left != right ? (left < right) - (left > right) : strcmp(x->name, y->name);
}

static int by_count(const void *a, const void *b)
{
	const struct ff_alike_group *x = *(struct ff_alike_group *const *)a;
	const struct ff_alike_group *y = *(struct ff_alike_group *const *)b;

	return (x->count < y->count) - (x->count > y->count);
}

static int64_t median_us(const struct test *test)
{
	size_t half = test->len / 2;

	return test->len % 2 ? test->took_us[half]
			     : test->took_us[half - 1] +
				       (test->took_us[half] - test->took_us[half - 1]) / 2;
}

static double percent(const struct test *test)
{
	return 100.0 * test->bad / test->runs;
}

static void add_outcomes(struct ff_buf *out, const struct test *test)
{
	const char *comma = "";

	for (int i = 0; i < FF_OUTCOMES; i++) {
		if (test->counts[i] == 0)
			continue;
		ff_buf_addf(out, "%s%u %s", comma, test->counts[i],
			    ff_outcome_word((enum ff_outcome)i));
		comma = ", ";
	}
}

static void add_groups(struct ff_buf *out, const struct test *test)
{
	uint32_t grouped = 0;
	struct ff_buf text = FF_BUF_INIT;

	for (size_t i = 0; i < test->alike.len; i++) {
		const struct ff_alike_group *group = test->alike.v[i];

		grouped += group->count;
		if (i >= GROUPS_TOLD)
			continue;
		ff_buf_clear(&text);
		ff_alike_message(&text, group->message);
		ff_buf_addf(out, "  %u time%s: ", group->count, group->count == 1 ? "" : "s");
		ff_text_line(out, ff_buf_str(&text), TEXT_COLUMNS, "...");
		if (*group->frame) {
			ff_buf_addstr(out, text.len > 0 ? " at " : "at ");
			ff_text_line(out, group->frame, TEXT_COLUMNS, "...");
		}
		ff_buf_addstr(out, "\n    first: ");
		ff_text_line(out, group->names[0], TEXT_COLUMNS, "...");
		ff_buf_addch(out, '\n');
	}
	if (test->alike.len > GROUPS_TOLD)
		ff_buf_addf(out, "  and %zu more groups\n", test->alike.len - GROUPS_TOLD);
	if (test->alike.total > grouped)
		ff_buf_addf(out, "  %u times without a message\n", test->alike.total - grouped);
	ff_buf_release(&text);
}

/* Of short ones tenths of a millisecond count. */
static void add_took(struct ff_buf *out, const char *what, int64_t us)
{
	ff_buf_addstr(out, what);
	if (us < 10000)
		ff_buf_addf(out, "%.1f ms", (double)us / 1000);
	else
		ff_text_took(out, us);
}

static void add_test(const struct stress *stress, struct ff_buf *out, const struct test *test)
{
	const char *style = test->bad ? "31" : "32";

	if (stress->colour)
		ff_buf_addf(out, "\x1b[%sm", style);
	ff_buf_addf(out, "%u/%u failed (%.*f%%)", test->bad, test->runs,
		    test->bad && percent(test) < 1 ? 3 : 1, percent(test));
	if (stress->colour)
		ff_buf_addstr(out, "\x1b[0m");
	ff_buf_addstr(out, "  ");
	ff_text_line(out, test->name, TEXT_COLUMNS, "...");
	ff_buf_addstr(out, "\n  ");
	add_outcomes(out, test);
	add_took(out, "; median ", median_us(test));
	add_took(out, ", fastest ", test->took_us[0]);
	add_took(out, ", slowest ", test->took_us[test->len - 1]);
	ff_buf_addch(out, '\n');
	add_groups(out, test);
}

static void add_json(struct ff_buf *out, const struct test *test)
{
	struct ff_json w;
	struct ff_buf text = FF_BUF_INIT;

	ff_json_begin(&w, out);
	ff_json_str(&w, "test", test->name);
	ff_json_uint(&w, "runs", test->runs);
	ff_json_uint(&w, "failures", test->bad);
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (test->counts[i] > 0)
			ff_json_uint(&w, ff_outcome_word((enum ff_outcome)i), test->counts[i]);
	ff_json_int(&w, "median_us", median_us(test));
	ff_json_int(&w, "fastest_us", test->took_us[0]);
	ff_json_int(&w, "slowest_us", test->took_us[test->len - 1]);
	ff_json_open(&w, "groups", '[');
	for (size_t i = 0; i < test->alike.len; i++) {
		const struct ff_alike_group *group = test->alike.v[i];

		ff_buf_clear(&text);
		ff_alike_message(&text, group->message);
		ff_json_open(&w, NULL, '{');
		ff_json_uint(&w, "count", group->count);
		ff_json_str(&w, "message", ff_buf_str(&text));
		ff_json_str(&w, "frame", group->frame);
		ff_json_str(&w, "first", group->names[0]);
		ff_json_close(&w, '}');
	}
	ff_json_close(&w, ']');
	ff_json_end(&w);
	ff_buf_addch(out, '\n');
	ff_buf_release(&text);
}

static void tell_all(struct stress *stress)
{
	uint64_t runs = 0, bad = 0;
	size_t failing = 0, green = 0;
	struct ff_buf out = FF_BUF_INIT;

	if (stress->len > 0)
		qsort(stress->v, stress->len, sizeof(struct test *), by_rate);
	for (size_t i = 0; i < stress->len; i++) {
		struct test *test = stress->v[i];

		qsort(test->took_us, test->len, sizeof(*test->took_us), by_time);
		if (test->alike.len > 0)
			qsort(test->alike.v, test->alike.len, sizeof(struct ff_alike_group *),
			      by_count);
		runs += test->runs;
		bad += test->bad;
		failing += test->bad > 0;
		if (stress->opts.json)
			add_json(&out, test);
		else if (test->bad > 0 || green++ < GREEN_TOLD)
			add_test(stress, &out, test);
	}
	if (!stress->opts.json && green > GREEN_TOLD)
		ff_buf_addf(&out, "and %zu more that never failed\n", green - GREEN_TOLD);
	if (!stress->opts.json)
		ff_buf_addf(&out, "%" PRIu64 " of %" PRIu64 " runs failed, of %zu of %zu test%s\n",
			    bad, runs, failing, stress->len, stress->len == 1 ? "" : "s");
	ff_writer_put(stress->writer, ff_buf_data(&out), out.len, NULL);
	ff_buf_release(&out);
}

static void stress_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct stress *stress = (struct stress *)reporter;

	if (event->kind == FF_EVENT_UNIT_FINISHED)
		on_finished(stress, event);
	else if (event->kind == FF_EVENT_NOTICE)
		on_notice(stress, event);
}

static bool stress_deserted(const struct ff_reporter *reporter)
{
	const struct stress *stress = (const struct stress *)reporter;

	return stress->on_stdout && ff_writer_deserted(stress->writer);
}

/* Behind the terminal's own end, which has been written. */
static int stress_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct stress *stress = (struct stress *)reporter;
	int errnum;

	tell_all(stress);
	errnum = ff_writer_finish(stress->writer);
	if (errnum && !stress_deserted(reporter))
		return ff_err_sys(err, errnum, "cannot write the table of runs");
	return 0;
}

static void stress_abandon(struct ff_reporter *reporter)
{
	ff_writer_abandon(((struct stress *)reporter)->writer);
}

static void stress_free(struct ff_reporter *reporter)
{
	struct stress *stress = (struct stress *)reporter;
	size_t cursor = 0;
	void *seed;

	for (size_t i = 0; i < stress->len; i++) {
		ff_alike_release(&stress->v[i]->alike);
		ff_free(stress->v[i]->took_us);
		ff_free(stress->v[i]->name);
		ff_free(stress->v[i]);
	}
	ff_free(stress->v);
	while (ff_map_next(&stress->seeds, &cursor, NULL, &seed))
		ff_free(seed);
	ff_map_release(&stress->seeds);
	ff_free(stress->seed);
	ff_map_release(&stress->by_name);
	ff_writer_free(stress->writer);
	ff_free(stress);
}

static const struct ff_reporter_class stress_class = {
	.name = "stress",
	.event = stress_event,
	.finish = stress_finish,
	.deserted = stress_deserted,
	.abandon = stress_abandon,
	.free = stress_free,
};

struct ff_reporter *ff_report_stress(const struct ff_reporter_opts *opts,
				     const struct ff_stress_opts *stress_opts)
{
	const struct ff_report_look look = ff_report_look(opts);
	struct stress *stress = ff_xcalloc(1, sizeof(*stress));
	struct ff_writer_opts writer = {.fd = stress_opts->json ? STDOUT_FILENO : look.fd,
					.wake = opts->wake,
					.ctx = opts->ctx};

	stress->base.class = &stress_class;
	stress->opts = *stress_opts;
	stress->colour = look.colour && !stress_opts->json;
	stress->on_stdout = writer.fd == STDOUT_FILENO;
	stress->writer = ff_writer_new(&writer);
	return &stress->base;
}
