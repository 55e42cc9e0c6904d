/* farflung merge DIR…: one report, one journal and one history of the shards of a run. The shards'
 * events are told once more as those of one run, with hosts and workers named by their shard. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "cli/merge.h"
#include "cli/runs.h"
#include "dispatch/dispatch.h"
#include "event/journal.h"
#include "event/reader.h"
#include "plan/shell.h"
#include "state/state.h"
#include "store/history.h"

struct options {
	struct ff_strv reports;
	const char *color, *history;
	bool quiet;
	int verbose;
};

static const struct ff_option options[] = {
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION_OF("history", SETTINGS, "history", history, "PATH"),
	FF_OPTION("verbose", 'v', COUNT, NULL, "a line per unit; twice: output too", verbose),
	FF_OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary (default)", quiet),
	FF_OPTION_COLOR(color),
	FF_OPTIONS_END,
};

enum { NOTHING_COLLECTED = 5 }; /* pytest's own number */

/* The merged run, as it is told. */
struct telling {
	struct ff_merge merge;
	struct ff_state state;
	struct ff_journal *journal;
	struct ff_reporters reporters;
	struct ff_reporter *history; /* among them; NULL */
	struct ff_buf host, worker;  /* names, with the shard before them */
	struct ff_map problems;	     /* of collection, each told once */
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

	event->seq = t->state.run.seq + 1;
	event->job_id = event->host_id = event->worker_id = FF_NO_ID;
	if (ff_state_apply(&t->state, event, &err)) {
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

/* What is the merged run's own to tell, or a front's, whose story is not told twice. */
static bool is_left_out(const struct ff_event *event)
{
	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
	case FF_EVENT_RUN_FINISHED:
	case FF_EVENT_JOB_ADDED:
	case FF_EVENT_JOB_STARTED:
	case FF_EVENT_JOB_FINISHED:
	case FF_EVENT_STOPPING:
	case FF_EVENT_INTERRUPTED:
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
	uint32_t number = ff_state_find_job(&t->state, event->job);
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
	event->u.collected.again = number != UINT32_MAX && t->state.jobs[number].known;
	if (!event->u.collected.again)
		event->u.collected.count = units_of(t, event->job);
}

static void retell(struct telling *t, const struct ff_merge_source *source,
		   const struct ff_event *told)
{
	const struct ff_merge_part *part = ff_merge_part(source, told->job);
	struct ff_event event = *told;

	if (is_left_out(told) || (told->job && !part))
		return;
	if (event.kind == FF_EVENT_COLLECT_PROBLEM) {
		const char *nodeid = event.u.collect_problem.nodeid;

		if (ff_map_get(&t->problems, nodeid ? nodeid : ""))
			return;
		ff_map_set(&t->problems, nodeid ? nodeid : "", t);
	}
	ff_buf_clear(&t->host);
	ff_buf_clear(&t->worker);
	ff_buf_addf(&t->host, "%u/%s", source->parts[0].shard, told->host ? told->host : "");
	ff_buf_addf(&t->worker, "%u/%s", source->parts[0].shard, told->worker ? told->worker : "");
	event.host = told->host ? ff_buf_str(&t->host) : NULL;
	event.worker = told->worker ? ff_buf_str(&t->worker) : NULL;
	if (ff_event_has_index(event.kind) && part)
		event.index += part->first;
	if (event.kind == FF_EVENT_COLLECTED)
		merge_collected(t, &event);
	tell(t, &event);
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
}

/* --- the whole --- */

static const struct ff_merge_source *first_of(const struct ff_merge *merge)
{
	for (size_t i = 0; i < merge->len; i++)
		if (!merge->v[i].left_out)
			return &merge->v[i];
	return NULL;
}

/* Of how many shards it is made. */
static void tell_merged(struct telling *t, const struct ff_merge_part *part)
{
	char *text = ff_xasprintf("farflung.merged=%u", part->shards);
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .time_us = t->end_us, .job = part->name};

	event.u.notice.level = "property";
	event.u.notice.text = text;
	tell(t, &event);
	ff_free(text);
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
		if (source->began_us < event.time_us)
			event.time_us = source->began_us;
	}
	event.u.run_started.run_id = t->journal ? ff_journal_run_id(t->journal) : first->run_id;
	event.u.run_started.version = FARFLUNG_VERSION;
	event.u.run_started.command_line = command_line;
	event.u.run_started.jobs = (uint32_t)first->parts_len;
	tell_links(&t->merge, &event);
	t->end_us = event.time_us;
	tell(t, &event);
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
		tell_merged(t, &first->parts[i]);
	}
}

/* The worst that a shard says of it; nothing collected is no fault of a shard, if others have. */
static void judge_job(const struct telling *t, const struct ff_merge_part *first,
		      struct ff_event *event)
{
	uint32_t number = ff_state_find_job(&t->state, first->name);
	const struct ff_job_record *job = &t->state.jobs[number];
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
		    (source->exit_code == NOTHING_COLLECTED && t->state.run.counts.total > 0))
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
		if (t->state.run.counts.by_outcome[i] > 0)
			ff_buf_addf(out, "%s%u %s", out->len ? ", " : "",
				    t->state.run.counts.by_outcome[i],
				    ff_outcome_word((enum ff_outcome)i));
	if (out->len == 0)
		ff_buf_addstr(out, "nothing ran");
	if (t->merge.complaints > 0)
		ff_buf_addf(out, "; %.*s", (int)strcspn(t->merge.first, "\n"), t->merge.first);
	if (t->merge.complaints > 1)
		ff_buf_addf(out, ", and %u more to complain of", t->merge.complaints - 1);
}

static int tell_end(struct telling *t)
{
	const struct ff_merge_source *first = first_of(&t->merge);
	struct ff_buf reason = FF_BUF_INIT;
	struct ff_event event;
	int64_t took_us = 0;
	int code;

	for (size_t i = 0; i < first->parts_len; i++) {
		event = (struct ff_event){.kind = FF_EVENT_JOB_FINISHED,
					  .time_us = t->end_us,
					  .job = first->parts[i].name};
		judge_job(t, &first->parts[i], &event);
		tell(t, &event);
	}
	for (size_t i = 0; i < t->merge.len; i++)
		if (!t->merge.v[i].left_out && t->merge.v[i].took_us > took_us)
			took_us = t->merge.v[i].took_us;
	code = exit_code(t);
	add_reason(t, &reason);
	event = (struct ff_event){.kind = FF_EVENT_RUN_FINISHED, .time_us = t->end_us};
	event.u.run_finished.exit_code = code;
	event.u.run_finished.why = t->merge.complaints ? FF_REASON_SHARDS : FF_REASON_NONE;
	event.u.run_finished.reason = ff_buf_str(&reason);
	event.u.run_finished.counts = t->state.run.counts;
	event.u.run_finished.took_us = took_us;
	tell(t, &event);
	/* What shards go by is to come of whole runs. */
	if (t->history && t->merge.complaints > 0)
		ff_history_leave(t->history);
	if (ff_reporters_finish(&t->reporters, complain) && code == FF_EXIT_OK)
		code = FF_EXIT_INFRA;
	if (t->journal && ff_journal_free(t->journal)) {
		ff_complain("merge: the journal is incomplete");
		code = code ? code : FF_EXIT_INFRA;
	}
	t->journal = NULL;
	ff_complain_last(ff_buf_str(&reason), code);
	ff_buf_release(&reason);
	return code;
}

/* --- what is asked for --- */

static int open_reports(struct telling *t, const struct options *o,
			const struct ff_report_wishes *wishes, struct ff_err *err)
{
	struct ff_reporter_opts how = {
		.verbosity = o->verbose > 0 && !o->quiet ? o->verbose : -1,
		.color = o->color,
		.stdout_taken = wishes->stdout_taken,
		.known = known,
		.green = green,
		.ctx = t,
	};
	const char *home = ff_runs_home(".");
	char *path;

	how.terminal = ff_report_terminal(&how);
	ff_reporters_add(&t->reporters, how.terminal);
	if (ff_reports_open(&t->reporters, wishes, &how, err))
		return err->code;
	t->journal = ff_journal_new(home, err);
	if (!t->journal)
		return err->code;
	if (o->history && strcmp(o->history, "none") == 0)
		return 0;
	path = o->history ? ff_xstrdup(o->history) : ff_xasprintf("%s/.farflung/history.db", home);
	t->history = ff_history_new(path, complain);
	ff_reporters_add(&t->reporters, t->history);
	ff_free(path);
	return 0;
}

static int merge_all(struct telling *t, const struct options *o, const struct ff_strv *dirs)
{
	struct ff_report_wishes wishes = {0};
	struct ff_buf command_line = FF_BUF_INIT;
	struct ff_config config;
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	ff_config_init(&config);
	ff_buf_addstr(&command_line, "merge");
	for (size_t i = 0; i < dirs->len; i++) {
		ff_buf_addch(&command_line, ' ');
		ff_shell_quote(&command_line, dirs->v[i]);
	}
	ff_merge_read(&t->merge, dirs->v);
	if (!first_of(&t->merge)) {
		ff_complain_last("nothing was merged", FF_EXIT_USAGE);
	} else if (ff_reports_choose(&wishes, &config, &o->reports, &err) ||
		   open_reports(t, o, &wishes, &err)) {
		ff_complain("merge: %s", err.text);
		ff_complain_last("nothing was merged", FF_EXIT_USAGE);
	} else {
		tell_beginning(t, ff_buf_str(&command_line));
		for (size_t i = 0; i < t->merge.len; i++)
			if (!t->merge.v[i].left_out)
				tell_source(t, &t->merge.v[i]);
		code = tell_end(t);
	}
	ff_reports_release(&wishes);
	ff_config_release(&config);
	ff_buf_release(&command_line);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv dirs = FF_STRV_INIT;
	struct telling t = {0};
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &dirs, NULL);

	ff_state_init(&t.state);
	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && dirs.len == 0)
		ff_complain("merge: which runs? DIR is a folder such as .farflung/runs/ID");
	else if (rc == 0)
		code = merge_all(&t, &o, &dirs);
	ff_reporters_release(&t.reporters);
	ff_journal_free(t.journal);
	ff_state_release(&t.state);
	ff_map_release(&t.problems);
	ff_buf_release(&t.host);
	ff_buf_release(&t.worker);
	ff_merge_release(&t.merge);
	ff_strv_release(&dirs);
	ff_strv_release(&o.reports);
	return code;
}

const struct ff_command ff_command_merge = {
	.name = "merge",
	.summary = "Make one report, journal and history of the shards of a run.",
	.synopsis = "[OPTIONS] DIR...",
	.details =
		"Each DIR is the folder of a run with --shard (.farflung/runs/ID), or holds one: "
		"then its latest. What is\n"
		"missing, there twice, cut off or of another run is complained of by name, and is "
		"an error of the merged\n"
		"run. Its journal goes to .farflung/runs of the working directory (or of "
		"FARFLUNG_RUNS), its history to\n"
		"history.db beside that. Exit codes: that of the worst shard, 2 usage or nothing "
		"to "
		"merge, 3 the shards are\n"
		"not all, or not those, of one run.\n",
	.options = options,
	.run = run,
};
