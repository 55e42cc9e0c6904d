/* Where a run's time went: in words and columns, and as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event/json.h"
#include "report/slow_private.h"
#include "report/text.h"

enum {
	NAME_COLUMNS = 200,
	LEAST_US = 5000, /* what takes less is left out of lists */
};

static const char *const row_texts[] = {
#define X(name, word, text) text,
	FF_SLOW_ROW_MAP(X)
#undef X
};

static double share(int64_t part, int64_t whole)
{
	return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

static void add_name(struct ff_buf *out, const char *name)
{
	ff_text_line(out, name, NAME_COLUMNS, "...");
}

/* "    1.20s  47.7 %  " */
static void add_figures(struct ff_buf *out, int64_t us, int64_t whole)
{
	ff_buf_addf(out, "%9.2fs %5.1f %%  ", (double)us / 1e6, share(us, whole));
}

/* --- for people --- */

static void add_beginning(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	ff_buf_addstr(out, "run ");
	add_name(out, *answer->run_id ? answer->run_id : "?");
	ff_buf_addf(out, ": %.2fs on %u slot%s, %u attempt%s", (double)answer->wall_us / 1e6,
		    answer->slots, answer->slots == 1 ? "" : "s", answer->attempts,
		    answer->attempts == 1 ? "" : "s");
	if (answer->shards)
		ff_buf_addf(out, ", merged of %u shards (their times one beside the other)",
			    answer->shards);
	if (answer->before)
		ff_buf_addf(out, ", %u more done by an earlier run", answer->before);
	ff_buf_addch(out, '\n');
	if (!answer->over)
		ff_buf_addstr(out, "it has no end: it goes on, was killed, or the journal is cut "
				   "off; this is up to its last event\n");
	if (answer->attempts == 0)
		ff_buf_addstr(out, "nothing ran: no test and no command came to an end in it\n");
}

/* Rounded so that what is shown adds up, too. */
static void add_rows(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	int64_t sum = 0, seconds = 0, permille = 0;

	ff_buf_addstr(out, "\nwhere the slots' time went\n");
	for (int i = 0; i < FF_SLOW_ROWS; i++) {
		int64_t more_seconds, more_permille;

		sum += answer->rows[i];
		more_seconds = (sum + 5000) / 10000 - seconds;
		more_permille = (int64_t)(10 * share(sum, answer->slot_us) + 0.5) - permille;
		seconds += more_seconds;
		permille += more_permille;
		if (answer->rows[i] > 0)
			ff_buf_addf(out, "%9.2fs %5.1f %%  %s\n", (double)more_seconds / 100,
				    (double)more_permille / 10, row_texts[i]);
	}
	ff_buf_addf(out, "%9.2fs %5.1f %%  %s\n", (double)seconds / 100, (double)permille / 10,
		    answer->shards ? "all slots, each for its shard's time"
				   : "all slots, for all of the run");
}

static void add_place(struct ff_buf *out, const char *place)
{
	ff_buf_addstr(out, " [");
	add_name(out, place ? place : "several workers");
	ff_buf_addstr(out, "]\n");
}

static void add_longest(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	if (answer->tests_len > 0)
		ff_buf_addstr(out, "\nlongest tests and commands, share of the run\n");
	for (size_t i = 0; i < answer->tests_len && (i == 0 || answer->tests[i].us >= LEAST_US);
	     i++) {
		const struct ff_slow_unit *test = &answer->tests[i];

		add_figures(out, test->us, answer->wall_us);
		add_name(out, test->name);
		if (test->count > 1)
			ff_buf_addf(out, " (attempt %u)", test->count);
		add_place(out, test->worker);
	}
	if (answer->files_len > 0)
		ff_buf_addstr(out, "\nlongest files\n");
	for (size_t i = 0; i < answer->files_len && (i == 0 || answer->files[i].us >= LEAST_US);
	     i++) {
		const struct ff_slow_unit *file = &answer->files[i];

		add_figures(out, file->us, answer->wall_us);
		add_name(out, file->name);
		ff_buf_addf(out, ", %u test%s", file->count, file->count == 1 ? "" : "s");
		add_place(out, file->worker);
	}
}

static void add_step(struct ff_buf *out, const struct ff_slow_step *step)
{
	static const char *const texts[] = {
		[FF_SLOW_STEP_WAIT_HOST] = "waiting: before connecting to %s",
		[FF_SLOW_STEP_CONNECT] = "connecting to %s",
		[FF_SLOW_STEP_PREPARE] = "finding an interpreter on %s",
		[FF_SLOW_STEP_SYNC] = "bringing the tree to %s",
		[FF_SLOW_STEP_SET_UP] = "setting up %s",
		[FF_SLOW_STEP_SET_UP_RUN] = "setting up the run%s",
		[FF_SLOW_STEP_TEAR_DOWN] = "tearing down %s",
		[FF_SLOW_STEP_TEAR_DOWN_RUN] = "tearing down the run%s",
		[FF_SLOW_STEP_WAIT_WORKER] = "waiting: for a slot on %s",
		[FF_SLOW_STEP_START] = "starting %s: imports of pytest, plugins, conftests",
		[FF_SLOW_STEP_WAIT_FRONT] = "waiting: %s for the front",
		[FF_SLOW_STEP_COLLECT] = "collecting on %s",
		[FF_SLOW_STEP_WAIT_UNIT] = "waiting: %s for its first test",
		[FF_SLOW_STEP_UNITS] = "running on %s",
		[FF_SLOW_STEP_GAPS] = "waiting or reporting: %s between its tests",
		[FF_SLOW_STEP_JOB] = "job %s",
		[FF_SLOW_STEP_END] = "the end of job %s",
	};
	const char *text = texts[step->kind], *name = strstr(text, "%s");

	ff_buf_add(out, text, (size_t)(name - text));
	add_name(out, step->name);
	ff_buf_addstr(out, name + 2);
	if (step->kind == FF_SLOW_STEP_GAPS)
		ff_buf_addf(out, ", at most %.2fs at a time", (double)step->longest_us / 1e6);
	if (step->kind == FF_SLOW_STEP_UNITS) {
		ff_buf_addf(out, ": %u in all", step->units);
		if (step->longest) {
			ff_buf_addf(out, ", %.2fs of it ", (double)step->longest_us / 1e6);
			add_name(out, step->longest);
		}
	}
	ff_buf_addch(out, '\n');
}

static void add_path(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	if (answer->path_len > 0)
		ff_buf_addstr(out, "\nwhat the end waited for, one after the other\n");
	for (size_t i = 0; i < answer->path_len; i++) {
		if (answer->path[i].us < LEAST_US && answer->path[i].kind != FF_SLOW_STEP_UNITS)
			continue;
		add_figures(out, answer->path[i].us, answer->wall_us);
		add_step(out, &answer->path[i]);
	}
}

static void add_estimate(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	const struct ff_slow_estimate *estimate = &answer->estimate;
	static const char *const wholes[] = {
		[FF_SLOW_TESTS] = "each test on its own",
		[FF_SLOW_FILES] = "files kept together",
		[FF_SLOW_SCOPES] = "scopes kept together",
		[FF_SLOW_GROUPS] = "groups kept together",
	};

	if (estimate->slots == 0)
		return;
	ff_buf_addf(out,
		    "\nan estimate: the durations above once more, longest first, %s, start-up "
		    "aside\n",
		    wholes[estimate->whole]);
	ff_buf_addf(out, "%9.2fs  on %u slot%s, as many as were used\n",
		    (double)estimate->now_us / 1e6, estimate->slots,
		    estimate->slots == 1 ? "" : "s");
	ff_buf_addf(out, "%9.2fs  on %u slots\n", (double)estimate->more_us / 1e6,
		    estimate->slots + 1);
	ff_buf_addf(out, "%9.2fs  on %u slot%s, with ", (double)estimate->split_us / 1e6,
		    estimate->slots, estimate->slots == 1 ? "" : "s");
	add_name(out, estimate->longest ? estimate->longest : "the longest test");
	ff_buf_addstr(out, estimate->whole == FF_SLOW_TESTS ? " in two halves\n"
							    : " split into its tests\n");
}

void ff_slow_text(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	struct ff_buf advice = FF_BUF_INIT;

	add_beginning(out, answer);
	if (answer->slot_us > 0)
		add_rows(out, answer);
	add_longest(out, answer);
	add_path(out, answer);
	add_estimate(out, answer);
	ff_slow_advise(&advice, answer);
	if (advice.len > 0)
		ff_buf_addch(out, '\n');
	ff_buf_add(out, ff_buf_data(&advice), advice.len);
	ff_buf_release(&advice);
}

/* --- for programs --- */

static void json_units(struct ff_json *w, const char *name, const char *count,
		       const struct ff_slow_unit *units, size_t len)
{
	ff_json_open(w, name, '[');
	for (size_t i = 0; i < len; i++) {
		ff_json_open(w, NULL, '{');
		ff_json_str(w, "name", units[i].name);
		ff_json_str(w, "job", units[i].job);
		ff_json_str(w, "worker", units[i].worker);
		ff_json_int(w, "us", units[i].us);
		ff_json_uint(w, count, units[i].count);
		ff_json_close(w, '}');
	}
	ff_json_close(w, ']');
}

static void json_rows(struct ff_json *w, const struct ff_slow_answer *answer)
{
	ff_json_open(w, "time", '{');
	for (int i = 0; i < FF_SLOW_ROWS; i++)
		ff_json_int(w, ff_slow_row_word((enum ff_slow_row)i), answer->rows[i]);
	ff_json_close(w, '}');
}

static void json_path(struct ff_json *w, const struct ff_slow_answer *answer)
{
	ff_json_open(w, "path", '[');
	for (size_t i = 0; i < answer->path_len; i++) {
		const struct ff_slow_step *step = &answer->path[i];

		ff_json_open(w, NULL, '{');
		ff_json_str(w, "step", ff_slow_step_word(step->kind));
		ff_json_str(w, "name", step->name);
		ff_json_int(w, "us", step->us);
		ff_json_bool(w, "waiting", ff_slow_step_waits(step->kind));
		if (step->kind == FF_SLOW_STEP_UNITS)
			ff_json_uint(w, "units", step->units);
		ff_json_str(w, "longest", step->longest);
		if (step->longest || step->kind == FF_SLOW_STEP_GAPS)
			ff_json_int(w, "longest_us", step->longest_us);
		ff_json_close(w, '}');
	}
	ff_json_close(w, ']');
}

static void json_estimate(struct ff_json *w, const struct ff_slow_estimate *estimate)
{
	static const char *const words[] = {
		[FF_SLOW_TESTS] = "tests",
		[FF_SLOW_FILES] = "files",
		[FF_SLOW_SCOPES] = "scopes",
		[FF_SLOW_GROUPS] = "groups",
	};

	if (estimate->slots == 0)
		return;
	ff_json_open(w, "estimate", '{');
	ff_json_uint(w, "slots", estimate->slots);
	ff_json_str(w, "together", words[estimate->whole]);
	ff_json_int(w, "us", estimate->now_us);
	ff_json_int(w, "one_more_slot_us", estimate->more_us);
	ff_json_int(w, "longest_split_us", estimate->split_us);
	ff_json_str(w, "longest", estimate->longest);
	ff_json_int(w, "longest_us", estimate->longest_us);
	ff_json_uint(w, "longest_units", estimate->longest_units);
	ff_json_close(w, '}');
}

static void json_advice(struct ff_json *w, const struct ff_slow_answer *answer)
{
	struct ff_buf lines = FF_BUF_INIT;
	const char *line, *end;

	ff_slow_advise(&lines, answer);
	line = ff_buf_str(&lines);
	ff_json_open(w, "advice", '[');
	for (; (end = strchr(line, '\n')); line = end + 1)
		ff_json_strn(w, NULL, line, (size_t)(end - line));
	ff_json_close(w, ']');
	ff_buf_release(&lines);
}

void ff_slow_json(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	struct ff_json w;

	ff_json_begin(&w, out);
	ff_json_str(&w, "run", answer->run_id);
	ff_json_bool(&w, "over", answer->over);
	if (answer->shards)
		ff_json_uint(&w, "shards", answer->shards);
	ff_json_int(&w, "wall_us", answer->wall_us);
	ff_json_uint(&w, "slots", answer->slots);
	ff_json_int(&w, "slot_us", answer->slot_us);
	ff_json_uint(&w, "attempts", answer->attempts);
	ff_json_uint(&w, "before", answer->before);
	json_rows(&w, answer);
	json_units(&w, "tests", "attempt", answer->tests, answer->tests_len);
	json_units(&w, "files", "tests", answer->files, answer->files_len);
	json_path(&w, answer);
	json_estimate(&w, &answer->estimate);
	json_advice(&w, answer);
	ff_json_end(&w);
	ff_buf_addch(out, '\n');
}
