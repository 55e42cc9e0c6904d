/* What is not to be spread: a debugger needs the terminal, and what only shows something is shown
 * once. farflung becomes that pytest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/pytest.h"
#include "dispatch/dispatch.h"
#include "plan/plan.h"

enum { PYTEST_USAGE_ERROR = 4 };

/* Words of pytest; `shows`: it runs no test. */
static const struct {
	const char *word;
	bool shows, after_only; /* before "--" it is ours */
} plain_words[] = {
	{"--pdb", false, false},
	{"--trace", false, false},
	{"--version", true, false},
	{"-V", true, false},
	{"--fixtures", true, false},
	{"--funcargs", true, false},
	{"--markers", true, false},
	{"--fixtures-per-test", true, false},
	{"--cache-show", true, false},
	{"--setup-plan", true, false},
	{"--setup-only", false, false},
	{"--setuponly", false, false},
	{"--setupplan", true, false},
	{"--help", true, true},
	{"-h", true, true},
	{"--collect-only", true, false},
	{"--co", true, false},
	{"--collectonly", true, false},
};

static size_t plain_word(const char *word, bool after)
{
	size_t i, len = strncmp(word, "--", 2) ? strlen(word) : strcspn(word, "=");

	for (i = 0; i < sizeof(plain_words) / sizeof(*plain_words); i++)
		if (strlen(plain_words[i].word) == len &&
		    !strncmp(plain_words[i].word, word, len) &&
		    (after || !plain_words[i].after_only))
			break;
	return i;
}

const char *ff_pytest_is_plain(const struct ff_strv *args, size_t after)
{
	for (size_t i = 0; i < args->len; i++) {
		size_t found = plain_word(args->v[i], i + after >= args->len);

		if (found < sizeof(plain_words) / sizeof(*plain_words))
			return plain_words[found].word;
	}
	return NULL;
}

static bool only_shows(const char *because)
{
	return plain_words[plain_word(because, true)].shows;
}

/* --- the interpreter --- */

static int read_all(const char *shell, struct ff_buf *out)
{
	FILE *pipe = popen(shell, "re");
	char bytes[4096];
	size_t n;

	if (!pipe)
		return -1;
	while ((n = fread(bytes, 1, sizeof(bytes), pipe)) > 0)
		ff_buf_add(out, bytes, n);
	pclose(pipe);
	return 0;
}

bool ff_pytest_interpreter(const char *given, struct ff_strv *words)
{
	const struct ff_payload_probe *probe = ff_payload_find("pytest")->probe;
	struct ff_buf printed = FF_BUF_INIT, note = FF_BUF_INIT;
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_xspec spec = {0};
	struct ff_fact *facts = NULL;
	struct ff_err err = {0};
	const char *shell, *python = given ? given : "python3";
	size_t len = 0;
	int rc = ff_xspec_parse(&spec, "popen", &err);

	if (!rc && given)
		rc = ff_xspec_set(&spec, "python", given);
	if (!rc && probe->command(&spec, &arena, &shell) == 0) {
		rc = read_all(shell, &printed);
		if (!rc)
			rc = probe->read((const char *)ff_buf_data(&printed), printed.len, &arena,
					 &facts, &len, &note, &err);
	}
	for (size_t i = 0; !rc && i < len; i++)
		if (strcmp(facts[i].key, "python") == 0)
			python = facts[i].value;
	if (rc)
		ff_complain("pytest: %s", err.text);
	else
		rc = ff_strv_split(words, python, &err);
	ff_xspec_release(&spec);
	ff_buf_release(&printed);
	ff_buf_release(&note);
	ff_arena_release(&arena);
	return rc == 0;
}

/* --- what it is started with --- */

static void add_own(const struct options *o, struct ff_strv *argv)
{
	for (int i = 0; i < o->verbose; i++)
		ff_strv_add(argv, "-v");
	for (int i = 0; i < o->quiet; i++)
		ff_strv_add(argv, "-q");
	if (o->maxfail)
		ff_strv_addf(argv, "--maxfail=%s", o->maxfail);
	if (o->color && strcmp(o->color, "auto") != 0)
		ff_strv_addf(argv, "--color=%s", strcmp(o->color, "never") ? "yes" : "no");
	if (o->junit_prefix)
		ff_strv_addf(argv, "--junit-prefix=%s", o->junit_prefix);
	for (size_t i = 0; i + 1 < o->reports.len; i += 2)
		if (strcmp(o->reports.v[i], "junit") == 0)
			ff_strv_addf(argv, "--junitxml=%s", o->reports.v[i + 1]);
}

static void complain_of_others(const struct options *o, const char *because)
{
	if (o->shard)
		ff_complain("pytest: --shard has no effect with %s", because);
	if (o->retry_on)
		ff_complain("pytest: --retry-on has no effect with %s", because);
	if (o->retry_delay)
		ff_complain("pytest: --retry-delay has no effect with %s", because);
	if (o->flaky)
		ff_complain("pytest: --flaky-fail has no effect with %s", because);
	if (o->retries)
		ff_complain("pytest: --retries has no effect with %s", because);
	if (o->timeout)
		ff_complain("pytest: --timeout has no effect with %s", because);
	if (o->notify)
		ff_complain("pytest: --notify has no effect with %s", because);
	if (o->session_timeout)
		ff_complain("pytest: --session-timeout has no effect with %s", because);
	for (size_t i = 0; i + 1 < o->reports.len; i += 2)
		if (strcmp(o->reports.v[i], "junit") != 0)
			ff_complain("pytest: --%s has no effect with %s", o->reports.v[i], because);
}

int ff_pytest_plain(const struct options *o, const struct ff_strv *args, const char *because)
{
	struct ff_strv argv = FF_STRV_INIT;

	/* It would run what other shards run as well. */
	if (o->shard && !only_shows(because)) {
		ff_complain("pytest: --shard %s can't be had with %s, where one plain pytest runs "
			    "all tests",
			    o->shard, because);
		ff_complain_last("nothing was started", PYTEST_USAGE_ERROR);
		return PYTEST_USAGE_ERROR;
	}
	if (ff_pytest_interpreter(o->python, &argv)) {
		ff_strv_add(&argv, "-m");
		ff_strv_add(&argv, "pytest");
		add_own(o, &argv);
		ff_strv_add_all(&argv, args->v);
		complain_of_others(o, because);
		if (!only_shows(because))
			ff_complain("pytest: %s: one plain pytest runs on this machine, nothing "
				    "is distributed",
				    because);
		/* What it says is among the words. */
		unsetenv("PYTEST_ADDOPTS");
		fflush(NULL);
		execvp(argv.v[0], argv.v);
		ff_complain("pytest: %s cannot be started", argv.v[0]);
	}
	ff_strv_release(&argv);
	ff_complain_last("nothing was started", FF_EXIT_INFRA);
	return FF_EXIT_INFRA;
}
