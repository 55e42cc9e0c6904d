/* execnet's serialization: a stack machine's program in bytes (PROTOCOL.md, "Serialization").
 *
 * Writing goes through a packer, which streams into a buffer: scalars are one call, containers are
 * opened and closed. Reading gives an ff_item. */
#ifndef FF_WIRE_SERIALIZE_H
#define FF_WIRE_SERIALIZE_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/value.h"

enum {
	FF_DEPTH_MAX = 512, /* containers inside containers */
	FF_PACK_LEVELS = 64,
	FF_DUMP_VERSION_1 = 1, /* execnet 1.x */
	FF_DUMP_VERSION_2 = 2, /* execnet 2.x: the same format */
};

struct ff_pack_level {
	size_t count_at; /* offset of the count to patch, for lists */
	uint32_t count;	 /* values packed so far: elements, or keys and values */
	uint8_t kind;
	bool key; /* it is, or is part of, a dict key or an element of a set */
};

/* Errors are sticky: calls after a failed one do nothing, ff_pack_done tells. The buffer then holds
 * a part; who needs all or nothing remembers buf->len before. */
struct ff_pack {
	struct ff_buf *buf;
	int error;
	const char *reason; /* what failed first, in words; NULL while all is well */
	unsigned depth;
	/* [0] is the item itself, then what C code opens by hand; trees go through ff_pack_value */
	struct ff_pack_level level[FF_PACK_LEVELS];
};

void ff_pack_init(struct ff_pack *p, struct ff_buf *buf);
/* One on the heap that writes to `buf`, for those who can't know the size; NULL: out of memory. */
struct ff_pack *ff_pack_new(struct ff_buf *buf);
void ff_pack_free(struct ff_pack *p); /* NULL: nothing; `buf` stays */
void ff_pack_none(struct ff_pack *p);
void ff_pack_bool(struct ff_pack *p, bool boolean);
void ff_pack_int(struct ff_pack *p, int64_t integer);
void ff_pack_float(struct ff_pack *p, double real);
void ff_pack_bytes(struct ff_pack *p, const void *bytes, size_t len);
void ff_pack_strn(struct ff_pack *p, const char *utf8, size_t len);
void ff_pack_str(struct ff_pack *p, const char *utf8); /* NULL packs None */
void ff_pack_channel(struct ff_pack *p, uint32_t id);
void ff_pack_value(struct ff_pack *p, const struct ff_value *value);
/* The value of an item that was packed before, as its bytes are: nothing is looked at but that it
 * ends as one. */
void ff_pack_item(struct ff_pack *p, const void *item, size_t len);
/* `kind`: FF_LIST, FF_TUPLE, FF_SET, FF_FROZENSET, FF_DICT (then pack keys and values in turn).
 * Each open needs one close. */
void ff_pack_open(struct ff_pack *p, enum ff_kind kind);
void ff_pack_close(struct ff_pack *p);
/* A whole list of str. */
void ff_pack_strv(struct ff_pack *p, char *const *strings);
/* Ends the item (STOP). 0 or what failed first: FF_ENOMEM, FF_ETOOBIG, FF_EDUMP (not UTF-8, more
 * than 2^31-1 bytes, too deep, a container left open, not exactly one value). */
int ff_pack_done(struct ff_pack *p);

/* One value as an unversioned item (what frames carry). On failure `out` is as before. */
int ff_dump_item(struct ff_buf *out, const struct ff_value *value, struct ff_err *err);

/* What execnet.dumps returns: with a version byte, FF_DUMP_VERSION_1 or _2. */
int ff_dumps(struct ff_buf *out, const struct ff_value *value, int version, struct ff_err *err);

/* How Python 2 strings are read, as in execnet's loads(). */
struct ff_strconfig {
	bool py2str_as_py3str; /* 'M' gives STR (from Latin-1) instead of BYTES */
	bool py3str_as_py2str; /* 'N' gives BYTES instead of STR */
};
/* What gateways start with (execnet: True, False). */
extern const struct ff_strconfig ff_strconfig_default;

/* Loads one unversioned item. `item` must be empty (FF_ITEM_INIT or released); its memory is a
 * small multiple of len, bounded by `max_bytes` (0: 64 * len + 4096). `bytes` is not kept.
 * FF_ELOAD for data that is no item (also: bytes behind its end), FF_ETOOBIG, FF_ENOMEM. `config`
 * NULL is ff_strconfig_default. */
int ff_load_item(struct ff_item *item, const void *bytes, size_t len,
		 const struct ff_strconfig *config, size_t max_bytes, struct ff_err *err);

/* The same for what execnet.dumps writes (version byte 1 or 2 first); here `config` NULL is that of
 * execnet.loads: both false. */
int ff_loads(struct ff_item *item, const void *bytes, size_t len, const struct ff_strconfig *config,
	     struct ff_err *err);

#endif
