/* A job's units by number: the product of its matrix, times its count. The count turns fastest,
 * then the last axis. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/alloc.h"
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
		const struct ff_config_axis *axis = &config->axes[i];
		uint32_t len = ff_config_axis_len(axis);

		values->axes[i] = ff_config_axis_value(axis, index % len, values->number);
		values->again[i] = 0;
		if (axis->table && axis->column)
			continue; /* turns with the table's first */
		if (ff_config_axis_again(axis, index % len))
			values->again[i] = index % len + 1;
		index /= len;
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

/* Its arguments, or the shell's, behind nice(1). */
static void be_nice(struct maker *m, struct ff_payload_job *job)
{
	const char *const shell[] = {"/bin/sh", "-c", job->shell, NULL};
	const char *const *words = job->shell ? shell : (const char *const *)job->args;
	size_t len = 0;
	const char **all;
	char number[24];

	while (words && words[len])
		len++;
	all = ff_arena_alloc(m->arena, (len + 4) * sizeof(*all));
	snprintf(number, sizeof(number), "%lld", (long long)m->values.config->nice);
	m->full = m->full || !all || !words;
	if (m->full)
		return;
	all[0] = "nice";
	all[1] = "-n";
	all[2] = ff_arena_strdup(m->arena, number);
	memcpy(all + 3, words, (len + 1) * sizeof(*all));
	m->full = !all[2];
	job->args = (char *const *)(uintptr_t)all;
	job->shell = NULL;
	job->or_shell = false; /* nice is there */
}

/* A list with one word more. */
static char *const *with(struct maker *m, char *const *words, const char *word)
{
	size_t len = 0;
	char **all;

	while (words && words[len])
		len++;
	all = ff_arena_alloc(m->arena, (len + 2) * sizeof(*all));
	m->full = m->full || !all || !word;
	if (m->full)
		return words;
	if (len > 0)
		memcpy(all, words, len * sizeof(*all));
	all[len] = (char *)(uintptr_t)word;
	all[len + 1] = NULL;
	return all;
}

/* Each unit has a file of its own for what is measured, which is brought back; none of an earlier
 * run is. */
static void measure(struct maker *m, const struct ff_config_job *config, uint32_t index,
		    struct ff_plan_instance *made)
{
	static const char begin[] = "rm -f -- \"$COVERAGE_FILE\"; exec \"$@\"";
	const char *const shell[] = {"/bin/sh", "-c", made->job.shell, NULL};
	const char *const *words = made->job.shell ? shell : (const char *const *)made->job.args;
	const char *const first[] = {"/bin/sh", "-c", begin, "sh"};
	char *file = ff_xasprintf(FF_PLAN_COVERAGE ".%s.%u", config->name, index + 1);
	char *variable = ff_xasprintf("COVERAGE_FILE=%s", file);
	char *const *all = NULL;

	made->artifacts = with(m, made->artifacts, ff_arena_strdup(m->arena, file));
	made->job.env = with(m, made->job.env, ff_arena_strdup(m->arena, variable));
	ff_free(variable);
	ff_free(file);
	if (config->coverage_goes_on)
		return;
	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		all = with(m, all, first[i]);
	for (; words && *words; words++)
		all = with(m, all, *words);
	made->job.args = all;
	made->job.shell = NULL;
}

enum {
	VALUE_MAX = 120, /* bytes of a row's value in a unit's name; of longer ones so many stay: */
	VALUE_KEPT = 96,
};

/* A line of a file may be long, and names are everywhere: its beginning, and what tells it from
 * others. */
static int add_value(const struct ff_config_axis *axis, const char *value, struct ff_buf *name)
{
	size_t len = strlen(value), kept = VALUE_KEPT;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (!axis->table || len <= VALUE_MAX)
		return ff_buf_add(name, value, len);
	while (kept && ((unsigned char)value[kept] & 0xc0) == 0x80)
		kept--;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)value[i]) * UINT64_C(0x100000001b3);
	return ff_buf_addf(name, "%.*s~%016" PRIx64, (int)kept, value, hash);
}

/* "bench", "bench[3]", "bench[size=10,os=b]", "bench[size=10,index=3]"; "bench[size=10,row=7]": row
 * 7 is equal to an earlier one. */
static int add_name(const struct ff_plan_values *values, struct ff_buf *name)
{
	const struct ff_config_job *config = values->config;
	const char *separator = "[";
	int rc = ff_buf_addstr(name, config->name);

	for (size_t i = 0; i < config->axes_len && !rc; i++) {
		if (!values->axes[i])
			continue;
		rc = ff_buf_addf(name, "%s%s=", separator, config->axes[i].name);
		if (!rc)
			rc = add_value(&config->axes[i], values->axes[i], name);
		separator = ",";
	}
	for (size_t i = 0; i < config->axes_len && !rc; i++) {
		if (!values->again[i])
			continue;
		rc = ff_buf_addf(name, "%srow=%" PRIu32, separator, values->again[i]);
		separator = ",";
	}
	if (config->count > 1 && !rc)
		rc = ff_buf_addf(name, "%s%s%s", separator, config->axes_len ? "index=" : "",
				 values->index);
	if (config->count > 1)
		separator = ",";
	if (*separator == ',' && !rc)
		rc = ff_buf_addch(name, ']');
	return rc;
}

int ff_plan_unit_name(const struct ff_plan_job *job, uint32_t index, struct ff_buf *name)
{
	const struct ff_plan_source *source = job->config->source;
	struct ff_plan_values values;

	if (source)
		return source->name(source, index, name);
	ff_plan_choose(&values, job->config, index);
	return add_name(&values, name);
}

struct ff_config_job ff_plan_step_job(const struct ff_config_job *config, size_t step)
{
	const struct ff_config_job *own = &config->steps[step];
	struct ff_config_job job = *config;

	job.shell = own->shell;
	job.args = own->args;
	job.cwd = own->cwd;
	job.env = own->env;
	job.timeout_us = own->timeout_us;
	job.run_place = own->run_place.line ? own->run_place : own->place;
	return job;
}

/* Values are those of job->config, the command is `config`'s. */
static int make(const struct ff_plan_job *job, const struct ff_config_job *config, uint32_t index,
		uint32_t slot, struct ff_arena *arena, struct ff_plan_instance *instance)
{
	struct maker m = {.arena = arena};
	struct ff_buf name = FF_BUF_INIT;
	struct ff_plan_instance made = {0};

	ff_plan_choose(&m.values, config, config->source ? 0 : index);
	if (!ff_plan_unit_name(job, index, &name))
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
	made.sent = expand_all(&m, &config->inputs.paths);
	if (config->source && config->source->files && !m.full) {
		made.sent = config->source->files(config->source, index, slot, false, arena);
		made.artifacts = config->source->files(config->source, index, slot, true, arena);
		m.full = !made.sent || !made.artifacts;
	}
	made.inputs = expand_all(&m, &config->fresh.inputs);
	made.outputs = expand_all(&m, &config->fresh.outputs);
	if (config->coverage && !m.full)
		measure(&m, config, index, &made);
	if (!m.full && config->source)
		m.full = config->source->make(config->source, index, slot, arena, &made.job) != 0;
	if (config->nice && !m.full)
		be_nice(&m, &made.job);
	if (m.full || !made.name)
		return FF_ENOMEM;
	*instance = made;
	return 0;
}

int ff_plan_step(const struct ff_plan_job *job, uint32_t index, uint32_t step,
		 struct ff_arena *arena, struct ff_plan_instance *instance)
{
	struct ff_config_job config = ff_plan_step_job(job->config, step);

	config.coverage_goes_on = step > 0;
	return make(job, &config, index, 0, arena, instance);
}

int ff_plan_instance_at(const struct ff_plan_job *job, uint32_t index, uint32_t slot,
			struct ff_arena *arena, struct ff_plan_instance *instance)
{
	if (job->config->steps_len)
		return ff_plan_step(job, index, 0, arena, instance);
	return make(job, job->config, index, slot, arena, instance);
}

int ff_plan_instance(const struct ff_plan_job *job, uint32_t index, struct ff_arena *arena,
		     struct ff_plan_instance *instance)
{
	return ff_plan_instance_at(job, index, 0, arena, instance);
}

int ff_plan_env(const struct ff_plan_job *job, struct ff_strv *env)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct maker m = {.arena = &arena};
	char *const *entries;
	int rc;

	ff_plan_choose(&m.values, job->config, 0);
	entries = expand_all(&m, &job->config->env);
	rc = m.full ? FF_ENOMEM : ff_strv_add_all(env, entries);
	ff_arena_release(&arena);
	return rc;
}

/* 0: too many. */
static uint32_t count_units(const struct ff_config_job *config)
{
	int64_t count = config->count > 1 ? config->count : 1;

	if (count > FF_PLAN_INSTANCES_MAX)
		return 0;
	for (size_t i = 0; i < config->axes_len; i++) {
		size_t values = ff_config_axis_len(&config->axes[i]);

		if (config->axes[i].table && config->axes[i].column)
			continue;
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
	job->units_len = job->config->source ? job->config->source->len : count_units(job->config);
	if (!job->units_len && !(job->config->source && job->config->source->open))
		ff_mistakes_add(problems, &job->config->place,
				"job '%s' has more than %d instances", job->config->name,
				FF_PLAN_INSTANCES_MAX);
}
