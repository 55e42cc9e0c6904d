/* What hosts, or the whole run, are set up and torn down with: no slot does anything else then. */
#include <string.h>

#include "report/slow_private.h"

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What it says to have taken, which is no more than there was time. */
static int64_t took(const struct ff_event *event, int64_t since_us)
{
	int64_t most = event->time_us - since_us;

	return most > 0 ? ff_slow_within(event->u.host_setup.took_us, 0, most) : 0;
}

static bool is_teardown(const struct ff_event *event)
{
	return event->u.host_setup.phase && strcmp(event->u.host_setup.phase, "teardown") == 0;
}

/* The last of its shard's, if it is that: what the end waited for. */
static void note_last(struct slow_shard *shard, struct slow_torn *torn,
		      const struct ff_event *event, int64_t us, uint32_t host)
{
	if (shard && event->time_us >= torn->until_us)
		*torn = (struct slow_torn){event->time_us - us, event->time_us, host};
}

static void on_own(struct slow_shard *shard, const struct ff_event *event)
{
	int64_t us = took(event, shard->start_us);

	if (is_teardown(event)) {
		ff_slow_add(&shard->teardown_us, us);
		note_last(shard, &shard->own_torn, event, us, SLOW_NONE);
		return;
	}
	ff_slow_add(&shard->setup_us, us);
	shard->set_up_us = event->time_us;
}

void ff_slow_on_setup(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t number = ff_slow_number_in(&slow->host_map, event->host);
	struct slow_host *host = number == SLOW_NONE ? NULL : &slow->hosts.v[number];
	int64_t us;

	if (!event->host && slow->shards.len == 1)
		on_own(&slow->shards.v[0], event);
	if (!host)
		return;
	us = took(event, host->since_us);
	if (is_teardown(event)) {
		/* Where the setup failed it is torn down as well. */
		ff_slow_add(host->phase == SLOW_PREPARING ? &host->torn_early_us : &host->torn_us,
			    us);
		note_last(&slow->shards.v[host->shard], &slow->shards.v[host->shard].torn, event,
			  us, number);
	} else if (host->phase == SLOW_PREPARING) {
		/* Another host may have set up the same folder first. */
		us = event->time_us - host->since_us - host->arrival.sync_us;
		ff_slow_add(&host->setup_us, us);
		host->arrival.set_up_us = event->time_us;
	}
}

void ff_slow_add_setup(const struct slow_host *host, const struct slow_shard *shard,
		       const int64_t phase_us[], int64_t ready_us, struct slow_setup_time *time)
{
	*time = (struct slow_setup_time){0};
	time->early_us = smaller(host->setup_us + host->torn_early_us,
				 phase_us[SLOW_PREPARING] - host->sync_us);
	if (time->early_us < 0)
		time->early_us = 0;
	time->run_us = smaller(shard->setup_us, phase_us[SLOW_UNUSED]);
	time->late_us = smaller(host->torn_us + shard->teardown_us, ready_us);
	if (time->late_us < 0)
		time->late_us = 0;
}
