/* The table of each kind's fields. */
#include "event/fields.h"

#define F(name, type, member)                                                                      \
	{                                                                                          \
		name, FF_FIELD_##type, offsetof(struct ff_event, u.member)                         \
	}
#define FIELDS(kind, ...)                                                                          \
	[FF_EVENT_##kind] = (const struct ff_field[])                                              \
	{                                                                                          \
		__VA_ARGS__                                                                        \
		{                                                                                  \
			NULL, FF_FIELD_TEXT, 0                                                     \
		}                                                                                  \
	}
/* How a host's connection ended. */
#define HOST_END(member)                                                                           \
	F("error", NAME, member.error), F("code", INT, member.code),                               \
		F("status", WAIT, member.wait), F("units", U32, member.units),

static const struct ff_field *const fields[FF_EVENT_KINDS] = {
	FIELDS(RUN_STARTED, F("run", NAME, run_started.run_id),
	       F("version", TEXT, run_started.version), F("config", TEXT, run_started.config_file),
	       F("command", TEXT, run_started.command_line),
	       F("directory", TEXT, run_started.directory), F("hosts", U32, run_started.hosts),
	       F("slots", U32, run_started.slots), F("jobs", U32, run_started.jobs),
	       F("content", TEXT, run_started.content), F("goes_on", TEXT, run_started.goes_on),
	       F("machine", TEXT, run_started.machine), F("pid", NUMBER, run_started.pid),
	       F("addopts", TEXT, run_started.addopts), F("links", TEXT, run_started.links),
	       F("commit", TEXT, run_started.commit), F("below", TEXT, run_started.below), ),
	FIELDS(HOST_ADDED, F("spec", NAME, host_added.spec), F("slots", U32, host_added.slots),
	       F("late", BOOL, host_added.late), ),
	FIELDS(JOB_ADDED, F("payload", NAME, job_added.payload), F("units", U32, job_added.units),
	       F("args", LINES, job_added.args), F("timeout_us", I64, job_added.timeout_us),
	       F("addopts_read", BOOL, job_added.addopts_read), F("open", BOOL, job_added.open),
	       F("content", TEXT, job_added.content), ),
	FIELDS(HOST_JOINING, F("tries", U32, host_joining.tries), ),
	FIELDS(HOST_OPENED, F("peer", TEXT, host_opened.peer),
	       F("platform", TEXT, host_opened.platform), F("cwd", TEXT, host_opened.cwd),
	       F("native", BOOL, host_opened.native), F("took_us", I64, host_opened.took_us), ),
	FIELDS(HOST_READY, F("peer", TEXT, host_ready.peer),
	       F("platform", TEXT, host_ready.platform), F("cwd", TEXT, host_ready.cwd),
	       F("native", BOOL, host_ready.native), F("slots", U32, host_ready.slots),
	       F("took_us", I64, host_ready.took_us), ),
	FIELDS(HOST_SETUP, F("phase", NAME, host_setup.phase),
	       F("skipped", BOOL, host_setup.skipped), F("error", TEXT, host_setup.error),
	       F("output", TEXT, host_setup.output), F("took_us", I64, host_setup.took_us), ),
	FIELDS(HOST_UNFIT, F("payload", TEXT, host_unfit.payload),
	       F("error", TEXT, host_unfit.error), ),
	FIELDS(HOST_AWAY, HOST_END(host_away) F("retry_us", I64, host_away.retry_us), ),
	FIELDS(HOST_FAILED, HOST_END(host_failed)),
	FIELDS(HOST_LOST, HOST_END(host_lost)),
	FIELDS(HOST_DRAINING, F("reason", TEXT, host_draining.reason),
	       F("running", U32, host_draining.running), ),
	FIELDS(HOST_LEFT, F("reason", TEXT, host_left.reason), ),
	FIELDS(SYNC_FINISHED, F("files", U64, sync_finished.files),
	       F("sent_files", U64, sync_finished.sent_files),
	       F("sent_bytes", U64, sync_finished.sent_bytes),
	       F("deleted", U64, sync_finished.deleted), F("problems", U64, sync_finished.problems),
	       F("root", TEXT, sync_finished.root), F("took_us", I64, sync_finished.took_us), ),
	FIELDS(JOB_STARTED, F("payload", NAME, job_started.payload),
	       F("workers", U32, job_started.workers), F("units", U32, job_started.units),
	       F("slots", NUMBER, job_started.slots), ),
	FIELDS(WORKER_OPENING, F("slots", U32, worker_opening.slots), ),
	FIELDS(WORKER_STARTED, F("words", NAME, worker_started.words),
	       F("facts", FACTS, worker_started.facts),
	       F("header", LINES, worker_started.header), ),
	FIELDS(WORKER_ENDED, F("crashed", BOOL, worker_ended.crashed),
	       F("status", WAIT, worker_ended.wait), F("reason", TEXT, worker_ended.reason), ),
	FIELDS(COLLECTED, F("count", U32, collected.count),
	       F("deselected", U32, collected.deselected), F("digest", TEXT, collected.digest),
	       F("rootdir", TEXT, collected.rootdir), F("again", BOOL, collected.again),
	       F("parts", U32, collected.parts), F("dist", TEXT, collected.dist), ),
	FIELDS(UNITS_ADDED, F("part", NAME, units_added.part),
	       F("digest", TEXT, units_added.digest), F("count", U32, units_added.count),
	       F("deselected", U32, units_added.deselected), F("open", BOOL, units_added.open), ),
	FIELDS(FILE_COLLECTED, F("file", NAME, file_collected.file),
	       F("content", I64, file_collected.content),
	       F("took_us", I64, file_collected.took_us), ),
	FIELDS(COLLECT_PROBLEM, F("nodeid", NAME, collect_problem.nodeid),
	       F("message", TEXT, collect_problem.message),
	       F("longrepr", TEXT, collect_problem.longrepr),
	       F("skipped", BOOL, collect_problem.skipped), ),
	FIELDS(UNIT_STARTED, F("attempt", ATTEMPT, unit_started.attempt), ),
	FIELDS(UNIT_OUTPUT, F("stream", STREAM, unit_output.stream),
	       F("text", OUTPUT, unit_output.bytes), F("tail", FLAG, unit_output.tail),
	       F("cut", SIZE, unit_output.cut), ),
	FIELDS(UNIT_FINISHED, F("attempt", ATTEMPT, unit_finished.attempt),
	       F("final", BOOL, unit_finished.final), F("unkept", FLAG, unit_finished.unkept),
	       F("result", RESULT, unit_finished.result), ),
	FIELDS(UNIT_LOST, F("attempt", ATTEMPT, unit_lost.attempt),
	       F("alone", BOOL, unit_lost.alone), F("reason", TEXT, unit_lost.reason),
	       F("duration_us", I64, unit_lost.duration_us), ),
	FIELDS(UNIT_ARTIFACTS, F("attempt", ATTEMPT, unit_artifacts.attempt),
	       F("folder", TEXT, unit_artifacts.folder), F("files", U32, unit_artifacts.files),
	       F("bytes", U64, unit_artifacts.bytes), F("error", TEXT, unit_artifacts.error),
	       F("took_us", I64, unit_artifacts.took_us), ),
	FIELDS(JOB_ARTIFACTS, F("folder", TEXT, job_artifacts.folder),
	       F("files", U32, job_artifacts.files), F("bytes", U64, job_artifacts.bytes),
	       F("error", TEXT, job_artifacts.error), F("took_us", I64, job_artifacts.took_us), ),
	FIELDS(UNITS_BEFORE, F("count", U32, units_before.count),
	       F("outcome", OUTCOME, units_before.outcome), ),
	FIELDS(UNIT_BEFORE, F("attempt", ATTEMPT, unit_finished.attempt),
	       F("final", BOOL, unit_finished.final), F("unkept", FLAG, unit_finished.unkept),
	       F("result", RESULT, unit_finished.result), ),
	FIELDS(UNITS_NOT_RUN, F("count", U32, units_not_run.count),
	       F("why", REASON, units_not_run.why), ),
	FIELDS(PART_NOT_RUN, F("part", NAME, part_not_run.part),
	       F("why", REASON, part_not_run.why), ),
	FIELDS(FRONT_STARTED, F("reasons", LINES, front_started.reasons), ),
	FIELDS(FRONT_READY, F("rootdir", TEXT, front_ready.rootdir),
	       F("header", LINES, front_ready.header), ),
	FIELDS(FRONT_TEXT, F("text", NAME, front_text.text), ),
	FIELDS(FRONT_ENDING, ),
	FIELDS(FRONT_FINISHED, F("error", TEXT, front_finished.error),
	       F("exit_status", INT, front_finished.exit_status),
	       F("bad", BOOL, front_finished.bad), F("words", TEXT, front_finished.words),
	       F("status", WAIT, front_finished.wait), ),
	FIELDS(NOTICE, F("level", NAME, notice.level), F("text", NAME, notice.text),
	       F("category", TEXT, notice.category), F("file", TEXT, notice.file),
	       F("line", NUMBER, notice.line), F("source", TEXT, notice.source),
	       F("test", TEXT, notice.test), ),
	FIELDS(JOB_FINISHED, F("state", JOB_RESULT, job_finished.result),
	       F("why", REASON, job_finished.why), F("reason", TEXT, job_finished.reason),
	       F("counts", COUNTS, job_finished.counts), F("problems", U32, job_finished.problems),
	       F("took_us", I64, job_finished.took_us), ),
	FIELDS(STOPPING, F("why", REASON, stopping.why), F("reason", TEXT, stopping.reason),
	       F("kill", BOOL, stopping.kill), ),
	FIELDS(CANCELLED, F("request", NAME, cancelled.request), F("name", NAME, cancelled.name),
	       F("running", U32, cancelled.running), F("waiting", U32, cancelled.waiting),
	       F("last", BOOL, cancelled.last), F("error", TEXT, cancelled.error), ),
	FIELDS(DRAIN_ASKED, F("request", NAME, drain_asked.request),
	       F("name", NAME, drain_asked.name), F("running", U32, drain_asked.running),
	       F("last", BOOL, drain_asked.last), F("error", TEXT, drain_asked.error), ),
	FIELDS(INTERRUPTED, F("times", INT, interrupted.times), ),
	FIELDS(RUN_FINISHED, F("exit_code", INT, run_finished.exit_code),
	       F("why", REASON, run_finished.why), F("reason", TEXT, run_finished.reason),
	       F("counts", COUNTS, run_finished.counts), F("took_us", I64, run_finished.took_us), ),
};

const struct ff_field *ff_event_fields(enum ff_event_kind kind)
{
	return fields[kind];
}

unsigned ff_event_needs(enum ff_event_kind kind)
{
	switch (kind) {
	case FF_EVENT_HOST_ADDED:
	case FF_EVENT_HOST_JOINING:
	case FF_EVENT_HOST_OPENED:
	case FF_EVENT_SYNC_FINISHED:
	case FF_EVENT_HOST_READY:
	case FF_EVENT_HOST_UNFIT:
	case FF_EVENT_HOST_AWAY:
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
	case FF_EVENT_HOST_DRAINING:
	case FF_EVENT_HOST_LEFT:
		return FF_HAS_HOST;
	case FF_EVENT_JOB_ADDED:
	case FF_EVENT_JOB_STARTED:
	case FF_EVENT_COLLECTED:
	case FF_EVENT_UNITS_ADDED:
	case FF_EVENT_FILE_COLLECTED:
	case FF_EVENT_COLLECT_PROBLEM:
	case FF_EVENT_UNITS_BEFORE:
	case FF_EVENT_UNITS_NOT_RUN:
	case FF_EVENT_PART_NOT_RUN:
	case FF_EVENT_FRONT_STARTED:
	case FF_EVENT_FRONT_READY:
	case FF_EVENT_FRONT_TEXT:
	case FF_EVENT_FRONT_ENDING:
	case FF_EVENT_FRONT_FINISHED:
	case FF_EVENT_JOB_FINISHED:
		return FF_HAS_JOB;
	case FF_EVENT_UNIT_STARTED:
	case FF_EVENT_UNIT_OUTPUT:
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_BEFORE:
	case FF_EVENT_UNIT_LOST:
	case FF_EVENT_UNIT_ARTIFACTS:
		return FF_HAS_JOB | FF_HAS_UNIT;
	case FF_EVENT_JOB_ARTIFACTS:
		return FF_HAS_JOB | FF_HAS_HOST;
	case FF_EVENT_WORKER_OPENING:
	case FF_EVENT_WORKER_STARTED:
	case FF_EVENT_WORKER_ENDED:
		return FF_HAS_WORKER;
	default:
		return 0;
	}
}
