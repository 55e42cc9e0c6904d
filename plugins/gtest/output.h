/* What googletest prints: its list of tests, and how one of them came out. */
#ifndef FF_PLUGINS_GTEST_OUTPUT_H
#define FF_PLUGINS_GTEST_OUTPUT_H

#include "base/buf.h"
#include "found.h"

/* Units from --gtest_list_tests. `disabled`: those that are DISABLED_ run, too. */
void ff_gtest_list(const char *text, size_t len, bool disabled, struct ff_found *found);

/* How one test came out, as far as the usual printer was at work. */
struct ff_gtest_said {
	bool printer; /* it was */
	bool began, ok, failed, skipped;
	const char *text; /* what is between its beginning and its end; not 0-terminated */
	size_t len;
	struct ff_buf message; /* of the first failure, or why it was skipped, in one line */
	struct ff_buf file;    /* where that was; empty: nowhere */
	int line;
};
/* `text` has to outlive it; to be released. */
void ff_gtest_read(struct ff_gtest_said *said, const char *name, const char *text, size_t len);
void ff_gtest_release(struct ff_gtest_said *said);

#endif
