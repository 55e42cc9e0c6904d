/* What can be said of a job's texts before anything runs: placeholders that are none, values that
 * can't be quoted where they stand, lists that were meant as shell text. */
#include <string.h>

#include "plan/private.h"
#include "plan/shell.h"

struct checker {
	const struct ff_config_job *config;
	struct ff_mistakes *problems, *hints;
	const char *key; /* of the text */
	const struct ff_place *place;
	struct ff_plan_values values; /* of the first unit */
};

static void complain_brace(const struct checker *c, const struct ff_brace *brace, const char *at)
{
	char hint[FF_SUGGEST_TEXT_MAX];
	const char *job = c->config->name, *name = brace->name;
	int len = (int)brace->len, name_len = (int)brace->name_len;
	bool unknown = brace->axis == SIZE_MAX && !brace->var;

	ff_plan_brace_hint(c->config, brace, hint);
	if (unknown && !strncmp(at, "{index}", brace->len))
		ff_mistakes_add(c->problems, c->place,
				"job '%s': '%s' has {index}, but there is no 'count'; {{index}} "
				"stands for the text itself",
				job, c->key);
	else if (unknown)
		ff_mistakes_add(c->problems, c->place,
				"job '%s': '%s' has %.*s, which is nothing; did you mean %s? "
				"({%.*s} stands for the text itself)",
				job, c->key, len, at, hint, len, at);
	else if (name[name_len] == ':')
		ff_mistakes_add(c->problems, c->place,
				"job '%s': '%s' has %.*s: there is {%.*s}, and {%.*s:raw} for a "
				"value that is not quoted; {%.*s} stands for the text itself",
				job, c->key, len, at, name_len, name, name_len, name, len, at);
	else
		ff_mistakes_add(c->problems, c->place,
				"job '%s': '%s' has %.*s, which is written {%.*s}", job, c->key,
				len, at, name_len, name);
}

/* What is on a command line, all of its machine can read. */
static bool may_be_secret(const struct checker *c)
{
	return !strcmp(c->key, "env") || !strcmp(c->key, "stdin");
}

static void check_secret(const struct checker *c, const struct ff_brace *brace)
{
	bool used = brace->kind == FF_BRACE_VALUE || brace->kind == FF_BRACE_RAW;

	if (used && brace->var && brace->var->secret && !may_be_secret(c))
		ff_mistakes_add(c->problems, c->place,
				"job '%s': '%s' has {%s}, a secret, which all could see there: put "
				"it in 'env' or 'stdin'",
				c->config->name, c->key, brace->var->name);
}

static bool check_value(const struct checker *c, const struct ff_shell *shell, const char *name,
			const char *value)
{
	if (ff_shell_fits(shell, value))
		return true;
	if (ff_shell_place(shell) == FF_SHELL_NOWHERE)
		ff_mistakes_add(c->problems, c->place,
				"job '%s': the value '%s' of {%s} can't be quoted where it "
				"stands in '%s' (in $((...)), ${...}, `...` or $'...'); "
				"{%s:raw} puts it there as it is",
				c->config->name, value, name, c->key, name);
	else
		ff_mistakes_add(c->problems, c->place,
				"job '%s': the value '%s' of {%s} would end the here "
				"document that it stands in",
				c->config->name, value, name);
	return false;
}

/* Whether all values of the placeholder can stand where the shell is. */
static void check_values(const struct checker *c, const struct ff_shell *shell,
			 const struct ff_brace *brace)
{
	const struct ff_config_axis *axis;

	if (brace->var && brace->var->secret)
		return;
	if (brace->var) {
		check_value(c, shell, brace->var->name, ff_config_var_value(brace->var));
		return;
	}
	axis = brace->axis < c->config->axes_len ? &c->config->axes[brace->axis] : NULL;
	if (!axis || axis->range) /* a number */
		return;
	for (uint32_t i = 0; i < ff_config_axis_len(axis); i++) {
		char room[FF_CONFIG_NUMBER_MAX];
		const char *value = ff_config_axis_value(axis, i, room);

		if (value && !check_value(c, shell, axis->name, value))
			return;
	}
}

/* The same way through the text as ff_plan_expand's, with the first unit's values. */
static void check_text(const struct checker *c, const char *text, bool is_shell)
{
	struct ff_shell shell = {.depth = 0};
	struct ff_buf scratch = FF_BUF_INIT;
	const char *at = text, *done = text;

	while ((at = strchr(at, '{'))) {
		struct ff_brace brace = ff_plan_brace(c->config, text, at);
		enum ff_shell_place place;

		ff_shell_feed(&shell, done, (size_t)(at - done) - brace.dollar);
		place = ff_shell_place(&shell);
		done = at + brace.len;
		check_secret(c, &brace);
		if (is_shell && (place == FF_SHELL_ESCAPED || place == FF_SHELL_COMMENT) &&
		    brace.kind != FF_BRACE_RAW) {
			ff_shell_feed(&shell, at, brace.len);
		} else if (brace.kind == FF_BRACE_WRONG) {
			complain_brace(c, &brace, at);
			ff_shell_feed(&shell, at, brace.len);
		} else if (brace.kind == FF_BRACE_VALUE && is_shell) {
			check_values(c, &shell, &brace);
			ff_shell_put(&shell, ff_plan_value(&c->values, &brace), *done, &scratch);
		} else if (brace.kind == FF_BRACE_RAW) {
			const char *value = ff_plan_value(&c->values, &brace);

			ff_shell_feed(&shell, value, strlen(value));
		} else {
			ff_shell_feed(&shell, at, brace.len);
		}
		at = done;
	}
	ff_buf_release(&scratch);
}

static const struct ff_place *or_job(const struct ff_place *place,
				     const struct ff_config_job *config)
{
	return place->line ? place : &config->place;
}

static void check_patterns(struct checker *c, const char *key, const struct ff_strv *patterns,
			   const struct ff_place *places)
{
	c->key = key;
	for (size_t i = 0; i < patterns->len; i++) {
		c->place = places ? &places[i] : &c->config->place;
		check_text(c, patterns->v[i], false);
	}
}

static void check_braces(struct checker *c)
{
	const struct ff_config_job *config = c->config;

	if (!ff_plan_has_braces(config))
		return;
	ff_plan_choose(&c->values, config, 0);
	c->key = config->payload;
	c->place = config->run_place.line ? &config->run_place : &config->place;
	if (config->shell)
		check_text(c, config->shell, true);
	for (size_t i = 0; i < config->args.len; i++)
		check_text(c, config->args.v[i], false);
	c->place = or_job(&config->cwd_place, config);
	c->key = "cwd";
	if (config->cwd)
		check_text(c, config->cwd, false);
	c->place = or_job(&config->stdin_place, config);
	c->key = "stdin";
	if (config->stdin_text)
		check_text(c, config->stdin_text, false);
	c->place = or_job(&config->env_place, config);
	c->key = "env";
	for (size_t i = 0; i < config->env.len; i++)
		check_text(c, config->env.v[i], false);
	check_patterns(c, "artifacts", &config->artifacts.paths, config->artifacts.places);
	check_patterns(c, "inputs", &config->inputs.paths, config->inputs.places);
	check_patterns(c, "inputs", &config->fresh.inputs, config->fresh.inputs_places);
	check_patterns(c, "outputs", &config->fresh.outputs, config->fresh.outputs_places);
}

/* --- a list is the words of one command --- */

static bool is_operator(const char *word)
{
	static const char *const words[] = {"&&", "||", "|", "&", ">", ">>", "<", "2>&1", "2>"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(word, words[i]))
			return true;
	return false;
}

/* Programs to which "<" and "|" are arguments of their own. */
static bool takes_operators(const char *program)
{
	return !strcmp(program, "test") || !strcmp(program, "[") || !strcmp(program, "expr");
}

/* The word of the list that looks as if a shell were to read it; NULL: none. */
static const char *find_shell_word(const struct ff_strv *args)
{
	const char *slash = strrchr(args->v[0], '/');
	const char *program = slash ? slash + 1 : args->v[0];
	size_t len = strlen(program);

	for (size_t i = 1; i < args->len; i++) {
		const char *word = args->v[i];

		if (is_operator(word) && !takes_operators(program))
			return word;
		/* Behind an option, "sh -c 'sh x'", it is that option's. */
		if (len && !strncmp(word, program, len) && word[len] == ' ' &&
		    (i == 1 || *args->v[i - 1] != '-'))
			return word;
	}
	return NULL;
}

static void check_argv(const struct checker *c)
{
	const struct ff_config_job *config = c->config;
	const struct ff_place *place = config->run_place.line ? &config->run_place : &config->place;
	const char *program = config->args.v[0], *word;

	bool path = strchr(program, '/') != NULL;

	if (strpbrk(program, " \t\n") && !strchr(program, '{')) {
		/* A path may have blanks; a name that is looked up in PATH hardly. */
		if (path && config->args.len > 1)
			return;
		ff_mistakes_add(path ? c->hints : c->problems, place,
				"%sjob '%s': the program is called '%s', blanks included: a list "
				"holds the words of one command, a text is what the shell runs",
				path ? "hint: " : "", config->name, program);
		return;
	}
	word = find_shell_word(&config->args);
	if (word)
		ff_mistakes_add(
			c->hints, place,
			"hint: job '%s': '%s' is an argument of '%s' here: a list holds the "
			"words of one command, a text is what the shell runs",
			config->name, word, program);
}

void ff_plan_check_braces(const struct ff_config_job *config, struct ff_mistakes *problems)
{
	struct checker c = {.config = config, .problems = problems};

	check_braces(&c);
}

void ff_plan_check_texts(const struct ff_config_job *config, struct ff_mistakes *problems,
			 struct ff_mistakes *hints)
{
	struct checker c = {.config = config, .problems = problems, .hints = hints};

	check_braces(&c);
	if (!config->shell && config->args.len)
		check_argv(&c);
}
