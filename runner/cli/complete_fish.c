/* Completions for fish. */
#include "cli/complete.h"

static const char begin[] =
	"# Completions of farflung for fish, made by farflung completion fish.\n"
	"function __farflung_runs\n"
	"    set -l home .\n"
	"    test -n \"$FARFLUNG_RUNS\"; and set home $FARFLUNG_RUNS\n"
	"    command ls -t -- \"$home/.farflung/runs\" 2>/dev/null | string match -v last\n"
	"    echo last\n"
	"end\n"
	"function __farflung_jobs\n"
	"    " FF_COMPLETE_JOBS "\n"
	"end\n"
	"# Whether the command is this one.\n"
	"function __farflung_in\n"
	"    set -l words (commandline -opc)\n"
	"    test (count $words) -gt 1; and test $words[2] = $argv[1]\n"
	"end\n"
	"complete -c farflung -f\n"
	"complete -c farflung -n 'test (count (commandline -opc)) -eq 1' -l help -d 'show help'\n"
	"complete -c farflung -n 'test (count (commandline -opc)) -eq 1' -l version -d 'show the "
	"version'\n";

/* What follows, as options of `complete`; `needed`: it is an option's value. */
static void add_value(struct ff_buf *out, const struct ff_complete *value, bool needed)
{
	switch (value->kind) {
	case FF_COMPLETE_NONE:
		break;
	case FF_COMPLETE_TEXT:
		ff_buf_addstr(out, needed ? " -x" : "");
		break;
	case FF_COMPLETE_WORDS:
		ff_buf_addstr(out, needed ? " -x -a '" : " -a '");
		ff_complete_choices(out, value->choices);
		ff_buf_addch(out, '\'');
		break;
	case FF_COMPLETE_FILE:
		ff_buf_addstr(out, needed ? " -r -F" : " -F");
		break;
	case FF_COMPLETE_FOLDER:
		ff_buf_addstr(out, needed ? " -x -a '(__fish_complete_directories)'"
					  : " -a '(__fish_complete_directories)'");
		break;
	case FF_COMPLETE_RUN:
		ff_buf_addf(out, "%s -a '(__farflung_runs)'", needed ? " -x" : "");
		break;
	case FF_COMPLETE_JOB:
		ff_buf_addf(out, "%s -a '(__farflung_jobs)'", needed ? " -x" : "");
		break;
	}
}

struct place {
	struct ff_buf *out;
	const char *command;
};

static void add_option(void *ctx, const struct ff_complete_option *option)
{
	const struct place *place = ctx;
	struct ff_buf *out = place->out;

	ff_buf_addf(out, "complete -c farflung -n '__farflung_in %s'", place->command);
	if (option->letter)
		ff_buf_addf(out, " -s %c", option->letter);
	if (*option->name)
		ff_buf_addf(out, " -l %s", option->name);
	add_value(out, &option->value, true);
	ff_buf_addstr(out, " -d '");
	ff_complete_quoted(out, option->help, true);
	ff_buf_addstr(out, "'\n");
}

void ff_complete_fish(struct ff_buf *out)
{
	ff_buf_addstr(out, begin);
	for (size_t i = 0; i < ff_commands_len; i++) {
		struct place place = {out, ff_commands[i]->name};
		struct ff_complete words = ff_complete_words(ff_commands[i]);

		ff_buf_addf(out,
			    "complete -c farflung -n 'test (count (commandline -opc)) -eq 1' -a %s "
			    "-d '",
			    place.command);
		ff_complete_quoted(out, ff_commands[i]->summary, true);
		ff_buf_addstr(out, "'\n");
		if (words.kind != FF_COMPLETE_TEXT) {
			ff_buf_addf(out, "complete -c farflung -n '__farflung_in %s'",
				    place.command);
			add_value(out, &words, false);
			ff_buf_addch(out, '\n');
		}
		ff_complete_options(ff_commands[i], add_option, &place);
	}
}
