/* Items to Python objects: a stack machine whose stack holds objects. Bytes come from a peer and
 * are trusted with nothing; but what they announce is never made before there are that many of
 * them. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "python/native/items.h"

/* An object that is owned here, or a small integer that became none yet: most are the indexes of
 * lists, and never do. */
struct slot {
	PyObject *object;
	int32_t number;
};

enum { FIRST_SLOTS = 64, DIGITS_MAX = 4000 };

struct loader {
	const uint8_t *at, *end;
	struct slot *stack;
	size_t len, cap;
	struct ff_strconfig config;
	PyObject *channel_of;
	struct slot first[FIRST_SLOTS];
};

static bool refuse(const char *why)
{
	if (!PyErr_Occurred())
		PyErr_SetString(py_setup.load_error, why);
	return false;
}

static bool grow(struct loader *ld)
{
	size_t size = ld->cap * sizeof(*ld->stack);
	struct slot *bigger = ff_realloc(ld->stack == ld->first ? NULL : ld->stack, 2 * size);

	if (!bigger) {
		PyErr_NoMemory();
		return false;
	}
	if (ld->stack == ld->first)
		memcpy(bigger, ld->first, size);
	ld->stack = bigger;
	ld->cap *= 2;
	return true;
}

/* Takes over `object`; NULL: making it failed. */
static bool push(struct loader *ld, PyObject *object)
{
	if (!object)
		return false;
	if (ld->len == ld->cap && !grow(ld)) {
		Py_DecRef(object);
		return false;
	}
	ld->stack[ld->len++] = (struct slot){.object = object};
	return true;
}

static bool push_number(struct loader *ld, int32_t number)
{
	if (ld->len == ld->cap && !grow(ld))
		return false;
	ld->stack[ld->len++] = (struct slot){.number = number};
	return true;
}

static PyObject *object_of(struct slot *slot)
{
	if (!slot->object)
		slot->object = PyLong_FromLong(slot->number);
	return slot->object;
}

static void drop(struct loader *ld, size_t count)
{
	while (count-- > 0) {
		struct slot *slot = &ld->stack[--ld->len];

		if (slot->object)
			Py_DecRef(slot->object);
	}
}

static bool get_number(struct loader *ld, int32_t *number)
{
	uint32_t bits;

	if (ld->end - ld->at < 4)
		return refuse("the data ends inside an item");
	memcpy(&bits, ld->at, 4);
	*number = (int32_t)__builtin_bswap32(bits);
	ld->at += 4;
	return true;
}

/* A length and as many bytes. */
static bool get_text(struct loader *ld, const char **text, int32_t *len)
{
	if (!get_number(ld, len))
		return false;
	if (*len < 0 || *len > ld->end - ld->at)
		return refuse("a length beyond the end of the data");
	*text = (const char *)ld->at;
	ld->at += *len;
	return true;
}

static bool get_doubles(struct loader *ld, double *numbers, size_t count)
{
	if ((size_t)(ld->end - ld->at) < 8 * count)
		return refuse("the data ends inside an item");
	for (size_t i = 0; i < count; i++) {
		uint64_t bits;

		memcpy(&bits, ld->at, 8);
		bits = __builtin_bswap64(bits);
		memcpy(&numbers[i], &bits, 8);
		ld->at += 8;
	}
	return true;
}

/* Newer interpreters refuse to read that many at once. */
static bool load_long_digits(struct loader *ld, const char *text, int32_t len)
{
	PyObject *bytes = PyBytes_FromStringAndSize(text, len);
	PyObject *number = bytes ? PyObject_CallFunction(py_setup.number, "O", bytes) : NULL;

	if (bytes)
		Py_DecRef(bytes);
	if (number)
		return push(ld, number);
	PyErr_Clear();
	return refuse("an integer that is none");
}

static bool load_digits(struct loader *ld)
{
	char copy[DIGITS_MAX + 1];
	const char *text;
	char *end;
	PyObject *number;
	int32_t len;

	if (!get_text(ld, &text, &len))
		return false;
	if (len > DIGITS_MAX)
		return load_long_digits(ld, text, len);
	memcpy(copy, text, (size_t)len);
	copy[len] = '\0';
	number = PyLong_FromString(copy, &end, 10);
	if (number && end != copy + len) {
		Py_DecRef(number);
		number = NULL;
	}
	if (!number) {
		PyErr_Clear();
		return refuse("an integer that is none");
	}
	return push(ld, number);
}

static bool load_utf8(struct loader *ld, bool as_bytes)
{
	const char *text;
	int32_t len;

	if (!get_text(ld, &text, &len))
		return false;
	if (push(ld, as_bytes ? PyBytes_FromStringAndSize(text, len)
			      : PyUnicode_DecodeUTF8(text, len, NULL)))
		return true;
	PyErr_Clear();
	return refuse("a text that is not UTF-8");
}

static bool load_py2(struct loader *ld)
{
	const char *text;
	int32_t len;

	if (!get_text(ld, &text, &len))
		return false;
	return push(ld, ld->config.py2str_as_py3str ? PyUnicode_DecodeLatin1(text, len, NULL)
						    : PyBytes_FromStringAndSize(text, len));
}

static bool load_list(struct loader *ld)
{
	PyObject *list;
	int32_t len;

	if (!get_number(ld, &len))
		return false;
	if (len < 0 || len > ld->end - ld->at)
		return refuse("a length beyond the end of the data");
	list = PyList_New(len);
	for (int32_t i = 0; list && i < len; i++)
		PyList_SetItem(list, i, py_none());
	return push(ld, list);
}

static bool set_item(struct loader *ld)
{
	struct slot *value, *key;
	PyObject *into, *type;
	bool done;

	if (ld->len < 3)
		return refuse("a value without its container");
	value = &ld->stack[ld->len - 1];
	key = value - 1;
	into = value[-2].object;
	type = into ? py_type(into) : NULL;
	if (type == &PyList_Type) {
		if (key->object || key->number < 0 || key->number >= PyList_Size(into))
			return refuse("an index outside of its list");
		if (!object_of(value))
			return false;
		done = PyList_SetItem(into, key->number, value->object) == 0;
		value->object = NULL;
	} else if (type == &PyDict_Type) {
		done = object_of(key) && object_of(value) &&
		       PyDict_SetItem(into, key->object, value->object) == 0;
		if (!done)
			PyErr_Clear();
	} else {
		return refuse("a value without its container");
	}
	if (!done)
		return refuse("a key that cannot be one");
	drop(ld, 2);
	return true;
}

/* The last n values as one. */
static PyObject *build(struct loader *ld, uint8_t op, size_t count)
{
	PyObject *whole = op == '@'   ? PyTuple_New((ssize_t)count)
			  : op == 'O' ? PySet_New(NULL)
				      : PyFrozenSet_New(NULL);
	struct slot *slots = &ld->stack[ld->len - count];

	for (size_t i = 0; whole && i < count; i++) {
		PyObject *one = object_of(&slots[i]);

		if (one && op == '@') {
			PyTuple_SetItem(whole, (ssize_t)i, one);
			slots[i].object = NULL;
			slots[i].number = 0;
		} else if (!one || PySet_Add(whole, one) != 0) {
			Py_DecRef(whole);
			PyErr_Clear();
			refuse("an element that cannot be one");
			return NULL;
		}
	}
	if (whole)
		drop(ld, count);
	return whole;
}

static bool load_many(struct loader *ld, uint8_t op)
{
	int32_t count;

	if (!get_number(ld, &count))
		return false;
	if (count < 0 || (size_t)count > ld->len)
		return refuse("more elements than there are values");
	return push(ld, build(ld, op, (size_t)count));
}

static bool load_channel(struct loader *ld)
{
	int32_t id;

	if (!get_number(ld, &id))
		return false;
	if (!ld->channel_of || ld->channel_of == Py_None)
		return refuse("a channel where there is no gateway");
	return push(ld, PyObject_CallFunction(ld->channel_of, "i", (int)id));
}

static bool load_other(struct loader *ld, uint8_t op)
{
	double numbers[2];

	switch (op) {
	case 'M':
		return load_py2(ld);
	case 'S':
		return load_utf8(ld, false);
	case 'H':
	case 'I':
		return load_digits(ld);
	case 'O':
	case 'E':
		return load_many(ld, op);
	case 'B':
		return load_channel(ld);
	case 'D':
		return get_doubles(ld, numbers, 1) && push(ld, PyFloat_FromDouble(numbers[0]));
	case 'T':
		return get_doubles(ld, numbers, 2) &&
		       push(ld, PyComplex_FromDoubles(numbers[0], numbers[1]));
	default:
		PyErr_Format(py_setup.load_error, "unknown opcode %d - wire protocol corruption?",
			     (int)op);
		return false;
	}
}

static bool load_one(struct loader *ld, uint8_t op)
{
	int32_t number;

	switch (op) {
	case 'F':
	case 'G':
		return get_number(ld, &number) && push_number(ld, number);
	case 'N':
		return load_utf8(ld, ld->config.py3str_as_py2str);
	case 'A':
		return load_utf8(ld, true);
	case 'P':
		return set_item(ld);
	case '@':
		return load_many(ld, op);
	case 'J':
		return push(ld, PyDict_New());
	case 'K':
		return load_list(ld);
	case 'L':
		return push(ld, py_none());
	case 'R':
		return push(ld, py_new_ref(Py_True));
	case 'C':
		return push(ld, py_new_ref(Py_False));
	default:
		return load_other(ld, op);
	}
}

PyObject *py_load(const uint8_t *bytes, size_t len, struct ff_strconfig config,
		  PyObject *channel_of, size_t *used)
{
	struct loader ld = {.at = bytes,
			    .end = bytes + len,
			    .cap = FIRST_SLOTS,
			    .config = config,
			    .channel_of = channel_of};
	PyObject *object = NULL;
	bool going = true;

	ld.stack = ld.first;
	while (going) {
		uint8_t op;

		if (ld.at == ld.end) {
			refuse("the data ends inside an item");
			break;
		}
		op = *ld.at++;
		if (op == 'Q') {
			if (ld.len != 1)
				refuse("not exactly one value at the end of an item");
			else
				object = object_of(&ld.stack[0]);
			break;
		}
		going = load_one(&ld, op);
	}
	if (object) {
		ld.len = 0;
		if (used)
			*used = (size_t)(ld.at - bytes);
	}
	drop(&ld, ld.len);
	if (ld.stack != ld.first)
		ff_free(ld.stack);
	return object;
}
