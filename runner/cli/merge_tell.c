/* Several runs told as one: shards as parts of each of its jobs, runs that are no shards with the
 * jobs of each. Their events are told once more, with hosts and workers named by their run. */
#include "cli/merge_tell.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "cli/merge.h"
#include "cli/runs.h"
#include "cli/story_end.h"
#include "cli/told.h"
#include "dispatch/dispatch.h"
#include "event/journal.h"
#include "event/reader.h"
#include "notify/notify.h"
#include "plan/shell.h"
#include "state/state.h"
#include "store/history.h"

enum { NOTHING_COLLECTED = 5 }; /* pytest's own number */

/* The merged run, as it is told. */
struct telling {
	const struct ff_merge_opts *opts;
	struct ff_merge merge;
	struct ff_story story;
	struct ff_journal *journal;
	struct ff_reporters reporters;
	struct ff_reporter *history; /* among them; NULL */
	struct ff_reporter *notify;  /* likewise */
	struct ff_told told;
	struct ff_mask mask;	    /* what those who are told are told by */
	struct ff_buf host, worker; /* names, with the shard before them */
	struct ff_map problems;	    /* of collection, each told once */
	int64_t end_us;
};

static void complain(const char *text)
{
	ff_complain("%s", text);
}

static bool known(void *ctx, const char *kind, const char *unit, struct ff_report_known *known_)
{
	const struct telling *t = ctx;

	return t->history && ff_history_known(t->history, kind, unit, known_);
}

static bool green(void *ctx, struct ff_report_green *green_)
{
	const struct telling *t = ctx;

	return t->history && ff_history_green(t->history, green_);
}

static void tell(struct telling *t, struct ff_event *event)
{
	struct ff_err err = {0};

	event->seq = t->story.state.run.seq + 1;
	event->job_id = event->host_id = event->worker_id = FF_NO_ID;
	if (ff_story_take(&t->story, event, &err)) {
		ff_merge_complain(&t->merge, "the journals don't fit together: %s", err.text);
		return;
	}
	if (t->journal)
		ff_journal_append(t->journal, event);
	ff_reporters_event(&t->reporters, event);
	if (event->time_us > t->end_us)
		t->end_us = event->time_us;
}

/* --- one shard --- */

/* What is the merged run's own to tell. */
static bool is_of_the_run(enum ff_event_kind kind)
{
	return kind == FF_EVENT_RUN_STARTED || kind == FF_EVENT_RUN_FINISHED ||
	       kind == FF_EVENT_STOPPING || kind == FF_EVENT_INTERRUPTED;
}

/* Likewise of a job that shards have in common, or a front's, whose story is not told twice. */
static bool is_left_out(const struct ff_event *event)
{
	switch (event->kind) {
	case FF_EVENT_JOB_ADDED:
	case FF_EVENT_JOB_STARTED:
	case FF_EVENT_JOB_FINISHED:
	case FF_EVENT_FRONT_STARTED:
	case FF_EVENT_FRONT_READY:
	case FF_EVENT_FRONT_TEXT:
	case FF_EVENT_FRONT_ENDING:
	case FF_EVENT_FRONT_FINISHED:
		return true;
	case FF_EVENT_NOTICE:
		return event->u.notice.text &&
		       (strncmp(event->u.notice.text, "farflung.shard", 14) == 0 ||
			strncmp(event->u.notice.text, "shard ", 6) == 0);
	default:
		return false;
	}
}

static uint32_t units_of(const struct telling *t, const char *job)
{
	uint32_t units = 0;

	for (size_t i = 0; i < t->merge.len; i++) {
		const struct ff_merge_part *part =
			t->merge.v[i].left_out ? NULL : ff_merge_part(&t->merge.v[i], job);

		units += part ? part->units : 0;
	}
	return units;
}

/* All units become known with the first collection, as those of one. */
static void merge_collected(const struct telling *t, struct ff_event *event)
{
	uint32_t number = ff_state_find_job(&t->story.state, event->job);
	const struct ff_merge_part *part;

	for (size_t i = 0; i < t->merge.len; i++) {
		part = t->merge.v[i].left_out ? NULL : ff_merge_part(&t->merge.v[i], event->job);
		if (part)
			event->u.collected.deselected -= part->left < event->u.collected.deselected
								 ? part->left
								 : event->u.collected.deselected;
		if (part)
			break;
	}
	event->u.collected.again = number != UINT32_MAX && t->story.state.jobs[number].known;
	if (!event->u.collected.again)
		event->u.collected.count = units_of(t, event->job);
}

static void tell_run_of(struct telling *t, const struct ff_merge_source *source, const char *job)
{
	char *text = ff_xasprintf("farflung.run=%s", source->run_id);
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .time_us = t->end_us, .job = job};

	event.u.notice.level = "property";
	event.u.notice.text = text;
	tell(t, &event);
	ff_free(text);
}

/* Among those of the others, who have the same names. */
static const char *named(struct ff_buf *to, const struct ff_merge_source *source, const char *name)
{
	ff_buf_clear(to);
	ff_buf_addf(to, "%u/%s", source->number, name ? name : "");
	return name ? ff_buf_str(to) : NULL;
}

static void retell(struct telling *t, const struct ff_merge_source *source,
		   const struct ff_event *told)
{
	const struct ff_merge_part *part = ff_merge_part(source, told->job);
	const char *problem = told->u.collect_problem.nodeid;
	struct ff_event event = *told;

	if (is_of_the_run(told->kind) || (told->job && !part) ||
	    (!t->merge.apart && is_left_out(told)))
		return;
	if (event.kind == FF_EVENT_COLLECT_PROBLEM && !t->merge.apart) {
		if (ff_map_get(&t->problems, problem ? problem : ""))
			return;
		ff_map_set(&t->problems, problem ? problem : "", t);
	}
	event.host = named(&t->host, source, told->host);
	event.worker = named(&t->worker, source, told->worker);
	event.job = part ? part->as : NULL;
	if (ff_event_has_index(event.kind) && part)
		event.index += part->first;
	if (event.kind == FF_EVENT_COLLECTED && !t->merge.apart)
		merge_collected(t, &event);
	tell(t, &event);
	if (event.kind == FF_EVENT_JOB_ADDED)
		tell_run_of(t, source, event.job);
}

static void tell_ending(void *ctx, struct ff_event *event)
{
	tell(ctx, event);
}

/* What became of its units, if its journal has no end. */
static void tell_cut_off(struct telling *t, const struct ff_merge_source *source)
{
	const struct ff_story_end end = {
		.story = &t->story,
		.tell = tell_ending,
		.ctx = t,
		.lost = source->going ? "the run goes on, and so did it"
				      : "the run was cut off while it ran",
		.reason = source->going
				  ? "the run goes on: this is how it stood"
				  : "the run was cut off: it was killed, or its disk was full",
	};

	ff_story_end_running(&end);
	for (size_t i = 0; i < source->parts_len; i++) {
		const struct ff_merge_part *part = &source->parts[i];
		uint32_t job = ff_state_find_job(&t->story.state, part->as);

		if (job == UINT32_MAX)
			continue;
		if (t->merge.apart)
			ff_story_end_job(&end, job);
		else
			ff_story_end_waiting(&end, job, part->first, part->units);
	}
}

static void tell_source(struct telling *t, const struct ff_merge_source *source)
{
	const struct ff_event *event;
	struct ff_err err = {0};
	struct ff_reader *reader = ff_reader_new(source->path, &err);
	int rc = reader ? 1 : -1;

	while (rc == 1 && (rc = ff_reader_next(reader, &event, &err)) == 1)
		retell(t, source, event);
	if (rc < 0)
		ff_merge_complain(&t->merge, "%s", err.text);
	ff_reader_free(reader);
	if (!source->over)
		tell_cut_off(t, source);
}

/* --- the whole --- */

static const struct ff_merge_source *first_of(const struct ff_merge *merge)
{
	for (size_t i = 0; i < merge->len; i++)
		if (!merge->v[i].left_out)
			return &merge->v[i];
	return NULL;
}

/* Of how many shards, or runs, it is made. */
static void tell_merged(struct telling *t, uint32_t count, const char *job)
{
	char *text = ff_xasprintf("farflung.merged=%u", count);
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .time_us = t->end_us, .job = job};

	event.u.notice.level = "property";
	event.u.notice.text = text;
	tell(t, &event);
	ff_free(text);
}

/* Those that all shards have. */
static void tell_jobs(struct telling *t, const struct ff_merge_source *first)
{
	struct ff_event event;

	for (size_t i = 0; i < first->parts_len; i++) {
		event = (struct ff_event){.kind = FF_EVENT_JOB_ADDED,
					  .time_us = t->end_us,
					  .job = first->parts[i].name};
		event.u.job_added.payload = first->parts[i].payload;
		event.u.job_added.args = (const char *const *)first->parts[i].args.v;
		event.u.job_added.timeout_us = first->parts[i].timeout_us;
		event.u.job_added.addopts_read = first->parts[i].addopts_read;
		tell(t, &event);
		event.kind = FF_EVENT_JOB_STARTED;
		event.u.job_started.payload = first->parts[i].payload;
		event.u.job_started.workers = 0;
		event.u.job_started.units = 0;
		tell(t, &event);
		tell_merged(t, first->parts[i].shards, first->parts[i].name);
	}
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Shards of one commit lead to it; of several nobody knows which one a failure is of. */
static void tell_links(const struct ff_merge *merge, struct ff_event *event)
{
	const struct ff_merge_source *first = first_of(merge);
	bool alike = true;

	for (size_t i = 0; i < merge->len; i++)
		if (!merge->v[i].left_out)
			alike = alike && same(merge->v[i].commit, first->commit) &&
				same(merge->v[i].below, first->below);
	event->u.run_started.links = first->links;
	event->u.run_started.commit = alike ? first->commit : NULL;
	event->u.run_started.below = alike ? first->below : NULL;
}

static void tell_beginning(struct telling *t, const char *command_line)
{
	const struct ff_merge_source *first = first_of(&t->merge);
	struct ff_event event = {.kind = FF_EVENT_RUN_STARTED, .time_us = first->began_us};

	for (size_t i = 0; i < t->merge.len; i++) {
		const struct ff_merge_source *source = &t->merge.v[i];

		if (source->left_out)
			continue;
		event.u.run_started.hosts += source->hosts;
		event.u.run_started.slots += source->slots;
		event.u.run_started.jobs += t->merge.apart ? (uint32_t)source->parts_len : 0;
		if (source->began_us < event.time_us)
			event.time_us = source->began_us;
	}
	event.u.run_started.run_id = t->journal ? ff_journal_run_id(t->journal) : first->run_id;
	event.u.run_started.version = FARFLUNG_VERSION;
	event.u.run_started.command_line = command_line;
	if (!t->merge.apart)
		event.u.run_started.jobs = (uint32_t)first->parts_len;
	tell_links(&t->merge, &event);
	t->end_us = event.time_us;
	tell(t, &event);
	if (t->merge.apart)
		tell_merged(t, (uint32_t)t->merge.len, NULL);
	else
		tell_jobs(t, first);
}

/* The worst that a shard says of it; nothing collected is no fault of a shard, if others have. */
static void judge_job(const struct telling *t, const struct ff_merge_part *first,
		      struct ff_event *event)
{
	uint32_t number = ff_state_find_job(&t->story.state, first->name);
	const struct ff_job_record *job = &t->story.state.jobs[number];
	bool bad = job->problems > 0;

	for (int i = 0; i < FF_OUTCOMES; i++)
		bad |= ff_outcome_bad((enum ff_outcome)i) && job->counts.by_outcome[i] > 0;
	event->u.job_finished.result = bad ? FF_JOB_FAILED : FF_JOB_PASSED;
	for (size_t i = 0; i < t->merge.len; i++) {
		const struct ff_merge_part *part =
			t->merge.v[i].left_out ? NULL : ff_merge_part(&t->merge.v[i], first->name);

		if (!part || part->result == FF_JOB_PASSED ||
		    (part->why == FF_REASON_NOTHING && job->units_len > 0 && part->tests == 0))
			continue;
		if (part->result != FF_JOB_FAILED || part->why != FF_REASON_NONE || !bad) {
			event->u.job_finished.result = part->result;
			event->u.job_finished.why = part->why;
			event->u.job_finished.reason = part->reason;
		}
		if (part->took_us > event->u.job_finished.took_us)
			event->u.job_finished.took_us = part->took_us;
	}
	if (t->merge.complaints > 0) {
		event->u.job_finished.result = FF_JOB_ERROR;
		event->u.job_finished.why = FF_REASON_SHARDS;
		event->u.job_finished.reason = t->merge.first;
	}
	event->u.job_finished.counts = job->counts;
	event->u.job_finished.problems = job->problems;
}

static int exit_code(const struct telling *t)
{
	int code = FF_EXIT_OK;

	if (t->merge.complaints > 0)
		return FF_EXIT_INFRA;
	for (size_t i = 0; i < t->merge.len; i++) {
		const struct ff_merge_source *source = &t->merge.v[i];

		if (source->left_out ||
		    (source->exit_code == NOTHING_COLLECTED && t->story.state.run.counts.total > 0))
			continue;
		if (source->exit_code > code)
			code = source->exit_code;
	}
	return code;
}

/* "2 failed, 40 passed; shard 3/8 is missing" */
static void add_reason(const struct telling *t, struct ff_buf *out)
{
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (t->story.state.run.counts.by_outcome[i] > 0)
			ff_buf_addf(out, "%s%u %s", out->len ? ", " : "",
				    t->story.state.run.counts.by_outcome[i],
				    ff_outcome_word((enum ff_outcome)i));
	if (out->len == 0)
		ff_buf_addstr(out, "nothing ran");
	if (t->merge.complaints > 0)
		ff_buf_addf(out, "; %.*s", (int)strcspn(t->merge.first, "\n"), t->merge.first);
	if (t->merge.complaints > 1)
		ff_buf_addf(out, ", and %u more to complain of", t->merge.complaints - 1);
}

/* Jobs of shards are in error by what is amiss between them; what is amiss with one of several runs
 * is a job's of its own, or files would be green. */
static void tell_complaints(struct telling *t)
{
	static const char name[] = "report", other[] = "report@runs";
	bool taken = ff_state_find_job(&t->story.state, name) != UINT32_MAX;
	struct ff_event event = {
		.kind = FF_EVENT_JOB_ADDED, .time_us = t->end_us, .job = taken ? other : name};

	if (!t->merge.apart || t->merge.complaints == 0)
		return;
	event.u.job_added.payload = "";
	tell(t, &event);
	event = (struct ff_event){
		.kind = FF_EVENT_JOB_FINISHED, .time_us = t->end_us, .job = event.job};
	event.u.job_finished.result = FF_JOB_ERROR;
	event.u.job_finished.why = FF_REASON_SHARDS;
	event.u.job_finished.reason = t->merge.first;
	tell(t, &event);
}

static int tell_end(struct telling *t)
{
	const struct ff_merge_source *first = first_of(&t->merge);
	struct ff_buf reason = FF_BUF_INIT;
	struct ff_event event;
	int64_t took_us = 0;
	int code;

	for (size_t i = 0; i < first->parts_len && !t->merge.apart; i++) {
		event = (struct ff_event){.kind = FF_EVENT_JOB_FINISHED,
					  .time_us = t->end_us,
					  .job = first->parts[i].name};
		judge_job(t, &first->parts[i], &event);
		tell(t, &event);
	}
	tell_complaints(t);
	for (size_t i = 0; i < t->merge.len; i++)
		if (!t->merge.v[i].left_out && t->merge.v[i].took_us > took_us)
			took_us = t->merge.v[i].took_us;
	code = exit_code(t);
	add_reason(t, &reason);
	event = (struct ff_event){.kind = FF_EVENT_RUN_FINISHED, .time_us = t->end_us};
	event.u.run_finished.exit_code = code;
	event.u.run_finished.why =
		t->merge.complaints && !t->merge.apart ? FF_REASON_SHARDS : FF_REASON_NONE;
	event.u.run_finished.reason = ff_buf_str(&reason);
	event.u.run_finished.counts = t->story.state.run.counts;
	event.u.run_finished.took_us = took_us;
	tell(t, &event);
	/* What shards go by is to come of whole runs. */
	if (t->history && t->merge.complaints > 0)
		ff_history_leave(t->history);
	if (ff_reporters_finish(&t->reporters, complain) && code == FF_EXIT_OK)
		code = FF_EXIT_INFRA;
	if (t->journal && ff_journal_free(t->journal)) {
		ff_complain("%s: the journal is incomplete", t->opts->command);
		code = code ? code : FF_EXIT_INFRA;
	}
	t->journal = NULL;
	if (t->notify)
		ff_notify_end(t->notify, code);
	ff_complain_last(ff_buf_str(&reason), code);
	ff_buf_release(&reason);
	return code;
}

/* --- what is asked for --- */

static int open_kept(struct telling *t, struct ff_err *err)
{
	const char *home = ff_runs_home("."), *history = t->opts->history;
	char *path;

	t->journal = ff_journal_new(home, err);
	if (!t->journal)
		return err->code;
	if (history && strcmp(history, "none") == 0)
		return 0;
	path = history ? ff_xstrdup(history) : ff_xasprintf("%s/.farflung/history.db", home);
	t->history = ff_history_new(path, complain);
	ff_reporters_add(&t->reporters, t->history);
	ff_free(path);
	return 0;
}

static void open_notify(struct telling *t)
{
	const struct ff_notify_opts opts = {.config = &t->told.config,
					    .home = ff_runs_home("."),
					    .mask = &t->mask,
					    .complain = complain};

	t->notify = ff_notify_new(&opts);
	ff_reporters_add(&t->reporters, t->notify);
}

static int open_reports(struct telling *t, const struct ff_report_wishes *wishes,
			struct ff_err *err)
{
	struct ff_reporter_opts how = {
		.verbosity = t->opts->verbosity,
		.color = t->opts->color,
		.stdout_taken = wishes->stdout_taken,
		.known = known,
		.green = green,
		.ctx = t,
	};
	int rc;

	if (!t->opts->no_terminal) {
		how.terminal = ff_report_terminal(&how);
		ff_reporters_add(&t->reporters, how.terminal);
	}
	rc = ff_reports_open(&t->reporters, wishes, &how, err);
	if (rc == 0 && t->opts->kept)
		rc = open_kept(t, err);
	if (rc == 0 && t->told.loaded)
		open_notify(t);
	return rc;
}

static int tell_all(struct telling *t)
{
	struct ff_buf command_line = FF_BUF_INIT;

	ff_buf_addstr(&command_line, t->opts->command);
	for (size_t i = 0; t->opts->dirs[i]; i++) {
		ff_buf_addch(&command_line, ' ');
		ff_shell_quote(&command_line, t->opts->dirs[i]);
	}
	tell_beginning(t, ff_buf_str(&command_line));
	for (size_t i = 0; i < t->merge.len; i++)
		if (!t->merge.v[i].left_out)
			tell_source(t, &t->merge.v[i]);
	ff_buf_release(&command_line);
	return tell_end(t);
}

int ff_merge_tell(const struct ff_merge_opts *opts)
{
	struct ff_report_wishes wishes = {.may_wait = true};
	struct telling t = {.opts = opts, .merge = {.command = opts->command}};
	struct ff_config config;
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	ff_config_init(&config);
	ff_story_init(&t.story, "the journals");
	ff_merge_read(&t.merge, opts->dirs, !opts->kept);
	if (!first_of(&t.merge)) {
		ff_complain_last("nothing was merged", FF_EXIT_USAGE);
	} else if ((opts->notify && ff_told_load(&t.told, opts->notify, &t.mask, &err)) ||
		   ff_reports_choose(&wishes, &config, opts->reports, &err) ||
		   open_reports(&t, &wishes, &err)) {
		ff_complain("%s: %s", opts->command, err.text);
		ff_complain_last("nothing was merged", FF_EXIT_USAGE);
	} else {
		code = tell_all(&t);
	}
	ff_reports_release(&wishes);
	ff_config_release(&config);
	ff_reporters_release(&t.reporters);
	ff_told_release(&t.told);
	ff_mask_release(&t.mask);
	ff_journal_free(t.journal);
	ff_story_release(&t.story);
	ff_map_release(&t.problems);
	ff_buf_release(&t.host);
	ff_buf_release(&t.worker);
	ff_merge_release(&t.merge);
	return code;
}
