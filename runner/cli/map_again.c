/* Going on with a run of `farflung map` by its journal: the words and the items that it had. */
#include <string.h>

#include "base/alloc.h"
#include "cli/map.h"
#include "cli/resume.h"
#include "dispatch/dispatch.h"

/* A command line, taken apart. */
struct given {
	struct options o;
	struct ff_strv words; /* the command and its sources */
	size_t options_len;   /* words before those */
};

static int parse(struct given *given, int argc, char **argv)
{
	struct ff_strv none = FF_STRV_INIT;
	int rc = ff_options_parse(&ff_command_map, argc, argv, &given->o, &none, &given->words);
	size_t len = (size_t)argc - given->words.len;

	given->options_len = len;
	if (rc == 0 && len > 0 && strcmp(argv[len - 1], "--") == 0)
		given->options_len--;
	ff_strv_release(&none);
	return rc;
}

static void release(struct given *given)
{
	ff_map_options_release(&given->o);
	ff_strv_release(&given->words);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_words(const struct ff_strv *a, const struct ff_strv *b)
{
	for (size_t i = 0; i < a->len && i < b->len; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return a->len == b->len;
}

/* Units are those that the run was given: what makes them is given as it was, or not at all. */
static bool same_units(const struct given *then, const struct given *now)
{
	static const struct options none;
	const struct options *as = now->words.len ? &then->o : &none;

	return (now->words.len == 0 || same_words(&then->words, &now->words)) &&
	       (now->words.len ? same_words(&as->files, &now->o.files) : now->o.files.len == 0) &&
	       as->nul == now->o.nul && as->skip_empty == now->o.skip_empty &&
	       same_text(as->separator, now->o.separator) &&
	       same_text(as->max_args, now->o.max_args) &&
	       same_text(as->max_replace, now->o.max_replace) && same_text(as->trim, now->o.trim) &&
	       same_text(as->delimiter, now->o.delimiter) && same_text(as->header, now->o.header) &&
	       same_text(as->end_mark, now->o.end_mark) &&
	       same_text(as->max_lines, now->o.max_lines) &&
	       same_text(as->replace, now->o.replace) && same_text(as->arg_sep, now->o.arg_sep) &&
	       as->link == now->o.link && as->quote == now->o.quote;
}

/* A command line that is whole stands for itself; options alone are added to those of then. */
static void join(struct ff_strv *all, const struct ff_resume *resume, const struct given *then,
		 const struct given *now, char **argv)
{
	const char *value = now->o.resume ? now->o.resume : now->o.resume_failed;

	for (size_t i = 0; now->words.len == 0 && i < then->options_len; i++) {
		const char *word = resume->words.v[i];

		if (now->o.tx.len > 0 && strcmp(word, "--tx") == 0)
			i++; /* other hosts, in their place */
		else if (now->o.tx.len == 0 || strncmp(word, "--tx=", 5) != 0)
			ff_strv_add(all, word);
	}
	ff_resume_add_words(all, (int)now->options_len, argv, value);
	ff_strv_add(all, "--");
	if (then->words.len)
		ff_strv_add_all(all, then->words.v);
}

/* Whether it never came to know all of its items. */
static bool was_cut(const struct ff_before_run *run)
{
	for (uint32_t i = 0; i < run->state.jobs_len; i++)
		if (run->state.jobs[i].open)
			return true;
	return false;
}

/* What -d says may be long, and no item has a NUL. */
char ff_map_kept_end(const struct options *o)
{
	return o->nul || o->delimiter ? '\0' : '\n';
}

const char *ff_map_unkept(const struct options *o)
{
	if (o->pipe)
		return "blocks of stdin (--pipe) are kept nowhere";
	if (o->shuffle)
		return "the order of --shuf is another one each time; a job log knows its own";
	if (o->xargs || o->merge)
		return "with -X and -m units depend on how many slots there are; a job log knows";
	return NULL;
}

/* What can't be done by a journal, in words; NULL: nothing. */
static const char *hindrance(const struct ff_resume *resume, const struct given *then,
			     const struct given *now, const char *as)
{
	const struct ff_before_run *run = &resume->before.v[0];

	if (ff_map_unkept(&then->o) || ff_map_unkept(&now->o))
		return ff_map_unkept(&then->o) ? ff_map_unkept(&then->o) : ff_map_unkept(&now->o);
	if (now->o.dry)
		return "--dry-run shows what a command would do with its items, not what is left";
	if ((then->o.resume || then->o.resume_failed) && then->o.joblog && !run->goes_on)
		return "it went on by its job log: with --joblog FILE --resume, and its items "
		       "again, the next one does, too";
	if (!same_units(then, now))
		return "its units are those of the command and the items that it was given: "
		       "others belong to a run of their own";
	if (strcmp(as, "rerun") == 0 && was_cut(run))
		return "it had not read stdin to its end: farflung map --resume-failed goes on "
		       "with that";
	return NULL;
}

static int run_again(struct ff_resume *resume, const struct given *then, const struct given *now,
		     char **argv)
{
	const struct ff_before_run *run = &resume->before.v[0];
	struct ff_map_kept kept = {.journal = run->path,
				   .run_id = run->run_id,
				   .end = ff_map_kept_end(&then->o),
				   .cut = was_cut(run)};
	struct given all = {{.before = &resume->before}, FF_STRV_INIT, 0};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_MAP_USAGE;

	for (uint32_t i = 0; i < run->state.jobs_len; i++)
		kept.units += run->state.jobs[i].units_len;
	join(&words, resume, then, now, argv);
	if (parse(&all, (int)words.len, words.v) == 0) {
		all.o.argc = (int)words.len;
		all.o.argv = words.v;
		code = ff_map_run(&all.o, &all.words, &kept);
	}
	if (kept.used)
		ff_lines_release(&kept.then);
	release(&all);
	ff_strv_release(&words);
	return code;
}

int ff_map_again(struct ff_resume *resume, int argc, char **argv, const char *as)
{
	int usage = strcmp(as, "rerun") == 0 ? FF_EXIT_USAGE : FF_MAP_USAGE;
	struct given then = {0}, now = {0};
	int code = ff_resume_check_folder(resume, usage);
	const char *why;

	if (code)
		return code;
	code = usage;
	if (parse(&then, (int)resume->words.len, resume->words.v) == 0 &&
	    parse(&now, argc, argv) == 0) {
		why = hindrance(resume, &then, &now, as);
		if (why)
			ff_complain("run %s can't be gone on with so: %s",
				    resume->before.v[0].run_id, why);
		else
			code = run_again(resume, &then, &now, argv);
		if (why)
			ff_complain_last("nothing was started", code);
	}
	release(&then);
	release(&now);
	return code;
}

int ff_map_resume(const struct options *o, int argc, char **argv)
{
	struct ff_before_again again = {.outcomes = 1U << FF_OUTCOME_LOST};
	const char *run = o->resume_failed ? o->resume_failed : o->resume;
	struct ff_resume resume;
	int code;

	for (int i = 0; o->resume_failed && i < FF_OUTCOMES; i++)
		if (ff_outcome_bad((enum ff_outcome)i))
			again.outcomes |= 1U << i;
	code = ff_resume_read(&resume, run, NULL, &again, FF_MAP_USAGE);
	if (code)
		return code;
	code = ff_resume_check(&resume, "map", FF_MAP_USAGE);
	if (code == 0)
		code = ff_map_again(&resume, argc, argv, "map");
	ff_resume_release(&resume);
	return code;
}
