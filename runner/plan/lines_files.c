/* Files that go along with units of `farflung map`: paths with placeholders. What comes of them is
 * a name, not a pattern. */
#include <string.h>

#include "base/alloc.h"
#include "plan/lines_private.h"

void ff_lines_file(struct ff_lines *lines, const char *text, bool back)
{
	size_t len = lines->files_len[back];
	struct ff_lines_template *one;

	lines->files[back] = ff_xrealloc(lines->files[back], (len + 1) * sizeof(*one));
	one = &lines->files[back][len];
	one->text = ff_xstrdup(text);
	ff_lines_template(lines, one);
	lines->files_len[back]++;
	lines->base.files = ff_lines_files;
}

void ff_lines_files_release(struct ff_lines *lines)
{
	for (int back = 0; back < 2; back++) {
		for (size_t i = 0; i < lines->files_len[back]; i++) {
			ff_free(lines->files[back][i].text);
			ff_free(lines->files[back][i].parts);
		}
		ff_free(lines->files[back]);
	}
	ff_free(lines->tag.text);
	ff_free(lines->tag.parts);
}

/* Appends a text. */
typedef void put_t(struct ff_buf *out, const char *text, size_t len);

static void put_name(struct ff_buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (strchr("*?[\\", text[i]))
			ff_buf_addch(out, '\\');
		ff_buf_addch(out, text[i]);
	}
}

static void put_plain(struct ff_buf *out, const char *text, size_t len)
{
	ff_buf_add(out, text, len);
}

static void put_value(struct ff_buf *out, const struct ff_lines_part *part, put_t *put,
		      const char *value)
{
	char *cut = ff_lines_cut(value, part->cut);

	put(out, cut, strlen(cut));
	ff_free(cut);
}

static void put_values(struct ff_buf *out, const struct ff_lines_part *part, put_t *put,
		       const struct ff_lines_args *args)
{
	size_t which = part->which ? ff_lines_which(part, args->len) : 0;

	if (part->which && which < args->len)
		put_value(out, part, put, args->v[which]);
	for (size_t i = 0; !part->which && i < args->len; i++) {
		if (i)
			ff_buf_addch(out, ' ');
		put_value(out, part, put, args->v[i]);
	}
}

/* What a template is filled with. */
struct filling {
	struct ff_lines_args args;
	uint32_t seq, slot;
	put_t *put;
};

static void fill(const struct ff_lines_template *template, const struct filling *f,
		 struct ff_buf *out)
{
	for (size_t i = 0; i < template->parts_len; i++) {
		const struct ff_lines_part *part = &template->parts[i];

		if (part->kind == PART_TEXT)
			f->put(out, part->text, part->len);
		else if (part->kind == PART_SEQ)
			ff_buf_adduint(out, f->seq);
		else if (part->kind == PART_SLOT)
			ff_buf_adduint(out, f->slot);
		else
			put_values(out, part, f->put, &f->args);
	}
}

int ff_lines_tagged(struct ff_lines *lines, const char *text, struct ff_err *err)
{
	lines->tag.text = ff_xstrdup(text);
	ff_lines_template(lines, &lines->tag);
	for (size_t i = 0; i < lines->tag.parts_len; i++)
		if (lines->tag.parts[i].kind == PART_SLOT)
			return ff_err_set(err, FF_EINVAL,
					  "--tagstring can't have {%%}: output is shown when its "
					  "slot is another's; {#} is the unit's number");
	return 0;
}

int ff_lines_tag(const struct ff_lines *lines, uint32_t index, struct ff_buf *out)
{
	struct filling f = {.seq = ff_lines_seq(lines, index), .put = put_plain};
	struct ff_lines_range range;

	if (!lines->tag.text)
		return ff_lines_arguments(lines, index, ' ', out);
	if (lines->blocks_fd < 0) {
		ff_lines_range(lines, index, &range);
		ff_lines_args(lines, &range, &f.args);
	}
	fill(&lines->tag, &f, out);
	ff_lines_args_release(&f.args);
	return 0;
}

static char *expand(const struct ff_lines_template *template, const struct filling *f,
		    struct ff_arena *arena)
{
	struct ff_buf out = FF_BUF_INIT;
	char *text;

	fill(template, f, &out);
	text = ff_arena_copy(arena, out.len ? ff_buf_str(&out) : "", out.len);
	ff_buf_release(&out);
	return text;
}

char **ff_lines_files(const struct ff_plan_source *base, uint32_t index, uint32_t slot, bool back,
		      struct ff_arena *arena)
{
	const struct ff_lines *lines = (const struct ff_lines *)base;
	size_t len = lines->files_len[back];
	char **all = ff_arena_alloc(arena, (len + 1) * sizeof(*all));
	struct ff_lines_range range;
	struct filling f = {.seq = ff_lines_seq(lines, index), .slot = slot, .put = put_name};

	if (!all)
		return NULL;
	ff_lines_range(lines, index, &range);
	ff_lines_args(lines, &range, &f.args);
	for (size_t i = 0; i < len; i++) {
		all[i] = expand(&lines->files[back][i], &f, arena);
		if (!all[i]) {
			ff_lines_args_release(&f.args);
			return NULL;
		}
	}
	all[len] = NULL;
	ff_lines_args_release(&f.args);
	return all;
}
