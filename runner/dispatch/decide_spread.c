/* How a job's units are spread over its sessions: the policy, which pytest's own settings may
 * choose when nobody else did, what belongs together, how many sessions there may be; and, where
 * each worker runs everything, which of the job's units a session means by an index. */
#include "base/alloc.h"
#include "dispatch/private.h"

enum { MANY_UNITS = 64 }; /* for each worker */

static const struct ff_config_job *config_of(const struct ff_engine *e, uint32_t job)
{
	return e->opts.plan->jobs[job].config;
}

/* --- settings --- */

static void say(struct ff_engine *e, uint32_t number, const char *level, const char *text)
{
	struct ff_event event = {
		.kind = FF_EVENT_NOTICE, .job = e->state->jobs[number].name, .job_id = number + 1};

	if (!ff_engine_first(&e->jobs[number], text))
		return;
	event.u.notice.level = level;
	event.u.notice.text = text;
	ff_engine_emit(e, &event);
}

static void note(struct ff_engine *e, uint32_t number, const char *text)
{
	say(e, number, "note", text);
}

/* What comes part by part has a policy of its own. */
static void choose_policy(struct ff_engine *e, uint32_t number, bool in_parts, const char *dist,
			  const struct ff_policy *own)
{
	struct engine_job *job = &e->jobs[number];
	const char *said = config_of(e, number)->dist;
	const char *kind = ff_engine_payload(e, number)->name;

	job->unchosen = !said && !dist && !own && !in_parts;
	if (job->unchosen && ff_expect_knows(e->opts.expect, kind)) {
		say(e, number, "detail", "--dist auto: earlier runs tell how long tests take");
		dist = "auto";
	}
	job->policy = ff_policy_find(said ? said : dist ? dist : "load");
	if (!job->policy) {
		ff_job_error(
			e, number, FF_REASON_USAGE,
			ff_engine_text(e, "no --dist is called '%s' (in pytest's settings)", dist));
		ff_job_stop(e, number, FF_REASON_USAGE, NULL);
		job->policy = &ff_policy_load;
	}
	/* As with pytest-xdist a scheduler of somebody's own counts for more than --dist. */
	if (own && job->policy != &ff_policy_no)
		job->policy = own;
	e->driven += job->policy->driven;
	if (job->policy->most) {
		job->most = job->policy->most;
		ff_sched_job_most(e->sched, number, job->most);
	}
}

/* -n in pytest's settings comes late: workers are there, but need not all be used, nor those of
 * hosts that join later. */
static void choose_workers(struct ff_engine *e, uint32_t number, int64_t workers)
{
	struct engine_job *job = &e->jobs[number];

	if (workers < 0 || config_of(e, number)->workers_said)
		return;
	if (!config_of(e, number)->workers_open) {
		note(e, number,
		     ff_engine_text(
			     e,
			     "-n %lld in pytest's settings has no effect: the inventory says "
			     "how many workers there are",
			     (long long)workers));
		return;
	}
	if (workers > job->workers)
		note(e, number,
		     ff_engine_text(e,
				    "-n %lld in pytest's settings: there are %u workers; -n on the "
				    "command line, or in PYTEST_ADDOPTS, starts more",
				    (long long)workers, job->workers));
	job->most = workers > 1 ? (uint32_t)workers : 1;
	ff_sched_job_most(e->sched, number, job->most);
}

void ff_spread_settings(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t number = session->placement.job;
	const struct engine_job *job = &e->jobs[number];
	const struct ff_policy *own = NULL;
	const char *dist = input->u.settings.dist;

	for (const char *const *line = input->u.settings.vain; line && *line; line++)
		if (!config_of(e, number)->settings_read)
			note(e, number, *line);
	for (const char *const *line = input->u.settings.notes; line && *line; line++)
		note(e, number, *line);
	if (e->state->jobs[number].known || job->policy)
		return;
	if (input->u.settings.driven && session->asks_front && ff_front_listens(e, number))
		own = &ff_policy_driven;
	else if (input->u.settings.scopes)
		own = &ff_policy_loadscope;
	/* Somebody's own scheduler is not to be replaced by one that nobody asked for. */
	if (input->u.settings.driven && !dist)
		dist = "load";
	choose_policy(e, number, session->in_parts, dist, own);
	if (!job->policy->most)
		choose_workers(e, number, input->u.settings.workers);
}

void ff_spread_scopes(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct engine_job *job = &e->jobs[session->placement.job];
	const char **scopes;

	if (job->unit_names || job->unit_scopes || !job->policy || !job->policy->scope ||
	    input->u.ids.len != e->state->jobs[session->placement.job].units_len ||
	    !session->digest ||
	    strcmp(session->digest, e->state->jobs[session->placement.job].digest) != 0)
		return;
	scopes = ff_arena_alloc(&job->arena, ((size_t)input->u.ids.len + 1) * sizeof(*scopes));
	if (!scopes)
		scopes = ff_xmalloc(SIZE_MAX);
	for (uint32_t i = 0; i < input->u.ids.len; i++)
		scopes[i] = ff_engine_keep(job, input->u.ids.names[i]);
	job->unit_scopes = scopes;
}

/* --- where each worker runs everything --- */

/* As many as the hosts have room for at one time; also those that are not there, or their tests
 * would be missed by nobody. */
static void make_seats(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	uint32_t weight = (uint32_t)config_of(e, number)->weight, len = 0;

	for (uint32_t host = 0; host < e->state->hosts_len; host++) {
		uint32_t slots = e->state->hosts[host].slots, on = slots / (weight ? weight : 1);

		if (!(job->hosts->bits[host / 64] >> host % 64 & 1))
			continue;
		on = on ? on : 1;
		job->seats = ff_xrealloc(job->seats, ((size_t)len + on) * sizeof(*job->seats));
		while (on-- > 0)
			job->seats[len++] = host;
	}
	job->seats_len = len;
}

uint32_t ff_spread_count(struct ff_engine *e, uint32_t number, uint32_t collected)
{
	struct engine_job *job = &e->jobs[number];

	if (!job->policy)
		choose_policy(e, number, false, NULL, NULL);
	/* Many: that files stay together is worth more than that the first tests are the first. */
	if (job->unchosen && !e->state->jobs[number].known &&
	    config_of(e, number)->maxschedchunk == 0 && collected / MANY_UNITS >= job->workers)
		job->policy = &ff_policy_auto;
	if (!job->policy->seats || job->collect_only)
		return collected;
	if (!job->seats)
		make_seats(e, number);
	if (collected > UINT32_MAX / 2 / (job->seats_len ? job->seats_len : 1)) {
		ff_job_error(e, number, FF_REASON_PAYLOAD,
			     "too many tests to run each on every worker");
		ff_job_stop(e, number, FF_REASON_PAYLOAD, NULL);
		return collected;
	}
	job->each = collected;
	return collected * job->seats_len;
}

/* By the worker where all are on one host, else by the host, which matters more. */
static const char *seat_name(struct ff_engine *e, const struct engine_job *job, uint32_t seat)
{
	uint32_t host = job->seats[seat], first = seat, last = seat;

	if (job->seats[0] == job->seats[job->seats_len - 1])
		return ff_engine_text(e, "gw%u", seat);
	while (first > 0 && job->seats[first - 1] == host)
		first--;
	while (last + 1 < job->seats_len && job->seats[last + 1] == host)
		last++;
	if (first == last)
		return e->state->hosts[host].name;
	return ff_engine_text(e, "%s/%u", e->state->hosts[host].name, seat - first);
}

/* Like "test_a.py::test_x@gw1". */
void ff_spread_names(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	uint32_t len = job->each * job->seats_len;
	const char **names;

	job->unit_names = job->ids;
	if (job->each == 0)
		return;
	names = ff_arena_alloc(&job->arena, ((size_t)len + 1) * sizeof(*names));
	if (!names)
		names = ff_xmalloc(SIZE_MAX);
	for (uint32_t seat = 0; seat < job->seats_len; seat++) {
		const char *worker = seat_name(e, job, seat);

		for (uint32_t i = 0; i < job->each; i++)
			names[seat * job->each + i] = ff_engine_keep(
				job, ff_engine_text(e, "%s@%s", job->ids[i], worker));
	}
	job->unit_names = names;
}

void ff_spread_given(const struct ff_engine *e, struct session *session, uint32_t *units,
		     size_t len)
{
	uint32_t each = e->jobs[session->placement.job].each;

	for (size_t i = 0; e->jobs[session->placement.job].in_parts && i < len; i++)
		units[i] = ff_shard_index(e, session, units[i]);
	if (len == 0)
		return;
	if (each > 0)
		session->first_unit = units[0] / each * each;
	for (size_t i = 0; i < len; i++)
		units[i] = ff_own_index(session, each > 0 ? units[i] % each : units[i]);
}

uint32_t ff_spread_unit(const struct ff_engine *e, const struct session *session, uint32_t index)
{
	uint32_t each = e->jobs[session->placement.job].each;

	if (e->jobs[session->placement.job].in_parts)
		return ff_shard_unit(session, index);
	index = ff_own_id(session, index);
	if (each == 0)
		return index;
	return index < each ? session->first_unit + index : FF_NOBODY;
}

uint32_t ff_spread_index(const struct ff_engine *e, uint32_t job, uint32_t unit)
{
	uint32_t each = e->jobs[job].each;

	return each == 0 || unit == FF_NOBODY ? unit : unit % each;
}

const char *ff_spread_id(struct ff_engine *e, const struct unit_at *at)
{
	const struct engine_job *job = &e->jobs[at->job];

	if (job->each > 0 && job->ids)
		return job->ids[ff_spread_index(e, at->job, at->unit)];
	return at->name ? at->name : ff_engine_unit_name(e, at->job, at->unit);
}
