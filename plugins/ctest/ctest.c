/* The payload `ctest`: asks ctest once what tests a build folder has, and runs each by itself. */
#include "ctest/ctest.h"

#include <string.h>

#include "base/alloc.h"
#include "ctest/private.h"
#include "hearing.h"

#define DISCOVERY_US INT64_C(300000000) /* ctest runs nothing to list tests */

/* --- what a job says --- */

/* Words of ctest's that choose tests; those that take another word, and those that do not. */
static const char *const choosing[] = {"-R",  "--tests-regex",
				       "-E",  "--exclude-regex",
				       "-L",  "--label-regex",
				       "-LE", "--label-exclude",
				       "-I",  "--tests-information",
				       "-FA", "--fixture-exclude-any",
				       "-FS", "-FC",
				       "-C",  "--build-config",
				       NULL};
static const char *const alone[] = {"-U", "--union", "--rerun-failed", NULL};

static bool is_one_of(const char *const *words, const char *word)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

static int check(const struct ff_payload_job *job, struct ff_err *err)
{
	char *const *args = job->args;

	if (!args || !args[0] || !*args[0])
		return ff_err_set(err, FF_EINVAL, "there is no build folder");
	if (*args[0] == '-')
		return ff_err_set(err, FF_EINVAL, "'%s' is no build folder, which comes first",
				  args[0]);
	for (char *const *arg = args + 1; *arg; arg++) {
		if (is_one_of(alone, *arg))
			continue;
		if (!is_one_of(choosing, *arg))
			return ff_err_set(err, FF_EINVAL,
					  "'%s' chooses no tests; behind the folder may stand -R, "
					  "-E, -L, -LE, -I, -U, -FA, -FS, -FC, -C and "
					  "--rerun-failed of ctest",
					  *arg);
		if (!arg[1])
			return ff_err_set(err, FF_EINVAL, "'%s' wants a value", *arg);
		arg++;
	}
	return 0;
}

/* --- out --- */

static int discover_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
			 struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	/* ctest takes a folder without a build for one without tests. */
	static char shell[] = "/bin/sh", option[] = "-c", program[] = "ctest",
		    script[] =
			    "test -e CTestTestfile.cmake && exec ctest --show-only=json-v1 \"$@\"\n"
			    "echo \"$PWD has no CTestTestfile.cmake: it is no build folder with "
			    "tests\" >&2\n"
			    "exit 1";
	char *words[] = {shell, option, script, program};
	enum { WORDS = sizeof(words) / sizeof(*words) };
	struct ff_builtin_call call = {
		.env = job->env, .timeout_us = DISCOVERY_US, .grace_us = job->grace_us};
	const char *folder = job->args[0];
	char *path = *folder == '/' ? ff_xstrdup(folder) : ff_xasprintf("%s/%s", job->cwd, folder);
	size_t len = 1;
	char **argv;
	int rc;

	while (job->args[len])
		len++;
	argv = ff_xcalloc(len + WORDS, sizeof(*argv));
	memcpy(argv, words, sizeof(words));
	memcpy(argv + WORDS, job->args + 1, (len - 1) * sizeof(*argv));
	call.argv = argv;
	call.cwd = path;
	rc = ff_builtin_task(&call, worker, arena, task, err);
	ff_free(argv);
	ff_free(path);
	return rc;
}

/* --- in --- */

struct reader {
	struct ff_hearing hearing; /* the first */
	json_t *test;		   /* of a unit */
	char *cwd;
};

static void discovered(struct ff_hearing *hearing, const struct ff_result *result)
{
	const struct reader *reader = (const struct reader *)hearing;

	if (result->outcome != FF_OUTCOME_PASSED || hearing->cut)
		ff_hearing_failed(hearing, "ctest --show-only=json-v1",
				  hearing->cut ? NULL : result);
	else
		ff_ctest_found(ff_hearing_text(hearing), hearing->kept[0].len, reader->cwd,
			       hearing->sink, hearing->ctx);
}

static void ended(struct ff_hearing *hearing, const struct ff_result *result)
{
	const struct reader *reader = (const struct reader *)hearing;
	struct ff_result judged = *result;
	struct ff_buf words = FF_BUF_INIT, labels = FF_BUF_INIT;
	struct ff_property property = {"cmake_labels", NULL};

	for (size_t i = 0; i < ff_ctest_texts(reader->test, "LABELS"); i++)
		ff_buf_addf(&labels, "%s%s", i > 0 ? ";" : "",
			    ff_ctest_text(reader->test, "LABELS", i));
	if (labels.len > 0) {
		property.value = ff_buf_str(&labels);
		judged.properties = &property;
		judged.properties_len = 1;
	}
	ff_ctest_judge(reader->test, &hearing->kept[0], hearing->cut, &judged, &words);
	hearing->sink->unit_finished(hearing->ctx, 0, &judged);
	ff_buf_release(&words);
	ff_buf_release(&labels);
}

static void *reader_open(const struct ff_payload_job *job)
{
	struct reader *reader = ff_xcalloc(1, sizeof(*reader));

	reader->cwd = ff_xstrdup(job->cwd);
	ff_hearing_init(&reader->hearing, job, ended, discovered);
	if (job->unit) {
		reader->test = json_loads(job->detail ? job->detail : "", 0, NULL);
		if (!ff_ctest_reads_output(reader->test))
			reader->hearing.keep = 0;
	}
	return reader;
}

static void reader_close(void *ptr)
{
	struct reader *reader = ptr;

	ff_hearing_release(&reader->hearing);
	json_decref(reader->test);
	ff_free(reader->cwd);
	ff_free(reader);
}

static const struct ff_payload_discover discover = {.task = discover_task};

static const struct ff_payload_run run = {
	.task = ff_ctest_task,
	.kill = ff_builtin_kill,
	.take_back = ff_builtin_take_back,
};

static const struct ff_payload_reader reader = {
	.open = reader_open,
	.item = ff_hearing_item,
	.close = reader_close,
};

const struct ff_payload ff_payload_ctest = {
	.name = "ctest",
	.check = check,
	.memory = &ff_builtin_memory,
	.discover = &discover,
	.run = &run,
	.reader = &reader,
	.item = ff_builtin_item,
};
