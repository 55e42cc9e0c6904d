/* The records of a run: each kind of event in each state of what it is about, and what it counts.
 * (Random runs, and their replay, are in test_state_replay.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "state/state.h"

static const struct ff_result passed = {.outcome = FF_OUTCOME_PASSED, .duration_us = 7};
static const struct ff_result failed = {.outcome = FF_OUTCOME_FAILED, .message = "no"};
static const struct ff_result lost = {.outcome = FF_OUTCOME_LOST, .message = "gone"};

/* --- telling --- */

static uint64_t seq;

static int try_event(struct ff_state *state, struct ff_event event, struct ff_err *err)
{
	event.seq = ++seq;
	event.time_us = 1795161600000000 + (int64_t)seq;
	return ff_state_apply(state, &event, err);
}

static void tell(struct ff_state *state, struct ff_event event)
{
	struct ff_err err = {0};

	if (try_event(state, event, &err) != 0)
		fail_msg("%s", err.text);
	assert_true(state->run.seq == seq);
}

/* Refused, in these words (behind "event 7, "). */
static void refused(struct ff_state *state, struct ff_event event, const char *words)
{
	uint64_t before = state->run.seq;
	struct ff_err err = {0};
	char expected[256];

	assert_int_equal(try_event(state, event, &err), FF_EINVAL);
	snprintf(expected, sizeof(expected), "event %llu, %s", (unsigned long long)seq, words);
	assert_string_equal(err.text, expected);
	assert_int_equal(err.code, FF_EINVAL);
	assert_true(state->run.seq == before);
	assert_int_equal(try_event(state, event, NULL), FF_EINVAL);
}

#define TELL(state, kind_, ...)                                                                    \
	tell(state, (struct ff_event){.kind = FF_EVENT_##kind_, __VA_ARGS__})
#define REFUSED(state, words, kind_, ...)                                                          \
	refused(state, (struct ff_event){.kind = FF_EVENT_##kind_, __VA_ARGS__}, words)

/* A run with host h (4 slots), job j with three units, and worker w that has collected them. */
static void begin(struct ff_state *state)
{
	seq = 0;
	ff_state_init(state);
	TELL(state, RUN_STARTED);
	TELL(state, HOST_ADDED, .host = "h", .u.host_added.slots = 4);
	TELL(state, HOST_ADDED, .host = "other");
	TELL(state, JOB_ADDED, .job = "j");
	TELL(state, JOB_ADDED, .job = "two", .u.job_added.units = 2);
	TELL(state, HOST_JOINING, .host = "h", .u.host_joining.tries = 1);
	TELL(state, HOST_OPENED, .host = "h");
	TELL(state, HOST_READY, .host = "h");
	TELL(state, JOB_STARTED, .job = "j");
	TELL(state, WORKER_OPENING, .host = "h", .job = "j", .worker = "w");
	TELL(state, WORKER_STARTED, .host = "h", .job = "j", .worker = "w");
	TELL(state, COLLECTED, .host = "h", .job = "j", .worker = "w", .u.collected.count = 3,
	     .u.collected.digest = "d1");
}

/* --- all kinds in all states --- */

/* States that are accepted, in words with blanks around, and the one that comes of it. NULL: it
 * may be in any, and stays as it is. */
struct part {
	const char *from, *to;
};

struct rule {
	enum ff_event_kind kind;
	struct part host, worker, unit, job, front, run;
};

#define ALL_BUT_GONE " unused joining preparing ready draining away "
#define FRONT_LIVES  " opening ready finishing "
#define GOING	     " running stopping killing "

static const struct rule rules[] = {
	{FF_EVENT_RUN_STARTED, .run = {" new ", "running"}},
	{FF_EVENT_HOST_JOINING, .host = {" unused away ", "joining"}},
	{FF_EVENT_HOST_OPENED, .host = {" joining ", "preparing"}},
	{FF_EVENT_SYNC_FINISHED, .host = {" preparing ", NULL}},
	{FF_EVENT_HOST_READY, .host = {" preparing ", "ready"}},
	{FF_EVENT_HOST_SETUP, .host = {" joining preparing ready draining away ", NULL}},
	{.kind = FF_EVENT_HOST_UNFIT},
	{FF_EVENT_HOST_AWAY, .host = {" joining preparing ready draining ", "away"}},
	{FF_EVENT_HOST_FAILED, .host = {ALL_BUT_GONE, "gone"}},
	{FF_EVENT_HOST_LOST, .host = {ALL_BUT_GONE, "gone"}},
	{FF_EVENT_HOST_DRAINING, .host = {" ready ", "draining"}},
	{FF_EVENT_HOST_LEFT, .host = {ALL_BUT_GONE, "gone"}},
	{FF_EVENT_JOB_STARTED, .job = {" waiting ", "running"}},
	{FF_EVENT_WORKER_OPENING, .host = {" ready ", NULL}, .job = {" running ", NULL}},
	{FF_EVENT_WORKER_STARTED, .worker = {" opening ", "started"}},
	{FF_EVENT_WORKER_ENDED, .worker = {" opening started collected ", "ended"}},
	{FF_EVENT_COLLECTED, .worker = {" opening started ", "collected"},
	 .job = {" running ", NULL}},
	{FF_EVENT_UNITS_ADDED, .job = {" running ", NULL}},
	{FF_EVENT_FILE_COLLECTED, .job = {" running ", NULL}},
	{FF_EVENT_COLLECT_PROBLEM, .job = {" running ", NULL}},
	{FF_EVENT_UNIT_STARTED, .host = {" ready draining ", NULL},
	 .worker = {" collected ", "running"}, .unit = {" waiting ", "running"},
	 .job = {" running ", NULL}},
	{FF_EVENT_UNIT_OUTPUT, .unit = {" running ", NULL}},
	{FF_EVENT_UNIT_FINISHED, .worker = {" running ", "collected"},
	 .unit = {" running waiting ", "done"}, .job = {" running ", NULL}},
	{FF_EVENT_UNIT_LOST, .worker = {" running ", "collected"}, .unit = {" running ", "waiting"},
	 .job = {" running ", NULL}},
	{FF_EVENT_UNIT_ARTIFACTS, .unit = {" running ", NULL}, .job = {" running ", NULL}},
	{FF_EVENT_JOB_ARTIFACTS, .job = {" running ", NULL}},
	{FF_EVENT_UNITS_BEFORE, .unit = {" waiting ", "done"}, .job = {" waiting running ", NULL}},
	{FF_EVENT_UNIT_BEFORE, .unit = {" done ", NULL}, .job = {" waiting running ", NULL}},
	{FF_EVENT_UNITS_NOT_RUN, .unit = {" waiting ", "not-run"},
	 .job = {" waiting running ", NULL}},
	{FF_EVENT_PART_NOT_RUN, .job = {" running ", NULL}},
	{.kind = FF_EVENT_NOTICE},
	{FF_EVENT_FRONT_STARTED, .job = {" running ", NULL}, .front = {" none ", "opening"}},
	{FF_EVENT_FRONT_READY, .job = {" running ", NULL}, .front = {" opening ", "ready"}},
	{FF_EVENT_FRONT_TEXT, .job = {" running ", NULL}, .front = {FRONT_LIVES, NULL}},
	{FF_EVENT_FRONT_ENDING, .job = {" running ", NULL},
	 .front = {" opening ready ", "finishing"}},
	{FF_EVENT_FRONT_FINISHED, .job = {" running ", NULL}, .front = {FRONT_LIVES, "finished"}},
	{FF_EVENT_JOB_FINISHED, .job = {" waiting running ", "finished"},
	 .front = {" none finished failed ", NULL}},
	{FF_EVENT_STOPPING, .run = {" running stopping ", "stopping"}},
	{.kind = FF_EVENT_CANCELLED},
	{.kind = FF_EVENT_DRAIN_ASKED},
	{FF_EVENT_INTERRUPTED, .run = {GOING, "stopping"}},
	{FF_EVENT_RUN_FINISHED, .run = {GOING, "finished"}},
};

static bool accepts(const struct part *part, const char *word)
{
	char blanks[32];

	snprintf(blanks, sizeof(blanks), " %s ", word);
	return !part->from || strstr(part->from, blanks);
}

enum { PARTS = 6 };

/* States of the six, as numbers. */
struct states {
	unsigned host, worker, unit, job, front, run;
};

static const unsigned limits[] = {FF_HOST_STATES, FF_WORKER_STATES, FF_UNIT_STATES,
				  FF_JOB_STATES,  FF_FRONT_STATES,  FF_RUN_STATES};

static const char *word_of(const struct states *s, int part)
{
	switch (part) {
	case 0:
		return ff_host_state_word((enum ff_host_state)s->host);
	case 1:
		return ff_worker_state_word((enum ff_worker_state)s->worker);
	case 2:
		return ff_unit_state_word((enum ff_unit_state)s->unit);
	case 3:
		return ff_job_state_word((enum ff_job_state)s->job);
	case 4:
		return ff_front_state_word((enum ff_front_state)s->front);
	default:
		return ff_run_state_word((enum ff_run_state)s->run);
	}
}

static unsigned *part_of(struct states *s, int part)
{
	unsigned *parts[] = {&s->host, &s->worker, &s->unit, &s->job, &s->front, &s->run};

	return parts[part];
}

static const struct part *rule_part(const struct rule *rule, int part)
{
	const struct part *parts[] = {&rule->host, &rule->worker, &rule->unit,
				      &rule->job,  &rule->front,  &rule->run};

	return parts[part];
}

/* The records in these states, however they came to be in them. */
static void arrange(struct ff_state *state, const struct states *s)
{
	bool runs = s->unit == FF_UNIT_RUNNING;

	begin(state);
	state->hosts[0].state = (enum ff_host_state)s->host;
	state->workers[0].state = (enum ff_worker_state)s->worker;
	state->workers[0].unit = s->worker == FF_WORKER_RUNNING ? 0 : FF_NOBODY;
	state->jobs[0].units[0].state = (uint8_t)s->unit;
	state->jobs[0].units[0].host = runs ? 0 : FF_NOBODY;
	state->jobs[0].running = state->run.running = state->hosts[0].running = runs;
	state->jobs[0].state = (enum ff_job_state)s->job;
	state->jobs[0].front.state = (enum ff_front_state)s->front;
	state->jobs[0].parts_left = 1; /* for UNITS_ADDED */
	state->run.state = (enum ff_run_state)s->run;
}

static struct ff_event event_of(enum ff_event_kind kind)
{
	struct ff_event event = {.kind = kind, .seq = 1000, .host = "h", .job = "j", .worker = "w"};

	switch (kind) {
	case FF_EVENT_WORKER_OPENING:
		event.worker = "new";
		break;
	case FF_EVENT_COLLECTED:
		event.u.collected.again = true;
		break;
	case FF_EVENT_UNIT_STARTED:
	case FF_EVENT_UNIT_OUTPUT:
	case FF_EVENT_UNIT_LOST:
	case FF_EVENT_UNIT_ARTIFACTS:
		event.unit = "u";
		break;
	case FF_EVENT_UNIT_BEFORE:
	case FF_EVENT_UNIT_FINISHED:
		event.unit = "u";
		event.u.unit_finished.final = true;
		event.u.unit_finished.result = &passed;
		break;
	case FF_EVENT_UNITS_BEFORE:
		event.u.units_before.count = 1;
		break;
	case FF_EVENT_UNITS_NOT_RUN:
		event.u.units_not_run.count = 1;
		break;
	case FF_EVENT_INTERRUPTED:
		event.u.interrupted.times = 1;
		break;
	default:
		break;
	}
	return event;
}

static void check_moved(const struct ff_state *state, const struct rule *rule,
			const struct states *before)
{
	struct states after = {state->hosts[0].state,	      state->workers[0].state,
			       state->jobs[0].units[0].state, state->jobs[0].state,
			       state->jobs[0].front.state,    state->run.state};

	for (int part = 0; part < PARTS; part++) {
		const char *to = rule_part(rule, part)->to;

		if (rule->kind == FF_EVENT_INTERRUPTED && before->run == FF_RUN_KILLING)
			to = NULL;
		assert_string_equal(word_of(&after, part), to ? to : word_of(before, part));
	}
	assert_true(state->run.seq == 1000);
}

/* The words name the record, its state, and what came. */
static void check_refused(const struct ff_err *err, const struct rule *rule, const struct states *s,
			  int part)
{
	static const char *const names[] = {
		"host 'h' is ", "worker 'w' is ",	    "unit '",
		"job 'j' is ",	"the front of job 'j' is ", "the run is "};
	bool range = rule->kind == FF_EVENT_UNITS_NOT_RUN || rule->kind == FF_EVENT_UNITS_BEFORE;

	assert_non_null(strstr(err->text, "event 1000, "));
	assert_non_null(strstr(err->text, ff_event_word(rule->kind)));
	assert_non_null(
		strstr(err->text, part == 2 && range ? "unit 0 of job 'j' is " : names[part]));
	assert_non_null(strstr(err->text, word_of(s, part)));
}

static void check_in(const struct rule *rule, const struct states *s, int varied)
{
	struct ff_event event = event_of(rule->kind);
	bool ok = accepts(rule_part(rule, varied), word_of(s, varied));
	struct ff_state state, before;
	struct ff_err err = {0};

	/* What waits is finished without a worker. */
	if (rule->kind == FF_EVENT_UNIT_FINISHED && s->unit == FF_UNIT_WAITING)
		return;
	arrange(&state, s);
	arrange(&before, s);
	assert_int_equal(ff_state_apply(&state, &event, &err), ok ? 0 : FF_EINVAL);
	if (ok) {
		check_moved(&state, rule, s);
	} else {
		check_refused(&err, rule, s, varied);
		if (!ff_state_equal(&state, &before, &err))
			fail_msg("%s", err.text);
	}
	ff_state_release(&state);
	ff_state_release(&before);
}

/* One record after the other goes through all of its states, the others are in one that is right.
 */
static void test_all_kinds_in_all_states(void **state)
{
	bool seen[FF_EVENT_KINDS] = {[FF_EVENT_HOST_ADDED] = true, [FF_EVENT_JOB_ADDED] = true};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct states good = {0};

		seen[rules[i].kind] = true;
		for (int part = 0; part < PARTS; part++)
			while (!accepts(rule_part(&rules[i], part), word_of(&good, part)))
				++*part_of(&good, part);
		if (rules[i].kind == FF_EVENT_UNIT_FINISHED)
			assert_int_equal(good.unit, FF_UNIT_WAITING);
		if (rules[i].kind == FF_EVENT_UNIT_FINISHED)
			good.unit = FF_UNIT_RUNNING;
		for (int part = 0; part < PARTS; part++) {
			for (unsigned value = 0; value < limits[part]; value++) {
				struct states s = good;

				*part_of(&s, part) = value;
				check_in(&rules[i], &s, part);
			}
		}
	}
	for (int i = 0; i < FF_EVENT_KINDS; i++)
		assert_true(seen[i]);
}

static void test_words(void **state)
{
	static const char *const hosts[] = {"unused",	"joining", "preparing", "ready",
					    "draining", "away",	   "gone"};

	for (unsigned i = 0; i < FF_HOST_STATES; i++)
		assert_string_equal(ff_host_state_word((enum ff_host_state)i), hosts[i]);
	assert_string_equal(ff_host_state_word(FF_HOST_STATES), "?");
	assert_string_equal(ff_worker_state_word(FF_WORKER_STATES), "?");
	assert_string_equal(ff_unit_state_word(FF_UNIT_STATES), "?");
	assert_string_equal(ff_job_state_word(FF_JOB_STATES), "?");
	assert_string_equal(ff_run_state_word(FF_RUN_STATES), "?");
}

/* A front that has failed is no finished one, and its exit status is kept. */
static void test_front_that_failed(void **state)
{
	struct ff_state s;

	begin(&s);
	TELL(&s, FRONT_STARTED, .job = "j");
	TELL(&s, FRONT_FINISHED, .job = "j", .u.front_finished.error = "it died");
	assert_int_equal(s.jobs[0].front.state, FF_FRONTSTATE_FAILED);
	ff_state_release(&s);
	begin(&s);
	TELL(&s, FRONT_STARTED, .job = "j");
	TELL(&s, FRONT_READY, .job = "j");
	TELL(&s, FRONT_ENDING, .job = "j");
	TELL(&s, FRONT_FINISHED, .job = "j", .u.front_finished.exit_status = 2,
	     .u.front_finished.bad = true);
	assert_int_equal(s.jobs[0].front.state, FF_FRONTSTATE_FINISHED);
	assert_int_equal(s.jobs[0].front.exit_status, 2);
	assert_true(s.jobs[0].front.bad);
	ff_state_release(&s);
}

/* --- what belongs together --- */

static void test_unknown_records(void **state)
{
	struct ff_state s;

	begin(&s);
	REFUSED(&s, "host-ready: host 'x' is unknown", HOST_READY, .host = "x");
	REFUSED(&s, "host-ready: host '' is unknown", HOST_READY, .host_id = 0);
	REFUSED(&s, "host-ready: host '' is unknown", HOST_READY, .host_id = 3);
	REFUSED(&s, "notice: host 'x' is unknown", NOTICE, .host = "x");
	REFUSED(&s, "job-started: job 'x' is unknown", JOB_STARTED, .job = "x");
	REFUSED(&s, "job-started: job '' is unknown", JOB_STARTED, .job_id = 0);
	REFUSED(&s, "worker-started: worker 'x' is unknown", WORKER_STARTED, .worker = "x");
	REFUSED(&s, "worker-ended: worker '' is unknown", WORKER_ENDED, .host = "h", .job = "j");
	REFUSED(&s, "worker-opening: job '' is missing", WORKER_OPENING, .host = "h",
		.worker = "n");
	REFUSED(&s, "worker-opening: worker '' has no name", WORKER_OPENING, .host = "h",
		.job = "j");
	REFUSED(&s, "worker-opening: worker 'w' is there already", WORKER_OPENING, .host = "h",
		.job = "j", .worker = "w");
	REFUSED(&s, "unit-started: unit 'u' is unknown", UNIT_STARTED, .job = "j", .unit = "u",
		.index = 3);
	REFUSED(&s, "host-added: host 'h' is there already", HOST_ADDED, .host = "h");
	REFUSED(&s, "host-added: host '' has no name", HOST_ADDED, .host_id = 0);
	REFUSED(&s, "job-added: job 'j' is there already", JOB_ADDED, .job = "j");
	REFUSED(&s, "job-added: job '' has no name", JOB_ADDED, .job_id = 0);
	assert_int_equal(s.hosts_len, 2);
	assert_int_equal(s.jobs_len, 2);
	assert_int_equal(s.workers_len, 1);
	/* Workers of earlier connections are spoken of. */
	TELL(&s, NOTICE, .worker = "unheard-of");
	/* Numbers find what names do, and are believed. */
	TELL(&s, HOST_DRAINING, .host_id = 1);
	assert_int_equal(s.hosts[ff_state_find_host(&s, "h")].state, FF_HOST_DRAINING);
	assert_int_equal(ff_state_find_worker(&s, "w"), 0);
	assert_int_equal(ff_state_find_job(&s, "w"), FF_NOBODY);
	assert_int_equal(ff_state_find_job(&s, NULL), FF_NOBODY);
	ff_state_release(&s);
}

#define AT .host = "h", .job = "j", .worker = "w", .unit = "u"

/* A counter goes down where it went up, or the event is refused. */
static void test_what_belongs_together(void **state)
{
	struct ff_state s;

	begin(&s);
	REFUSED(&s, "worker-ended: worker 'w' is on another host", WORKER_ENDED, .host = "other",
		.job = "j", .worker = "w");
	REFUSED(&s, "worker-ended: worker 'w' is on another host", WORKER_ENDED, .job = "j",
		.worker = "w");
	REFUSED(&s, "worker-ended: worker 'w' is of another job", WORKER_ENDED, .host = "h",
		.job = "two", .worker = "w");
	TELL(&s, UNIT_STARTED, AT, .u.unit_started.attempt = 1);
	REFUSED(&s, "unit-finished: unit 'u' is on another host", UNIT_FINISHED, .host = "other",
		.job = "j", .unit = "u", .u.unit_finished.result = &passed);
	REFUSED(&s, "unit-lost: unit 'u' is on another host", UNIT_LOST, .job = "j", .unit = "u");
	TELL(&s, WORKER_OPENING, .host = "h", .job = "j", .worker = "w2");
	TELL(&s, COLLECTED, .host = "h", .job = "j", .worker = "w2", .u.collected.again = true);
	TELL(&s, UNIT_STARTED, .host = "h", .job = "j", .worker = "w2", .unit = "u", .index = 1);
	REFUSED(&s, "unit-finished: worker 'w2' runs another unit", UNIT_FINISHED, .host = "h",
		.job = "j", .worker = "w2", .unit = "u", .u.unit_finished.result = &passed);
	assert_int_equal(s.run.running, 2);
	ff_state_release(&s);
}

/* --- what is counted --- */

static void test_a_unit(void **state)
{
	struct ff_state s;
	const struct ff_unit_record *unit;

	begin(&s);
	unit = &s.jobs[0].units[0];
	assert_int_equal(s.jobs[0].counts.total, 3);
	assert_int_equal(s.run.counts.total, 5);
	TELL(&s, UNIT_STARTED, AT, .u.unit_started.attempt = 1);
	assert_int_equal(unit->state, FF_UNIT_RUNNING);
	assert_int_equal(unit->host, 0);
	assert_int_equal(s.workers[0].unit, 0);
	assert_int_equal(s.hosts[0].running + s.jobs[0].running + s.run.running, 3);
	/* A failure that is followed by another attempt. */
	TELL(&s, UNIT_FINISHED, AT, .u.unit_finished.result = &failed);
	assert_int_equal(unit->state, FF_UNIT_WAITING);
	assert_int_equal(unit->failures, 1);
	assert_int_equal(s.workers[0].state, FF_WORKER_COLLECTED);
	assert_int_equal(s.workers[0].unit, FF_NOBODY);
	assert_int_equal(s.hosts[0].running + s.jobs[0].running + s.run.running, 0);
	assert_int_equal(s.jobs[0].counts.retried, 1);
	assert_int_equal(s.run.counts.retried, 1);
	assert_int_equal(s.jobs[0].units_done, 0);
	/* A loss, of which it is not suspected, and one of which it is. */
	TELL(&s, UNIT_STARTED, AT, .u.unit_started.attempt = 2);
	TELL(&s, UNIT_LOST, AT);
	TELL(&s, UNIT_STARTED, AT, .u.unit_started.attempt = 3);
	TELL(&s, UNIT_LOST, AT, .u.unit_lost.alone = true);
	assert_int_equal(unit->deaths, 2);
	assert_int_equal(unit->alone, 1);
	assert_int_equal(unit->failures, 1);
	assert_int_equal(unit->attempts, 3);
	assert_int_equal(s.run.running, 0);
	/* A host that outlives it clears it. */
	TELL(&s, UNIT_STARTED, AT, .u.unit_started.attempt = 4);
	TELL(&s, UNIT_FINISHED, AT, .u.unit_finished.result = &failed);
	assert_int_equal(unit->deaths, 2);
	assert_int_equal(unit->alone, 0);
	/* Its end. */
	TELL(&s, UNIT_STARTED, AT, .u.unit_started.attempt = 5);
	TELL(&s, UNIT_FINISHED, AT, .u.unit_finished = {5, true, &passed});
	assert_int_equal(unit->state, FF_UNIT_DONE);
	assert_int_equal(unit->outcome, FF_OUTCOME_PASSED);
	assert_int_equal(s.jobs[0].units_done, 1);
	assert_int_equal(s.jobs[0].counts.by_outcome[FF_OUTCOME_PASSED], 1);
	assert_int_equal(s.run.counts.by_outcome[FF_OUTCOME_PASSED], 1);
	assert_int_equal(s.run.counts.by_outcome[FF_OUTCOME_FAILED], 0);
	ff_state_release(&s);
}

/* A lost one that is set aside names where it was; it counts nothing there. */
static void test_a_unit_that_is_set_aside(void **state)
{
	struct ff_state s;

	begin(&s);
	TELL(&s, UNIT_STARTED, AT, .u.unit_started.attempt = 1);
	TELL(&s, UNIT_LOST, AT, .u.unit_lost.alone = true);
	TELL(&s, HOST_AWAY, .host = "h", .u.host_away.error = "cut");
	assert_int_equal(s.hosts[0].vain, 1);
	TELL(&s, UNIT_FINISHED, AT, .u.unit_finished = {1, true, &lost});
	assert_int_equal(s.jobs[0].units[0].state, FF_UNIT_DONE);
	assert_int_equal(s.hosts[0].vain, 1);
	assert_int_equal(s.hosts[0].running + s.jobs[0].running + s.run.running, 0);
	assert_int_equal(s.workers[0].state, FF_WORKER_COLLECTED);
	/* Also while its worker has the next already. */
	TELL(&s, UNIT_FINISHED, .job = "j", .unit = "u", .index = 1,
	     .u.unit_finished = {0, true, &lost});
	assert_int_equal(s.run.counts.by_outcome[FF_OUTCOME_LOST], 2);
	ff_state_release(&s);
}

static void test_units_not_run(void **state)
{
	struct ff_state s;

	begin(&s);
	TELL(&s, UNIT_STARTED, AT, .index = 2);
	REFUSED(&s, "units-not-run: unit 2 of job 'j' is running", UNITS_NOT_RUN, .job = "j",
		.u.units_not_run.count = 3);
	REFUSED(&s, "units-not-run: job 'j' has not so many units", UNITS_NOT_RUN, .job = "j",
		.index = 1, .u.units_not_run.count = 3);
	REFUSED(&s, "units-not-run: job 'j' has not so many units", UNITS_NOT_RUN, .job = "j",
		.index = 1, .u.units_not_run.count = UINT32_MAX);
	assert_int_equal(s.jobs[0].counts.not_run, 0);
	TELL(&s, UNITS_NOT_RUN, .job = "j", .u.units_not_run.count = 2);
	assert_int_equal(s.jobs[0].counts.not_run, 2);
	assert_int_equal(s.run.counts.not_run, 2);
	assert_int_equal(s.jobs[0].units_done, 2);
	assert_int_equal(s.jobs[0].units[1].state, FF_UNIT_NOT_RUN);
	/* A job that never started. */
	TELL(&s, UNITS_NOT_RUN, .job = "two", .u.units_not_run.count = 2);
	assert_int_equal(s.run.counts.not_run, 4);
	ff_state_release(&s);
}

/* Nobody said how many there would be time for: they come to an end, and are not missed. */
static void test_units_out_of_time(void **state)
{
	struct ff_state s;

	begin(&s);
	TELL(&s, UNITS_NOT_RUN, .job = "j", .u.units_not_run = {2, FF_REASON_TIME});
	assert_int_equal(s.jobs[0].units_done, 2);
	assert_int_equal(s.jobs[0].units[1].state, FF_UNIT_NOT_RUN);
	assert_int_equal(s.jobs[0].counts.not_run, 0);
	assert_int_equal(s.run.counts.not_run, 0);
	ff_state_release(&s);
}

static void test_workers(void **state)
{
	struct ff_state s;

	begin(&s);
	assert_int_equal(s.hosts[0].workers + s.jobs[0].workers + s.run.workers, 3);
	TELL(&s, WORKER_OPENING, .host = "h", .job = "j", .worker = "w2");
	assert_int_equal(s.hosts[0].workers + s.jobs[0].workers + s.run.workers, 6);
	assert_int_equal(s.workers[1].host, 0);
	assert_int_equal(s.workers[1].job, 0);
	REFUSED(&s, "collected: job 'j' has its units already", COLLECTED, .job = "j", .host = "h",
		.worker = "w2");
	TELL(&s, WORKER_ENDED, .host = "h", .job = "j", .worker = "w2",
	     .u.worker_ended.crashed = true);
	assert_int_equal(s.jobs[0].crashes, 1);
	assert_int_equal(s.hosts[0].workers + s.jobs[0].workers + s.run.workers, 3);
	TELL(&s, UNIT_STARTED, AT);
	REFUSED(&s, "worker-ended: worker 'w' is running", WORKER_ENDED, .host = "h", .job = "j",
		.worker = "w");
	TELL(&s, UNIT_FINISHED, AT, .u.unit_finished = {1, true, &passed});
	/* Whatever became of its host and its job. */
	TELL(&s, JOB_FINISHED, .job = "j");
	TELL(&s, HOST_LOST, .host = "h");
	TELL(&s, WORKER_ENDED, .host = "h", .job = "j", .worker = "w");
	assert_int_equal(s.jobs[0].crashes, 1);
	assert_int_equal(s.hosts[0].workers + s.jobs[0].workers + s.run.workers, 0);
	ff_state_release(&s);
}

static void test_hosts(void **state)
{
	struct ff_state s;

	begin(&s);
	assert_int_equal(s.hosts[0].slots, 4);
	assert_int_equal(s.hosts[0].tries, 1);
	assert_true(s.hosts[0].was_ready);
	assert_false(s.hosts[1].was_ready);
	TELL(&s, HOST_UNFIT, .host = "h", .u.host_unfit.error = "no pytest");
	assert_string_equal(s.hosts[0].unfit, "no pytest");
	TELL(&s, HOST_AWAY, .host = "h", .u.host_away.error = "cut");
	assert_string_equal(s.hosts[0].error, "cut");
	TELL(&s, HOST_JOINING, .host = "h", .u.host_joining.tries = 2);
	TELL(&s, HOST_AWAY, .host = "h", .u.host_away.error = "cut again");
	assert_int_equal(s.hosts[0].vain, 2);
	TELL(&s, HOST_JOINING, .host = "h", .u.host_joining.tries = 3);
	TELL(&s, HOST_OPENED, .host = "h");
	TELL(&s, SYNC_FINISHED, .host = "h");
	TELL(&s, HOST_READY, .host = "h");
	assert_null(s.hosts[0].error);
	assert_int_equal(s.hosts[0].tries, 3);
	assert_int_equal(s.hosts[0].vain, 2);
	TELL(&s, UNIT_STARTED, AT);
	TELL(&s, UNIT_FINISHED, AT, .u.unit_finished = {1, true, &passed});
	assert_int_equal(s.hosts[0].vain, 0);
	TELL(&s, HOST_FAILED, .host = "other", .u.host_failed.error = "no route");
	assert_string_equal(s.hosts[1].error, "no route");
	TELL(&s, HOST_LEFT, .host = "h");
	assert_null(s.hosts[0].error);
	ff_state_release(&s);
}

static void test_open_job(void **state)
{
	struct ff_state s;

	begin(&s);
	TELL(&s, JOB_ADDED, .job = "open", .u.job_added = {.units = 1, .open = true});
	assert_true(s.jobs[2].known && s.jobs[2].open);
	TELL(&s, JOB_STARTED, .job = "open");
	TELL(&s, UNITS_ADDED, .job = "open", .u.units_added = {.count = 2, .open = true});
	assert_int_equal(s.jobs[2].units_len, 3);
	REFUSED(&s, "part-not-run: job 'open' has all its units already", PART_NOT_RUN,
		.job = "open");
	TELL(&s, UNITS_ADDED, .job = "open", .u.units_added = {.count = 1});
	assert_int_equal(s.jobs[2].units_len, 4);
	assert_int_equal(s.jobs[2].counts.total, 4);
	assert_int_equal(s.jobs[2].parts_len, 0);
	assert_false(s.jobs[2].open);
	REFUSED(&s, "units-added: job 'open' has all its units already", UNITS_ADDED,
		.job = "open");
	ff_state_release(&s);
}

/* However many it begins with and gets, there is room for each. */
static void test_open_job_has_room(void **state)
{
	char name[] = "job-00";

	for (uint32_t first = 0; first < 70; first += 3) {
		struct ff_state s;
		uint32_t units = first;

		begin(&s);
		name[4] = (char)('0' + first / 10);
		name[5] = (char)('0' + first % 10);
		TELL(&s, JOB_ADDED, .job = name, .u.job_added = {.units = first, .open = true});
		TELL(&s, JOB_STARTED, .job = name);
		for (uint32_t more = 1; more < 40; units += more, more += 7)
			TELL(&s, UNITS_ADDED, .job = name,
			     .u.units_added = {.count = more, .open = true});
		assert_int_equal(s.jobs[2].units_len, units);
		for (uint32_t i = 0; i < units; i++)
			assert_int_equal(s.jobs[2].units[i].state, FF_UNIT_WAITING);
		for (uint32_t i = 0; i < units; i++)
			TELL(&s, UNIT_STARTED, .job = name, .unit = "u", .index = i, .host = "h",
			     .u.unit_started.attempt = 1);
		ff_state_release(&s);
	}
}

static void test_jobs(void **state)
{
	struct ff_state s;

	begin(&s);
	assert_true(s.jobs[0].known && s.jobs[1].known);
	assert_string_equal(s.jobs[0].digest, "d1");
	assert_null(s.jobs[1].digest);
	TELL(&s, JOB_ADDED, .job = "empty");
	assert_false(s.jobs[2].known);
	TELL(&s, JOB_STARTED, .job = "empty");
	REFUSED(&s, "collected: job 'empty' has no units yet", COLLECTED, .job = "empty",
		.u.collected.again = true);
	TELL(&s, COLLECTED, .job = "empty");
	assert_true(s.jobs[2].known);
	assert_int_equal(s.jobs[2].units_len, 0);
	REFUSED(&s, "units-added: job 'empty' has all its units already", UNITS_ADDED,
		.job = "empty");
	TELL(&s, COLLECT_PROBLEM, .job = "empty");
	TELL(&s, COLLECT_PROBLEM, .job = "empty", .u.collect_problem.skipped = true);
	assert_int_equal(s.jobs[2].problems, 1);
	assert_int_equal(s.run.problems, 1);
	assert_int_equal(s.run.skipped_modules, 1);
	TELL(&s, JOB_FINISHED, .job = "empty", .u.job_finished.result = FF_JOB_ERROR,
	     .u.job_finished.why = FF_REASON_NOTHING);
	assert_int_equal(s.jobs[2].result, FF_JOB_ERROR);
	assert_int_equal(s.jobs[2].why, FF_REASON_NOTHING);
	assert_int_equal(s.run.jobs_finished, 1);
	ff_state_release(&s);
}

static void test_parts(void **state)
{
	struct ff_state s;

	begin(&s);
	TELL(&s, JOB_ADDED, .job = "parts");
	TELL(&s, JOB_STARTED, .job = "parts");
	REFUSED(&s, "collected: job 'parts' has units that are of no part", COLLECTED,
		.job = "parts", .u.collected.count = 1, .u.collected.parts = 2);
	TELL(&s, COLLECTED, .job = "parts", .u.collected.parts = 3, .u.collected.digest = "d");
	assert_int_equal(s.jobs[2].units_len, 0);
	assert_int_equal(s.jobs[2].parts_left, 3);
	TELL(&s, UNITS_ADDED, .job = "parts", .u.units_added = {"b.py", "db", 2, 0});
	TELL(&s, UNITS_BEFORE, .job = "parts", .index = 1, .u.units_before.count = 1);
	TELL(&s, UNITS_ADDED, .job = "parts", .u.units_added = {"c.py", "", 0, 4});
	assert_int_equal(s.jobs[2].parts_left, 1);
	TELL(&s, UNITS_ADDED, .job = "parts", .u.units_added = {"a.py", "da", 100, 0});
	assert_int_equal(s.jobs[2].units_len, 102);
	assert_int_equal(s.jobs[2].counts.total, 102);
	assert_int_equal(s.jobs[2].units[0].state, FF_UNIT_WAITING);
	assert_int_equal(s.jobs[2].units[1].state, FF_UNIT_DONE);
	for (uint32_t i = 2; i < 102; i++)
		assert_int_equal(s.jobs[2].units[i].state, FF_UNIT_WAITING);
	assert_string_equal(s.jobs[2].parts[2].name, "a.py");
	assert_int_equal(s.jobs[2].parts[2].first, 2);
	assert_int_equal(s.jobs[2].parts[2].len, 100);
	REFUSED(&s, "units-added: job 'parts' has all its units already", UNITS_ADDED,
		.job = "parts");
	ff_state_release(&s);
}

static void test_parts_that_are_never_known(void **state)
{
	struct ff_state s;

	begin(&s);
	TELL(&s, JOB_ADDED, .job = "parts");
	TELL(&s, JOB_STARTED, .job = "parts");
	TELL(&s, COLLECTED, .job = "parts", .u.collected.parts = 3, .u.collected.digest = "d");
	TELL(&s, UNITS_ADDED, .job = "parts", .u.units_added = {"b.py", "db", 2, 0});
	TELL(&s, PART_NOT_RUN, .job = "parts", .u.part_not_run = {"a.py", FF_REASON_MAXFAIL});
	TELL(&s, PART_NOT_RUN, .job = "parts", .u.part_not_run = {"c.py", FF_REASON_MAXFAIL});
	assert_int_equal(s.jobs[2].parts_left, 2);
	assert_int_equal(s.jobs[2].counts.parts_not_run, 2);
	assert_int_equal(s.run.counts.parts_not_run, 2);
	REFUSED(&s, "part-not-run: job 'parts' has all its units already", PART_NOT_RUN,
		.job = "parts", .u.part_not_run = {"d.py", FF_REASON_NONE});
	REFUSED(&s, "units-added: job 'parts' has all its units already", UNITS_ADDED,
		.job = "parts", .u.units_added = {"a.py", "da", 1, 0});
	ff_state_release(&s);
}

static void test_the_run(void **state)
{
	struct ff_state s;

	begin(&s);
	TELL(&s, STOPPING, .u.stopping.why = FF_REASON_MAXFAIL);
	TELL(&s, STOPPING, .u.stopping.why = FF_REASON_DISK);
	assert_int_equal(s.run.stopped, FF_REASON_MAXFAIL);
	TELL(&s, INTERRUPTED, .u.interrupted.times = 1);
	assert_int_equal(s.run.stopped, FF_REASON_INTERRUPTED);
	assert_int_equal(s.run.state, FF_RUN_STOPPING);
	TELL(&s, INTERRUPTED, .u.interrupted.times = 2);
	assert_int_equal(s.run.state, FF_RUN_KILLING);
	TELL(&s, INTERRUPTED, .u.interrupted.times = 3);
	assert_int_equal(s.run.state, FF_RUN_KILLING);
	assert_int_equal(s.run.interrupts, 3);
	REFUSED(&s, "stopping: the run is killing", STOPPING, .u.stopping.kill = true);
	TELL(&s, RUN_FINISHED, .u.run_finished.exit_code = 130);
	assert_int_equal(s.run.exit_code, 130);
	ff_state_release(&s);
	begin(&s);
	TELL(&s, STOPPING, .u.stopping = {FF_REASON_DISK, "full", true});
	assert_int_equal(s.run.state, FF_RUN_KILLING);
	assert_int_equal(s.run.stopped, FF_REASON_DISK);
	ff_state_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds_in_all_states),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_front_that_failed),
		cmocka_unit_test(test_unknown_records),
		cmocka_unit_test(test_what_belongs_together),
		cmocka_unit_test(test_a_unit),
		cmocka_unit_test(test_a_unit_that_is_set_aside),
		cmocka_unit_test(test_units_not_run),
		cmocka_unit_test(test_units_out_of_time),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_open_job),
		cmocka_unit_test(test_open_job_has_room),
		cmocka_unit_test(test_jobs),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_parts_that_are_never_known),
		cmocka_unit_test(test_the_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
