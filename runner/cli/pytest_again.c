/* Going on with a run of `farflung pytest`: by the words and the PYTEST_ADDOPTS that it had. */
#include <string.h>

#include "base/alloc.h"
#include "cli/pytest.h"
#include "cli/resume.h"
#include "config/content.h"
#include "dispatch/dispatch.h"

/* What is given now is for all of it, and stands before a "--" of then; other hosts are in the
 * place of those of then. */
static void join(struct ff_strv *all, const struct ff_strv *then, int argc, char **argv,
		 const struct options *now)
{
	size_t at = 0;

	for (; at < then->len && strcmp(then->v[at], "--") != 0; at++) {
		if (now->tx.len > 0 && strcmp(then->v[at], "--tx") == 0)
			at++;
		else if (now->tx.len == 0 || strncmp(then->v[at], "--tx=", 5) != 0)
			ff_strv_add(all, then->v[at]);
	}
	ff_resume_add_words(all, argc, argv, now->resume);
	while (at < then->len)
		ff_strv_add(all, then->v[at++]);
}

/* Tests are those that the run was given: only how they are shown may be said anew. */
static int check_words(const struct ff_resume *resume, const struct ff_strv *now, const char *as)
{
	for (size_t i = 0; i < now->len; i++) {
		if (ff_config_pytest_only_shows(now->v[i]))
			continue;
		ff_complain("%s: the tests are those that run %s was given: '%s' may make others "
			    "of them, and belongs to a run of its own",
			    as, resume->before.v[0].run_id, now->v[i]);
		return -1;
	}
	return 0;
}

/* All words as one command line, which a third run may go on with. */
static int read_words(struct ff_resume *resume, int argc, char **argv, const char *as,
		      struct ff_strv *all)
{
	struct ff_pytest_given given = {0};
	struct options now = {0};
	int rc = ff_pytest_parse(&ff_command_pytest, &now, argc, argv, &given);

	if (!rc)
		rc = check_words(resume, &given.args, as);
	if (!rc)
		join(all, &resume->words, argc, argv, &now);
	ff_pytest_release(&now, &given);
	return rc;
}

/* Tests come in the order that was drawn then, unless they were given one. */
static void add_seed(const struct ff_resume *resume, struct ff_pytest_given *given)
{
	const char *seed = resume->before.v[0].seed;

	for (size_t i = 0; i < given->args.len && seed; i++)
		if (strncmp(given->args.v[i], "--randomly-seed", 15) == 0)
			seed = NULL;
	if (seed)
		ff_strv_add(&given->args, seed);
}

int ff_pytest_again(struct ff_resume *resume, int argc, char **argv, const char *as)
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
	o.addopts = resume->before.v[0].addopts;
	if (read_words(resume, argc, argv, as, &all) == 0 &&
	    ff_pytest_parse(&ff_command_pytest, &o, (int)all.len, all.v, &given) == 0) {
		add_seed(resume, &given);
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
