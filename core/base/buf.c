/* Growable bytes. Knows nothing of what they mean. */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

/* For those who cannot use the inline ones: bindings of other languages. */
extern inline uint8_t *ff_buf_data(const struct ff_buf *buf);

enum { BUF_MIN = 64 };

void ff_buf_init(struct ff_buf *buf, size_t max)
{
	*buf = (struct ff_buf){.max = max};
}

void ff_buf_release(struct ff_buf *buf)
{
	if (!buf)
		return;
	ff_free(buf->mem);
	ff_buf_init(buf, buf->max);
}

struct ff_buf *ff_buf_new(size_t max)
{
	struct ff_buf *buf = ff_malloc(sizeof(*buf));

	if (buf)
		ff_buf_init(buf, max);
	return buf;
}

void ff_buf_free(struct ff_buf *buf)
{
	if (buf)
		ff_buf_release(buf);
	ff_free(buf);
}

void ff_buf_clear(struct ff_buf *buf)
{
	buf->off = buf->len = 0;
}

/* Makes room behind the content. One byte more than `cap` is always there, for ff_buf_str's NUL. */
static int grow(struct ff_buf *buf, size_t size)
{
	size_t max = buf->max ? buf->max : FF_BUF_MAX;
	size_t need, cap;
	uint8_t *mem;

	if (buf->len > max || size > max - buf->len)
		return FF_ETOOBIG;
	need = buf->len + size;
	/* Moving to the front pays when it frees at least what it copies. */
	if (buf->mem && need <= buf->cap && buf->off >= buf->len) {
		memmove(buf->mem, buf->mem + buf->off, buf->len);
		buf->off = 0;
		return 0;
	}
	cap = buf->cap * 2;
	if (cap < BUF_MIN)
		cap = BUF_MIN;
	if (cap > max)
		cap = max;
	if (cap < need)
		cap = need;
	if (!buf->off) {
		mem = ff_realloc(buf->mem, cap + 1);
		if (!mem)
			return FF_ENOMEM;
	} else {
		mem = ff_malloc(cap + 1);
		if (!mem)
			return FF_ENOMEM;
		memcpy(mem, buf->mem + buf->off, buf->len);
		ff_free(buf->mem);
		buf->off = 0;
	}
	buf->mem = mem;
	buf->cap = cap;
	return 0;
}

static int make_room(struct ff_buf *buf, size_t size)
{
	size_t max = buf->max ? buf->max : FF_BUF_MAX;

	if (buf->mem && size <= buf->cap - buf->off - buf->len && buf->len + size <= max)
		return 0;
	return grow(buf, size);
}

uint8_t *ff_buf_reserve(struct ff_buf *buf, size_t size)
{
	return make_room(buf, size) ? NULL : buf->mem + buf->off + buf->len;
}

void ff_buf_added(struct ff_buf *buf, size_t size)
{
	buf->len += size;
}

int ff_buf_add(struct ff_buf *buf, const void *bytes, size_t len)
{
	int rc;

	if (!len)
		return 0;
	rc = make_room(buf, len);
	if (rc)
		return rc;
	memcpy(buf->mem + buf->off + buf->len, bytes, len);
	buf->len += len;
	return 0;
}

int ff_buf_add_shown(struct ff_buf *buf, const char *text, size_t len)
{
	const char *nul;
	int rc = 0;

	while (rc == 0 && len > 0 && (nul = memchr(text, '\0', len))) {
		rc = ff_buf_add(buf, text, (size_t)(nul - text));
		if (rc == 0)
			rc = ff_buf_addstr(buf, "\\x00");
		len -= (size_t)(nul - text) + 1;
		text = nul + 1;
	}
	return rc == 0 && len > 0 ? ff_buf_add(buf, text, len) : rc;
}

int ff_buf_addstr(struct ff_buf *buf, const char *text)
{
	return ff_buf_add(buf, text, strlen(text));
}

int ff_buf_addch(struct ff_buf *buf, char c)
{
	return ff_buf_add(buf, &c, 1);
}

int ff_buf_adduint(struct ff_buf *buf, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	return ff_buf_add(buf, digits + at, sizeof(digits) - at);
}

int ff_buf_vaddf(struct ff_buf *buf, const char *fmt, va_list args)
{
	va_list again;
	size_t room;
	int len, rc;

	rc = make_room(buf, 0);
	if (rc)
		return rc;
	room = buf->cap - buf->off - buf->len;
	va_copy(again, args);
	len = vsnprintf((char *)buf->mem + buf->off + buf->len, room + 1, fmt, again);
	va_end(again);
	if (len < 0)
		return FF_EINVAL;
	rc = make_room(buf, (size_t)len);
	if (rc)
		return rc;
	if ((size_t)len > room)
		vsnprintf((char *)buf->mem + buf->off + buf->len, (size_t)len + 1, fmt, args);
	buf->len += (size_t)len;
	return 0;
}

int ff_buf_addf(struct ff_buf *buf, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = ff_buf_vaddf(buf, fmt, args);
	va_end(args);
	return rc;
}

void ff_buf_consume(struct ff_buf *buf, size_t len)
{
	if (len >= buf->len) {
		ff_buf_clear(buf);
		return;
	}
	buf->off += len;
	buf->len -= len;
}

const char *ff_buf_str(struct ff_buf *buf)
{
	if (!buf->mem)
		return "";
	buf->mem[buf->off + buf->len] = '\0';
	return (const char *)buf->mem + buf->off;
}

char *ff_buf_take(struct ff_buf *buf)
{
	char *text;

	if (!buf->mem)
		return ff_strdup("");
	if (buf->off)
		memmove(buf->mem, buf->mem + buf->off, buf->len);
	buf->mem[buf->len] = '\0';
	text = (char *)buf->mem;
	ff_buf_init(buf, buf->max);
	return text;
}
