#include "web/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strv.h"

/* --- words --- */

int ff_rows_states(const char *text, uint32_t *states, struct ff_err *err)
{
	*states = 0;
	while (text && *text) {
		size_t len = strcspn(text, ",");
		int state = 0;

		while (state < FF_ROW_STATES &&
		       (strlen(ff_row_state_word((enum ff_row_state)state)) != len ||
			memcmp(ff_row_state_word((enum ff_row_state)state), text, len) != 0))
			state++;
		if (state == FF_ROW_STATES && len > 0)
			return ff_err_set(err, FF_EINVAL, "'%.*s' is no state of a row",
					  (int)(len < 40 ? len : 40), text);
		*states |= len > 0 ? UINT32_C(1) << state : 0;
		text += len + (text[len] == ',');
	}
	return 0;
}

int ff_rows_sort(const char *text, enum ff_rows_sort *sort, struct ff_err *err)
{
	static const char *const words[] = {
#define X(name, word) word,
		FF_ROWS_SORT_MAP(X)
#undef X
	};

	*sort = FF_ROWS_BY_ORDER;
	if (!text)
		return 0;
	for (int i = 0; i < FF_ROWS_SORTS; i++)
		if (strcmp(words[i], text) == 0) {
			*sort = (enum ff_rows_sort)i;
			return 0;
		}
	return ff_err_set(err, FF_EINVAL, "sort: expected order, slowest, name or start");
}

/* --- which --- */

static struct ff_strv words_of(const char *text)
{
	struct ff_strv words = FF_STRV_INIT;

	while (text && *text) {
		size_t len = strcspn(text, " \t\n");

		if (len > 0)
			ff_strv_addf(&words, "%.*s", (int)len, text);
		text += len + (text[len] != '\0');
	}
	return words;
}

static bool has_words(const struct ff_row *row, const struct ff_strv *words)
{
	for (size_t i = 0; i < words->len; i++)
		if (!strcasestr(row->name, words->v[i]) &&
		    (!row->message || !strcasestr(row->message, words->v[i])))
			return false;
	return true;
}

static bool is_wanted(const struct ff_row *row, const struct ff_rows_query *query)
{
	int64_t cause = row->cause == FF_NO_CAUSE ? -1 : (int64_t)row->cause;

	return (query->states == 0 ||
		(row->state < FF_ROW_STATES && query->states >> row->state & 1)) &&
	       (query->job < 0 || row->job == (uint64_t)query->job) &&
	       (query->cause < -1 || query->cause == cause) && (!query->bad || row->bad) &&
	       (!query->flaky || row->flaky);
}

/* --- in what order --- */

struct sorting {
	const struct ff_row *rows;
	enum ff_rows_sort by;
};

static int compare(const void *a, const void *b, void *ctx)
{
	const struct sorting *sorting = ctx;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct ff_row *x = &sorting->rows[i], *y = &sorting->rows[j];
	int order = 0;

	if (sorting->by == FF_ROWS_BY_SLOWEST)
		order = (x->took_us < y->took_us) - (x->took_us > y->took_us);
	else if (sorting->by == FF_ROWS_BY_START)
		order = (x->start_us > y->start_us) - (x->start_us < y->start_us);
	else
		order = strcmp(x->name, y->name);
	return order ? order : (i > j) - (i < j);
}

void ff_rows_find(const struct ff_model *model, const struct ff_rows_query *query,
		  struct ff_rows_found *found)
{
	struct sorting sorting = {model->rows, query->sort};
	struct ff_strv words = words_of(query->text);

	found->len = 0;
	found->v = ff_xmalloc(((size_t)model->rows_len + 1) * sizeof(*found->v));
	for (uint32_t i = 0; i < model->rows_len; i++)
		if (is_wanted(&model->rows[i], query) && has_words(&model->rows[i], &words))
			found->v[found->len++] = i;
	ff_strv_release(&words);
	if (query->sort != FF_ROWS_BY_ORDER)
		qsort_r(found->v, found->len, sizeof(*found->v), compare, &sorting);
}

void ff_rows_release(struct ff_rows_found *found)
{
	ff_free(found->v);
	*found = (struct ff_rows_found){0};
}
