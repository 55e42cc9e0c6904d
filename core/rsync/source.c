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
	EXTENT_ROOM = 4 << 10, /* with less, a piece ends at the end of a hole */
};

/* --- one file --- */

static void give_up_one(struct ff_rsync *rsync, uint32_t index, enum ff_sync_fault_kind kind,
			const char *reason)
{
	if (ff_map_get_u32(&rsync->given_up, index))
		return;
	(void)ff_map_set_u32(&rsync->given_up, index, rsync);
	ff_tree_fault(&rsync->tree, kind, index, rsync->tree.entries[index].path, reason);
}

void ff_source_give_up(struct ff_rsync *rsync, uint32_t index, enum ff_sync_fault_kind kind,
		       const char *reason)
{
	give_up_one(rsync, index, kind, reason);
	if (!rsync->linked)
		return;
	for (size_t i = index + 1; i < rsync->tree.len; i++)
		if (rsync->tree.entries[i].same_as == index)
			give_up_one(rsync, (uint32_t)i, kind, reason);
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

static int add_gone(struct ff_rsync *rsync, uint32_t index, enum ff_sync_fault_kind kind,
		    const char *reason)
{
	int rc;

	ff_source_give_up(rsync, index, kind, reason);
	begin_piece(rsync, index, FF_RSYNC_LAST | FF_RSYNC_GONE);
	rc = add_record(rsync, index, FF_RSYNC_LAST | FF_RSYNC_GONE, 0);
	if (!rc)
		end_piece(rsync);
	return rc;
}

static int add_gone_errno(struct ff_rsync *rsync, uint32_t index, int errnum)
{
	return add_gone(rsync, index, ff_sync_fault_of(errnum), strerror(errnum));
}

enum outcome {
	ADDED = 1,
	CHANGED, /* while it was read: begin it anew */
	FULL,	 /* it wants a block of its own */
	SHORT,	 /* there is less to read than its size says */
};

/* Where the data that is at `offset` ends, or (*hole) the hole that is there. */
static uint64_t extent_end(struct ff_rsync *rsync, uint32_t index, int fd, uint64_t offset,
			   bool *hole)
{
	struct ff_version version = ff_version_of(&rsync->tree.entries[index]);
	uint64_t size = version.size;
	off_t at;

	*hole = false;
	if (size < FF_SPARSE_MIN)
		return size;
	if (rsync->data.index == index && ff_version_same(rsync->data.version, version) &&
	    rsync->data.begin <= offset && offset < rsync->data.end)
		return rsync->data.end;
	at = lseek(fd, (off_t)offset, SEEK_DATA);
	if (at < 0 && errno != ENXIO)
		return size; /* not known here: all of it is data */
	if (at != (off_t)offset) {
		*hole = true;
		return at < 0 || (uint64_t)at > size ? size : (uint64_t)at;
	}
	at = lseek(fd, (off_t)offset, SEEK_HOLE);
	if (at <= (off_t)offset || (uint64_t)at > size)
		at = (off_t)size;
	rsync->data.index = index;
	rsync->data.begin = offset;
	rsync->data.end = (uint64_t)at;
	rsync->data.version = version;
	return (uint64_t)at;
}

static int add_hole(struct ff_rsync *rsync, uint32_t index, int flags, uint64_t len)
{
	uint8_t bytes[FF_RSYNC_HOLE_LEN];
	int rc = add_record(rsync, index, flags | FF_RSYNC_HOLE, sizeof(bytes));

	ff_put_be(bytes, len, sizeof(bytes));
	return rc ? rc : ff_buf_add(&rsync->payload, bytes, sizeof(bytes));
}

/* ADDED, SHORT, FF_ENOMEM, or FF_ESYS with errno set. */
static int add_data(struct ff_rsync *rsync, uint32_t index, int fd, int flags, uint64_t offset,
		    size_t len)
{
	int rc = add_record(rsync, index, flags, len);
	uint8_t *at = rc ? NULL : ff_buf_reserve(&rsync->payload, len);
	ssize_t got;

	if (!at)
		return FF_ENOMEM;
	got = read_at(fd, at, len, offset);
	if (got < 0)
		return FF_ESYS;
	ff_buf_added(&rsync->payload, len);
	return (size_t)got == len ? ADDED : SHORT;
}

/* Fills what room there is with the file from piece->offset on: data, and holes as holes. */
static int add_extents(struct ff_rsync *rsync, struct ff_piece *piece, int fd)
{
	uint64_t size = piece->version.size, at = piece->offset;
	int flags = piece->flags, rc;
	size_t room;
	bool hole;

	do {
		uint64_t len = extent_end(rsync, piece->index, fd, at, &hole) - at;

		room = FF_RSYNC_PART_MAX - rsync->payload.len - FF_RSYNC_RECORD;
		if (!hole && len > room)
			len = room;
		if (at + len == size)
			flags |= FF_RSYNC_LAST;
		if (hole)
			rc = add_hole(rsync, piece->index, flags, len) ? FF_ENOMEM : ADDED;
		else
			rc = add_data(rsync, piece->index, fd, flags, at, (size_t)len);
		if (rc != ADDED)
			return rc;
		piece->flags |= (uint8_t)flags;
		piece->bytes += hole ? 0 : (uint32_t)len;
		at += len;
		flags = 0;
	} while (at < size && rsync->payload.len + EXTENT_ROOM <= BLOCK_MAX);
	piece->span = at - piece->offset;
	return ADDED;
}

/* Appends the piece at `offset`: an outcome, FF_ENOMEM, or FF_ESYS with errno set. The file's
 * version is compared behind the reading: what was read before that is of this version. */
static int add_piece(struct ff_rsync *rsync, uint32_t index, int fd, uint64_t offset)
{
	size_t room = BLOCK_MAX - rsync->payload.len - FF_RSYNC_RECORD;
	struct ff_version version = ff_version_of(&rsync->tree.entries[index]);
	uint64_t left = version.size - offset;
	bool changed = false;
	struct ff_piece *piece;
	int failed, rc = ADDED;

	if (left > room && room < PIECE_MIN)
		return FULL;
	if (left > room && !offset && left <= BLOCK_MAX - FF_RSYNC_RECORD)
		return FULL;
	piece = begin_piece(rsync, index, offset ? 0 : FF_RSYNC_FIRST);
	piece->offset = offset;
	piece->version = version;
	if (!offset && ff_bit(rsync->changed, index) && add_meta(rsync, index))
		rc = FF_ENOMEM;
	if (rc == ADDED)
		rc = add_extents(rsync, piece, fd);
	if (rc == ADDED || rc == SHORT) {
		failed = check_version(rsync, index, fd, &changed);
		if (failed || changed)
			rc = failed ? FF_ESYS : CHANGED;
		errno = failed;
	}
	if (rc == ADDED)
		end_piece(rsync);
	else
		rsync->payload.len = piece->at;
	return rc;
}

/* The end of tries with a file: the outcome's words. FULL and codes pass. */
static int end_tries(struct ff_rsync *rsync, uint32_t index, int outcome)
{
	switch (outcome) {
	case ADDED:
		return 0;
	case FF_ESYS:
		return add_gone_errno(rsync, index, errno);
	case SHORT:
		return add_gone(rsync, index, FF_SYNC_CHANGED, "is shorter than its size says");
	case CHANGED:
		return add_gone(rsync, index, FF_SYNC_CHANGED, "changes all the time");
	default:
		return outcome;
	}
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
			return add_gone_errno(rsync, index, errno);
		rc = add_piece(rsync, index, fd, target->now.offset);
		if (rc != CHANGED)
			rc = end_tries(rsync, index, rc);
		close(fd);
	}
	if (rc != CHANGED)
		return rc;
	/* What the target has is of another version. */
	target->inside = target->lagging = false;
	rsync->position = index;
	return ++target->tries < FF_SOURCE_TRIES ? 0 : end_tries(rsync, index, CHANGED);
}

/* Begins a file, and ends it if it is small. 0, FULL or FF_ENOMEM. */
static int begin_file(struct ff_rsync *rsync, uint32_t index)
{
	int fd = open_source(rsync, index), rc = CHANGED;

	if (fd < 0)
		return add_gone_errno(rsync, index, errno);
	/* The first try may find the file other than it was when the tree was scanned. */
	for (int tries = 0; rc == CHANGED && tries <= FF_SOURCE_TRIES; tries++)
		rc = add_piece(rsync, index, fd, 0);
	rc = end_tries(rsync, index, rc);
	close(fd);
	return rc;
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

static const struct {
	const char *alg;
	int (*hash)(int fd, bool sparse, uint8_t digest[FF_RSYNC_DIGEST]);
	bool sparse;
} algs[FF_DIGESTS] = {
	{FF_RSYNC_XXH3, ff_hash_xxh3, false},
	{FF_RSYNC_XXH3_SPARSE, ff_hash_xxh3, true},
	{FF_RSYNC_MD5, ff_hash_md5, false},
	{FF_RSYNC_MD5_SPARSE, ff_hash_md5, true},
};

static int own_digest(struct ff_rsync *rsync, uint32_t index, size_t alg)
{
	struct ff_digests *digests = &rsync->digests[alg];
	int fd, rc;

	if (!digests->v)
		digests->v = ff_calloc(rsync->tree.len, sizeof(*digests->v));
	if (!digests->have)
		digests->have = ff_calloc(rsync->tree.len / 64 + 1, sizeof(*digests->have));
	if (!digests->v || !digests->have)
		return FF_ENOMEM;
	if (ff_bit(digests->have, index))
		return 0;
	fd = open_source(rsync, index);
	rc = fd < 0 ? FF_ESYS : algs[alg].hash(fd, algs[alg].sparse, digests->v[index]);
	if (rc == FF_ESYS)
		ff_source_give_up(rsync, index, ff_sync_fault_of(errno), strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!rc)
		ff_bit_set(digests->have, index);
	return rc;
}

int ff_source_same(struct ff_rsync *rsync, uint32_t index, const char *alg, const uint8_t *digest)
{
	int rc;

	for (size_t i = 0; i < FF_DIGESTS; i++) {
		if (strcmp(alg, algs[i].alg) != 0)
			continue;
		rc = own_digest(rsync, index, i);
		return rc ? rc : !memcmp(rsync->digests[i].v[index], digest, FF_RSYNC_DIGEST);
	}
	return 0;
}
