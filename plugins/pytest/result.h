/* What payload.py tells of a test, as a struct ff_result. */
#ifndef FF_PLUGINS_PYTEST_RESULT_H
#define FF_PLUGINS_PYTEST_RESULT_H

#include "payload.h"

/* Reads the tuple ("done", index, …). The result's strings are the item's or live in `arena`.
 * FF_EPROTO names what is wrong with it. */
int ff_pytest_result(struct ff_result *result, uint32_t *index, const struct ff_value *done,
		     struct ff_arena *arena, struct ff_err *err);

/* Where the last words of an interpreter that crashed begin, as faulthandler writes them; NULL. */
const char *ff_pytest_cause(const char *said);

/* The index of a test; false: it is none. */
bool ff_pytest_index(const struct ff_value *value, uint32_t *index);
/* A list of them, to be freed with ff_free; NULL: it is none. */
uint32_t *ff_pytest_indexes(const struct ff_value *list);

#endif
