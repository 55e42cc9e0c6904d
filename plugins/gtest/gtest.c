/* The payload `gtest`: asks a program once what tests it has, and runs each in a process. */
#include "gtest/gtest.h"

#include <string.h>

#include "base/alloc.h"
#include "found.h"
#include "gtest/output.h"
#include "hearing.h"

#define DISCOVERY_US INT64_C(300000000)

/* --- what a job says --- */

/* "--gtest_filter" and "--gtest_filter=x", also with the one dash that googletest takes. */
static bool is_option(const char *arg, const char *name)
{
	size_t len = strlen(name);

	arg += *arg == '-';
	arg += *arg == '-';
	return strncmp(arg, name, len) == 0 && (arg[len] == '\0' || arg[len] == '=');
}

static int check(const struct ff_payload_job *job, struct ff_err *err)
{
	static const char *const ours[] = {"gtest_list_tests", "gtest_output", "gtest_color",
					   "gtest_brief", NULL};

	if (!job->args || !job->args[0] || !*job->args[0])
		return ff_err_set(err, FF_EINVAL, "there is no program");
	for (char *const *arg = job->args + 1; *arg; arg++)
		for (const char *const *name = ours; *name; name++)
			if (**arg == '-' && is_option(*arg, *name))
				return ff_err_set(err, FF_EINVAL,
						  "'%s' can't be given: how tests are listed and "
						  "told is not the job's",
						  *arg);
	return 0;
}

static bool runs_disabled(char *const *args)
{
	for (; args && *args; args++)
		if (**args == '-' && is_option(*args, "gtest_also_run_disabled_tests"))
			return !strstr(*args, "=0") && !strstr(*args, "=f") && !strstr(*args, "=F");
	return false;
}

/* --- out --- */

static int make_task(const struct ff_payload_job *job, char *const *more, int64_t timeout_us,
		     const struct ff_payload_worker *worker, struct ff_arena *arena,
		     struct ff_task *task, struct ff_err *err)
{
	struct ff_builtin_call call = {.cwd = job->cwd,
				       .env = job->env,
				       .timeout_us = timeout_us,
				       .grace_us = job->grace_us};
	size_t len = 0, added = 0;
	char **argv;
	int rc;

	while (job->args[len])
		len++;
	while (more[added])
		added++;
	argv = ff_xcalloc(len + added + 1, sizeof(*argv));
	memcpy(argv, job->args, len * sizeof(*argv));
	memcpy(argv + len, more, added * sizeof(*argv));
	call.argv = argv;
	rc = ff_builtin_task(&call, worker, arena, task, err);
	ff_free(argv);
	return rc;
}

static int discover_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
			 struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	static char list[] = "--gtest_list_tests";
	char *const more[] = {list, NULL};

	return make_task(job, more, DISCOVERY_US, worker, arena, task, err);
}

static int run_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	static char colour[] = "--gtest_color=no";
	char *filter = ff_xasprintf("--gtest_filter=%s", job->unit);
	char *const more[] = {colour, filter, NULL};
	int rc = make_task(job, more, job->timeout_us, worker, arena, task, err);

	ff_free(filter);
	return rc;
}

/* --- in --- */

struct reader {
	struct ff_hearing hearing; /* the first */
	char *unit;
	bool disabled; /* those run, too */
};

static void discovered(struct ff_hearing *hearing, const struct ff_result *result)
{
	const struct reader *reader = (const struct reader *)hearing;
	struct ff_found found = {0};

	if (result->outcome != FF_OUTCOME_PASSED || hearing->cut) {
		ff_hearing_failed(hearing, "--gtest_list_tests", hearing->cut ? NULL : result);
		return;
	}
	ff_gtest_list(ff_hearing_text(hearing), hearing->kept[0].len, reader->disabled, &found);
	ff_found_tell(&found, hearing->sink, hearing->ctx);
	ff_found_release(&found);
}

/* Where its own printer was at work, exit status 0 is not all that is asked of a test. */
static void judge(struct ff_result *result, struct ff_gtest_said *said)
{
	if (result->outcome == FF_OUTCOME_PASSED && said->skipped) {
		if (said->message.len == 0)
			ff_buf_addstr(&said->message, "skipped");
		result->outcome = FF_OUTCOME_SKIPPED;
		result->message = ff_buf_str(&said->message);
	} else if (result->outcome == FF_OUTCOME_PASSED && said->failed) {
		result->outcome = FF_OUTCOME_FAILED;
		result->message = "it has failed, though with exit status 0";
	} else if (result->outcome == FF_OUTCOME_PASSED && said->printer && !said->ok) {
		result->outcome = FF_OUTCOME_ERROR;
		result->message = said->began ? "exit status 0 before it had come to its end"
					      : "exit status 0, but it has not run";
	}
	if (result->outcome == FF_OUTCOME_FAILED && said->message.len > 0)
		result->message = ff_buf_str(&said->message);
}

static void ended(struct ff_hearing *hearing, const struct ff_result *result)
{
	const struct reader *reader = (const struct reader *)hearing;
	struct ff_result judged = *result;
	struct ff_gtest_said said;
	char *longrepr;

	ff_gtest_read(&said, reader->unit, ff_hearing_text(hearing), hearing->kept[0].len);
	judge(&judged, &said);
	if (hearing->cut && judged.outcome == FF_OUTCOME_ERROR) {
		judged.outcome = result->outcome; /* its end is what was not kept */
		judged.message = result->message;
	}
	longrepr = ff_xstrndup(said.text ? said.text : "", said.len);
	if (ff_outcome_bad(judged.outcome) && *longrepr)
		judged.longrepr = longrepr;
	if (said.file.len > 0) {
		judged.file = ff_buf_str(&said.file);
		judged.line = said.line;
	}
	hearing->sink->unit_finished(hearing->ctx, 0, &judged);
	ff_free(longrepr);
	ff_gtest_release(&said);
}

static void *reader_open(const struct ff_payload_job *job)
{
	struct reader *reader = ff_xcalloc(1, sizeof(*reader));

	ff_hearing_init(&reader->hearing, job, ended, discovered);
	reader->unit = ff_xstrdup(job->unit);
	reader->disabled = runs_disabled(job->args);
	return reader;
}

static void reader_close(void *ptr)
{
	struct reader *reader = ptr;

	ff_hearing_release(&reader->hearing);
	ff_free(reader->unit);
	ff_free(reader);
}

static const struct ff_payload_discover discover = {.task = discover_task};

static const struct ff_payload_run run = {
	.task = run_task,
	.kill = ff_builtin_kill,
	.take_back = ff_builtin_take_back,
};

static const struct ff_payload_reader reader = {
	.open = reader_open,
	.item = ff_hearing_item,
	.close = reader_close,
};

const struct ff_payload ff_payload_gtest = {
	.name = "gtest",
	.check = check,
	.memory = &ff_builtin_memory,
	.discover = &discover,
	.run = &run,
	.reader = &reader,
	.item = ff_builtin_item,
};
