/* Every item that a worker or a front may send to a payload's codec, and every text of a probe. The
 * lowest bit of the first byte chooses a probe, the highest a front, the others the payload; the
 * rest is the serialized item or the text. What the sink is given must be whole: all of it is read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read, so that a sanitizer sees what is not there. */
static volatile size_t read_bytes;

static void text(const char *string)
{
	if (string)
		read_bytes += strlen(string);
}

static void bytes(const char *string, size_t len)
{
	for (size_t i = 0; i < len; i++)
		read_bytes += (unsigned char)string[i];
}

static void read_facts(const struct ff_fact *facts, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!facts[i].key || !facts[i].value)
			abort();
		text(facts[i].key);
		text(facts[i].value);
	}
}

static void on_missing(void *ctx, const char *words)
{
	if (!words)
		abort();
	text(words);
}

static void on_started(void *ctx, const char *words, const struct ff_fact *facts, size_t facts_len,
		       const char *const *header)
{
	if (!words)
		abort();
	text(words);
	read_facts(facts, facts_len);
	for (; header && *header; header++)
		text(*header);
}

static void on_only_collects(void *ctx)
{
	read_bytes++;
}

static void on_collected(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			 const char *rootdir)
{
	text(digest);
	text(rootdir);
}

static void on_unit_said(void *ctx, uint32_t index, const char *line)
{
	text(line);
}

static void on_settings(void *ctx, const struct ff_payload_settings *settings)
{
	text(settings->dist);
	for (const char *const *note = settings->notes; note && *note; note++)
		text(*note);
}

static void on_ids(void *ctx, const struct ff_value *list)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct ff_value *id = ff_at(list, i);

		if (id->kind != FF_STR)
			abort();
		text(id->text);
	}
}

static void on_collect_problem(void *ctx, const char *nodeid, const char *message,
			       const char *longrepr, bool skipped)
{
	if (!nodeid)
		abort();
	text(nodeid);
	text(message);
	text(longrepr);
}

static void on_unit_started(void *ctx, uint32_t index)
{
	read_bytes += index;
}

static void on_unit_output(void *ctx, uint32_t index, int stream, const char *out, size_t len)
{
	if (stream != 1 && stream != 2)
		abort();
	bytes(out, len);
}

static void on_unit_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	if ((unsigned)result->outcome >= FF_OUTCOMES)
		abort();
	text(result->message);
	text(result->longrepr);
	text(result->file);
	for (size_t i = 0; i < result->sections_len; i++) {
		text(result->sections[i].title);
		bytes(result->sections[i].text, result->sections[i].len);
	}
	for (size_t i = 0; i < result->phases_len; i++) {
		text(result->phases[i].when);
		text(result->phases[i].message);
		text(result->phases[i].longrepr);
	}
	for (size_t i = 0; i < result->properties_len; i++) {
		text(result->properties[i].name);
		text(result->properties[i].value);
	}
}

static void on_notice(void *ctx, const struct ff_payload_notice *notice)
{
	text(notice->level);
	text(notice->text);
	text(notice->category);
	text(notice->file);
	text(notice->source);
	text(notice->unit);
}

static void on_wants(void *ctx)
{
	read_bytes++;
}

static void on_doing(void *ctx, const char *words)
{
	text(words);
}

static void on_returned(void *ctx, const uint32_t *indexes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		read_bytes += indexes[i];
}

static void on_session_finished(void *ctx, int exitstatus, bool bad, const char *stop)
{
	if (exitstatus < 0 || (bad && (!stop || !*stop)))
		abort();
	text(stop);
}

static void on_session_error(void *ctx, enum ff_reason why, const char *words)
{
	if ((why != FF_REASON_USAGE && why != FF_REASON_PAYLOAD) || !words)
		abort();
	text(words);
}

static void value(const struct ff_value *any)
{
	struct ff_buf repr = FF_BUF_INIT;

	if (!any)
		return;
	ff_value_repr(&repr, any, 0);
	read_bytes += repr.len;
	ff_buf_release(&repr);
}

static void on_needs_front(void *ctx, const struct ff_value *reasons, const struct ff_value *about)
{
	on_ids(ctx, reasons);
	value(about);
}

static void on_to_front(void *ctx, const struct ff_value *any)
{
	if (!any)
		abort();
	value(any);
}

static const struct ff_payload_sink sink = {
	.needs_front = on_needs_front,
	.without = on_ids,
	.to_front = on_to_front,
	.missing = on_missing,
	.started = on_started,
	.only_collects = on_only_collects,
	.collected = on_collected,
	.settings = on_settings,
	.unit_said = on_unit_said,
	.scopes = on_ids,
	.ids = on_ids,
	.collect_problem = on_collect_problem,
	.unit_started = on_unit_started,
	.wants = on_wants,
	.doing = on_doing,
	.returned = on_returned,
	.unit_output = on_unit_output,
	.unit_finished = on_unit_finished,
	.notice = on_notice,
	.session_finished = on_session_finished,
	.session_error = on_session_error,
};

static void on_ready(void *ctx, const char *rootdir, const char *const *header)
{
	text(rootdir);
	for (; *header; header++)
		text(*header);
}

static void on_to_worker(void *ctx, const char *worker, const struct ff_value *any)
{
	on_missing(ctx, worker);
	on_to_front(ctx, any);
}

static void on_hands(void *ctx, const char *worker, const uint32_t *indexes, size_t count)
{
	on_missing(ctx, worker);
	on_returned(ctx, indexes, count);
}

static void on_gives_up(void *ctx, uint32_t index, const char *words)
{
	on_unit_started(ctx, index);
	on_missing(ctx, words);
}

static void on_front_notice(void *ctx, const char *level, const char *words)
{
	on_missing(ctx, level);
	on_missing(ctx, words);
}

static void on_text(void *ctx, const char *words, size_t len)
{
	bytes(words, len);
}

static void on_front_finished(void *ctx, int exitstatus, bool bad, const char *words)
{
	if (exitstatus < 0 || exitstatus > 255)
		abort();
	text(words);
}

static const struct ff_front_sink front_sink = {
	.ready = on_ready,
	.to_worker = on_to_worker,
	.again = on_missing,
	.settled = on_missing,
	.stop = on_missing,
	.gives = on_hands,
	.steals = on_hands,
	.dismisses = on_missing,
	.gives_up = on_gives_up,
	.heard = on_unit_started,
	.text = on_text,
	.notice = on_front_notice,
	.error = on_session_error,
	.finished = on_front_finished,
};

/* What a probe's script printed; a start file may have printed anything. */
static void probe(const struct ff_payload_probe *probe, const uint8_t *data, size_t size)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_buf note = FF_BUF_INIT;
	struct ff_fact *facts = NULL;
	struct ff_err err = {0};
	size_t len = 0;

	if (probe->read((const char *)data, size, &arena, &facts, &len, &note, &err) == 0)
		read_facts(facts, len);
	else if (!err.text[0])
		abort();
	text(ff_buf_str(&note));
	ff_buf_release(&note);
	ff_arena_release(&arena);
}

static void item(const struct ff_payload *payload, bool front, const uint8_t *data, size_t size)
{
	struct ff_item loaded = FF_ITEM_INIT;
	struct ff_err err = {0};

	if (ff_load_item(&loaded, data, size, NULL, 0, &err) < 0)
		return;
	if ((front ? payload->front->item(&loaded.value, &front_sink, NULL, &err)
		   : payload->item(&loaded.value, &sink, NULL, &err)) < 0 &&
	    !err.text[0])
		abort();
	ff_item_release(&loaded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ff_payload *payload;
	size_t count = 0;

	while (ff_payloads[count])
		count++;
	if (size == 0)
		return 0;
	payload = ff_payloads[(data[0] >> 1 & 0x3f) % count];
	if (data[0] & 1 && payload->probe)
		probe(payload->probe, data + 1, size - 1);
	else
		item(payload, data[0] & 0x80 && payload->front, data + 1, size - 1);
	return 0;
}
