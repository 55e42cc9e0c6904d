/* Where traces go, as the environment says. It is looked at once in a process, so each case has a
 * process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "io/trace.h"

struct result {
	pid_t pid;
	char err[512];	/* its stderr */
	char file[512]; /* the trace file, "" if there is none */
	mode_t mode;
};

static void read_file(const char *path, char *text, size_t size, mode_t *mode)
{
	FILE *file = fopen(path, "r");
	struct stat info;

	text[0] = '\0';
	if (!file)
		return;
	text[fread(text, 1, size - 1, file)] = '\0';
	fstat(fileno(file), &info);
	*mode = info.st_mode;
	fclose(file);
	unlink(path);
}

/* Values may be NULL: not set. */
static void run(const char *ours, const char *execnets, void (*body)(void), struct result *result)
{
	char dir[] = "/tmp/ff-test-trace-XXXXXX", path[128];
	int ends[2], status;
	ssize_t len;

	memset(result, 0, sizeof(*result));
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe(ends), 0);
	result->pid = fork();
	if (result->pid == 0) {
		unsetenv("FARFLUNG_DEBUG");
		unsetenv("EXECNET_DEBUG");
		if (ours)
			setenv("FARFLUNG_DEBUG", ours, 1);
		if (execnets)
			setenv("EXECNET_DEBUG", execnets, 1);
		setenv("TMPDIR", dir, 1);
		dup2(ends[1], STDERR_FILENO);
		body();
		_exit(0);
	}
	close(ends[1]);
	while ((len = read(ends[0], result->err + strlen(result->err),
			   sizeof(result->err) - 1 - strlen(result->err))) > 0)
		;
	close(ends[0]);
	assert_int_equal(waitpid(result->pid, &status, 0), result->pid);
	assert_int_equal(status, 0);
	snprintf(path, sizeof(path), "%s/%s-debug-%d", dir, ours ? "farflung" : "execnet",
		 (int)result->pid);
	read_file(path, result->file, sizeof(result->file), &result->mode);
	assert_int_equal(rmdir(dir), 0);
}

static void say(void)
{
	ff_trace_from_env();
	ff_log("gw%d: hello", 7);
	ff_trace_from_env();
	ff_log("bye");
}

static void off(void **state)
{
	static const char *const values[] = {NULL, "", "0"};
	struct result result;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		run(values[i], NULL, say, &result);
		assert_string_equal(result.err, "");
		assert_string_equal(result.file, "");
	}
	/* Ours goes before execnet's. */
	run("0", "2", say, &result);
	assert_string_equal(result.err, "");
}

static void to_a_file(void **state)
{
	struct result result;
	long long seconds, part;
	char words[64];

	run("1", NULL, say, &result);
	assert_string_equal(result.err, "");
	assert_int_equal(sscanf(result.file, "%lld.%lld %63[^\n]", &seconds, &part, words), 3);
	assert_string_equal(words, "gw7: hello");
	assert_non_null(strstr(result.file, " bye\n"));
	assert_int_equal(result.mode & 0777, 0600);
	run(NULL, "yes", say, &result);
	assert_non_null(strstr(result.file, " bye\n"));
}

static void to_stderr(void **state)
{
	struct result result;
	char expected[128];

	run("2", NULL, say, &result);
	snprintf(expected, sizeof(expected), "[%d] gw7: hello\n[%d] bye\n", (int)result.pid,
		 (int)result.pid);
	assert_string_equal(result.err, expected);
	assert_string_equal(result.file, "");
	run(NULL, "2", say, &result);
	assert_non_null(strstr(result.err, "bye"));
}

/* Somebody has prepared the name, to have his file overwritten by us. */
static void trap_then_say(void)
{
	char path[128], bait[128];

	snprintf(path, sizeof(path), "%s/farflung-debug-%d", getenv("TMPDIR"), (int)getpid());
	snprintf(bait, sizeof(bait), "%s/bait", getenv("TMPDIR"));
	if (symlink(bait, path) != 0)
		_exit(1);
	say();
	if (access(bait, F_OK) == 0)
		_exit(2);
}

static void to_a_file_of_its_own(void **state)
{
	struct result result;

	run("1", NULL, trap_then_say, &result);
	assert_non_null(strstr(result.file, " bye\n"));
}

static void no_folder_then_say(void)
{
	setenv("TMPDIR", "/nonexistent", 1);
	say();
	if (ff_log_on() || ff_trace_word())
		_exit(1);
}

static char caught[64];

static void on_line(void *ctx, const char *text)
{
	snprintf(caught, sizeof(caught), "%s", text);
}

static void own_sink_then_say(void)
{
	ff_log_set(on_line, NULL);
	say();
	if (strcmp(caught, "bye") != 0)
		_exit(1);
}

static void words(void)
{
	ff_trace_from_env();
	if (strcmp(ff_trace_word(), "2") != 0 || !ff_trace_is_line("[12] x") ||
	    ff_trace_is_line("[12]x") || ff_trace_is_line("[] x") || ff_trace_is_line("12] x") ||
	    ff_trace_is_line("") || ff_trace_is_line("[12"))
		_exit(1);
	ff_trace_pass("[12] as it is");
}

static void nothing_fails(void **state)
{
	struct result result;

	run("1", NULL, no_folder_then_say, &result);
	run("2", NULL, own_sink_then_say, &result);
	assert_string_equal(result.err, "");
	run("2", NULL, words, &result);
	assert_string_equal(result.err, "[12] as it is\n");
	assert_false(ff_trace_is_line("[12] x"));
	ff_trace_pass("nowhere");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off),		 cmocka_unit_test(to_a_file),
		cmocka_unit_test(to_stderr),	 cmocka_unit_test(to_a_file_of_its_own),
		cmocka_unit_test(nothing_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
