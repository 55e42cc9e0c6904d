/* A journal told again, as if its run were on. */
#include "cli/retell.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "cli/story_end.h"
#include "dispatch/dispatch.h"
#include "event/going.h"
#include "event/reader.h"

enum { POLL_NS = 40000000 };

static const char cut_off[] = "the run was cut off: it was killed, or its disk was full";
static const char goes_on[] = "the run goes on: this is how it stood";

struct telling {
	const struct ff_retell_opts *opts;
	struct ff_story story;
	struct ff_reporters reporters;
	struct ff_reader *reader;
	bool going; /* when its journal began to be read; without `follow` */
};

static volatile sig_atomic_t left; /* the user has had enough of it */

static void on_signal(int number)
{
	(void)number;
	left = 1;
}

static void complain(const char *text)
{
	ff_complain("%s", text);
}

static int tell(struct telling *t, const struct ff_event *event, struct ff_err *err)
{
	int rc = ff_story_take(&t->story, event, err);

	if (rc == 0)
		ff_reporters_event(&t->reporters, event);
	return rc;
}

static int open_reports(struct telling *t, struct ff_err *err)
{
	const struct ff_retell_opts *o = t->opts;
	struct ff_report_wishes wishes = {0};
	struct ff_reporter_opts how = {.verbosity = o->verbosity, .color = o->color};
	struct ff_config config;
	int rc;

	wishes.may_wait = !o->follow;
	ff_config_init(&config);
	rc = ff_reports_choose(&wishes, &config, o->reports, err);
	how.stdout_taken = wishes.stdout_taken;
	if (rc == 0 && !o->no_terminal) {
		how.terminal = ff_report_terminal(&how);
		ff_reporters_add(&t->reporters, how.terminal);
	}
	if (rc == 0)
		rc = ff_reports_open(&t->reporters, &wishes, &how, err);
	ff_reports_release(&wishes);
	ff_config_release(&config);
	return rc;
}

/* --- the end that the journal does not have --- */

static void tell_ending(void *ctx, struct ff_event *event)
{
	struct telling *t = ctx;
	struct ff_err err = {0};

	if (tell(t, event, &err))
		ff_complain("%s: %s", t->opts->command, err.text);
}

static void tell_cut_off(struct telling *t)
{
	struct ff_buf reason = FF_BUF_INIT;
	struct ff_event event = {.kind = FF_EVENT_RUN_FINISHED, .time_us = t->story.last_us};
	const struct ff_story_end end = {
		.story = &t->story,
		.tell = tell_ending,
		.ctx = t,
		.lost = t->going ? "the run goes on, and so did it"
				 : "the run was cut off while it ran",
		.reason = t->going ? goes_on : cut_off,
	};

	ff_story_end_running(&end);
	for (uint32_t i = 0; i < t->story.state.jobs_len; i++)
		ff_story_end_job(&end, i);
	ff_story_counts(&t->story, &reason);
	ff_buf_addf(&reason, "; %s", end.reason);
	event.seq = t->story.state.run.seq + 1;
	event.u.run_finished.exit_code = FF_EXIT_INFRA;
	event.u.run_finished.reason = ff_buf_str(&reason);
	event.u.run_finished.counts = t->story.state.run.counts;
	event.u.run_finished.took_us = t->story.last_us - t->story.began_us;
	tell_ending(t, &event);
	ff_buf_release(&reason);
}

/* --- reading --- */

/* 0: the journal has been told as far as there will be any. */
static int tell_all(struct telling *t, struct ff_err *err)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	const struct ff_event *event;
	bool going = t->opts->follow;

	t->going = !going && ff_run_is_going(t->opts->path);
	for (;;) {
		int rc = ff_reader_next(t->reader, &event, err);

		if (rc > 0)
			rc = tell(t, event, err);
		else if (rc == 0 && (t->story.over || !going || left))
			return 0;
		else if (rc == 0) {
			/* What it wrote before it was found to be gone is read once more. */
			going = ff_run_is_going(t->opts->path);
			ff_reporters_tick(&t->reporters, ff_clock_us());
			if (going)
				nanosleep(&pause, NULL);
		}
		if (rc < 0)
			return rc;
	}
}

static int finish(struct telling *t)
{
	int code;

	if (!t->story.over && !left)
		tell_cut_off(t);
	code = left && !t->story.over ? FF_EXIT_INTERRUPTED : t->story.exit_code;
	if (ff_reporters_finish(&t->reporters, complain) && code == FF_EXIT_OK)
		code = FF_EXIT_INFRA;
	if (ff_reader_missing(t->reader))
		ff_complain("%s: %s", t->opts->command, ff_reader_missing(t->reader));
	ff_complain_last(t->story.over	   ? t->story.reason ? t->story.reason : ""
			 : t->story.run_id ? "the run goes on without anybody looking"
					   : cut_off,
			 code);
	return code;
}

static int with_reports(struct telling *t)
{
	struct ff_err err = {0};

	if (open_reports(t, &err)) {
		ff_complain_lines(err.text);
		return FF_EXIT_USAGE;
	}
	t->reader = ff_reader_new(t->opts->path, &err);
	if (!t->reader || tell_all(t, &err) < 0) {
		ff_reporters_finish(&t->reporters, complain);
		ff_complain("%s: %s", t->opts->command, err.text);
		return FF_EXIT_INFRA;
	}
	if (!t->story.run_id) {
		ff_complain("%s: %s: it has no beginning of a run", t->opts->command,
			    t->opts->path);
		return FF_EXIT_USAGE;
	}
	return finish(t);
}

int ff_retell(const struct ff_retell_opts *opts)
{
	struct sigaction leave = {.sa_handler = on_signal}, before[2];
	struct telling t = {.opts = opts};
	int code;

	ff_story_init(&t.story, opts->path);
	if (opts->follow) {
		sigaction(SIGINT, &leave, &before[0]);
		sigaction(SIGTERM, &leave, &before[1]);
	}
	code = with_reports(&t);
	if (opts->follow) {
		sigaction(SIGINT, &before[0], NULL);
		sigaction(SIGTERM, &before[1], NULL);
	}
	ff_reader_free(t.reader);
	ff_reporters_release(&t.reporters);
	ff_story_release(&t.story);
	return code;
}
