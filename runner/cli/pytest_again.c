/* Going on with a run of `farflung pytest`: by the words and the PYTEST_ADDOPTS that it had. */
#include <string.h>

#include "base/alloc.h"
#include "cli/pytest.h"
#include "cli/resume.h"
#include "config/content.h"
#include "dispatch/dispatch.h"

/* What is given now is for all of it, and stands before a "--" of then. */
static void join(struct ff_strv *all, const struct ff_strv *then, int argc, char **argv,
		 const char *value)
{
	size_t at = 0;

	while (at < then->len && strcmp(then->v[at], "--") != 0)
		ff_strv_add(all, then->v[at++]);
	ff_resume_add_words(all, argc, argv, value);
	while (at < then->len)
		ff_strv_add(all, then->v[at++]);
}

/* Tests are those that the run was given: only how they are shown may be said anew. */
static int add_words(const struct ff_resume *resume, const struct ff_strv *now,
		     struct ff_pytest_given *given, const char *as)
{
	for (size_t i = 0; i < now->len; i++) {
		if (!ff_config_pytest_only_shows(now->v[i])) {
			ff_complain("%s: the tests are those that run %s was given: '%s' may make "
				    "others of them, and belongs to a run of its own",
				    as, resume->before.v[0].run_id, now->v[i]);
			return -1;
		}
		ff_strv_add(&given->args, now->v[i]);
	}
	return 0;
}

static void drop_first(struct ff_strv *strv, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ff_free(strv->v[i]);
	memmove(strv->v, strv->v + count, (strv->len - count + 1) * sizeof(*strv->v));
	strv->len -= count;
}

static int parse(const struct ff_resume *resume, struct options *o, int argc, char **argv,
		 struct ff_pytest_given *given, const char *as)
{
	const struct ff_command *command = &ff_command_pytest;
	struct ff_pytest_given now = {0};
	size_t hosts;
	int rc;

	o->addopts = resume->before.v[0].addopts;
	rc = ff_pytest_parse(command, o, (int)resume->words.len, resume->words.v, given);
	hosts = o->tx.len;
	o->resume = o->addopts = NULL;
	if (!rc)
		rc = ff_pytest_parse(command, o, argc, argv, &now);
	o->addopts = resume->before.v[0].addopts;
	if (!rc)
		rc = add_words(resume, &now.args, given, as);
	if (!rc && hosts > 0 && o->tx.len > hosts)
		drop_first(&o->tx, hosts);
	ff_strv_release(&now.args);
	return rc;
}

int ff_pytest_again(const struct ff_resume *resume, int argc, char **argv, const char *as)
{
	struct options o = {.before = &resume->before, .usage = FF_PYTEST_USAGE};
	struct ff_pytest_given given = {0};
	struct ff_strv all = FF_STRV_INIT;
	int code;

	if (strcmp(as, "rerun") == 0)
		o.usage = FF_EXIT_USAGE;
	code = ff_resume_check_folder(resume, o.usage);
	if (code)
		return code;
	code = o.usage;
	if (ff_pytest_is_joined((int)resume->words.len, resume->words.v)) {
		ff_complain("run %s is of pytest --farflung, which alone can begin it: pytest "
			    "--farflung --lf runs what failed",
			    resume->before.v[0].run_id);
		ff_complain_last("nothing was started", code);
		return code;
	}
	if (parse(resume, &o, argc, argv, &given, as) == 0) {
		join(&all, &resume->words, argc, argv, o.resume);
		code = ff_pytest_run_given(&o, &given, (int)all.len, all.v);
	} else {
		ff_complain_last("nothing was started", code);
	}
	ff_pytest_release(&o, &given);
	ff_strv_release(&all);
	return code;
}

int ff_pytest_resume(const char *run, int argc, char **argv)
{
	struct ff_before_again again = {.outcomes = 1U << FF_OUTCOME_LOST, .changed_too = true};
	struct ff_changed changed = {0};
	struct ff_resume resume;
	int code;

	ff_changed_ask(&changed, &again);
	code = ff_resume_read(&resume, run, NULL, &again, FF_PYTEST_USAGE);
	if (code == 0) {
		code = ff_resume_check(&resume, "pytest", FF_PYTEST_USAGE);
		if (code == 0) {
			ff_changed_say(&changed, true);
			code = ff_pytest_again(&resume, argc, argv, "pytest");
		}
		ff_resume_release(&resume);
	}
	ff_changed_release(&changed);
	return code;
}
