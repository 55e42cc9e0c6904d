/* How a test came out, by ctest's own rules: what it printed comes first, then its exit status; a
 * signal or a time that is over can't be expected. */
#include <sys/wait.h>

#include "ctest/private.h"
#include "hearing.h"

static const char *const regexes[] = {"PASS_REGULAR_EXPRESSION", "FAIL_REGULAR_EXPRESSION",
				      "SKIP_REGULAR_EXPRESSION"};

bool ff_ctest_reads_output(const json_t *test)
{
	for (size_t i = 0; i < sizeof(regexes) / sizeof(*regexes); i++)
		if (ff_ctest_texts(test, regexes[i]) > 0)
			return true;
	return false;
}

/* The first of the property's that is in the output; NULL: none. */
static const char *first_match(const json_t *test, const char *property, struct ff_buf *output,
			       const char **wrong)
{
	const char *text = ff_buf_str(output);

	for (size_t i = 0; i < ff_ctest_texts(test, property); i++) {
		const char *regex = ff_ctest_text(test, property, i);
		int rc = ff_ctest_matches(regex, text ? text : "", text ? output->len : 0);

		if (rc > 0)
			return regex;
		if (rc < 0)
			*wrong = regex;
	}
	return NULL;
}

static void say(struct ff_result *result, struct ff_buf *words, enum ff_outcome outcome)
{
	result->outcome = outcome;
	result->message = ff_buf_str(words);
}

static bool skips(const json_t *test, const char *match, int status, struct ff_buf *words)
{
	double code = ff_ctest_number(test, "SKIP_RETURN_CODE", -1);

	if (match)
		ff_buf_addf(words, "skipped: SKIP_REGULAR_EXPRESSION '%s' is in its output", match);
	else if (code == status)
		ff_buf_addf(words, "skipped: exit status %d (SKIP_RETURN_CODE)", status);
	return words->len > 0;
}

/* It has ended by itself. `why`: what its output is held against it; NULL. */
static void judge_status(const json_t *test, const char *why, bool required, int status,
			 struct ff_result *result, struct ff_buf *words)
{
	bool good = !why && (status == 0 || required);

	if (good != ff_ctest_is(test, "WILL_FAIL")) {
		result->outcome = FF_OUTCOME_PASSED;
		result->message = NULL;
		return;
	}
	if (why)
		ff_buf_addf(words, "%s", why);
	else if (good && required && status != 0)
		ff_buf_addf(words, "it passed, and should have failed (WILL_FAIL)");
	else if (good)
		ff_buf_addf(words, "exit status 0, and it should have failed (WILL_FAIL)");
	else
		ff_buf_addf(words, "exit status %d", status);
	say(result, words, FF_OUTCOME_FAILED);
}

void ff_ctest_judge(const json_t *test, struct ff_buf *output, bool cut, struct ff_result *result,
		    struct ff_buf *words)
{
	size_t required = ff_ctest_texts(test, regexes[0]);
	const char *wrong = NULL, *pass = first_match(test, regexes[0], output, &wrong);
	const char *fail = first_match(test, regexes[1], output, &wrong);
	const char *skip = first_match(test, regexes[2], output, &wrong);
	struct ff_buf why = FF_BUF_INIT;
	int status = WIFEXITED(result->status) ? WEXITSTATUS(result->status) : -1;

	if (result->outcome != FF_OUTCOME_PASSED && result->outcome != FF_OUTCOME_FAILED)
		return;
	if (wrong) {
		ff_buf_addf(words, "'%s' is no regular expression", wrong);
		say(result, words, FF_OUTCOME_ERROR);
		return;
	}
	if (skips(test, skip, status, words)) {
		say(result, words, FF_OUTCOME_SKIPPED);
		return;
	}
	if (fail)
		ff_buf_addf(&why, "FAIL_REGULAR_EXPRESSION '%s' is in its output", fail);
	else if (required > 0 && !pass)
		ff_buf_addf(&why, "PASS_REGULAR_EXPRESSION '%s'%s is not in %s%s",
			    ff_ctest_text(test, regexes[0], 0), required > 1 ? ", or another," : "",
			    cut ? "the first 16 MiB of " : "", "its output");
	judge_status(test, why.len > 0 ? ff_buf_str(&why) : NULL, required > 0, status, result,
		     words);
	ff_buf_release(&why);
}
