/* Passes on what a command says, and keeps its output. */
#include "hearing.h"

#include <string.h>

enum { LINES_SHOWN = 6, SHOWN_MAX = 1000 };

static void on_started(void *ctx, uint32_t index)
{
	const struct ff_hearing *hearing = ctx;

	if (hearing->unit)
		hearing->sink->unit_started(hearing->ctx, index);
}

static void on_returned(void *ctx, const uint32_t *indexes, size_t count)
{
	const struct ff_hearing *hearing = ctx;

	if (hearing->unit && hearing->sink->returned)
		hearing->sink->returned(hearing->ctx, indexes, count);
}

static void on_output(void *ctx, uint32_t index, int stream, const char *bytes, size_t len)
{
	struct ff_hearing *hearing = ctx;
	struct ff_buf *kept = &hearing->kept[stream == 2];
	size_t room = hearing->keep > kept->len ? hearing->keep - kept->len : 0;

	if (hearing->unit)
		hearing->sink->unit_output(hearing->ctx, index, stream, bytes, len);
	if (hearing->keep == 0)
		return;
	if (len > room) {
		hearing->cut = true;
		len = room;
	}
	if (len > 0 && ff_buf_add(kept, bytes, len) < 0)
		hearing->cut = true;
}

static void on_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	struct ff_hearing *hearing = ctx;

	(void)index;
	hearing->ended(hearing, result);
}

void ff_hearing_init(struct ff_hearing *hearing, const struct ff_payload_job *job,
		     ff_heard_fn *unit, ff_heard_fn *discovery)
{
	*hearing = (struct ff_hearing){
		.unit = job->unit != NULL,
		.ended = job->unit ? unit : discovery,
		.keep = job->unit ? FF_HEARD_OF_UNIT : FF_HEARD_OF_DISCOVERY,
	};
}

int ff_hearing_item(void *reader, const struct ff_value *item, const struct ff_payload_sink *sink,
		    void *ctx, struct ff_err *err)
{
	struct ff_hearing *hearing = reader;
	static const struct ff_payload_sink own = {
		.unit_started = on_started,
		.returned = on_returned,
		.unit_output = on_output,
		.unit_finished = on_finished,
	};

	hearing->sink = sink;
	hearing->ctx = ctx;
	return ff_builtin_item(item, &own, hearing, err);
}

void ff_hearing_release(struct ff_hearing *hearing)
{
	ff_buf_release(&hearing->kept[0]);
	ff_buf_release(&hearing->kept[1]);
}

const char *ff_hearing_text(struct ff_hearing *hearing)
{
	const char *text = ff_buf_str(&hearing->kept[0]);

	return text ? text : "";
}

/* The last lines of a text, up to its end. */
static const char *last_lines(struct ff_buf *kept)
{
	const char *text = ff_buf_str(kept), *at;
	int lines = 0;

	if (!text)
		return "";
	for (at = text + kept->len; at > text; at--) {
		if (at[-1] == '\n' && at < text + kept->len && ++lines == LINES_SHOWN)
			break;
		if (text + kept->len - at >= SHOWN_MAX)
			break;
	}
	return at;
}

void ff_hearing_failed(const struct ff_hearing *hearing, const char *what,
		       const struct ff_result *result)
{
	struct ff_hearing copy = *hearing;
	struct ff_buf text = FF_BUF_INIT;
	const char *said = last_lines(&copy.kept[1]);

	if (!*said)
		said = last_lines(&copy.kept[0]);
	ff_buf_addstr(&text, what);
	if (result)
		ff_buf_addf(&text, ": %s", result->message ? result->message : "exit status 0");
	if (*said)
		ff_buf_addf(&text, ":\n%s", said);
	hearing->sink->session_error(hearing->ctx, FF_REASON_PAYLOAD,
				     ff_buf_str(&text) ? ff_buf_str(&text) : what);
	ff_buf_release(&text);
}
