/* Every item that a worker may send to a payload's codec. The first byte chooses the payload, the
 * rest is the serialized item. What the sink is given must be whole: all of it is read. */
#include <stdlib.h>
#include <string.h>

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

static void on_missing(void *ctx, const char *module, const char *executable, const char *words)
{
	text(module);
	text(executable);
	text(words);
}

static void on_started(void *ctx, const char *python, const char *executable, const char *pytest,
		       const char *const *header)
{
	text(python);
	text(executable);
	text(pytest);
	for (; header && *header; header++)
		text(*header);
}

static void on_collected(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			 const char *rootdir)
{
	text(digest);
	text(rootdir);
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

static void on_notice(void *ctx, const char *level, const char *words, const char *category,
		      const char *file, int line)
{
	text(level);
	text(words);
	text(category);
	text(file);
}

static void on_session_finished(void *ctx, int exitstatus, const char *stop)
{
	text(stop);
}

static void on_session_error(void *ctx, bool usage, const char *words)
{
	text(words);
}

static const struct ff_payload_sink sink = {
	.missing = on_missing,
	.started = on_started,
	.collected = on_collected,
	.ids = on_ids,
	.collect_problem = on_collect_problem,
	.unit_started = on_unit_started,
	.unit_output = on_unit_output,
	.unit_finished = on_unit_finished,
	.notice = on_notice,
	.session_finished = on_session_finished,
	.session_error = on_session_error,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ff_payload *payload;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {0};

	if (size == 0)
		return 0;
	payload = ff_payload_find(data[0] & 1 ? "run" : "pytest");
	if (ff_load_item(&item, data + 1, size - 1, NULL, 0, &err) < 0)
		return 0;
	if (payload->item(&item.value, &sink, NULL, &err) < 0 && !err.text[0])
		abort();
	ff_item_release(&item);
	return 0;
}
