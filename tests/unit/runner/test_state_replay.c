/* Random runs: what is counted is what the records say, a refused event changes nothing, and the
 * events that were accepted give the same state when they are read back from their lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "event/journal.h"
#include "random.h"
#include "state/state.h"

static const char *const hosts[] = {"build1", "b\"2\n", "h\xc3\xa9", "ghost"};
static const char *const jobs[] = {"unit", "bench", "lint", "ghost"};
static const char *const workers[] = {"gw0", "gw1", "gw2", "gw3", "gw4", "gw5", "gw6", "gw7"};

/* --- random events --- */

#define PICK(list) (list)[random_below(sizeof(list) / sizeof(*(list)))]

static struct ff_result results[FF_OUTCOMES];

/* What a worker may say: about itself, its job and its unit; sometimes of another's. */
static void about_worker(const struct ff_state *state, struct ff_event *event)
{
	const struct ff_worker_record *worker;

	event->worker = PICK(workers);
	if (state->workers_len == 0 || one_in(12))
		return;
	worker = &state->workers[random_below(state->workers_len)];
	event->worker = worker->name;
	event->job = state->jobs[worker->job].name;
	event->host = worker->host == FF_NOBODY ? NULL : state->hosts[worker->host].name;
	if (worker->unit != FF_NOBODY)
		event->index = worker->unit;
	if (one_in(3)) {
		event->worker_id = (uint32_t)(worker - state->workers) + 1;
		event->job_id = worker->job + 1;
	}
}

/* A unit that runs without a worker, as commands do. */
static void about_command(const struct ff_state *state, struct ff_event *event)
{
	uint32_t number = ff_state_find_job(state, event->job);
	const struct ff_unit_record *unit;

	event->worker = NULL;
	if (number == FF_NOBODY || state->jobs[number].units_len == 0)
		return;
	event->index = random_below(state->jobs[number].units_len);
	unit = &state->jobs[number].units[event->index];
	if (unit->state == FF_UNIT_RUNNING && unit->host != FF_NOBODY)
		event->host = state->hosts[unit->host].name;
}

static void fill_unit(const struct ff_state *state, struct ff_event *event)
{
	event->unit = "test_x";
	event->index = random_below(6);
	if (one_in(2))
		about_worker(state, event);
	else
		about_command(state, event);
}

static void fill(const struct ff_state *state, struct ff_event *event)
{
	switch (event->kind) {
	case FF_EVENT_HOST_ADDED:
		event->u.host_added.slots = random_below(9);
		break;
	case FF_EVENT_JOB_ADDED:
		event->u.job_added.units = random_below(2) * random_below(6);
		break;
	case FF_EVENT_HOST_JOINING:
		event->u.host_joining.tries = random_below(5);
		break;
	case FF_EVENT_HOST_AWAY:
	case FF_EVENT_HOST_LOST:
	case FF_EVENT_HOST_FAILED:
		event->u.host_away.error = "cut";
		break;
	case FF_EVENT_HOST_UNFIT:
		event->u.host_unfit.error = "no pytest";
		break;
	case FF_EVENT_WORKER_OPENING:
		event->worker = PICK(workers);
		break;
	case FF_EVENT_WORKER_STARTED:
	case FF_EVENT_WORKER_ENDED:
		about_worker(state, event);
		event->u.worker_ended.crashed = event->kind == FF_EVENT_WORKER_ENDED && one_in(2);
		if (event->kind == FF_EVENT_WORKER_STARTED)
			event->u.worker_started.words = "Python";
		break;
	case FF_EVENT_COLLECTED:
		about_worker(state, event);
		event->u.collected.count = random_below(6);
		event->u.collected.digest = one_in(2) ? "d1" : NULL;
		event->u.collected.again = one_in(2);
		if (one_in(2)) {
			event->u.collected.count = 0;
			event->u.collected.parts = random_below(20);
		}
		break;
	case FF_EVENT_UNITS_ADDED:
		event->u.units_added.part = "a.py";
		event->u.units_added.digest = one_in(2) ? "d2" : NULL;
		event->u.units_added.count = random_below(6);
		break;
	case FF_EVENT_COLLECT_PROBLEM:
		event->u.collect_problem.skipped = one_in(2);
		break;
	case FF_EVENT_UNIT_STARTED:
		fill_unit(state, event);
		event->u.unit_started.attempt = 1 + random_below(3);
		break;
	case FF_EVENT_UNIT_OUTPUT:
		fill_unit(state, event);
		event->u.unit_output.stream = 1;
		event->u.unit_output.bytes = "x";
		event->u.unit_output.len = 1;
		break;
	case FF_EVENT_UNIT_BEFORE:
	case FF_EVENT_UNIT_FINISHED:
		fill_unit(state, event);
		event->u.unit_finished.attempt = 1;
		event->u.unit_finished.final = one_in(2);
		event->u.unit_finished.result = &PICK(results);
		break;
	case FF_EVENT_UNIT_LOST:
		fill_unit(state, event);
		event->u.unit_lost.attempt = 1;
		event->u.unit_lost.alone = one_in(2);
		break;
	case FF_EVENT_UNIT_ARTIFACTS:
		fill_unit(state, event);
		event->u.unit_artifacts.attempt = 1;
		event->u.unit_artifacts.files = random_below(3);
		break;
	case FF_EVENT_JOB_ARTIFACTS:
		event->u.job_artifacts.files = random_below(3);
		break;
	case FF_EVENT_UNITS_NOT_RUN:
		event->index = random_below(6);
		event->u.units_not_run.count = 1 + random_below(2);
		event->u.units_not_run.why = FF_REASON_MAXFAIL;
		event->unit = event->u.units_not_run.count == 1 ? "test_x" : NULL;
		break;
	case FF_EVENT_PART_NOT_RUN:
		event->u.part_not_run.part = "b.py";
		event->u.part_not_run.why = FF_REASON_MAXFAIL;
		break;
	case FF_EVENT_FRONT_FINISHED:
		event->u.front_finished.error = one_in(3) ? "it died" : NULL;
		event->u.front_finished.exit_status = (int)random_below(6);
		event->u.front_finished.bad = one_in(2);
		break;
	case FF_EVENT_JOB_FINISHED:
		event->u.job_finished.result = (enum ff_job_result)random_below(FF_JOB_RESULTS);
		event->u.job_finished.why = (enum ff_reason)random_below(FF_REASONS);
		break;
	case FF_EVENT_STOPPING:
		event->u.stopping.why = FF_REASON_MAXFAIL;
		event->u.stopping.kill = one_in(4);
		break;
	case FF_EVENT_INTERRUPTED:
		event->u.interrupted.times = 1 + (int)random_below(3);
		break;
	case FF_EVENT_RUN_FINISHED:
		event->u.run_finished.exit_code = (int)random_below(4);
		break;
	default:
		break;
	}
}

/* Ends are rare, or all would soon be over. */
static bool too_early(enum ff_event_kind kind)
{
	switch (kind) {
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
	case FF_EVENT_HOST_LEFT:
	case FF_EVENT_JOB_FINISHED:
	case FF_EVENT_RUN_FINISHED:
	case FF_EVENT_WORKER_ENDED:
		return !one_in(15);
	case FF_EVENT_UNITS_NOT_RUN:
		return !one_in(5);
	default:
		return false;
	}
}

static struct ff_event random_event(const struct ff_state *state)
{
	struct ff_event event = {.host = PICK(hosts), .job = PICK(jobs)};

	do
		event.kind = (enum ff_event_kind)random_below(FF_EVENT_KINDS);
	while (too_early(event.kind));
	if (one_in(20))
		event.host = NULL;
	if (one_in(20))
		event.job = NULL;
	fill(state, &event);
	return event;
}

/* --- what must hold --- */

struct tally {
	uint32_t running, done, not_run, outcomes[FF_OUTCOMES];
};

static void tally_job(const struct ff_job_record *job, struct tally *tally)
{
	for (uint32_t i = 0; i < job->units_len; i++) {
		tally->running += job->units[i].state == FF_UNIT_RUNNING;
		tally->done += job->units[i].state >= FF_UNIT_DONE;
		tally->not_run += job->units[i].state == FF_UNIT_NOT_RUN;
		tally->outcomes[job->units[i].outcome] += job->units[i].state == FF_UNIT_DONE;
	}
}

static void check_counts(const struct ff_counts *counts, const struct tally *tally)
{
	assert_int_equal(counts->not_run, tally->not_run);
	assert_memory_equal(counts->by_outcome, tally->outcomes, sizeof(tally->outcomes));
}

static uint32_t workers_of(const struct ff_state *state, uint32_t host, uint32_t job)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < state->workers_len; i++)
		count += state->workers[i].state != FF_WORKER_ENDED &&
			 (host == FF_NOBODY || state->workers[i].host == host) &&
			 (job == FF_NOBODY || state->workers[i].job == job);
	return count;
}

static uint32_t units_on(const struct ff_state *state, uint32_t host)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < state->jobs_len; i++)
		for (uint32_t j = 0; j < state->jobs[i].units_len; j++)
			count += state->jobs[i].units[j].state == FF_UNIT_RUNNING &&
				 state->jobs[i].units[j].host == host;
	return count;
}

static void check_books(const struct ff_state *state)
{
	struct tally all = {0};
	uint32_t total = 0;

	for (uint32_t i = 0; i < state->jobs_len; i++) {
		const struct ff_job_record *job = &state->jobs[i];
		struct tally tally = {0};

		tally_job(job, &tally);
		tally_job(job, &all);
		assert_int_equal(job->running, tally.running);
		assert_int_equal(job->units_done, tally.done);
		assert_int_equal(job->counts.total, job->units_len);
		assert_int_equal(job->workers, workers_of(state, FF_NOBODY, i));
		check_counts(&job->counts, &tally);
		total += job->units_len;
	}
	for (uint32_t i = 0; i < state->hosts_len; i++) {
		assert_int_equal(state->hosts[i].running, units_on(state, i));
		assert_int_equal(state->hosts[i].workers, workers_of(state, i, FF_NOBODY));
	}
	assert_int_equal(state->run.running, all.running);
	assert_int_equal(state->run.workers, workers_of(state, FF_NOBODY, FF_NOBODY));
	assert_int_equal(state->run.counts.total, total);
	check_counts(&state->run.counts, &all);
}

/* --- live, and read back --- */

static void replay(struct ff_state *state, const struct ff_event *event)
{
	struct ff_buf line = FF_BUF_INIT;
	struct ff_arena arena;
	struct ff_event back;
	struct ff_err err = {0};

	ff_buf_init(&line, 1 << 20);
	ff_arena_init(&arena);
	assert_int_equal(ff_event_json(&line, event), 0);
	if (ff_event_parse(&back, &arena, ff_buf_str(&line), line.len, &err) < 0 ||
	    ff_state_apply(state, &back, &err) < 0)
		fail_msg("%s", err.text);
	ff_buf_release(&line);
	ff_arena_release(&arena);
}

static void random_run(uint32_t seed, uint32_t accepted[])
{
	struct ff_state live, read;
	uint64_t seq = 0;

	random_seed(seed);
	ff_state_init(&live);
	ff_state_init(&read);
	for (int i = 0; i < 1500; i++) {
		struct ff_event event = random_event(&live);
		struct ff_err err = {0};

		event.seq = seq + 1;
		event.time_us = 1795161600000000 + i;
		if (ff_state_apply(&live, &event, &err) == 0) {
			seq++;
			accepted[event.kind]++;
			replay(&read, &event);
			check_books(&live);
		} else {
			assert_int_equal(err.code, FF_EINVAL);
			assert_true(strlen(err.text) > 10);
		}
		if (!ff_state_equal(&live, &read, &err))
			fail_msg("%s", err.text);
	}
	ff_state_release(&live);
	ff_state_release(&read);
}

static void test_random_runs(void **state)
{
	uint32_t accepted[FF_EVENT_KINDS] = {0};

	for (int i = 0; i < FF_OUTCOMES; i++)
		results[i] = (struct ff_result){.outcome = (enum ff_outcome)i, .message = "m"};
	for (uint32_t seed = 1; seed <= 250; seed++)
		random_run(seed, accepted);
	for (int i = 0; i < FF_EVENT_KINDS; i++)
		if (accepted[i] < 50)
			fail_msg("%s: only %u", ff_event_word((enum ff_event_kind)i), accepted[i]);
}

/* --- what tells states apart --- */

static void make(struct ff_state *state)
{
	struct ff_event events[] = {
		{.kind = FF_EVENT_RUN_STARTED},
		{.kind = FF_EVENT_HOST_ADDED, .host = "h"},
		{.kind = FF_EVENT_JOB_ADDED, .job = "j", .u.job_added.units = 3},
		{.kind = FF_EVENT_JOB_ADDED, .job = "k"},
		{.kind = FF_EVENT_JOB_STARTED, .job = "j"},
		{.kind = FF_EVENT_HOST_JOINING, .host = "h"},
		{.kind = FF_EVENT_HOST_OPENED, .host = "h"},
		{.kind = FF_EVENT_HOST_READY, .host = "h"},
		{.kind = FF_EVENT_WORKER_OPENING, .host = "h", .job = "j", .worker = "w"},
		{.kind = FF_EVENT_HOST_UNFIT, .host = "h", .u.host_unfit.error = "e"},
	};

	ff_state_init(state);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		events[i].seq = i + 1;
		assert_int_equal(ff_state_apply(state, &events[i], NULL), 0);
	}
}

#define DIFFERS(words, change)                                                                     \
	do {                                                                                       \
		struct ff_state a, b;                                                              \
		struct ff_err err = {0};                                                           \
                                                                                                   \
		make(&a);                                                                          \
		make(&b);                                                                          \
		assert_true(ff_state_equal(&a, &b, &err));                                         \
		b.change;                                                                          \
		assert_false(ff_state_equal(&a, &b, &err));                                        \
		assert_string_equal(err.text, words " differs");                                   \
		assert_false(ff_state_equal(&b, &a, NULL));                                        \
		ff_state_release(&a);                                                              \
		ff_state_release(&b);                                                              \
	} while (0)

static void test_differences(void **state)
{
	DIFFERS("run ''", run.state = FF_RUN_STOPPING);
	DIFFERS("run ''", run.seq++);
	DIFFERS("run ''", run.interrupts++);
	DIFFERS("run ''", run.stopped = FF_REASON_DISK);
	DIFFERS("run ''", run.running++);
	DIFFERS("run ''", run.workers++);
	DIFFERS("run ''", run.jobs_finished++);
	DIFFERS("run ''", run.skipped_modules++);
	DIFFERS("run ''", run.setups_failed++);
	DIFFERS("run ''", run.problems++);
	DIFFERS("run ''", run.exit_code++);
	DIFFERS("run ''", run.counts.retried++);
	DIFFERS("run ''", run.counts.by_outcome[FF_OUTCOME_LOST]++);
	DIFFERS("host 'h'", hosts[0].state = FF_HOST_AWAY);
	DIFFERS("host 'h'", hosts[0].slots++);
	DIFFERS("host 'h'", hosts[0].running++);
	DIFFERS("host 'h'", hosts[0].workers++);
	DIFFERS("host 'h'", hosts[0].tries++);
	DIFFERS("host 'h'", hosts[0].vain++);
	DIFFERS("host 'h'", hosts[0].was_ready = false);
	DIFFERS("host 'h'", hosts[0].unfit[0] = 'x');
	DIFFERS("host 'h'", hosts[0].error = ff_xstrdup("x"));
	DIFFERS("job 'j'", jobs[0].state = FF_JOBSTATE_FINISHED);
	DIFFERS("job 'j'", jobs[0].result = FF_JOB_STOPPED);
	DIFFERS("job 'j'", jobs[0].why = FF_REASON_USAGE);
	DIFFERS("job 'j'", jobs[0].units_done++);
	DIFFERS("job 'j'", jobs[0].running++);
	DIFFERS("job 'j'", jobs[0].workers++);
	DIFFERS("job 'j'", jobs[0].problems++);
	DIFFERS("job 'j'", jobs[0].crashes++);
	DIFFERS("job 'j'", jobs[0].flaky++);
	DIFFERS("job 'k'", jobs[1].known = true);
	DIFFERS("job 'j'", jobs[0].counts.not_run++);
	DIFFERS("unit 1 of job 'j'", jobs[0].units[1].state++);
	DIFFERS("unit 2 of job 'j'", jobs[0].units[2].outcome++);
	DIFFERS("unit 0 of job 'j'", jobs[0].units[0].deaths++);
	DIFFERS("unit 0 of job 'j'", jobs[0].units[0].alone++);
	DIFFERS("unit 0 of job 'j'", jobs[0].units[0].attempts++);
	DIFFERS("unit 0 of job 'j'", jobs[0].units[0].failures++);
	DIFFERS("unit 0 of job 'j'", jobs[0].units[0].host++);
	DIFFERS("worker 'w'", workers[0].state = FF_WORKER_ENDED);
	DIFFERS("worker 'w'", workers[0].host++);
	DIFFERS("worker 'w'", workers[0].job++);
	DIFFERS("worker 'w'", workers[0].unit = 0);
	DIFFERS("worker 'w'", workers[0].name[0] = 'v');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_runs),
		cmocka_unit_test(test_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
