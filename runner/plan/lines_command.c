/* The command of `farflung map`: GNU parallel's placeholders, each written so that the shell reads
 * what it stands for as one literal piece of text. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "plan/lines_private.h"
#include "plan/shell.h"

void ff_lines_parts_release(struct ff_lines *lines)
{
	ff_free(lines->parts);
	ff_free(lines->command);
	lines->parts = NULL;
	lines->command = NULL;
	lines->parts_len = 0;
	lines->direct = lines->delicate = false;
}

/* The longest name of a column that `at` begins with, from 1; 0: none. */
static int read_name(const struct ff_lines *lines, const char *at, size_t *len)
{
	int which = 0;

	*len = 0;
	for (size_t i = 0; i < lines->names.len; i++) {
		size_t name_len = strlen(lines->names.v[i]);

		if (name_len <= *len || strncmp(at, lines->names.v[i], name_len) != 0)
			continue;
		*len = name_len;
		which = (int)i + 1;
	}
	return which;
}

/* Reads what stands between braces. False: it is no placeholder. */
static bool read_part(const struct ff_lines *lines, const char *at, struct ff_lines_part *part)
{
	static const struct {
		const char *text;
		unsigned cut;
	} cuts[] = {{"/.}", CUT_DIR | CUT_END},
		    {"//}", ONLY_DIR},
		    {"/}", CUT_DIR},
		    {".}", CUT_END},
		    {"}", 0}};
	const char *from = at;
	size_t name_len;
	char *end;

	*part = (struct ff_lines_part){.kind = PART_VALUE, .text = at};
	at++;
	if ((*at == '#' || *at == '%') && at[1] == '}') {
		part->kind = *at == '#' ? PART_SEQ : PART_SLOT;
		part->len = 3;
		return true;
	}
	if ((*at >= '1' && *at <= '9') || (*at == '-' && at[1] >= '1' && at[1] <= '9')) {
		long which = strtol(at, &end, 10);

		if (end - at > 6)
			return false;
		part->which = (int)which;
		at = end;
	} else if ((part->which = read_name(lines, at, &name_len)) > 0) {
		at += name_len;
	}
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		size_t len = strlen(cuts[i].text);

		if (strncmp(at, cuts[i].text, len) != 0)
			continue;
		part->cut = cuts[i].cut;
		part->len = (size_t)(at - from) + len;
		return true;
	}
	return false;
}

static void add_part(struct ff_lines *lines, const struct ff_lines_part *part)
{
	if (part->len == 0)
		return;
	lines->parts = ff_xrealloc(lines->parts, (lines->parts_len + 1) * sizeof(*lines->parts));
	lines->parts[lines->parts_len++] = *part;
}

char *ff_lines_cut(const char *value, unsigned cut)
{
	const char *slash = strrchr(value, '/'), *dot;
	size_t len = strlen(value);

	if (cut & ONLY_DIR) {
		/* As dirname(1). */
		while (len > 1 && value[len - 1] == '/')
			len--;
		while (len > 0 && value[len - 1] != '/')
			len--;
		while (len > 1 && value[len - 1] == '/')
			len--;
		return len ? ff_xstrndup(value, len) : ff_xstrdup(".");
	}
	if (cut & CUT_DIR && slash)
		value = slash + 1;
	dot = cut & CUT_END ? strrchr(value, '.') : NULL;
	len = dot && !strchr(dot, '/') ? (size_t)(dot - value) : strlen(value);
	return ff_xstrndup(value, len);
}

/* What a placeholder is filled with. */
struct filling {
	struct ff_lines_args args;
	struct ff_shell shell;
	size_t only; /* of all values the one that a word is repeated for, from 1; 0: all */
	uint32_t seq, slot;
	bool lost; /* a value can't be written where it stands */
};

bool ff_lines_stays(const struct ff_shell *shell)
{
	enum ff_shell_place place = ff_shell_place(shell);

	return place == FF_SHELL_ESCAPED || place == FF_SHELL_COMMENT;
}

static void put_value(struct filling *f, const struct ff_lines_part *part, size_t which, char next,
		      struct ff_buf *out)
{
	char *value = ff_lines_cut(f->args.v[which], part->cut);

	f->lost |= !ff_shell_fits(&f->shell, value);
	ff_shell_put(&f->shell, value, next, out);
	ff_free(value);
}

size_t ff_lines_which(const struct ff_lines_part *part, size_t len)
{
	size_t from_end = part->which < 0 ? (size_t)-part->which : 0;

	if (part->which > 0)
		return (size_t)part->which <= len ? (size_t)part->which - 1 : SIZE_MAX;
	return from_end <= len ? len - from_end : SIZE_MAX;
}

static void put_blank(struct filling *f, struct ff_buf *out)
{
	ff_buf_addch(out, ' ');
	ff_shell_feed(&f->shell, " ", 1);
}

static void put_values(struct filling *f, const struct ff_lines_part *part, struct ff_buf *out)
{
	size_t len = f->args.len;
	char next = part->text[part->len];

	if (part->which) {
		size_t which = ff_lines_which(part, len);

		if (which != SIZE_MAX)
			put_value(f, part, which, next, out);
		return;
	}
	if (f->only) {
		put_value(f, part, f->only - 1, next, out);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (i)
			put_blank(f, out);
		put_value(f, part, i, i + 1 < len ? ' ' : next, out);
	}
}

static void put_part(struct filling *f, const struct ff_lines_part *part, struct ff_buf *out)
{
	size_t before = out->len;

	if (part->kind == PART_VALUE && !ff_lines_stays(&f->shell)) {
		put_values(f, part, out);
		return;
	}
	if (part->kind == PART_SEQ)
		ff_buf_adduint(out, f->seq);
	else if (part->kind == PART_SLOT)
		ff_buf_adduint(out, f->slot);
	else
		ff_buf_add(out, part->text, part->len);
	if (out->len > before)
		ff_shell_feed(&f->shell, (const char *)ff_buf_data(out) + before,
			      out->len - before);
}

/* The word once for each value. */
static void put_word(struct filling *f, const struct ff_lines_part *parts, struct ff_buf *out)
{
	for (f->only = 1; f->only <= f->args.len; f->only++) {
		if (f->only > 1)
			put_blank(f, out);
		for (size_t i = 0; i < parts->word; i++)
			put_part(f, &parts[i], out);
	}
	f->only = 0;
}

int ff_lines_write(const struct ff_lines *lines, const struct ff_lines_range *range, uint32_t slot,
		   bool *lost, struct ff_buf *out)
{
	struct filling f = {.seq = range->seq, .slot = slot};
	struct ff_buf text = FF_BUF_INIT;
	int rc;

	ff_lines_args(lines, range, &f.args);
	for (size_t i = 0; i < lines->parts_len; i++)
		if (lines->parts[i].word) {
			put_word(&f, &lines->parts[i], &text);
			i += lines->parts[i].word - 1;
		} else {
			put_part(&f, &lines->parts[i], &text);
		}
	ff_lines_args_release(&f.args);
	if (lost)
		*lost = f.lost;
	rc = ff_buf_add(out, ff_buf_data(&text), text.len);
	ff_buf_release(&text);
	return rc;
}

int ff_lines_text(const struct ff_lines *lines, uint32_t index, uint32_t slot, struct ff_buf *out)
{
	struct ff_lines_range range;

	if (!lines->command)
		return ff_lines_arguments(lines, index, ' ', out);
	ff_lines_range(lines, index, &range);
	return ff_lines_write(lines, &range, slot, NULL, out);
}

/* --- before the first unit --- */

static bool has_placeholder(const struct ff_lines *lines)
{
	for (size_t i = 0; i < lines->parts_len; i++)
		if (lines->parts[i].kind != PART_TEXT)
			return true;
	return false;
}

static bool takes_items(const struct ff_lines *lines)
{
	for (size_t i = 0; i < lines->parts_len; i++)
		if (lines->parts[i].kind == PART_VALUE)
			return true;
	return false;
}

/* The next place where a placeholder may be. */
static const char *next_place(const struct ff_lines *lines, const char *at)
{
	const char *brace = strchr(at, '{');
	const char *own = lines->how.replace ? strstr(at, lines->how.replace) : NULL;

	return own && (!brace || own <= brace) ? own : brace;
}

static bool read_placeholder(const struct ff_lines *lines, const char *at,
			     struct ff_lines_part *part)
{
	const char *own = lines->how.replace;

	if (own && strncmp(at, own, strlen(own)) == 0) {
		*part = (struct ff_lines_part){.kind = PART_VALUE, .text = at, .len = strlen(own)};
		return true;
	}
	/* "${1}" is the shell's. */
	if (*at != '{' || (at > lines->command && at[-1] == '$') || !read_part(lines, at, part))
		return false;
	/* As GNU parallel has it: {1} is made of {}. */
	return !own || part->kind != PART_VALUE || part->cut != 0;
}

static void read_parts(struct ff_lines *lines)
{
	const char *done = lines->command, *at = done;
	struct ff_lines_part text, part;

	ff_free(lines->parts);
	lines->parts = NULL;
	lines->parts_len = 0;
	while ((at = next_place(lines, at))) {
		if (!read_placeholder(lines, at, &part)) {
			at++;
			continue;
		}
		text = (struct ff_lines_part){.text = done, .len = (size_t)(at - done)};
		add_part(lines, &text);
		add_part(lines, &part);
		done = at += part.len;
	}
	text = (struct ff_lines_part){.text = done, .len = strlen(done)};
	add_part(lines, &text);
}

void ff_lines_template(const struct ff_lines *lines, struct ff_lines_template *template)
{
	struct ff_lines text = {
		.command = template->text, .how = lines->how, .names = lines->names};

	read_parts(&text);
	template->parts = text.parts;
	template->parts_len = text.parts_len;
}

/* Whether any placeholder stands where not each value can. */
static bool is_delicate(const struct ff_lines *lines)
{
	struct ff_shell shell = {.depth = 0};
	struct ff_buf scratch = FF_BUF_INIT;
	bool delicate = false;

	for (size_t i = 0; i < lines->parts_len; i++) {
		const struct ff_lines_part *part = &lines->parts[i];

		if (part->kind == PART_VALUE && !ff_lines_stays(&shell)) {
			delicate |= !ff_shell_fits(&shell, "a b") ||
				    ff_shell_place(&shell) == FF_SHELL_HERE ||
				    ff_shell_place(&shell) == FF_SHELL_LITERAL;
			ff_shell_put(&shell, "1", part->text[part->len], &scratch);
		} else {
			ff_shell_feed(&shell, part->text, part->len);
		}
	}
	ff_buf_release(&scratch);
	return delicate;
}

static int check_values(const struct ff_lines *lines, struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	struct ff_lines_range range;
	bool lost = false;
	uint32_t i = 0;
	int rc = 0;

	for (; i < lines->base.len && !lost && !rc; i++) {
		ff_lines_range(lines, i, &range);
		ff_buf_clear(&text);
		rc = ff_lines_write(lines, &range, 1, &lost, &text);
	}
	ff_buf_clear(&text);
	if (lost && !ff_lines_arguments(lines, i - 1, ' ', &text))
		rc = ff_err_set(
			err, FF_EINVAL,
			"item %u, '%s', can't be quoted where its placeholder stands in '%s' "
			"(in $((...)), ${...}, `...` or $'...', or a here document that it "
			"would end)",
			ff_lines_seq(lines, i - 1), text.len ? ff_buf_str(&text) : "",
			lines->command);
	ff_buf_release(&text);
	return rc;
}

int ff_lines_command(struct ff_lines *lines, const char *command, struct ff_err *err)
{
	ff_lines_parts_release(lines);
	if (!*command)
		return 0;
	lines->command = ff_xstrdup(command);
	read_parts(lines);
	if (lines->how.bare && takes_items(lines))
		return ff_err_set(err, FF_EINVAL,
				  "the command has a {}, but -N 0 gives it no item");
	if (!lines->how.bare && !has_placeholder(lines) && lines->blocks_fd < 0) {
		const char *own = lines->how.replace;
		char *longer = ff_xasprintf("%s %s", command, own ? own : "{}");

		ff_free(lines->command);
		lines->command = longer;
		read_parts(lines);
	}
	if (lines->how.context)
		ff_lines_find_words(lines);
	lines->direct = ff_lines_is_direct(lines);
	lines->delicate = is_delicate(lines);
	return lines->delicate ? check_values(lines, err) : 0;
}
