/* Python objects to items and back, in one pass each. The interpreter's lock is held. */
#ifndef FF_PYTHON_ITEMS_H
#define FF_PYTHON_ITEMS_H

#include <stdbool.h>

#include "base/buf.h"
#include "python/native/py.h"
#include "wire/serialize.h"

enum { PY_DEPTH_MAX = FF_DEPTH_MAX };

/* Appends `o` as an item, STOP included. False: a Python exception is set, `out` holds a part. */
bool py_dump(struct ff_buf *out, PyObject *o);

/* The object whose item stands at the front of `bytes`; *used says how long it is (may be NULL).
 * `channel_of` is called with the id of each channel in it; NULL or None refuses them. NULL: an
 * exception is set. */
PyObject *py_load(const uint8_t *bytes, size_t len, struct ff_strconfig config,
		  PyObject *channel_of, size_t *used);

/* The object that `value` stands for; `channel_of` as above. NULL: an exception is set. */
PyObject *py_of_value(const struct ff_value *value, PyObject *channel_of);

#endif
