/* Completions for bash. */
#include <string.h>

#include "cli/complete.h"

/* A value that follows "=" is a word of its own: '=' breaks words. */
static const char begin[] =
	"# Completions of farflung for bash, made by farflung completion bash.\n"
	"_farflung_runs() { " FF_COMPLETE_RUNS "; }\n"
	"_farflung_jobs() { " FF_COMPLETE_JOBS "; }\n"
	"\n"
	"_farflung() {\n"
	"	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i\n"
	"	local command=${COMP_WORDS[1]}\n"
	"	COMPREPLY=()\n"
	"	if [[ $cur == '=' ]]; then\n"
	"		cur=\n"
	"	elif [[ $prev == '=' && COMP_CWORD -gt 2 ]]; then\n"
	"		prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	"	fi\n"
	"	if ((COMP_CWORD == 1)); then\n"
	"		command= prev=\n"
	"	fi\n"
	"	# What is behind -- is another program's.\n"
	"	for ((i = 2; i < COMP_CWORD; i++)); do\n"
	"		[[ ${COMP_WORDS[i]} == '--' ]] && return\n"
	"	done\n"
	"	case \"$command $prev\" in\n";

static const char end[] = "	esac\n"
			  "}\n"
			  "complete -o bashdefault -o default -F _farflung farflung\n";

static void add_value(struct ff_buf *out, const struct ff_complete *value)
{
	switch (value->kind) {
	case FF_COMPLETE_WORDS:
		ff_buf_addstr(out, "COMPREPLY=($(compgen -W '");
		ff_complete_choices(out, value->choices);
		ff_buf_addstr(out, "' -- \"$cur\"))");
		break;
	case FF_COMPLETE_FOLDER:
		ff_buf_addstr(out, "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < "
				   "<(compgen -d -- \"$cur\")");
		break;
	case FF_COMPLETE_RUN:
		ff_buf_addstr(out, "COMPREPLY=($(compgen -W \"$(_farflung_runs)\" -- \"$cur\"))");
		break;
	case FF_COMPLETE_JOB:
		ff_buf_addstr(out, "COMPREPLY=($(compgen -W \"$(_farflung_jobs)\" -- \"$cur\"))");
		break;
	case FF_COMPLETE_FILE: /* bash's own, as nothing is offered */
		ff_buf_addstr(out, ":");
		break;
	case FF_COMPLETE_TEXT:
	case FF_COMPLETE_NONE:
		ff_buf_addstr(out, "compopt +o default +o bashdefault 2>/dev/null");
		break;
	}
}

struct place {
	struct ff_buf *out;
	const char *command;
};

static void add_case(void *ctx, const struct ff_complete_option *option)
{
	const struct place *place = ctx;
	struct ff_buf *out = place->out;

	/* The value of "--resume [RUN]" may be left out: then the next word is none of it. */
	if (option->value.kind == FF_COMPLETE_NONE)
		return;
	ff_buf_addstr(out, "	");
	if (*option->name)
		ff_buf_addf(out, "'%s --%s'", place->command, option->name);
	if (option->letter)
		ff_buf_addf(out, "%s'%s -%c'", *option->name ? " | " : "", place->command,
			    option->letter);
	ff_buf_addstr(out, ") ");
	add_value(out, &option->value);
	ff_buf_addstr(out, "; return ;;\n");
}

static void add_name(void *ctx, const struct ff_complete_option *option)
{
	struct ff_buf *out = ctx;

	if (*option->name)
		ff_buf_addf(out, " --%s", option->name);
	if (option->letter)
		ff_buf_addf(out, " -%c", option->letter);
}

static void add_commands(struct ff_buf *out)
{
	ff_buf_addstr(out, "	esac\n	case $command in\n	'') COMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < ff_commands_len; i++)
		ff_buf_addf(out, "%s ", ff_commands[i]->name);
	ff_buf_addstr(out, "help --help --version' -- \"$cur\")) ;;\n");
	for (size_t i = 0; i < ff_commands_len; i++) {
		struct ff_complete words = ff_complete_words(ff_commands[i]);

		ff_buf_addf(out,
			    "	%s)\n		if [[ $cur == -* ]]; then\n			"
			    "COMPREPLY=($(compgen -W '",
			    ff_commands[i]->name);
		ff_complete_options(ff_commands[i], add_name, out);
		ff_buf_addstr(out, "' -- \"$cur\"))\n		else\n			");
		add_value(out, &words);
		ff_buf_addstr(out, "\n		fi ;;\n");
	}
}

void ff_complete_bash(struct ff_buf *out)
{
	ff_buf_addstr(out, begin);
	for (size_t i = 0; i < ff_commands_len; i++) {
		struct place place = {out, ff_commands[i]->name};

		ff_complete_options(ff_commands[i], add_case, &place);
	}
	add_commands(out);
	ff_buf_addstr(out, end);
}
