/* A manifest's bytes. Reading trusts nothing: what comes out can't lead outside the root. */
#include "rsync/tree.h"

#include <string.h>

#include "rsync/protocol.h"

enum {
	HEADER = 15,
	TEMP_MIN = 16, /* hexadecimal digits in a temporary file's name */
	TEMP_MAX = 40,
	LINK_INSIDE = 'i', /* kinds of entries beyond those of a tree */
	LINK_HARD = 'h',
	DEPTH_MAX = FF_TREE_PATH_MAX / 2 + 1,
};

static const char magic[4] = {'F', 'F', 'T', '1'};

bool ff_rsync_is_temp(const char *name)
{
	size_t digits;

	if (strncmp(name, ".ff-", 4))
		return false;
	digits = strspn(name + 4, "0123456789abcdef");
	return digits >= TEMP_MIN && digits <= TEMP_MAX && !strcmp(name + 4 + digits, ".tmp");
}

bool ff_rsync_is_state(const char *name)
{
	static const char *const ends[] = {".sync-record", ".sync-lock", ".sync-new"};
	size_t len = strlen(name), end;

	if (strncmp(name, ".ff-", 4))
		return false;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		end = strlen(ends[i]);
		if (len >= 4 + end && !strcmp(name + len - end, ends[i]))
			return true;
	}
	return false;
}

/* The end of a path comes first, so that a directory comes before what is in it, then '/', so that
 * nothing comes in between. */
static int rank(char c)
{
	return !c ? 0 : c == '/' ? 1 : 1 + (unsigned char)c;
}

int ff_tree_compare(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return rank(*a) - rank(*b);
}

bool ff_tree_is_inside(const char *path)
{
	if (path[0] == '/')
		return false;
	while (path) {
		if (!strncmp(path, "..", 2) && (!path[2] || path[2] == '/'))
			return false;
		path = strchr(path, '/');
		if (path)
			path++;
	}
	return true;
}

static size_t common(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

static int pack_entry(const struct ff_tree_entry *entry, const char *previous, struct ff_buf *out)
{
	size_t shared = common(previous, entry->path), rest = strlen(entry->path + shared);
	size_t target = entry->kind == FF_TREE_LINK ? strlen(entry->target) : 0;
	uint8_t *at = ff_buf_reserve(out, HEADER + rest + 8 + target);
	size_t used = HEADER + rest;

	if (!at)
		return FF_ENOMEM;
	at[0] = entry->inside ? LINK_INSIDE : entry->same_as ? LINK_HARD : entry->kind;
	ff_put_be(at + 1, entry->mode, 2);
	ff_put_be(at + 3, (uint64_t)entry->mtime_ns, 8);
	ff_put_be(at + 11, shared, 2);
	ff_put_be(at + 13, rest, 2);
	memcpy(at + HEADER, entry->path + shared, rest);
	if (entry->same_as) {
		ff_put_be(at + used, entry->same_as, 4);
		used += 4;
	} else if (entry->kind == FF_TREE_FILE) {
		ff_put_be(at + used, entry->size, 8);
		used += 8;
	} else if (entry->kind == FF_TREE_LINK) {
		ff_put_be(at + used, target, 2);
		memcpy(at + used + 2, entry->target, target);
		used += 2 + target;
	}
	ff_buf_added(out, used);
	return 0;
}

int ff_tree_pack(const struct ff_tree *tree, struct ff_buf *out)
{
	size_t before = out->len;
	const char *previous = "";
	int rc = ff_buf_add(out, magic, sizeof(magic));

	for (size_t i = 0; !rc && i < tree->len; i++) {
		rc = pack_entry(&tree->entries[i], previous, out);
		previous = tree->entries[i].path;
	}
	if (rc)
		out->len = before;
	return rc;
}

struct reader {
	const uint8_t *at, *end;
	struct ff_tree *tree;
	char path[FF_TREE_PATH_MAX]; /* of the entry read last */
	size_t path_len;
	/* the open directories, and the entry seen last in each (0: none) */
	uint32_t dir[DEPTH_MAX], last[DEPTH_MAX];
	size_t depth;
	const char *wrong;
};

static int wrong(struct reader *r, const char *what)
{
	r->wrong = what;
	return FF_EPROTO;
}

static int read_path(struct reader *r, struct ff_tree_entry *entry)
{
	size_t shared = (size_t)ff_get_be(r->at + 11, 2), rest = (size_t)ff_get_be(r->at + 13, 2);

	r->at += HEADER;
	if (shared > r->path_len || shared + rest >= FF_TREE_PATH_MAX)
		return wrong(r, "path too long");
	if (rest > (size_t)(r->end - r->at))
		return wrong(r, "truncated");
	if (memchr(r->at, 0, rest))
		return wrong(r, "NUL in a path");
	memcpy(r->path + shared, r->at, rest);
	r->path_len = shared + rest;
	r->path[r->path_len] = 0;
	r->at += rest;
	entry->path = ff_arena_copy(&r->tree->arena, r->path, r->path_len);
	return entry->path ? 0 : FF_ENOMEM;
}

/* Finds the entry's directory among the open ones and checks its name and place there. */
static int check_place(struct reader *r, struct ff_tree_entry *entry)
{
	const char *slash = strrchr(entry->path, '/');
	size_t parent_len = slash ? (size_t)(slash - entry->path) : 0;
	const char *name = slash ? slash + 1 : entry->path;
	const struct ff_tree_entry *all = r->tree->entries;

	if (entry->path[0] == '/')
		return wrong(r, "absolute path");
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return wrong(r, "bad path component");
	if (ff_rsync_is_temp(name) || ff_rsync_is_state(name))
		return wrong(r, "name of a temporary file");
	for (; r->depth; r->depth--) {
		const char *dir = all[r->dir[r->depth - 1]].path;

		if (!strncmp(dir, entry->path, parent_len) && !dir[parent_len])
			break;
	}
	if (!r->depth)
		return wrong(r, "not inside a directory of the manifest");
	entry->parent = r->dir[r->depth - 1];
	entry->name_at = (uint16_t)(name - entry->path);
	if (r->last[r->depth - 1] && strcmp(ff_tree_name(&all[r->last[r->depth - 1]]), name) >= 0)
		return wrong(r, "duplicate or out of order");
	r->last[r->depth - 1] = (uint32_t)r->tree->len;
	return 0;
}

/* Another name of a file that came before. */
static int read_same(struct reader *r, struct ff_tree_entry *entry)
{
	const struct ff_tree_entry *first;

	if (r->end - r->at < 4)
		return wrong(r, "truncated");
	entry->same_as = (uint32_t)ff_get_be(r->at, 4);
	r->at += 4;
	first = entry->same_as < r->tree->len ? &r->tree->entries[entry->same_as] : NULL;
	if (!first || first->kind != FF_TREE_FILE || first->same_as)
		return wrong(r, "hard link to what is no file before it");
	entry->size = first->size;
	return 0;
}

static int read_rest(struct reader *r, struct ff_tree_entry *entry, bool hard)
{
	size_t left = (size_t)(r->end - r->at), len;

	if (hard)
		return read_same(r, entry);
	if (entry->kind == FF_TREE_FILE) {
		if (left < 8)
			return wrong(r, "truncated");
		entry->size = ff_get_be(r->at, 8);
		r->at += 8;
	} else if (entry->kind == FF_TREE_LINK) {
		len = left < 2 ? 0 : (size_t)ff_get_be(r->at, 2);
		if (left < 2 || left - 2 < len)
			return wrong(r, "truncated");
		if (len >= FF_TREE_PATH_MAX || memchr(r->at + 2, 0, len))
			return wrong(r, "bad link target");
		entry->target = ff_arena_copy(&r->tree->arena, r->at + 2, len);
		if (!entry->target)
			return FF_ENOMEM;
		if (entry->inside ? !ff_tree_is_inside(entry->target) : !len)
			return wrong(r, "bad link target");
		r->at += 2 + len;
	}
	return 0;
}

static int read_entry(struct reader *r)
{
	struct ff_tree_entry entry = {0};
	bool hard;
	int rc;

	if (r->end - r->at < HEADER)
		return wrong(r, "truncated");
	entry.inside = r->at[0] == LINK_INSIDE;
	hard = r->at[0] == LINK_HARD;
	entry.kind = entry.inside ? FF_TREE_LINK : hard ? FF_TREE_FILE : r->at[0];
	if (entry.kind != FF_TREE_DIR && entry.kind != FF_TREE_FILE && entry.kind != FF_TREE_LINK)
		return wrong(r, "unknown kind of entry");
	entry.mode = (uint32_t)ff_get_be(r->at + 1, 2);
	if (entry.mode > 07777)
		return wrong(r, "bad mode");
	entry.mtime_ns = (int64_t)ff_get_be(r->at + 3, 8);
	rc = read_path(r, &entry);
	if (rc)
		return rc;
	if (r->tree->len) {
		rc = check_place(r, &entry);
		if (rc)
			return rc;
	} else if (*entry.path || entry.kind != FF_TREE_DIR) {
		return wrong(r, "does not begin with the root");
	}
	rc = read_rest(r, &entry, hard);
	if (!rc)
		rc = ff_tree_add(r->tree, &entry);
	if (!rc && entry.kind == FF_TREE_DIR) {
		r->dir[r->depth] = (uint32_t)(r->tree->len - 1);
		r->last[r->depth++] = 0;
	}
	return rc;
}

int ff_tree_unpack(struct ff_tree *tree, const void *bytes, size_t len, struct ff_err *err)
{
	struct ff_tree fresh = {.arena = FF_ARENA_INIT};
	struct reader r = {.at = bytes, .tree = &fresh};
	int rc = 0;

	if (len < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)))
		return ff_err_set(err, FF_EPROTO, "manifest: not a manifest");
	r.end = r.at + len;
	r.at += sizeof(magic);
	do
		rc = read_entry(&r);
	while (!rc && r.at < r.end);
	if (!rc) {
		*tree = fresh;
		return 0;
	}
	if (r.wrong)
		ff_err_set(err, rc, "manifest, entry %zu (%s): %s", fresh.len, r.path, r.wrong);
	else
		ff_err_set(err, rc, "manifest: %s", ff_err_text(rc));
	ff_tree_release(&fresh);
	return rc;
}
