/* farflung schema config|events: JSON schemas of what we read and write, from our own tables. */
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"
#include "event/journal.h"

static const struct ff_option options[] = {FF_OPTIONS_END};

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct ff_config_note *reports;
	struct ff_buf text = FF_BUF_INIT;
	char *what = NULL;
	int code, rc = ff_command_choice(command, argc, argv, NULL, &what);

	if (rc != 0)
		return rc > 0 ? FF_EXIT_OK : FF_EXIT_USAGE;
	if (strcmp(what, "events") == 0) {
		ff_event_schema(&text);
	} else {
		reports = ff_reports_notes();
		ff_config_schema(&text, reports);
		ff_free(reports);
	}
	code = ff_command_print(command, &text);
	ff_buf_release(&text);
	ff_free(what);
	return code;
}

const struct ff_command ff_command_schema = {
	.name = "schema",
	.summary =
		"Print a JSON schema: of configuration files, or of events as --jsonl writes them.",
	.synopsis = "config|events",
	.details =
		"config is what farflung check --schema prints. events is of each line of --jsonl "
		"and of a run's journal\n"
		"(draft 7; a kind of event each, by its word in `event`).\n",
	.options = options,
	.choices = "config or events",
	.run = run,
};
