/* The host's half of a put: compares digests, asks, and has what comes written as a fetch does. */
#include "rsync/put.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "rsync/fetch.h"
#include "rsync/find.h"
#include "rsync/hash.h"

struct promised {
	char *path;
	uint8_t digest[FF_RSYNC_DIGEST];
};

struct ff_put {
	struct ff_fetch *writer;
	struct promised *wanted; /* in the order in which they come */
	size_t len, next;
};

static bool is_there(struct ff_fetch *writer, const char *path, const struct ff_value *file)
{
	const struct ff_value *told = ff_at(file, 3);
	uint8_t digest[FF_RSYNC_DIGEST];
	struct stat st;
	int fd = ff_fetch_open(writer, path);
	bool there = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		     (int64_t)st.st_size == ff_as_int(ff_at(file, 1), -1) &&
		     !!(st.st_mode & S_IXUSR) == ff_at(file, 2)->boolean &&
		     ff_hash_xxh3(fd, false, digest) == 0 &&
		     memcmp(digest, told->text, FF_RSYNC_DIGEST) == 0;

	if (fd >= 0)
		close(fd);
	return there;
}

static int want(struct ff_put *put, const struct ff_value *file, struct ff_err *err)
{
	const struct ff_value *path = ff_at(file, 0), *digest = ff_at(file, 3);
	char *text;

	if (file->len != 4 || path->kind != FF_BYTES || strlen(path->text) != path->len ||
	    digest->kind != FF_BYTES || digest->len != FF_RSYNC_DIGEST ||
	    ff_at(file, 2)->kind != FF_BOOL)
		return ff_err_set(err, FF_EINVAL, "put: a file is none");
	if (ff_find_check(path->text))
		return ff_err_set(err, FF_EINVAL, "put: '%s' leads out of the folder", path->text);
	text = ff_xstrdup(path->text);
	if (is_there(put->writer, text, file)) {
		ff_free(text);
		return 0;
	}
	put->wanted[put->len].path = text;
	memcpy(put->wanted[put->len++].digest, digest->text, FF_RSYNC_DIGEST);
	return 1;
}

/* ("want", [number, …]) */
static int ask(struct ff_put *put, struct ff_channel *channel, const struct ff_value *files,
	       struct ff_err *err)
{
	struct ff_buf item = FF_BUF_INIT;
	struct ff_pack p;
	int rc = 0;

	ff_pack_init(&p, &item);
	ff_pack_open(&p, FF_TUPLE);
	ff_pack_str(&p, "want");
	ff_pack_open(&p, FF_LIST);
	for (size_t i = 0; i < files->len && rc >= 0; i++) {
		rc = want(put, ff_at(files, i), err);
		if (rc > 0)
			ff_pack_int(&p, (int64_t)i);
	}
	ff_pack_close(&p);
	ff_pack_close(&p);
	if (rc >= 0 && (rc = ff_pack_done(&p)) == 0)
		rc = ff_channel_send_packed(channel, &item, err);
	ff_buf_release(&item);
	return rc;
}

static int remove_all(struct ff_put *put, const struct ff_value *paths, struct ff_err *err)
{
	for (size_t i = 0; i < paths->len; i++) {
		const struct ff_value *path = ff_at(paths, i);
		char *text;
		int rc = 0;

		if (path->kind != FF_BYTES || strlen(path->text) != path->len)
			return ff_err_set(err, FF_EINVAL, "put: a path is none");
		text = ff_xstrdup(path->text);
		if (ff_fetch_remove(put->writer, text) && errno != ENOENT)
			rc = ff_err_sys(err, errno, "%s", text);
		ff_free(text);
		if (rc)
			return rc;
	}
	return 0;
}

struct ff_put *ff_put_start(struct ff_channel *channel, const struct ff_value *kwargs,
			    bool *all_there, struct ff_err *err)
{
	const char *root = ff_dict_str(kwargs, "root", "");
	const struct ff_value *files = ff_dict_get(kwargs, "files");
	const struct ff_value *remove = ff_dict_get(kwargs, "remove");
	char real[PATH_MAX];
	struct ff_put *put;

	if (remove)
		files = remove;
	if (*root != '/' || !files || files->kind != FF_LIST || files->len > FF_PUT_FILES_MAX) {
		ff_err_set(err, FF_EINVAL, "put: a bad root, or no list of files");
		return NULL;
	}
	put = ff_xcalloc(1, sizeof(*put));
	put->wanted = ff_xcalloc(files->len + 1, sizeof(*put->wanted));
	/* The folder itself may be reached by links; nothing below it is. */
	put->writer = ff_fetch_new(realpath(root, real) ? real : root, NULL);
	if ((remove ? remove_all(put, remove, err) : ask(put, channel, files, err)) < 0) {
		ff_put_free(put);
		return NULL;
	}
	*all_there = put->len == 0;
	return put;
}

/* Whether it is the one that comes next. */
static bool is_next(const struct ff_put *put, const struct ff_value *path)
{
	return put->next < put->len && path->kind == FF_BYTES &&
	       path->len == strlen(put->wanted[put->next].path) &&
	       memcmp(path->text, put->wanted[put->next].path, path->len) == 0;
}

static int check_end(struct ff_put *put, const struct ff_value *told, struct ff_err *err)
{
	const struct promised *now = &put->wanted[put->next];

	if (put->next == put->len)
		return ff_err_set(err, FF_EPROTO, "put: the end of no file");
	put->next++;
	if (told->kind == FF_BYTES && told->len == FF_RSYNC_DIGEST &&
	    memcmp(told->text, now->digest, FF_RSYNC_DIGEST) == 0)
		return 0;
	return ff_err_set(err, FF_EPROTO, "%s has changed while it was sent", now->path);
}

static int check_done(const struct ff_put *put, struct ff_err *err)
{
	const struct ff_fetch_stats *stats = ff_fetch_stats(put->writer);

	if (stats->refused.len)
		return ff_err_set(err, FF_ENOTFOUND, "%s", stats->refused.v[0]);
	if (put->next < put->len)
		return ff_err_set(err, FF_EPROTO, "%s did not come", put->wanted[put->next].path);
	return 1;
}

int ff_put_item(struct ff_put *put, const struct ff_value *item, struct ff_err *err)
{
	const struct ff_value *word = ff_at(item, 0);
	int rc = 0;

	if (ff_is_str(word, "done"))
		return check_done(put, err);
	if (ff_is_str(word, "file") && !is_next(put, ff_at(item, 1)))
		return ff_err_set(err, FF_EPROTO, "put: a file that nobody wants");
	if (ff_is_str(word, "end"))
		rc = check_end(put, ff_at(item, 1), err);
	return rc < 0 ? rc : ff_fetch_item(put->writer, item, err);
}

void ff_put_free(struct ff_put *put)
{
	ff_fetch_free(put->writer);
	for (size_t i = 0; i < put->len; i++)
		ff_free(put->wanted[i].path);
	ff_free(put->wanted);
	ff_free(put);
}
