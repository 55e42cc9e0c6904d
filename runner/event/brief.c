/* Reading the lines that there are most of in brief: only as this program writes them, key by key.
 * Whatever looks different is left to the decoder. */
#include <string.h>

#include "event/codec.h"

struct scan {
	const char *at, *end;
};

static bool skip(struct scan *s, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0)
		return false;
	s->at += len;
	return true;
}

static bool number(struct scan *s, uint64_t max, uint64_t *value)
{
	const char *from = s->at;

	for (*value = 0; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
		*value = *value * 10 + (uint64_t)(*s->at - '0');
		if (*value > max || s->at - from > 18)
			return false;
	}
	return s->at > from;
}

/* Up to the closing quote; nothing with escapes. */
static bool text(struct scan *s, const char **from, size_t *len)
{
	const char *quote = memchr(s->at, '"', (size_t)(s->end - s->at));

	if (!quote || memchr(s->at, '\\', (size_t)(quote - s->at)))
		return false;
	*from = s->at;
	*len = (size_t)(quote - s->at);
	s->at = quote + 1;
	return true;
}

static bool kept_text(struct scan *s, struct ff_arena *arena, const char **kept)
{
	const char *from;
	size_t len;

	if (!text(s, &from, &len))
		return false;
	*kept = ff_arena_copy(arena, from, len);
	return *kept;
}

static bool any_text(struct scan *s)
{
	const char *from;
	size_t len;

	return text(s, &from, &len);
}

bool ff_event_left_out(enum ff_event_kind kind)
{
	return kind == FF_EVENT_UNIT_STARTED || kind == FF_EVENT_UNIT_OUTPUT ||
	       kind == FF_EVENT_UNIT_ARTIFACTS || kind == FF_EVENT_UNIT_LOST;
}

static bool kind_of(const char *word, size_t len, enum ff_event_kind *kind)
{
	static const enum ff_event_kind kinds[] = {FF_EVENT_UNIT_FINISHED,  FF_EVENT_UNIT_BEFORE,
						   FF_EVENT_UNIT_STARTED,   FF_EVENT_UNIT_OUTPUT,
						   FF_EVENT_UNIT_ARTIFACTS, FF_EVENT_UNIT_LOST};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const char *own = ff_event_word(kinds[i]);

		if (strlen(own) != len || memcmp(own, word, len) != 0)
			continue;
		*kind = kinds[i];
		return true;
	}
	return false;
}

static bool outcome_of(struct scan *s, enum ff_outcome *outcome)
{
	char word[16];
	const char *from;
	size_t len;
	int found;

	if (!text(s, &from, &len) || len >= sizeof(word))
		return false;
	memcpy(word, from, len);
	word[len] = '\0';
	found = ff_outcome_from_word(word);
	*outcome = (enum ff_outcome)found;
	return found >= 0;
}

/* From the unit's names on. */
static bool attempt(struct scan *s, struct ff_arena *arena, struct ff_event *event,
		    struct ff_result *result)
{
	uint64_t index, tries;

	if (!skip(s, ",\"job\":\"") || !kept_text(s, arena, &event->job) ||
	    !skip(s, ",\"unit\":\"") || !kept_text(s, arena, &event->unit) ||
	    !skip(s, ",\"index\":") || !number(s, UINT32_MAX, &index))
		return false;
	if (skip(s, ",\"host\":\"") && !kept_text(s, arena, &event->host))
		return false;
	if (skip(s, ",\"worker\":\"") && !kept_text(s, arena, &event->worker))
		return false;
	if (!skip(s, ",\"attempt\":") || !number(s, UINT32_MAX, &tries) || !skip(s, ",\"final\":"))
		return false;
	event->u.unit_finished.final = skip(s, "true");
	if (!event->u.unit_finished.final && !skip(s, "false"))
		return false;
	event->u.unit_finished.unkept = skip(s, ",\"unkept\":true");
	event->index = (uint32_t)index;
	event->u.unit_finished.attempt = (uint32_t)tries;
	return skip(s, ",\"result\":{\"outcome\":\"") && outcome_of(s, &result->outcome);
}

int ff_event_brief(struct ff_event *event, struct ff_arena *arena, const char *line, size_t len)
{
	struct scan s = {line, line + len};
	struct ff_result *result;
	enum ff_event_kind kind;
	const char *word;
	size_t word_len;
	uint64_t seq;

	if (!skip(&s, "{\"seq\":") || !number(&s, INT64_MAX, &seq) || !skip(&s, ",\"time\":\"") ||
	    !any_text(&s) || !skip(&s, ",\"event\":\"") || !text(&s, &word, &word_len) ||
	    !kind_of(word, word_len, &kind))
		return -1;
	*event = (struct ff_event){.kind = kind, .seq = seq};
	if (ff_event_left_out(kind))
		return 0;
	result = ff_arena_alloc(arena, sizeof(*result));
	if (!result)
		return -1;
	*result = (struct ff_result){0};
	event->u.unit_finished.result = result;
	return attempt(&s, arena, event, result) ? 1 : -1;
}
