/* farflung drain RUN HOST...: hosts that a run is to do without. */
#include <string.h>

#include "base/alloc.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/story.h"
#include "dispatch/dispatch.h"

static const struct ff_option no_options[] = {FF_OPTIONS_END};

static enum ff_answer tell(const struct ff_event *event, const char *id, struct ff_buf *out)
{
	if (event->kind != FF_EVENT_DRAIN_ASKED || strcmp(event->u.drain_asked.request, id) != 0)
		return FF_ANSWER_OTHER;
	if (event->u.drain_asked.error) {
		ff_complain("drain: %s; all stay", event->u.drain_asked.error);
		return FF_ANSWER_REFUSED;
	}
	ff_buf_addstr(out, "draining ");
	ff_story_text(out, event->u.drain_asked.name);
	ff_buf_addf(out, ": %u running\n", event->u.drain_asked.running);
	return event->u.drain_asked.last ? FF_ANSWER_LAST : FF_ANSWER_MORE;
}

static int drain(const struct ff_command *command, int argc, char **argv)
{
	static const struct ff_ask ask = {"drain", FF_REQUEST_DRAIN, tell};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, NULL, &words, NULL);
	char *path = NULL;

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && words.len < 2)
		ff_complain("drain: which %s? ('last' is the last run that was started)",
			    words.len ? "HOST" : "RUN, and which HOST");
	else if (rc == 0 && (path = ff_story_find("drain", words.v[0])))
		code = ff_ask_run(&ask, path, (const char *const *)(uintptr_t)words.v + 1);
	ff_free(path);
	ff_strv_release(&words);
	return code;
}

const struct ff_command ff_command_drain = {
	.name = "drain",
	.summary = "Let hosts leave a run that goes on.",
	.synopsis = "RUN HOST...",
	.details =
		"HOST is a name, a tag or a set, as in --on: 'n[1-3]!n2'. Nothing more is begun "
		"there; what runs comes to its\n"
		"end, or goes elsewhere after the inventory's drain_timeout; the hosts are torn "
		"down, and their connections\n"
		"are closed. They stay away, unless they leave the inventory and come back. Jobs "
		"that are left without a host\n"
		"fail. Exit codes: 0 the run has taken it, 2 usage, no such run or host, or it is "
		"not going, 3 it can't be\n"
		"asked.\n",
	.options = no_options,
	.run = drain,
};
