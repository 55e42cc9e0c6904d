/* The host's half of a fetch: looks for files, and sends them one after the other as the channel
 * takes them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "rsync/fetch.h"
#include "rsync/find.h"
#include "rsync/hash.h"
#include "rsync/protocol.h"

struct ff_fetch_send {
	struct ff_channel *channel;
	struct ff_find find;
	char *root;
	size_t next; /* of find.paths */
	int fd;	     /* of the one before that; -1: none is open */
	uint64_t left;
	XXH3_state_t *hash;
	const struct ff_md5_calls *md5_calls; /* NULL: xxh3 it is */
	struct ff_md5 *md5;		      /* of that file */
	struct ff_buf scratch;
	uint8_t *part;
	bool stays; /* the channel is not closed behind the last item */
	bool over;  /* that was sent, or can't be */
};

static int pack_and_send(struct ff_fetch_send *s, struct ff_pack *p)
{
	int rc;

	ff_pack_close(p);
	rc = ff_pack_done(p);
	return rc ? rc : ff_channel_send_packed(s->channel, &s->scratch, NULL);
}

static void open_item(struct ff_fetch_send *s, struct ff_pack *p, const char *word)
{
	ff_buf_clear(&s->scratch);
	ff_pack_init(p, &s->scratch);
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, word);
}

static void close_file(struct ff_fetch_send *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->md5)
		s->md5_calls->free(s->md5);
	s->md5 = NULL;
}

static bool begin_digest(struct ff_fetch_send *s)
{
	XXH3_128bits_reset(s->hash);
	if (s->md5_calls)
		s->md5 = s->md5_calls->begin();
	return s->md5 || !s->md5_calls;
}

static int send_gone(struct ff_fetch_send *s, const char *path, int errnum)
{
	struct ff_pack p;

	open_item(s, &p, "gone");
	ff_pack_bytes(&p, path, strlen(path));
	ff_pack_str(&p, strerror(errnum));
	return pack_and_send(s, &p);
}

static int send_file(struct ff_fetch_send *s, const char *path)
{
	char *whole = ff_xasprintf("%s/%s", s->root, path);
	struct ff_pack p;
	struct stat st;
	int failed = 0;

	/* A name may stand for a pipe by now. */
	s->fd = open(whole, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ff_free(whole);
	if (s->fd < 0)
		return send_gone(s, path, errno);
	if (fstat(s->fd, &st))
		failed = errno;
	else if (!S_ISREG(st.st_mode))
		failed = EINVAL;
	else if (!begin_digest(s))
		failed = ENOMEM;
	if (failed) {
		close_file(s);
		return send_gone(s, path, failed);
	}
	s->left = (uint64_t)st.st_size;
	open_item(s, &p, "file");
	ff_pack_bytes(&p, path, strlen(path));
	ff_pack_int(&p, (int64_t)st.st_size);
	ff_pack_int(&p, st.st_mode & 0777);
	ff_pack_str(&p, s->md5 ? FF_RSYNC_MD5 : FF_RSYNC_XXH3);
	return pack_and_send(s, &p);
}

static int send_end(struct ff_fetch_send *s)
{
	XXH128_canonical_t canonical;
	uint8_t digest[FF_RSYNC_DIGEST];
	struct ff_pack p;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(s->hash));
	memcpy(digest, canonical.digest, FF_RSYNC_DIGEST);
	if (s->md5 && !s->md5_calls->end(s->md5, digest))
		memset(digest, 0, FF_RSYNC_DIGEST); /* which nobody takes for its own */
	close_file(s);
	open_item(s, &p, "end");
	ff_pack_bytes(&p, digest, FF_RSYNC_DIGEST);
	return pack_and_send(s, &p);
}

/* What is written to the file meanwhile is not waited for. */
static int send_part(struct ff_fetch_send *s)
{
	size_t want = s->left < FF_RSYNC_PART_MAX ? (size_t)s->left : (size_t)FF_RSYNC_PART_MAX;
	struct ff_pack p;
	ssize_t got;

	do
		got = want ? read(s->fd, s->part, want) : 0;
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		int failed = errno;

		close_file(s);
		return send_gone(s, s->find.paths.v[s->next - 1], failed);
	}
	if (got == 0)
		return send_end(s);
	s->left -= (uint64_t)got;
	if (s->md5)
		s->md5_calls->add(s->md5, s->part, (size_t)got);
	else
		XXH3_128bits_update(s->hash, s->part, (size_t)got);
	open_item(s, &p, "data");
	ff_pack_bytes(&p, s->part, (size_t)got);
	return pack_and_send(s, &p);
}

static int send_done(struct ff_fetch_send *s)
{
	struct ff_pack p;

	open_item(s, &p, "done");
	ff_pack_open(&p, FF_LIST);
	for (size_t i = 0; i < s->find.missing.len; i++)
		ff_pack_bytes(&p, s->find.missing.v[i], strlen(s->find.missing.v[i]));
	ff_pack_close(&p);
	ff_pack_open(&p, FF_LIST);
	for (size_t i = 0; i < s->find.refused.len; i++)
		ff_pack_bytes(&p, s->find.refused.v[i], strlen(s->find.refused.v[i]));
	ff_pack_close(&p);
	s->over = true;
	return pack_and_send(s, &p);
}

static void on_drain(struct ff_channel *channel, void *ctx)
{
	struct ff_fetch_send *s = ctx;
	int rc = 0;

	while (!rc && !s->over && ff_channel_writable(channel)) {
		if (s->fd >= 0)
			rc = send_part(s);
		else if (s->next < s->find.paths.len)
			rc = send_file(s, s->find.paths.v[s->next++]);
		else
			rc = send_done(s);
	}
	if (rc == FF_EAGAIN) /* cannot be: it was writable */
		rc = FF_ETOOBIG;
	if (rc)
		s->over = true;
	if (s->over && (rc || !s->stays))
		ff_channel_close(channel, rc && rc != FF_ECLOSED ? ff_err_text(rc) : NULL);
}

/* The patterns, as a vector that is the caller's. */
static int read_paths(const struct ff_value *kwargs, struct ff_strv *paths, struct ff_err *err)
{
	const struct ff_value *list = ff_dict_get(kwargs, "paths");

	for (size_t i = 0; list && list->kind == FF_LIST && i < list->len; i++) {
		const struct ff_value *text = ff_at(list, i);

		if (text->kind != FF_STR || strlen(text->text) != text->len)
			return ff_err_set(err, FF_EINVAL, "fetch: a path is no text");
		if (ff_strv_add(paths, text->text))
			return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	}
	return paths->len ? 0 : ff_err_set(err, FF_EINVAL, "fetch: there are no paths");
}

static int look(struct ff_fetch_send *s, const struct ff_value *kwargs, struct ff_err *err)
{
	const char *root = ff_dict_str(kwargs, "root", NULL);
	struct ff_strv paths = FF_STRV_INIT;
	int rc = root && *root == '/' ? 0 : FF_EINVAL;

	if (rc)
		return ff_err_set(err, rc, "fetch: root is no absolute path");
	rc = read_paths(kwargs, &paths, err);
	if (!rc)
		rc = ff_find(&s->find, root, paths.v, err);
	ff_strv_release(&paths);
	s->root = ff_xstrdup(root);
	return rc;
}

static struct ff_fetch_send *make_send(struct ff_channel *channel)
{
	struct ff_fetch_send *s = ff_xcalloc(1, sizeof(*s));

	s->channel = channel;
	s->fd = -1;
	s->hash = XXH3_createState();
	s->part = ff_xmalloc(FF_RSYNC_PART_MAX);
	if (!s->hash)
		abort();
	return s;
}

void ff_fetch_send_go(struct ff_fetch_send *s)
{
	ff_channel_set_drain(s->channel, on_drain, s);
	on_drain(s->channel, s);
}

struct ff_fetch_send *ff_fetch_send_start(struct ff_channel *channel, const struct ff_value *kwargs,
					  struct ff_err *err)
{
	struct ff_fetch_send *s = make_send(channel);

	if (look(s, kwargs, err)) {
		ff_fetch_send_free(s);
		return NULL;
	}
	ff_fetch_send_go(s);
	return s;
}

struct ff_fetch_send *ff_fetch_send_these(struct ff_channel *channel, const char *root,
					  const struct ff_strv *paths,
					  const struct ff_md5_calls *md5)
{
	struct ff_fetch_send *s = make_send(channel);

	s->root = ff_xstrdup(root);
	s->md5_calls = md5;
	s->stays = true;
	for (size_t i = 0; i < paths->len; i++)
		ff_strv_add(&s->find.paths, paths->v[i]);
	return s;
}

void ff_fetch_send_free(struct ff_fetch_send *s)
{
	/* Its end may still have to be told there. */
	ff_channel_set_drain(s->channel, NULL, NULL);
	ff_find_release(&s->find);
	XXH3_freeState(s->hash);
	ff_buf_release(&s->scratch);
	ff_free(s->part);
	ff_free(s->root);
	close_file(s);
	ff_free(s);
}
