/* A nameless file and its pieces. Knows nothing of what they say. */
#include "report/spool.h"

#include <errno.h>
#include <unistd.h>

enum {
	PUT_FROM = 16 << 10,  /* bytes that are handed on at once */
	TEXT_KEEP = 64 << 10, /* a larger text does not keep its memory */
	COPY = 64 << 10,
};

void ff_spool_init(struct ff_spool *spool, const struct ff_writer_opts *opts)
{
	*spool = (struct ff_spool){.fd = opts->fd, .writer = ff_writer_new(opts)};
}

void ff_spool_release(struct ff_spool *spool)
{
	ff_writer_free(spool->writer);
	ff_buf_release(&spool->text);
	if (spool->fd >= 0)
		close(spool->fd);
}

uint64_t ff_spool_at(const struct ff_spool *spool)
{
	return spool->put + spool->text.len;
}

static void hand_on(struct ff_spool *spool)
{
	ff_writer_put(spool->writer, ff_buf_data(&spool->text), spool->text.len, NULL);
	spool->put += spool->text.len;
	if (spool->text.cap > TEXT_KEEP)
		ff_buf_release(&spool->text);
	else
		ff_buf_clear(&spool->text);
}

void ff_spool_flush(struct ff_spool *spool)
{
	if (spool->text.len >= PUT_FROM)
		hand_on(spool);
}

int ff_spool_finish(struct ff_spool *spool)
{
	if (spool->text.len > 0)
		hand_on(spool);
	return ff_writer_finish(spool->writer);
}

int ff_spool_copy(const struct ff_spool *spool, const struct ff_spool_piece *piece, FILE *out)
{
	uint64_t at = piece->offset, end = piece->offset + piece->len;
	char bytes[COPY];

	while (at < end) {
		size_t want = end - at < sizeof(bytes) ? (size_t)(end - at) : sizeof(bytes);
		ssize_t n = pread(spool->fd, bytes, want, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		if (fwrite(bytes, 1, (size_t)n, out) != (size_t)n)
			return errno;
		at += (uint64_t)n;
	}
	return 0;
}
