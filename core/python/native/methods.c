/* The functions that Python code calls, as builtin functions of the interpreter: that costs a tenth
 * of a call by ctypes. Gateways ("line") and channels ("end") are handed out as numbers, each with
 * one reference that Python code gives back by line_free and end_drop. */
#include "python/native/methods.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "python/native/items.h"
#include "python/native/private.h"

struct py_setup py_setup;

static int64_t deadline_of(double seconds)
{
	return seconds < 0 || seconds > 1e9 ? FF_NEVER_US
					    : ff_clock_us() + (int64_t)(seconds * 1e6);
}

/* READY, TIMEOUT, or SIGNAL with an exception set. With the interpreter's lock. */
enum hub_wait py_wait_for(struct ff_list *list, double seconds, bool (*ready)(void *), void *arg)
{
	int64_t deadline_us = deadline_of(seconds);
	enum hub_wait result;

	if (hub.forked) {
		PyErr_SetString(PyExc_OSError, "the gateway is that of another process");
		return HUB_SIGNAL;
	}
	do {
		void *state = PyEval_SaveThread();

		hub_lock();
		result = hub_wait(list, deadline_us, ready, arg);
		hub_unlock();
		PyEval_RestoreThread(state);
	} while (result == HUB_SIGNAL && PyErr_CheckSignals() == 0);
	return result;
}

PyObject *py_number_of(void *p)
{
	return PyLong_FromVoidPtr(p);
}

PyObject *py_raise_error(const struct ff_err *err)
{
	return PyErr_Format(PyExc_OSError, "%s", err->text);
}

PyObject *py_end_and_id(struct end *end)
{
	if (!end)
		return PyErr_Format(PyExc_OSError, "the gateway is closed");
	return Py_BuildValue("(NI)", py_number_of(end), (unsigned)ff_channel_id(end->channel));
}

bool py_is_over(void *arg)
{
	enum line_state state = ((struct line *)arg)->state;

	return state == LINE_CLOSED || state == LINE_FAILED;
}

/* --- items --- */

/* dumps(object, first bytes) */
static PyObject *dumps(PyObject *self, PyObject *args)
{
	struct ff_buf out = FF_BUF_INIT;
	PyObject *o, *first, *bytes = NULL;
	char *text;
	ssize_t len;

	if (!PyArg_ParseTuple(args, "OO", &o, &first) ||
	    PyBytes_AsStringAndSize(first, &text, &len) != 0)
		return NULL;
	if (ff_buf_add(&out, text, (size_t)len) != 0)
		PyErr_NoMemory();
	else if (py_dump(&out, o))
		bytes = PyBytes_FromStringAndSize((char *)ff_buf_data(&out), (ssize_t)out.len);
	ff_buf_release(&out);
	return bytes;
}

/* loads(bytes, offset, py2str_as_py3str, py3str_as_py2str, channel_of) -> object, offset behind */
static PyObject *loads(PyObject *self, PyObject *args)
{
	PyObject *data, *channel_of, *o;
	int py2, py3;
	ssize_t at, len;
	size_t used;
	char *bytes;

	if (!PyArg_ParseTuple(args, "OniiO", &data, &at, &py2, &py3, &channel_of) ||
	    PyBytes_AsStringAndSize(data, &bytes, &len) != 0)
		return NULL;
	if (at < 0 || at > len)
		at = len;
	o = py_load((uint8_t *)bytes + at, (size_t)(len - at),
		    (struct ff_strconfig){.py2str_as_py3str = py2, .py3str_as_py2str = py3},
		    channel_of, &used);
	return o ? Py_BuildValue("(Nn)", o, at + (ssize_t)used) : NULL;
}

static PyObject *start(PyObject *self, PyObject *unused)
{
	struct ff_err err = {0};

	return hub_start(&err) ? py_none() : py_raise_error(&err);
}

static PyObject *stop(PyObject *self, PyObject *unused)
{
	void *state = PyEval_SaveThread();

	hub_stop();
	PyEval_RestoreThread(state);
	return py_none();
}

/* --- waiting by others: greenlets --- */

struct watch {
	struct hub_waiter waiter;
};

/* watch(line or end, whether it is an end, descriptor) -> watch: from now on that eventfd is
 * written to when something happened. */
static PyObject *watch(PyObject *self, PyObject *args)
{
	struct watch *one = ff_calloc(1, sizeof(*one));
	int is_end, fd;
	void *what;

	if (!one)
		return PyErr_NoMemory();
	if (!PyArg_ParseTuple(args, "nii", &what, &is_end, &fd)) {
		ff_free(one);
		return NULL;
	}
	one->waiter.fd = fd;
	hub_lock();
	ff_list_add_tail(is_end ? &((struct end *)what)->waiters : &((struct line *)what)->waiters,
			 &one->waiter.node);
	hub.followers++;
	hub_unlock();
	return py_number_of(one);
}

static PyObject *unwatch(PyObject *self, PyObject *number)
{
	struct watch *one = PyLong_AsVoidPtr(number);

	hub_lock();
	ff_list_del(&one->waiter.node);
	hub.followers--;
	hub_unlock();
	ff_free(one);
	return py_none();
}

/* --- the table --- */

static struct PyMethodDef hub_methods[] = {
	{"dumps", dumps, METH_VARARGS, NULL},
	{"loads", loads, METH_VARARGS, NULL},
	{"start", start, METH_NOARGS, NULL},
	{"stop", stop, METH_NOARGS, NULL},
	{"watch", watch, METH_VARARGS, NULL},
	{"unwatch", unwatch, METH_O, NULL},
	{NULL, NULL, 0, NULL},
};

static int add_all(PyObject *table, struct PyMethodDef *methods)
{
	for (struct PyMethodDef *method = methods; method->name; method++) {
		PyObject *function = PyCFunction_NewEx(method, NULL, NULL);

		if (!function || PyDict_SetItemString(table, method->name, function) != 0)
			return -1;
		Py_DecRef(function);
	}
	return 0;
}

PyObject *ff_py_functions(void)
{
	PyObject *table = PyDict_New();

	if (!table || add_all(table, hub_methods) != 0 || add_all(table, py_line_methods) != 0 ||
	    add_all(table, py_end_methods) != 0)
		return NULL;
	return table;
}

int ff_py_interface(void)
{
	return FF_PY_INTERFACE;
}

int ff_py_setup(size_t type_at, PyObject *values)
{
	py_setup.type_at = type_at;
	if (py_type(Py_None) != PyTuple_GetItem(values, 0))
		return -1;
	py_setup.dump_error = py_new_ref(PyTuple_GetItem(values, 1));
	py_setup.load_error = py_new_ref(PyTuple_GetItem(values, 2));
	py_setup.channel = py_new_ref(PyTuple_GetItem(values, 3));
	py_setup.timed_out = py_new_ref(PyTuple_GetItem(values, 4));
	py_setup.ended = py_new_ref(PyTuple_GetItem(values, 5));
	py_setup.empty = py_new_ref(PyTuple_GetItem(values, 6));
	py_setup.digits = py_new_ref(PyTuple_GetItem(values, 7));
	py_setup.number = py_new_ref(PyTuple_GetItem(values, 8));
	return 0;
}
