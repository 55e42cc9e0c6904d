/* The record of what syncs brought into a folder, and the deletion of what they brought and the
 * source has no more. What the host made itself is in no record and stays. */
#include "rsync/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum {
	FATE_TWIN,	/* in the manifest too */
	FATE_CANDIDATE, /* to be deleted, or kept in the record */
	FATE_DEAD,	/* deleted, or the host's own by now */
};

static bool get_bit(const uint64_t *bits, size_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

/* --- the record --- */

/* As little of an entry as says what was brought. */
static int add_entry(struct ff_tree *tree, const struct ff_tree_entry *entry)
{
	struct ff_tree_entry brought = {.path = entry->path, .kind = entry->kind, .target = "-"};

	return ff_tree_add(tree, &brought);
}

/* The manifest's entries and those of the old record that are candidates still, in order. */
static int make_record(const struct ff_rsync_receive *r, struct ff_buf *out)
{
	const struct ff_receive_prune *prune = &r->prune;
	struct ff_tree merged = {.arena = FF_ARENA_INIT};
	size_t i = 0, k = 0;
	int rc = 0;

	while (!rc && (i < r->tree.len || k < prune->candidates)) {
		const struct ff_tree_entry *new = i < r->tree.len ? &r->tree.entries[i] : NULL;
		const struct ff_tree_entry *old = NULL;

		if (k < prune->candidates) {
			old = &prune->old.entries[prune->candidate[k]];
			if (prune->fate[prune->candidate[k]] != FATE_CANDIDATE) {
				k++;
				continue;
			}
		}
		if (new && (!old || ff_tree_compare(new->path, old->path) < 0)) {
			rc = add_entry(&merged, new);
			i++;
		} else {
			rc = add_entry(&merged, old);
			k++;
		}
	}
	if (!rc)
		rc = ff_tree_pack(&merged, out);
	ff_tree_release(&merged);
	return rc;
}

/* Writes it down unless it is so already. */
static int write_record(struct ff_rsync_receive *r)
{
	struct ff_buf *record = &r->prune.record, made;
	int rc, failed;

	ff_buf_init(&made, FF_RSYNC_MANIFEST_MAX);
	rc = make_record(r, &made);
	if (!rc && (made.len != record->len ||
		    memcmp(ff_buf_data(&made), ff_buf_data(record), made.len) != 0)) {
		failed = ff_dest_write(&r->files_beside, &made);
		ff_buf_release(record);
		*record = made;
		if (failed)
			rc = ff_receive_note(r, "", strerror(failed));
		return rc;
	}
	ff_buf_release(&made);
	return rc;
}

/* --- what is in it and not in the manifest --- */

/* A child of what is no directory any more, or of what is not ours, is not ours either. */
static int fate_of(const struct ff_rsync_receive *r, uint32_t index)
{
	const struct ff_receive_prune *prune = &r->prune;
	uint32_t parent = prune->old.entries[index].parent;

	if (prune->fate[parent] == FATE_TWIN &&
	    r->tree.entries[prune->twin[parent]].kind != FF_TREE_DIR)
		return FATE_DEAD;
	return prune->fate[parent] == FATE_DEAD ? FATE_DEAD : FATE_CANDIDATE;
}

static void match(struct ff_rsync_receive *r)
{
	struct ff_receive_prune *prune = &r->prune;
	uint32_t i = 1;

	for (uint32_t j = 1; j < prune->old.len; j++) {
		const char *path = prune->old.entries[j].path;
		int order = 1;

		while (i < r->tree.len &&
		       (order = ff_tree_compare(r->tree.entries[i].path, path)) < 0)
			i++;
		if (i < r->tree.len && !order) {
			prune->fate[j] = FATE_TWIN;
			prune->twin[j] = i;
			continue;
		}
		prune->fate[j] = (uint8_t)fate_of(r, j);
		if (prune->fate[j] == FATE_CANDIDATE)
			prune->candidate[prune->candidates++] = j;
	}
}

static int list_candidates(struct ff_receive_prune *prune)
{
	int rc = 0;

	for (size_t k = 0; !rc && k < prune->candidates; k++) {
		const struct ff_tree_entry *entry = &prune->old.entries[prune->candidate[k]];

		rc = ff_buf_addch(&prune->list, (char)entry->kind);
		if (!rc)
			rc = ff_buf_add(&prune->list, entry->path, strlen(entry->path) + 1);
	}
	return rc;
}

static int read_old(struct ff_rsync_receive *r)
{
	struct ff_receive_prune *prune = &r->prune;
	const struct ff_buf *record = &prune->record;
	int rc = ff_tree_unpack(&prune->old, ff_buf_data(record), record->len, NULL);

	if (rc == FF_EPROTO)
		return FF_ELOAD;
	if (rc)
		return rc;
	prune->fate = ff_calloc(prune->old.len, sizeof(*prune->fate));
	prune->twin = ff_calloc(prune->old.len, sizeof(*prune->twin));
	prune->candidate = ff_calloc(prune->old.len, sizeof(*prune->candidate));
	prune->keep = ff_calloc(prune->old.len / 64 + 1, sizeof(*prune->keep));
	if (!prune->fate || !prune->twin || !prune->candidate || !prune->keep)
		return FF_ENOMEM;
	match(r);
	return r->remove && r->asks ? list_candidates(prune) : 0;
}

int ff_receive_prune_begin(struct ff_rsync_receive *r)
{
	struct ff_receive_prune *prune = &r->prune;
	struct ff_buf made;
	bool same;
	int rc;

	ff_buf_init(&prune->record, FF_RSYNC_MANIFEST_MAX);
	ff_buf_init(&made, FF_RSYNC_MANIFEST_MAX);
	rc = make_record(r, &made);
	if (!rc)
		rc = ff_dest_read(&r->files_beside, &prune->record);
	same = !rc && made.len == prune->record.len &&
	       !memcmp(ff_buf_data(&made), ff_buf_data(&prune->record), made.len);
	ff_buf_release(&made);
	if (same)
		return 0;
	if (!rc)
		rc = read_old(r);
	if (rc && rc != FF_ENOTFOUND) {
		if (rc != FF_ELOAD && rc != FF_ETOOBIG)
			return rc;
		ff_buf_clear(&prune->record);
		rc = ff_receive_note(r, "",
				     r->remove ? "the record of what was brought is "
						 "damaged, nothing is deleted"
					       : "the record of what was brought is damaged");
		if (rc)
			return rc;
	}
	/* Before anything changes: what a sync brings that is killed then is known as well. */
	return write_record(r);
}

int ff_receive_prune_keep(struct ff_rsync_receive *r, const uint8_t *at, size_t len,
			  struct ff_err *err)
{
	struct ff_receive_prune *prune = &r->prune;

	for (size_t i = 0; i < len; i += 4) {
		uint64_t number = len - i < 4 ? UINT64_MAX : ff_get_be(at + i, 4);

		if (!r->remove || number >= prune->candidates)
			return ff_err_set(err, FF_EPROTO, "sync: bad list of what to keep");
		prune->keep[number / 64] |= UINT64_C(1) << (number % 64);
	}
	return 0;
}

/* --- deleting --- */

static void close_old(struct ff_receive_prune *prune)
{
	if (prune->open.dir)
		close(prune->open.fd);
	prune->open.dir = 0;
}

static int open_below(int above, const char *name)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	int fd = openat(above, name, FLAGS);

	if (fd < 0 && errno == EACCES && !fchmodat(above, name, 0700, AT_SYMLINK_NOFOLLOW))
		fd = openat(above, name, FLAGS);
	return fd;
}

/* The descriptor of a directory of the old record, borrowed until the next call; a negative errno:
 * it is not there any more, or not ours. */
static int open_old(struct ff_rsync_receive *r, uint32_t dir)
{
	struct ff_receive_prune *prune = &r->prune;
	uint32_t chain[FF_TREE_PATH_MAX / 2];
	size_t missing = 0;
	int fd, below;

	if (dir && prune->open.dir == dir)
		return prune->open.fd;
	close_old(prune);
	while (prune->fate[dir] != FATE_TWIN) {
		chain[missing++] = dir;
		dir = prune->old.entries[dir].parent;
	}
	fd = ff_place_dir(&r->place, prune->twin[dir], NULL);
	if (fd < 0)
		return -EIO;
	for (bool own = false; missing; own = true) {
		dir = chain[--missing];
		below = open_below(fd, ff_tree_name(&prune->old.entries[dir]));
		if (own)
			close(fd);
		if (below < 0)
			return -errno;
		fd = below;
		prune->open.dir = dir;
		prune->open.fd = fd;
	}
	return fd;
}

static bool kind_is(const struct stat *st, uint8_t kind)
{
	return kind == FF_TREE_DIR    ? S_ISDIR(st->st_mode)
	       : kind == FF_TREE_LINK ? S_ISLNK(st->st_mode)
				      : S_ISREG(st->st_mode);
}

/* An empty directory, or one in which only a killed sync's temporary files are. */
static int remove_dir(struct ff_rsync_receive *r, int dir_fd, const char *name)
{
	bool left, went;
	int fd;

	if (!unlinkat(dir_fd, name, AT_REMOVEDIR))
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return errno;
	fd = open_below(dir_fd, name);
	if (fd < 0)
		return ENOTEMPTY;
	went = ff_receive_sweep_fd(r, fd, &left);
	close(fd);
	return went && !unlinkat(dir_fd, name, AT_REMOVEDIR) ? 0 : ENOTEMPTY;
}

static int remove_old(struct ff_rsync_receive *r, int dir_fd, const struct ff_tree_entry *entry)
{
	const char *name = ff_tree_name(entry);

	if (entry->kind == FF_TREE_DIR)
		return remove_dir(r, dir_fd, name);
	return unlinkat(dir_fd, name, 0) ? errno : 0;
}

/* One candidate; those below it had their turn. */
static int delete_one(struct ff_rsync_receive *r, uint32_t index, struct ff_err *err)
{
	struct ff_receive_prune *prune = &r->prune;
	const struct ff_tree_entry *entry = &prune->old.entries[index];
	int dir_fd = open_old(r, entry->parent), failed;
	uint32_t twin = prune->twin[entry->parent];
	struct stat st;

	if (dir_fd < 0 || fstatat(dir_fd, ff_tree_name(entry), &st, AT_SYMLINK_NOFOLLOW) ||
	    !kind_is(&st, entry->kind)) {
		if (dir_fd >= 0 || dir_fd == -ENOENT || dir_fd == -ENOTDIR || dir_fd == -ELOOP)
			prune->fate[index] = FATE_DEAD;
		return 0;
	}
	if (prune->fate[entry->parent] == FATE_TWIN) {
		dir_fd = ff_receive_dirty_dir(r, twin, err);
		if (dir_fd < 0)
			return dir_fd;
	}
	failed = remove_old(r, dir_fd, entry);
	if (failed == EACCES && prune->fate[entry->parent] != FATE_TWIN && !fchmod(dir_fd, 0700))
		failed = remove_old(r, dir_fd, entry);
	/* The host's own is in it: it stays, and is gone when that is. */
	if (failed == ENOTEMPTY || failed == EEXIST)
		return 0;
	if (failed && failed != ENOENT)
		return ff_receive_note(r, entry->path, strerror(failed));
	prune->fate[index] = FATE_DEAD;
	r->deleted += !failed;
	return 0;
}

int ff_receive_prune_end(struct ff_rsync_receive *r, struct ff_err *err)
{
	struct ff_receive_prune *prune = &r->prune;
	int rc = 0;

	for (size_t k = r->remove ? prune->candidates : 0; !rc && k--;)
		if (!get_bit(prune->keep, k))
			rc = delete_one(r, prune->candidate[k], err);
	close_old(prune);
	return rc ? rc : write_record(r);
}

void ff_receive_prune_release(struct ff_receive_prune *prune)
{
	close_old(prune);
	ff_buf_release(&prune->record);
	ff_buf_release(&prune->list);
	ff_tree_release(&prune->old);
	ff_free(prune->fate);
	ff_free(prune->twin);
	ff_free(prune->candidate);
	ff_free(prune->keep);
	*prune = (struct ff_receive_prune){0};
}
