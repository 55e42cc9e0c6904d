/* The functions about gateways: opening, waiting, ending, and what they begin. */
#include "base/alloc.h"
#include "python/native/private.h"

static PyObject *group_new(PyObject *self, PyObject *unused)
{
	struct ff_err err = {0};
	struct ff_group *group;

	hub_lock();
	group = line_group_new(&err);
	hub_unlock();
	return group ? py_number_of(group) : py_raise_error(&err);
}

static PyObject *group_free(PyObject *self, PyObject *group)
{
	hub_lock();
	ff_group_free(PyLong_AsVoidPtr(group));
	hub_unlock();
	return py_none();
}

/* A list of pairs of str, whose texts stay the pairs'. The caller frees it; NULL: exception. */
static struct line_field *fields_of(PyObject *list)
{
	ssize_t len = PyList_Size(list);
	struct line_field *fields = ff_calloc((size_t)(len < 0 ? 0 : len) + 1, sizeof(*fields));

	for (ssize_t i = 0; fields && i < len; i++) {
		if (!PyArg_ParseTuple(PyList_GetItem(list, i), "ss", &fields[i].key,
				      &fields[i].value)) {
			ff_free(fields);
			return NULL;
		}
	}
	if (!fields)
		PyErr_NoMemory();
	return fields;
}

/* line_open(group, text, fields, env) -> line, or (error code, text) */
static PyObject *py_line_open(PyObject *self, PyObject *args)
{
	struct line_field *fields = NULL, *env = NULL;
	PyObject *more, *variables, *result = NULL;
	struct ff_err err = {0};
	struct line *line;
	const char *text;
	ssize_t group;

	if (!PyArg_ParseTuple(args, "nsOO", &group, &text, &more, &variables))
		return NULL;
	fields = fields_of(more);
	if (fields)
		env = fields_of(variables);
	if (env) {
		hub_lock();
		line = line_open((struct ff_group *)group, text, fields, env, &err);
		hub_unlock();
		result = line ? py_number_of(line) : Py_BuildValue("(is)", err.code, err.text);
	}
	ff_free(fields);
	ff_free(env);
	return result;
}

static bool not_opening(void *arg)
{
	return ((struct line *)arg)->state != LINE_OPENING;
}

/* line_wait(line, over, seconds or negative): whether it is open (or over), or no more to be. */
static PyObject *line_wait(PyObject *self, PyObject *args)
{
	struct line *line;
	double seconds;
	enum hub_wait result;
	int over;

	if (!PyArg_ParseTuple(args, "nid", &line, &over, &seconds))
		return NULL;
	result = py_wait_for(&line->waiters, seconds, over ? py_is_over : not_opening, line);
	return result == HUB_SIGNAL ? NULL : PyBool_FromLong(result == HUB_READY);
}

/* line_state(line) -> state, error code, text */
static PyObject *line_state(PyObject *self, PyObject *number)
{
	struct line *line = PyLong_AsVoidPtr(number);
	PyObject *result;

	hub_lock();
	result = Py_BuildValue("(iis)", (int)line->state, line->err.code, line->err.text);
	hub_unlock();
	return result;
}

static PyObject *py_line_kill(PyObject *self, PyObject *line)
{
	if (hub.forked)
		return py_none();
	hub_lock();
	line_kill(PyLong_AsVoidPtr(line));
	hub_drive();
	hub_unlock();
	return py_none();
}

static PyObject *py_line_release(PyObject *self, PyObject *line)
{
	if (hub.forked)
		return py_none();
	hub_lock();
	line_release(PyLong_AsVoidPtr(line));
	hub_drive();
	hub_unlock();
	return py_none();
}

static PyObject *line_free(PyObject *self, PyObject *line)
{
	hub_lock();
	line_unref(PyLong_AsVoidPtr(line));
	hub_unlock();
	return py_none();
}

static PyObject *line_exit(PyObject *self, PyObject *number)
{
	struct line *line = PyLong_AsVoidPtr(number);

	if (hub.forked)
		return py_none();
	hub_lock();
	if (line->gateway)
		ff_gateway_exit(line->gateway);
	hub_drive();
	hub_unlock();
	return py_none();
}

/* line_reconfigure(line, py2str_as_py3str, py3str_as_py2str) */
static PyObject *line_reconfigure(PyObject *self, PyObject *args)
{
	struct line *line;
	int py2, py3, rc = FF_ECLOSED;

	if (!PyArg_ParseTuple(args, "nii", &line, &py2, &py3))
		return NULL;
	hub_lock();
	if (line->gateway)
		rc = ff_gateway_reconfigure(
			line->gateway,
			(struct ff_strconfig){.py2str_as_py3str = py2, .py3str_as_py2str = py3});
	hub_drive();
	hub_unlock();
	return rc == 0 ? py_none() : PyErr_Format(PyExc_OSError, "%s", ff_err_text(rc));
}

/* line_exec(line, source, file name or None, call name or None, kwargs) -> end, id */
static PyObject *line_exec(PyObject *self, PyObject *args)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_buf packed = FF_BUF_INIT;
	struct ff_channel *channel = NULL;
	struct ff_err err = {0};
	struct end *end = NULL;
	struct ff_task task = {0};
	struct line *line;
	PyObject *kwargs;

	if (!PyArg_ParseTuple(args, "nszzO", &line, &task.source, &task.file_name, &task.call_name,
			      &kwargs))
		return NULL;
	if (!py_dump(&packed, kwargs)) {
		ff_buf_release(&packed);
		return NULL;
	}
	hub_lock();
	if (!line->gateway)
		ff_err_set(&err, FF_ECLOSED, "the gateway is closed");
	else if (ff_load_item(&item, ff_buf_data(&packed), packed.len, NULL, 0, &err) == 0) {
		task.kwargs = item.value;
		channel = ff_gateway_remote_exec(line->gateway, &task, &err);
	}
	if (channel)
		end = end_new(line, channel);
	hub_drive();
	hub_unlock();
	ff_item_release(&item);
	ff_buf_release(&packed);
	return end ? py_end_and_id(end) : py_raise_error(&err);
}

/* line_channel(line) -> end, id: a new one */
static PyObject *line_channel(PyObject *self, PyObject *number)
{
	struct line *line = PyLong_AsVoidPtr(number);
	struct ff_channel *channel = NULL;
	struct end *end = NULL;

	hub_lock();
	if (line->gateway)
		channel = ff_channel_new(line->gateway);
	if (channel)
		end = end_new(line, channel);
	hub_unlock();
	return py_end_and_id(end);
}

/* line_none() -> a line without a connection, for ends without a channel */
static PyObject *line_none(PyObject *self, PyObject *unused)
{
	struct line *line = line_new();

	return line ? py_number_of(line) : PyErr_NoMemory();
}

__thread const struct arrival *py_resolving;

static struct end *resolved(unsigned id)
{
	for (size_t i = 0; py_resolving && i < py_resolving->end_count; i++) {
		struct end *end = py_resolving->ends[i];

		if (ff_channel_id(end->channel) == id) {
			end->refs++;
			return end;
		}
	}
	return NULL;
}

/* line_end(line, id) -> end of the channel with that id; without a channel where none can be */
static PyObject *line_end(PyObject *self, PyObject *args)
{
	struct ff_channel *channel = NULL;
	struct line *line;
	struct end *end;
	unsigned id;

	if (!PyArg_ParseTuple(args, "nI", &line, &id))
		return NULL;
	hub_lock();
	end = resolved(id);
	if (!end && line->gateway && id > 0)
		channel = ff_channel_from_id(line->gateway, id);
	if (!end)
		end = channel ? end_of(line, channel) : end_new(line, NULL);
	hub_unlock();
	return end ? py_number_of(end) : PyErr_NoMemory();
}

static PyObject *line_status(PyObject *self, PyObject *number)
{
	struct line *line = PyLong_AsVoidPtr(number);
	struct ff_channel *channel = NULL;
	struct ff_err err = {0};
	struct end *end = NULL;

	hub_lock();
	if (line->gateway)
		channel = ff_gateway_remote_status(line->gateway, &err);
	if (channel)
		end = end_new(line, channel);
	hub_drive();
	hub_unlock();
	return py_end_and_id(end);
}

/* --- callbacks --- */

struct next {
	struct line *line;
	struct arrival *arrival;
};

static bool has_next(void *arg)
{
	struct next *next = arg;

	if (!next->arrival)
		next->arrival = line_next(next->line);
	return next->arrival || (py_is_over(next->line) && ff_list_empty(&next->line->arrived));
}

/* line_next(line, seconds, calls, channel_of) -> None when it is over, False after that time, or
 * what calls(end number, item, error or None, whether it is the end) returned; the arrival counts
 * as seen with the next call of this. */
static PyObject *py_line_next(PyObject *self, PyObject *args)
{
	const struct arrival *before;
	struct next next = {0};
	struct arrival *arrival;
	PyObject *calls, *channel_of, *result = NULL;
	enum hub_wait waited;
	double seconds;

	if (!PyArg_ParseTuple(args, "ndOO", &next.line, &seconds, &calls, &channel_of))
		return NULL;
	waited = py_wait_for(&next.line->waiters, seconds, has_next, &next);
	arrival = next.arrival;
	if (waited == HUB_SIGNAL)
		return NULL;
	if (!arrival)
		return waited == HUB_TIMEOUT ? py_new_ref(Py_False) : py_none();
	before = py_resolving;
	py_resolving = arrival;
	if (arrival->kind == ARRIVAL_ITEM) {
		PyObject *o = py_of_value(&arrival->item.value, channel_of);

		result = o ? PyObject_CallFunction(calls, "NNOO", py_number_of(arrival->end), o,
						   Py_None, Py_False)
			   : NULL;
	} else {
		result = PyObject_CallFunction(calls, "NOzO", py_number_of(arrival->end), Py_None,
					       arrival->error, Py_True);
	}
	py_resolving = before;
	hub_lock();
	if (arrival->kind == ARRIVAL_END)
		line_settle(arrival);
	else
		arrival_free(arrival);
	hub_unlock();
	return result;
}

struct PyMethodDef py_line_methods[] = {
	{"group_new", group_new, METH_NOARGS, NULL},
	{"group_free", group_free, METH_O, NULL},
	{"line_open", py_line_open, METH_VARARGS, NULL},
	{"line_wait", line_wait, METH_VARARGS, NULL},
	{"line_state", line_state, METH_O, NULL},
	{"line_kill", py_line_kill, METH_O, NULL},
	{"line_release", py_line_release, METH_O, NULL},
	{"line_free", line_free, METH_O, NULL},
	{"line_exit", line_exit, METH_O, NULL},
	{"line_reconfigure", line_reconfigure, METH_VARARGS, NULL},
	{"line_exec", line_exec, METH_VARARGS, NULL},
	{"line_channel", line_channel, METH_O, NULL},
	{"line_end", line_end, METH_VARARGS, NULL},
	{"line_none", line_none, METH_NOARGS, NULL},
	{"line_status", line_status, METH_O, NULL},
	{"line_next", py_line_next, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};
