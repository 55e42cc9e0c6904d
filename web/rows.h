/* A model's rows that a page asks for: which, in what order, and a window of them. No I/O. */
#ifndef FF_WEB_ROWS_H
#define FF_WEB_ROWS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "web/model.h"

/* X(name, word) */
#define FF_ROWS_SORT_MAP(X)                                                                        \
	X(ORDER, "order")     /* as they came */                                                   \
	X(SLOWEST, "slowest") /* the longest first */                                              \
	X(NAME, "name")                                                                            \
	X(START, "start")

enum ff_rows_sort {
#define X(name, word) FF_ROWS_BY_##name,
	FF_ROWS_SORT_MAP(X)
#undef X
		FF_ROWS_SORTS
};

struct ff_rows_query {
	const char *text;   /* words, each of which is in a name or a message; NULL: any */
	uint32_t states;    /* bits, 1 << enum ff_row_state; 0: all */
	int64_t job, cause; /* numbers; cause -1: none; below that, and job -1: any */
	bool bad, flaky;    /* only those that are */
	enum ff_rows_sort sort;
};

enum { FF_ROWS_ANY = -2 };

/* Numbers of rows. */
struct ff_rows_found {
	uint32_t *v;
	uint32_t len;
};

void ff_rows_find(const struct ff_model *model, const struct ff_rows_query *query,
		  struct ff_rows_found *found);
void ff_rows_release(struct ff_rows_found *found);
/* "passed,failed" as bits; FF_EINVAL: one of them is no state, `err` names it. */
int ff_rows_states(const char *text, uint32_t *states, struct ff_err *err);
/* FF_EINVAL, as above. NULL is the order in which they came. */
int ff_rows_sort(const char *text, enum ff_rows_sort *sort, struct ff_err *err);

#endif
