/* Collecting, sorting and wording of configuration errors, and suggestions for misspelt words.
 * Knows nothing of what a configuration holds. */
#include "config/mistakes.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { SUGGEST_LEN_MAX = 40, PREFIX_MIN = 3 };

void ff_mistakes_init(struct ff_mistakes *problems, const char *file)
{
	*problems = (struct ff_mistakes){.file = file};
}

static size_t listed(const struct ff_mistakes *problems)
{
	return problems->total < FF_MISTAKES_MAX ? problems->total : FF_MISTAKES_MAX;
}

void ff_mistakes_release(struct ff_mistakes *problems)
{
	for (size_t i = 0; i < listed(problems); i++)
		ff_free(problems->list[i].text);
	problems->total = 0;
}

/* One line, of bounded length, safe to show on a terminal. */
static void make_presentable(char *text)
{
	size_t len = strlen(text);

	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	if (len <= FF_MISTAKE_TEXT_MAX)
		return;
	len = FF_MISTAKE_TEXT_MAX - strlen("...");
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	memcpy(text + len, "...", sizeof("..."));
}

void ff_mistakes_add(struct ff_mistakes *problems, const struct ff_place *place, const char *fmt,
		     ...)
{
	struct ff_buf text = FF_BUF_INIT;
	struct ff_mistake *problem;
	va_list args;

	if (problems->total++ >= FF_MISTAKES_MAX)
		return;
	va_start(args, fmt);
	ff_buf_vaddf(&text, fmt, args);
	va_end(args);
	problem = &problems->list[problems->total - 1];
	*problem = (struct ff_mistake){.number = problems->total};
	if (place)
		problem->place = *place;
	if (!problem->place.file)
		problem->place.file = problems->file;
	problem->text = ff_buf_take(&text);
	if (problem->text)
		make_presentable(problem->text);
}

/* `main`: the file that comes first. */
static int compare(const void *a, const void *b, void *main)
{
	const struct ff_mistake *x = a, *y = b;
	int files = x->place.file && y->place.file ? strcmp(x->place.file, y->place.file) : 0;

	if (files)
		return main && !strcmp(x->place.file, main)   ? -1
		       : main && !strcmp(y->place.file, main) ? 1
							      : files;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

static void add_line(struct ff_buf *out, const struct ff_mistake *problem)
{
	const struct ff_place *place = &problem->place;

	if (place->file && *place->file && place->line)
		ff_buf_addf(out, "%s:%d:%d: ", place->file, place->line, place->column);
	else if (place->file && *place->file)
		ff_buf_addf(out, "%s: ", place->file);
	ff_buf_addstr(out, problem->text ? problem->text : ff_err_text(FF_ENOMEM));
}

int ff_mistakes_finish(struct ff_mistakes *problems, struct ff_err *err)
{
	enum { TAIL = 32 }; /* "\n... and N more" */
	struct ff_buf out = FF_BUF_INIT, line = FF_BUF_INIT;
	size_t told = 0, total = problems->total;

	if (!total)
		return 0;
	qsort_r(problems->list, listed(problems), sizeof(*problems->list), compare,
		(void *)(uintptr_t)problems->file);
	for (; told < listed(problems); told++) {
		ff_buf_clear(&line);
		if (told)
			ff_buf_addch(&line, '\n');
		add_line(&line, &problems->list[told]);
		if (told && out.len + line.len + TAIL >= FF_ERR_TEXT_MAX)
			break;
		ff_buf_add(&out, ff_buf_data(&line), line.len);
	}
	if (told < total)
		ff_buf_addf(&out, "\n... and %zu more", total - told);
	ff_err_set(err, FF_ECONFIG, "%s", ff_buf_str(&out));
	ff_buf_release(&out);
	ff_buf_release(&line);
	ff_mistakes_release(problems);
	return FF_ECONFIG;
}

void ff_suggest_init(struct ff_suggest *suggest, const char *word)
{
	/* One slip for short words, one more for each four letters. */
	*suggest = (struct ff_suggest){.word = word, .limit = 2 + (unsigned)(strlen(word) / 4)};
	suggest->distance = suggest->limit;
}

static unsigned min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) from one word to the other, whatever the
 * case; both are short. */
static unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][SUGGEST_LEN_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		above[j] = before[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *spare = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);

			row[j] = min(min(above[j], row[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[b_len];
}

void ff_suggest_offer(struct ff_suggest *suggest, const char *candidate)
{
	size_t word_len = strlen(suggest->word), len = strlen(candidate);
	unsigned distance;

	if (word_len > SUGGEST_LEN_MAX || len > SUGGEST_LEN_MAX)
		return;
	distance = edit_distance(suggest->word, word_len, candidate, len);
	/* "time" for "timeout" */
	if (distance >= suggest->limit && word_len >= PREFIX_MIN && word_len < len &&
	    !strncasecmp(suggest->word, candidate, word_len))
		distance = suggest->limit - 1;
	/* Nothing of the word may be left by chance alone. */
	if (distance >= suggest->distance || distance >= len || distance >= word_len)
		return;
	suggest->distance = distance;
	suggest->best = candidate;
}

const char *ff_suggest_text(const struct ff_suggest *suggest, char text[FF_SUGGEST_TEXT_MAX])
{
	*text = '\0';
	if (suggest->best)
		snprintf(text, FF_SUGGEST_TEXT_MAX, "; did you mean '%s'?", suggest->best);
	return text;
}
