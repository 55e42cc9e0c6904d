/* The reference of all options, written from their table. */
#include <string.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/options.h"

static const char placeholders[] =
	"\n"
	"matrix:\n"
	"  NAME: [a, b]  an axis\n"
	"  rows          sets of values: a path of CSV, TSV, JSON (a list of objects) or JSON "
	"lines,\n"
	"                {file: PATH, format: csv}, {cmd: PROGRAM, format: json}, or a list of "
	"mappings\n"
	"  exclude       a list of mappings: combinations that have all values of one are left "
	"out\n"
	"  include       a list of mappings: values for the combinations that each agrees with, "
	"else\n"
	"                a combination more\n"
	"\n"
	"when:\n"
	"  always, failure, success or cancelled (of what a job needs, and what that needed), or "
	"an\n"
	"  expression: passed(JOB), failed(JOB), skipped(JOB), cancelled(JOB) of jobs in 'needs', "
	"always(),\n"
	"  failed() and the like, env.NAME, vars.NAME, matrix.NAME, \"text\", true, false, ==, "
	"!=, not, and,\n"
	"  or, brackets. One that asks for outcomes decides alone; others hold beside 'needs'. "
	"With\n"
	"  matrix.NAME each unit has its own answer, and is skipped where that is no.\n"
	"\n"
	"memory, cpu:\n"
	"  Limits of all that one unit starts, and what is reckoned with: what units declare on a "
	"host at one\n"
	"  time is never more than it has. By a group of cgroup v2 where the host's worker may "
	"make one (in\n"
	"  the folder FARFLUNG_CGROUP of its environment, in its own group if that is delegated, "
	"or beside\n"
	"  it); else memory is RLIMIT_DATA of each process, and cpu is no limit. The journal says "
	"which.\n"
	"\n"
	"Placeholders, in 'run', 'cwd', 'env' and 'stdin' of a job with 'matrix', 'foreach' or "
	"'count',\n"
	"and, of 'vars', in 'pytest', 'ctest', 'gtest' and 'tap', too:\n"
	"  {name}        the value of the axis, or else of the variable; {index} the number of the "
	"instance\n"
	"                Where 'run' is a text, the value is quoted for the shell, as it is "
	"needed\n"
	"                where it stands: '{name}', \"{name}\" and {name} are all the value, "
	"whatever is\n"
	"                in it. In $((...)), ${...} and `...` nothing can be quoted: values with "
	"blanks\n"
	"                or signs of the shell's are refused there.\n"
	"  {name:raw}    the value as it is, for the shell to read\n"
	"  {{name}}      the text {name}\n"
	"  Other braces stay as they are: ${name}, {a,b}, { list; }, awk's {print}, JSON. A word "
	"in\n"
	"  braces that is nearly the name of an axis or a variable is refused.\n"
	"\n"
	"Variables: -e NAME=VALUE and -e @FILE (YAML) on the command line come before "
	"FARFLUNG_VAR_NAME "
	"of the\n"
	"environment, that before 'vars' of the job, and that before 'vars' of the file. One "
	"without a "
	"value\n"
	"must be given. In values that no unit has of its own (hosts, timeouts, paths) {name} "
	"stands "
	"for one, too,\n"
	"and in 'vars' for one before it.\n"
	"\n"
	"In all values: ${env:NAME} of the environment, or ${env:NAME:-default} if it is not there "
	"or "
	"empty.\n"
	"\n"
	"Secrets, as a value in 'vars', 'notify' and in 'env' of a job or host: {secret: "
	"env:NAME}, "
	"{secret: "
	"file:PATH},\n"
	"{secret: 'cmd:COMMAND'}. They are looked up when a run begins, and are *** in all that it "
	"shows\n"
	"and keeps. One of 'vars' can stand in 'env' and 'stdin', not in what is a command line.\n"
	"\n"
	"notify: in 'link', and in the texts of a 'template', {title}, {summary}, {text}, {event}, "
	"{result},\n"
	"{name}, {file}, {run}, {machine}, {exit_code}, {reason}, {duration}, {time}, {link}, "
	"{counts.failed} (or\n"
	"another outcome, total, not_run), {failures}, {failures_count}, {flaky}, {flaky_count}, "
	"{hosts_lost},\n"
	"{previous_run}, {id} and {version} are replaced; a text that is nothing but one of them "
	"becomes a number\n"
	"or a list where it is one.\n"
	"Without a template a webhook gets all of them.\n"
	"\n"
	"Keys that begin with '.' or 'x-' stand for nothing, also among the jobs: what they hold "
	"is "
	"for\n"
	"anchors. Of files that are included, profiles and overrides, mappings are laid over "
	"mappings; "
	"a list\n"
	"or a text takes the place of another. Relative paths are meant from the file that they "
	"stand "
	"in.\n"
	"\n"
	"Ranges, in hosts and in 'on': n[1-12] is n1 to n12, n[01-12] is n01 to n12, n[a,b,7] is "
	"na, nb\n"
	"and n7. In 'on', '*' and '?' are the shell's.\n";

static void add_option(struct ff_buf *out, const struct ff_config_option *option)
{
	static const char *const words[] = {
#define X(name, word, wants) [FF_TYPE_##name] = word,
		FF_CONFIG_TYPE_MAP(X)
#undef X
	};

	ff_buf_addf(out, "  %-16s %s", option->key, words[option->type]);
	if (option->choices)
		ff_buf_addf(out, ": %s", option->choices);
	if (option->range)
		ff_buf_addf(out, ", %s", option->range);
	if (option->unit)
		ff_buf_addf(out, ", a bare number is in %s", option->unit);
	if (option->fallback)
		ff_buf_addf(out, ", default %s", option->fallback);
	if (option->required)
		ff_buf_addstr(out, ", required");
	if (option->only)
		ff_buf_addf(out, ", only for '%s'", option->only);
	ff_buf_addf(out, "\n  %-16s   %s\n", "", option->help);
}

int ff_config_reference(struct ff_buf *out, const struct ff_config_note *reports)
{
	static const struct {
		const char *where, *what;
	} sections[] = {
#define X(name, where, what) [FF_SECTION_##name] = {where, what},
		FF_SECTION_MAP(X)
#undef X
	};
	for (int section = 0; section < FF_SECTIONS; section++) {
		ff_buf_addf(out, "%s%s%s%s:\n", section ? "\n" : "", sections[section].where,
			    *sections[section].where ? "  -  " : "", sections[section].what);
		for (const struct ff_config_option *option = ff_config_options; option->key;
		     option++)
			if (option->section == (enum ff_config_section)section)
				add_option(out, option);
	}
	ff_buf_addstr(out, "\nreport  -  Files to write, and who is told:\n");
	for (; reports && reports->key; reports++)
		ff_buf_addf(out, "  %-16s %s%s\n  %-16s   %s\n", reports->key,
			    reports->choices ? "one of: " : "path",
			    reports->choices ? reports->choices : "", "", reports->help);
	ff_buf_addstr(out, placeholders);
	return ff_buf_addch(out, '\n');
}
