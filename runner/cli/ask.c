/* The answers to a request are events in the run's journal. */
#include "cli/ask.h"

#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/story.h"
#include "dispatch/dispatch.h"
#include "event/going.h"
#include "event/reader.h"

/* 1: all was answered, 0: it was refused, or the run has gone; an error. */
static int follow(const struct ff_ask *ask, const struct ff_story *story, const char *id,
		  struct ff_buf *out, struct ff_err *err)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	struct ff_reader *reader = ff_reader_new(story->path, err);
	enum ff_answer answer = FF_ANSWER_OTHER;
	const struct ff_event *event;
	int rc = reader ? 0 : FF_ESYS;
	bool gone = false;

	if (reader)
		ff_reader_brief(reader);
	while (rc >= 0 && answer != FF_ANSWER_LAST && answer != FF_ANSWER_REFUSED) {
		rc = ff_reader_next(reader, &event, err);
		if (rc > 0)
			answer = ask->tell(event, id, out);
		if (rc != 0)
			continue;
		/* What it wrote before it went has to be read once more. */
		if (gone) {
			ff_complain("%s: run %s ended before it took that", ask->command,
				    story->run_id);
			break;
		}
		gone = !ff_run_is_going(story->path);
		if (!gone)
			nanosleep(&pause, NULL);
	}
	ff_reader_free(reader);
	return rc < 0 ? rc : answer == FF_ANSWER_LAST;
}

int ff_ask_run(const struct ff_ask *ask, const char *journal, const char *const *names)
{
	struct ff_story story;
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {0};
	char *id = ff_xasprintf("%ld-%lld", (long)getpid(), (long long)ff_clock_wall_us());
	int rc, code = FF_EXIT_OK;

	ff_story_init(&story, journal);
	rc = ff_story_read(&story, true, &err);
	if (rc == 0 && !ff_run_is_going(story.path))
		rc = ff_err_set(&err, FF_ENOTFOUND, "run %s is not going", story.run_id);
	if (rc == 0)
		rc = ff_request_ask(story.path, ask->what, id, names, &err);
	if (rc == 0)
		rc = follow(ask, &story, id, &out, &err);
	if (rc < 0)
		ff_complain("%s: %s", ask->command, err.text);
	if (rc <= 0)
		code = rc == 0 || rc == FF_ENOTFOUND || rc == FF_ETOOBIG ? FF_EXIT_USAGE
									 : FF_EXIT_INFRA;
	ff_print(&out);
	ff_story_release(&story);
	ff_free(id);
	return code;
}
