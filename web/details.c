#include "web/details.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "event/json.h"
#include "web/grow.h"

enum {
	BLOCK = 64 << 10, /* bytes of JSON, from which a block is closed */
	LEVEL = 3,	  /* the loop's time is worth more than the file's size */
};

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
	FF_WEB_GROW(details->blocks, details->blocks_len, details->blocks_cap);
	details->blocks[details->blocks_len++] = (struct ff_details_block){{at, len}, text->len};
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
	FF_WEB_GROW(details->entries, details->entries_len, details->entries_cap);
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

/* --- of one row --- */

static json_t *read_block(struct ff_details *details, uint32_t block)
{
	struct ff_buf packed = FF_BUF_INIT, text = FF_BUF_INIT;
	uLong len;
	uint8_t *room;
	json_t *list = NULL;

	if (block == details->blocks_len) { /* it is being filled */
		ff_buf_add(&text, ff_buf_data(&details->text), details->text.len);
		ff_buf_addch(&text, ']');
	} else if (ff_spool_finish(&details->spool) == 0 &&
		   ff_details_block(details, block, &packed) == 0) {
		len = details->blocks[block].text_len;
		room = ff_buf_reserve(&text, len);
		if (room && uncompress(room, &len, ff_buf_data(&packed), (uLong)packed.len) == Z_OK)
			ff_buf_added(&text, len);
	}
	if (text.len > 0)
		list = json_loadb((const char *)ff_buf_data(&text), text.len, JSON_ALLOW_NUL, NULL);
	ff_buf_release(&packed);
	ff_buf_release(&text);
	return list;
}

/* The row's entries of a block behind those in `found`. */
static int take_entries(struct ff_details *details, uint32_t block, uint32_t row, json_t *found)
{
	json_t *list = read_block(details, block), *pair;
	size_t i;

	if (!list)
		return FF_ELOAD;
	json_array_foreach(list, i,
			   pair) if (json_integer_value(json_array_get(pair, 0)) == (json_int_t)row)
		json_array_append(found, json_array_get(pair, 1));
	json_decref(list);
	return 0;
}

/* A row's blocks, the first one first: it has few. */
static int take_blocks(struct ff_details *details, uint32_t entry, uint32_t row, json_t *found)
{
	const struct ff_details_entry *at = &details->entries[entry - 1];
	int rc = 0;

	if (at->before && details->entries[at->before - 1].block != at->block)
		rc = take_blocks(details, at->before, row, found);
	else if (at->before)
		return take_blocks(details, at->before, row, found);
	return rc ? rc : take_entries(details, at->block, row, found);
}

int ff_details_of(struct ff_details *details, uint32_t row, struct ff_buf *out)
{
	json_t *found = json_array();
	char *text;
	int rc = 0;

	if (row < details->last_cap && details->last[row])
		rc = take_blocks(details, details->last[row], row, found);
	text = rc == 0 ? json_dumps(found, JSON_COMPACT) : NULL;
	if (rc == 0 && !text)
		rc = FF_ENOMEM;
	if (text)
		ff_buf_addstr(out, text);
	free(text);
	json_decref(found);
	return rc;
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
