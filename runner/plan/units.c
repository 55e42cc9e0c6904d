/* A job's units by number: the product of its matrix, times its count. The count turns fastest,
 * then the last axis. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "plan/private.h"

/* One unit that is being made. */
struct maker {
	struct ff_plan_values values;
	struct ff_arena *arena;
	bool full; /* the arena takes no more */
};

void ff_plan_choose(struct ff_plan_values *values, const struct ff_config_job *config,
		    uint32_t index)
{
	uint32_t count = config->count > 1 ? (uint32_t)config->count : 1;

	values->config = config;
	snprintf(values->index, sizeof(values->index), "%" PRIu32, index % count + 1);
	index /= count;
	for (size_t i = config->axes_len; i-- > 0;) {
		const struct ff_strv *texts = &config->axes[i].values;

		values->axes[i] = texts->v[index % texts->len];
		index /= (uint32_t)texts->len;
	}
}

/* The text itself where there is nothing to replace. */
static const char *expand(struct maker *m, const char *text, bool shell)
{
	struct ff_buf out = FF_BUF_INIT;
	const char *copy;

	if (!text || !ff_plan_has_braces(m->values.config) || !strchr(text, '{'))
		return text;
	ff_plan_expand(&m->values, text, shell, &out);
	copy = ff_buf_str(&out);
	if (copy && strcmp(copy, text))
		copy = ff_arena_copy(m->arena, copy, out.len);
	else if (copy)
		copy = text;
	m->full = m->full || !copy;
	ff_buf_release(&out);
	return copy;
}

/* The vector itself where nothing is replaced; never NULL. */
static char *const *expand_all(struct maker *m, const struct ff_strv *strv)
{
	static char *const none[] = {NULL};
	char **copy = NULL;

	for (size_t i = 0; i < strv->len; i++) {
		const char *text = expand(m, strv->v[i], false);

		if (text == strv->v[i])
			continue;
		if (!copy) {
			copy = ff_arena_alloc(m->arena, (strv->len + 1) * sizeof(*copy));
			if (!copy) {
				m->full = true;
				return none;
			}
			memcpy(copy, strv->v, (strv->len + 1) * sizeof(*copy));
		}
		memcpy(&copy[i], &text, sizeof(text));
	}
	if (copy)
		return copy;
	return strv->v ? strv->v : none;
}

/* "bench", "bench[3]", "bench[size=10,os=b]", "bench[size=10,index=3]" */
static int add_name(const struct ff_plan_values *values, struct ff_buf *name)
{
	const struct ff_config_job *config = values->config;
	const char *separator = "[";
	int rc = ff_buf_addstr(name, config->name);

	for (size_t i = 0; i < config->axes_len && !rc; i++) {
		rc = ff_buf_addf(name, "%s%s=%s", separator, config->axes[i].name, values->axes[i]);
		separator = ",";
	}
	if (config->count > 1 && !rc)
		rc = ff_buf_addf(name, "%s%s%s", separator, config->axes_len ? "index=" : "",
				 values->index);
	if ((config->axes_len || config->count > 1) && !rc)
		rc = ff_buf_addch(name, ']');
	return rc;
}

int ff_plan_unit_name(const struct ff_plan_job *job, uint32_t index, struct ff_buf *name)
{
	struct ff_plan_values values;

	ff_plan_choose(&values, job->config, index);
	return add_name(&values, name);
}

int ff_plan_instance(const struct ff_plan_job *job, uint32_t index, struct ff_arena *arena,
		     struct ff_plan_instance *instance)
{
	const struct ff_config_job *config = job->config;
	struct maker m = {.arena = arena};
	struct ff_buf name = FF_BUF_INIT;
	struct ff_plan_instance made = {0};

	ff_plan_choose(&m.values, config, index);
	if (!add_name(&m.values, &name))
		made.name = ff_arena_copy(arena, ff_buf_data(&name), name.len);
	ff_buf_release(&name);
	made.job = (struct ff_payload_job){
		.name = config->name,
		.args = config->shell ? NULL : expand_all(&m, &config->args),
		.shell = expand(&m, config->shell, true),
		.cwd = expand(&m, config->cwd, false),
		.env = expand_all(&m, &config->env),
		.stdin_text = expand(&m, config->stdin_text, false),
		.timeout_us = config->timeout_us,
		.grace_us = config->grace_us,
		.output_cap = job->output_cap,
		.dist = config->dist,
		.front = config->front,
		.collect = config->collect,
		.memory = ff_config_job_memory(config),
		.addopts_read = config->addopts_read,
		.testrunuid = config->testrunuid,
		.shard = config->shard,
		.shards = config->shards,
		.known = config->known,
		.known_len = config->known_len,
		.repeat = config->repeat,
		.sequence = config->sequence.v,
		.sequence_apart = config->sequence_apart,
		.sequence_worker = config->sequence_worker,
		.sequence_workers = config->sequence_workers,
	};
	made.artifacts = expand_all(&m, &config->artifacts.paths);
	made.inputs = expand_all(&m, &config->fresh.inputs);
	made.outputs = expand_all(&m, &config->fresh.outputs);
	if (m.full || !made.name)
		return FF_ENOMEM;
	*instance = made;
	return 0;
}

/* 0: too many. */
static uint32_t count_units(const struct ff_config_job *config)
{
	int64_t count = config->count > 1 ? config->count : 1;

	if (count > FF_PLAN_INSTANCES_MAX)
		return 0;
	for (size_t i = 0; i < config->axes_len; i++) {
		size_t values = config->axes[i].values.len;

		if (!values || values > (size_t)(FF_PLAN_INSTANCES_MAX / count))
			return 0;
		count *= (int64_t)values;
	}
	return (uint32_t)count;
}

void ff_plan_count(struct ff_plan_job *job, struct ff_mistakes *problems)
{
	if (!job->payload->run || job->payload->discover)
		return;
	job->units_len = count_units(job->config);
	if (!job->units_len)
		ff_mistakes_add(problems, &job->config->place,
				"job '%s' has more than %d instances", job->config->name,
				FF_PLAN_INSTANCES_MAX);
}
