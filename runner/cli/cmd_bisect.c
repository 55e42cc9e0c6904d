/* farflung bisect RUN TEST: which tests before it, on the worker that ran it, make a test fail. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "cli/command.h"
#include "cli/ddmin.h"
#include "cli/plain.h"
#include "cli/recorded.h"
#include "cli/tries.h"
#include "dispatch/dispatch.h"
#include "report/text.h"

struct options {
	const char *worker, *python, *timeout;
	int64_t slots;
};

static const struct ff_option options[] = {
	FF_OPTION("numprocesses", 'n', NUMBER, "N",
		  "tries at a time; 0: one for each CPU (default)", slots),
	FF_OPTION("worker", 0, TEXT, "ID",
		  "as it ran on this one; by default where it failed first", worker),
	FF_OPTION("python", 0, TEXT, "PROG", "interpreter; by default the one that it had", python),
	{.name = "timeout",
	 .kind = FF_OPTION_CONFIG,
	 .section = FF_SECTION_JOB,
	 .key = "timeout",
	 .help = "for each try; default: 10 times all tests' time, at least 1m",
	 .offset = offsetof(struct options, timeout)},
	FF_OPTIONS_END,
};

enum {
	SLOTS_MAX = 1000,
	TIMES = 10,	/* what the whole sequence took */
	SHOWN_MAX = 50, /* tests in a list that is not the result */
	WORDS_MAX = 3,	/* tries without an answer that are told */
	COLUMNS = 400,
};
#define TIMEOUT_MIN_US (INT64_C(60) * 1000000)
#define NO_TIMEOUT     (INT64_C(365) * 86400 * 1000000)

struct bisect {
	const struct options *o;
	struct ff_recorded recorded;
	const struct ff_recorded_worker *worker;
	const char *test;
	struct ff_repeat repeat;
	struct ff_strv python;
	struct ff_tries tries;
	struct ff_map known; /* of what was tried: its end + 1 as a pointer */
	uint32_t *left;	     /* steps that make it fail */
	size_t left_len;
	bool all; /* files are collected: without that it did not fail */
	uint32_t rounds, count, unclear;
	struct ff_err *err;
};

/* --- what was tried --- */

/* "0-249,260" */
static char *key_of(const uint32_t *tests, size_t len)
{
	struct ff_buf key = FF_BUF_INIT;

	ff_buf_addch(&key, '=');
	for (size_t i = 0, end; i < len; i = end) {
		for (end = i + 1; end < len && tests[end] == tests[end - 1] + 1;)
			end++;
		ff_buf_addf(&key, "%u-%u,", tests[i], tests[end - 1]);
	}
	return ff_buf_take(&key);
}

static enum ff_try_end known_end(const struct bisect *b, const uint32_t *tests, size_t len)
{
	char *key = key_of(tests, len);
	void *value = ff_map_get(&b->known, key);

	ff_free(key);
	return value ? (enum ff_try_end)((uintptr_t)value - 1) : FF_TRY_NONE;
}

static void remember(struct bisect *b, const struct ff_try *one)
{
	char *key = key_of(one->tests, one->len);

	ff_map_set(&b->known, key, (void *)((uintptr_t)one->end + 1));
	ff_free(key);
}

/* Of a try that says nothing about the test. */
static void say_unclear(struct bisect *b, const struct ff_try *one)
{
	if (one->end == FF_TRY_PASSED || one->end == FF_TRY_FAILED || one->end == FF_TRY_NONE ||
	    b->unclear++ >= WORDS_MAX)
		return;
	ff_complain("bisect: a try of %zu test%s did not come to it: %s%s", one->len + 1,
		    one->len ? "s" : "",
		    one->end == FF_TRY_HUNG	 ? "its time was over"
		    : one->end == FF_TRY_MISSING ? "it is not collected any more"
		    : one->words		 ? one->words
						 : "it ended before",
		    b->unclear == WORDS_MAX ? " (others like that are not told)" : "");
}

static int run_tries(struct bisect *b, struct ff_try *v, size_t count)
{
	int rc = ff_tries_run(&b->tries, v, count, b->err);

	for (size_t i = 0; i < count; i++) {
		if (v[i].end == FF_TRY_NONE)
			continue;
		b->count++;
		remember(b, &v[i]);
		say_unclear(b, &v[i]);
	}
	return rc;
}

static void release_tries(struct ff_try *v, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ff_free(v[i].words);
}

/* --- rounds --- */

static enum ff_ddmin_result result_of(enum ff_try_end end)
{
	if (end == FF_TRY_NONE)
		return FF_DDMIN_NOT_TRIED;
	if (end == FF_TRY_PASSED)
		return FF_DDMIN_PASSED;
	return end == FF_TRY_FAILED ? FF_DDMIN_FAILED : FF_DDMIN_UNRESOLVED;
}

/* What one batch of a round is: the parts that are tried now, each with room for its tests. */
struct batch {
	struct ff_try *v;
	size_t *parts; /* of the round, by number */
	uint32_t *room;
	size_t len, max, each;
};

static void batch_clear(struct batch *batch)
{
	release_tries(batch->v, batch->len);
	memset(batch->v, 0, batch->max * sizeof(*batch->v));
	batch->len = 0;
}

/* Takes parts from `from` on that were not tried before, up to one that is known to fail; gives the
 * next one to look at. */
static size_t fill(const struct bisect *b, struct batch *batch, struct ff_ddmin_try *parts,
		   size_t from, size_t count)
{
	for (; from < count && batch->len < batch->max; from++) {
		uint32_t *tests = batch->room + batch->len * batch->each;
		size_t len = ff_ddmin_items(&parts[from], tests);

		parts[from].result = result_of(known_end(b, tests, len));
		if (parts[from].result == FF_DDMIN_FAILED)
			return count;
		if (parts[from].result != FF_DDMIN_NOT_TRIED)
			continue;
		batch->parts[batch->len] = from;
		batch->v[batch->len++] = (struct ff_try){.tests = tests, .len = len, .all = b->all};
	}
	return from;
}

static bool any_failed(const struct ff_ddmin_try *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (parts[i].result == FF_DDMIN_FAILED)
			return true;
	return false;
}

static void say_round(struct bisect *b, const struct ff_ddmin_try *parts, size_t count,
		      uint32_t tries)
{
	size_t enough = 0;

	for (size_t i = 0; i < count && !enough; i++)
		if (parts[i].result == FF_DDMIN_FAILED)
			enough = parts[i].without ? parts->len - (parts[i].last - parts[i].first)
						  : parts[i].last - parts[i].first;
	if (enough)
		ff_complain("bisect: round %u: %zu tests left, %u %s: %zu %s enough", b->rounds,
			    parts->len, tries, tries == 1 ? "try" : "tries", enough,
			    enough == 1 ? "is" : "are");
	else if (tries > 0)
		ff_complain("bisect: round %u: %zu tests left, %u %s: no part is enough", b->rounds,
			    parts->len, tries, tries == 1 ? "try" : "tries");
}

static int play_round(void *ctx, struct ff_ddmin_try *parts, size_t count)
{
	struct bisect *b = ctx;
	size_t slots = (size_t)b->tries.slots;
	struct batch batch = {.max = slots < count ? slots : count, .each = parts->len};
	uint32_t before = b->count;
	size_t at = 0;
	int rc = 0;

	batch.v = ff_xcalloc(batch.max, sizeof(*batch.v));
	batch.parts = ff_xcalloc(batch.max, sizeof(*batch.parts));
	batch.room = ff_xcalloc(batch.max * batch.each, sizeof(*batch.room));
	b->rounds++;
	while (!rc && at < count && !any_failed(parts, count)) {
		batch_clear(&batch);
		at = fill(b, &batch, parts, at, count);
		if (batch.len > 0)
			rc = run_tries(b, batch.v, batch.len);
		for (size_t i = 0; i < batch.len; i++)
			parts[batch.parts[i]].result = result_of(batch.v[i].end);
	}
	batch_clear(&batch);
	ff_free(batch.v);
	ff_free(batch.parts);
	ff_free(batch.room);
	if (!rc)
		say_round(b, parts, count, b->count - before);
	return rc;
}

/* --- what is told --- */

static void print_tests(const struct bisect *b, size_t max)
{
	struct ff_buf text = FF_BUF_INIT;

	for (size_t i = 0; i < b->left_len && i < max; i++) {
		ff_buf_addstr(&text, "  ");
		ff_text_line(&text, b->worker->steps[b->left[i]].unit, COLUMNS, "...");
		ff_buf_addch(&text, '\n');
	}
	if (b->left_len > max)
		ff_buf_addf(&text, "  and %zu more\n", b->left_len - max);
	fwrite(ff_buf_data(&text), 1, text.len, stdout);
	fflush(stdout);
	ff_buf_release(&text);
}

/* The command line, and whether it does what it is said to. */
static int print_command(struct bisect *b, const struct ff_try *smallest)
{
	struct ff_strv words = FF_STRV_INIT;
	struct ff_buf line = FF_BUF_INIT;
	struct ff_try plain = *smallest;
	int rc = ff_tries_command(&b->tries, smallest, &words, b->err);

	if (!rc) {
		plain.plain = true;
		plain.end = FF_TRY_NONE;
		plain.words = NULL;
		rc = ff_tries_run(&b->tries, &plain, 1, b->err);
	}
	if (words.len) {
		ff_shell_join(&line, words.v);
		printf("\nin %s:\n%s\n", b->repeat.cwd, ff_buf_str(&line));
	}
	if (!rc && plain.end != FF_TRY_FAILED && b->all)
		printf("(this alone does not show it: other files of the run must be imported, "
		       "too)\n");
	else if (!rc && plain.end != FF_TRY_FAILED)
		printf("(this alone does not show it: plain pytest runs these in another order, or "
		       "a plugin interferes)\n");
	if (words.len && b->repeat.env.len + b->repeat.host_env.len > 0)
		printf("(with the environment of job '%s', which is not shown here)\n",
		       b->tries.job->name);
	fflush(stdout);
	ff_free(plain.words);
	ff_strv_release(&words);
	ff_buf_release(&line);
	return rc;
}

static int told(const char *text, int code)
{
	ff_complain_last(text, code);
	return code;
}

static int give_up(struct bisect *b, int rc)
{
	if (rc != FF_ECANCELED) {
		ff_complain("bisect: %s", b->err->text);
		return told("the tries could not be run", FF_EXIT_INFRA);
	}
	if (b->left_len > 0 && b->left_len < b->tries.last) {
		printf("so far: %s fails behind these %zu tests:\n", b->test, b->left_len);
		print_tests(b, SHOWN_MAX);
	}
	return told(b->left_len && b->left_len < b->tries.last
			    ? "interrupted; the smallest set so far is above"
			    : "interrupted before anything was found",
		    FF_EXIT_INTERRUPTED);
}

static int tell_found(struct bisect *b)
{
	struct ff_try smallest = {.tests = b->left, .len = b->left_len, .all = b->all};
	int rc;

	printf("%s fails behind %zu of the %zu tests that %s ran before it:\n", b->test,
	       b->left_len, b->tries.last, b->worker->name);
	print_tests(b, b->left_len);
	/* Once more: its files are the command line's, and a flaky one shows. */
	rc = ff_tries_run(&b->tries, &smallest, 1, b->err);
	b->count++;
	if (!rc && smallest.end != FF_TRY_FAILED) {
		ff_free(smallest.words);
		return told("what was found did not show once more: it is flaky", FF_EXIT_FAILED);
	}
	if (!rc)
		rc = print_command(b, &smallest);
	ff_free(smallest.words);
	if (rc)
		return give_up(b, rc);
	return told("found", FF_EXIT_OK);
}

/* --- the whole --- */

static int search(struct bisect *b)
{
	int rc = ff_ddmin(b->left, &b->left_len, (size_t)b->tries.slots, play_round, b);

	return rc ? give_up(b, rc) : tell_found(b);
}

static int unclear(const struct ff_try *one, const char *which)
{
	char *text = ff_xasprintf("%s could not be tried: %s", which,
				  one->end == FF_TRY_MISSING ? "the test is not collected any more"
				  : one->end == FF_TRY_HUNG  ? "its time was over (--timeout)"
				  : one->words		     ? one->words
							     : "it ended before");

	ff_complain_last(text, FF_EXIT_INFRA);
	ff_free(text);
	return FF_EXIT_INFRA;
}

static bool is_clear(const struct ff_try *one)
{
	return one->end == FF_TRY_PASSED || one->end == FF_TRY_FAILED;
}

static void set_timeout(struct bisect *b, int64_t whole_us)
{
	int64_t given = b->o->timeout ? ff_config_duration_us(b->o->timeout) : -1;

	if (given >= 0)
		b->tries.timeout_us = given ? given : NO_TIMEOUT;
	else if (whole_us > NO_TIMEOUT / TIMES)
		b->tries.timeout_us = NO_TIMEOUT;
	else
		b->tries.timeout_us =
			TIMES * whole_us > TIMEOUT_MIN_US ? TIMES * whole_us : TIMEOUT_MIN_US;
}

static int say_verdict(const struct bisect *b, const struct ff_try *alone,
		       const struct ff_try *whole)
{
	if (alone->end == FF_TRY_FAILED && b->all)
		return told("it fails behind no test, but where all files of the run are imported, "
			    "as there: an import does it",
			    FF_EXIT_FAILED);
	if (alone->end == FF_TRY_FAILED)
		return told("it fails alone: that is no matter of order", FF_EXIT_FAILED);
	if (!is_clear(alone))
		return unclear(alone, "the test alone");
	if (!whole)
		return told("nothing ran before it, and alone it did not fail again: not order "
			    "dependence, or flaky",
			    FF_EXIT_FAILED);
	if (!is_clear(whole))
		return unclear(whole, "the whole sequence");
	return told("it did not fail again behind all of them: not order dependence, or flaky",
		    FF_EXIT_FAILED);
}

/* Alone it passes, behind all of them it fails: only then there is something to look for, and that
 * is negative. */
static int verify(struct bisect *b)
{
	struct ff_try both[2] = {{.all = b->all},
				 {.tests = b->left, .len = b->left_len, .all = b->all}};
	size_t count = b->left_len ? 2 : 1;
	int code = -1, rc = run_tries(b, both, count);

	if (rc) {
		code = give_up(b, rc);
	} else if (both[0].end == FF_TRY_PASSED && count == 2 && both[1].end == FF_TRY_FAILED) {
		set_timeout(b, both[1].took_us);
	} else if (both[0].end == FF_TRY_PASSED && both[count - 1].end == FF_TRY_PASSED &&
		   !b->all && !b->tries.job->in_parts) {
		/* There all files were imported before the first test. */
		ff_map_release(&b->known);
		b->all = true;
		code = verify(b);
	} else {
		code = say_verdict(b, &both[0], count == 2 ? &both[1] : NULL);
	}
	release_tries(both, count);
	return code;
}

static int64_t cpus(void)
{
	cpu_set_t may;

	return sched_getaffinity(0, sizeof(may), &may) < 0 ? 1 : CPU_COUNT(&may);
}

static void prepare(struct bisect *b, size_t step)
{
	const struct ff_recorded_step *last = &b->worker->steps[step];
	int64_t whole_us = 0;

	b->tries.repeat = &b->repeat;
	b->tries.job = &b->recorded.jobs[b->worker->job];
	b->tries.worker = b->worker;
	b->tries.last = step;
	b->tries.hang_fails = last->ended && last->outcome == FF_OUTCOME_TIMEOUT;
	b->tries.python = &b->python;
	b->tries.slots = b->o->slots ? b->o->slots : cpus();
	b->left_len = step;
	b->left = ff_xcalloc(step + 1, sizeof(*b->left));
	for (size_t i = 0; i < step; i++) {
		b->left[i] = (uint32_t)i;
		whole_us += b->worker->steps[i].took_us;
	}
	set_timeout(b, whole_us);
	ff_complain("bisect: in run %s '%s' %s on %s, behind %zu test%s", b->recorded.run_id,
		    b->test, last->ended ? ff_outcome_word(last->outcome) : "did not end",
		    b->worker->name, step, step == 1 ? "" : "s");
	if (b->repeat.notes.len)
		ff_complain_lines(ff_buf_str(&b->repeat.notes));
}

static bool find_python(struct bisect *b)
{
	if (b->o->python || !b->repeat.python)
		return ff_pytest_interpreter(b->o->python, &b->python);
	return ff_strv_add(&b->python, b->repeat.python) == 0;
}

static int look(struct bisect *b, const char *run, size_t *step)
{
	int rc = ff_recorded_read(&b->recorded, run, b->err);

	if (!rc && b->o->worker) {
		rc = ff_recorded_find_worker(&b->recorded, b->o->worker, &b->worker, b->err);
		if (!rc)
			rc = ff_recorded_find_step(&b->recorded, b->worker, b->test, step, b->err);
	} else if (!rc) {
		rc = ff_recorded_find_failure(&b->recorded, b->test, &b->worker, step, b->err);
	}
	return rc ? rc : ff_repeat_plan(&b->repeat, &b->recorded, b->worker, b->err);
}

static int bisect(const struct options *o, const char *run, const char *test)
{
	struct ff_err err = {0};
	struct bisect b = {.o = o, .test = test, .err = &err};
	size_t step = 0;
	int code, rc = look(&b, run, &step);

	if (rc) {
		code = rc == FF_ENOTFOUND || rc == FF_EUNSUPPORTED ? FF_EXIT_USAGE : FF_EXIT_INFRA;
		ff_complain("bisect: %s", err.text);
		ff_complain_last("nothing was started", code);
	} else if (!find_python(&b)) {
		code = told("nothing was started", FF_EXIT_INFRA);
	} else {
		prepare(&b, step);
		rc = ff_tries_open(&b.tries, &err);
		code = rc ? give_up(&b, rc) : verify(&b);
		if (code < 0)
			code = search(&b);
		ff_tries_close(&b.tries);
	}
	ff_free(b.left);
	ff_map_release(&b.known);
	ff_strv_release(&b.python);
	ff_repeat_release(&b.repeat);
	ff_recorded_release(&b.recorded);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && words.len != 2)
		ff_complain(
			"bisect: a RUN and a TEST are wanted: last, and the test's node id as the "
			"run names it");
	else if (rc == 0 && o.slots > SLOTS_MAX)
		ff_complain("bisect: -n wants a number from 0 to %d, got %lld", SLOTS_MAX,
			    (long long)o.slots);
	else if (rc == 0)
		code = bisect(&o, words.v[0], words.v[1]);
	ff_strv_release(&words);
	return code;
}

const struct ff_command ff_command_bisect = {
	.name = "bisect",
	.summary = "Find the tests that make a test fail which passes alone.",
	.synopsis = "[OPTIONS] RUN TEST",
	.details =
		"RUN is a run's folder (.farflung/runs/ID), its ID, or last. Of the tests that the "
		"same worker ran\n"
		"before TEST the smallest part is looked for behind which TEST fails (delta "
		"debugging), and the command\n"
		"line of pytest that shows it. Each try is a plain pytest of its own, with its own "
		"temporary files and\n"
		"cache; what else tests share, they share here, too: -n 1 then. Exit codes: 0 "
		"found, 1 TEST fails alone or\n"
		"did not fail again, 2 usage, 3 it could not be tried, 130 interrupted.\n",
	.options = options,
	.run = run,
};
