/* Which jobs can be cut into shards, and by what. */
#include "cli/shard.h"

#include <string.h>

#include "base/alloc.h"

int ff_shard_parse(const char *text, uint32_t *shard, uint32_t *shards, struct ff_err *err)
{
	const char *slash = strchr(text, '/');
	char *first = ff_xstrndup(text, slash ? (size_t)(slash - text) : strlen(text));
	int64_t number = 0, of = 0;
	bool ok = slash && !ff_config_number(slash + 1, 1, FF_SHARDS_MAX, &of) &&
		  !ff_config_number(first, 1, of, &number);

	ff_free(first);
	if (!ok)
		return ff_err_set(err, FF_ECONFIG,
				  "--shard wants K/N, the K-th of N parts (1 <= K <= N <= %d), got "
				  "'%.100s'\n",
				  FF_SHARDS_MAX, text);
	*shard = (uint32_t)number;
	*shards = (uint32_t)of;
	return 0;
}

static int mark(struct ff_config *config, struct ff_config_job *job, struct ff_err *err)
{
	if (strcmp(job->payload, "pytest") != 0)
		return ff_err_set(err, FF_ECONFIG,
				  "--shard: job '%s' is no pytest job, and only these have tests "
				  "to share out\n",
				  job->name);
	if (job->needs.len > 0)
		return ff_err_set(err, FF_ECONFIG,
				  "--shard: job '%s' needs '%s', of which another shard runs a "
				  "part: leave out `needs`, or choose jobs by --job\n",
				  job->name, job->needs.v[0]);
	if (job->dist && strcmp(job->dist, "each") == 0)
		return ff_err_set(err, FF_ECONFIG,
				  "--shard: job '%s' has dist 'each', where each worker runs all "
				  "tests\n",
				  job->name);
	if (job->collect && strcmp(job->collect, "shard") == 0)
		return ff_err_set(err, FF_ECONFIG,
				  "--shard: job '%s' has collect 'shard', but which tests are a "
				  "shard's is known when all are collected: it wants 'every'\n",
				  job->name);
	job->collect = ff_arena_strdup(&config->arena, "every");
	return job->collect ? 0 : FF_ENOMEM;
}

static bool is_planned(const struct ff_plan *plan, const struct ff_config_job *job)
{
	for (size_t i = 0; i < plan->len; i++)
		if (plan->jobs[i].config == job)
			return true;
	return false;
}

int ff_shard_mark(struct ff_config *config, const struct ff_plan *plan, const char *text,
		  struct ff_err *err)
{
	uint32_t shard = 0, shards = 0;
	int rc = ff_shard_parse(text, &shard, &shards, err);

	for (size_t i = 0; !rc && i < plan->len; i++)
		if (plan->jobs[i].only_host)
			rc = ff_err_set(err, FF_ECONFIG,
					"--shard: job '%s' is run whole on each host "
					"('each_host')\n",
					plan->jobs[i].config->name);
	for (size_t i = 0; !rc && i < config->jobs_len; i++) {
		if (!is_planned(plan, &config->jobs[i]))
			continue;
		rc = mark(config, &config->jobs[i], err);
		config->jobs[i].shard = shard;
		config->jobs[i].shards = shards;
	}
	return rc;
}

void ff_shard_tell(struct ff_config *config, const struct ff_expect *expect)
{
	struct ff_buf known = FF_BUF_INIT;
	const void *kept = NULL;

	ff_expect_known(expect, "pytest", &known);
	if (known.len > 0)
		kept = ff_arena_copy(&config->arena, ff_buf_data(&known), known.len);
	for (size_t i = 0; kept && i < config->jobs_len; i++) {
		config->jobs[i].known = kept;
		config->jobs[i].known_len = known.len;
	}
	ff_buf_release(&known);
}
