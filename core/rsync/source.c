/* Reads the source files, and holds what was read for those who come by a little later. Knows what
 * a target wants, not how it is sent. */
#include "rsync/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/serialize.h"

enum {
	/* A file that doesn't fit in what is left of a block begins a new one; a big one is cut
	 * into pieces at least this long. */
	PIECE_MIN = 64 << 10,
	META_RECORD = FF_RSYNC_RECORD + FF_RSYNC_META_LEN,
	BLOCK_MAX = FF_RSYNC_PART_MAX - META_RECORD,
};

/* --- one file --- */

static void give_up(struct ff_rsync *rsync, uint32_t index, const char *reason)
{
	if (ff_bit(rsync->given_up, index))
		return;
	ff_bit_set(rsync->given_up, index);
	/* Out of memory here loses a line of text, nothing else. */
	(void)ff_strv_addf(&rsync->tree.problems, "%s: %s", rsync->tree.entries[index].path,
			   reason);
}

static int open_source(const struct ff_rsync *rsync, uint32_t index)
{
	return openat(rsync->root_fd, rsync->tree.entries[index].path,
		      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* Takes note of what a file is now: 0, or the errno for one that is no file any more. *changed: it
 * is not what the entry said. */
static int check_version(struct ff_rsync *rsync, uint32_t index, int fd, bool *changed)
{
	struct ff_tree_entry *entry = &rsync->tree.entries[index];
	struct stat st;
	int64_t mtime_ns;

	if (fstat(fd, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return ENOENT;
	mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	*changed = mtime_ns != entry->mtime_ns || (uint64_t)st.st_size != entry->size;
	if (*changed) {
		entry->mtime_ns = mtime_ns;
		entry->size = (uint64_t)st.st_size;
		entry->mode = st.st_mode & 07777;
		ff_bit_set(rsync->changed, index);
	}
	return 0;
}

static ssize_t read_at(int fd, uint8_t *at, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = pread(fd, at + done, len - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static int add_record(struct ff_rsync *rsync, uint32_t index, int flags, size_t len)
{
	uint8_t *at = ff_buf_reserve(&rsync->payload, FF_RSYNC_RECORD);

	if (!at)
		return FF_ENOMEM;
	ff_put_be(at, index, 4);
	at[4] = (uint8_t)flags;
	ff_put_be(at + 5, len, 4);
	ff_buf_added(&rsync->payload, FF_RSYNC_RECORD);
	return 0;
}

static int add_meta(struct ff_rsync *rsync, uint32_t index)
{
	const struct ff_tree_entry *entry = &rsync->tree.entries[index];
	uint8_t meta[FF_RSYNC_META_LEN];
	int rc = add_record(rsync, index, FF_RSYNC_META, sizeof(meta));

	ff_put_be(meta, (uint64_t)entry->mtime_ns, 8);
	ff_put_be(meta + 8, entry->mode, 2);
	return rc ? rc : ff_buf_add(&rsync->payload, meta, sizeof(meta));
}

static struct ff_piece *begin_piece(struct ff_rsync *rsync, uint32_t index, int flags)
{
	struct ff_piece *piece = &rsync->pieces[rsync->count];

	*piece = (struct ff_piece){
		.index = index,
		.at = (uint32_t)rsync->payload.len,
		.flags = (uint8_t)flags,
	};
	return piece;
}

static void end_piece(struct ff_rsync *rsync)
{
	struct ff_piece *piece = &rsync->pieces[rsync->count++];

	piece->len = (uint32_t)rsync->payload.len - piece->at;
}

static int add_gone(struct ff_rsync *rsync, uint32_t index, const char *reason)
{
	int rc;

	give_up(rsync, index, reason);
	begin_piece(rsync, index, FF_RSYNC_LAST | FF_RSYNC_GONE);
	rc = add_record(rsync, index, FF_RSYNC_LAST | FF_RSYNC_GONE, 0);
	if (!rc)
		end_piece(rsync);
	return rc;
}

enum outcome {
	ADDED = 1,
	CHANGED, /* while it was read: begin it anew */
	FULL,	 /* it wants a block of its own */
};

/* Appends the piece at `offset`: an outcome, FF_ENOMEM, or FF_ESYS with errno set. The file's
 * version is compared behind the reading: what was read before that is of this version. */
static int add_piece(struct ff_rsync *rsync, uint32_t index, int fd, uint64_t offset)
{
	const struct ff_tree_entry *entry = &rsync->tree.entries[index];
	size_t room = BLOCK_MAX - rsync->payload.len - FF_RSYNC_RECORD;
	struct ff_version version = ff_version_of(entry);
	uint64_t left = version.size - offset;
	size_t len = left < room ? (size_t)left : room;
	bool changed = false;
	struct ff_piece *piece;
	uint8_t *at;
	ssize_t got;
	int failed, rc = 0;

	if (left > room && room < PIECE_MIN)
		return FULL;
	if (left > room && !offset && left <= BLOCK_MAX - FF_RSYNC_RECORD)
		return FULL;
	piece = begin_piece(rsync, index,
			    (offset ? 0 : FF_RSYNC_FIRST) | (len == left ? FF_RSYNC_LAST : 0));
	if (!offset && ff_bit(rsync->changed, index))
		rc = add_meta(rsync, index);
	if (!rc)
		rc = add_record(rsync, index, piece->flags, len);
	at = rc ? NULL : ff_buf_reserve(&rsync->payload, len);
	if (!at) {
		rsync->payload.len = piece->at;
		return FF_ENOMEM;
	}
	got = read_at(fd, at, len, offset);
	failed = got < 0 ? errno : check_version(rsync, index, fd, &changed);
	if (failed || changed || (size_t)got != len) {
		rsync->payload.len = piece->at;
		errno = failed;
		return failed ? FF_ESYS : CHANGED;
	}
	ff_buf_added(&rsync->payload, len);
	piece->offset = offset;
	piece->bytes = (uint32_t)len;
	piece->version = version;
	end_piece(rsync);
	return ADDED;
}

/* Goes on with the file that `target` is inside of. */
static int go_on(struct ff_rsync *rsync, struct ff_rsync_target *target)
{
	uint32_t index = target->now.index;
	int fd, rc;

	if (!ff_version_same(target->now.version, ff_version_of(&rsync->tree.entries[index]))) {
		rc = CHANGED;
	} else {
		fd = open_source(rsync, index);
		if (fd < 0)
			return add_gone(rsync, index, strerror(errno));
		rc = add_piece(rsync, index, fd, target->now.offset);
		if (rc == FF_ESYS)
			rc = add_gone(rsync, index, strerror(errno));
		close(fd);
	}
	if (rc != CHANGED)
		return rc == ADDED ? 0 : rc;
	/* What the target has is of another version. */
	target->inside = target->lagging = false;
	rsync->position = index;
	if (++target->tries < FF_SOURCE_TRIES)
		return 0;
	return add_gone(rsync, index, "changes all the time");
}

/* Begins a file, and ends it if it is small. 0, FULL or FF_ENOMEM. */
static int begin_file(struct ff_rsync *rsync, uint32_t index)
{
	int fd = open_source(rsync, index), rc = CHANGED;

	if (fd < 0)
		return add_gone(rsync, index, strerror(errno));
	/* The first try may find the file other than it was when the tree was scanned. */
	for (int tries = 0; rc == CHANGED && tries <= FF_SOURCE_TRIES; tries++)
		rc = add_piece(rsync, index, fd, 0);
	if (rc == FF_ESYS)
		rc = add_gone(rsync, index, strerror(errno));
	else if (rc == CHANGED)
		rc = add_gone(rsync, index, "changes all the time");
	close(fd);
	return rc == ADDED ? 0 : rc;
}

/* --- a block --- */

/* The next index from `from` on, round the tree, that is wanted; the caller knows there is one. */
static uint32_t next_wanted(const struct ff_rsync *rsync, const uint64_t *want, uint32_t from)
{
	size_t words = (rsync->tree.len + 63) / 64, word = from / 64;
	uint64_t bits = want[word] & ~UINT64_C(0) << (from % 64);

	while (!bits) {
		word = word + 1 < words ? word + 1 : 0;
		bits = want[word];
	}
	return (uint32_t)(word * 64 + (size_t)__builtin_ctzll(bits));
}

static bool has_room(const struct ff_rsync *rsync)
{
	return rsync->count < FF_BLOCK_RECORDS && rsync->payload.len + FF_RSYNC_RECORD < BLOCK_MAX;
}

/* Appends the files that the target wants from the common position on. */
static int add_files(struct ff_rsync *rsync, const struct ff_rsync_target *target)
{
	uint32_t start = next_wanted(rsync, target->want, rsync->position), index = start;
	int rc = 0;

	do {
		rc = begin_file(rsync, index);
		if (rc == FULL)
			rsync->position = index;
		if (rc)
			return rc == FULL ? 0 : rc;
		rsync->position = index + 1 < rsync->tree.len ? index + 1 : 0;
		if (!(rsync->pieces[rsync->count - 1].flags & FF_RSYNC_LAST))
			return 0;
		index = next_wanted(rsync, target->want, rsync->position);
	} while (index != start && has_room(rsync));
	return 0;
}

int ff_source_pack(struct ff_buf *out, const uint8_t *payload, size_t len, size_t *payload_at)
{
	struct ff_pack p;

	ff_pack_init(&p, out);
	ff_pack_open(&p, FF_TUPLE);
	ff_pack_str(&p, "d");
	ff_pack_bytes(&p, payload, len);
	*payload_at = out->len - len;
	ff_pack_close(&p);
	return ff_pack_done(&p);
}

static int make_block(struct ff_rsync *rsync, struct ff_block **block)
{
	size_t pieces = rsync->count * sizeof(struct ff_piece);
	struct ff_block *made = ff_malloc(sizeof(*made) + pieces);
	int rc;

	if (!made)
		return FF_ENOMEM;
	ff_buf_init(&made->packed, 0);
	made->count = rsync->count;
	memcpy(made->pieces, rsync->pieces, pieces);
	/* Room at once, so that it need not grow by doubling. */
	rc = ff_buf_reserve(&made->packed, rsync->payload.len + 64) ? 0 : FF_ENOMEM;
	if (!rc)
		rc = ff_source_pack(&made->packed, ff_buf_data(&rsync->payload), rsync->payload.len,
				    &made->payload_at);
	if (rc) {
		ff_buf_release(&made->packed);
		ff_free(made);
		return rc;
	}
	made->size = made->packed.cap + sizeof(*made) + pieces;
	*block = made;
	return 0;
}

int ff_source_read(struct ff_rsync *rsync, struct ff_rsync_target *target, struct ff_block **block)
{
	int rc = 0;

	*block = NULL;
	ff_buf_clear(&rsync->payload);
	rsync->count = 0;
	if (target->inside)
		rc = go_on(rsync, target);
	else
		rc = add_files(rsync, target);
	if (!rc && rsync->count)
		rc = make_block(rsync, block);
	return rc;
}

/* --- the window --- */

void ff_block_free(struct ff_block *block)
{
	ff_buf_release(&block->packed);
	ff_free(block);
}

static struct ff_block **slot(struct ff_window *window, uint64_t number)
{
	return &window->ring[number % FF_WINDOW_BLOCKS];
}

static void drop_oldest(struct ff_window *window)
{
	struct ff_block **oldest = slot(window, window->tail++);

	window->bytes -= (*oldest)->size;
	ff_block_free(*oldest);
	*oldest = NULL;
}

void ff_window_put(struct ff_window *window, struct ff_block *block)
{
	while (window->head > window->tail && (window->bytes + block->size > FF_WINDOW_BYTES ||
					       window->head - window->tail == FF_WINDOW_BLOCKS))
		drop_oldest(window);
	*slot(window, window->head++) = block;
	window->bytes += block->size;
}

uint64_t ff_window_find(const struct ff_window *window, uint32_t index, uint64_t offset,
			struct ff_version version)
{
	uint64_t number = window->tail;

	/* A piece that is not a file's first is always its block's first. */
	for (; number < window->head; number++) {
		const struct ff_block *block = window->ring[number % FF_WINDOW_BLOCKS];
		const struct ff_piece *piece = &block->pieces[0];

		if (piece->index == index && piece->offset == offset &&
		    !(piece->flags & (FF_RSYNC_FIRST | FF_RSYNC_GONE)) &&
		    ff_version_same(piece->version, version))
			break;
	}
	return number;
}

void ff_window_release(struct ff_window *window)
{
	while (window->head > window->tail)
		drop_oldest(window);
}

/* --- digests --- */

static int own_digest(struct ff_rsync *rsync, uint32_t index, struct ff_digests *digests,
		      int (*hash)(int fd, uint8_t digest[FF_RSYNC_DIGEST]))
{
	int fd, rc;

	if (!digests->v) {
		digests->v = ff_calloc(rsync->tree.len, sizeof(*digests->v));
		digests->have = ff_calloc(rsync->tree.len / 64 + 1, sizeof(*digests->have));
	}
	if (!digests->v || !digests->have)
		return FF_ENOMEM;
	if (ff_bit(digests->have, index))
		return 0;
	fd = open_source(rsync, index);
	rc = fd < 0 ? FF_ESYS : hash(fd, digests->v[index]);
	if (rc == FF_ESYS)
		give_up(rsync, index, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!rc)
		ff_bit_set(digests->have, index);
	return rc;
}

int ff_source_same(struct ff_rsync *rsync, uint32_t index, const char *alg, const uint8_t *digest)
{
	bool md5 = !strcmp(alg, FF_RSYNC_MD5);
	struct ff_digests *digests = md5 ? &rsync->md5 : &rsync->xxh3;
	int rc;

	if (!md5 && strcmp(alg, FF_RSYNC_XXH3))
		return 0;
	rc = own_digest(rsync, index, digests, md5 ? ff_hash_md5 : ff_hash_xxh3);
	return rc ? rc : !memcmp(digests->v[index], digest, FF_RSYNC_DIGEST);
}
