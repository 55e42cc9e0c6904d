/* What a payload's session or discovery says, as inputs: all of it copied, nothing judged. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/act_private.h"

static struct ff_input *said_by(void *ctx, enum ff_input_kind kind)
{
	const struct act_speaker *speaker = ctx;
	struct ff_input *input = ff_input_new(kind);

	input->worker = speaker->worker;
	input->execution = speaker->execution;
	return input;
}

static void put(void *ctx, struct ff_input *input)
{
	const struct act_speaker *speaker = ctx;

	ff_act_put(speaker->act, input);
}

/* From now on it may take its time to end. */
static void has_finished(void *ctx)
{
	struct act_speaker *speaker = ctx;

	if (speaker->session)
		ff_act_worker_finished(speaker->session);
}

static void on_missing(void *ctx, const char *text)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_MISSING);

	input->u.said.text = ff_input_text(input, text);
	has_finished(ctx);
	put(ctx, input);
}

static void on_started(void *ctx, const char *words, const struct ff_fact *facts, size_t facts_len,
		       const char *const *header)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_STARTED);

	input->u.started.words = ff_input_text(input, words);
	input->u.started.facts = ff_input_facts(input, facts, facts_len);
	input->u.started.facts_len = facts_len;
	input->u.started.header = ff_input_lines(input, header);
	put(ctx, input);
}

static void on_only_collects(void *ctx)
{
	put(ctx, said_by(ctx, FF_INPUT_SESSION_ONLY_COLLECTS));
}

static void on_collected(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			 const char *rootdir)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_COLLECTED);

	input->u.collected.digest = ff_input_text(input, digest);
	input->u.collected.count = count;
	input->u.collected.deselected = deselected;
	input->u.collected.rootdir = ff_input_text(input, rootdir);
	put(ctx, input);
}

static void on_settings(void *ctx, const struct ff_payload_settings *settings)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_SETTINGS);

	input->u.settings.dist = ff_input_text(input, settings->dist);
	input->u.settings.workers = settings->workers;
	input->u.settings.scopes = settings->scopes;
	input->u.settings.driven = settings->driven;
	input->u.settings.notes = ff_input_lines(input, settings->notes);
	input->u.settings.vain = ff_input_lines(input, settings->vain);
	put(ctx, input);
}

static const char *const *texts_of(struct ff_input *input, const struct ff_value *list)
{
	const char **texts = ff_xcalloc((size_t)list->len + 1, sizeof(*texts));
	const char *const *copy;

	for (uint32_t i = 0; i < list->len; i++)
		texts[i] = ff_as_str(&list->items[i], "?");
	copy = ff_input_lines(input, texts);
	ff_free(texts);
	return copy;
}

static void put_texts(void *ctx, enum ff_input_kind kind, const struct ff_value *list)
{
	struct ff_input *input = said_by(ctx, kind);

	input->u.ids.names = texts_of(input, list);
	input->u.ids.len = list->len;
	put(ctx, input);
}

static void on_scopes(void *ctx, const struct ff_value *list)
{
	put_texts(ctx, FF_INPUT_SCOPES, list);
}

static void on_ids(void *ctx, const struct ff_value *list)
{
	put_texts(ctx, FF_INPUT_IDS, list);
}

static void on_details(void *ctx, const struct ff_value *list)
{
	put_texts(ctx, FF_INPUT_DETAILS, list);
}

static void on_in_parts(void *ctx, uint32_t parts, bool go_on)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_IN_PARTS);

	input->u.in_parts.parts = parts;
	input->u.in_parts.go_on = go_on;
	put(ctx, input);
}

/* Its own. */
static const int64_t *numbers_of(struct ff_input *input, const struct ff_value *list)
{
	int64_t *numbers = ff_xcalloc((size_t)list->len + 1, sizeof(*numbers));
	const char *copy;

	for (size_t i = 0; i < list->len; i++)
		numbers[i] = list->items[i].kind == FF_INT ? list->items[i].integer : 0;
	copy = ff_input_bytes(input, (const char *)numbers, list->len * sizeof(*numbers));
	ff_free(numbers);
	return (const int64_t *)(const void *)copy;
}

static void on_costs(void *ctx, const struct ff_value *list)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_COSTS);

	input->u.costs.v = numbers_of(input, list);
	input->u.costs.len = list->len;
	put(ctx, input);
}

static void on_sources(void *ctx, const struct ff_value *names, const struct ff_value *contents,
		       const struct ff_value *us)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SOURCES);

	input->u.sources.names = texts_of(input, names);
	input->u.sources.contents = numbers_of(input, contents);
	input->u.sources.us = numbers_of(input, us);
	input->u.sources.len = names->len;
	put(ctx, input);
}

static void on_marks(void *ctx, uint32_t part, const struct ff_payload_mark *marks, size_t len)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_MARKS);

	input->u.marks.v = ff_input_marks(input, marks, len);
	input->u.marks.len = len;
	input->u.marks.part = part;
	put(ctx, input);
}

static void on_once(void *ctx, const char *word, const char *name, bool run, const char *text)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_ONCE);

	input->u.once.word = ff_input_text(input, word);
	input->u.once.name = ff_input_text(input, name);
	input->u.once.text = ff_input_text(input, text);
	input->u.once.run = run;
	put(ctx, input);
}

static void on_part(void *ctx, uint32_t part, const char *digest, const struct ff_value *names,
		    uint32_t count, uint32_t deselected)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_PART);

	input->u.part.part = part;
	input->u.part.digest = ff_input_text(input, digest);
	input->u.part.names = names ? texts_of(input, names) : NULL;
	input->u.part.count = count;
	input->u.part.deselected = deselected;
	put(ctx, input);
}

static void on_problem(void *ctx, const char *nodeid, const char *message, const char *longrepr,
		       bool skipped)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_PROBLEM);

	input->u.problem.nodeid = ff_input_text(input, nodeid);
	input->u.problem.message = ff_input_text(input, message);
	input->u.problem.longrepr = ff_input_text(input, longrepr);
	input->u.problem.skipped = skipped;
	put(ctx, input);
}

static void on_unit_started(void *ctx, uint32_t index)
{
	const struct act_speaker *speaker = ctx;
	struct ff_input *input = said_by(ctx, FF_INPUT_UNIT_STARTED);

	input->unit = index;
	if (speaker->session)
		ff_act_worker_begins(speaker->session);
	put(ctx, input);
}

static void on_unit_said(void *ctx, uint32_t index, const char *line)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_UNIT_SAID);

	input->unit = index;
	input->u.said.text = ff_input_text(input, line);
	put(ctx, input);
}

static void on_wants(void *ctx)
{
	put(ctx, said_by(ctx, FF_INPUT_SESSION_WANTS));
}

static void on_doing(void *ctx, const char *words)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_DOING);

	input->u.said.text = ff_input_text(input, words);
	put(ctx, input);
}

static void on_returned(void *ctx, const uint32_t *indexes, size_t count)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_RETURNED);

	input->u.returned.units = ff_input_units(input, indexes, count);
	input->u.returned.len = count;
	put(ctx, input);
}

static void on_unit_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_UNIT_FINISHED);

	input->unit = index;
	input->u.result = ff_input_result(input, result);
	put(ctx, input);
}

static void on_notice(void *ctx, const struct ff_payload_notice *notice)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_NOTICE);

	input->u.notice = *notice;
	input->u.notice.level = ff_input_text(input, notice->level);
	input->u.notice.text = ff_input_text(input, notice->text);
	input->u.notice.category = ff_input_text(input, notice->category);
	input->u.notice.file = ff_input_text(input, notice->file);
	input->u.notice.source = ff_input_text(input, notice->source);
	input->u.notice.unit = ff_input_text(input, notice->unit);
	put(ctx, input);
}

static void on_finished(void *ctx, int exitstatus, bool bad, const char *stop)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_FINISHED);

	input->u.finished.exitstatus = exitstatus;
	input->u.finished.bad = bad;
	input->u.finished.stop = ff_input_text(input, stop);
	has_finished(ctx);
	put(ctx, input);
}

static void on_error(void *ctx, enum ff_reason why, const char *text)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_ERROR);

	input->u.error.why = why;
	input->u.error.text = ff_input_text(input, text);
	has_finished(ctx);
	put(ctx, input);
}

/* --- fronts --- */

/* What came off the wire goes on it again. NULL: it can't, or there is none. */
static const void *packed(struct ff_input *input, const struct ff_value *value, size_t *len)
{
	struct ff_buf buf = FF_BUF_INIT;
	const void *copy = NULL;

	*len = 0;
	if (value && ff_dump_item(&buf, value, NULL) == 0) {
		copy = ff_input_bytes(input, (const char *)ff_buf_data(&buf), buf.len);
		*len = buf.len;
	}
	ff_buf_release(&buf);
	return copy;
}

static void on_needs_front(void *ctx, const struct ff_value *reasons, const struct ff_value *about)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_NEEDS_FRONT);

	input->u.lines.v = texts_of(input, reasons);
	input->u.lines.about = packed(input, about, &input->u.lines.about_len);
	put(ctx, input);
}

static void on_without(void *ctx, const struct ff_value *reasons)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_WITHOUT_FRONT);

	input->u.lines.v = texts_of(input, reasons);
	put(ctx, input);
}

static void on_to_front(void *ctx, const struct ff_value *value)
{
	struct ff_input *input = said_by(ctx, FF_INPUT_SESSION_TO_FRONT);

	input->u.packed.bytes = packed(input, value, &input->u.packed.len);
	put(ctx, input);
}

static struct ff_input *front_says(void *ctx, enum ff_input_kind kind)
{
	const struct act_front *front = ctx;
	struct ff_input *input = ff_input_new(kind);

	input->job = front->job;
	return input;
}

static void put_front(void *ctx, struct ff_input *input)
{
	const struct act_front *front = ctx;

	ff_act_put(front->act, input);
}

static void on_front_ready(void *ctx, const char *rootdir, const char *const *header)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_READY);

	input->u.front_ready.rootdir = ff_input_text(input, rootdir);
	input->u.front_ready.header = ff_input_lines(input, header);
	put_front(ctx, input);
}

static void on_to_worker(void *ctx, const char *worker, const struct ff_value *value)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_TO_WORKER);

	input->u.packed.name = ff_input_text(input, worker);
	input->u.packed.bytes = packed(input, value, &input->u.packed.len);
	put_front(ctx, input);
}

static void on_front_again(void *ctx, const char *name)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_AGAIN);

	input->u.said.text = ff_input_text(input, name);
	put_front(ctx, input);
}

static void on_front_settled(void *ctx, const char *name)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_SETTLED);

	input->u.said.text = ff_input_text(input, name);
	put_front(ctx, input);
}

static void on_front_stop(void *ctx, const char *text)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_STOP);

	input->u.said.text = ff_input_text(input, text);
	put_front(ctx, input);
}

static void put_hands(void *ctx, enum ff_input_kind kind, const char *worker,
		      const uint32_t *indexes, size_t count)
{
	struct ff_input *input = front_says(ctx, kind);

	input->u.hands.worker = ff_input_text(input, worker);
	input->u.hands.units = ff_input_units(input, indexes, count);
	input->u.hands.len = count;
	put_front(ctx, input);
}

static void on_front_gives(void *ctx, const char *worker, const uint32_t *indexes, size_t count)
{
	put_hands(ctx, FF_INPUT_FRONT_GIVES, worker, indexes, count);
}

static void on_front_steals(void *ctx, const char *worker, const uint32_t *indexes, size_t count)
{
	put_hands(ctx, FF_INPUT_FRONT_STEALS, worker, indexes, count);
}

static void on_front_dismisses(void *ctx, const char *worker)
{
	put_hands(ctx, FF_INPUT_FRONT_DISMISSES, worker, NULL, 0);
}

static void on_front_gives_up(void *ctx, uint32_t index, const char *text)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_GIVES_UP);

	input->unit = index;
	input->u.said.text = ff_input_text(input, text);
	put_front(ctx, input);
}

static void on_front_heard(void *ctx, uint32_t count)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_HEARD);

	input->u.heard.count = count;
	put_front(ctx, input);
}

static void on_front_text(void *ctx, const char *text, size_t len)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_TEXT);

	input->u.said.text = ff_input_words(input, text, &len);
	put_front(ctx, input);
}

static void on_front_notice(void *ctx, const char *level, const char *text)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_NOTICE);

	input->u.notice.level = ff_input_text(input, level);
	input->u.notice.text = ff_input_text(input, text);
	put_front(ctx, input);
}

static void on_front_error(void *ctx, enum ff_reason why, const char *text)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_ERROR);

	input->u.error.why = why;
	input->u.error.text = ff_input_text(input, text);
	put_front(ctx, input);
}

static void on_front_finished(void *ctx, int exitstatus, bool bad, const char *words)
{
	struct ff_input *input = front_says(ctx, FF_INPUT_FRONT_FINISHED);
	struct act_front *front = ctx;

	input->u.finished.exitstatus = exitstatus;
	input->u.finished.bad = bad;
	input->u.finished.stop = ff_input_text(input, words);
	front->finished = true;
	put_front(ctx, input);
}

const struct ff_front_sink ff_act_front_sink = {
	.ready = on_front_ready,
	.to_worker = on_to_worker,
	.again = on_front_again,
	.settled = on_front_settled,
	.stop = on_front_stop,
	.gives = on_front_gives,
	.steals = on_front_steals,
	.dismisses = on_front_dismisses,
	.gives_up = on_front_gives_up,
	.heard = on_front_heard,
	.text = on_front_text,
	.notice = on_front_notice,
	.error = on_front_error,
	.finished = on_front_finished,
};

/* A cache's, no fact of the run's. */
static void on_imported(void *ctx, const char *text)
{
	struct act_speaker *speaker = ctx;

	if (speaker->session)
		ff_act_template_told(speaker->session, text);
}

const struct ff_payload_sink ff_act_session_sink = {
	.needs_front = on_needs_front,
	.without = on_without,
	.imported = on_imported,
	.to_front = on_to_front,
	.missing = on_missing,
	.started = on_started,
	.only_collects = on_only_collects,
	.collected = on_collected,
	.settings = on_settings,
	.scopes = on_scopes,
	.details = on_details,
	.ids = on_ids,
	.in_parts = on_in_parts,
	.costs = on_costs,
	.sources = on_sources,
	.once = on_once,
	.marks = on_marks,
	.part = on_part,
	.collect_problem = on_problem,
	.unit_started = on_unit_started,
	.unit_said = on_unit_said,
	.wants = on_wants,
	.doing = on_doing,
	.returned = on_returned,
	.unit_finished = on_unit_finished,
	.notice = on_notice,
	.session_finished = on_finished,
	.session_error = on_error,
};
