/* The C half of serialize_interop.py: reads items (4 bytes of length, big-endian, then what
 * execnet.dumps gave), loads each, dumps it again with version 1 and writes it the same way. An
 * item that can't be loaded comes back empty, with the reason on stderr. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "wire/serialize.h"

enum { ITEM_MAX = 64 << 20 };

static void die(const char *what)
{
	fprintf(stderr, "dumpload: %s\n", what);
	exit(1);
}

/* False at the end of the input. */
static bool read_item(struct ff_buf *in)
{
	unsigned char head[4];
	size_t got = fread(head, 1, sizeof(head), stdin), len;
	uint8_t *to;

	if (!got)
		return false;
	if (got < sizeof(head))
		die("the input ends inside a length");
	len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	if (len > ITEM_MAX)
		die("an item over the limit");
	ff_buf_clear(in);
	to = ff_buf_reserve(in, len);
	if (!to)
		die("out of memory");
	if (fread(to, 1, len, stdin) != len)
		die("the input ends inside an item");
	ff_buf_added(in, len);
	return true;
}

static void write_item(struct ff_buf *out)
{
	const unsigned char head[4] = {(unsigned char)(out->len >> 24),
				       (unsigned char)(out->len >> 16),
				       (unsigned char)(out->len >> 8), (unsigned char)out->len};

	if (fwrite(head, 1, sizeof(head), stdout) != sizeof(head) ||
	    fwrite(ff_buf_str(out), 1, out->len, stdout) != out->len)
		die("cannot write");
}

int main(void)
{
	struct ff_buf in = FF_BUF_INIT, out = FF_BUF_INIT;

	while (read_item(&in)) {
		struct ff_item item = FF_ITEM_INIT;
		struct ff_err err;

		ff_buf_clear(&out);
		if (ff_loads(&item, ff_buf_data(&in), in.len, NULL, &err) ||
		    ff_dumps(&out, &item.value, FF_DUMP_VERSION_1, &err))
			fprintf(stderr, "dumpload: %s\n", err.text);
		write_item(&out);
		ff_item_release(&item);
	}
	ff_buf_release(&in);
	ff_buf_release(&out);
	return fflush(stdout) ? 1 : 0;
}
