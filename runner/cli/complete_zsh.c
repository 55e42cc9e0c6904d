/* Completions for zsh. */
#include <string.h>

#include "cli/complete.h"

static const char begin[] = "#compdef farflung\n"
			    "# Completions of farflung for zsh, made by farflung completion zsh.\n"
			    "_farflung_runs() { local -a runs; runs=(${(f)\"$(" FF_COMPLETE_RUNS
			    ")\"}); compadd -a runs }\n"
			    "_farflung_jobs() { local -a jobs; jobs=(${(f)\"$(" FF_COMPLETE_JOBS
			    ")\"}); compadd -a jobs }\n"
			    "\n"
			    "_farflung() {\n"
			    "	local -a commands\n"
			    "	commands=(\n";

/* Within an option's entry of _arguments. */
static void add_help(struct ff_buf *out, const char *help)
{
	for (char one[2] = ""; *help; help++) {
		if (strchr("[]:\\", *help))
			ff_buf_addch(out, '\\');
		one[0] = *help;
		ff_complete_quoted(out, one, false);
	}
}

static void add_value(struct ff_buf *out, const struct ff_complete *value)
{
	switch (value->kind) {
	case FF_COMPLETE_WORDS:
		ff_buf_addch(out, '(');
		ff_complete_choices(out, value->choices);
		ff_buf_addch(out, ')');
		break;
	case FF_COMPLETE_FILE:
		ff_buf_addstr(out, "_files");
		break;
	case FF_COMPLETE_FOLDER:
		ff_buf_addstr(out, "_files -/");
		break;
	case FF_COMPLETE_RUN:
		ff_buf_addstr(out, "_farflung_runs");
		break;
	case FF_COMPLETE_JOB:
		ff_buf_addstr(out, "_farflung_jobs");
		break;
	case FF_COMPLETE_TEXT:
	case FF_COMPLETE_NONE:
		ff_buf_addch(out, ' ');
		break;
	}
}

static void add_spelling(struct ff_buf *out, const struct ff_complete_option *option, bool letter)
{
	bool valued = option->value.kind != FF_COMPLETE_NONE;

	ff_buf_addstr(out, " \\\n			'*");
	if (letter)
		ff_buf_addf(out, "-%c%s[", option->letter, valued ? "+" : "");
	else
		ff_buf_addf(out, "--%s%s[", option->name, valued ? "=" : "");
	add_help(out, option->help);
	ff_buf_addch(out, ']');
	if (valued) {
		ff_buf_addch(out, ':');
		add_help(out, option->arg ? option->arg : "value");
		ff_buf_addch(out, ':');
		add_value(out, &option->value);
	}
	ff_buf_addch(out, '\'');
}

static void add_option(void *ctx, const struct ff_complete_option *option)
{
	if (option->letter)
		add_spelling(ctx, option, true);
	if (*option->name)
		add_spelling(ctx, option, false);
}

void ff_complete_zsh(struct ff_buf *out)
{
	ff_buf_addstr(out, begin);
	for (size_t i = 0; i < ff_commands_len; i++) {
		ff_buf_addf(out, "		'%s:", ff_commands[i]->name);
		add_help(out, ff_commands[i]->summary);
		ff_buf_addstr(out, "'\n");
	}
	ff_buf_addstr(out, "	)\n"
			   "	if (( CURRENT == 2 )); then\n"
			   "		_describe -t commands command commands\n"
			   "		return\n"
			   "	fi\n"
			   "	shift words\n"
			   "	(( CURRENT-- ))\n"
			   "	case $words[1] in\n");
	for (size_t i = 0; i < ff_commands_len; i++) {
		struct ff_complete words = ff_complete_words(ff_commands[i]);

		ff_buf_addf(out, "	%s)\n		_arguments -s -S", ff_commands[i]->name);
		ff_complete_options(ff_commands[i], add_option, out);
		if (words.kind != FF_COMPLETE_TEXT) {
			ff_buf_addstr(out, " \\\n			'*:word:");
			add_value(out, &words);
			ff_buf_addch(out, '\'');
		}
		ff_buf_addstr(out, " ;;\n");
	}
	ff_buf_addstr(out, "	esac\n"
			   "}\n"
			   "if [[ $funcstack[1] == _farflung ]]; then _farflung \"$@\"; else "
			   "compdef _farflung farflung; fi\n");
}
