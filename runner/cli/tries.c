/* Rounds of tries: their files in a folder, and a run of commands that reads them. */
#include "cli/tries.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "dispatch/dispatch.h"

/* The build's text, with a NUL behind it: plugins/pytest/sequence_try.py and what it needs. */
extern const unsigned char ff_source_pytest_sequence_try[];

enum {
	OUTPUT_CAP = 64 << 10, /* bytes of what a try prints that are kept */
	RESULT_MAX = 1 << 20,
	GRACE_US = 500000, /* between TERM and KILL */
};

/* --- signals: between rounds nobody listens, and what is there must be removed --- */

static void these(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

/* Whether one has come; it is taken. */
static bool take_signal(void)
{
	const struct timespec at_once = {0};
	sigset_t set;

	these(&set);
	return sigtimedwait(&set, NULL, &at_once) > 0;
}

static void hold_signals(bool hold)
{
	sigset_t set;

	these(&set);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* --- files --- */

static int write_file(const struct ff_tries *tries, const char *name, const void *bytes, size_t len,
		      struct ff_err *err)
{
	char *path = ff_xasprintf("%s/%s", tries->folder, name);
	FILE *file = fopen(path, "we");
	bool ok = file && fwrite(bytes, 1, len, file) == len;
	int rc = 0;

	if (file)
		ok = fclose(file) == 0 && ok;
	if (!ok)
		rc = ff_err_set(err, FF_ESYS, "%s: %s", path, strerror(errno));
	ff_free(path);
	return rc;
}

/* False: it is not there, or can't be read. */
static bool read_file(const struct ff_tries *tries, uint32_t number, const char *kind,
		      struct ff_buf *out)
{
	char *path = ff_xasprintf("%s/%u.%s", tries->folder, number, kind);
	FILE *file = fopen(path, "re");
	size_t len = 0;

	for (uint8_t *at; file && out->len < RESULT_MAX && (at = ff_buf_reserve(out, 4096));) {
		len = fread(at, 1, 4096, file);
		ff_buf_added(out, len);
		if (len == 0)
			break;
	}
	if (file)
		fclose(file);
	ff_free(path);
	return file != NULL;
}

static void add_word(struct ff_buf *out, const char *word)
{
	ff_buf_add(out, word, strlen(word) + 1);
}

static int write_args(const struct ff_tries *tries, struct ff_err *err)
{
	struct ff_buf words = FF_BUF_INIT;
	int rc;

	add_word(&words, tries->job->addopts_read ? "1" : "0");
	if (tries->job->seed)
		add_word(&words, tries->job->seed);
	for (size_t i = 0; i < tries->job->args.len; i++)
		add_word(&words, tries->job->args.v[i]);
	rc = write_file(tries, "args", ff_buf_data(&words), words.len, err);
	ff_buf_release(&words);
	return rc;
}

static int write_tests(struct ff_tries *tries, const struct ff_try *one, uint32_t number,
		       struct ff_err *err)
{
	const struct ff_recorded_step *steps = tries->worker->steps;
	struct ff_buf words = FF_BUF_INIT;
	char name[32];
	int rc;

	for (size_t i = 0; i < one->len; i++)
		add_word(&words, steps[one->tests[i]].unit);
	add_word(&words, steps[tries->last].unit);
	snprintf(name, sizeof(name), "%u.tests", number);
	rc = write_file(tries, name, ff_buf_data(&words), words.len, err);
	ff_buf_release(&words);
	return rc;
}

int ff_tries_open(struct ff_tries *tries, struct ff_err *err)
{
	const char *temp = getenv("TMPDIR");
	const char *text = (const char *)ff_source_pytest_sequence_try;
	int rc;

	sigprocmask(SIG_SETMASK, NULL, &tries->signals);
	hold_signals(true);
	tries->folder = ff_xasprintf("%s/farflung-bisect-XXXXXX", temp && *temp ? temp : "/tmp");
	if (!mkdtemp(tries->folder)) {
		rc = ff_err_set(err, FF_ESYS, "%s: %s", tries->folder, strerror(errno));
		ff_free(tries->folder);
		tries->folder = NULL;
		return rc;
	}
	rc = write_file(tries, "try.py", text, strlen(text), err);
	return rc ? rc : write_args(tries, err);
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)remove(path);
	return 0;
}

void ff_tries_close(struct ff_tries *tries)
{
	enum { DESCRIPTORS = 16 };

	if (tries->folder)
		nftw(tries->folder, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
	ff_free(tries->folder);
	tries->folder = NULL;
	while (take_signal())
		;
	sigprocmask(SIG_SETMASK, &tries->signals, NULL);
}

int ff_tries_command(const struct ff_tries *tries, const struct ff_try *one, struct ff_strv *words,
		     struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *at, *end;

	if (!read_file(tries, one->number, "command", &text) || text.len == 0) {
		ff_buf_release(&text);
		return ff_err_set(err, FF_ESYS, "no command line is known");
	}
	end = ff_buf_str(&text) + text.len;
	for (at = ff_buf_str(&text); at < end; at += strlen(at) + 1)
		ff_strv_add(words, at);
	ff_buf_release(&text);
	return 0;
}

/* --- one round --- */

/* Hears what becomes of the commands. */
struct hearer {
	struct ff_reporter base;
	struct ff_try *v;
	size_t count;
	enum ff_outcome *outcomes;
	bool *ended;
	char *why; /* why the round as a whole went wrong; NULL */
};

static void keep_words(char **kept, const char *text)
{
	if (text && *text && !*kept)
		*kept = ff_xstrdup(text);
}

/* The last line that says something. */
static void keep_last_line(struct ff_try *one, const struct ff_result *result)
{
	for (size_t i = 0; i < result->sections_len; i++) {
		const char *text = result->sections[i].text, *begin;
		size_t len = result->sections[i].len;

		if (strcmp(result->sections[i].title, "stderr") != 0)
			continue;
		while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
			len--;
		begin = len ? memrchr(text, '\n', len) : NULL;
		begin = begin ? begin + 1 : text;
		if (len > 0) {
			ff_free(one->words);
			one->words = ff_xstrndup(begin, (size_t)(text + len - begin));
		}
	}
}

static void hear(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct hearer *h = (struct hearer *)reporter;

	if (event->kind == FF_EVENT_UNIT_FINISHED && event->index < h->count &&
	    event->u.unit_finished.final) {
		const struct ff_result *result = event->u.unit_finished.result;

		h->ended[event->index] = true;
		h->outcomes[event->index] = result->outcome;
		h->v[event->index].took_us = result->duration_us;
		keep_last_line(&h->v[event->index], result);
		keep_words(&h->v[event->index].words, result->message);
	} else if (event->kind == FF_EVENT_HOST_FAILED) {
		keep_words(&h->why, event->u.host_failed.error);
	} else if (event->kind == FF_EVENT_NOTICE && event->u.notice.level &&
		   strcmp(event->u.notice.level, "error") == 0) {
		keep_words(&h->why, event->u.notice.text);
	}
}

static int finish(struct ff_reporter *reporter, struct ff_err *err)
{
	return 0;
}

static void free_nothing(struct ff_reporter *reporter)
{
}

static const struct ff_reporter_class hearer_class = {
	.name = "tries",
	.event = hear,
	.finish = finish,
	.free = free_nothing,
};

/* "done failed" */
static void judge_done(struct ff_try *one, const char *word)
{
	int outcome = ff_outcome_from_word(word);

	if (outcome < 0)
		one->end = FF_TRY_BROKEN;
	else
		one->end = ff_outcome_bad((enum ff_outcome)outcome) ? FF_TRY_FAILED : FF_TRY_PASSED;
}

static void say(struct ff_try *one, char *words)
{
	ff_free(one->words);
	one->words = words;
}

/* What the try wrote down, and what became of its process. */
static void judge(const struct ff_tries *tries, struct ff_try *one, enum ff_outcome outcome)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *said;
	bool runs;

	read_file(tries, one->number, one->plain ? "plain.result" : "result", &text);
	said = text.len ? ff_buf_str(&text) : "";
	runs = strcmp(said, "running") == 0;
	if (strncmp(said, "done ", 5) == 0)
		judge_done(one, said + 5);
	else if (outcome == FF_OUTCOME_TIMEOUT)
		one->end = runs && tries->hang_fails ? FF_TRY_FAILED : FF_TRY_HUNG;
	else if (runs) /* its process went down with it */
		one->end = outcome == FF_OUTCOME_LOST ? FF_TRY_NONE : FF_TRY_FAILED;
	else if (strcmp(said, "missing") == 0)
		one->end = FF_TRY_MISSING;
	else
		one->end = outcome == FF_OUTCOME_LOST ? FF_TRY_NONE : FF_TRY_BROKEN;
	if (strncmp(said, "gone ", 5) == 0)
		say(one, ff_xasprintf("'%s' is not collected any more", said + 5));
	else if (strncmp(said, "broken ", 7) == 0)
		say(one, ff_xstrdup(said + 7));
	ff_buf_release(&text);
}

static char *in_arena(struct ff_config *config, const char *text)
{
	char *copy = ff_arena_strdup(&config->arena, text);

	return copy ? copy : ff_xmalloc(SIZE_MAX); /* says so and aborts */
}

/* The tries of a round have neighbouring numbers; the count of one that is alone is a matrix's. */
static void configure(struct ff_config *config, const struct ff_tries *tries,
		      const struct ff_try *v, size_t count)
{
	struct ff_config_job *job;
	struct ff_config_host *host;

	ff_config_init(config);
	host = ff_config_add_host(config, "popen");
	host->slots = tries->slots;
	host->chdir = in_arena(config, tries->repeat->cwd);
	ff_config_merge(&host->env, &tries->repeat->env, '=');
	ff_config_merge(&host->env, &tries->repeat->host_env, '=');
	job = ff_config_add_job(config, "try", "run");
	ff_strv_add_all(&job->args, tries->python->v);
	ff_strv_addf(&job->args, "%s/try.py", tries->folder);
	ff_strv_add(&job->args, tries->folder);
	ff_strv_add(&job->args, "{number}");
	if (v[0].plain || v[0].all)
		ff_strv_add(&job->args, v[0].plain ? ".plain" : ".all");
	job->axes = ff_arena_alloc(&config->arena, sizeof(*job->axes));
	job->axes_len = 1;
	*job->axes = (struct ff_config_axis){.name = in_arena(config, "number")};
	for (size_t i = 0; i < count; i++)
		ff_strv_addf(&job->axes->values, "%u", v[i].number);
	job->timeout_us = tries->timeout_us;
	job->grace_us = GRACE_US;
	config->settings.grace_us = 0; /* Ctrl-C: nobody waits for tries */
	config->settings.output_cap_bytes = OUTPUT_CAP;
}

static int execute(const struct ff_config *config, struct hearer *h, struct ff_err *err)
{
	struct ff_inventory inventory = {0};
	struct ff_plan plan = {0};
	struct ff_reporters reporters = {0};
	const struct ff_run_opts opts = {
		.config = config,
		.inventory = &inventory,
		.plan = &plan,
		.command_line = "bisect",
		.reporters = &reporters,
	};
	struct ff_run *run = NULL;
	int rc = ff_inventory_build(&inventory, config, err), code = FF_EXIT_INFRA;

	h->base.class = &hearer_class;
	ff_reporters_add(&reporters, &h->base);
	if (!rc)
		rc = ff_plan_build(&plan, config, &inventory, NULL, err);
	if (!rc) {
		run = ff_run_start(&opts, err);
		rc = run ? 0 : FF_ESYS;
	}
	if (run) {
		hold_signals(false);
		code = ff_run_wait(run);
		hold_signals(true);
		ff_run_end(run);
	}
	if (!rc && (code == FF_EXIT_INTERRUPTED || take_signal()))
		rc = ff_err_set(err, FF_ECANCELED, "interrupted");
	else if (!rc && code == FF_EXIT_INFRA)
		rc = ff_err_set(err, FF_ESYS, "%s", h->why ? h->why : "no try could be run");
	ff_reporters_release(&reporters);
	ff_plan_release(&plan);
	ff_inventory_release(&inventory);
	return rc;
}

int ff_tries_run(struct ff_tries *tries, struct ff_try *v, size_t count, struct ff_err *err)
{
	struct hearer h = {.v = v, .count = count};
	struct ff_config config;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		if (v[i].plain)
			continue; /* it has the number of the try before */
		v[i].number = ++tries->made;
		rc = write_tests(tries, &v[i], v[i].number, err);
	}
	if (rc)
		return rc;
	h.outcomes = ff_xcalloc(count, sizeof(*h.outcomes));
	h.ended = ff_xcalloc(count, sizeof(*h.ended));
	configure(&config, tries, v, count);
	rc = execute(&config, &h, err);
	for (size_t i = 0; i < count; i++)
		if (h.ended[i])
			judge(tries, &v[i], h.outcomes[i]);
	ff_free(h.outcomes);
	ff_free(h.ended);
	ff_free(h.why);
	ff_config_release(&config);
	return rc;
}
