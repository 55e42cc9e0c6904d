/* The payload `tap`: finds scripts, runs each, and judges it by what it has printed. */
#include "tap/tap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "found.h"
#include "hearing.h"
#include "tap/parse.h"

#define DISCOVERY_US INT64_C(300000000)

/* Patterns and folders to scripts, each with a NUL behind it. What is not there is an error. */
static const char find_scripts[] =
	"IFS=\n"
	"for pattern; do\n"
	"  for file in $pattern; do\n"
	"    if [ -d \"$file\" ]; then set -- \"$file\"/*.t; else set -- \"$file\"; fi\n"
	"    for script; do\n"
	"      [ -e \"$script\" ] || { echo \"there is no '$script' in $PWD\" >&2; exit 1; }\n"
	"      printf '%s\\0' \"$script\"\n"
	"    done\n"
	"  done\n"
	"done\n";

/* As prove does it: one that may be executed is, else who its first line names does that, else who
 * its name says. */
static const char run_script[] = "case $1 in */*) f=$1 ;; *) f=./$1 ;; esac\n"
				 "[ -x \"$f\" ] && exec \"$f\"\n"
				 "read -r line <\"$f\"\n"
				 "case $line in '#!'*) exec ${line#??} \"$f\" ;; esac\n"
				 "case $f in\n"
				 "*.sh) exec sh \"$f\" ;;\n"
				 "*.py) exec python3 \"$f\" ;;\n"
				 "*.rb) exec ruby \"$f\" ;;\n"
				 "*.js | *.mjs) exec node \"$f\" ;;\n"
				 "*) exec perl \"$f\" ;;\n"
				 "esac\n";

static int check(const struct ff_payload_job *job, struct ff_err *err)
{
	if (!job->shell && (!job->args || !job->args[0]))
		return ff_err_set(err, FF_EINVAL, "there is neither a script nor a command");
	for (char *const *arg = job->args; !job->shell && *arg; arg++) {
		if (!**arg)
			return ff_err_set(err, FF_EINVAL, "a script has no name");
		if (strstr(*arg, "**"))
			return ff_err_set(err, FF_EINVAL,
					  "'%s': '**' is no pattern here; name each folder", *arg);
	}
	return 0;
}

/* --- out --- */

static int make_task(const struct ff_payload_job *job, const char *script, char *const *args,
		     int64_t timeout_us, const struct ff_payload_worker *worker,
		     struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	static char shell[] = "/bin/sh", option[] = "-c";
	struct ff_builtin_call call = {.cwd = job->cwd,
				       .env = job->env,
				       .timeout_us = timeout_us,
				       .grace_us = job->grace_us};
	char *copy = ff_xstrdup(script), **argv;
	size_t len = 0;
	int rc;

	while (args[len])
		len++;
	argv = ff_xcalloc(len + 5, sizeof(*argv));
	argv[0] = argv[3] = shell;
	argv[1] = option;
	argv[2] = copy;
	memcpy(argv + 4, args, len * sizeof(*argv));
	call.argv = argv;
	rc = ff_builtin_task(&call, worker, arena, task, err);
	ff_free(argv);
	ff_free(copy);
	return rc;
}

/* A command is its own unit: there is nothing to be found. */
static int discover_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
			 struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	static char *const none[] = {NULL};

	return make_task(job, job->shell ? ":" : find_scripts, job->shell ? none : job->args,
			 DISCOVERY_US, worker, arena, task, err);
}

static int run_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	static char *const none[] = {NULL};
	char *name = ff_xstrdup(job->unit), *const args[] = {name, NULL};
	int rc = make_task(job, job->shell ? job->shell : run_script, job->shell ? none : args,
			   job->timeout_us, worker, arena, task, err);

	ff_free(name);
	return rc;
}

/* --- judging --- */

enum { PROPERTIES = 5, DIGITS = 24 };

struct verdict {
	struct ff_result result;
	struct ff_buf message;
	struct ff_property properties[PROPERTIES];
	char numbers[PROPERTIES][DIGITS];
};

static void add_number(struct verdict *v, const char *name, int64_t number)
{
	size_t at = v->result.properties_len;

	if (number == 0)
		return;
	snprintf(v->numbers[at], DIGITS, "%" PRId64, number);
	v->properties[at] = (struct ff_property){name, v->numbers[at]};
	v->result.properties_len++;
}

static void count(struct verdict *v, const struct ff_tap *tap)
{
	add_number(v, "tap.points", tap->points);
	add_number(v, "tap.subtest_points", tap->nested);
	add_number(v, "tap.skipped", tap->skipped);
	add_number(v, "tap.todo", tap->todo);
	add_number(v, "tap.todo_passed", tap->todo_passed);
	v->result.properties = v->properties;
}

static void add_reason(struct verdict *v, const char *text)
{
	ff_buf_addf(&v->message, "%s%s", v->message.len > 0 ? "; " : "", text);
}

static void tell_failures(struct verdict *v, struct ff_tap *tap, const struct ff_result *result)
{
	if (tap->bailed)
		ff_buf_addf(&v->message, "Bail out!%s%s", tap->bail.len > 0 ? " " : "",
			    tap->bail.len > 0 ? ff_buf_str(&tap->bail) : "");
	if (tap->failed > 0)
		ff_buf_addf(&v->message, "%s%s", v->message.len > 0 ? "; " : "",
			    ff_buf_str(&tap->first));
	if (tap->failed > 1)
		ff_buf_addf(&v->message, " and %lld more of %lld", (long long)tap->failed - 1,
			    (long long)tap->points);
	if (result->outcome != FF_OUTCOME_PASSED)
		add_reason(v, result->message);
	if (tap->wrong.len > 0)
		add_reason(v, ff_buf_str(&tap->wrong));
}

/* A signal, or a time that is over, stays what it is; its points are told all the same. */
static void judge(struct verdict *v, struct ff_tap *tap, bool cut)
{
	const struct ff_result *result = &v->result;

	count(v, tap);
	if (cut) {
		ff_buf_addstr(&v->message, "it has printed more than 16 MiB of TAP");
		v->result.outcome = FF_OUTCOME_ERROR;
	} else if (result->outcome == FF_OUTCOME_PASSED && tap->planned == 0 && tap->points == 0) {
		ff_buf_addf(&v->message, "skipped%s%s", tap->skip.len > 0 ? ": " : "",
			    tap->skip.len > 0 ? ff_buf_str(&tap->skip) : "");
		v->result.outcome = FF_OUTCOME_SKIPPED;
	} else {
		tell_failures(v, tap, result);
		if (v->message.len > 0 && result->outcome == FF_OUTCOME_PASSED)
			v->result.outcome = FF_OUTCOME_FAILED;
	}
	v->result.message = v->message.len > 0 ? ff_buf_str(&v->message) : NULL;
	if (tap->failures.len > 0)
		v->result.longrepr = ff_buf_str(&tap->failures);
}

/* --- in --- */

struct reader {
	struct ff_hearing hearing; /* the first */
	char *command;		   /* the only unit's name, where that is known */
};

static void ended(struct ff_hearing *hearing, const struct ff_result *result)
{
	struct verdict v = {.result = *result};
	struct ff_tap tap;

	ff_tap_parse(&tap, ff_hearing_text(hearing), hearing->kept[0].len);
	judge(&v, &tap, hearing->cut);
	hearing->sink->unit_finished(hearing->ctx, 0, &v.result);
	ff_tap_release(&tap);
	ff_buf_release(&v.message);
}

static void discovered(struct ff_hearing *hearing, const struct ff_result *result)
{
	const struct reader *reader = (const struct reader *)hearing;
	const char *at = ff_hearing_text(hearing);
	const char *end = at + hearing->kept[0].len;
	struct ff_found found = {0};

	if (result->outcome != FF_OUTCOME_PASSED || hearing->cut) {
		ff_hearing_failed(hearing, "looking for its scripts", hearing->cut ? NULL : result);
		return;
	}
	if (reader->command)
		ff_found_add(&found, reader->command, NULL);
	for (; at && at < end && memchr(at, '\0', (size_t)(end - at)); at += strlen(at) + 1)
		ff_found_add(&found, at, NULL);
	ff_found_tell(&found, hearing->sink, hearing->ctx);
	ff_found_release(&found);
}

static void *reader_open(const struct ff_payload_job *job)
{
	struct reader *reader = ff_xcalloc(1, sizeof(*reader));

	ff_hearing_init(&reader->hearing, job, ended, discovered);
	if (job->shell)
		reader->command = ff_xstrdup(job->name);
	return reader;
}

static void reader_close(void *ptr)
{
	struct reader *reader = ptr;

	ff_hearing_release(&reader->hearing);
	ff_free(reader->command);
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

const struct ff_payload ff_payload_tap = {
	.name = "tap",
	.check = check,
	.memory = &ff_builtin_memory,
	.discover = &discover,
	.run = &run,
	.reader = &reader,
	.item = ff_builtin_item,
};
