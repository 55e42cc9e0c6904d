/* What units declare of their host's memory and CPUs (`memory: 2GiB`, `cpu: 1.5`), and what hosts
 * have of it. The scheduler counts; here it is seen which hosts can never have enough for a job. */
#include "dispatch/private.h"

static const struct ff_ration *declared_by(const struct ff_engine *e, uint32_t job)
{
	return &e->opts.plan->jobs[job].ration;
}

bool ff_ration_too_small(const struct ff_engine *e, uint32_t job, uint32_t host)
{
	static const struct ff_capacity nothing;

	return !ff_ration_fits(declared_by(e, job), &e->capacity[host], &nothing);
}

void ff_ration_host_told(struct ff_engine *e, const struct ff_input *input)
{
	struct ff_capacity *there = &e->capacity[input->host];

	/* What it said first holds: something may be placed there by it. */
	if (there->memory == 0)
		there->memory = input->u.host_opened.memory;
	if (there->cpu == 0)
		there->cpu = input->u.host_opened.cpu;
	for (uint32_t i = 0; i < e->state->jobs_len; i++) {
		if (!ff_host_in_set(e, i, input->host) || !ff_ration_too_small(e, i, input->host))
			continue;
		ff_sched_job_not_on(e->sched, i, input->host);
		ff_required_host_unfit(e, i);
		ff_job_touch(e, i);
	}
}

/* --- words --- */

static const char *size_text(struct ff_engine *e, int64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double size = (double)bytes / 1024;
	size_t unit = 0;

	for (; size >= 1024 && unit < 3; unit++)
		size /= 1024;
	return ff_engine_text(e, "%.1f %s", size, units[unit]);
}

static const char *cpu_text(struct ff_engine *e, int64_t cpu)
{
	return ff_engine_text(e, "%g CPU%s", (double)cpu / 1000, cpu == 1000 ? "" : "s");
}

/* Which of the two is what it lacks there. */
static bool lacks_memory(const struct ff_engine *e, uint32_t job, uint32_t host)
{
	const struct ff_capacity *there = &e->capacity[host];

	return there->memory > 0 && ff_ration_on(declared_by(e, job), there).memory > there->memory;
}

const char *ff_ration_in_vain(struct ff_engine *e, uint32_t job, uint32_t host)
{
	const struct ff_config_job *config = e->opts.plan->jobs[job].config;
	const struct ff_capacity *there = &e->capacity[host];

	return lacks_memory(e, job, host)
		       ? ff_engine_text(e, "it has %s, too little for memory: %s",
					size_text(e, there->memory), config->memory)
		       : ff_engine_text(e, "it has %s, too few for cpu: %s",
					cpu_text(e, there->cpu), config->cpu);
}

const char *ff_ration_no_host(struct ff_engine *e, uint32_t number)
{
	const struct ff_config_job *config = e->opts.plan->jobs[number].config;
	const struct ff_job_record *record = &e->state->jobs[number];
	const char *unit = record->known && record->units_len > 0
				   ? ff_engine_unit_name(e, number, 0)
				   : record->name;
	uint32_t largest = FF_NOBODY;
	bool memory = false;

	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		if (!ff_host_in_set(e, number, i))
			continue;
		if (!ff_ration_too_small(e, number, i))
			return NULL;
		memory |= lacks_memory(e, number, i);
		if (largest == FF_NOBODY ||
		    (memory ? e->capacity[i].memory > e->capacity[largest].memory
			    : e->capacity[i].cpu > e->capacity[largest].cpu))
			largest = i;
	}
	if (largest == FF_NOBODY)
		return NULL;
	return ff_engine_text(e, "'%s: %s' of %s fits no host: the largest, %s, has %s",
			      memory ? "memory" : "cpu", memory ? config->memory : config->cpu,
			      unit, e->state->hosts[largest].name,
			      memory ? size_text(e, e->capacity[largest].memory)
				     : cpu_text(e, e->capacity[largest].cpu));
}
