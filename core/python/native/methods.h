/* What libfarflung-python exports: called once each, by ctypes with the interpreter's lock held. */
#ifndef FF_PYTHON_METHODS_H
#define FF_PYTHON_METHODS_H

#include "python/native/py.h"

/* Changes with any change of a function that the table holds. */
enum { FF_PY_INTERFACE = 2 };
int ff_py_interface(void);
/* What the functions need of Python code: the offset of an object's type, and the tuple (NoneType,
 * DumpError, LoadError, Channel, timed_out, ended, empty, digits, number). 0, or -1: no object has
 * its type there. */
int ff_py_setup(size_t type_at, PyObject *values);
/* A dict of builtin functions. NULL: an exception is set. */
PyObject *ff_py_functions(void);

#endif
