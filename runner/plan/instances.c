/* A job's instances: the product of its matrix, times its count, with {axis} and {index} replaced.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "plan/private.h"

/* One instance that is being made. */
struct maker {
	struct ff_plan *plan;
	const struct ff_config_job *config;
	size_t *values; /* for each axis the index of its value */
	size_t index;	/* 1 ... count */
	char index_text[24];
	bool full; /* the plan takes no more */
};

static const char *value_of(const struct maker *m, const char *name, size_t len)
{
	for (size_t i = 0; i < m->config->axes_len; i++) {
		const struct ff_config_axis *axis = &m->config->axes[i];

		if (strlen(axis->name) == len && !memcmp(axis->name, name, len))
			return axis->values.v[m->values[i]];
	}
	return m->config->count > 1 && len == 5 && !memcmp(name, "index", 5) ? m->index_text : NULL;
}

/* "{size}" becomes the value if there is such an axis; any other brace stays, as commands are full
 * of them. The text itself where nothing is replaced. */
static const char *expand(struct maker *m, const char *text)
{
	struct ff_buf out = FF_BUF_INIT;
	const char *done = text, *copy = text;

	for (const char *open = text ? strchr(text, '{') : NULL; open; open = strchr(open, '{')) {
		size_t len = strcspn(++open, "{}");
		const char *value = open[len] == '}' ? value_of(m, open, len) : NULL;

		/* "${size}" is the shell's. */
		if (!value || (open - 1 > text && open[-2] == '$'))
			continue;
		ff_buf_add(&out, done, (size_t)(open - 1 - done));
		ff_buf_addstr(&out, value);
		done = open + len + 1;
	}
	if (done != text) {
		ff_buf_addstr(&out, done);
		copy = ff_arena_copy(&m->plan->arena, ff_buf_data(&out), out.len);
		m->full = m->full || !copy;
	}
	ff_buf_release(&out);
	return copy;
}

/* The vector itself where nothing is replaced; never NULL. */
static char *const *expand_all(struct maker *m, const struct ff_strv *strv)
{
	static char *const none[] = {NULL};
	char **copy = NULL;

	for (size_t i = 0; i < strv->len; i++) {
		const char *text = expand(m, strv->v[i]);

		if (text == strv->v[i])
			continue;
		if (!copy) {
			copy = ff_arena_alloc(&m->plan->arena, (strv->len + 1) * sizeof(*copy));
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
static char *name_instance(struct maker *m)
{
	const struct ff_config_job *config = m->config;
	struct ff_buf name = FF_BUF_INIT;
	const char *separator = "[";
	char *copy;

	ff_buf_addstr(&name, config->name);
	for (size_t i = 0; i < config->axes_len; i++) {
		const struct ff_config_axis *axis = &config->axes[i];

		ff_buf_addf(&name, "%s%s=%s", separator, axis->name, axis->values.v[m->values[i]]);
		separator = ",";
	}
	if (config->count > 1)
		ff_buf_addf(&name, "%s%s%s", separator, config->axes_len ? "index=" : "",
			    m->index_text);
	if (config->axes_len || config->count > 1)
		ff_buf_addch(&name, ']');
	copy = ff_arena_copy(&m->plan->arena, ff_buf_data(&name), name.len);
	m->full = m->full || !copy;
	ff_buf_release(&name);
	return copy;
}

static void make_instance(struct maker *m, struct ff_plan_instance *instance)
{
	const struct ff_config_job *config = m->config;

	snprintf(m->index_text, sizeof(m->index_text), "%zu", m->index);
	instance->name = name_instance(m);
	instance->job = (struct ff_payload_job){
		.name = config->name,
		.args = config->shell ? NULL : expand_all(m, &config->args),
		.shell = expand(m, config->shell),
		.cwd = expand(m, config->cwd),
		.env = expand_all(m, &config->env),
		.stdin_text = expand(m, config->stdin_text),
		.timeout_us = config->timeout_us,
		.grace_us = config->grace_us,
		.dist = config->dist,
	};
}

/* 0: too many. */
static size_t count_instances(const struct ff_config_job *config)
{
	size_t count = config->count > 1 ? (size_t)config->count : 1;

	if (count > FF_PLAN_INSTANCES_MAX)
		return 0;
	for (size_t i = 0; i < config->axes_len; i++) {
		size_t values = config->axes[i].values.len;

		if (!values || values > FF_PLAN_INSTANCES_MAX / count)
			return 0;
		count *= values;
	}
	return count;
}

/* To the next combination: the count turns fastest, then the last axis. */
static void advance(struct maker *m)
{
	if (m->config->count > 1 && m->index++ < (size_t)m->config->count)
		return;
	m->index = 1;
	for (size_t i = m->config->axes_len; i-- > 0;) {
		if (++m->values[i] < m->config->axes[i].values.len)
			return;
		m->values[i] = 0;
	}
}

void ff_plan_instances(struct ff_plan *plan, struct ff_plan_job *job, struct ff_problems *problems)
{
	struct maker m = {.plan = plan, .config = job->config, .index = 1};
	size_t count = count_instances(job->config);

	if (count)
		job->instances = ff_arena_alloc(&plan->arena, count * sizeof(*job->instances));
	if (!count || !job->instances) {
		ff_problems_add(problems, &job->config->place,
				"job '%s' has more than %d instances", job->config->name,
				FF_PLAN_INSTANCES_MAX);
		return;
	}
	m.values = ff_xcalloc(job->config->axes_len + 1, sizeof(*m.values));
	for (size_t i = 0; i < count && !m.full; i++) {
		make_instance(&m, &job->instances[i]);
		advance(&m);
	}
	ff_free(m.values);
	if (m.full)
		ff_problems_add(problems, &job->config->place,
				"the instances of job '%s' take too much memory",
				job->config->name);
	else
		job->instances_len = count;
}
