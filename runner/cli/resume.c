/* Going on with an earlier run. */
#include "cli/resume.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "dispatch/content.h"
#include "dispatch/dispatch.h"
#include "dispatch/supply.h"

/* Its words, without the subcommand before them. */
static int split_command(struct ff_resume *resume, struct ff_err *err)
{
	const struct ff_before_run *run = &resume->before.v[0];
	struct ff_strv all = FF_STRV_INIT;
	int rc = ff_strv_split(&all, run->command_line ? run->command_line : "", err);

	if (rc == 0) {
		resume->command = ff_xstrdup(all.len ? all.v[0] : "?");
		if (all.len > 1)
			ff_strv_add_all(&resume->words, all.v + 1);
	}
	ff_strv_release(&all);
	return rc;
}

int ff_resume_read(struct ff_resume *resume, const char *run, const char *home,
		   struct ff_before_again *again, int usage)
{
	bool last = !run || strcmp(run, "last") == 0;
	char *path = last && home ? ff_run_journal_in(ff_runs_home(home)) : NULL;
	struct ff_err err = {0};
	int rc;

	*resume = (struct ff_resume){0};
	if (!path)
		path = ff_run_journal(last ? NULL : run);
	if (!path)
		rc = last ? ff_err_set(&err, FF_ENOTFOUND,
				       "no run was started here: there is no .farflung/runs/last")
			  : ff_err_set(&err, FF_ENOTFOUND, "%s: there is no such run", run);
	else
		rc = ff_before_read(&resume->before, path, again, &err);
	if (rc == 0)
		rc = split_command(resume, &err);
	ff_free(path);
	if (rc == 0)
		return 0;
	ff_resume_release(resume);
	/* That of map is for all that is no unit's. */
	if ((rc == FF_ESYS || rc == FF_ELOAD) && usage <= FF_EXIT_INTERRUPTED)
		usage = FF_EXIT_INFRA;
	rc = usage;
	ff_complain("%s", err.text);
	ff_complain_last("nothing was started", rc);
	return rc;
}

void ff_resume_release(struct ff_resume *resume)
{
	ff_before_release(&resume->before);
	ff_free(resume->command);
	ff_strv_release(&resume->words);
}

/* Those that can be gone on with. */
static bool goes_on(const char *command)
{
	return !strcmp(command, "run") || !strcmp(command, "pytest") || !strcmp(command, "map");
}

int ff_resume_check(const struct ff_resume *resume, const char *command, int code)
{
	const char *was = resume->command, *id = resume->before.v[0].run_id;

	if (command ? strcmp(was, command) == 0 : goes_on(was))
		return 0;
	if (command && goes_on(was))
		ff_complain("run %s was 'farflung %s': farflung %s --resume %s goes on with it", id,
			    was, was, id);
	else
		ff_complain("run %s was 'farflung %s': only runs of farflung run, pytest and map "
			    "can be gone on with",
			    id, was);
	ff_complain_last("nothing was started", code);
	return code;
}

/* A folder that was moved took its runs along. */
static bool moved_here(const struct ff_before_run *run, const char *here)
{
	size_t len = strlen(here);

	return access(run->directory, F_OK) < 0 && strncmp(run->path, here, len) == 0 &&
	       strncmp(run->path + len, "/.farflung/", 11) == 0;
}

int ff_resume_check_folder(const struct ff_resume *resume, int code)
{
	const struct ff_before_run *run = &resume->before.v[0];
	char here[PATH_MAX], then[PATH_MAX];

	if (!realpath(".", here) || !run->directory ||
	    (realpath(run->directory, then) && strcmp(here, then) == 0) || moved_here(run, here))
		return 0;
	ff_complain("run %s was begun in %s, from where what it was given is meant; this is %s",
		    run->run_id, run->directory, here);
	ff_complain_last("nothing was started", code);
	return code;
}

void ff_resume_add_words(struct ff_strv *words, int argc, char **argv, const char *value)
{
	for (int i = 0; i < argc; i++) {
		bool resumes = value && (strcmp(argv[i], "--resume") == 0 ||
					 strcmp(argv[i], "--resume-failed") == 0);

		if (!resumes) {
			ff_strv_add(words, argv[i]);
			continue;
		}
		ff_strv_addf(words, "%s=%s", argv[i], value);
		i += i + 1 < argc && argv[i + 1] == value;
		value = NULL; /* what follows of that name is somebody else's */
	}
}

/* --- what has changed --- */

static uint32_t done_in(const struct ff_before_run *run, uint32_t job)
{
	const struct ff_job_record *record = &run->state.jobs[job];
	uint32_t done = 0;

	for (uint32_t i = 0; i < record->units_len; i++)
		done += record->units[i].state == FF_UNIT_DONE &&
			!(run->again[job] && (run->again[job][i / 64] >> i % 64 & 1));
	return done;
}

/* The latest run in which the job came so far that it counts; NULL. */
static const struct ff_job_record *find_job(const struct ff_before *before, const char *name,
					    uint32_t *done)
{
	for (size_t i = 0; i < before->len; i++) {
		uint32_t job = ff_state_find_job(&before->v[i].state, name);

		if (job == FF_NOBODY)
			continue;
		*done = done_in(&before->v[i], job);
		if (*done > 0 || i + 1 == before->len)
			return &before->v[i].state.jobs[job];
	}
	return NULL;
}

static bool same(const struct ff_job_record *job, const char *content)
{
	return job->content && strcmp(job->content, content) == 0;
}

static void say_job(const struct ff_before *before, const struct ff_plan *plan, size_t number,
		    char (*contents)[FF_CONTENT_TEXT])
{
	const struct ff_plan_job *job = &plan->jobs[number];
	const char *name = job->config->name, *because = NULL;
	uint32_t done = 0, other;
	const struct ff_job_record *then = find_job(before, name, &done);

	if (!then || same(then, contents[number]))
		return;
	for (size_t i = 0; i < job->needs_len && !because; i++) {
		const char *need = plan->jobs[job->needs[i]].config->name;
		const struct ff_job_record *was = find_job(before, need, &other);

		if (was && !same(was, contents[job->needs[i]]))
			because = need;
	}
	if (because)
		ff_complain("job '%s' needs '%s', which has changed: it is run anew (%u done "
			    "before)",
			    name, because, done);
	else
		ff_complain("job '%s' has changed: it is run anew (%u done before)", name, done);
}

static void say_gone(const struct ff_before_run *run, const struct ff_plan *plan)
{
	for (uint32_t i = 0; i < run->state.jobs_len; i++) {
		const char *name = run->state.jobs[i].name;
		size_t j = 0;

		while (j < plan->len && strcmp(plan->jobs[j].config->name, name) != 0)
			j++;
		if (j == plan->len && done_in(run, i) > 0)
			ff_complain("job '%s' is not among the jobs any more: what it had done "
				    "is left out",
				    name);
	}
}

void ff_resume_compare(struct ff_before *before, const struct ff_config *config,
		       const struct ff_plan *plan)
{
	char(*contents)[FF_CONTENT_TEXT] = ff_content_of_jobs(plan);
	struct ff_buf words = FF_BUF_INIT;

	ff_supply_compare(before, plan, config->directory, contents, &words);
	if (words.len)
		ff_complain_lines(ff_buf_str(&words));
	ff_buf_release(&words);
	ff_free(contents);
}

void ff_resume_say(const struct ff_before *before, const struct ff_config *config,
		   const struct ff_plan *plan)
{
	const struct ff_before_run *latest = &before->v[0];
	char(*contents)[FF_CONTENT_TEXT] = ff_content_of_jobs(plan);
	uint32_t total = 0, done = 0, of_job;
	char content[FF_CONTENT_TEXT];

	for (size_t i = 0; i < plan->len; i++) {
		const struct ff_job_record *job =
			find_job(before, plan->jobs[i].config->name, &of_job);

		if (!job || !same(job, contents[i]))
			continue;
		done += of_job;
		total += job->units_len;
	}
	ff_complain("going on with run %s: %u of its %u known units are done", latest->run_id, done,
		    total);
	if (latest->content && ff_content_of_file(config->path, content) == 0 &&
	    strcmp(content, latest->content) != 0)
		ff_complain("%s has changed since then", config->path);
	for (size_t i = 0; i < plan->len; i++)
		say_job(before, plan, i, contents);
	say_gone(latest, plan);
	ff_free(contents);
}
