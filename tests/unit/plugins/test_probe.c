/* The search for an interpreter: its script is run by sh, over programs that answer as given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "payload.h"

static char top[64]; /* a folder of the test's own */
static char said[2048];

static const struct ff_payload_probe *probe(void)
{
	return ff_payload_find("pytest")->probe;
}

static void in_top(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", top, name);
}

/* A program of mode `mode` in top. */
static void program(const char *name, const char *body, mode_t mode)
{
	char path[256];
	FILE *file;

	in_top(path, sizeof(path), name);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", body);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

/* What an interpreter does with the code that it is given. */
#define ANSWER(version, has)                                                                       \
	"printf '\\nfarflung-probe\\thave\\t" version "\\t" has "\\n'\n"                           \
	"[ " has " = yes ] || exit 10"

/* Runs `shell` with PATH and HOME below top. */
static void run(const char *shell, const char *path, struct ff_buf *out)
{
	struct ff_buf command = FF_BUF_INIT;
	char chunk[4096];
	size_t len;
	FILE *pipe;

	ff_buf_addf(&command, "PATH=%s HOME=%s/home", path, top);
	ff_buf_addstr(&command, " exec /bin/sh -c ");
	ff_shell_quote(&command, shell);
	pipe = popen(ff_buf_str(&command), "r");
	assert_non_null(pipe);
	while ((len = fread(chunk, 1, sizeof(chunk), pipe)) > 0)
		ff_buf_add(out, chunk, len);
	assert_int_equal(pclose(pipe), 0);
	ff_buf_release(&command);
}

/* Replaces top by TOP, so that texts can be compared. */
static void put_said(const char *text)
{
	size_t len = 0;

	while (*text && len + 4 < sizeof(said)) {
		if (!strncmp(text, top, strlen(top))) {
			memcpy(said + len, "TOP", 3);
			len += 3;
			text += strlen(top);
		} else {
			said[len++] = *text++;
		}
	}
	said[len] = '\0';
}

static void tell_of(const char *text, size_t len)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_buf note = FF_BUF_INIT, told = FF_BUF_INIT;
	struct ff_fact *facts = NULL;
	struct ff_err err = {0};
	size_t count = 0;

	if (probe()->read(text, len, &arena, &facts, &count, &note, &err) < 0)
		ff_buf_addf(&told, "error: %s", err.text);
	for (size_t i = 0; i < count; i++)
		ff_buf_addf(&told, "%s=%s;", facts[i].key, facts[i].value);
	if (note.len)
		ff_buf_addf(&told, " note: %s", ff_buf_str(&note));
	put_said(ff_buf_str(&told));
	ff_buf_release(&note);
	ff_buf_release(&told);
	ff_arena_release(&arena);
}

/* python= (NULL: none) on a host with this PATH: into `said`. */
static void look(const char *python, const char *path)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_buf out = FF_BUF_INIT;
	struct ff_xspec spec;
	const char *shell;

	assert_int_equal(ff_xspec_parse(&spec, "popen", NULL), 0);
	assert_int_equal(ff_xspec_set(&spec, "python", python), 0);
	assert_int_equal(probe()->command(&spec, &arena, &shell), 0);
	run(shell, path, &out);
	tell_of((const char *)ff_buf_data(&out), out.len);
	ff_buf_release(&out);
	ff_xspec_release(&spec);
	ff_arena_release(&arena);
}

/* As `look`, for python=TOP/NAME. */
static void look_in_top(const char *name)
{
	char path[256];

	in_top(path, sizeof(path), name);
	look(path, "/nowhere");
}

static void test_named(void **state)
{
	program("good", ANSWER("3.11.2", "yes"), 0755);
	program("with blank", ANSWER("3.8.0", "yes"), 0755);
	program("home/py", "[ \"$1 $2\" = '-X dev' ] && " ANSWER("3.9.9", "yes"), 0755);
	program("old", ANSWER("2.7.18", "no"), 0755);
	program("old3", ANSWER("3.6.15", "no"), 0755);
	program("bare", ANSWER("3.12.1", "no"), 0755);
	program("broken", "echo first >&2; echo 'libpython.so: not there' >&2; exit 127", 0755);
	program("silent", "exit 0", 0755);
	program("plain", ANSWER("3.11.2", "yes"), 0644);

	look_in_top("good");
	assert_string_equal(said, "python=TOP/good;version=3.11.2;");
	look_in_top("good -u");
	assert_string_equal(said, "python=TOP/good -u;version=3.11.2;");
	look("~/py -X dev", "/nowhere");
	assert_string_equal(said, "python=TOP/home/py -X dev;version=3.9.9;");
	look("good", top);
	assert_string_equal(said, "python=good;version=3.11.2;");
	look_in_top("none");
	assert_string_equal(said, "error: python=TOP/none: not found");
	look("~/none", "/nowhere");
	assert_string_equal(said, "error: python=~/none (TOP/home/none): not found");
	look("none", top);
	assert_string_equal(said, "error: python=none: not found on PATH");
	look_in_top("plain");
	assert_string_equal(said, "error: python=TOP/plain: not executable");
	look_in_top("home");
	assert_string_equal(said, "error: python=TOP/home: is a folder");
	look_in_top("old");
	assert_string_equal(said, "error: python=TOP/old is Python 2.7.18; at least 3.7 is needed");
	look_in_top("old3");
	assert_string_equal(said,
			    "error: python=TOP/old3 is Python 3.6.15; at least 3.7 is needed");
	look_in_top("bare");
	assert_string_equal(said, "error: python=TOP/bare: Python 3.12.1 has no pytest");
	look_in_top("broken");
	assert_string_equal(said, "error: python=TOP/broken does not run: exit status 127: "
				  "libpython.so: not there");
	look_in_top("silent");
	assert_string_equal(said, "error: python=TOP/silent: it does not answer as Python does");
	look("/bin/echo", "/nowhere");
	assert_string_equal(said, "error: python=/bin/echo: it does not answer as Python does");
}

static void test_words(void **state)
{
	char text[256];

	snprintf(text, sizeof(text), "'%s/with blank'", top);
	look(text, "/nowhere");
	assert_string_equal(said, "python='TOP/with blank';version=3.8.0;");
	look("'open", "/nowhere");
	assert_string_equal(said,
			    "error: python='open: a quote is not closed, or a backslash ends it");
	look(" ", "/nowhere");
	assert_string_equal(said, "error: python= : it names no program");
	look("a\nb", "/nowhere");
	assert_string_equal(said, "error: python=a?b: it holds a tab or a line break");
	/* Nothing of it is the shell's to expand or to run. */
	look("'$(echo x)' `y` ; z", "/nowhere");
	assert_string_equal(said, "error: python='$(echo x)' `y` ; z ($(echo x) `y` ; z): "
				  "not found on PATH");
	look("~nobody-of-this-name/py", "/nowhere");
	assert_string_equal(said, "error: python=~nobody-of-this-name/py: not found");
}

static void test_search(void **state)
{
	char path[512], folder[256];

	for (const char *name = "abcd"; *name; name++) {
		snprintf(folder, sizeof(folder), "%s/%c", top, *name);
		assert_int_equal(mkdir(folder, 0755), 0);
	}
	program("a/python3", ANSWER("3.9.1", "no"), 0755);
	program("b/python3", "exit 1", 0755);
	program("c/python", "echo 'hello from a wrapper'; printf noise\n" ANSWER("3.11.2", "yes"),
		0755);
	program("d/python3", ANSWER("3.10.0", "yes"), 0755);
	snprintf(path, sizeof(path), "%s/none:%s/d:%s/a", top, top, top);
	look(NULL, path);
	assert_string_equal(said, "python=TOP/d/python3;version=3.10.0;");
	/* The first that will do, and what was passed over. */
	snprintf(path, sizeof(path), "%s/a:%s/b:%s/a:%s/c:%s/d", top, top, top, top, top);
	look(NULL, path);
	assert_string_equal(
		said, "python=TOP/c/python;version=3.11.2; note: using TOP/c/python: no pytest in "
		      "TOP/a/python3 (3.9.1), TOP/b/python3 (does not run) "
		      "(python= chooses another)");
	look("", path); /* a key without a value names nothing */
	assert_non_null(strstr(said, "python=TOP/c/python;"));
}

static void test_texts(void **state)
{
#define MARK "\nfarflung-probe\t"
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"", "error: no Python found on PATH"},
		{"hello\nnamed\tx\n", "error: no Python found on PATH"},
		{"title" MARK "try\t/a/python3" MARK "have\t3.6.1\tno" MARK "try\t/b/python3" MARK
		 "bad\t127\tx\n",
		 "error: no Python with pytest: /a/python3 (3.6.1), /b/python3 (does not run)"},
		/* No verdict of anything. */
		{MARK "have\t3.9.1\tyes\n", "error: no Python found on PATH"},
		{MARK "try\t/a\n" MARK "have\tyes\n", "error: no Python found on PATH"},
		{MARK "try\t/a\n" MARK "have\t3.x\tyes\n", "error: no Python found on PATH"},
		{MARK "named\tpy" MARK "word\tpy", "error: python=py: it does not answer as Python "
						   "does"},
		{MARK "try\t/a b" MARK "have\t3.9.1\tyes", "python='/a b';version=3.9.1;"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		tell_of(cases[i].text, strlen(cases[i].text));
		assert_string_equal(said, cases[i].said);
	}
	tell_of("\0\n\nfarflung-probe\ttry\t/a\0b\n", 26);
	assert_string_equal(said, "error: no Python found on PATH");
}

static int make_top(void **state)
{
	char path[256];

	snprintf(top, sizeof(top), "/tmp/ff-probe-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	in_top(path, sizeof(path), "home");
	return mkdir(path, 0755);
}

static int remove_top(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
