/* What this room uses of Python: declared here, so that one build serves every interpreter from 3.8
 * on and none of its headers is needed. All of it is in Python's stable ABI, or has been exported
 * unchanged by each of these versions; the interpreter that loads the library brings it.
 *
 * Objects are never looked into, but for their type: where that stands is told by Python code
 * (ff_py_setup), since free-threaded interpreters have more in front of it. */
#ifndef FF_PYTHON_PY_H
#define FF_PYTHON_PY_H

#include <stddef.h>
#include <sys/types.h>

typedef struct _object PyObject;
typedef PyObject *(*PyCFunction)(PyObject *self, PyObject *args);

struct PyMethodDef {
	const char *name;
	PyCFunction function;
	int flags;
	const char *doc;
};

enum { METH_VARARGS = 1, METH_NOARGS = 4, METH_O = 8 };

extern PyObject _Py_NoneStruct, _Py_TrueStruct, _Py_FalseStruct;
extern PyObject PyUnicode_Type, PyBytes_Type, PyLong_Type, PyFloat_Type, PyComplex_Type,
	PyBool_Type, PyList_Type, PyTuple_Type, PyDict_Type, PySet_Type, PyFrozenSet_Type;
extern PyObject *PyExc_OSError, *PyExc_ValueError, *PyExc_TypeError, *PyExc_MemoryError,
	*PyExc_UnicodeDecodeError;

void Py_IncRef(PyObject *o);
void Py_DecRef(PyObject *o);

PyObject *PyCFunction_NewEx(struct PyMethodDef *def, PyObject *self, PyObject *module);
int PyArg_ParseTuple(PyObject *args, const char *format, ...);
PyObject *Py_BuildValue(const char *format, ...);
PyObject *PyObject_CallFunction(PyObject *callable, const char *format, ...);
PyObject *PyObject_GetAttrString(PyObject *o, const char *name);
PyObject *PyObject_GetIter(PyObject *o);
PyObject *PyIter_Next(PyObject *iterator);
PyObject *PyObject_Type(PyObject *o);
PyObject *PyObject_Str(PyObject *o);

PyObject *PyLong_FromLong(long v);
PyObject *PyLong_FromLongLong(long long v);
PyObject *PyLong_FromVoidPtr(void *p);
PyObject *PyLong_FromString(const char *text, char **end, int base);
void *PyLong_AsVoidPtr(PyObject *o);
long PyLong_AsLong(PyObject *o);
long long PyLong_AsLongLongAndOverflow(PyObject *o, int *overflow);
PyObject *PyFloat_FromDouble(double v);
double PyFloat_AsDouble(PyObject *o);
PyObject *PyComplex_FromDoubles(double real, double imaginary);
double PyComplex_RealAsDouble(PyObject *o);
double PyComplex_ImagAsDouble(PyObject *o);
PyObject *PyBool_FromLong(long v);

PyObject *PyBytes_FromStringAndSize(const char *text, ssize_t len);
int PyBytes_AsStringAndSize(PyObject *o, char **text, ssize_t *len);
PyObject *PyUnicode_FromStringAndSize(const char *text, ssize_t len);
PyObject *PyUnicode_DecodeLatin1(const char *text, ssize_t len, const char *errors);
PyObject *PyUnicode_DecodeUTF8(const char *text, ssize_t len, const char *errors);
const char *PyUnicode_AsUTF8AndSize(PyObject *o, ssize_t *len);

PyObject *PyList_New(ssize_t len);
ssize_t PyList_Size(PyObject *o);
PyObject *PyList_GetItem(PyObject *o, ssize_t i);
int PyList_SetItem(PyObject *o, ssize_t i, PyObject *v);
PyObject *PyTuple_New(ssize_t len);
ssize_t PyTuple_Size(PyObject *o);
PyObject *PyTuple_GetItem(PyObject *o, ssize_t i);
int PyTuple_SetItem(PyObject *o, ssize_t i, PyObject *v);
PyObject *PyDict_New(void);
ssize_t PyDict_Size(PyObject *o);
int PyDict_Next(PyObject *o, ssize_t *at, PyObject **key, PyObject **value);
int PyDict_SetItem(PyObject *o, PyObject *key, PyObject *value);
int PyDict_SetItemString(PyObject *o, const char *key, PyObject *value);
PyObject *PySet_New(PyObject *iterable);
PyObject *PyFrozenSet_New(PyObject *iterable);
int PySet_Add(PyObject *o, PyObject *v);
ssize_t PySet_Size(PyObject *o);

PyObject *PyErr_Occurred(void);
void PyErr_Clear(void);
int PyErr_ExceptionMatches(PyObject *exception);
void PyErr_SetString(PyObject *exception, const char *text);
PyObject *PyErr_Format(PyObject *exception, const char *format, ...);
PyObject *PyErr_NoMemory(void);
int PyErr_CheckSignals(void);

void *PyEval_SaveThread(void);
void PyEval_RestoreThread(void *state);

#define Py_None	 (&_Py_NoneStruct)
#define Py_True	 (&_Py_TrueStruct)
#define Py_False (&_Py_FalseStruct)

/* What Python code hands over once. */
struct py_setup {
	size_t type_at; /* offset of an object's type */
	PyObject *dump_error, *load_error, *channel;
	PyObject *timed_out, *ended, *empty; /* answers that are no item */
	PyObject *digits, *number;	     /* of integers that PyLong_FromString refuses */
};
extern struct py_setup py_setup;

static inline PyObject *py_type(PyObject *o)
{
	return *(PyObject **)(void *)((char *)o + py_setup.type_at);
}

static inline PyObject *py_new_ref(PyObject *o)
{
	Py_IncRef(o);
	return o;
}

static inline PyObject *py_none(void)
{
	return py_new_ref(Py_None);
}

#endif
