/* The writing half of the serialization: values and calls to bytes. Knows nothing of frames. */
#include "wire/serialize.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "wire/decimal.h"
#include "wire/opcode.h"
#include "wire/utf8.h"

static const char NOT_HASHABLE[] = "a list, dict or set as a dict key or in a set";

enum {
	COUNT_SIZE = 5, /* opcode and int4 */
	DOUBLE_SIZE = 8,
	LEVEL_TOP = 255, /* level[0].kind: no container */
};

static void fail(struct ff_pack *p, int code, const char *reason)
{
	if (p->error)
		return;
	p->error = code;
	p->reason = reason;
}

/* Where `size` more bytes go; NULL when the pack has failed. The caller counts them. */
static inline uint8_t *room(struct ff_pack *p, size_t size)
{
	struct ff_buf *buf = p->buf;
	uint8_t *mem;
	size_t max;

	if (buf->mem && size <= buf->cap - buf->off - buf->len)
		return buf->mem + buf->off + buf->len;
	mem = ff_buf_reserve(buf, size);
	if (!mem) {
		max = buf->max ? buf->max : FF_BUF_MAX;
		if (buf->len > max || size > max - buf->len)
			fail(p, FF_ETOOBIG, "over the buffer's limit");
		else
			fail(p, FF_ENOMEM, "out of memory");
	}
	return mem;
}

static inline void store32(uint8_t *to, uint32_t n)
{
	n = __builtin_bswap32(n);
	memcpy(to, &n, sizeof(n));
}

static inline void store_double(uint8_t *to, double real)
{
	uint64_t bits;

	memcpy(&bits, &real, sizeof(bits));
	bits = __builtin_bswap64(bits);
	memcpy(to, &bits, sizeof(bits));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stores swap bytes");

static inline void put_op(struct ff_pack *p, enum ff_opcode op)
{
	uint8_t *to = room(p, 1);

	if (!to)
		return;
	*to = (uint8_t)op;
	p->buf->len++;
}

static inline void put_count(struct ff_pack *p, enum ff_opcode op, uint32_t count)
{
	uint8_t *to = room(p, COUNT_SIZE);

	if (!to)
		return;
	*to = (uint8_t)op;
	store32(to + 1, count);
	p->buf->len += COUNT_SIZE;
}

static inline void put_run(struct ff_pack *p, enum ff_opcode op, const void *bytes, size_t len)
{
	uint8_t *to;

	if (len > INT32_MAX) {
		fail(p, FF_EDUMP, "text or bytes of 2 GiB or more");
		return;
	}
	to = room(p, COUNT_SIZE + len);
	if (!to)
		return;
	*to = (uint8_t)op;
	store32(to + 1, (uint32_t)len);
	if (len)
		memcpy(to + COUNT_SIZE, bytes, len);
	p->buf->len += COUNT_SIZE + len;
}

static inline void put_str(struct ff_pack *p, const char *utf8, size_t len)
{
	if (len <= INT32_MAX && !ff_is_ascii(utf8, len) && !ff_is_utf8(utf8, len)) {
		fail(p, FF_EDUMP, "text that is not UTF-8");
		return;
	}
	put_run(p, FF_OP_PY3STRING, utf8, len);
}

static inline void put_int(struct ff_pack *p, int64_t integer)
{
	char text[24];
	int len;

	if (integer >= INT32_MIN && integer <= INT32_MAX) {
		put_count(p, FF_OP_INT, (uint32_t)integer);
		return;
	}
	len = snprintf(text, sizeof(text), "%" PRId64, integer);
	put_run(p, FF_OP_LONGINT, text, (size_t)len);
}

static void put_bigint(struct ff_pack *p, const char *text, size_t len)
{
	if (!ff_is_decimal(text, len)) {
		fail(p, FF_EDUMP, "an integer that is not decimal digits");
		return;
	}
	put_run(p, FF_OP_LONGINT, text, len);
}

static inline void put_reals(struct ff_pack *p, enum ff_opcode op, const double *reals, size_t n)
{
	uint8_t *to = room(p, 1 + n * DOUBLE_SIZE);

	if (!to)
		return;
	*to++ = (uint8_t)op;
	for (size_t i = 0; i < n; i++)
		store_double(to + i * DOUBLE_SIZE, reals[i]);
	p->buf->len += 1 + n * DOUBLE_SIZE;
}

static enum ff_opcode build_op(enum ff_kind kind)
{
	return kind == FF_TUPLE ? FF_OP_BUILDTUPLE : kind == FF_SET ? FF_OP_SET : FF_OP_FROZENSET;
}

/* --- whole trees --- */

static void put_value(struct ff_pack *p, const struct ff_value *value, unsigned depth);

/* A receiver in Python could not make the container: it would give up the connection. */
static void put_key(struct ff_pack *p, const struct ff_value *value, unsigned depth)
{
	if (ff_is_hashable(value))
		put_value(p, value, depth);
	else
		fail(p, FF_EDUMP, NOT_HASHABLE);
}

static void put_container(struct ff_pack *p, const struct ff_value *value, unsigned depth)
{
	const struct ff_value *items = value->items;

	if (depth >= FF_DEPTH_MAX) {
		fail(p, FF_EDUMP, "containers nested too deeply");
		return;
	}
	if (value->len > INT32_MAX) {
		fail(p, FF_EDUMP, "a container of 2^31 or more elements");
		return;
	}
	switch (value->kind) {
	case FF_LIST:
		put_count(p, FF_OP_NEWLIST, value->len);
		for (uint32_t i = 0; i < value->len && !p->error; i++) {
			put_count(p, FF_OP_INT, i);
			put_value(p, &items[i], depth + 1);
			put_op(p, FF_OP_SETITEM);
		}
		break;
	case FF_DICT:
		put_op(p, FF_OP_NEWDICT);
		for (size_t i = 0; i < value->len && !p->error; i++) {
			put_key(p, &items[2 * i], depth + 1);
			put_value(p, &items[2 * i + 1], depth + 1);
			put_op(p, FF_OP_SETITEM);
		}
		break;
	case FF_SET:
	case FF_FROZENSET:
		for (size_t i = 0; i < value->len && !p->error; i++)
			put_key(p, &items[i], depth + 1);
		put_count(p, build_op((enum ff_kind)value->kind), value->len);
		break;
	default:
		for (size_t i = 0; i < value->len && !p->error; i++)
			put_value(p, &items[i], depth + 1);
		put_count(p, build_op((enum ff_kind)value->kind), value->len);
		break;
	}
}

static void put_value(struct ff_pack *p, const struct ff_value *value, unsigned depth)
{
	switch ((enum ff_kind)value->kind) {
	case FF_NONE:
		put_op(p, FF_OP_NONE);
		return;
	case FF_BOOL:
		put_op(p, value->boolean ? FF_OP_TRUE : FF_OP_FALSE);
		return;
	case FF_INT:
		put_int(p, value->integer);
		return;
	case FF_BIGINT:
		put_bigint(p, value->text, value->len);
		return;
	case FF_FLOAT:
		put_reals(p, FF_OP_FLOAT, &value->real, 1);
		return;
	case FF_COMPLEX:
		put_reals(p, FF_OP_COMPLEX, value->complex, 2);
		return;
	case FF_BYTES:
		put_run(p, FF_OP_BYTES, value->text, value->len);
		return;
	case FF_STR:
		put_str(p, value->text, value->len);
		return;
	case FF_LIST:
	case FF_TUPLE:
	case FF_SET:
	case FF_FROZENSET:
	case FF_DICT:
		put_container(p, value, depth);
		return;
	case FF_CHANNEL:
		put_count(p, FF_OP_CHANNEL, value->channel);
		return;
	}
	fail(p, FF_EDUMP, "a value of unknown kind");
}

/* --- call by call --- */

void ff_pack_init(struct ff_pack *p, struct ff_buf *buf)
{
	p->buf = buf;
	p->error = 0;
	p->reason = NULL;
	p->depth = 0;
	p->level[0] = (struct ff_pack_level){.kind = LEVEL_TOP};
}

struct ff_pack *ff_pack_new(struct ff_buf *buf)
{
	struct ff_pack *p = ff_malloc(sizeof(*p));

	if (p)
		ff_pack_init(p, buf);
	return p;
}

void ff_pack_free(struct ff_pack *p)
{
	ff_free(p);
}

/* Before each value: list elements are preceded by their index. */
static bool begin(struct ff_pack *p)
{
	const struct ff_pack_level *level = &p->level[p->depth];

	if (!p->error && level->kind == FF_LIST)
		put_count(p, FF_OP_INT, level->count);
	if (level->count >= INT32_MAX)
		fail(p, FF_EDUMP, "a container of 2^31 or more elements");
	return !p->error;
}

/* Whether the next value is a key, or part of one. */
static bool in_key(const struct ff_pack *p)
{
	const struct ff_pack_level *level = &p->level[p->depth];

	return level->key || level->kind == FF_SET || level->kind == FF_FROZENSET ||
	       (level->kind == FF_DICT && level->count % 2 == 0);
}

/* After each value: list elements and dict entries are stored into the container below. */
static void end(struct ff_pack *p)
{
	struct ff_pack_level *level = &p->level[p->depth];

	level->count++;
	if (level->kind == FF_LIST || (level->kind == FF_DICT && level->count % 2 == 0))
		put_op(p, FF_OP_SETITEM);
}

void ff_pack_none(struct ff_pack *p)
{
	if (!begin(p))
		return;
	put_op(p, FF_OP_NONE);
	end(p);
}

void ff_pack_bool(struct ff_pack *p, bool boolean)
{
	if (!begin(p))
		return;
	put_op(p, boolean ? FF_OP_TRUE : FF_OP_FALSE);
	end(p);
}

void ff_pack_int(struct ff_pack *p, int64_t integer)
{
	if (!begin(p))
		return;
	put_int(p, integer);
	end(p);
}

void ff_pack_float(struct ff_pack *p, double real)
{
	if (!begin(p))
		return;
	put_reals(p, FF_OP_FLOAT, &real, 1);
	end(p);
}

void ff_pack_bytes(struct ff_pack *p, const void *bytes, size_t len)
{
	if (!begin(p))
		return;
	put_run(p, FF_OP_BYTES, bytes, len);
	end(p);
}

void ff_pack_strn(struct ff_pack *p, const char *utf8, size_t len)
{
	if (!begin(p))
		return;
	put_str(p, utf8, len);
	end(p);
}

void ff_pack_str(struct ff_pack *p, const char *utf8)
{
	if (utf8)
		ff_pack_strn(p, utf8, strlen(utf8));
	else
		ff_pack_none(p);
}

void ff_pack_channel(struct ff_pack *p, uint32_t id)
{
	if (!begin(p))
		return;
	put_count(p, FF_OP_CHANNEL, id);
	end(p);
}

void ff_pack_value(struct ff_pack *p, const struct ff_value *value)
{
	if (!begin(p))
		return;
	if (in_key(p))
		put_key(p, value, p->depth);
	else
		put_value(p, value, p->depth);
	end(p);
}

void ff_pack_item(struct ff_pack *p, const void *item, size_t len)
{
	const uint8_t *bytes = item;
	uint8_t *to;

	if (!begin(p))
		return;
	if (len < 2 || bytes[len - 1] != FF_OP_STOP) {
		fail(p, FF_EDUMP, "what is no packed item");
		return;
	}
	to = room(p, len - 1);
	if (!to)
		return;
	memcpy(to, bytes, len - 1);
	p->buf->len += len - 1;
	end(p);
}

void ff_pack_open(struct ff_pack *p, enum ff_kind kind)
{
	struct ff_pack_level *level;
	bool key;

	if (!begin(p))
		return;
	if (kind < FF_LIST || kind > FF_DICT) {
		fail(p, FF_EDUMP, "opening what is no container");
		return;
	}
	if (p->depth + 1 >= FF_PACK_LEVELS) {
		fail(p, FF_EDUMP, "containers nested too deeply");
		return;
	}
	key = in_key(p);
	if (key && kind != FF_TUPLE && kind != FF_FROZENSET) {
		fail(p, FF_EDUMP, NOT_HASHABLE);
		return;
	}
	level = &p->level[++p->depth];
	*level = (struct ff_pack_level){
		.kind = (uint8_t)kind, .count_at = p->buf->len + 1, .key = key};
	if (kind == FF_LIST)
		put_count(p, FF_OP_NEWLIST, 0);
	else if (kind == FF_DICT)
		put_op(p, FF_OP_NEWDICT);
}

void ff_pack_close(struct ff_pack *p)
{
	const struct ff_pack_level *level;

	if (!p || p->error)
		return;
	level = &p->level[p->depth];
	if (!p->depth) {
		fail(p, FF_EDUMP, "closing a container that is not open");
		return;
	}
	if (level->kind == FF_LIST)
		store32(ff_buf_data(p->buf) + level->count_at, level->count);
	else if (level->kind != FF_DICT)
		put_count(p, build_op((enum ff_kind)level->kind), level->count);
	else if (level->count % 2)
		fail(p, FF_EDUMP, "a dict key without a value");
	p->depth--;
	end(p);
}

void ff_pack_strv(struct ff_pack *p, char *const *strings)
{
	ff_pack_open(p, FF_LIST);
	for (; strings && *strings; strings++)
		ff_pack_str(p, *strings);
	ff_pack_close(p);
}

int ff_pack_done(struct ff_pack *p)
{
	if (p->depth)
		fail(p, FF_EDUMP, "a container that was not closed");
	else if (p->level[0].count != 1)
		fail(p, FF_EDUMP, "not exactly one value");
	if (!p->error)
		put_op(p, FF_OP_STOP);
	return p->error;
}

int ff_dump_item(struct ff_buf *out, const struct ff_value *value, struct ff_err *err)
{
	size_t before = out->len;
	struct ff_pack p;

	ff_pack_init(&p, out);
	ff_pack_value(&p, value);
	if (!ff_pack_done(&p))
		return 0;
	out->len = before;
	return ff_err_set(err, p.error, "%s cannot be dumped: %s",
			  ff_kind_name((enum ff_kind)value->kind), p.reason);
}

int ff_dumps(struct ff_buf *out, const struct ff_value *value, int version, struct ff_err *err)
{
	size_t before = out->len;
	int rc;

	if (version != FF_DUMP_VERSION_1 && version != FF_DUMP_VERSION_2)
		return ff_err_set(err, FF_EINVAL, "no serialization version %d", version);
	rc = ff_buf_addch(out, (char)version);
	if (rc)
		return ff_err_set(err, rc, "dump: %s", ff_err_text(rc));
	rc = ff_dump_item(out, value, err);
	if (rc)
		out->len = before;
	return rc;
}
