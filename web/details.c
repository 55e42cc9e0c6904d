#include "web/details.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "event/json.h"

enum {
	BLOCK = 64 << 10, /* bytes of JSON, from which a block is closed */
	LEVEL = 3,	  /* the loop's time is worth more than the file's size */
};

#define GROW(list, len, cap)                                                                       \
	do {                                                                                       \
		if ((len) == (cap)) {                                                              \
			(cap) = (cap) ? 2 * (cap) : 16;                                            \
			(list) = ff_xrealloc(list, (cap) * sizeof(*(list)));                       \
		}                                                                                  \
	} while (0)

void ff_details_init(struct ff_details *details, const struct ff_writer_opts *opts)
{
	*details = (struct ff_details){0};
	ff_spool_init(&details->spool, opts);
}

void ff_details_release(struct ff_details *details)
{
	ff_spool_release(&details->spool);
	ff_buf_release(&details->text);
	ff_free(details->blocks);
	ff_free(details->entries);
	ff_free(details->last);
}

/* --- blocks --- */

static void close_block(struct ff_details *details)
{
	struct ff_buf *text = &details->text, *out = &details->spool.text;
	uLong len = compressBound((uLong)text->len + 1);
	uint64_t at = ff_spool_at(&details->spool);
	uint8_t *room;

	if (text->len == 0)
		return;
	ff_buf_addch(text, ']');
	room = ff_buf_reserve(out, len);
	if (!room || compress2(room, &len, ff_buf_data(text), (uLong)text->len, LEVEL) != Z_OK) {
		details->error = FF_ENOMEM;
		len = 0;
	}
	ff_buf_added(out, len);
	GROW(details->blocks, details->blocks_len, details->blocks_cap);
	details->blocks[details->blocks_len++].piece = (struct ff_spool_piece){at, len};
	ff_buf_clear(text);
	ff_spool_flush(&details->spool);
}

static void note_entry(struct ff_details *details, uint32_t row)
{
	if (row >= details->last_cap) {
		uint32_t cap = details->last_cap ? details->last_cap : 64;

		while (cap <= row)
			cap *= 2;
		details->last = ff_xrealloc(details->last, cap * sizeof(*details->last));
		memset(details->last + details->last_cap, 0,
		       (cap - details->last_cap) * sizeof(*details->last));
		details->last_cap = cap;
	}
	GROW(details->entries, details->entries_len, details->entries_cap);
	details->entries[details->entries_len++] =
		(struct ff_details_entry){row, details->blocks_len, details->last[row]};
	details->last[row] = details->entries_len;
}

int ff_details_finish(struct ff_details *details)
{
	int errnum;

	close_block(details);
	errnum = ff_spool_finish(&details->spool);
	return errnum ? errnum : details->error;
}

int ff_details_block(const struct ff_details *details, uint32_t block, struct ff_buf *out)
{
	const struct ff_spool_piece *piece = &details->blocks[block].piece;
	char *bytes = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&bytes, &len);
	int errnum = file ? ff_spool_copy(&details->spool, piece, file) : errno;

	if (file && fclose(file) != 0 && errnum == 0)
		errnum = errno;
	if (errnum == 0)
		ff_buf_add(out, bytes, len);
	free(bytes);
	return errnum;
}

/* --- entries --- */

static void add_text(struct ff_json *json, const char *name, const char *text, size_t len)
{
	size_t half = FF_DETAILS_TEXT_MAX / 2;
	struct ff_buf kept = FF_BUF_INIT;

	if (len <= FF_DETAILS_TEXT_MAX) {
		ff_json_strn(json, name, text, len);
		return;
	}
	ff_buf_add(&kept, text, half);
	ff_buf_addf(&kept, "\n[%zu bytes are left out]\n", len - 2 * half);
	ff_buf_add(&kept, text + len - half, half);
	ff_json_strn(json, name, (const char *)ff_buf_data(&kept), kept.len);
	ff_buf_release(&kept);
}

static void add_sections(struct ff_json *json, const struct ff_result *result)
{
	bool open = false;

	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];

		if (!section->text || section->len == 0)
			continue;
		if (!open)
			ff_json_open(json, "sections", '[');
		open = true;
		ff_json_open(json, NULL, '{');
		ff_json_str(json, "title", section->title ? section->title : "output");
		add_text(json, "text", section->text, section->len);
		ff_json_close(json, '}');
	}
	if (open)
		ff_json_close(json, ']');
}

static void add_reruns(struct ff_json *json, const struct ff_result *result)
{
	bool open = false;

	for (size_t i = 0; i < result->phases_len; i++) {
		const struct ff_phase *phase = &result->phases[i];

		if (!phase->rerun)
			continue;
		if (!open)
			ff_json_open(json, "reruns", '[');
		open = true;
		ff_json_open(json, NULL, '{');
		ff_json_str(json, "outcome", ff_outcome_word(phase->outcome));
		ff_json_str(json, "message", phase->message);
		if (phase->longrepr)
			add_text(json, "longrepr", phase->longrepr, strlen(phase->longrepr));
		ff_json_close(json, '}');
	}
	if (open)
		ff_json_close(json, ']');
}

static void add_result(struct ff_json *json, const struct ff_result *result)
{
	ff_json_str(json, "outcome", ff_outcome_word(result->outcome));
	ff_json_str(json, "message", result->message);
	if (result->longrepr)
		add_text(json, "longrepr", result->longrepr, strlen(result->longrepr));
	add_sections(json, result);
	add_reruns(json, result);
	if (result->properties_len > 0) {
		ff_json_open(json, "properties", '{');
		for (size_t i = 0; i < result->properties_len; i++)
			ff_json_pair(json, result->properties[i].name, result->properties[i].value);
		ff_json_close(json, '}');
	}
	if (result->max_rss_kib > 0)
		ff_json_int(json, "max_rss_kib", result->max_rss_kib);
	if (result->user_us > 0 || result->system_us > 0) {
		ff_json_int(json, "user_us", result->user_us);
		ff_json_int(json, "system_us", result->system_us);
	}
}

static bool worth_keeping(const struct ff_case *c)
{
	if (!c->result)
		return c->text != NULL;
	if (c->kind == FF_CASE_ATTEMPT || c->attempts > 0 || c->result->longrepr ||
	    c->result->properties_len > 0 || ff_outcome_bad(c->result->outcome) || ff_case_flaky(c))
		return true;
	for (size_t i = 0; i < c->result->sections_len; i++)
		if (c->result->sections[i].text && c->result->sections[i].len > 0)
			return true;
	return false;
}

void ff_details_add(struct ff_details *details, uint32_t row, const struct ff_case *c)
{
	struct ff_json json;

	if (!worth_keeping(c) || details->error)
		return;
	ff_buf_addf(&details->text, "%s[%u,", details->text.len ? "," : "[", row);
	ff_json_begin(&json, &details->text);
	ff_json_int(&json, "attempt", c->attempts + 1);
	ff_json_str(&json, "host", c->host);
	ff_json_str(&json, "worker", c->worker);
	if (c->result)
		add_result(&json, c->result);
	else
		add_text(&json, "longrepr", c->text, strlen(c->text));
	ff_json_end(&json);
	ff_buf_addch(&details->text, ']');
	details->error = json.error;
	note_entry(details, row);
	if (details->text.len >= BLOCK)
		close_block(details);
}
