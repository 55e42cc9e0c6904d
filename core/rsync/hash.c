/* What is hashed of a file, and the digest that native receivers use. */
#include "rsync/hash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/err.h"

struct walk {
	int fd;
	bool sparse;
	void (*add)(void *ctx, const void *bytes, size_t len);
	void *ctx;
	uint8_t *part;
	uint64_t at;   /* in the file */
	uint64_t data; /* up to here there is no hole */
	uint64_t run;  /* bytes of zeros, or of data, that end here */
	bool zeros;
};

static bool is_zero(const uint8_t *at, size_t len)
{
	return len && !at[0] && !memcmp(at, at + 1, len - 1);
}

/* Each run is followed by what it was and how long: so no two contents give the same. */
static void end_run(struct walk *w)
{
	uint8_t end[9] = {w->zeros ? 'Z' : 'D'};

	if (!w->run)
		return;
	ff_put_be(end + 1, w->run, 8);
	w->add(w->ctx, end, sizeof(end));
	w->run = 0;
}

static void add_run(struct walk *w, bool zeros, const uint8_t *bytes, uint64_t len)
{
	if (zeros != w->zeros)
		end_run(w);
	w->zeros = zeros;
	w->run += len;
	w->at += len;
	if (!zeros)
		w->add(w->ctx, bytes, (size_t)len);
}

/* Goes over the whole steps of a hole without reading them. */
static void skip_hole(struct walk *w)
{
	off_t size, data = lseek(w->fd, (off_t)w->at, SEEK_DATA), hole;

	w->data = UINT64_MAX;
	if (data < 0 && errno == ENXIO) {
		size = lseek(w->fd, 0, SEEK_END);
		if (size > (off_t)w->at)
			data = size;
	}
	if (data < 0)
		return; /* not known here */
	if ((uint64_t)data - w->at >= FF_RSYNC_STEP)
		add_run(w, true, NULL, ((uint64_t)data - w->at) / FF_RSYNC_STEP * FF_RSYNC_STEP);
	hole = lseek(w->fd, data, SEEK_HOLE);
	if (hole > data)
		w->data = (uint64_t)hole;
}

/* As many bytes as there are, up to a whole part: fewer only at the file's end. */
static ssize_t read_part(const struct walk *w)
{
	size_t done = 0;
	ssize_t got = 1;

	while (got && done < FF_RSYNC_PART_MAX) {
		got = pread(w->fd, w->part + done, FF_RSYNC_PART_MAX - done, (off_t)(w->at + done));
		if (got < 0 && errno != EINTR)
			return -1;
		if (got > 0)
			done += (size_t)got;
	}
	return (ssize_t)done;
}

static int walk(struct walk *w)
{
	ssize_t got;

	do {
		if (w->sparse && w->at >= w->data)
			skip_hole(w);
		got = read_part(w);
		if (got < 0)
			return FF_ESYS;
		if (!w->sparse) {
			w->add(w->ctx, w->part, (size_t)got);
			w->at += (uint64_t)got;
			continue;
		}
		for (size_t at = 0; at < (size_t)got;) {
			size_t len = (size_t)got - at < FF_RSYNC_STEP ? (size_t)got - at
								      : (size_t)FF_RSYNC_STEP;
			bool zero = len == FF_RSYNC_STEP && is_zero(w->part + at, len);

			add_run(w, zero, w->part + at, len);
			at += len;
		}
	} while (got == FF_RSYNC_PART_MAX);
	end_run(w);
	return 0;
}

int ff_hash_walk(int fd, bool sparse, void (*add)(void *ctx, const void *bytes, size_t len),
		 void *ctx)
{
	struct walk w = {.fd = fd, .sparse = sparse, .add = add, .ctx = ctx};
	int rc, saved;

	w.part = ff_malloc(FF_RSYNC_PART_MAX);
	if (!w.part)
		return FF_ENOMEM;
	rc = walk(&w);
	saved = errno;
	ff_free(w.part);
	errno = saved;
	return rc;
}

static void add_xxh3(void *ctx, const void *bytes, size_t len)
{
	XXH3_128bits_update(ctx, bytes, len);
}

int ff_hash_xxh3(int fd, bool sparse, uint8_t digest[FF_RSYNC_DIGEST])
{
	XXH3_state_t state;
	XXH128_canonical_t canonical;
	int rc;

	XXH3_INITSTATE(&state);
	XXH3_128bits_reset(&state);
	rc = ff_hash_walk(fd, sparse, add_xxh3, &state);
	if (rc)
		return rc;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
	memcpy(digest, canonical.digest, FF_RSYNC_DIGEST);
	return 0;
}

void ff_hash_bytes(const void *bytes, size_t len, uint8_t digest[FF_RSYNC_DIGEST])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, len));
	memcpy(digest, canonical.digest, FF_RSYNC_DIGEST);
}

void ff_hash_text(const uint8_t digest[FF_RSYNC_DIGEST], char text[FF_HASH_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < FF_RSYNC_DIGEST; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	text[2 * FF_RSYNC_DIGEST] = '\0';
}
