/* The functions about channels: sending, receiving, closing. */
#include <string.h>

#include "base/alloc.h"
#include "python/native/private.h"

enum { LET_OTHERS_RUN = 32 << 10 }; /* bytes to copy or write without the interpreter's lock */

static void on_drain(struct ff_channel *channel, void *ctx)
{
	struct end *end = ctx;

	hub_wake(&end->waiters);
}

static bool writable(void *arg)
{
	struct end *end = arg;

	return end->closed || ff_channel_isclosed(end->channel) || !end->line->gateway ||
	       ff_gateway_state(end->line->gateway) == FF_GATEWAY_CLOSED ||
	       ff_channel_writable(end->channel);
}

/* What is to be sent: a packed item, or bytes that need no packing. */
struct sending {
	struct ff_buf packed;
	char *bytes;
	ssize_t len;
};

static int try_send(struct end *end, const struct sending *what, struct ff_err *err)
{
	bool large = what->bytes || what->packed.len > LET_OTHERS_RUN;
	void *state = large ? PyEval_SaveThread() : NULL;
	int rc = FF_ECLOSED;

	hub_lock();
	if (!end->channel || end->closed)
		ff_err_set(err, rc, "the channel is closed");
	else if (what->bytes)
		rc = ff_channel_send_bytes(end->channel, what->bytes, (size_t)what->len, err);
	else
		rc = ff_channel_send_packed(end->channel, &what->packed, err);
	if (rc == FF_EAGAIN)
		ff_channel_set_drain(end->channel, on_drain, end);
	hub_drive();
	hub_unlock();
	if (state)
		PyEval_RestoreThread(state);
	return rc;
}

/* False: an exception is set. */
static bool prepare(struct sending *what, PyObject *o)
{
	if (py_type(o) == &PyBytes_Type) {
		if (PyBytes_AsStringAndSize(o, &what->bytes, &what->len) != 0)
			return false;
		if (what->len > LET_OTHERS_RUN)
			return true;
		what->bytes = NULL;
	}
	return py_dump(&what->packed, o);
}

/* send(end, object[, seconds]) -> None, or `timed_out`: it was not sent */
static PyObject *py_send(PyObject *self, PyObject *args)
{
	struct sending what = {.packed = FF_BUF_INIT};
	enum hub_wait waited = HUB_READY;
	struct ff_err err;
	double seconds = -1;
	struct end *end;
	PyObject *o;
	int rc;

	if (!PyArg_ParseTuple(args, "nO|d", &end, &o, &seconds))
		return NULL;
	if (hub.forked)
		return PyErr_Format(PyExc_OSError, "the gateway is that of another process");
	if (!prepare(&what, o)) {
		ff_buf_release(&what.packed);
		return NULL;
	}
	while ((rc = try_send(end, &what, &err)) == FF_EAGAIN) {
		waited = py_wait_for(&end->waiters, seconds, writable, end);
		if (waited != HUB_READY)
			break;
	}
	ff_buf_release(&what.packed);
	if (rc == 0)
		return py_none();
	if (rc == FF_EAGAIN)
		return waited == HUB_SIGNAL ? NULL : py_new_ref(py_setup.timed_out);
	return PyErr_Format(rc == FF_EDUMP || rc == FF_ETOOBIG ? py_setup.dump_error
							       : PyExc_OSError,
			    "cannot send: %s", err.text);
}

/* taken(end, seconds or negative) -> whether the other side's window has taken all that was sent */
static PyObject *taken(PyObject *self, PyObject *args)
{
	enum hub_wait waited = HUB_READY;
	bool all, closed;
	struct end *end;
	double seconds;

	if (!PyArg_ParseTuple(args, "nd", &end, &seconds))
		return NULL;
	for (;;) {
		hub_lock();
		/* Who has what was sent may have closed it since. */
		all = end->channel && ff_channel_taken(end->channel);
		closed =
			!all && (!end->channel || end->closed || ff_channel_isclosed(end->channel));
		if (!closed && !all)
			ff_channel_set_drain(end->channel, on_drain, end);
		hub_unlock();
		if (closed)
			return PyErr_Format(PyExc_OSError, "cannot send: the channel is closed");
		if (all || waited == HUB_TIMEOUT)
			return PyBool_FromLong(all);
		waited = py_wait_for(&end->waiters, seconds, writable, end);
		if (waited == HUB_SIGNAL)
			return NULL;
	}
}

static bool receivable(void *arg)
{
	struct end *end = arg;

	return !ff_list_empty(&end->items) || end->no_more;
}

static PyObject *object_of(struct arrival *arrival, PyObject *channel_of)
{
	const struct arrival *before = py_resolving;
	PyObject *o;

	py_resolving = arrival;
	o = py_of_value(&arrival->item.value, channel_of);
	py_resolving = before;

	hub_lock();
	arrival_free(arrival);
	hub_unlock();
	return o;
}

/* receive(end, seconds or negative, channel_of) -> item, or setup's `timed_out` or `ended` */
static PyObject *receive(PyObject *self, PyObject *args)
{
	struct arrival *arrival;
	PyObject *channel_of;
	struct end *end;
	double seconds;

	if (!PyArg_ParseTuple(args, "ndO", &end, &seconds, &channel_of))
		return NULL;
	for (;;) {
		enum hub_wait waited = HUB_READY;
		bool ended;

		hub_lock();
		arrival = end_take(end);
		ended = !arrival && end->no_more;
		hub_unlock();
		if (arrival)
			return object_of(arrival, channel_of);
		if (ended)
			return py_new_ref(py_setup.ended);
		waited = py_wait_for(&end->waiters, seconds, receivable, end);
		if (waited == HUB_SIGNAL)
			return NULL;
		if (waited == HUB_TIMEOUT)
			return py_new_ref(py_setup.timed_out);
	}
}

/* call(end, channel_of) -> the next queued item, `ended`, or `empty`: then and at the end, further
 * ones go to line_next. */
static PyObject *call(PyObject *self, PyObject *args)
{
	struct arrival *arrival;
	PyObject *channel_of;
	struct end *end;
	bool ended;

	if (!PyArg_ParseTuple(args, "nO", &end, &channel_of))
		return NULL;
	hub_lock();
	arrival = end_take(end);
	ended = end->no_more;
	if (!arrival && !ended)
		end->calls = true;
	hub_unlock();
	if (arrival)
		return object_of(arrival, channel_of);
	return py_new_ref(ended ? py_setup.ended : py_setup.empty);
}

/* waitclose(end, seconds or negative) -> whether nothing more will come */
static bool no_more(void *arg)
{
	return ((struct end *)arg)->no_more;
}

static PyObject *waitclose(PyObject *self, PyObject *args)
{
	enum hub_wait waited;
	struct end *end;
	double seconds;

	if (!PyArg_ParseTuple(args, "nd", &end, &seconds))
		return NULL;
	waited = py_wait_for(&end->waiters, seconds, no_more, end);
	return waited == HUB_SIGNAL ? NULL : PyBool_FromLong(waited == HUB_READY);
}

/* end_state(end) -> closed, no more will come */
static PyObject *end_state(PyObject *self, PyObject *number)
{
	struct end *end = PyLong_AsVoidPtr(number);
	int closed, over;

	hub_lock();
	closed = end->closed;
	over = end->no_more;
	hub_unlock();
	return Py_BuildValue("(ii)", closed, over);
}

/* end_error(end) -> the next untaken error of the far end, or None */
static PyObject *end_error(PyObject *self, PyObject *number)
{
	struct end *end = PyLong_AsVoidPtr(number);
	struct arrival *arrival = NULL;
	PyObject *text = NULL;

	hub_lock();
	if (!ff_list_empty(&end->errors)) {
		arrival = ff_container_of(end->errors.next, struct arrival, node);
		ff_list_del(&arrival->node);
	}
	hub_unlock();
	if (!arrival)
		return py_none();
	text = PyUnicode_DecodeUTF8(arrival->error, (ssize_t)strlen(arrival->error), "replace");
	hub_lock();
	arrival_free(arrival);
	hub_unlock();
	return text;
}

/* close(end, error text or None) */
static PyObject *py_close(PyObject *self, PyObject *args)
{
	const char *error;
	struct end *end;
	bool seen;

	if (!PyArg_ParseTuple(args, "nz", &end, &error))
		return NULL;
	hub_lock();
	seen = end->no_more;
	end->closed = true;
	if (end->channel)
		ff_channel_close(end->channel, error);
	if (!seen && !end->calls) {
		end->no_more = true;
		hub_wake(&end->waiters);
	}
	hub_drive();
	hub_unlock();
	return py_none();
}

/* close_here(end, both ways, error text or None): as if the far end had closed */
static PyObject *close_here(PyObject *self, PyObject *args)
{
	const char *error;
	struct end *end;
	int closed;

	if (!PyArg_ParseTuple(args, "niz", &end, &closed, &error))
		return NULL;
	hub_lock();
	end_close_here(end, closed, error);
	hub_unlock();
	return py_none();
}

/* end_reconfigure(end, py2str_as_py3str, py3str_as_py2str) */
static PyObject *end_reconfigure(PyObject *self, PyObject *args)
{
	struct ff_strconfig config;
	struct end *end;
	int py2, py3, rc = 0;

	if (!PyArg_ParseTuple(args, "nii", &end, &py2, &py3))
		return NULL;
	config = (struct ff_strconfig){.py2str_as_py3str = py2, .py3str_as_py2str = py3};
	hub_lock();
	if (end->channel)
		rc = ff_channel_reconfigure(end->channel, config);
	hub_drive();
	hub_unlock();
	return rc == 0 ? py_none() : PyErr_Format(PyExc_OSError, "%s", ff_err_text(rc));
}

static PyObject *py_end_drop(PyObject *self, PyObject *end)
{
	if (hub.forked)
		return py_none();
	hub_lock();
	end_drop(PyLong_AsVoidPtr(end));
	hub_drive();
	hub_unlock();
	return py_none();
}

struct PyMethodDef py_end_methods[] = {
	{"send", py_send, METH_VARARGS, NULL},
	{"taken", taken, METH_VARARGS, NULL},
	{"receive", receive, METH_VARARGS, NULL},
	{"call", call, METH_VARARGS, NULL},
	{"waitclose", waitclose, METH_VARARGS, NULL},
	{"end_state", end_state, METH_O, NULL},
	{"end_error", end_error, METH_O, NULL},
	{"close", py_close, METH_VARARGS, NULL},
	{"close_here", close_here, METH_VARARGS, NULL},
	{"end_reconfigure", end_reconfigure, METH_VARARGS, NULL},
	{"end_drop", py_end_drop, METH_O, NULL},
	{NULL, NULL, 0, NULL},
};
