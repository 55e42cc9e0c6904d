/* Hosts that must be there: one that nobody can use ends the run, one that a job can't use, though
 * it is meant to, ends that job. */
#include "base/buf.h"
#include "dispatch/private.h"

enum { REQUIRED_TEXT = 1000 }; /* about so much is said of those that are not */

enum standing { THERE, HOPEFUL, MISSING };

/* How a host that must be there stands; for a job that means to use it, only one that can run its
 * payload is there. Those that were there when it counted may go again: others do their work. */
static enum standing standing_of(const struct ff_engine *e, uint32_t host, uint32_t job)
{
	const struct ff_host_record *record = &e->state->hosts[host];

	if (job != FF_NOBODY && ff_host_in_set(e, job, host) && !ff_host_in_job(e, job, host))
		return MISSING;
	if (e->hosts[host].counted)
		return THERE;
	switch (record->state) {
	case FF_HOST_READY:
	case FF_HOST_DRAINING:
		return THERE;
	case FF_HOST_GONE: /* without an error: it was let go; or it was asked to leave */
		return record->was_ready && (!record->error || e->hosts[host].leaving) ? THERE
										       : MISSING;
	default:
		return HOPEFUL;
	}
}

static uint32_t count_standing(const struct ff_engine *e, uint32_t job, enum standing standing)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		count += e->hosts[i].wanted && standing_of(e, i, job) == standing;
	return count;
}

/* Those that are away are told, too: they would have to come back in time. */
static bool is_away(const struct ff_engine *e, uint32_t host, uint32_t job)
{
	return e->hosts[host].wanted &&
	       (standing_of(e, host, job) == MISSING ||
		(e->state->hosts[host].state == FF_HOST_AWAY && !e->hosts[host].counted));
}

/* "require_hosts asks for 2 of 3 hosts, 2 can't be used: host a: why; host b: why" */
static const char *too_few(struct ff_engine *e, uint32_t job, uint32_t need)
{
	struct ff_buf text = FF_BUF_INIT;
	uint32_t told = 0, away = 0;
	const char *copy;

	if (need > e->hosts_asked)
		return ff_engine_text(e, "require_hosts asks for %u hosts, the jobs use %u", need,
				      e->hosts_asked);
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		away += is_away(e, i, job);
	ff_buf_addf(&text, "require_hosts asks for %u of %u hosts, %u can't be used", need,
		    e->hosts_asked, away);
	for (uint32_t i = 0; i < e->state->hosts_len && text.len < REQUIRED_TEXT; i++)
		if (is_away(e, i, job))
			ff_buf_addf(&text, "%shost %s: %.*s", told++ ? "; " : ": ",
				    e->state->hosts[i].name, REQUIRED_TEXT,
				    ff_host_in_vain(e, job, i));
	if (told < away)
		ff_buf_addf(&text, "; and %u more", away - told);
	copy = ff_engine_text(e, "%s", ff_buf_str(&text));
	ff_buf_release(&text);
	return copy;
}

static void count_those_there(struct ff_engine *e)
{
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		e->hosts[i].counted |= standing_of(e, i, FF_NOBODY) == THERE;
}

static void give_up(struct ff_engine *e, uint32_t job, uint32_t need)
{
	ff_job_error(e, job, FF_REASON_REQUIRED_HOSTS, too_few(e, job, need));
	ff_job_stop(e, job, FF_REASON_REQUIRED_HOSTS, NULL);
}

static uint32_t needed(const struct ff_engine *e)
{
	int64_t required = e->opts.config->settings.require_hosts;

	/* All means those that were there from the beginning. */
	return required < 0 ? e->hosts_asked - e->hosts_late : (uint32_t)required;
}

bool ff_required_hosts_there(struct ff_engine *e, uint32_t job)
{
	uint32_t need = needed(e), missing;

	if (need == 0)
		return true;
	if (count_standing(e, job, THERE) >= need) {
		count_those_there(e);
		return true;
	}
	missing = count_standing(e, FF_NOBODY, MISSING);
	if (e->hosts_asked < need + missing)
		ff_engine_stop(e, FF_REASON_REQUIRED_HOSTS, too_few(e, FF_NOBODY, need));
	else if (e->hosts_asked < need + count_standing(e, job, MISSING))
		give_up(e, job, need);
	return false;
}

bool ff_required_host_waited_for(const struct ff_engine *e, uint32_t host)
{
	uint32_t job = 0;

	if (needed(e) == 0 || standing_of(e, host, FF_NOBODY) != HOPEFUL)
		return false;
	while (job < e->state->jobs_len && e->state->jobs[job].state != FF_JOBSTATE_WAITING)
		job++;
	return job < e->state->jobs_len;
}

/* It has begun with as many as it needs: one that can't after all is not made up for by one that
 * may still come. */
void ff_required_host_unfit(struct ff_engine *e, uint32_t job)
{
	uint32_t need = needed(e);

	if (e->state->jobs[job].state == FF_JOBSTATE_RUNNING &&
	    count_standing(e, job, THERE) < need)
		give_up(e, job, need);
}
