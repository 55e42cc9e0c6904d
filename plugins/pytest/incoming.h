/* An item of a session while it is read: what the files that read them share. */
#ifndef FF_PLUGINS_PYTEST_INCOMING_H
#define FF_PLUGINS_PYTEST_INCOMING_H

#include "payload.h"

struct incoming {
	const struct ff_value *item;
	const struct ff_payload_sink *sink;
	void *ctx;
	struct ff_err *err;
};

/* FF_EPROTO, with these words. */
int ff_pytest_bad_item(const struct incoming *in, const char *what);
/* The dict behind the word; NULL: it is none. */
const struct ff_value *ff_pytest_dict(const struct incoming *in);
/* A number in 0 ... max. */
bool ff_pytest_number(const struct ff_value *dict, const char *key, int64_t max, int64_t *number);

/* --- collected.c: one reader per item --- */
int ff_pytest_on_collected(const struct incoming *in);
int ff_pytest_on_ids(const struct incoming *in);
int ff_pytest_on_files(const struct incoming *in);
int ff_pytest_on_sources(const struct incoming *in);
int ff_pytest_on_marks(const struct incoming *in);
int ff_pytest_on_tests(const struct incoming *in);

#endif
