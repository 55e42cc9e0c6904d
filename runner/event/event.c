/* The words of events and outcomes. */
#include "event/event.h"

#include <string.h>

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

static const struct {
	const char *word;
	int exit_code;
} reasons[] = {
#define X(name, word, code) [FF_REASON_##name] = {word, code},
	FF_REASON_MAP(X)
#undef X
};

static const char *const job_results[] = {
#define X(name, word) [FF_JOB_##name] = word,
	FF_JOB_RESULT_MAP(X)
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

const struct ff_phase *ff_result_second_error(const struct ff_result *result)
{
	const struct ff_phase *last;

	if (result->outcome != FF_OUTCOME_FAILED || result->phases_len < 2)
		return NULL;
	last = &result->phases[result->phases_len - 1];
	return last->outcome == FF_OUTCOME_ERROR && !last->step && !strcmp(last->when, "teardown")
		       ? last
		       : NULL;
}

int ff_outcome_from_word(const char *word)
{
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (strcmp(outcomes[i].word, word) == 0)
			return i;
	return -1;
}

const char *ff_reason_word(enum ff_reason reason)
{
	return (unsigned)reason < FF_REASONS ? reasons[reason].word : "?";
}

int ff_reason_from_word(const char *word)
{
	for (int i = 0; i < FF_REASONS; i++)
		if (strcmp(reasons[i].word, word) == 0)
			return i;
	return -1;
}

int ff_reason_exit_code(enum ff_reason reason)
{
	return (unsigned)reason < FF_REASONS ? reasons[reason].exit_code : 0;
}

const char *ff_job_result_word(enum ff_job_result result)
{
	return (unsigned)result < FF_JOB_RESULTS ? job_results[result] : "?";
}

int ff_job_result_from_word(const char *word)
{
	for (int i = 0; i < FF_JOB_RESULTS; i++)
		if (strcmp(job_results[i], word) == 0)
			return i;
	return -1;
}

bool ff_event_has_index(enum ff_event_kind kind)
{
	switch (kind) {
	case FF_EVENT_UNIT_STARTED:
	case FF_EVENT_UNIT_OUTPUT:
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_LOST:
	case FF_EVENT_UNIT_ARTIFACTS:
	case FF_EVENT_UNITS_BEFORE:
	case FF_EVENT_UNIT_BEFORE:
	case FF_EVENT_UNITS_NOT_RUN:
		return true;
	default:
		return false;
	}
}
