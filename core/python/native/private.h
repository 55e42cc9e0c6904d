/* What the files of functions have in common. */
#ifndef FF_PYTHON_PRIVATE_H
#define FF_PYTHON_PRIVATE_H

#include "python/native/items.h"
#include "python/native/line.h"

/* Each ends with a NULL name. */
extern struct PyMethodDef py_line_methods[], py_end_methods[];

/* What this thread makes objects of: the channels in it are found there, since the far end may have
 * closed them since, and then the library knows them no more. */
extern __thread const struct arrival *py_resolving;

/* READY, TIMEOUT, or SIGNAL with an exception set. Negative seconds are for ever. With the
 * interpreter's lock, which is given up meanwhile. */
enum hub_wait py_wait_for(struct ff_list *list, double seconds, bool (*ready)(void *), void *arg);
/* For py_wait_for: a struct line that is closed, or has failed. */
bool py_is_over(void *line);
PyObject *py_number_of(void *p);
/* An OSError with its words. */
PyObject *py_raise_error(const struct ff_err *err);
/* The pair that a channel is handed out as; NULL is an OSError. */
PyObject *py_end_and_id(struct end *end);

#endif
