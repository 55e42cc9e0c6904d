/* farflung: finds the subcommand, and runs it. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "dispatch/dispatch.h"
#include "farflung.h"

static const struct ff_command *const commands[] = {
	&ff_command_run,	&ff_command_map,    &ff_command_pytest,	     &ff_command_exec,
	&ff_command_sync,	&ff_command_fetch,  &ff_command_stress,	     &ff_command_try,
	&ff_command_check,	&ff_command_hosts,  &ff_command_history,     &ff_command_merge,
	&ff_command_runs,	&ff_command_show,   &ff_command_status,	     &ff_command_attach,
	&ff_command_replay,	&ff_command_cancel, &ff_command_drain,	     &ff_command_why_slow,
	&ff_command_rerun,	&ff_command_bisect, &ff_command_init,	     &ff_command_ci,
	&ff_command_completion, &ff_command_manual, &ff_command_web,	     &ff_command_notify,
	&ff_command_report,	&ff_command_schema, &ff_command_socketserver};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

const struct ff_command *const *const ff_commands = commands;
const size_t ff_commands_len = COMMANDS;

static void print_help(void)
{
	printf("usage: farflung COMMAND [OPTIONS]…\n\n"
	       "Distributes test runs and batch jobs over machines.\n\ncommands:\n");
	for (int i = 0; i < COMMANDS; i++)
		printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n  farflung COMMAND --help shows a command's options; farflung --version the "
	       "version.\n");
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "--help";
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_std_descriptors_open();
	ff_trace_from_env();
	for (int i = 0; i < COMMANDS; i++)
		if (strcmp(word, commands[i]->name) == 0)
			return commands[i]->run(commands[i], argc - 2, argv + 2);
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		printf("farflung %s\n", FARFLUNG_VERSION);
		return FF_EXIT_OK;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
		print_help();
		return argc > 1 ? FF_EXIT_OK : FF_EXIT_USAGE;
	}
	ff_suggest_init(&suggest, word);
	for (int i = 0; i < COMMANDS; i++)
		ff_suggest_offer(&suggest, commands[i]->name);
	ff_complain("unknown command '%s'%s (see farflung --help)", word,
		    ff_suggest_text(&suggest, hint));
	return FF_EXIT_USAGE;
}
