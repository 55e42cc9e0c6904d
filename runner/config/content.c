/* What a job's units are, as one text: the same text, the same work. */
#include <inttypes.h>
#include <string.h>

#include "config/content.h"
#include "config/options.h"

/* Keys that say where, when, how often or for how long units run, not what they do. A key that is
 * not in this list counts: better something is run once more than taken for done. */
static bool only_how(const char *key)
{
	static const char *const keys[] = {
		"dist",
		"front",
		"collect",
		"strict_collection",
		"template",
		"maxschedchunk",
		"scope_reorder",
		"on",
		"needs",
		"when",
		"priority",
		"weight",
		"slots",
		"uses",
		"exclusive",
		"nice",
		"cpu",
		"memory",
		"timeout",
		"timeout_floor",
		"timeout_default",
		"grace",
		"session_timeout",
		"retries",
		"retry_on",
		"retry_delay",
		"results",
		"up_to_date",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

bool ff_config_content_knows(const struct ff_config_option *option)
{
	switch (option->type) {
	case FF_TYPE_TEXT:
	case FF_TYPE_NUMBER:
	case FF_TYPE_NUMBER_OR_ALL:
	case FF_TYPE_NUMBER_TEXT:
	case FF_TYPE_BOOLEAN:
	case FF_TYPE_DURATION:
	case FF_TYPE_SIZE:
	case FF_TYPE_CHOICE:
	case FF_TYPE_PATH:
	case FF_TYPE_FOLDER:
	case FF_TYPE_TEXTS:
	case FF_TYPE_ENV:
	case FF_TYPE_WORDS:
		return option->stored || only_how(option->key);
	case FF_TYPE_COMMAND: /* args and shell */
	case FF_TYPE_MATRIX:  /* axes */
	case FF_TYPE_FOREACH:
	case FF_TYPE_STEPS:
	case FF_TYPE_VARS:
	case FF_TYPE_SECTION: /* artifacts, inputs */
		return option->type != FF_TYPE_SECTION || only_how(option->key) ||
		       !strcmp(option->key, "artifacts") || !strcmp(option->key, "inputs") ||
		       !strcmp(option->key, "coverage");
	default:
		return only_how(option->key);
	}
}

/* With its length: no two lists of texts read alike. */
static void add_text(struct ff_buf *out, const char *text)
{
	if (text)
		ff_buf_addf(out, "%zu:%s,", strlen(text), text);
	else
		ff_buf_addch(out, '-');
}

static void add_texts(struct ff_buf *out, const struct ff_strv *texts)
{
	ff_buf_addf(out, "[%zu ", texts->len);
	for (size_t i = 0; i < texts->len; i++)
		add_text(out, texts->v[i]);
	ff_buf_addch(out, ']');
}

bool ff_config_pytest_only_shows(const char *word)
{
	static const char *const whole[] = {"--verbose",	  "--quiet",	  "--exitfirst",
					    "--showlocals",	  "--no-header",  "--no-showlocals",
					    "--disable-warnings", "--no-summary", "--full-trace",
					    "--no-fold-skipped"};
	static const char *const valued[] = {"--tb=",		"--maxfail=",	    "--color=",
					     "--durations=",	"--durations-min=", "--verbosity=",
					     "--show-capture=", "--code-highlight="};
	size_t len;

	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		if (strcmp(word, whole[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(valued) / sizeof(*valued); i++)
		if (strncmp(word, valued[i], strlen(valued[i])) == 0)
			return true;
	if (word[0] != '-' || !word[1] || word[1] == '-')
		return false;
	if (word[1] == 'r')
		return word[2] && !word[2 + strspn(word + 2, "fEsxXpPwaAN")];
	len = strspn(word + 1, "vqxl");
	return word[1 + len] == '\0';
}

/* In which order a seed puts tests is told by what is collected. */
static bool counts(const struct ff_config_job *job, const char *word)
{
	return strcmp(job->payload, "pytest") != 0 ||
	       !(ff_config_pytest_only_shows(word) || strncmp(word, "--randomly-seed=", 16) == 0);
}

static void add_args(struct ff_buf *out, const struct ff_config_job *job)
{
	size_t left = 0;

	for (size_t i = 0; i < job->args.len; i++)
		left += counts(job, job->args.v[i]);
	ff_buf_addf(out, "[%zu ", left);
	for (size_t i = 0; i < job->args.len; i++)
		if (counts(job, job->args.v[i]))
			add_text(out, job->args.v[i]);
	ff_buf_addch(out, ']');
}

static void add_value(struct ff_buf *out, const struct ff_config_option *option, const void *at)
{
	switch (option->type) {
	case FF_TYPE_TEXTS:
	case FF_TYPE_ENV:
	case FF_TYPE_WORDS:
		add_texts(out, at);
		break;
	case FF_TYPE_NUMBER:
	case FF_TYPE_NUMBER_OR_ALL:
	case FF_TYPE_DURATION:
	case FF_TYPE_SIZE:
		ff_buf_addf(out, "%" PRId64 ",", *(const int64_t *)at);
		break;
	case FF_TYPE_BOOLEAN:
		ff_buf_addch(out, *(const bool *)at ? 'y' : 'n');
		break;
	case FF_TYPE_TEXT:
	case FF_TYPE_CHOICE:
	case FF_TYPE_NUMBER_TEXT:
	case FF_TYPE_PATH:
	case FF_TYPE_FOLDER:
		add_text(out, *(char *const *)at);
		break;
	default: /* added below, by what becomes of it */
		break;
	}
}

static bool has_brace(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (text = text ? strchr(text, '{') : NULL; text; text = strchr(text + 1, '{'))
		if (!strncmp(text + 1, name, len))
			return true;
	return false;
}

static bool uses_var(const struct ff_config_job *job, const char *name)
{
	const struct ff_strv *lists[] = {&job->args, &job->env};

	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < lists[i]->len; j++)
			if (has_brace(lists[i]->v[j], name))
				return true;
	for (size_t i = 0; i < job->steps_len; i++)
		if (uses_var(&job->steps[i], name))
			return true;
	return has_brace(job->shell, name) || has_brace(job->cwd, name) ||
	       has_brace(job->stdin_text, name);
}

/* Of a secret where it is from: what it is may change from day to day. */
static void add_vars(struct ff_buf *out, const struct ff_config_job *job)
{
	for (size_t i = 0; i < job->vars_len; i++) {
		const struct ff_config_var *var = &job->vars[i];

		if (!uses_var(job, var->name))
			continue;
		add_text(out, var->name);
		add_text(out, var->secret ? var->secret->from : var->value);
	}
}

static void add_axes(struct ff_buf *out, const struct ff_config_job *job)
{
	for (size_t i = 0; i < job->axes_len; i++) {
		const struct ff_config_axis *axis = &job->axes[i];
		uint32_t len = ff_config_axis_len(axis);

		add_text(out, axis->name);
		ff_buf_addf(out, "[%" PRIu32 " ", len);
		for (uint32_t n = 0; n < len; n++) {
			char room[FF_CONFIG_NUMBER_MAX];

			add_text(out, ff_config_axis_value(axis, n, room));
		}
		ff_buf_addch(out, ']');
	}
}

static void add_steps(struct ff_buf *out, const struct ff_config_job *job)
{
	for (size_t i = 0; i < job->steps_len; i++) {
		const struct ff_config_job *step = &job->steps[i];

		add_text(out, step->name);
		add_text(out, step->shell);
		add_texts(out, &step->args);
		add_text(out, step->cwd);
		add_text(out, step->when);
		add_texts(out, &step->env);
	}
}

void ff_config_job_content(const struct ff_config_job *job, struct ff_buf *out)
{
	add_text(out, job->payload);
	add_text(out, job->shell);
	add_args(out, job);
	add_axes(out, job);
	add_steps(out, job);
	add_texts(out, &job->artifacts.paths);
	add_text(out, job->artifacts.when);
	if (job->inputs.paths.len)
		add_texts(out, &job->inputs.paths);
	for (const struct ff_config_option *o = ff_config_options; o->key; o++) {
		if (o->section != FF_SECTION_JOB || !o->stored || only_how(o->key) ||
		    o->type == FF_TYPE_WORDS) /* the payload's words are args */
			continue;
		add_text(out, o->key);
		add_value(out, o, (const char *)job + o->offset);
	}
	add_vars(out, job);
	add_texts(out, &job->sequence);
	ff_buf_addf(out, "%u/%u %" PRId64, job->shard, job->shards, job->repeat);
}
