/* The receiver of execnet's tree sync, in its own sequence of messages: the tree comes first, each
 * folder followed by its entries; then the contents that were asked for, in the order of asking;
 * then the links; each step is told. Names can't lead out of the destination. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/strv.h"
#include "worker/configure.h"
#include "worker/foreign.h"
#include "worker/worker.h"

enum { LAST_LINK = 42, MODE_BITS = 07777, OWNER = 0700, TREE_FDS = 16, DEPTH_MAX = 512 };

enum step { WANTS_START, WANTS_TREE, WANTS_CONTENT, WANTS_LINK, OVER };

struct folder {
	struct ff_strv names;
	size_t next;  /* of the names */
	size_t bytes; /* of its path, relative to the destination */
};

struct wanted {
	char *path; /* relative */
	int64_t mode;
	double mtime;
};

struct mirror {
	struct ff_exec exec;
	char *root;
	bool prune;
	uint8_t step; /* enum step */
	struct folder folders[DEPTH_MAX];
	size_t depth;
	struct ff_buf path; /* relative, of what the next message is about */
	struct wanted *wanted;
	size_t num_wanted, max_wanted, done;
	struct ff_buf whole; /* scratch: a full path */
};

static void mirror_free(struct mirror *mirror)
{
	size_t i;

	for (i = 0; i < mirror->depth; i++)
		ff_strv_release(&mirror->folders[i].names);
	for (i = 0; i < mirror->num_wanted; i++)
		ff_free(mirror->wanted[i].path);
	ff_free(mirror->wanted);
	ff_free(mirror->root);
	ff_buf_release(&mirror->path);
	ff_buf_release(&mirror->whole);
	ff_free(mirror);
}

static int no_memory(struct ff_err *err)
{
	return ff_err_set(err, FF_ENOMEM, "out of memory");
}

/* Root and a relative path; valid until the next call. NULL: no memory. */
static const char *full(struct mirror *mirror, const char *relative)
{
	ff_buf_clear(&mirror->whole);
	if (ff_buf_addf(&mirror->whole, "%s%s%s", mirror->root, *relative ? "/" : "", relative))
		return NULL;
	return ff_buf_str(&mirror->whole);
}

static const char *here(struct mirror *mirror)
{
	const char *relative = ff_buf_str(&mirror->path);

	return relative ? full(mirror, relative) : NULL;
}

static int tell(struct mirror *mirror, const char *word, struct ff_value what, struct ff_err *err)
{
	struct ff_value pair[2] = {ff_str(word), what};
	struct ff_value tuple = ff_collection(FF_TUPLE, pair, 2);

	return ff_channel_send(mirror->exec.channel, &tuple, err);
}

/* A name of one entry: text, not empty, no way up or down. */
static bool is_name(const struct ff_value *value)
{
	const char *text = ff_as_str(value, NULL);

	return text && value->len > 0 && !memchr(text, '/', value->len) &&
	       !memchr(text, '\0', value->len) && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* A relative path of such names. */
static bool is_inside(const struct ff_value *value)
{
	const char *text = ff_as_str(value, NULL), *at;
	size_t len;

	if (!text || !value->len || *text == '/' || memchr(text, '\0', value->len))
		return false;
	for (at = text; *at; at += len + (at[len] == '/')) {
		len = strcspn(at, "/");
		if (len == 2 && !memcmp(at, "..", 2))
			return false;
	}
	return true;
}

/* --- removing --- */

static int on_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	return remove(path);
}

static int discard(const char *path, struct ff_err *err)
{
	if (!nftw(path, on_entry, TREE_FDS, FTW_DEPTH | FTW_PHYS) || errno == ENOENT)
		return 0;
	return ff_err_sys(err, errno, "cannot remove '%s'", path);
}

static bool is_listed(const struct folder *folder, const char *name)
{
	size_t i;

	for (i = 0; i < folder->names.len; i++) {
		if (!strcmp(folder->names.v[i], name))
			return true;
	}
	return false;
}

/* What the source does not have. */
static int prune(struct mirror *mirror, const struct folder *folder, struct ff_err *err)
{
	const char *path = here(mirror);
	struct dirent *entry;
	DIR *dir = path ? opendir(path) : NULL;
	char *other;
	int rc = 0;

	if (!dir)
		return ff_err_sys(err, errno, "cannot read '%s'", path ? path : "");
	while (!rc && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    is_listed(folder, entry->d_name))
			continue;
		other = ff_asprintf("%s/%s", path, entry->d_name);
		rc = other ? discard(other, err) : no_memory(err);
		ff_free(other);
	}
	closedir(dir);
	return rc;
}

/* --- the tree --- */

/* To the next name of the tree, out of folders that are through. */
static int advance(struct mirror *mirror, struct ff_err *err)
{
	struct folder *folder;
	int rc;

	while (mirror->depth) {
		folder = &mirror->folders[mirror->depth - 1];
		mirror->path.len = folder->bytes;
		if (folder->next < folder->names.len) {
			rc = ff_buf_addf(&mirror->path, "%s%s", folder->bytes ? "/" : "",
					 folder->names.v[folder->next++]);
			return rc ? no_memory(err) : 0;
		}
		rc = mirror->prune ? prune(mirror, folder, err) : 0;
		ff_strv_release(&folder->names);
		mirror->depth--;
		if (rc)
			return rc;
	}
	mirror->step = mirror->num_wanted ? WANTS_CONTENT : WANTS_LINK;
	rc = tell(mirror, "list_done", ff_none(), err);
	if (!rc && mirror->step == WANTS_LINK)
		rc = tell(mirror, "links", ff_none(), err);
	return rc;
}

static int enter(struct mirror *mirror, const struct ff_value *list, struct ff_err *err)
{
	int64_t mode = ff_as_int(ff_at(list, 0), 0);
	const char *path = here(mirror);
	struct folder *folder;
	struct stat info;
	size_t i;
	int rc = 0;

	if (!path)
		return no_memory(err);
	if (mirror->depth == DEPTH_MAX)
		return ff_err_set(err, FF_EINVAL, "'%s': the tree is too deep", path);
	if (!lstat(path, &info) && !S_ISDIR(info.st_mode) && unlink(path))
		return ff_err_sys(err, errno, "cannot remove '%s'", path);
	rc = ff_configure_make_folders(path, err);
	if (!rc && mode && chmod(path, (mode_t)(mode & MODE_BITS) | OWNER))
		rc = ff_err_sys(err, errno, "cannot change '%s'", path);
	if (rc)
		return rc;
	folder = &mirror->folders[mirror->depth++];
	*folder = (struct folder){.names = FF_STRV_INIT, .bytes = mirror->path.len};
	for (i = 1; i < list->len; i++) {
		if (!is_name(ff_at(list, i)))
			return ff_err_set(err, FF_EINVAL, "'%s': no name of an entry", path);
		if (ff_strv_add(&folder->names, ff_as_str(ff_at(list, i), "")))
			return no_memory(err);
	}
	return 0;
}

/* Asks for the content at `path`: as its components, as the sender wants them. No checksum: it then
 * comes in any case. */
static int ask(struct mirror *mirror, struct ff_err *err)
{
	struct ff_strv parts = FF_STRV_INIT;
	struct ff_value *values, pair[2];
	const char *at = ff_buf_str(&mirror->path);
	size_t i, len;
	int rc = at ? 0 : FF_ENOMEM;

	for (; !rc && *at; at += len + (at[len] == '/')) {
		len = strcspn(at, "/");
		rc = ff_strv_addf(&parts, "%.*s", (int)len, at);
	}
	values = rc ? NULL : ff_calloc(parts.len + 1, sizeof(*values));
	if (!values) {
		ff_strv_release(&parts);
		return no_memory(err);
	}
	for (i = 0; i < parts.len; i++)
		values[i] = ff_str(parts.v[i]);
	pair[0] = ff_collection(FF_LIST, values, parts.len);
	pair[1] = ff_none();
	rc = tell(mirror, "send", ff_collection(FF_TUPLE, pair, 2), err);
	ff_free(values);
	ff_strv_release(&parts);
	return rc;
}

static int want(struct mirror *mirror, int64_t mode, double mtime, struct ff_err *err)
{
	const char *relative = ff_buf_str(&mirror->path);
	struct wanted *grown;
	size_t max;

	if (mirror->num_wanted == mirror->max_wanted) {
		max = mirror->max_wanted ? 2 * mirror->max_wanted : 64;
		grown = ff_realloc(mirror->wanted, max * sizeof(*grown));
		if (!grown)
			return no_memory(err);
		mirror->wanted = grown;
		mirror->max_wanted = max;
	}
	mirror->wanted[mirror->num_wanted] = (struct wanted){
		.path = relative ? ff_strdup(relative) : NULL,
		.mode = mode,
		.mtime = mtime,
	};
	if (!mirror->wanted[mirror->num_wanted++].path)
		return no_memory(err);
	return ask(mirror, err);
}

/* (mode, mtime, size) */
static int take_file(struct mirror *mirror, const struct ff_value *tuple, struct ff_err *err)
{
	int64_t mode = ff_as_int(ff_at(tuple, 0), 0), size = ff_as_int(ff_at(tuple, 2), -1);
	double mtime = ff_as_float(ff_at(tuple, 1), 0);
	const char *path = here(mirror);
	struct stat info;
	double there;

	if (!path)
		return no_memory(err);
	if (lstat(path, &info))
		return want(mirror, mode, mtime, err);
	if (!S_ISREG(info.st_mode))
		return discard(path, err) ? err->code : want(mirror, mode, mtime, err);
	there = (double)info.st_mtim.tv_sec + (double)info.st_mtim.tv_nsec * 1e-9;
	if (info.st_size != size || there - mtime > 1e-6 || mtime - there > 1e-6)
		return want(mirror, mode, mtime, err);
	if (mode && (mode & MODE_BITS) != (info.st_mode & MODE_BITS))
		chmod(path, (mode_t)(mode & MODE_BITS));
	return 0;
}

static int take_tree(struct mirror *mirror, const struct ff_value *value, struct ff_err *err)
{
	int rc = 0;

	if (value->kind == FF_LIST)
		rc = enter(mirror, value, err);
	else if (value->kind == FF_TUPLE)
		rc = take_file(mirror, value, err);
	else if (value->kind != FF_NONE) /* None: a link, which comes later */
		rc = ff_err_set(err, FF_EINVAL, "no entry of a tree");
	return rc ? rc : advance(mirror, err);
}

/* --- contents --- */

/* A new file takes the old one's place: nothing is written through a link. */
static int put(const char *path, const struct ff_value *data, struct ff_err *err)
{
	int fd;

	if (unlink(path) && errno != ENOENT)
		return ff_err_sys(err, errno, "cannot write '%s'", path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return ff_err_sys(err, errno, "cannot write '%s'", path);
	if (ff_write_all(fd, data->text, data->len)) {
		ff_err_sys(err, errno, "cannot write '%s'", path);
		close(fd);
		return err->code;
	}
	close(fd);
	return 0;
}

static int take_content(struct mirror *mirror, const struct ff_value *value, struct ff_err *err)
{
	struct wanted *wanted = &mirror->wanted[mirror->done++];
	struct timespec times[2];
	const char *path;
	int rc;

	rc = tell(mirror, "ack", ff_str(wanted->path), err);
	path = full(mirror, wanted->path);
	if (!rc && !path)
		rc = no_memory(err);
	if (!rc && (value->kind == FF_BYTES || value->kind == FF_STR))
		rc = put(path, value, err);
	if (rc)
		return rc;
	if (wanted->mode)
		chmod(path, (mode_t)(wanted->mode & MODE_BITS));
	times[0].tv_sec = (time_t)wanted->mtime;
	times[0].tv_nsec = (long)((wanted->mtime - (double)times[0].tv_sec) * 1e9);
	times[1] = times[0];
	utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
	if (mirror->done < mirror->num_wanted)
		return 0;
	mirror->step = WANTS_LINK;
	return tell(mirror, "links", ff_none(), err);
}

/* --- links --- */

static int take_link(struct mirror *mirror, const struct ff_value *value, struct ff_err *err)
{
	const struct ff_value *name = ff_at(value, 1);
	const char *to = ff_as_str(ff_at(value, 2), NULL), *path;
	bool based = ff_is_str(ff_at(value, 0), "linkbase");
	char *target;
	int rc;

	if (value->kind == FF_INT && value->integer == LAST_LINK) {
		mirror->step = OVER;
		return tell(mirror, "done", ff_none(), err);
	}
	if (!name || !to || !is_inside(name))
		return ff_err_set(err, FF_EINVAL, "no link of a tree");
	path = full(mirror, ff_as_str(name, ""));
	target = based ? ff_asprintf("%s/%s", mirror->root, to) : ff_strdup(to);
	rc = path && target ? discard(path, err) : no_memory(err);
	if (!rc && symlink(target, path))
		rc = ff_err_sys(err, errno, "cannot link '%s'", path);
	ff_free(target);
	return rc;
}

/* --- the start, and the end --- */

/* (destination, options) */
static int take_start(struct mirror *mirror, const struct ff_value *value, struct ff_err *err)
{
	const struct ff_value *root = ff_at(value, 0);
	const char *text = ff_as_str(root, NULL);

	if (!text || !root->len || memchr(text, '\0', root->len))
		return ff_err_set(err, FF_EINVAL, "a destination and options were expected");
	mirror->root = ff_strdup(text);
	mirror->prune = ff_dict_bool(ff_at(value, 1), "delete", false);
	mirror->step = WANTS_TREE;
	return mirror->root ? 0 : no_memory(err);
}

static int take(struct mirror *mirror, const struct ff_value *value, struct ff_err *err)
{
	switch ((enum step)mirror->step) {
	case WANTS_START:
		return take_start(mirror, value, err);
	case WANTS_TREE:
		return take_tree(mirror, value, err);
	case WANTS_CONTENT:
		return take_content(mirror, value, err);
	case WANTS_LINK:
		return take_link(mirror, value, err);
	case OVER:
		break;
	}
	return 0;
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct mirror *mirror = ctx;
	struct ff_err err;
	int rc;

	if (!item) {
		ff_exec_finish(&mirror->exec, NULL);
		mirror_free(mirror);
		return;
	}
	rc = take(mirror, &item->value, &err);
	if (rc || mirror->step == OVER)
		ff_channel_close(channel, rc ? err.text : NULL); /* the end marker follows */
}

int ff_foreign_mirror(struct ff_worker *worker, struct ff_channel *channel,
		      const struct ff_request *request, struct ff_err *err)
{
	struct mirror *mirror = ff_calloc(1, sizeof(*mirror));

	if (!mirror)
		return no_memory(err);
	ff_exec_begin(&mirror->exec, worker, channel, NULL);
	ff_channel_set_callback(channel, on_item, mirror);
	return FF_EXEC_RUNNING;
}
