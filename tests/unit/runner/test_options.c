/* Command lines: what options come to, what is passed on, and what is refused in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "config/config.h"
#include "report/reporter.h"

struct options {
	const char *text, *color, *maxfail, *timeout, *retries, *restarts;
	struct ff_strv list, reports;
	int64_t number;
	bool flag;
	int count;
};

static const struct ff_option table[] = {
	FF_OPTION("text", 't', TEXT, "WORD", "a text", text),
	FF_OPTION("list", 'j', LIST, "NAME", "texts", list),
	FF_OPTION("flag", 'x', FLAG, NULL, "a flag", flag),
	FF_OPTION("verbose", 'v', COUNT, NULL, "more", count),
	FF_OPTION("numprocesses", 'n', NUMBER, "N", "a number", number),
	FF_OPTION_OF("maxfail", SETTINGS, "maxfail", maxfail, NULL),
	FF_OPTION_OF("max-worker-restart", SETTINGS, "max_worker_restart", restarts, NULL),
	FF_OPTION_OF("timeout", JOB, "timeout", timeout, NULL),
	FF_OPTION_OF("retries", JOB, "retries", retries, NULL),
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION_COLOR(color),
	FF_OPTIONS_END,
};

static const struct ff_command plain = {.name = "run", .options = table};
static const struct ff_command foreign = {.name = "pytest",
					  .options = table,
					  .foreign = ff_pytest_options,
					  .foreign_program = "pytest"};

/* What is said on stderr between `mute` and `unmute`. */
static int saved;
static FILE *said;

static void mute(void)
{
	said = tmpfile();
	assert_non_null(said);
	fflush(stderr);
	saved = dup(STDERR_FILENO);
	dup2(fileno(said), STDERR_FILENO);
}

static void unmute(struct ff_buf *text)
{
	char chunk[4096];
	size_t len;

	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(said);
	while ((len = fread(chunk, 1, sizeof(chunk), said)))
		ff_buf_add(text, chunk, len);
	fclose(said);
}

/* `words` are argv: values are borrowed from it. */
static int parse(const struct ff_command *command, const char *line, struct ff_strv *words,
		 struct options *o, struct ff_strv *rest)
{
	assert_int_equal(ff_strv_split(words, line, NULL), 0);
	return ff_options_parse(command, (int)words->len, words->v, o, rest, NULL);
}

static void release(struct options *o, struct ff_strv *rest)
{
	ff_strv_release(&o->list);
	ff_strv_release(&o->reports);
	ff_strv_release(rest);
}

/* The words that are passed on, joined by '|'. */
static void passes(const char *line, const char *expected)
{
	struct ff_buf joined = FF_BUF_INIT;
	struct ff_strv words = FF_STRV_INIT, rest = FF_STRV_INIT;
	struct options o = {0};

	assert_int_equal(parse(&foreign, line, &words, &o, &rest), 0);
	for (size_t i = 0; i < rest.len; i++)
		ff_buf_addf(&joined, "%s%s", i ? "|" : "", rest.v[i]);
	assert_string_equal(ff_buf_str(&joined), expected);
	ff_buf_release(&joined);
	ff_strv_release(&words);
	release(&o, &rest);
}

static void refuses(const struct ff_command *command, const char *line, const char *message)
{
	struct ff_strv words = FF_STRV_INIT, rest = FF_STRV_INIT;
	struct ff_buf text = FF_BUF_INIT;
	struct options o = {0};
	int rc;

	mute();
	rc = parse(command, line, &words, &o, &rest);
	unmute(&text);
	assert_string_equal(ff_buf_str(&text), message);
	assert_int_equal(rc, -1);
	ff_buf_release(&text);
	ff_strv_release(&words);
	release(&o, &rest);
}

static void test_values(void **state)
{
	static char *argv[] = {"-xvv",		"-t",	     "word",	"--list=a",
			       "-jb",		"--maxfail", "3",	"--timeout=1h30m",
			       "file",		"-n4",	     "--jsonl", "-",
			       "--color=never", "-",	     "--",	"--flag"};
	struct ff_strv rest = FF_STRV_INIT, after = FF_STRV_INIT;
	struct options o = {0};

	assert_int_equal(
		ff_options_parse(&plain, sizeof(argv) / sizeof(*argv), argv, &o, &rest, &after), 0);
	assert_true(o.flag);
	assert_int_equal(o.count, 2);
	assert_string_equal(o.text, "word");
	assert_int_equal(o.list.len, 2);
	assert_string_equal(o.list.v[1], "b");
	assert_string_equal(o.maxfail, "3");
	assert_string_equal(o.timeout, "1h30m");
	assert_int_equal(o.number, 4);
	assert_int_equal(o.reports.len, 2);
	assert_string_equal(o.reports.v[0], "jsonl");
	assert_string_equal(o.reports.v[1], "-");
	assert_string_equal(o.color, "never");
	assert_int_equal(rest.len, 2);
	assert_string_equal(rest.v[1], "-");
	assert_int_equal(after.len, 1);
	release(&o, &rest);
	ff_strv_release(&after);
}

/* The ranges and words of the file's keys. */
static void test_values_of_keys(void **state)
{
#define NUMBER "wants a number from 0 to 1000000000, got "
	refuses(&plain, "--maxfail -1", "farflung: run: --maxfail " NUMBER "'-1'\n");
	refuses(&plain, "--maxfail=", "farflung: run: --maxfail " NUMBER "''\n");
	refuses(&plain, "--maxfail '3 '", "farflung: run: --maxfail " NUMBER "'3 '\n");
	refuses(&plain, "--maxfail 1e3", "farflung: run: --maxfail " NUMBER "'1e3'\n");
	refuses(&plain, "--maxfail 99999999999999999999",
		"farflung: run: --maxfail " NUMBER "'99999999999999999999'\n");
	refuses(&plain, "--max-worker-restart -2",
		"farflung: run: --max-worker-restart wants a number from -1 to 1000000, got "
		"'-2'\n");
	refuses(&plain, "--retries 101",
		"farflung: run: --retries wants a number from 0 to 100, got '101'\n");
	refuses(&plain, "--timeout '10 m'",
		"farflung: run: --timeout wants a duration such as 90s, 10m or 1.5h, from 0 to "
		"365d, got '10 m'\n");
	refuses(&plain, "-n many",
		"farflung: run: --numprocesses wants a number from 0 to 2147483647, got 'many'\n");
	refuses(&plain, "--color allways",
		"farflung: run: --color wants auto, always or never, got 'allways'; did you mean"
		" 'always'?\n");
	refuses(&plain, "--text=", "farflung: run: --text wants text, got ''\n");
	refuses(&plain, "--junit=", "farflung: run: --junit wants text, got ''\n");
	refuses(&plain, "--junit --flag", "farflung: run: --junit wants FILE\n");
	refuses(&plain, "--maxfail", "farflung: run: --maxfail wants N\n");
	refuses(&plain, "-t", "farflung: run: -t wants WORD\n");
	refuses(&plain, "--flag=1", "farflung: run: --flag takes no value\n");
}

static void test_unknown(void **state)
{
	refuses(&plain, "--max-fail 3",
		"farflung: run: unknown option '--max-fail'; did you mean '--maxfail'? (see "
		"farflung"
		" run --help)\n");
	refuses(&plain, "--juint=x",
		"farflung: run: unknown option '--juint'; did you mean '--junit'? (see farflung run"
		" --help)\n");
	refuses(&plain, "-vz", "farflung: run: unknown option '-z' (see farflung run --help)\n");
	refuses(&plain, "-k x", "farflung: run: unknown option '-k' (see farflung run --help)\n");
	refuses(&plain, "'--a\nb'",
		"farflung: run: unknown option '--a\nb' (see farflung run --help)\n");
#define BEHIND " (see farflung pytest --help; other options of pytest go behind --)\n"
	refuses(&foreign, "--frobnicate=x",
		"farflung: pytest: unknown option '--frobnicate'" BEHIND);
	refuses(&foreign, "--duration=5",
		"farflung: pytest: unknown option '--duration'; did you mean "
		"'--durations'?" BEHIND);
	refuses(&foreign, "-Z", "farflung: pytest: unknown option '-Z'" BEHIND);
	refuses(&foreign, "--tb", "farflung: pytest: --tb wants a value\n");
	refuses(&foreign, "-k", "farflung: pytest: -k wants a value\n");
}

static void test_foreign(void **state)
{
	passes("-k foo tests", "-k|foo|tests");
	passes("-k 'not slow' -m -x tests", "-k|not slow|-m|-x|tests");
	passes("-kfoo", "-kfoo");
	passes("--lf -m slow -s --cov=src --durations=5 a.py::t", "--lf|-m|slow|-s|--cov=src|"
								  "--durations=5|a.py::t");
	passes("-xsvk foo -n 2 t", "-s|-k|foo|t");
	passes("-sl -rA --tb short", "-s|-l|-rA|--tb|short");
	passes("--deselect --x --co", "--deselect|--x|--co");
	passes("-p no:cacheprovider --flag -W error -o a=b", "-p|no:cacheprovider|-W|error|-o|a=b");
	passes("a -- -x --flag --frobnicate", "a|-x|--flag|--frobnicate");
}

static void test_last_line(void **state)
{
	struct ff_buf text = FF_BUF_INIT;
	char *many;

	mute();
	ff_complain_last("E   ImportError: only\n\n here\r\n\033[31mred\a \xc2\x9b \xff\n", 2);
	unmute(&text);
	assert_string_equal(ff_buf_str(&text), "farflung: E   ImportError: only /  here / "
					       "\\x1b[31mred\\x07 \\x9b \\xff (exit 2)\n");
	ff_buf_clear(&text);
	for (int i = 0; i < 3000; i++)
		ff_buf_addstr(&text, "word\n");
	many = ff_buf_take(&text);
	mute();
	ff_complain_last(many, 3);
	unmute(&text);
	assert_true(text.len < 2100);
	assert_string_equal(strstr(ff_buf_str(&text), "..."), "... (exit 3)\n");
	ff_free(many);
	ff_buf_release(&text);
}

static void test_report_choice(void **state)
{
	struct ff_report_wishes wishes = {0};
	struct ff_strv given = FF_STRV_INIT;
	struct ff_config c;
	struct ff_err err = {0};
	const char *text = "report: {junit: /x/a.xml, jsonl: '-'}\n";

	assert_int_equal(ff_config_parse(&c, "demo.yaml", text, strlen(text), &err), 0);
	assert_int_equal(ff_reports_choose(&wishes, &c, NULL, &err), 0);
	assert_int_equal(wishes.len, 2);
	assert_true(wishes.stdout_taken);
	assert_string_equal(wishes.v[0].value, "/x/a.xml");
	ff_reports_release(&wishes);
	/* The command line's takes its place, wherever it stands. */
	ff_strv_add(&given, "jsonl");
	ff_strv_add(&given, "x");
	ff_strv_add(&given, "jsonl");
	ff_strv_add(&given, "y");
	assert_int_equal(ff_reports_choose(&wishes, &c, &given, &err), 0);
	assert_int_equal(wishes.len, 2);
	assert_false(wishes.stdout_taken);
	assert_string_equal(wishes.v[1].value, "y");
	ff_reports_release(&wishes);
	ff_strv_add(&given, "junit");
	ff_strv_add(&given, "-");
	assert_int_equal(ff_reports_choose(&wishes, &c, &given, &err), FF_ECONFIG);
	assert_string_equal(err.text, "demo.yaml: 'junit' can't be written to stdout, it wants a"
				      " file");
	ff_strv_release(&given);
	ff_config_release(&c);

	text = "report: {juint: a, word: b, junit: '-'}\n";
	assert_int_equal(ff_config_parse(&c, "demo.yaml", text, strlen(text), &err), 0);
	assert_int_equal(ff_reports_choose(&wishes, &c, NULL, &err), FF_ECONFIG);
	assert_string_equal(err.text,
			    "demo.yaml:1:10: unknown key 'juint'; did you mean 'junit'?\n"
			    "demo.yaml:1:20: unknown key 'word'\n"
			    "demo.yaml:1:29: 'junit' can't be written to stdout, it wants a file");
	ff_config_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	  cmocka_unit_test(test_values_of_keys),
		cmocka_unit_test(test_unknown),	  cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_last_line), cmocka_unit_test(test_report_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
