/* The controller's half of a fetch: checks what a host says, and writes files, each to a temporary
 * name first. A host may be hostile: nothing outside the folder is touched. */
#include "rsync/fetch.h"

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
#include "base/map.h"
#include "rsync/find.h"
#include "rsync/hash.h"
#include "rsync/protocol.h"

enum {
	SUMS_MAX = 64 << 20,
	HEX = 2 * FF_RSYNC_DIGEST,
	OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
};

struct ff_fetch {
	struct ff_fetch_stats stats;
	char *folder;
	int folder_fd;	    /* -1: not made yet */
	struct ff_buf sums; /* lines of what was brought */
	struct ff_map brought;
	/* The file that is being written. */
	char *path; /* NULL: none */
	char temp[48];
	int dir_fd, fd;
	uint64_t size;	    /* so far */
	XXH3_state_t *hash; /* for the list of sums */
	struct ff_md5 *md5; /* NULL: the sender tells by xxh3, too */
	const struct ff_md5_calls *md5_calls;
	bool keep; /* what was brought before */
	bool bare; /* no list of sums */
};

struct ff_fetch *ff_fetch_new(const char *folder, const struct ff_md5_calls *md5)
{
	struct ff_fetch *f = ff_xcalloc(1, sizeof(*f));

	f->folder = ff_xstrdup(folder);
	f->md5_calls = md5;
	f->folder_fd = f->dir_fd = f->fd = -1;
	f->hash = XXH3_createState();
	if (!f->hash)
		abort();
	return f;
}

void ff_fetch_keep(struct ff_fetch *f)
{
	f->keep = true;
}

void ff_fetch_bare(struct ff_fetch *f)
{
	f->bare = true;
}

const struct ff_map *ff_fetch_brought(const struct ff_fetch *f)
{
	return &f->brought;
}

static int failed(struct ff_fetch *f, const char *path, int errnum, struct ff_err *err)
{
	f->stats.disk_full = errnum == ENOSPC || errnum == EDQUOT;
	return ff_err_sys(err, errnum, "%s%s%s", f->folder, path ? "/" : "", path ? path : "");
}

static int nonsense(struct ff_err *err, const char *what)
{
	return ff_err_set(err, FF_EPROTO, "fetch: %s", what);
}

/* --- the folder --- */

static int make_folder(struct ff_fetch *f, struct ff_err *err)
{
	char *at = f->folder;

	if (f->folder_fd >= 0)
		return 0;
	while ((at = strchr(at + 1, '/'))) {
		int made;

		*at = '\0';
		made = mkdir(f->folder, 0777) && errno != EEXIST ? errno : 0;
		*at = '/';
		/* One that can't be made may be there all the same: what comes below tells. */
		if (made == ENOSPC || made == EDQUOT)
			return failed(f, NULL, made, err);
	}
	if (mkdir(f->folder, 0777) && errno != EEXIST)
		return failed(f, NULL, errno, err);
	f->folder_fd = open(f->folder, OPEN_DIR);
	return f->folder_fd < 0 ? failed(f, NULL, errno, err) : 0;
}

/* The folder of `path`, made if `make`; -1 and errno. The caller closes it. */
static int open_parent(const struct ff_fetch *f, const char *path, bool make)
{
	int fd = fcntl(f->folder_fd, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		char *name = ff_xstrndup(path, (size_t)(slash - path));
		int next = -1, saved;

		if (!make || !mkdirat(fd, name, 0777) || errno == EEXIST)
			next = openat(fd, name, OPEN_DIR);
		saved = errno;
		close(fd);
		ff_free(name);
		errno = saved;
		fd = next;
	}
	return fd;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --- what earlier fetches have brought --- */

/* Appends the sums' file as it is; an unreadable one tells nothing. */
static void read_sums(const struct ff_fetch *f, struct ff_buf *text)
{
	int fd = openat(f->folder_fd, FF_FETCH_SUMS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && text->len < SUMS_MAX) {
		uint8_t *room = ff_buf_reserve(text, 1 << 16);

		got = room ? read(fd, room, 1 << 16) : -1;
		if (got > 0)
			ff_buf_added(text, (size_t)got);
	}
	if (fd >= 0)
		close(fd);
}

static bool is_path(const char *path, size_t len)
{
	const char *at = path;

	if (len == 0 || len >= FF_FIND_PATH_MAX || strlen(path) != len)
		return false;
	for (;;) {
		size_t part = strcspn(at, "/");

		if (part == 0 || (part == 1 && *at == '.') || (part == 2 && !strncmp(at, "..", 2)))
			return false;
		at += part;
		if (!*at)
			return true;
		at++;
	}
}

/* Of what was brought before, and is not now: it goes, or its line stays. */
static void look_at_old(struct ff_fetch *f)
{
	struct ff_buf text = FF_BUF_INIT;
	char *all, *line, *rest;

	read_sums(f, &text);
	rest = all = ff_buf_take(&text);
	while (rest && (line = strsep(&rest, "\n"))) {
		const char *path = line + HEX + 2;
		int fd;

		if (strlen(line) <= HEX + 2 || !is_path(path, strlen(path)) ||
		    ff_map_get(&f->brought, path))
			continue;
		if (f->keep) {
			ff_buf_addf(&f->sums, "%s\n", line);
			continue;
		}
		fd = open_parent(f, path, false);
		if (fd < 0)
			continue;
		unlinkat(fd, name_of(path), 0);
		close(fd);
	}
	ff_free(all);
}

static int write_sums(struct ff_fetch *f, struct ff_err *err)
{
	static const char fresh[] = FF_FETCH_SUMS ".new";
	int fd = openat(f->folder_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0666);

	if (fd < 0 || ff_write_all(fd, ff_buf_data(&f->sums), f->sums.len) || close(fd) ||
	    renameat(f->folder_fd, fresh, f->folder_fd, FF_FETCH_SUMS))
		return failed(f, FF_FETCH_SUMS, errno, err);
	return 0;
}

/* --- items --- */

static void drop_file(struct ff_fetch *f)
{
	if (f->fd >= 0) {
		close(f->fd);
		unlinkat(f->dir_fd, f->temp, 0);
	}
	if (f->dir_fd >= 0)
		close(f->dir_fd);
	f->fd = f->dir_fd = -1;
	if (f->md5)
		f->md5_calls->free(f->md5);
	f->md5 = NULL;
	ff_free(f->path);
	f->path = NULL;
}

static int begin_digest(struct ff_fetch *f, const struct ff_value *name, struct ff_err *err)
{
	f->size = 0;
	XXH3_128bits_reset(f->hash);
	if (ff_is_str(name, FF_RSYNC_XXH3))
		return 0;
	if (!f->md5_calls || !ff_is_str(name, FF_RSYNC_MD5))
		return nonsense(err, "an unknown digest");
	f->md5 = f->md5_calls->begin();
	return f->md5 ? 0 : ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
}

/* ("file", path, size, mode, digest) */
static int on_file(struct ff_fetch *f, const struct ff_value *item, struct ff_err *err)
{
	static uint32_t number; /* several transfers may lead to one folder */
	const struct ff_value *path = ff_at(item, 1);
	int rc;

	if (f->path || item->len != 5 || path->kind != FF_BYTES)
		return nonsense(err, "a file at the wrong place");
	if (!is_path(path->text, path->len) || !strcmp(path->text, FF_FETCH_SUMS))
		return nonsense(err, "a path that leads out of the folder");
	if (ff_map_get(&f->brought, path->text) || f->stats.files == FF_FIND_FILES_MAX)
		return nonsense(err, "a file twice, or too many");
	rc = make_folder(f, err);
	if (rc)
		return rc;
	f->path = ff_xstrdup(path->text);
	rc = begin_digest(f, ff_at(item, 4), err);
	if (rc)
		return rc;
	f->dir_fd = open_parent(f, f->path, true);
	if (f->dir_fd < 0)
		return failed(f, f->path, errno, err);
	snprintf(f->temp, sizeof(f->temp), ".ff-%016llx.tmp",
		 (unsigned long long)(uint32_t)getpid() << 32 | ++number);
	unlinkat(f->dir_fd, f->temp, 0);
	f->fd = openat(f->dir_fd, f->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       (mode_t)(ff_as_int(ff_at(item, 3), 0644) & 0777));
	return f->fd < 0 ? failed(f, f->path, errno, err) : 0;
}

static int on_data(struct ff_fetch *f, const struct ff_value *item, struct ff_err *err)
{
	const struct ff_value *bytes = ff_at(item, 1);

	if (!f->path || item->len != 2 || bytes->kind != FF_BYTES)
		return nonsense(err, "content of no file");
	XXH3_128bits_update(f->hash, bytes->text, bytes->len);
	if (f->md5)
		f->md5_calls->add(f->md5, bytes->text, bytes->len);
	if (ff_write_all(f->fd, bytes->text, bytes->len))
		return failed(f, f->path, errno, err);
	f->size += bytes->len;
	return 0;
}

static void add_sum(struct ff_fetch *f, const uint8_t digest[FF_RSYNC_DIGEST])
{
	char sum[FF_HASH_TEXT];

	/* A line that can't be a line is left out: it is no checksum that is missed, but a file
	 * that is not removed later. */
	if (!strchr(f->path, '\n')) {
		ff_hash_text(digest, sum);
		ff_buf_addf(&f->sums, "%s  %s\n", sum, f->path);
	}
	if (ff_map_set(&f->brought, f->path, f))
		abort();
}

/* ("end", digest) */
static int on_end(struct ff_fetch *f, const struct ff_value *item, struct ff_err *err)
{
	const struct ff_value *told = ff_at(item, 1);
	uint8_t md5[FF_RSYNC_DIGEST];
	XXH128_canonical_t own;
	const uint8_t *digest;

	if (!f->path || item->len != 2 || told->kind != FF_BYTES)
		return nonsense(err, "the end of no file");
	XXH128_canonicalFromHash(&own, XXH3_128bits_digest(f->hash));
	digest = own.digest;
	if (f->md5)
		digest = f->md5_calls->end(f->md5, md5) ? md5 : NULL;
	if (!digest || told->len != FF_RSYNC_DIGEST ||
	    memcmp(told->text, digest, FF_RSYNC_DIGEST) != 0)
		return ff_err_set(err, FF_EPROTO, "%s arrived with another checksum than it had",
				  f->path);
	if (renameat(f->dir_fd, f->temp, f->dir_fd, name_of(f->path)))
		return failed(f, f->path, errno, err);
	close(f->fd);
	f->fd = -1;
	add_sum(f, own.digest);
	f->stats.files++;
	f->stats.bytes += f->size;
	drop_file(f);
	return 0;
}

/* Texts are shown: what can't be is left to whoever shows them. */
static void add_line(struct ff_strv *lines, const struct ff_value *text)
{
	if (text->kind == FF_BYTES && lines->len < FF_FIND_REFUSED_MAX &&
	    text->len <= 2 * FF_FIND_PATH_MAX)
		ff_strv_addf(lines, "%.*s", (int)text->len, text->text);
}

/* ("gone", path, why): it could not be read, or not to its end. */
static int on_gone(struct ff_fetch *f, const struct ff_value *item, struct ff_err *err)
{
	const struct ff_value *path = ff_at(item, 1), *why = ff_at(item, 2);

	if (item->len != 3 || path->kind != FF_BYTES || why->kind != FF_STR)
		return nonsense(err, "a file that is gone, without a name");
	if (f->stats.refused.len < FF_FIND_REFUSED_MAX)
		ff_strv_addf(&f->stats.refused, "%.*s: %.*s", (int)path->len, path->text,
			     (int)why->len, why->text);
	drop_file(f);
	return 0;
}

/* ("done", missing, refused) */
static int on_done(struct ff_fetch *f, const struct ff_value *item, struct ff_err *err)
{
	const struct ff_value *missing = ff_at(item, 1), *refused = ff_at(item, 2);
	int rc;

	if (f->path || item->len != 3 || missing->kind != FF_LIST || refused->kind != FF_LIST)
		return nonsense(err, "an end at the wrong place");
	for (size_t i = 0; i < missing->len; i++)
		add_line(&f->stats.missing, ff_at(missing, i));
	for (size_t i = 0; i < refused->len; i++)
		add_line(&f->stats.refused, ff_at(refused, i));
	if (f->bare)
		return 1;
	if (f->folder_fd < 0) {
		f->folder_fd = open(f->folder, OPEN_DIR);
		if (f->folder_fd < 0) /* nothing was brought, and nothing is there */
			return 1;
	}
	look_at_old(f);
	rc = write_sums(f, err);
	return rc ? rc : 1;
}

int ff_fetch_item(struct ff_fetch *f, const struct ff_value *item, struct ff_err *err)
{
	const struct ff_value *word = ff_at(item, 0);

	if (ff_is_str(word, "data"))
		return on_data(f, item, err);
	if (ff_is_str(word, "file"))
		return on_file(f, item, err);
	if (ff_is_str(word, "end"))
		return on_end(f, item, err);
	if (ff_is_str(word, "gone"))
		return on_gone(f, item, err);
	if (ff_is_str(word, "done"))
		return on_done(f, item, err);
	return nonsense(err, "an unknown item");
}

/* -1 and errno. */
static int open_folder_of(struct ff_fetch *f, const char *path)
{
	if (!is_path(path, strlen(path))) {
		errno = EINVAL;
		return -1;
	}
	if (f->folder_fd < 0)
		f->folder_fd = open(f->folder, OPEN_DIR);
	return f->folder_fd < 0 ? -1 : open_parent(f, path, false);
}

int ff_fetch_remove(struct ff_fetch *f, const char *path)
{
	int dir_fd = open_folder_of(f, path), rc, saved;

	if (dir_fd < 0)
		return -1;
	rc = unlinkat(dir_fd, name_of(path), 0);
	saved = errno;
	close(dir_fd);
	errno = saved;
	return rc;
}

int ff_fetch_open(struct ff_fetch *f, const char *path)
{
	int dir_fd = open_folder_of(f, path), fd, saved;

	if (dir_fd < 0)
		return -1;
	fd = openat(dir_fd, name_of(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	saved = errno;
	close(dir_fd);
	errno = saved;
	return fd;
}

const struct ff_fetch_stats *ff_fetch_stats(const struct ff_fetch *f)
{
	return &f->stats;
}

void ff_fetch_free(struct ff_fetch *f)
{
	if (!f)
		return;
	drop_file(f);
	if (f->folder_fd >= 0)
		close(f->folder_fd);
	XXH3_freeState(f->hash);
	ff_buf_release(&f->sums);
	ff_map_release(&f->brought);
	ff_strv_release(&f->stats.missing);
	ff_strv_release(&f->stats.refused);
	ff_free(f->folder);
	ff_free(f);
}
