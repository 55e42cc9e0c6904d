/* A growable run of bytes with a named upper bound: appended at its end, consumed from its front.
 */
#ifndef FF_BASE_BUF_H
#define FF_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff_buf {
	uint8_t *mem;
	size_t off; /* consumed from the front */
	size_t len; /* bytes held, from mem + off */
	size_t cap;
	size_t max; /* never holds more than this; 0: FF_BUF_MAX */
};

#define FF_BUF_MAX ((size_t)1 << 31)

#define FF_BUF_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}

void ff_buf_init(struct ff_buf *buf, size_t max);
void ff_buf_release(struct ff_buf *buf);
/* The same on the heap, for those who can't know the size; NULL: out of memory. */
struct ff_buf *ff_buf_new(size_t max);
void ff_buf_free(struct ff_buf *buf); /* NULL: nothing */
/* Forgets the content, keeps the memory. */
void ff_buf_clear(struct ff_buf *buf);

inline uint8_t *ff_buf_data(const struct ff_buf *buf)
{
	return buf->mem ? buf->mem + buf->off : NULL;
}

/* Room for `size` more bytes: a pointer to them (valid until the next change), or NULL: out of
 * memory or over max. ff_buf_added then says how many were filled. */
uint8_t *ff_buf_reserve(struct ff_buf *buf, size_t size);
void ff_buf_added(struct ff_buf *buf, size_t size);

/* Append; 0, FF_ENOMEM or FF_ETOOBIG. */
int ff_buf_add(struct ff_buf *buf, const void *bytes, size_t len);
/* Text that may hold NULs, for where it is going to be a C string: each is shown as "\x00". */
int ff_buf_add_shown(struct ff_buf *buf, const char *text, size_t len);
int ff_buf_addstr(struct ff_buf *buf, const char *text);
int ff_buf_addch(struct ff_buf *buf, char c);
/* In decimal digits, for what is written very often. */
int ff_buf_adduint(struct ff_buf *buf, uint64_t number);
int ff_buf_addf(struct ff_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ff_buf_vaddf(struct ff_buf *buf, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Drop `len` bytes (at most buf->len) from the front. */
void ff_buf_consume(struct ff_buf *buf, size_t len);

/* The content as a C string (a NUL is kept behind it); NULL when out of memory. Owned by buf. */
const char *ff_buf_str(struct ff_buf *buf);
/* Hands the content over as a malloc'd, NUL-terminated string and leaves buf empty. */
char *ff_buf_take(struct ff_buf *buf);

#endif
