/* What the library has read already, as Python objects. */
#include <string.h>

#include "python/native/items.h"

static PyObject *list_of(const struct ff_value *value, PyObject *channel_of)
{
	PyObject *list = PyList_New(value->len);

	for (uint32_t i = 0; list && i < value->len; i++) {
		PyObject *one = py_of_value(&value->items[i], channel_of);

		if (!one) {
			Py_DecRef(list);
			return NULL;
		}
		PyList_SetItem(list, i, one);
	}
	return list;
}

static PyObject *tuple_of(const struct ff_value *value, PyObject *channel_of)
{
	PyObject *tuple = PyTuple_New(value->len);

	for (uint32_t i = 0; tuple && i < value->len; i++) {
		PyObject *one = py_of_value(&value->items[i], channel_of);

		if (!one) {
			Py_DecRef(tuple);
			return NULL;
		}
		PyTuple_SetItem(tuple, i, one);
	}
	return tuple;
}

static PyObject *set_of(const struct ff_value *value, PyObject *channel_of)
{
	PyObject *set = value->kind == FF_SET ? PySet_New(NULL) : PyFrozenSet_New(NULL);

	for (uint32_t i = 0; set && i < value->len; i++) {
		PyObject *one = py_of_value(&value->items[i], channel_of);
		int rc = one ? PySet_Add(set, one) : -1;

		if (one)
			Py_DecRef(one);
		if (rc != 0) {
			Py_DecRef(set);
			return NULL;
		}
	}
	return set;
}

static PyObject *dict_of(const struct ff_value *value, PyObject *channel_of)
{
	PyObject *dict = PyDict_New();

	for (uint32_t i = 0; dict && i < value->len; i++) {
		PyObject *key = py_of_value(&value->items[2 * (size_t)i], channel_of);
		PyObject *one =
			key ? py_of_value(&value->items[2 * (size_t)i + 1], channel_of) : NULL;
		int rc = one ? PyDict_SetItem(dict, key, one) : -1;

		if (key)
			Py_DecRef(key);
		if (one)
			Py_DecRef(one);
		if (rc != 0) {
			Py_DecRef(dict);
			return NULL;
		}
	}
	return dict;
}

static PyObject *number_of_digits(const struct ff_value *value)
{
	PyObject *digits = PyBytes_FromStringAndSize(value->text, value->len);
	PyObject *number = digits ? PyObject_CallFunction(py_setup.number, "O", digits) : NULL;

	if (digits)
		Py_DecRef(digits);
	return number;
}

PyObject *py_of_value(const struct ff_value *value, PyObject *channel_of)
{
	switch ((enum ff_kind)value->kind) {
	case FF_BOOL:
		return PyBool_FromLong(value->boolean);
	case FF_INT:
		return PyLong_FromLongLong(value->integer);
	case FF_BIGINT:
		return number_of_digits(value);
	case FF_FLOAT:
		return PyFloat_FromDouble(value->real);
	case FF_COMPLEX:
		return PyComplex_FromDoubles(value->complex[0], value->complex[1]);
	case FF_BYTES:
		return PyBytes_FromStringAndSize(value->text, value->len);
	case FF_STR:
		return PyUnicode_DecodeUTF8(value->text, value->len, NULL);
	case FF_LIST:
		return list_of(value, channel_of);
	case FF_TUPLE:
		return tuple_of(value, channel_of);
	case FF_SET:
	case FF_FROZENSET:
		return set_of(value, channel_of);
	case FF_DICT:
		return dict_of(value, channel_of);
	case FF_CHANNEL:
		return PyObject_CallFunction(channel_of, "i", (int)value->channel);
	case FF_NONE:
		break;
	}
	return py_none();
}
