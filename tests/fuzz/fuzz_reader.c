/* What programs print that a payload reads with a memory of its own: lists of tests, and how one
 * came out. The first byte chooses the payload, and with its lowest bit a unit; of that comes first
 * what its discovery told, up to a NUL. What the sink is given is read. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t read_bytes;
static uint32_t units;
static unsigned ends;

static void text(const char *string)
{
	if (string)
		read_bytes += strlen(string);
}

static void on_collected(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			 const char *rootdir)
{
	text(digest);
	units = count;
	ends++;
}

static void on_marks(void *ctx, uint32_t part, const struct ff_payload_mark *marks, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const struct ff_payload_mark *m = &marks[i];

		if (m->unit >= units || m->weight < 1)
			abort();
		for (size_t j = 0; m->resources[j]; j++)
			text(m->resources[j]);
		for (size_t j = 0; j < m->after_len; j++)
			if (m->after[j] >= units)
				abort();
		for (size_t j = 0; j < m->needs_len; j++)
			if (m->needs[j] >= units)
				abort();
		text(m->skip);
	}
}

static void on_texts(void *ctx, const struct ff_value *list)
{
	if (list->len != units)
		abort();
	for (size_t i = 0; i < list->len; i++)
		text(list->items[i].text);
}

static void on_error(void *ctx, enum ff_reason why, const char *words)
{
	text(words);
	ends++;
}

static void on_output(void *ctx, uint32_t index, int stream, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		read_bytes += (unsigned char)bytes[i];
}

static void on_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	if (result->outcome != FF_OUTCOME_PASSED && !result->message)
		abort();
	text(result->message);
	text(result->longrepr);
	text(result->file);
	for (size_t i = 0; i < result->properties_len; i++) {
		text(result->properties[i].name);
		text(result->properties[i].value);
	}
	ends++;
}

static const struct ff_payload_sink sink = {
	.collected = on_collected,
	.marks = on_marks,
	.details = on_texts,
	.ids = on_texts,
	.session_error = on_error,
	.unit_output = on_output,
	.unit_finished = on_finished,
};

static void give(const struct ff_payload *payload, void *reader, const char *word,
		 struct ff_value what)
{
	const struct ff_value items[] = {ff_str(word), what};
	const struct ff_value item = ff_collection(FF_TUPLE, items, 2);
	struct ff_err err = {0};

	if (payload->reader->item(reader, &item, &sink, NULL, &err) < 0)
		abort();
}

static void execute(const struct ff_payload *payload, const struct ff_payload_job *job,
		    const uint8_t *data, size_t size, int64_t status)
{
	const struct ff_value dict[] = {ff_str("exit"), ff_int(status), ff_str("wall_us"),
					ff_int(1)};
	const struct ff_payload_worker worker = {.id = "h", .host = "h", .native = true};
	void *reader = payload->reader->open(job);
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_err err = {0};
	struct ff_task task;

	if (!job->unit || payload->run->task(job, &worker, &arena, &task, &err) == 0) {
		ends = 0;
		give(payload, reader, "out", ff_bytes(data, size / 2));
		give(payload, reader, "out", ff_bytes(data + size / 2, size - size / 2));
		give(payload, reader, "exit", ff_collection(FF_DICT, dict, 2));
		if (ends != 1)
			abort();
	} else if (!err.text[0]) {
		abort();
	}
	ff_arena_release(&arena);
	payload->reader->close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"ctest", "gtest", "tap"};
	static char program[] = "./tests";
	static char *const args[] = {program, NULL};
	struct ff_payload_job job = {.name = "all", .args = args, .cwd = "/home/of/it"};
	const uint8_t *end;
	char *detail = NULL;
	uint8_t first;

	if (size == 0)
		return 0;
	first = *data++;
	end = memchr(data, '\0', --size);
	if (first & 1) {
		size_t len = end ? (size_t)(end - data) : 0;

		detail = ff_xstrndup((const char *)data, len);
		job.unit = "Suite.Name";
		job.detail = detail;
		data += end ? len + 1 : 0;
		size -= end ? len + 1 : 0;
	}
	execute(ff_payload_find(names[(first >> 1 & 3) % 3]), &job, data, size, first >> 3 & 1);
	ff_free(detail);
	return 0;
}
