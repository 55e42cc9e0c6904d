/* The receiver's side of the conversation: items in, items out, what follows what. */
#include "rsync/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/utf8.h"

/* --- the root --- */

static int make_parents(const char *dest, struct ff_err *err)
{
	char path[PATH_MAX];
	size_t len = strlen(dest);
	struct stat st;
	int failed;

	if (!len || len >= sizeof(path))
		return ff_err_set(err, FF_EINVAL, "sync: bad dest '%s'", dest);
	memcpy(path, dest, len + 1);
	for (char *at = path + 1;; at++) {
		char was = *at;

		if (was && was != '/')
			continue;
		*at = 0;
		failed = mkdir(path, 0777) ? errno : 0;
		/* Directories we may not write to say so even when they hold it already. */
		if (failed && stat(path, &st))
			return ff_err_sys(err, failed, "%s", path);
		if (!was)
			return 0;
		*at = was;
	}
}

/* Deleting what is not in the tree must never empty a home directory, or what holds it. */
static int refuse_precious(const char *root, struct ff_err *err)
{
	const char *home = getenv("HOME");
	char real[PATH_MAX];
	size_t len = strlen(root);
	struct stat a, b;

	if (!strcmp(root, "/"))
		return ff_err_set(err, FF_EINVAL, "%s: delete is refused for the root directory",
				  root);
	if (!home || !*home)
		return 0;
	if (realpath(home, real) && !strncmp(real, root, len) && (!real[len] || real[len] == '/'))
		return ff_err_set(err, FF_EINVAL, "%s: delete is refused for %s home directory",
				  root, real[len] ? "what holds the" : "the");
	if (!stat(home, &a) && !stat(root, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return ff_err_set(err, FF_EINVAL, "%s: delete is refused for the home directory",
				  root);
	return 0;
}

static int open_root(struct ff_rsync_receive *r, const char *dest, struct ff_err *err)
{
	char real[PATH_MAX];
	int fd, rc = make_parents(dest, err);

	if (rc)
		return rc;
	if (!realpath(dest, real))
		return ff_err_sys(err, errno, "%s", dest);
	if (r->remove) {
		rc = refuse_precious(real, err);
		if (rc)
			return rc;
	}
	/* "/" would double in messages; nothing else is done with this text. */
	r->root = ff_strdup(real);
	if (!r->root)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ff_err_sys(err, errno, "%s", real);
	ff_place_init(&r->place, &r->tree, r->root, fd);
	ff_receive_share(r);
	return ff_dest_open(&r->files_beside, r->root, fd, err);
}

/* --- life --- */

static void release(struct ff_rsync_receive *r)
{
	ff_receive_drop_temp(r);
	ff_place_release(&r->place);
	ff_buf_release(&r->manifest);
	ff_buf_release(&r->need);
	ff_buf_release(&r->hash);
	ff_buf_release(&r->sparse);
	ff_buf_release(&r->stale);
	ff_receive_prune_release(&r->prune);
	ff_dest_release(&r->files_beside);
	ff_map_release(&r->inodes);
	ff_tree_release(&r->tree);
	ff_strv_release(&r->problems);
	ff_free(r->known);
	ff_free(r->root);
	ff_free(r->single);
	r->known = NULL;
	r->root = r->single = NULL;
}

static void over(struct ff_rsync_receive *r, const char *error)
{
	struct ff_channel *channel = r->channel;

	r->state = FF_RECEIVE_OVER;
	ff_channel_set_drain(channel, NULL, NULL);
	release(r);
	r->finished(channel, error, r->ctx);
	ff_channel_unref(channel);
	r->reported = true;
	if (r->channel_ended)
		ff_free(r);
}

/* --- answers --- */

static int send_packed(struct ff_rsync_receive *r, struct ff_pack *p, struct ff_err *err)
{
	int rc;

	ff_pack_close(p);
	rc = ff_pack_done(p);
	if (rc)
		return ff_err_set(err, rc, "%s", ff_err_text(rc));
	return ff_channel_send_packed(r->channel, p->buf, err);
}

/* `alg` NULL: a need list; `list` NULL: the end of lists. */
static int send_list(struct ff_rsync_receive *r, const char *alg, struct ff_buf *list,
		     size_t record, struct ff_err *err)
{
	struct ff_buf packed = FF_BUF_INIT;
	size_t len = FF_RSYNC_PART_MAX / record * record;
	struct ff_pack p;
	int rc;

	if (list && len > list->len)
		len = list->len;
	ff_pack_init(&p, &packed);
	ff_pack_open(&p, FF_TUPLE);
	ff_pack_str(&p, alg ? "hash" : "need");
	if (alg)
		ff_pack_str(&p, alg);
	if (list)
		ff_pack_bytes(&p, ff_buf_data(list), len);
	else
		ff_pack_none(&p);
	rc = send_packed(r, &p, err);
	ff_buf_release(&packed);
	if (!rc && list)
		ff_buf_consume(list, len);
	return rc;
}

/* ("old", bytes): as many whole names as fit. */
static int send_old(struct ff_rsync_receive *r, struct ff_err *err)
{
	struct ff_buf *list = &r->prune.list, packed = FF_BUF_INIT;
	size_t len = list->len;
	struct ff_pack p;
	int rc;

	if (len > FF_RSYNC_PART_MAX)
		len = (size_t)((uint8_t *)memrchr(ff_buf_data(list), 0, FF_RSYNC_PART_MAX) + 1 -
			       ff_buf_data(list));
	ff_pack_init(&p, &packed);
	ff_pack_open(&p, FF_TUPLE);
	ff_pack_str(&p, "old");
	ff_pack_bytes(&p, ff_buf_data(list), len);
	rc = send_packed(r, &p, err);
	ff_buf_release(&packed);
	ff_buf_consume(list, len);
	return rc;
}

static int send_lists(struct ff_rsync_receive *r, struct ff_err *err)
{
	int rc = 0;

	while (!rc && !r->lists_sent && ff_channel_writable(r->channel)) {
		if (r->need.len) {
			rc = send_list(r, NULL, &r->need, 4, err);
		} else if (r->hash.len) {
			rc = send_list(r, FF_RSYNC_XXH3, &r->hash, FF_RSYNC_HASHED, err);
		} else if (r->sparse.len) {
			rc = send_list(r, FF_RSYNC_XXH3_SPARSE, &r->sparse, FF_RSYNC_HASHED, err);
		} else if (r->prune.list.len) {
			rc = send_old(r, err);
		} else {
			rc = send_list(r, NULL, NULL, 4, err);
			r->lists_sent = true;
		}
	}
	return rc;
}

static void pack_text(struct ff_pack *p, const char *text)
{
	char clean[2 * PATH_MAX];
	size_t len = strnlen(text, sizeof(clean) - 1);

	memcpy(clean, text, len);
	clean[len] = 0;
	if (!ff_is_utf8(clean, len))
		for (size_t i = 0; i < len; i++)
			if ((unsigned char)clean[i] >= 0x80)
				clean[i] = '?';
	ff_pack_strn(p, clean, len);
}

static int send_done(struct ff_rsync_receive *r, struct ff_err *err)
{
	struct ff_buf packed = FF_BUF_INIT;
	char root[PATH_MAX + NAME_MAX];
	struct ff_pack p;
	int rc;

	ff_pack_init(&p, &packed);
	ff_pack_open(&p, FF_TUPLE);
	ff_pack_str(&p, "done");
	ff_pack_open(&p, FF_DICT);
	ff_pack_str(&p, "files");
	ff_pack_int(&p, (int64_t)r->files);
	ff_pack_str(&p, "bytes");
	ff_pack_int(&p, (int64_t)r->bytes);
	ff_pack_str(&p, "deleted");
	ff_pack_int(&p, (int64_t)r->deleted);
	ff_pack_str(&p, "root");
	snprintf(root, sizeof(root), "%s%s%s", r->root, r->single && r->root[1] ? "/" : "",
		 r->single ? r->single : "");
	pack_text(&p, root);
	ff_pack_str(&p, "stale");
	ff_pack_bytes(&p, ff_buf_data(&r->stale), r->stale.len);
	ff_pack_str(&p, "problems");
	ff_pack_open(&p, FF_LIST);
	for (size_t i = 0; i < r->problems.len; i++)
		pack_text(&p, r->problems.v[i]);
	ff_pack_close(&p);
	ff_pack_close(&p);
	rc = send_packed(r, &p, err);
	ff_buf_release(&packed);
	return rc;
}

/* --- what arrives --- */

static int on_manifest(struct ff_rsync_receive *r, const struct ff_value *part, struct ff_err *err)
{
	int rc;

	if (r->state != FF_RECEIVE_MANIFEST)
		return ff_err_set(err, FF_EPROTO, "sync: manifest after its end");
	if (part->kind == FF_BYTES) {
		rc = ff_buf_add(&r->manifest, part->text, part->len);
		return rc ? ff_err_set(err, rc, "manifest: %s", ff_err_text(rc)) : 0;
	}
	if (!r->manifest.len)
		return ff_err_set(err, FF_EPROTO, "manifest: not a manifest");
	rc = ff_tree_unpack(&r->tree, ff_buf_data(&r->manifest), r->manifest.len, err);
	if (rc)
		return rc;
	ff_buf_release(&r->manifest);
	r->known = ff_calloc(r->tree.len, 1);
	if (!r->known)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	r->state = FF_RECEIVE_DATA;
	rc = r->single ? ff_receive_single_begin(r, err) : ff_receive_prune_begin(r);
	if (rc)
		return err->code ? rc : ff_err_set(err, rc, "%s: %s", r->root, ff_err_text(rc));
	rc = ff_receive_compare(r, err);
	return rc ? rc : send_lists(r, err);
}

static int on_end(struct ff_rsync_receive *r, struct ff_err *err)
{
	int rc;

	if (!r->lists_sent || r->unanswered)
		return ff_err_set(err, FF_EPROTO, "sync: ended with %zu files unanswered",
				  r->unanswered);
	rc = ff_receive_finish(r, err);
	return rc ? rc : send_done(r, err);
}

static int on_item(struct ff_rsync_receive *r, const struct ff_value *item, bool *done,
		   struct ff_err *err)
{
	const struct ff_value *name = ff_at(item, 0), *part = ff_at(item, 1);

	if (name && part && item->len == 2 && (part->kind == FF_BYTES || part->kind == FF_NONE)) {
		if (ff_is_str(name, "m"))
			return on_manifest(r, part, err);
		if (r->state == FF_RECEIVE_DATA && ff_is_str(name, "d") && part->kind == FF_BYTES)
			return ff_receive_data(r, (const uint8_t *)part->text, part->len, err);
		if (r->state == FF_RECEIVE_DATA && ff_is_str(name, "keep") &&
		    part->kind == FF_BYTES)
			return ff_receive_prune_keep(r, (const uint8_t *)part->text, part->len,
						     err);
		if (r->state == FF_RECEIVE_DATA && ff_is_str(name, "end")) {
			*done = true;
			return on_end(r, err);
		}
	}
	return ff_err_set(err, FF_EPROTO, "sync: unexpected item");
}

static void on_channel(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_rsync_receive *r = ctx;
	struct ff_err err = {0};
	bool done = false;
	int rc;

	if (!item) {
		r->channel_ended = true;
		if (r->state != FF_RECEIVE_OVER)
			over(r, "sync: the sender left before the end");
		else if (r->reported)
			ff_free(r);
		return;
	}
	if (r->state == FF_RECEIVE_OVER)
		return;
	rc = on_item(r, &item->value, &done, &err);
	if (rc)
		over(r, err.code ? err.text : ff_err_text(rc));
	else if (done)
		over(r, NULL);
}

static void on_drain(struct ff_channel *channel, void *ctx)
{
	struct ff_rsync_receive *r = ctx;
	struct ff_err err = {0};

	if (r->state == FF_RECEIVE_DATA && !ff_channel_isclosed(channel) && send_lists(r, &err))
		over(r, err.text);
}

static int check_kwargs(const struct ff_value *kwargs, struct ff_err *err)
{
	const struct ff_value *dest = ff_dict_get(kwargs, "dest");
	int64_t version = ff_dict_int(kwargs, "version", -1);

	if (version < FF_RSYNC_VERSION_OLD || version > FF_RSYNC_VERSION)
		return ff_err_set(err, FF_EINVAL, "sync: version %lld of the protocol is not known",
				  (long long)version);
	if (!dest || (dest->kind != FF_STR && dest->kind != FF_BYTES) || !dest->len ||
	    memchr(dest->text, 0, dest->len))
		return ff_err_set(err, FF_EINVAL, "sync: bad dest");
	return 0;
}

/* Whoever is refused is told so in an item of its own: the channel's error is words only. */
static void send_busy(struct ff_channel *channel, const char *text)
{
	struct ff_buf packed = FF_BUF_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &packed);
	ff_pack_open(&p, FF_TUPLE);
	ff_pack_str(&p, "busy");
	pack_text(&p, text);
	ff_pack_close(&p);
	if (!ff_pack_done(&p))
		(void)ff_channel_send_packed(channel, &packed, NULL);
	ff_buf_release(&packed);
}

static int take_lock(struct ff_rsync_receive *r, struct ff_channel *channel,
		     const struct ff_value *kwargs, struct ff_err *err)
{
	const char *owner = r->single ? NULL : ff_dict_str(kwargs, "owner", NULL);
	struct ff_err why = {0};
	int rc;

	if (!owner)
		return 0;
	rc = ff_dest_lock(&r->files_beside, r->root, owner, ff_dict_str(kwargs, "holder", ""),
			  &why);
	if (rc == FF_EUNSUPPORTED)
		return ff_receive_note(r, "", "cannot be locked on this file system");
	if (rc == FF_EBUSY)
		send_busy(channel, why.text);
	return rc ? ff_err_set(err, rc, "%s", why.text) : 0;
}

int ff_rsync_receive_start(struct ff_channel *channel, const struct ff_value *kwargs,
			   void (*finished)(struct ff_channel *channel, const char *error,
					    void *ctx),
			   void *ctx, struct ff_err *err)
{
	struct ff_rsync_receive *r;
	const struct ff_value *value;
	char *dest, *folder;
	bool single;
	int rc = check_kwargs(kwargs, err);

	if (rc)
		return rc;
	value = ff_dict_get(kwargs, "dest");
	r = ff_calloc(1, sizeof(*r));
	dest = ff_strndup(value->text, value->len);
	if (!r || !dest) {
		ff_free(r);
		ff_free(dest);
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	}
	r->finished = finished;
	r->ctx = ctx;
	single = ff_dict_bool(kwargs, "single", false);
	r->remove = !single && ff_dict_bool(kwargs, "delete", false);
	r->asks = ff_dict_int(kwargs, "version", 0) > FF_RSYNC_VERSION_OLD;
	r->place.root_fd = r->temp.fd = r->temp.dir_fd = r->files_beside.dir_fd = -1;
	ff_buf_init(&r->manifest, FF_RSYNC_MANIFEST_MAX);
	r->umask = umask(0);
	umask(r->umask);
	folder = single ? ff_receive_single_split(r, dest, err) : dest;
	rc = folder ? open_root(r, folder, err) : err->code;
	ff_free(dest);
	if (!rc)
		rc = take_lock(r, channel, kwargs, err);
	if (!rc && getrandom(&r->temp_seed, sizeof(r->temp_seed), 0) != sizeof(r->temp_seed))
		rc = ff_err_sys(err, errno, "random numbers");
	if (rc) {
		release(r);
		ff_free(r);
		return rc;
	}
	r->channel = ff_channel_ref(channel);
	ff_channel_set_drain(channel, on_drain, r);
	rc = ff_channel_set_callback(channel, on_channel, r);
	if (rc) {
		ff_channel_set_drain(channel, NULL, NULL);
		ff_channel_unref(channel);
		release(r);
		ff_free(r);
		return ff_err_set(err, rc, "sync: the channel has a reader already");
	}
	return 0;
}
