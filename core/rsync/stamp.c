/* Digests of what a command depends on, and the files that remember them. Knows no commands. */
#include "rsync/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "rsync/find.h"
#include "rsync/hash.h"
#include "rsync/protocol.h"

#define FOLDER ".farflung/stamps"

/* --- what is asked --- */

static int read_list(const struct ff_value *kwargs, const char *key, struct ff_strv *texts,
		     struct ff_err *err)
{
	const struct ff_value *list = ff_dict_get(kwargs, key);

	for (size_t i = 0; list && list->kind == FF_LIST && i < list->len; i++) {
		const struct ff_value *text = ff_at(list, i);

		if (text->kind != FF_STR || strlen(text->text) != text->len)
			return ff_err_set(err, FF_EINVAL, "stamp: a path is no text");
		if (ff_strv_add(texts, text->text))
			return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	}
	return 0;
}

/* The stamp's path, malloc'd; NULL and err. Its folder is made. */
static char *path_of(const struct ff_value *kwargs, const char **root, struct ff_err *err)
{
	const char *name = ff_dict_str(kwargs, "name", ""), *top = ff_dict_str(kwargs, "root", "");
	char *path;

	if (*top != '/' || !*name || strchr(name, '/') || *name == '.' || strlen(name) > 200) {
		ff_err_set(err, FF_EINVAL, "stamp: a bad root or name");
		return NULL;
	}
	*root = top;
	for (int depth = 0; depth < 2; depth++) {
		path = ff_xasprintf("%s/%s", top, depth ? FOLDER : ".farflung");
		if (mkdir(path, 0777) && errno != EEXIST) {
			ff_err_sys(err, errno, "%s", path);
			ff_free(path);
			return NULL;
		}
		ff_free(path);
	}
	return ff_xasprintf("%s/" FOLDER "/%s", top, name);
}

/* --- digests --- */

static int add_file(XXH3_state_t *hash, const char *root, const char *path, uint8_t *part,
		    struct ff_err *err)
{
	char *whole = ff_xasprintf("%s/%s", root, path);
	int fd = open(whole, O_RDONLY | O_NONBLOCK | O_CLOEXEC), rc = 0;
	uint64_t size = 0;
	ssize_t got = 1;

	XXH3_128bits_update(hash, path, strlen(path) + 1);
	while (fd >= 0 && got != 0) {
		got = read(fd, part, FF_RSYNC_PART_MAX);
		if (got < 0 && errno != EINTR)
			break;
		if (got > 0)
			XXH3_128bits_update(hash, part, (size_t)got);
		size += got > 0 ? (uint64_t)got : 0;
	}
	if (fd < 0 || got < 0)
		rc = ff_err_sys(err, errno, "%s", whole);
	if (fd >= 0)
		close(fd);
	XXH3_128bits_update(hash, &size, sizeof(size));
	ff_free(whole);
	return rc;
}

static int digest_of(const struct ff_find *find, const char *root, const char *salt,
		     char digest[FF_STAMP_DIGEST], struct ff_err *err)
{
	XXH3_state_t *hash = XXH3_createState();
	uint8_t *part = ff_malloc(FF_RSYNC_PART_MAX);
	XXH128_canonical_t canonical;
	int rc = 0;

	if (!hash || !part)
		rc = ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	if (!rc) {
		XXH3_128bits_reset(hash);
		XXH3_128bits_update(hash, salt, strlen(salt) + 1);
	}
	for (size_t i = 0; !rc && i < find->paths.len; i++)
		rc = add_file(hash, root, find->paths.v[i], part, err);
	if (!rc) {
		XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash));
		ff_hash_text(canonical.digest, digest);
	}
	XXH3_freeState(hash);
	ff_free(part);
	return rc;
}

/* --- the file --- */

/* Appends what it holds. False: it is not there; too much of it is cut off, as FF_ETOOBIG sees. */
static bool read_file(const char *path, struct ff_buf *text)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int errnum;

	if (fd < 0)
		return false;
	errnum = ff_read_all(fd, FF_STAMP_KEPT_MAX + FF_STAMP_DIGEST, text);
	close(fd);
	return errnum == 0;
}

/* Whether the stamp says this digest; what is kept behind it. */
static bool is_fresh(const char *path, const char *digest, struct ff_buf *kept)
{
	struct ff_buf text = FF_BUF_INIT;
	size_t len = FF_STAMP_DIGEST;
	bool fresh = read_file(path, &text) && text.len >= len &&
		     !memcmp(ff_buf_data(&text), digest, len - 1) &&
		     ff_buf_data(&text)[len - 1] == '\n';

	if (fresh)
		fresh = !ff_buf_add(kept, ff_buf_data(&text) + len, text.len - len);
	ff_buf_release(&text);
	return fresh;
}

static int outputs_are_there(const struct ff_value *kwargs, const char *root, bool *there,
			     struct ff_err *err)
{
	struct ff_strv outputs = FF_STRV_INIT;
	struct ff_find find;
	int rc = read_list(kwargs, "outputs", &outputs, err);

	*there = true;
	if (!rc && outputs.len) {
		rc = ff_find(&find, root, outputs.v, err);
		*there = !rc && find.missing.len == 0;
		if (!rc)
			ff_find_release(&find);
	}
	ff_strv_release(&outputs);
	return rc;
}

static int look_at_inputs(struct ff_stamp *stamp, const struct ff_value *kwargs, const char *root,
			  bool *any, struct ff_err *err)
{
	struct ff_strv inputs = FF_STRV_INIT;
	struct ff_find find = {0};
	int rc = read_list(kwargs, "inputs", &inputs, err);

	*any = inputs.len > 0;
	if (!rc && *any)
		rc = ff_find(&find, root, inputs.v, err);
	ff_strv_release(&inputs);
	if (!rc && find.missing.len)
		rc = ff_err_set(err, FF_ENOTFOUND, "nothing matches '%s' of 'inputs'",
				find.missing.v[0]);
	if (!rc)
		rc = digest_of(&find, root, ff_dict_str(kwargs, "salt", ""), stamp->digest, err);
	ff_find_release(&find);
	return rc;
}

static void remove_beside(const char *path)
{
	char *env = ff_xasprintf("%s.env", path);

	unlink(env);
	ff_free(env);
}

int ff_stamp_check(struct ff_stamp *stamp, const struct ff_value *kwargs, struct ff_err *err)
{
	const char *root;
	char *path;
	bool any, there;
	int rc;

	*stamp = (struct ff_stamp){0};
	path = path_of(kwargs, &root, err);
	if (!path)
		return FF_EINVAL;
	remove_beside(path);
	rc = look_at_inputs(stamp, kwargs, root, &any, err);
	if (!rc)
		rc = outputs_are_there(kwargs, root, &there, err);
	if (!rc && any && there && !ff_dict_bool(kwargs, "force", false))
		stamp->fresh = is_fresh(path, stamp->digest, &stamp->kept);
	/* What is done now may fail half-way: then nothing is as it was. */
	if (!rc && !stamp->fresh && unlink(path) && errno != ENOENT)
		rc = ff_err_sys(err, errno, "%s", path);
	ff_free(path);
	if (rc)
		ff_stamp_release(stamp);
	return rc;
}

static int write_file(const char *path, const char *digest, const struct ff_buf *kept,
		      struct ff_err *err)
{
	char *fresh = ff_xasprintf("%s.new", path);
	FILE *file = fopen(fresh, "we");
	bool good = file && fprintf(file, "%s\n", digest) > 0 &&
		    (kept->len == 0 || fwrite(ff_buf_data(kept), 1, kept->len, file) == kept->len);
	int rc = 0;

	if ((file && fclose(file)) || !good || rename(fresh, path))
		rc = ff_err_sys(err, errno, "%s", path);
	ff_free(fresh);
	return rc;
}

int ff_stamp_write(struct ff_stamp *stamp, const struct ff_value *kwargs, struct ff_err *err)
{
	const char *digest = ff_dict_str(kwargs, "write", ""), *root;
	char *path, *env;
	int rc = 0;

	*stamp = (struct ff_stamp){0};
	path = path_of(kwargs, &root, err);
	if (!path)
		return FF_EINVAL;
	env = ff_xasprintf("%s.env", path);
	read_file(env, &stamp->kept);
	if (stamp->kept.len > FF_STAMP_KEPT_MAX)
		rc = ff_err_set(err, FF_ETOOBIG, "%s: more than %d bytes", env, FF_STAMP_KEPT_MAX);
	else if (*digest)
		rc = write_file(path, digest, &stamp->kept, err);
	unlink(env);
	ff_free(env);
	ff_free(path);
	if (rc)
		ff_stamp_release(stamp);
	return rc;
}

void ff_stamp_release(struct ff_stamp *stamp)
{
	ff_buf_release(&stamp->kept);
	*stamp = (struct ff_stamp){0};
}
