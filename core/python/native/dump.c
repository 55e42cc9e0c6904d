/* Python objects to items: exactly the builtin types, as execnet dumps them. */
#include <stdio.h>
#include <string.h>

#include "python/native/items.h"

static inline uint8_t *room(struct ff_buf *out, size_t size)
{
	if (out->mem && out->cap - out->off - out->len > size)
		return out->mem + out->off + out->len;
	return ff_buf_reserve(out, size);
}

static bool no_room(const struct ff_buf *out)
{
	PyErr_SetString(py_setup.dump_error,
			out->len > FF_BUF_MAX / 2 ? "an item of more than 2 GiB" : "out of memory");
	return false;
}

static inline void put_number(uint8_t *at, uint32_t number)
{
	number = __builtin_bswap32(number);
	memcpy(at, &number, sizeof(number));
}

static inline bool put_op(struct ff_buf *out, char op)
{
	uint8_t *at = room(out, 1);

	if (!at)
		return no_room(out);
	*at = (uint8_t)op;
	out->len++;
	return true;
}

static inline bool put_op_number(struct ff_buf *out, char op, size_t number)
{
	uint8_t *at = room(out, 5);

	if (!at)
		return no_room(out);
	*at = (uint8_t)op;
	put_number(at + 1, (uint32_t)number);
	out->len += 5;
	return true;
}

static bool put_text(struct ff_buf *out, char op, const char *text, ssize_t len)
{
	uint8_t *at;

	if (len > INT32_MAX) {
		PyErr_SetString(py_setup.dump_error, "a text of more than 2 GiB");
		return false;
	}
	at = room(out, 5 + (size_t)len);
	if (!at)
		return no_room(out);
	*at = (uint8_t)op;
	put_number(at + 1, (uint32_t)len);
	memcpy(at + 5, text, (size_t)len);
	out->len += 5 + (size_t)len;
	return true;
}

static bool put_doubles(struct ff_buf *out, char op, const double *numbers, size_t count)
{
	uint8_t *at = room(out, 1 + 8 * count);

	if (!at)
		return no_room(out);
	*at = (uint8_t)op;
	for (size_t i = 0; i < count; i++) {
		uint64_t bits;

		memcpy(&bits, &numbers[i], sizeof(bits));
		bits = __builtin_bswap64(bits);
		memcpy(at + 1 + 8 * i, &bits, sizeof(bits));
	}
	out->len += 1 + 8 * count;
	return true;
}

static bool dump_big(struct ff_buf *out, PyObject *o)
{
	PyObject *digits = PyObject_CallFunction(py_setup.digits, "O", o);
	const char *text;
	ssize_t len;
	bool done;

	if (!digits)
		return false;
	text = PyUnicode_AsUTF8AndSize(digits, &len);
	done = text && put_text(out, 'H', text, len);
	Py_DecRef(digits);
	return done;
}

static bool dump_int(struct ff_buf *out, PyObject *o)
{
	int overflow;
	long long number = PyLong_AsLongLongAndOverflow(o, &overflow);
	char digits[24];

	if (overflow)
		return dump_big(out, o);
	if (number >= INT32_MIN && number <= INT32_MAX)
		return put_op_number(out, 'F', (uint32_t)number);
	return put_text(out, 'H', digits, snprintf(digits, sizeof(digits), "%lld", number));
}

static bool dump_any(struct ff_buf *out, PyObject *o, unsigned depth);

static bool dump_list(struct ff_buf *out, PyObject *o, unsigned depth)
{
	ssize_t len = PyList_Size(o);

	if (!put_op_number(out, 'K', (size_t)len))
		return false;
	for (ssize_t i = 0; i < len; i++) {
		PyObject *one = PyList_GetItem(o, i);

		if (!one || !put_op_number(out, 'F', (size_t)i) || !dump_any(out, one, depth) ||
		    !put_op(out, 'P'))
			return false;
	}
	return true;
}

static bool dump_tuple(struct ff_buf *out, PyObject *o, unsigned depth)
{
	ssize_t len = PyTuple_Size(o);

	for (ssize_t i = 0; i < len; i++)
		if (!dump_any(out, PyTuple_GetItem(o, i), depth))
			return false;
	return put_op_number(out, '@', (size_t)len);
}

static bool dump_dict(struct ff_buf *out, PyObject *o, unsigned depth)
{
	PyObject *key, *value;
	ssize_t at = 0;

	if (!put_op(out, 'J'))
		return false;
	while (PyDict_Next(o, &at, &key, &value))
		if (!dump_any(out, key, depth) || !dump_any(out, value, depth) || !put_op(out, 'P'))
			return false;
	return true;
}

static bool dump_set(struct ff_buf *out, PyObject *o, char op, unsigned depth)
{
	ssize_t len = PySet_Size(o);
	PyObject *one, *iterator = PyObject_GetIter(o);
	bool done = iterator;

	while (done && (one = PyIter_Next(iterator))) {
		done = dump_any(out, one, depth);
		Py_DecRef(one);
	}
	if (iterator)
		Py_DecRef(iterator);
	return done && !PyErr_Occurred() && put_op_number(out, op, (size_t)len);
}

static bool dump_channel(struct ff_buf *out, PyObject *o)
{
	PyObject *id = PyObject_GetAttrString(o, "id");
	long number = id ? PyLong_AsLong(id) : -1;

	if (id)
		Py_DecRef(id);
	return !PyErr_Occurred() && put_op_number(out, 'B', (size_t)number);
}

static bool dump_rare(struct ff_buf *out, PyObject *o, PyObject *type, unsigned depth)
{
	if (type == &PySet_Type)
		return dump_set(out, o, 'O', depth);
	if (type == &PyFrozenSet_Type)
		return dump_set(out, o, 'E', depth);
	if (type == &PyComplex_Type) {
		double parts[2] = {PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)};

		return put_doubles(out, 'T', parts, 2);
	}
	if (type == py_setup.channel)
		return dump_channel(out, o);
	PyErr_Format(py_setup.dump_error, "can't serialize %R", type);
	return false;
}

static bool dump_any(struct ff_buf *out, PyObject *o, unsigned depth)
{
	PyObject *type = py_type(o);
	const char *text;
	ssize_t len;

	if (type == &PyUnicode_Type) {
		text = PyUnicode_AsUTF8AndSize(o, &len);
		return text && put_text(out, 'N', text, len);
	}
	if (type == &PyLong_Type)
		return dump_int(out, o);
	if (o == Py_None)
		return put_op(out, 'L');
	if (type == &PyBool_Type)
		return put_op(out, o == Py_True ? 'R' : 'C');
	if (type == &PyFloat_Type) {
		double number = PyFloat_AsDouble(o);

		return put_doubles(out, 'D', &number, 1);
	}
	if (type == &PyBytes_Type) {
		char *bytes;

		return PyBytes_AsStringAndSize(o, &bytes, &len) == 0 &&
		       put_text(out, 'A', bytes, len);
	}
	if (depth >= PY_DEPTH_MAX) {
		PyErr_Format(py_setup.dump_error,
			     "can't serialize more than %d containers inside each other",
			     (int)PY_DEPTH_MAX);
		return false;
	}
	if (type == &PyDict_Type)
		return dump_dict(out, o, depth + 1);
	if (type == &PyList_Type)
		return dump_list(out, o, depth + 1);
	if (type == &PyTuple_Type)
		return dump_tuple(out, o, depth + 1);
	return dump_rare(out, o, type, depth + 1);
}

bool py_dump(struct ff_buf *out, PyObject *o)
{
	return dump_any(out, o, 0) && put_op(out, 'Q');
}
