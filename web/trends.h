/* What changes from run to run: durations, failures and flakiness of jobs, files, hosts and tests,
 * and two runs beside each other. No I/O. */
#ifndef FF_WEB_TRENDS_H
#define FF_WEB_TRENDS_H

#include "base/buf.h"
#include "base/err.h"
#include "web/digest.h"

/* X(name, word) */
#define FF_TREND_BY_MAP(X)                                                                         \
	X(JOB, "job")                                                                              \
	X(FILE, "file")                                                                            \
	X(HOST, "host")                                                                            \
	X(TEST, "test")

enum ff_trend_by {
#define X(name, word) FF_TREND_BY_##name,
	FF_TREND_BY_MAP(X)
#undef X
		FF_TREND_BYS
};

/* X(name, word): what comes first. */
#define FF_TREND_SORT_MAP(X)                                                                       \
	X(GROWING, "growing") /* whose median has grown most, in time */                           \
	X(SLOWEST, "slowest") /* whose median is the longest now */                                \
	X(FAILING, "failing") /* that was bad most often */                                        \
	X(FLAKY, "flaky")

enum ff_trend_sort {
#define X(name, word) FF_TREND_##name,
	FF_TREND_SORT_MAP(X)
#undef X
		FF_TREND_SORTS
};

struct ff_trends_query {
	enum ff_trend_by by;
	enum ff_trend_sort sort;
	const char *text; /* a part of the name; NULL: all */
	uint32_t count;	  /* groups at most */
};

/* NULL is the first. FF_EINVAL says what there is. */
int ff_trends_words(const char *by, const char *sort, struct ff_trends_query *query,
		    struct ff_err *err);
/* `runs`: the oldest first. Appends {"runs", "found", "groups"}: see openapi.yaml. */
int ff_trends(struct ff_buf *out, const struct ff_trends_query *query,
	      const struct ff_digest *const *runs, uint32_t len);

/* Appends {"runs": […]}: what came of one unit in each, where it has a place. */
int ff_history(struct ff_buf *out, const char *job, const char *name,
	       const struct ff_digest *const *runs, uint32_t len);

/* Appends what is bad in `after` and was not in `before`, what no longer is, and what took longer
 * (or less) than in any of `runs` but `after`, by more than a fifth and FF_COMPARE_LEAST_US. */
enum { FF_COMPARE_LEAST_US = 20000, FF_COMPARE_LIST_MAX = 500 };
int ff_compare(struct ff_buf *out, const struct ff_digest *before, const struct ff_digest *after,
	       const struct ff_digest *const *runs, uint32_t len);

#endif
