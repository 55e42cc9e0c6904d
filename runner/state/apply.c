/* What an event changes. Tables say which moves there are; ff_state_apply finds the records, checks
 * all moves, and only then assigns. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "event/fields.h"
#include "state/private.h"

/* From one of the states in `from` (bits) to `to`; KEEP: it stays as it is. */
struct move {
	uint8_t from;
	uint8_t to;
};

enum { KEEP = 0xff, ANY = 0xff };

#define BIT(state) (1U << (state))
#define FRONT_LIVES                                                                                \
	(BIT(FF_FRONTSTATE_OPENING) | BIT(FF_FRONTSTATE_READY) | BIT(FF_FRONTSTATE_FINISHING))

static const struct move host_moves[FF_EVENT_KINDS] = {
	[FF_EVENT_HOST_JOINING] = {BIT(FF_HOST_UNUSED) | BIT(FF_HOST_AWAY), FF_HOST_JOINING},
	[FF_EVENT_HOST_OPENED] = {BIT(FF_HOST_JOINING), FF_HOST_PREPARING},
	[FF_EVENT_SYNC_FINISHED] = {BIT(FF_HOST_PREPARING), KEEP},
	[FF_EVENT_HOST_READY] = {BIT(FF_HOST_PREPARING), FF_HOST_READY},
	[FF_EVENT_HOST_SETUP] = {ANY & ~(BIT(FF_HOST_UNUSED) | BIT(FF_HOST_GONE)), KEEP},
	[FF_EVENT_HOST_UNFIT] = {ANY, KEEP},
	[FF_EVENT_HOST_AWAY] = {BIT(FF_HOST_JOINING) | BIT(FF_HOST_PREPARING) | BIT(FF_HOST_READY) |
					BIT(FF_HOST_DRAINING),
				FF_HOST_AWAY},
	[FF_EVENT_HOST_FAILED] = {ANY & ~BIT(FF_HOST_GONE), FF_HOST_GONE},
	[FF_EVENT_HOST_LOST] = {ANY & ~BIT(FF_HOST_GONE), FF_HOST_GONE},
	[FF_EVENT_HOST_DRAINING] = {BIT(FF_HOST_READY), FF_HOST_DRAINING},
	[FF_EVENT_HOST_LEFT] = {ANY & ~BIT(FF_HOST_GONE), FF_HOST_GONE},
	[FF_EVENT_WORKER_OPENING] = {BIT(FF_HOST_READY), KEEP},
	[FF_EVENT_WORKER_ENDED] = {ANY, KEEP},
	[FF_EVENT_UNIT_STARTED] = {BIT(FF_HOST_READY) | BIT(FF_HOST_DRAINING), KEEP},
	[FF_EVENT_UNIT_FINISHED] = {ANY, KEEP},
	[FF_EVENT_UNIT_LOST] = {ANY, KEEP},
};

static const struct move worker_moves[FF_EVENT_KINDS] = {
	[FF_EVENT_WORKER_STARTED] = {BIT(FF_WORKER_OPENING), FF_WORKER_STARTED},
	[FF_EVENT_COLLECTED] = {BIT(FF_WORKER_OPENING) | BIT(FF_WORKER_STARTED),
				FF_WORKER_COLLECTED},
	[FF_EVENT_UNIT_STARTED] = {BIT(FF_WORKER_COLLECTED), FF_WORKER_RUNNING},
	[FF_EVENT_UNIT_FINISHED] = {BIT(FF_WORKER_RUNNING), FF_WORKER_COLLECTED},
	[FF_EVENT_UNIT_LOST] = {BIT(FF_WORKER_RUNNING), FF_WORKER_COLLECTED},
	[FF_EVENT_WORKER_ENDED] = {ANY & ~(BIT(FF_WORKER_ENDED) | BIT(FF_WORKER_RUNNING)),
				   FF_WORKER_ENDED},
};

static const struct move unit_moves[FF_EVENT_KINDS] = {
	[FF_EVENT_UNIT_STARTED] = {BIT(FF_UNIT_WAITING), FF_UNIT_RUNNING},
	[FF_EVENT_UNIT_OUTPUT] = {BIT(FF_UNIT_RUNNING), KEEP},
	/* Waiting ones are finished, too, when no host is left for them. */
	[FF_EVENT_UNIT_FINISHED] = {BIT(FF_UNIT_RUNNING) | BIT(FF_UNIT_WAITING), FF_UNIT_DONE},
	[FF_EVENT_UNIT_LOST] = {BIT(FF_UNIT_RUNNING), FF_UNIT_WAITING},
	[FF_EVENT_UNIT_ARTIFACTS] = {BIT(FF_UNIT_RUNNING), KEEP},
	[FF_EVENT_UNITS_BEFORE] = {BIT(FF_UNIT_WAITING), FF_UNIT_DONE},
	[FF_EVENT_UNIT_BEFORE] = {BIT(FF_UNIT_DONE), KEEP},
	[FF_EVENT_UNITS_NOT_RUN] = {BIT(FF_UNIT_WAITING), FF_UNIT_NOT_RUN},
};

static const struct move job_moves[FF_EVENT_KINDS] = {
	[FF_EVENT_JOB_STARTED] = {BIT(FF_JOBSTATE_WAITING), FF_JOBSTATE_RUNNING},
	[FF_EVENT_WORKER_OPENING] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_WORKER_ENDED] = {ANY, KEEP},
	[FF_EVENT_COLLECTED] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_UNITS_ADDED] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_FILE_COLLECTED] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_COLLECT_PROBLEM] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_UNIT_STARTED] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_UNIT_FINISHED] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_UNIT_LOST] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_UNIT_ARTIFACTS] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_JOB_ARTIFACTS] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	/* Also of a job that is never begun. */
	[FF_EVENT_UNITS_BEFORE] = {BIT(FF_JOBSTATE_WAITING) | BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_UNIT_BEFORE] = {BIT(FF_JOBSTATE_WAITING) | BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_UNITS_NOT_RUN] = {BIT(FF_JOBSTATE_WAITING) | BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_PART_NOT_RUN] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_FRONT_STARTED] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_FRONT_READY] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_FRONT_TEXT] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_FRONT_ENDING] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_FRONT_FINISHED] = {BIT(FF_JOBSTATE_RUNNING), KEEP},
	[FF_EVENT_JOB_FINISHED] = {BIT(FF_JOBSTATE_WAITING) | BIT(FF_JOBSTATE_RUNNING),
				   FF_JOBSTATE_FINISHED},
};

static const struct move front_moves[FF_EVENT_KINDS] = {
	[FF_EVENT_FRONT_STARTED] = {BIT(FF_FRONTSTATE_NONE), FF_FRONTSTATE_OPENING},
	[FF_EVENT_FRONT_READY] = {BIT(FF_FRONTSTATE_OPENING), FF_FRONTSTATE_READY},
	[FF_EVENT_FRONT_TEXT] = {FRONT_LIVES, KEEP},
	[FF_EVENT_FRONT_ENDING] = {BIT(FF_FRONTSTATE_OPENING) | BIT(FF_FRONTSTATE_READY),
				   FF_FRONTSTATE_FINISHING},
	/* One with an error has failed: move_front. */
	[FF_EVENT_FRONT_FINISHED] = {FRONT_LIVES, FF_FRONTSTATE_FINISHED},
	/* A job ends behind its front. */
	[FF_EVENT_JOB_FINISHED] = {ANY & ~FRONT_LIVES, KEEP},
};

static const struct move run_moves[FF_EVENT_KINDS] = {
	[FF_EVENT_RUN_STARTED] = {BIT(FF_RUN_NEW), FF_RUN_RUNNING},
	[FF_EVENT_STOPPING] = {BIT(FF_RUN_RUNNING) | BIT(FF_RUN_STOPPING), FF_RUN_STOPPING},
	[FF_EVENT_INTERRUPTED] = {ANY & ~(BIT(FF_RUN_NEW) | BIT(FF_RUN_FINISHED)), FF_RUN_STOPPING},
	[FF_EVENT_RUN_FINISHED] = {ANY & ~(BIT(FF_RUN_NEW) | BIT(FF_RUN_FINISHED)),
				   FF_RUN_FINISHED},
};

/* The records that an event is about; NULL: none of that kind. */
struct subject {
	struct ff_host_record *host;
	struct ff_job_record *job;
	struct ff_worker_record *worker;
	struct ff_unit_record *unit;
};

/* --- finding and checking --- */

static int refuse(struct ff_err *err, const struct ff_event *event, const char *what,
		  const char *name, const char *state)
{
	return ff_err_set(err, FF_EINVAL, "event %llu, %s: %s '%s' %s",
			  (unsigned long long)event->seq, ff_event_word(event->kind), what,
			  name ? name : "", state);
}

/* The same for a state's word. */
static int refuse_in(struct ff_err *err, const struct ff_event *event, const char *what,
		     const char *name, const char *word)
{
	char text[64];

	snprintf(text, sizeof(text), "is %s", word);
	return refuse(err, event, what, name, text);
}

#define FIND(state, table, kind, id, name)                                                         \
	((id) != FF_NO_ID ? (id)-1 < (state)->table##_len ? (id)-1 : FF_NOBODY                     \
			  : ff_state_find_##kind(state, name))

static int check_new_worker(const struct ff_event *event, const struct subject *s,
			    struct ff_err *err)
{
	if (s->worker)
		return refuse(err, event, "worker", event->worker, "is there already");
	if (!event->worker)
		return refuse(err, event, "worker", NULL, "has no name");
	return 0;
}

static int find_subject(struct ff_state *state, const struct ff_event *event, struct subject *s,
			struct ff_err *err)
{
	uint32_t host = FIND(state, hosts, host, event->host_id, event->host);
	uint32_t job = FIND(state, jobs, job, event->job_id, event->job);
	uint32_t worker = FIND(state, workers, worker, event->worker_id, event->worker);
	unsigned needs = ff_event_needs(event->kind);

	/* It was another run's host and worker. */
	if (event->kind == FF_EVENT_UNIT_BEFORE)
		host = worker = FF_NOBODY;
	*s = (struct subject){
		.host = host == FF_NOBODY ? NULL : &state->hosts[host],
		.job = job == FF_NOBODY ? NULL : &state->jobs[job],
		.worker = worker == FF_NOBODY ? NULL : &state->workers[worker],
	};
	if (!s->host && event->kind != FF_EVENT_UNIT_BEFORE &&
	    (event->host || event->host_id || needs & FF_HAS_HOST))
		return refuse(err, event, "host", event->host, "is unknown");
	if (!s->job && (event->job || event->job_id || needs & FF_HAS_JOB))
		return refuse(err, event, "job", event->job, "is unknown");
	if (event->kind == FF_EVENT_WORKER_OPENING)
		return check_new_worker(event, s, err);
	if (!s->worker && (event->worker || event->worker_id || needs & FF_HAS_WORKER) &&
	    event->kind != FF_EVENT_NOTICE && event->kind != FF_EVENT_UNIT_BEFORE)
		return refuse(err, event, "worker", event->worker, "is unknown");
	if (ff_event_has_index(event->kind)) {
		if (!s->job || !s->job->units || event->index >= s->job->units_len)
			return refuse(err, event, "unit", event->unit, "is unknown");
		s->unit = &s->job->units[event->index];
		/* One that was lost, and is set aside, is on no worker any more. */
		if (event->kind == FF_EVENT_UNIT_FINISHED && s->unit->state == FF_UNIT_WAITING)
			s->worker = NULL;
	}
	return 0;
}

static bool may(const struct move moves[], enum ff_event_kind kind, unsigned state)
{
	return moves[kind].from & BIT(state);
}

/* Kinds of events that are about such a record have an entry in its table. */
static int check_moves(const struct ff_state *state, const struct ff_event *event,
		       const struct subject *s, struct ff_err *err)
{
	enum ff_event_kind kind = event->kind;

	if (host_moves[kind].from && s->host && !may(host_moves, kind, s->host->state))
		return refuse_in(err, event, "host", s->host->name,
				 ff_host_state_word(s->host->state));
	if (worker_moves[kind].from && s->worker && !may(worker_moves, kind, s->worker->state))
		return refuse_in(err, event, "worker", s->worker->name,
				 ff_worker_state_word(s->worker->state));
	/* Ranges of units: check_range. */
	if (unit_moves[kind].from && s->unit && kind != FF_EVENT_UNITS_NOT_RUN &&
	    kind != FF_EVENT_UNITS_BEFORE && !may(unit_moves, kind, s->unit->state))
		return refuse_in(err, event, "unit", event->unit,
				 ff_unit_state_word(s->unit->state));
	if (job_moves[kind].from && !s->job)
		return refuse(err, event, "job", event->job, "is missing");
	if (job_moves[kind].from && !may(job_moves, kind, s->job->state))
		return refuse_in(err, event, "job", s->job->name, ff_job_state_word(s->job->state));
	if (front_moves[kind].from && !may(front_moves, kind, s->job->front.state))
		return refuse_in(err, event, "the front of job", s->job->name,
				 ff_front_state_word(s->job->front.state));
	if (run_moves[kind].from && !may(run_moves, kind, state->run.state))
		return ff_err_set(err, FF_EINVAL, "event %llu, %s: the run is %s",
				  (unsigned long long)event->seq, ff_event_word(kind),
				  ff_run_state_word(state->run.state));
	return 0;
}

/* Records that the event names together belong together: what counts here counts there. */
static int check_whose(const struct ff_state *state, const struct ff_event *event,
		       const struct subject *s, struct ff_err *err)
{
	uint32_t host = s->host ? (uint32_t)(s->host - state->hosts) : FF_NOBODY;
	uint32_t job = s->job ? (uint32_t)(s->job - state->jobs) : FF_NOBODY;
	bool ends = event->kind == FF_EVENT_UNIT_FINISHED || event->kind == FF_EVENT_UNIT_LOST;

	if (worker_moves[event->kind].from && s->worker) {
		if (s->worker->host != host)
			return refuse(err, event, "worker", s->worker->name, "is on another host");
		if (s->job && s->worker->job != job)
			return refuse(err, event, "worker", s->worker->name, "is of another job");
		if (ends && s->worker->unit != event->index)
			return refuse(err, event, "worker", s->worker->name, "runs another unit");
	}
	if (ends && s->unit->state == FF_UNIT_RUNNING && s->unit->host != host)
		return refuse(err, event, "unit", event->unit, "is on another host");
	return 0;
}

/* --- assigning --- */

static void trace(const char *what, const char *name, const char *old, const char *new,
		  const struct ff_event *event)
{
	if (ff_log_on())
		ff_log("%s %s: %s -> %s (%s)", what, name, old, new, ff_event_word(event->kind));
}

#define MOVE(kind, record, next)                                                                   \
	do {                                                                                       \
		if ((next) != KEEP && (record)) {                                                  \
			trace(#kind, (record)->name, ff_##kind##_state_word((record)->state),      \
			      ff_##kind##_state_word((enum ff_##kind##_state)(next)), event);      \
			(record)->state = (enum ff_##kind##_state)(next);                          \
		}                                                                                  \
	} while (0)

static void set_text(char **text, const char *value)
{
	ff_free(*text);
	*text = ff_xstrdup(value);
}

static void unit_began(struct ff_state *state, const struct ff_event *event,
		       const struct subject *s)
{
	s->unit->attempts = (uint16_t)event->u.unit_started.attempt;
	s->unit->host = s->host ? (uint32_t)(s->host - state->hosts) : FF_NOBODY;
	s->job->running++;
	state->run.running++;
	if (s->host)
		s->host->running++;
	if (s->worker)
		s->worker->unit = event->index;
}

static void unit_ended(struct ff_state *state, const struct subject *s)
{
	if (s->unit->state != FF_UNIT_RUNNING)
		return;
	s->job->running--;
	state->run.running--;
	if (s->host)
		s->host->running--;
	if (s->worker)
		s->worker->unit = FF_NOBODY;
}

static void unit_finished(struct ff_state *state, const struct ff_event *event,
			  const struct subject *s)
{
	enum ff_outcome outcome = event->u.unit_finished.result->outcome;

	/* One that is set aside after it was lost was not finished there. */
	if (s->host && s->unit->state == FF_UNIT_RUNNING)
		s->host->vain = 0;
	unit_ended(state, s);
	if (!event->u.unit_finished.final) {
		s->unit->state = FF_UNIT_WAITING;
		s->unit->failures++;
		s->unit->alone = 0; /* a host has outlived it */
		s->job->counts.retried++;
		state->run.counts.retried++;
		return;
	}
	s->unit->state = FF_UNIT_DONE;
	s->unit->outcome = (uint8_t)outcome;
	s->job->units_done++;
	s->job->flaky += !ff_outcome_bad(outcome) &&
			 ff_state_failed_before(s->unit, event->u.unit_finished.result);
	s->job->counts.by_outcome[outcome]++;
	state->run.counts.by_outcome[outcome]++;
	if (ff_result_second_error(event->u.unit_finished.result)) {
		s->job->counts.more_errors++;
		state->run.counts.more_errors++;
	}
}

static void unit_lost(struct ff_state *state, const struct ff_event *event, const struct subject *s)
{
	unit_ended(state, s);
	s->unit->state = FF_UNIT_WAITING;
	if (s->unit->deaths < UINT8_MAX)
		s->unit->deaths++;
	if (event->u.unit_lost.alone && s->unit->alone < UINT8_MAX)
		s->unit->alone++;
}

static void units_not_run(struct ff_state *state, const struct ff_event *event,
			  const struct subject *s)
{
	uint32_t count = event->u.units_not_run.count;

	for (uint32_t i = 0; i < count; i++)
		s->unit[i].state = FF_UNIT_NOT_RUN;
	s->job->units_done += count;
	/* How many there would be time for nobody has said; and those that were not meant to run
	 * are not missing. */
	if (event->u.units_not_run.why == FF_REASON_TIME ||
	    event->u.units_not_run.why == FF_REASON_WHEN)
		return;
	s->job->counts.not_run += count;
	state->run.counts.not_run += count;
}

static void worker_opening(struct ff_state *state, const struct ff_event *event,
			   const struct subject *s)
{
	struct ff_worker_record *worker = ff_state_add_worker(state, event->worker);

	worker->host = s->host ? (uint32_t)(s->host - state->hosts) : FF_NOBODY;
	worker->job = (uint32_t)(s->job - state->jobs);
	worker->unit = FF_NOBODY;
	if (s->host)
		s->host->workers++;
	s->job->workers++;
	state->run.workers++;
}

static void worker_ended(struct ff_state *state, const struct ff_event *event,
			 const struct subject *s)
{
	if (s->host)
		s->host->workers--;
	s->job->workers--;
	state->run.workers--;
	s->job->crashes += event->u.worker_ended.crashed;
}

static void host_ended(const struct ff_event *event, const struct subject *s)
{
	/* The three have one shape: a union's common initial sequence. */
	set_text(&s->host->error, event->u.host_away.error);
	s->host->vain++;
}

static void job_finished(struct ff_state *state, const struct ff_event *event,
			 const struct subject *s)
{
	s->job->result = event->u.job_finished.result;
	s->job->why = event->u.job_finished.why;
	state->run.jobs_finished++;
}

static void run_event(struct ff_state *state, const struct ff_event *event)
{
	if (event->kind == FF_EVENT_INTERRUPTED) {
		state->run.interrupts = event->u.interrupted.times;
		state->run.stopped = FF_REASON_INTERRUPTED;
	} else if (event->kind == FF_EVENT_STOPPING && state->run.stopped == FF_REASON_NONE) {
		state->run.stopped = event->u.stopping.why;
	} else if (event->kind == FF_EVENT_RUN_FINISHED) {
		state->run.exit_code = event->u.run_finished.exit_code;
	}
}

/* The rest of what an event says, once its records have moved. */
static void note(struct ff_state *state, const struct ff_event *event, const struct subject *s)
{
	switch (event->kind) {
	case FF_EVENT_HOST_JOINING:
		s->host->tries = event->u.host_joining.tries;
		break;
	case FF_EVENT_HOST_READY:
		s->host->was_ready = true;
		set_text(&s->host->error, NULL);
		break;
	case FF_EVENT_HOST_SETUP:
		state->run.setups_failed += event->u.host_setup.error != NULL;
		break;
	case FF_EVENT_HOST_UNFIT:
		set_text(&s->host->unfit, event->u.host_unfit.error);
		break;
	case FF_EVENT_HOST_LEFT: /* asked to: it tells why nobody can use it */
		if (event->u.host_left.reason)
			set_text(&s->host->error, event->u.host_left.reason);
		break;
	case FF_EVENT_HOST_AWAY:
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
		host_ended(event, s);
		break;
	case FF_EVENT_WORKER_ENDED:
		worker_ended(state, event, s);
		break;
	case FF_EVENT_COLLECT_PROBLEM:
		if (event->u.collect_problem.skipped)
			state->run.skipped_modules++;
		else
			s->job->problems++, state->run.problems++;
		break;
	case FF_EVENT_PART_NOT_RUN:
		s->job->counts.parts_not_run++, state->run.counts.parts_not_run++;
		break;
	case FF_EVENT_JOB_FINISHED:
		job_finished(state, event, s);
		break;
	default:
		run_event(state, event);
	}
}

static unsigned next_of(const struct move moves[], const struct ff_event *event)
{
	return moves[event->kind].from ? moves[event->kind].to : KEEP;
}

/* The run is killed by the second interrupt, and by a stop that says so. */
static unsigned next_of_run(const struct ff_state *state, const struct ff_event *event)
{
	bool kill = (event->kind == FF_EVENT_INTERRUPTED && event->u.interrupted.times > 1) ||
		    (event->kind == FF_EVENT_STOPPING && event->u.stopping.kill);

	if (kill || (state->run.state == FF_RUN_KILLING && event->kind == FF_EVENT_INTERRUPTED))
		return FF_RUN_KILLING;
	return next_of(run_moves, event);
}

static void move_front(struct ff_job_record *job, const struct ff_event *event)
{
	unsigned next = next_of(front_moves, event);

	if (next == KEEP)
		return;
	if (event->kind == FF_EVENT_FRONT_FINISHED) {
		job->front.exit_status = event->u.front_finished.exit_status;
		job->front.bad = event->u.front_finished.bad;
		if (event->u.front_finished.error)
			next = FF_FRONTSTATE_FAILED;
	}
	trace("front of", job->name, ff_front_state_word(job->front.state),
	      ff_front_state_word((enum ff_front_state)next), event);
	job->front.state = (enum ff_front_state)next;
}

static void move_run(struct ff_state *state, const struct ff_event *event, unsigned next)
{
	if (next == KEEP || next == state->run.state)
		return;
	trace("run", "", ff_run_state_word(state->run.state),
	      ff_run_state_word((enum ff_run_state)next), event);
	state->run.state = (enum ff_run_state)next;
}

/* Units have no names of their own, and are many: they move with what they count in. */
static void move_unit(struct ff_state *state, const struct ff_event *event, const struct subject *s)
{
	const char *old = ff_unit_state_word(s->unit->state);

	if (event->kind == FF_EVENT_UNIT_STARTED) {
		unit_began(state, event, s);
		s->unit->state = FF_UNIT_RUNNING;
	} else if (event->kind == FF_EVENT_UNIT_FINISHED) {
		unit_finished(state, event, s);
	} else if (event->kind == FF_EVENT_UNIT_LOST) {
		unit_lost(state, event, s);
	} else if (event->kind == FF_EVENT_UNITS_BEFORE) {
		ff_state_units_before(state, s->job, s->unit, event);
	} else if (event->kind == FF_EVENT_UNIT_BEFORE) {
		ff_state_unit_before(state, s->job, s->unit, event);
	} else if (event->kind == FF_EVENT_UNITS_NOT_RUN) {
		units_not_run(state, event, s);
	} else {
		return;
	}
	trace("unit", event->unit ? event->unit : "", old, ff_unit_state_word(s->unit->state),
	      event);
}

/* Several units at once: all of them must be able to move. */
static int check_range(const struct ff_event *event, const struct subject *s, struct ff_err *err)
{
	bool before = event->kind == FF_EVENT_UNITS_BEFORE;
	uint32_t count = before ? event->u.units_before.count : event->u.units_not_run.count;

	if (!before && event->kind != FF_EVENT_UNITS_NOT_RUN)
		return 0;
	if (count > s->job->units_len - event->index)
		return refuse(err, event, "job", s->job->name, "has not so many units");
	for (uint32_t i = 0; i < count; i++)
		if (!may(unit_moves, event->kind, s->unit[i].state))
			return ff_err_set(err, FF_EINVAL,
					  "event %llu, %s: unit %u of job '%s' is %s",
					  (unsigned long long)event->seq,
					  ff_event_word(event->kind), event->index + i,
					  s->job->name, ff_unit_state_word(s->unit[i].state));
	return 0;
}

/* One that has left may come again, as another machine even: it begins anew, but for its number and
 * how often it was opened, by which what is late from its former life is told. */
static int add_host(struct ff_state *state, const struct ff_event *event, struct ff_err *err)
{
	uint32_t number = event->host ? ff_state_find_host(state, event->host) : FF_NOBODY;
	struct ff_host_record *host = number == FF_NOBODY ? NULL : &state->hosts[number];

	if (!event->host)
		return refuse(err, event, "host", NULL, "has no name");
	if (host && !event->u.host_added.late)
		return refuse(err, event, "host", event->host, "is there already");
	if (host && host->state != FF_HOST_GONE)
		return refuse_in(err, event, "host", event->host, ff_host_state_word(host->state));
	if (!host)
		host = ff_state_add_host(state, event->host);
	trace("host", host->name, ff_host_state_word(host->state),
	      ff_host_state_word(FF_HOST_UNUSED), event);
	host->state = FF_HOST_UNUSED;
	host->slots = event->u.host_added.slots;
	host->vain = 0;
	host->was_ready = false;
	set_text(&host->unfit, NULL);
	set_text(&host->error, NULL);
	return 0;
}

static int add_record(struct ff_state *state, const struct ff_event *event, struct ff_err *err)
{
	struct ff_job_record *job;

	if (event->kind == FF_EVENT_HOST_ADDED && add_host(state, event, err) < 0)
		return FF_EINVAL;
	if (event->kind != FF_EVENT_HOST_ADDED) {
		if (!event->job)
			return refuse(err, event, "job", NULL, "has no name");
		if (ff_state_find_job(state, event->job) != FF_NOBODY)
			return refuse(err, event, "job", event->job, "is there already");
		job = ff_state_add_job(state, event->job);
		set_text(&job->content, event->u.job_added.content);
		job->open = event->u.job_added.open; /* that says how much room they get */
		if (event->u.job_added.units > 0 || event->u.job_added.open)
			ff_state_know_units(state, job, event->u.job_added.units);
	}
	state->run.seq = event->seq;
	return 0;
}

int ff_state_apply(struct ff_state *state, const struct ff_event *event, struct ff_err *err)
{
	struct subject s;
	int rc;

	if (event->kind == FF_EVENT_HOST_ADDED || event->kind == FF_EVENT_JOB_ADDED)
		return add_record(state, event, err);
	rc = find_subject(state, event, &s, err);
	if (rc == 0)
		rc = check_moves(state, event, &s, err);
	if (rc == 0)
		rc = check_whose(state, event, &s, err);
	if (rc == 0)
		rc = ff_state_check_units(s.job, event, err);
	if (rc == 0)
		rc = check_range(event, &s, err);
	if (rc < 0)
		return rc;
	if (event->kind == FF_EVENT_WORKER_OPENING)
		worker_opening(state, event, &s);
	else
		ff_state_take_units(state, s.job, event);
	MOVE(host, s.host, next_of(host_moves, event));
	if (s.job)
		move_front(s.job, event);
	MOVE(job, s.job, next_of(job_moves, event));
	if (s.unit)
		move_unit(state, event, &s);
	MOVE(worker, s.worker, next_of(worker_moves, event));
	move_run(state, event, next_of_run(state, event));
	note(state, event, &s);
	state->run.seq = event->seq;
	return 0;
}
