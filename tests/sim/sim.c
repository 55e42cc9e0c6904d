/* decide, apply and the scheduler in a world that a seed makes: whatever happens there, each unit
 * comes to exactly one end, what the journal says gives the same state again, nothing runs on a
 * host that is away, and the run ends.
 *
 *	simulate COUNT [FIRST]    so many seeds
 *	simulate -s SEED          one, with all that happens told
 *	simulate -p UNITS HOSTS [journal]   a run without faults, timed (bench) */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "check.h"
#include "dispatch/engine.h"
#include "event/journal.h"
#include "fleet.h"
#include "perf.h"
#include "told.h"
#include "world.h"

enum {
	STEPS_MAX = 400000, /* inputs of a run; more: it does not end */
	RESUMES_MAX = 3,
	JOBS_MAX = 5,
};

enum { UNITS_MAX = 4096 }; /* more than any job has, also on each worker */

/* An open job's units. */
struct fed {
	struct ff_plan_source base;
	const char *name;
	uint32_t total;
	bool fails;
};

struct sim {
	uint64_t seed;
	bool loud;
	struct ff_config config;
	struct ff_inventory inventory;
	struct ff_plan plan;
	struct world_faults faults;
	struct ff_expect *expect; /* what earlier runs tell of memory */
	struct fed fed[JOBS_MAX];
	bool opened; /* some are */
	struct check check;
	struct told told; /* by the runs so far */
};

static void print_trace(void *ctx, const char *text)
{
	(void)ctx;
	printf("      %s\n", text);
}

/* --- what a seed makes --- */

/* Of most jobs, what earlier runs would tell, which need not be right. */
static const int64_t *expected(void *ctx, uint32_t job)
{
	static int64_t us[UNITS_MAX]; /* it is read before the next call */
	const struct sim *sim = ctx;
	uint64_t x = (sim->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ job;

	for (uint32_t i = 0; i < UNITS_MAX; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		us[i] = (int64_t)(x >> 32) % (x & 15 ? 200000 : 60000000);
	}
	return x & 3 ? us : NULL;
}

/* Mostly that it has passed. */
static void add_needs(struct ff_buf *yaml, uint32_t job, uint64_t kind)
{
	static const char *const forms[] = {"{j%u: any}", "{j%u: failed}", "[j%u], when: always",
					    "[j%u], when: failure",
					    "[j%u], when: 'not passed(j%u)'"};

	ff_buf_addstr(yaml, ", needs: ");
	if (kind >= sizeof(forms) / sizeof(*forms))
		ff_buf_addf(yaml, "[j%u]", job);
	else
		ff_buf_addf(yaml, forms[kind], job, job);
}

static void add_jobs(struct ff_buf *yaml, struct world *dice, uint32_t hosts, uint64_t seed)
{
	static const char *const dists[] = {"load",	 "worksteal", "loadscope", "loadfile",
					    "loadgroup", "each",      "no",	   "auto"};
	/* Hosts have 100 MiB and four CPUs. */
	static const char *const sizes[] = {"20MiB", "'50%'", "101MiB", "70MiB", "100MiB", "40MiB"};
	static const char *const cpus[] = {"1.5", "'25%'", "4", "4.5", "2"};
	uint32_t jobs = 1 + world_below(dice, JOBS_MAX);

	ff_buf_addstr(yaml, "pools: {p: 2, q: 3}\njobs:\n");
	for (uint32_t i = 0; i < jobs; i++) {
		bool found = (seed + i) % 4 == 3;
		bool is_run = !world_chance(dice, 450);

		ff_buf_addf(yaml, "  j%u: {", i);
		if (!is_run) {
			const char *dist = dists[world_below(dice, 8)];

			/* Who is there to run all of it is not known beforehand. */
			if (fleet_moves(seed) && !strcmp(dist, "each"))
				dist = "load";
			ff_buf_addf(yaml, "pytest: [t], dist: '%s'", dist);
			found = false;
		} else {
			uint32_t count = 1 + world_below(dice, 60);
			const char *what = (seed + 7 * i) % 5
						   ? "run: x"
						   : "steps: [x, {run: y, when: failure}, "
						     "{run: z, when: always}]";

			if (found) /* its units are discovered */
				ff_buf_addstr(yaml, "gtest: x");
			else
				ff_buf_addf(yaml, "%s, count: %u", what, count);
		}
		if ((seed + i) % 3 == 0 && !found)
			ff_buf_addstr(yaml, ", memory: auto");
		else if (is_run && (seed + 2 * i) % 5 == 1)
			ff_buf_addf(yaml, ", memory: %s", sizes[(seed / 5 + i) % 6]);
		if (is_run && (seed + 3 * i) % 8 == 2)
			ff_buf_addf(yaml, ", cpu: %s", cpus[(seed / 8 + i) % 5]);
		if ((seed * 5 + i) % 7 == 0)
			ff_buf_addstr(yaml, ", each_host: true");
		if ((seed * 3 + i) % 13 == 0)
			ff_buf_addstr(yaml, ", exclusive: true");
		if ((seed + i) % 5 == 0)
			ff_buf_addf(yaml, ", priority: %u", (uint32_t)(seed % 3));
		if (is_run && (seed + i) % 4 == 1)
			ff_buf_addf(yaml, ", artifacts: {paths: [x], when: %s, required: %s}",
				    (seed + i) % 8 == 1	   ? "always"
				    : (seed + i) % 16 == 5 ? "success"
							   : "failure",
				    seed % 3 ? "true" : "false");
		if (is_run && !found && (seed + i) % 6 == 4)
			ff_buf_addf(yaml, ", inputs: {paths: x, cleanup: %s}",
				    seed % 2 ? "true" : "false");
		else if (!is_run && (seed + i) % 4 == 2)
			ff_buf_addf(yaml, ", artifacts: {paths: [x], when: %s}",
				    (seed + i) % 8 == 2 ? "always" : "success");
		if (i > 0 && world_chance(dice, 300))
			add_needs(yaml, world_below(dice, i), (seed * 3 + i) % 8);
		else if ((seed + 3 * i) % 11 == 0)
			ff_buf_addstr(yaml, ", when: always");
		else if (is_run && !found && (seed + i) % 9 == 4)
			ff_buf_addf(yaml,
				    ", matrix: {v: [a, b, c]}, when: \"matrix.v %s or "
				    "(failed and matrix.v == 'a')\"",
				    seed % 2 ? "== b" : "!= c");
		if (world_chance(dice, 400))
			ff_buf_addf(yaml,
				    (seed + i) % 3
					    ? ", retries: %u"
					    : ", retries: {count: %u, delay: 700ms, "
					      "backoff: 2.5, jitter: 40%%, elsewhere: false}",
				    world_below(dice, 4));
		if (world_chance(dice, 400) && (seed + i) % 3)
			ff_buf_addf(yaml, ", retry_delay: %ums", 1 + world_below(dice, 9000));
		if (world_chance(dice, 300))
			ff_buf_addf(yaml, ", timeout: %us", 5 + world_below(dice, 20));
		if (world_chance(dice, 200))
			ff_buf_addf(yaml, ", weight: %u", 1 + world_below(dice, 2));
		if (world_chance(dice, 200))
			ff_buf_addf(yaml, ", uses: {p: %u, q: %u}", 1 + world_below(dice, 2),
				    1 + world_below(dice, 3));
		if (world_chance(dice, 200))
			ff_buf_addf(yaml, ", on: h%u", world_below(dice, hosts));
		ff_buf_addstr(yaml, "}\n");
	}
}

static void make_yaml(struct ff_buf *yaml, struct world *dice, uint64_t seed)
{
	uint32_t hosts = 1 + world_below(dice, 6);

	ff_buf_addstr(yaml, "inventory:\n");
	for (uint32_t i = 0; i < hosts; i++) {
		ff_buf_addf(yaml, "  - {spec: popen, name: h%u, slots: %u", i,
			    2 + world_below(dice, 3));
		if ((seed + i) % 2 == 0) /* else it becomes known with the first worker there */
			ff_buf_addf(yaml, ", memory: %lld", (long long)WORLD_MEMORY);
		ff_buf_addstr(yaml, "}\n");
	}
	if (seed % 3 == 1)
		ff_buf_addf(yaml, "setup: {run: x, per: %s}\n", seed % 9 == 1 ? "run" : "host");
	if (seed % 4 == 1)
		ff_buf_addf(yaml, "teardown: {run: x, per: %s}\n", seed % 8 == 1 ? "run" : "host");
	add_jobs(yaml, dice, hosts, seed);
	ff_buf_addf(yaml, "settings: {grace: 2s, reconnect: %us", 1 + world_below(dice, 60));
	if (world_chance(dice, 150))
		ff_buf_addf(yaml, seed % 2 ? ", maxfail: %u" : ", halt: {after: %u, how: now}",
			    1 + world_below(dice, 3));
	if (world_chance(dice, 100))
		ff_buf_addf(yaml, ", require_hosts: %u", 1 + world_below(dice, hosts));
	if (seed % 11 == 3)
		ff_buf_addf(yaml, ", start_delay: %ums", 1 + (unsigned)(seed % 700));
	if (world_chance(dice, 150))
		ff_buf_addf(yaml, ", max_worker_restart: %u", world_below(dice, 4));
	ff_buf_addstr(yaml, "}\n");
}

static uint32_t some(struct world *dice, uint32_t often, uint32_t most)
{
	return world_chance(dice, often) ? 1 + world_below(dice, most) : 0;
}

static void make_faults(struct world_faults *faults, struct world *dice)
{
	*faults = (struct world_faults){
		.open_fails = some(dice, 300, 500),
		.open_cut = some(dice, 300, 400),
		.sync_fails = 0,
		.probe_fails = some(dice, 150, 400),
		.dies = some(dice, 400, 120),
		.freezes = some(dice, 300, 100),
		.crash = some(dice, 300, 100),
		.exec_ends = some(dice, 200, 60),
		.late = some(dice, 300, 200),
		.twice = some(dice, 300, 200),
		.nonsense = some(dice, 400, 300),
		.bomb = some(dice, 250, 100),
		.bad = some(dice, 500, 200),
		.slow = some(dice, 150, 60),
		.differ = some(dice, 80, 200),
		.missing = some(dice, 100, 200),
		.collect_error = some(dice, 80, 200),
		.stop_early = some(dice, 80, 20),
		.brief = world_chance(dice, 400),
		.fronts = some(dice, 500, 1000),
		.front_fails = some(dice, 80, 300),
		.front_dies = some(dice, 150, 60),
		.front_silent = some(dice, 100, 100),
		.front_full = some(dice, 200, 100),
		.no_front = some(dice, 60, 200),
	};
}

/* --- jobs whose units come while the run lasts --- */

static int name_fed(const struct ff_plan_source *source, uint32_t index, struct ff_buf *name)
{
	return ff_buf_addf(name, "%s[%u]", ((const struct fed *)source)->name, index);
}

static int make_fed(const struct ff_plan_source *source, uint32_t index, uint32_t slot,
		    struct ff_arena *arena, struct ff_payload_job *job)
{
	(void)source, (void)index, (void)slot, (void)arena;
	job->shell = "true";
	return 0;
}

static void open_some(struct sim *sim, struct world *dice)
{
	for (size_t i = 0; sim->seed % 5 == 2 && i < sim->config.jobs_len; i++) {
		struct ff_config_job *job = &sim->config.jobs[i];
		struct fed *fed = &sim->fed[i];

		if (strcmp(job->payload, "run") != 0 || ff_config_job_memory(job))
			continue;
		*fed = (struct fed){.base = {.open = true, .name = name_fed, .make = make_fed},
				    .name = job->name,
				    .total = (uint32_t)job->count,
				    .fails = world_chance(dice, 100)};
		job->source = &fed->base;
		sim->opened = true;
	}
}

/* Some runs end before all is done. */
static void halt_some(struct sim *sim, struct world *dice)
{
	if (sim->seed % 7 != 3)
		return;
	sim->config.settings.halt.on = (enum ff_halt)(1 + world_below(dice, 3));
	sim->config.settings.halt.now = world_chance(dice, 500);
	if (world_chance(dice, 500))
		sim->config.settings.halt.count = 1 + world_below(dice, 9);
	else
		sim->config.settings.halt.percent = 1 + world_below(dice, 100);
}

static void make(struct sim *sim)
{
	struct ff_plan none = {0};
	struct world *dice = world_new(sim->seed, UINT32_MAX, &none, 0, &sim->faults);
	struct ff_buf yaml = FF_BUF_INIT;
	struct ff_err err = {0};

	make_yaml(&yaml, dice, sim->seed);
	make_faults(&sim->faults, dice);
	if (sim->loud)
		printf("%s", ff_buf_str(&yaml));
	if (ff_config_parse(&sim->config, "sim.yaml", ff_buf_str(&yaml), yaml.len, &err) == 0)
		for (size_t i = 0; i < sim->config.jobs_len; i++)
			sim->config.jobs[i].workers_open = true; /* as without an inventory */
	open_some(sim, dice);
	halt_some(sim, dice);
	if (err.code == 0 && ff_inventory_build(&sim->inventory, &sim->config, &err) == 0)
		fleet_reserve(sim->seed, &sim->config, &sim->inventory);
	if (err.code < 0 ||
	    ff_plan_build(&sim->plan, &sim->config, &sim->inventory, NULL, &err) < 0) {
		printf("%s\n%s\n", ff_buf_str(&yaml), err.text);
		exit(2);
	}
	sim->expect = world_expect(sim->seed, &sim->plan);
	ff_buf_release(&yaml);
	world_free(dice);
}

/* --- one run --- */

struct run {
	struct sim *sim;
	struct ff_engine *engine;
	struct ff_state state;
	struct world *world;
	struct ff_decision decision;
	bool resumed;	/* what was done before is not told again */
	bool disturbed; /* interrupted, stopped by a disk … : not all need come to their own end */
};

static void tell(const struct run *run, const struct ff_event *event)
{
	struct ff_buf line = FF_BUF_INIT;

	ff_event_json(&line, event);
	printf("%10.3f  %s", (double)world_now(run->world) / 1e6, ff_buf_str(&line));
	ff_buf_release(&line);
}

/* No job begins, or passes, with fewer hosts than must be there: they were, and can run what is for
 * them. (Not one that an earlier run has done: it does not begin.) */
static void check_required(struct run *run, const struct ff_event *event)
{
	int64_t required = run->sim->config.settings.require_hosts, fit = 0;
	const struct ff_plan_job *job = run->sim->plan.jobs;
	bool passed = event->kind == FF_EVENT_JOB_FINISHED &&
		      event->u.job_finished.result == FF_JOB_PASSED &&
		      event->u.job_finished.took_us > 0;

	/* One that has left may be known anew. */
	if (required == 0 || fleet_moves(run->sim->seed) ||
	    (event->kind != FF_EVENT_JOB_STARTED && !passed))
		return;
	while (strcmp(job->config->name, event->job) != 0)
		job++;
	for (size_t i = 0; i < run->sim->inventory.len; i++) {
		const struct ff_host *host = &run->sim->inventory.hosts[i];
		bool unfit = run->state.hosts[i].unfit && job->payload->session &&
			     ff_plan_job_on(job, host);

		fit += run->state.hosts[i].was_ready && !unfit;
	}
	if (fit < required)
		check_fail(&run->sim->check, "job %s %s with %lld of %lld required hosts",
			   event->job, passed ? "passed" : "began", (long long)fit,
			   (long long)required);
}

static bool has_failed(const struct ff_job_record *job)
{
	return job->result == FF_JOB_FAILED || job->result == FF_JOB_ERROR ||
	       (job->result == FF_JOB_STOPPED && job->why != FF_REASON_INTERRUPTED &&
		job->why != FF_REASON_MAXFAIL);
}

/* It, or what it needed. */
static bool failed_before(const struct run *run, size_t number)
{
	const struct ff_plan_job *job = &run->sim->plan.jobs[number];
	bool failed = has_failed(&run->state.jobs[number]);

	for (size_t i = 0; i < job->needs_len && !failed; i++)
		failed = failed_before(run, job->needs[i]);
	return failed;
}

/* A job begins when all that it needs is over, and has come out as it says. */
static void check_needs(struct run *run, const struct ff_event *event)
{
	const struct ff_plan_job *job;
	bool failed = false, passed = true;
	const char *when;

	if (event->kind != FF_EVENT_JOB_STARTED)
		return;
	job = &run->sim->plan.jobs[event->job_id - 1];
	when = job->config->when ? job->config->when : "";
	for (size_t i = 0; i < job->config->needs.len; i++) {
		const struct ff_plan_need *by = &job->needs_by[i];
		bool all = true, one = false;

		for (size_t j = by->first; j < by->first + by->len; j++) {
			if (run->state.jobs[j].state != FF_JOBSTATE_FINISHED)
				check_fail(&run->sim->check, "job %s began before %s was over",
					   event->job, run->state.jobs[j].name);
			all &= run->state.jobs[j].result == FF_JOB_PASSED;
			one |= has_failed(&run->state.jobs[j]);
			failed |= failed_before(run, j);
		}
		passed &= all;
		if (!*when &&
		    ((by->to == FF_NEED_PASSED && !all) || (by->to == FF_NEED_FAILED && !one)))
			check_fail(&run->sim->check, "job %s began, and %s is not as it should be",
				   event->job, job->config->needs.v[i]);
	}
	if ((!strcmp(when, "failure") && !failed) || (*when == 'n' && passed))
		check_fail(&run->sim->check, "job %s began, but not when: %s", event->job, when);
}

/* Beside a unit of an exclusive job nothing runs on its host. */
static void check_exclusive(struct run *run, const struct ff_event *event)
{
	const struct ff_plan_job *jobs = run->sim->plan.jobs;
	bool any = false;

	if (event->kind != FF_EVENT_UNIT_STARTED)
		return;
	for (uint32_t i = 0; i < run->state.jobs_len; i++)
		any |= jobs[i].config->exclusive;
	for (uint32_t i = 0; any && i < run->state.jobs_len; i++) {
		const struct ff_job_record *job = &run->state.jobs[i];
		bool exclusive =
			jobs[i].config->exclusive || jobs[event->job_id - 1].config->exclusive;

		for (uint32_t j = 0; exclusive && j < job->units_len; j++)
			if (job->units[j].state == FF_UNIT_RUNNING &&
			    job->units[j].host == event->host_id - 1 &&
			    (i != event->job_id - 1 || j != event->index))
				check_fail(&run->sim->check,
					   "unit %u of %s began beside unit %u of %s", event->index,
					   event->job, j, job->name);
	}
}

/* What is to run always is skipped never. */
static void check_always(const struct run *run)
{
	for (uint32_t i = 0; i < run->state.jobs_len; i++) {
		const char *when = run->sim->plan.jobs[i].config->when;

		if (when && !strcmp(when, "always") && run->state.jobs[i].result == FF_JOB_SKIPPED)
			check_fail(&run->sim->check, "job %s is to run always, and was skipped",
				   run->state.jobs[i].name);
	}
}

/* It is told the end: of each unit that has one it has heard. */
static void check_front(struct run *run, const struct ff_order *order)
{
	const struct ff_job_record *job = &run->state.jobs[order->job];

	if (order->kind != FF_ORDER_TELL_FRONT || order->front_item->kind != FF_FRONT_END ||
	    run->sim->faults.no_front > 0 || run->resumed)
		return;
	for (uint32_t i = 0; job->known && i < job->units_len && job->problems == 0; i++)
		if (!world_front_heard(run->world, order->job, i))
			check_fail(&run->sim->check,
				   "the front of %s did not hear how unit %u ended", job->name, i);
}

static void decide(struct run *run, const struct ff_input *input)
{
	struct ff_now now = {world_now(run->world), 1700000000000000 + world_now(run->world)};

	if (run->sim->loud)
		printf("%10.3f  <- %s host %u worker %u execution %u\n", (double)now.mono_us / 1e6,
		       ff_input_word(input->kind), input->host, input->worker, input->execution);
	ff_engine_decide(run->engine, input, now, &run->decision);
	if (ff_engine_left_us(run->engine, -1, now.mono_us) < -1 ||
	    ff_engine_left_us(run->engine, 0, now.mono_us) < -1)
		check_fail(&run->sim->check, "it says that less than nothing is left");
	check_input(&run->sim->check, input);
	for (size_t i = 0; i < run->decision.events_len; i++) {
		if (run->sim->loud)
			tell(run, &run->decision.events[i]);
		check_event(&run->sim->check, &run->decision.events[i]);
		told_event(&run->sim->told, &run->decision.events[i]);
		check_required(run, &run->decision.events[i]);
		check_needs(run, &run->decision.events[i]);
		check_exclusive(run, &run->decision.events[i]);
	}
	check_state(&run->sim->check, &run->state);
	for (size_t i = 0; i < run->decision.orders_len; i++) {
		const struct ff_order *order = &run->decision.orders[i];

		if (run->sim->loud)
			printf("              -> %s host %u worker %u execution %u\n",
			       ff_order_word(order->kind), order->host, order->worker,
			       order->execution);
		check_order(&run->sim->check, order);
		world_order(run->world, order);
		told_order(&run->sim->told, order);
		check_front(run, order);
	}
	if (world_complaint(run->world))
		check_fail(&run->sim->check, "%s", world_complaint(run->world));
	ff_decision_clear(&run->decision);
}

static void put_at(struct run *run, enum ff_input_kind kind, int64_t at)
{
	struct ff_input *input = ff_input_new(kind);

	input->u.said.text = "no space left";
	world_put(run->world, input, at);
}

/* The name of some unit, as far as they have names now; or of its job. */
static const char *any_name(struct run *run, struct ff_input *input, uint64_t dice)
{
	const struct ff_plan *plan = &run->sim->plan;
	uint32_t job = (uint32_t)(dice % plan->len), unit = (uint32_t)(dice / 16 % 60);
	struct ff_buf name = FF_BUF_INIT;
	const char *text;

	if (dice / 8 % 6 == 0) {
		ff_buf_addstr(&name, plan->jobs[job].config->name);
	} else if (plan->jobs[job].units_len > 0 && !plan->jobs[job].payload->session &&
		   !plan->jobs[job].payload->discover) {
		ff_plan_unit_name(&plan->jobs[job], unit % (uint32_t)plan->jobs[job].units_len,
				  &name);
	} else {
		ff_buf_addf(&name, "t%u", unit);
	}
	text = ff_input_text(input, ff_buf_str(&name));
	ff_buf_release(&name);
	return text;
}

/* Of the seed alone: what else happens is as it would be. */
static void cancel_some(struct run *run)
{
	uint64_t dice = (run->sim->seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	int64_t at = world_now(run->world);

	if (run->sim->seed % 4 != 1)
		return;
	run->disturbed = true;
	for (uint32_t i = 0; i <= run->sim->seed / 4 % 5; i++) {
		struct ff_input *input = ff_input_new(FF_INPUT_CANCEL);
		const char *names[3] = {NULL};

		dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
		at += (int64_t)(dice >> 40) % 3000000;
		names[0] = any_name(run, input, dice >> 20);
		names[1] = dice & 1 ? any_name(run, input, dice >> 24) : NULL;
		input->u.cancel.request = ff_input_text(input, "r");
		input->u.cancel.names = ff_input_lines(input, names);
		world_put(run->world, input, at);
	}
}

/* Signals, a full reporter, a pause, a full disk: what comes from our own side. */
static void disturb(struct run *run)
{
	struct world *world = run->world;

	cancel_some(run);
	if (world_chance(world, 150)) {
		run->disturbed = true;
		for (int64_t at = world_below(world, 8000000); world_chance(world, 700);
		     at += world_below(world, 3000000))
			put_at(run, FF_INPUT_SIGNAL, at + world_now(world));
	}
	if (world_chance(world, 40)) {
		run->disturbed = true;
		put_at(run, FF_INPUT_DISK, world_now(world) + world_below(world, 8000000));
	}
	if (world_chance(world, 200)) {
		int64_t at = world_now(world) + world_below(world, 5000000);

		put_at(run, FF_INPUT_FULL, at);
		put_at(run, FF_INPUT_DRAINED, at + world_below(world, 5000000));
		put_at(run, FF_INPUT_GAP, at + world_below(world, 5000000));
	}
}

static void run_to_its_end(struct run *run, uint32_t most_steps)
{
	struct ff_input *input;
	uint32_t steps = 0;

	while (!ff_engine_over(run->engine) && steps < most_steps) {
		int64_t due = ff_engine_deadline(run->engine);

		if (due == INT64_MAX && world_next(run->world) == INT64_MAX) {
			check_fail(&run->sim->check,
				   "nothing will happen any more, and it is not over");
			return;
		}
		input = world_step(run->world, due);
		if (!input && world_now(run->world) >= due)
			input = ff_input_new(FF_INPUT_TICK);
		if (input) {
			steps++;
			decide(run, input);
		}
		ff_input_free(input);
	}
	if (steps >= STEPS_MAX)
		check_fail(&run->sim->check, "it does not end");
}

static void feed(struct run *run, uint32_t job)
{
	const struct fed *fed = (const struct fed *)run->sim->plan.jobs[job].config->source;
	int64_t at = world_now(run->world) + world_below(run->world, 2000000);
	uint32_t left = fed ? fed->total - fed->base.len : 0;

	while (fed) {
		uint32_t count = left ? 1 + world_below(run->world, left) : 0;
		struct ff_input *input = ff_input_new(FF_INPUT_UNITS);

		input->job = job;
		input->u.units.count = count;
		input->u.units.open = count > 0;
		if (count == 0 && fed->fails) {
			input->u.units.error = "unreadable";
			run->disturbed = true;
		}
		world_put(run->world, input, at);
		if (count == 0)
			break;
		left -= count;
		at += world_below(run->world, 9000000);
	}
}

static void begin(struct run *run, const struct ff_state *const *before, size_t before_len)
{
	struct ff_engine_opts opts = {
		.config = &run->sim->config,
		.inventory = &run->sim->inventory,
		.plan = &run->sim->plan,
		.run_id = "sim",
		.expect = run->sim->expect,
		.expected_us = expected,
		.ctx = run->sim,
		.before = before,
		.before_len = before_len,
		.before_told = before_len > 0,
	};
	struct ff_input *start = ff_input_new(FF_INPUT_START);

	told_begin(&run->sim->told, run->world);
	ff_state_init(&run->state);
	run->engine = ff_engine_new(&opts, &run->state);
	check_begin(&run->sim->check, before, before_len);
	decide(run, start);
	ff_input_free(start);
	for (uint32_t i = 0; i < run->sim->plan.len; i++)
		feed(run, i);
	fleet_move(run->sim->seed, &run->sim->inventory, run->world);
	run->disturbed |= fleet_moves(run->sim->seed);
}

static void end(struct run *run)
{
	ff_engine_free(run->engine);
	ff_state_release(&run->state);
	ff_decision_release(&run->decision);
}

/* Of what comes while a run lasts all that had come is there when it is gone on with, and perhaps
 * a bit more that had been read. */
static void read_again(struct sim *sim, const struct ff_state *before)
{
	for (size_t i = 0; i < sim->plan.len; i++) {
		struct ff_plan_job *job = &sim->plan.jobs[i];
		struct fed *fed = (struct fed *)job->config->source;
		uint32_t then = ff_state_find_job(before, job->config->name);
		uint32_t len = then == FF_NOBODY ? 0 : before->jobs[then].units_len;

		if (!fed)
			continue;
		if (len < fed->base.len) /* it was killed before it told so many */
			len = fed->base.len;
		fed->base.len = len + (sim->seed % 3 == 0 && len < fed->total);
		job->units_len = fed->base.len;
	}
}

/* Some runs are cut off at any event, and gone on with by another one, from what the journal says.
 */
static void run_seed(struct sim *sim)
{
	struct ff_state before[RESUMES_MAX];
	const struct ff_state *latest_first[RESUMES_MAX];
	struct run run = {.sim = sim};
	uint32_t resumes = 0;

	run.world = world_new(sim->seed, 0, &sim->plan,
			      (uint32_t)ff_inventory_room(&sim->inventory), &sim->faults);
	begin(&run, NULL, 0);
	/* Other tests than before are other units. */
	while (resumes < RESUMES_MAX && sim->faults.differ == 0 && world_chance(run.world, 150)) {
		run_to_its_end(&run, 1 + world_below(run.world, 400));
		if (ff_engine_over(run.engine))
			break;
		check_replay(&sim->check, &run.state, &before[resumes]);
		end(&run);
		world_free(run.world);
		run = (struct run){.sim = sim, .resumed = true, .disturbed = run.disturbed};
		run.world = world_new(sim->seed, ++resumes, &sim->plan,
				      (uint32_t)ff_inventory_room(&sim->inventory), &sim->faults);
		memmove(latest_first + 1, latest_first, (resumes - 1) * sizeof(*latest_first));
		latest_first[0] = &before[resumes - 1];
		read_again(sim, latest_first[0]);
		begin(&run, latest_first, resumes);
	}
	disturb(&run);
	run.disturbed |= sim->config.settings.halt.on != FF_HALT_NEVER;
	run_to_its_end(&run, STEPS_MAX);
	check_always(&run);
	check_end(&sim->check, &run.state, run.engine, run.disturbed || resumes > 0);
	end(&run);
	world_free(run.world);
	for (uint32_t i = 0; i < resumes; i++)
		ff_state_release(&before[i]);
}

/* Whether all was as it should be. */
static bool simulate(uint64_t seed, bool loud)
{
	struct sim sim = {.seed = seed, .loud = loud};
	bool good;

	if (loud)
		ff_log_set(print_trace, NULL);
	make(&sim);
	check_init(&sim.check, seed, &sim.plan, &sim.inventory, &sim.faults);
	sim.check.start_delay_us = sim.config.settings.start_delay_us;
	told_init(&sim.told, &sim.check);
	sim.check.config = &sim.config;
	run_seed(&sim);
	told_release(&sim.told);
	good = check_good(&sim.check);
	check_release(&sim.check);
	ff_expect_free(sim.expect);
	ff_plan_release(&sim.plan);
	ff_inventory_release(&sim.inventory);
	ff_config_release(&sim.config);
	return good;
}

int main(int argc, char **argv)
{
	uint64_t count, first, bad = 0;

	if (argc == 3 && strcmp(argv[1], "-s") == 0)
		return !simulate(strtoull(argv[2], NULL, 10), true);
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "-p") == 0)
		return perf((uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]), argc == 5);
	if (argc < 2) {
		fprintf(stderr,
			"usage: simulate COUNT [FIRST] | -s SEED | -p UNITS HOSTS [journal]\n");
		return 2;
	}
	count = strtoull(argv[1], NULL, 10);
	first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	for (uint64_t seed = first; seed < first + count && bad < 10; seed++)
		if (!simulate(seed, false)) {
			printf("repeat it with: %s -s %llu\n", argv[0], (unsigned long long)seed);
			bad++;
		}
	printf("%llu seeds, %llu bad\n", (unsigned long long)count, (unsigned long long)bad);
	return bad > 0;
}
