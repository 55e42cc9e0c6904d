/* The reading half of the serialization: bytes to values. Bytes come from a peer and are trusted
 * with nothing. Knows nothing of frames.
 *
 * The input is copied once into the item's arena; text points into that copy and gets its NUL when
 * the opcode behind it has been read. A list or dict stays on the value stack, its elements right
 * above it, until something else needs the stack's top: then it moves to the arena. */
#include "wire/serialize.h"

#include "base/alloc.h"
#include "wire/decimal.h"
#include "wire/opcode.h"
#include "wire/utf8.h"

const struct ff_strconfig ff_strconfig_default = {.py2str_as_py3str = true};

enum {
	STACK_START = 64, /* values, levels: without an allocation */
	LEVEL_START = 16,
	MAX_FACTOR = 64,
	MAX_EXTRA = 4096,
	ALIGNMENT = 16, /* what the arena may add to a size */
};

/* A list or dict that may still grow. Its place on the stack is `base`, its elements (a dict's keys
 * and values) are there up to `end`, what lies above is loose. */
struct level {
	size_t base, end;
	struct ff_value *items; /* a list that was not filled in order: all its elements */
	uint32_t len;		/* of a list, as announced */
	uint16_t depth;		/* of its deepest element */
	uint8_t kind;
};

struct loader {
	uint8_t *at, *end;
	uint8_t *nul; /* behind the last text: cleared when that opcode has been read */
	struct ff_value *stack;
	size_t len, cap;
	struct level *levels;
	size_t level_count, level_cap;
	struct ff_arena *arena;
	const struct ff_strconfig *config;
	const char *reason;
	size_t max_bytes;
	uint8_t nowhere;
	struct ff_value first_values[STACK_START];
	struct level first_levels[LEVEL_START];
};

static int refuse(struct loader *ld, const char *reason)
{
	ld->reason = reason;
	return FF_ELOAD;
}

/* Arena memory is denied either by its limit or by the system. */
static void *take(struct loader *ld, size_t size, int *rc)
{
	void *memory = ff_arena_alloc(ld->arena, size);

	if (!memory)
		*rc = size + ALIGNMENT > ld->max_bytes - ld->arena->total ? FF_ETOOBIG : FF_ENOMEM;
	return memory;
}

/* A doubled copy of an array that began inside the loader; NULL with *rc set. */
static void *enlarge(struct loader *ld, void *old, const void *first, size_t size, int *rc)
{
	void *bigger;

	if (size > ld->max_bytes) {
		*rc = FF_ETOOBIG;
		return NULL;
	}
	bigger = ff_realloc(old == first ? NULL : old, size * 2);
	if (!bigger)
		*rc = FF_ENOMEM;
	else if (old == first)
		memcpy(bigger, first, size);
	return bigger;
}

static int grow_stack(struct loader *ld)
{
	int rc = 0;
	struct ff_value *stack =
		enlarge(ld, ld->stack, ld->first_values, ld->cap * sizeof(*stack), &rc);

	if (!stack)
		return rc;
	ld->stack = stack;
	ld->cap *= 2;
	return 0;
}

static inline int push(struct loader *ld, struct ff_value value)
{
	if (ld->len == ld->cap) {
		int rc = grow_stack(ld);

		if (rc)
			return rc;
	}
	ld->stack[ld->len++] = value;
	return 0;
}

static int open_level(struct loader *ld, enum ff_kind kind, uint32_t len)
{
	int rc = push(ld, ff_none());

	if (rc)
		return rc;
	if (ld->level_count == ld->level_cap) {
		struct level *levels = enlarge(ld, ld->levels, ld->first_levels,
					       ld->level_cap * sizeof(*levels), &rc);

		if (!levels)
			return rc;
		ld->levels = levels;
		ld->level_cap *= 2;
	}
	ld->levels[ld->level_count++] = (struct level){
		.base = ld->len - 1,
		.end = ld->len,
		.kind = (uint8_t)kind,
		.len = len,
	};
	return 0;
}

/* --- containers --- */

/* All of a list's elements in the arena, those that were not set being None. */
static int spread_list(struct loader *ld, struct level *level)
{
	size_t count = level->end - level->base - 1;
	int rc = 0;

	level->items = take(ld, level->len * sizeof(*level->items), &rc);
	if (!level->items)
		return rc;
	if (count)
		memcpy(level->items, &ld->stack[level->base + 1], count * sizeof(*level->items));
	for (size_t i = count; i < level->len; i++)
		level->items[i] = ff_none();
	return 0;
}

static int close_level(struct loader *ld, struct level *level, struct ff_value *value)
{
	size_t count = level->end - level->base - 1;
	struct ff_value *items = level->items;
	int rc = 0;

	if (level->depth >= FF_DEPTH_MAX)
		return refuse(ld, "containers nested too deeply");
	if (level->kind == FF_LIST && !items && count < level->len) {
		rc = spread_list(ld, level);
		if (rc)
			return rc;
		items = level->items;
	} else if (!items && count) {
		items = take(ld, count * sizeof(*items), &rc);
		if (!items)
			return rc;
		memcpy(items, &ld->stack[level->base + 1], count * sizeof(*items));
	}
	*value = (struct ff_value){
		.kind = level->kind,
		.depth = (uint16_t)(level->depth + 1),
		.len = level->kind == FF_LIST ? level->len : (uint32_t)(count / 2),
		.items = items,
	};
	return 0;
}

static inline size_t loose_values(const struct loader *ld)
{
	return ld->len - (ld->level_count ? ld->levels[ld->level_count - 1].end : 0);
}

/* Closes levels until the last `count` values lie side by side on the top of the stack. */
static int gather(struct loader *ld, size_t count)
{
	size_t found = loose_values(ld), first = ld->level_count, to;

	if (found >= count)
		return 0;
	while (found < count) {
		if (!first)
			return refuse(ld, "not enough values on the stack");
		first--;
		found += 1 + ld->levels[first].base - (first ? ld->levels[first - 1].end : 0);
	}
	to = ld->levels[first].base;
	for (size_t i = first; i < ld->level_count; i++) {
		struct level *level = &ld->levels[i];
		size_t next = i + 1 < ld->level_count ? level[1].base : ld->len;
		size_t loose = next - level->end;
		struct ff_value closed;
		int rc = close_level(ld, level, &closed);

		if (rc)
			return rc;
		ld->stack[to++] = closed;
		memmove(&ld->stack[to], &ld->stack[level->end], loose * sizeof(*ld->stack));
		to += loose;
	}
	ld->len = to;
	ld->level_count = first;
	return 0;
}

static int set_list_item(struct loader *ld, struct level *level)
{
	const struct ff_value *key = &ld->stack[ld->len - 2];
	int rc;

	if (key->kind != FF_INT || key->integer < 0 || key->integer >= level->len)
		return refuse(ld, "list index out of range");
	if (!level->items && (size_t)key->integer == level->end - level->base - 1) {
		ld->stack[ld->len - 2] = ld->stack[ld->len - 1];
		ld->len--;
		level->end++;
		return 0;
	}
	if (!level->items) {
		rc = spread_list(ld, level);
		if (rc)
			return rc;
	}
	level->items[key->integer] = ld->stack[ld->len - 1];
	/* Elements on the stack have moved; only the newest key and value were above them. */
	ld->len = level->end = level->base + 1;
	return 0;
}

static inline int load_setitem(struct loader *ld)
{
	struct level *level;
	size_t loose = loose_values(ld);

	if (loose < 2 && ld->level_count) {
		int rc = gather(ld, loose + 1);

		if (rc)
			return rc;
		loose = loose_values(ld);
	}
	if (loose != 2 || !ld->level_count)
		return refuse(ld, "set item without a list or dict, a key and a value");
	level = &ld->levels[ld->level_count - 1];
	for (size_t i = ld->len - 2; i < ld->len; i++)
		if (ld->stack[i].depth > level->depth)
			level->depth = ld->stack[i].depth;
	if (level->kind == FF_LIST)
		return set_list_item(ld, level);
	if (!ff_is_hashable(&ld->stack[ld->len - 2]))
		return refuse(ld, "a dict key of a type that can't be one");
	level->end = ld->len;
	return 0;
}

static int load_built(struct loader *ld, enum ff_kind kind, size_t count)
{
	struct ff_value value = {.kind = (uint8_t)kind, .len = (uint32_t)count};
	struct ff_value *items = NULL;
	int rc = gather(ld, count);

	if (rc)
		return rc;
	if (count) {
		items = take(ld, count * sizeof(*items), &rc);
		if (!items)
			return rc;
		memcpy(items, &ld->stack[ld->len - count], count * sizeof(*items));
	}
	for (size_t i = 0; i < count; i++) {
		if (items[i].depth > value.depth)
			value.depth = items[i].depth;
		if (kind != FF_TUPLE && !ff_is_hashable(&items[i]))
			return refuse(ld, "a set element of a type that can't be one");
	}
	if (value.depth++ >= FF_DEPTH_MAX)
		return refuse(ld, "containers nested too deeply");
	value.items = items;
	ld->len -= count;
	return push(ld, value);
}

/* --- scalars --- */

static inline int read_int4(struct loader *ld, int32_t *n)
{
	uint32_t bits;

	if (ld->end - ld->at < (ptrdiff_t)sizeof(bits))
		return refuse(ld, "the data ends inside a number");
	memcpy(&bits, ld->at, sizeof(bits));
	ld->at += sizeof(bits);
	*n = (int32_t)__builtin_bswap32(bits);
	return 0;
}

/* A count of values or bytes: each takes a byte of what is left, and STOP comes behind. */
static inline int read_count(struct loader *ld, size_t *count, ptrdiff_t available)
{
	int32_t n;
	int rc = read_int4(ld, &n);

	if (rc)
		return rc;
	if (n < 0)
		return refuse(ld, "a negative length");
	if (n >= available)
		return refuse(ld, "a length larger than the data");
	*count = (size_t)n;
	return 0;
}

static inline int read_run(struct loader *ld, char **text, size_t *len)
{
	int rc = read_count(ld, len, ld->end - ld->at - (ptrdiff_t)sizeof(int32_t));

	if (rc)
		return rc;
	*text = (char *)ld->at;
	ld->at += *len;
	ld->nul = ld->at;
	return 0;
}

static int read_double(struct loader *ld, double *real)
{
	uint64_t bits;

	if (ld->end - ld->at < (ptrdiff_t)sizeof(bits))
		return refuse(ld, "the data ends inside a number");
	memcpy(&bits, ld->at, sizeof(bits));
	ld->at += sizeof(bits);
	bits = __builtin_bswap64(bits);
	memcpy(real, &bits, sizeof(bits));
	return 0;
}

static int load_float(struct loader *ld)
{
	double real;
	int rc = read_double(ld, &real);

	return rc ? rc : push(ld, ff_float(real));
}

static int load_complex(struct loader *ld)
{
	struct ff_value value = {.kind = FF_COMPLEX};
	double parts[2], *kept;
	int rc = read_double(ld, &parts[0]);

	if (!rc)
		rc = read_double(ld, &parts[1]);
	if (rc)
		return rc;
	kept = take(ld, sizeof(parts), &rc);
	if (!kept)
		return rc;
	memcpy(kept, parts, sizeof(parts));
	value.complex = kept;
	return push(ld, value);
}

static int load_int4(struct loader *ld)
{
	int32_t n;
	int rc = read_int4(ld, &n);

	return rc ? rc : push(ld, ff_int(n));
}

static int load_channel(struct loader *ld)
{
	struct ff_value value = {.kind = FF_CHANNEL};
	int32_t id;
	int rc = read_int4(ld, &id);

	if (rc)
		return rc;
	if (id < 0)
		return refuse(ld, "a negative channel id");
	value.channel = (uint32_t)id;
	return push(ld, value);
}

static int load_decimal(struct loader *ld)
{
	char *text;
	size_t len;
	int rc = read_run(ld, &text, &len);

	if (rc)
		return rc;
	if (!ff_is_decimal(text, len))
		return refuse(ld, "an integer that is not decimal digits");
	return push(ld, ff_decimal_value(text, len));
}

static inline int load_bytes(struct loader *ld)
{
	char *text;
	size_t len;
	int rc = read_run(ld, &text, &len);

	return rc ? rc : push(ld, ff_bytes(text, len));
}

static inline int load_utf8(struct loader *ld)
{
	char *text;
	size_t len;
	int rc = read_run(ld, &text, &len);

	if (rc)
		return rc;
	if (!ff_is_ascii(text, len) && !ff_is_utf8(text, len))
		return refuse(ld, "text that is not UTF-8");
	return push(ld, ff_strn(text, len));
}

static int load_latin1(struct loader *ld)
{
	char *text, *utf8;
	size_t len, to;
	int rc = read_run(ld, &text, &len);

	if (rc)
		return rc;
	if (ff_is_ascii(text, len))
		return push(ld, ff_strn(text, len));
	if (len > INT32_MAX / 2)
		return FF_ETOOBIG;
	utf8 = take(ld, 2 * len + 1, &rc);
	if (!utf8)
		return rc;
	to = ff_latin1_to_utf8(utf8, text, len);
	utf8[to] = '\0';
	return push(ld, ff_strn(utf8, to));
}

/* --- the machine --- */

static enum ff_kind built_kind(uint8_t op)
{
	return op == FF_OP_BUILDTUPLE ? FF_TUPLE : op == FF_OP_SET ? FF_SET : FF_FROZENSET;
}

static int load_counted(struct loader *ld, uint8_t op)
{
	size_t count;
	/* A tuple's elements lie on the stack already, a list's are still to come. */
	int rc = read_count(ld, &count,
			    op == FF_OP_NEWLIST ? ld->end - ld->at - (ptrdiff_t)sizeof(int32_t)
						: INT32_MAX);

	if (rc)
		return rc;
	if (op == FF_OP_NEWLIST)
		return open_level(ld, FF_LIST, (uint32_t)count);
	return load_built(ld, built_kind(op), count);
}

static inline int step(struct loader *ld, uint8_t op)
{
	switch (op) {
	case FF_OP_PY3STRING:
		return ld->config->py3str_as_py2str ? load_bytes(ld) : load_utf8(ld);
	case FF_OP_SETITEM:
		return load_setitem(ld);
	case FF_OP_INT:
	case FF_OP_LONG:
		return load_int4(ld);
	case FF_OP_FLOAT:
		return load_float(ld);
	case FF_OP_NONE:
		return push(ld, ff_none());
	case FF_OP_TRUE:
		return push(ld, ff_bool(true));
	case FF_OP_FALSE:
		return push(ld, ff_bool(false));
	case FF_OP_NEWDICT:
		return open_level(ld, FF_DICT, 0);
	case FF_OP_NEWLIST:
	case FF_OP_BUILDTUPLE:
	case FF_OP_SET:
	case FF_OP_FROZENSET:
		return load_counted(ld, op);
	case FF_OP_BYTES:
		return load_bytes(ld);
	case FF_OP_UNICODE:
		return load_utf8(ld);
	case FF_OP_PY2STRING:
		return ld->config->py2str_as_py3str ? load_latin1(ld) : load_bytes(ld);
	case FF_OP_LONGINT:
	case FF_OP_LONGLONG:
		return load_decimal(ld);
	case FF_OP_COMPLEX:
		return load_complex(ld);
	case FF_OP_CHANNEL:
		return load_channel(ld);
	default:
		return refuse(ld, "an unknown opcode");
	}
}

static int run(struct loader *ld)
{
	int rc = 0;

	while (!rc) {
		uint8_t op;

		if (ld->at == ld->end)
			return refuse(ld, "the data ends before the item does");
		op = *ld->at++;
		*ld->nul = 0;
		if (op == FF_OP_STOP)
			break;
		rc = step(ld, op);
	}
	if (rc)
		return rc;
	if (ld->at != ld->end)
		return refuse(ld, "bytes behind the end of the item");
	rc = gather(ld, 1);
	if (!rc && (ld->len != 1 || ld->level_count))
		rc = refuse(ld, "more than one value on the stack");
	return rc;
}

static int load_failed(const struct loader *ld, int rc, size_t at, struct ff_err *err)
{
	if (rc == FF_ELOAD)
		return ff_err_set(err, rc, "serialized data, byte %zu: %s", at, ld->reason);
	if (rc == FF_ETOOBIG)
		return ff_err_set(err, rc, "serialized data: needs more than %zu bytes",
				  ld->max_bytes);
	return ff_err_set(err, rc, "serialized data: %s", ff_err_text(rc));
}

int ff_load_item(struct ff_item *item, const void *bytes, size_t len,
		 const struct ff_strconfig *config, size_t max_bytes, struct ff_err *err)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct loader ld;
	uint8_t *copy;
	int rc = 0;

	ld.max_bytes = max_bytes;
	if (!max_bytes)
		ld.max_bytes = len > (SIZE_MAX - MAX_EXTRA) / MAX_FACTOR
				       ? SIZE_MAX
				       : len * MAX_FACTOR + MAX_EXTRA;
	arena.max = ld.max_bytes;
	ld.arena = &arena;
	ld.reason = NULL;
	copy = take(&ld, len, &rc);
	if (!copy)
		return load_failed(&ld, rc, 0, err);
	if (len)
		memcpy(copy, bytes, len);
	ld.at = copy;
	ld.end = copy + len;
	ld.nul = &ld.nowhere;
	ld.stack = ld.first_values;
	ld.len = ld.level_count = 0;
	ld.cap = STACK_START;
	ld.levels = ld.first_levels;
	ld.level_cap = LEVEL_START;
	ld.config = config ? config : &ff_strconfig_default;
	rc = run(&ld);
	if (!rc) {
		item->arena = arena;
		item->value = ld.stack[0];
	}
	if (ld.stack != ld.first_values)
		ff_free(ld.stack);
	if (ld.levels != ld.first_levels)
		ff_free(ld.levels);
	if (rc) {
		rc = load_failed(&ld, rc, (size_t)(ld.at - copy), err);
		ff_arena_release(&arena);
	}
	return rc;
}

int ff_loads(struct ff_item *item, const void *bytes, size_t len, const struct ff_strconfig *config,
	     struct ff_err *err)
{
	static const struct ff_strconfig plain = {.py2str_as_py3str = false};
	const uint8_t *p = bytes;

	if (!len)
		return ff_err_set(err, FF_ELOAD, "serialized data: empty");
	if (*p != FF_DUMP_VERSION_1 && *p != FF_DUMP_VERSION_2)
		return ff_err_set(err, FF_ELOAD, "serialized data: version byte 0x%02x", *p);
	return ff_load_item(item, p + 1, len - 1, config ? config : &plain, 0, err);
}
