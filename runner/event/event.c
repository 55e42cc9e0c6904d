/* The words of events and outcomes, and the table of each kind's fields. */
#include "event/event.h"

#include <string.h>

#include "event/fields.h"

static const char *const event_words[] = {
#define X(name, word) [FF_EVENT_##name] = word,
	FF_EVENT_MAP(X)
#undef X
};

static const struct {
	const char *word;
	bool bad;
} outcomes[] = {
#define X(name, word, bad) [FF_OUTCOME_##name] = {word, bad},
	FF_OUTCOME_MAP(X)
#undef X
};

const char *ff_event_word(enum ff_event_kind kind)
{
	return (unsigned)kind < FF_EVENT_KINDS ? event_words[kind] : "?";
}

int ff_event_from_word(const char *word)
{
	for (int i = 0; i < FF_EVENT_KINDS; i++)
		if (strcmp(event_words[i], word) == 0)
			return i;
	return -1;
}

const char *ff_outcome_word(enum ff_outcome outcome)
{
	return (unsigned)outcome < FF_OUTCOMES ? outcomes[outcome].word : "?";
}

bool ff_outcome_bad(enum ff_outcome outcome)
{
	return (unsigned)outcome < FF_OUTCOMES && outcomes[outcome].bad;
}

int ff_outcome_from_word(const char *word)
{
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (strcmp(outcomes[i].word, word) == 0)
			return i;
	return -1;
}

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

static const struct ff_field *const fields[FF_EVENT_KINDS] = {
	FIELDS(RUN_STARTED, F("run", TEXT, run_started.run_id),
	       F("version", TEXT, run_started.version), F("config", TEXT, run_started.config_file),
	       F("command", TEXT, run_started.command_line),
	       F("directory", TEXT, run_started.directory), F("hosts", U32, run_started.hosts),
	       F("slots", U32, run_started.slots), F("jobs", U32, run_started.jobs), ),
	FIELDS(HOST_READY, F("peer", TEXT, host_ready.peer),
	       F("platform", TEXT, host_ready.platform), F("cwd", TEXT, host_ready.cwd),
	       F("native", BOOL, host_ready.native), F("slots", U32, host_ready.slots),
	       F("took_us", I64, host_ready.took_us), ),
	FIELDS(HOST_FAILED, F("error", TEXT, host_failed.error),
	       F("code", INT, host_failed.code), ),
	FIELDS(HOST_LOST, F("error", TEXT, host_lost.error), F("code", INT, host_lost.code), ),
	FIELDS(SYNC_FINISHED, F("files", U64, sync_finished.files),
	       F("sent_files", U64, sync_finished.sent_files),
	       F("sent_bytes", U64, sync_finished.sent_bytes),
	       F("deleted", U64, sync_finished.deleted), F("root", TEXT, sync_finished.root),
	       F("took_us", I64, sync_finished.took_us), ),
	FIELDS(JOB_STARTED, F("payload", TEXT, job_started.payload),
	       F("workers", U32, job_started.workers), ),
	FIELDS(WORKER_STARTED, F("python", TEXT, worker_started.python),
	       F("executable", TEXT, worker_started.executable),
	       F("pytest", TEXT, worker_started.pytest),
	       F("platform", TEXT, worker_started.platform), F("pid", NUMBER, worker_started.pid),
	       F("header", LINES, worker_started.header), ),
	FIELDS(WORKER_ENDED, F("crashed", BOOL, worker_ended.crashed),
	       F("status", INT, worker_ended.status), F("reason", TEXT, worker_ended.reason), ),
	FIELDS(COLLECTED, F("count", U32, collected.count),
	       F("deselected", U32, collected.deselected), F("rootdir", TEXT, collected.rootdir), ),
	FIELDS(COLLECT_PROBLEM, F("nodeid", TEXT, collect_problem.nodeid),
	       F("message", TEXT, collect_problem.message),
	       F("longrepr", TEXT, collect_problem.longrepr),
	       F("skipped", BOOL, collect_problem.skipped), ),
	FIELDS(UNIT_STARTED, F("attempt", U32, unit_started.attempt), ),
	FIELDS(UNIT_OUTPUT, F("stream", INT, unit_output.stream),
	       F("text", OUTPUT, unit_output.bytes), ),
	FIELDS(UNIT_FINISHED, F("attempt", U32, unit_finished.attempt),
	       F("final", BOOL, unit_finished.final), F("result", RESULT, unit_finished.result), ),
	FIELDS(NOTICE, F("level", TEXT, notice.level), F("text", TEXT, notice.text),
	       F("category", TEXT, notice.category), F("file", TEXT, notice.file),
	       F("line", NUMBER, notice.line), ),
	FIELDS(JOB_FINISHED, F("state", TEXT, job_finished.state),
	       F("reason", TEXT, job_finished.reason), F("counts", COUNTS, job_finished.counts),
	       F("took_us", I64, job_finished.took_us), ),
	FIELDS(INTERRUPTED, F("times", INT, interrupted.times), ),
	FIELDS(RUN_FINISHED, F("exit_code", INT, run_finished.exit_code),
	       F("reason", TEXT, run_finished.reason), F("counts", COUNTS, run_finished.counts),
	       F("took_us", I64, run_finished.took_us), ),
};

const struct ff_field *ff_event_fields(enum ff_event_kind kind)
{
	return fields[kind];
}
