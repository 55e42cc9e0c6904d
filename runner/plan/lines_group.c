/* Several items for one command: the words that are repeated for each, how many a command line
 * holds, the names that a header gives to columns, and items in another order. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "plan/lines_private.h"

/* --- words --- */

struct words {
	struct ff_lines_part *parts;
	size_t len, cap;
	size_t first; /* part of the word */
	bool repeats; /* the word has a {} of all values */
	struct ff_shell shell;
	struct ff_buf scratch;
};

static void add(struct words *words, const struct ff_lines_part *part, size_t from, size_t to)
{
	struct ff_lines_part piece = *part;

	if (from == to)
		return;
	piece.text += from;
	piece.len = to - from;
	if (words->len == words->cap) {
		words->cap = words->cap ? 2 * words->cap : 16;
		words->parts = ff_xrealloc(words->parts, words->cap * sizeof(*words->parts));
	}
	words->parts[words->len++] = piece;
}

static void end_word(struct words *words)
{
	if (words->repeats)
		words->parts[words->first].word = words->len - words->first;
	words->first = words->len;
	words->repeats = false;
}

static bool is_between(const struct words *words, char c)
{
	return ff_shell_place(&words->shell) == FF_SHELL_PLAIN && !words->shell.escaped &&
	       strchr(" \t\n;|&()<>", c);
}

static void add_text(struct words *words, const struct ff_lines_part *part)
{
	bool between = false;
	size_t from = 0;

	for (size_t i = 0; i < part->len; i++) {
		bool is = is_between(words, part->text[i]);

		if (i == 0 ? is : is != between) {
			add(words, part, from, i);
			end_word(words);
			from = i;
		}
		between = is;
		ff_shell_feed(&words->shell, part->text + i, 1);
	}
	add(words, part, from, part->len);
	if (between)
		end_word(words);
}

void ff_lines_find_words(struct ff_lines *lines)
{
	struct words words = {.first = 0};

	for (size_t i = 0; i < lines->parts_len; i++) {
		const struct ff_lines_part *part = &lines->parts[i];

		if (part->kind == PART_TEXT) {
			add_text(&words, part);
			continue;
		}
		words.repeats |= part->kind == PART_VALUE && part->which == 0 &&
				 !ff_lines_stays(&words.shell);
		add(&words, part, 0, part->len);
		ff_shell_put(&words.shell, "1", part->text[part->len], &words.scratch);
	}
	end_word(&words);
	ff_buf_release(&words.scratch);
	ff_free(lines->parts);
	lines->parts = words.parts;
	lines->parts_len = words.len;
}

/* --- as many as there is room for --- */

static bool fits(const struct ff_lines *lines, uint32_t from, uint32_t count, size_t max_chars)
{
	const struct ff_lines_range range = {from, from + count, lines->packs_len + 1};
	struct ff_buf text = FF_BUF_INIT;
	bool ok = ff_lines_write(lines, &range, 1, NULL, &text) == 0 && text.len < max_chars;

	ff_buf_release(&text);
	return ok;
}

/* How many from `from` on, at most `most`: steps that double, then halves. */
static uint32_t room_for(const struct ff_lines *lines, uint32_t from, uint32_t most,
			 size_t max_chars)
{
	uint32_t good = 0, bad = 1;

	while (bad <= most && fits(lines, from, bad, max_chars)) {
		good = bad;
		bad = bad < most && bad > most / 2 ? most : 2 * bad;
	}
	if (bad > most)
		bad = most + 1;
	while (bad - good > 1) {
		uint32_t middle = good + (bad - good) / 2;

		if (fits(lines, from, middle, max_chars))
			good = middle;
		else
			bad = middle;
	}
	return good;
}

static void add_pack(struct ff_lines *lines, uint32_t end)
{
	uint32_t len = ++lines->packs_len;

	if ((len & (len - 1)) == 0)
		lines->packs =
			ff_xrealloc(lines->packs, (2 * (size_t)len + 1) * sizeof(*lines->packs));
	lines->packs[len] = end;
}

static int pack(struct ff_lines *lines, size_t max_chars, uint32_t slots, struct ff_err *err)
{
	uint32_t records = ff_lines_records(lines), at = 0;

	while (at < records) {
		uint32_t left = records - at, group = lines->how.group;
		uint32_t most = group && group < left ? group : left;
		uint32_t count = room_for(lines, at, most, max_chars), each = count;

		if (count == 0)
			return ff_err_set(err, FF_EINVAL,
					  "item %u makes a command line of more than the %zu "
					  "characters that --max-chars allows",
					  at + 1, max_chars - 1);
		if (count == left)
			each = (count + slots - 1) / slots;
		for (uint32_t end = at + count; at < end;) {
			at = at + each < end ? at + each : end;
			add_pack(lines, at);
		}
	}
	return 0;
}

int ff_lines_pack(struct ff_lines *lines, size_t max_chars, uint32_t slots, struct ff_err *err)
{
	int rc;

	lines->packs = ff_xcalloc(3, sizeof(*lines->packs));
	rc = pack(lines, max_chars, slots ? slots : 1, err);
	lines->base.len = rc ? 0 : lines->packs_len;
	return rc;
}

/* --- headers --- */

int ff_lines_header(struct ff_lines *lines, struct ff_err *err)
{
	for (size_t i = 0; i < lines->sources_len; i++) {
		struct ff_lines_source *source = &lines->sources[i];
		struct ff_lines_args names = {0};

		if (source->len == 0)
			return ff_err_set(err, FF_EINVAL,
					  "%s: --header wants a first item, which names the others",
					  source->from);
		ff_lines_columns(lines, source->text + source->starts[0], &names);
		for (size_t j = 0; j < names.len; j++)
			ff_strv_add(&lines->names, names.v[j]);
		ff_lines_args_release(&names);
		source->headed = true;
		source->head = source->starts[0];
		source->len--;
		memmove(source->starts, source->starts + 1, source->len * sizeof(*source->starts));
	}
	lines->base.len = ff_lines_total(lines);
	return 0;
}

/* --- the end that is said --- */

void ff_lines_stop_at(struct ff_lines *lines, const char *text)
{
	for (size_t i = 0; i < lines->sources_len; i++) {
		struct ff_lines_source *source = &lines->sources[i];
		uint32_t len = 0;

		while (len < source->len && strcmp(source->text + source->starts[len], text) != 0)
			len++;
		source->len = len;
	}
	lines->base.len = ff_lines_total(lines);
}

/* --- another order --- */

void ff_lines_shuffle(struct ff_lines *lines, uint32_t (*random)(uint32_t below))
{
	uint32_t len = ff_lines_records(lines);
	uint32_t *order = ff_xcalloc((size_t)len + 1, sizeof(*order));

	for (uint32_t i = 0; i < len; i++)
		order[i] = i;
	for (uint32_t i = len; i > 1; i--) {
		uint32_t other = random(i), kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
	lines->order = order;
}
