/* Looking for what units get. Knows no hosts. */
#include "dispatch/supply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "rsync/put.h"

enum { SETTLED_AFTER_S = 2 };

struct known {
	struct stat st;
	bool has_md5;
	uint8_t xxh3[FF_RSYNC_DIGEST], md5[FF_RSYNC_DIGEST];
};

struct ff_supply_cache {
	uv_mutex_t mutex;
	struct ff_map files; /* path -> struct known */
};

struct ff_supply_cache *ff_supply_cache_new(void)
{
	struct ff_supply_cache *cache = ff_xcalloc(1, sizeof(*cache));

	if (uv_mutex_init(&cache->mutex))
		abort();
	return cache;
}

void ff_supply_cache_free(struct ff_supply_cache *cache)
{
	size_t cursor = 0;
	void *known;

	if (!cache)
		return;
	while (ff_map_next(&cache->files, &cursor, NULL, &known))
		ff_free(known);
	ff_map_release(&cache->files);
	uv_mutex_destroy(&cache->mutex);
	ff_free(cache);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool recall(struct ff_supply_cache *cache, const char *path, const struct stat *st, bool md5,
		   struct ff_supply_file *file)
{
	const struct known *known;
	bool found;

	uv_mutex_lock(&cache->mutex);
	known = ff_map_get(&cache->files, path);
	found = known && same_file(&known->st, st) && (known->has_md5 || !md5);
	if (found) {
		memcpy(file->xxh3, known->xxh3, FF_RSYNC_DIGEST);
		memcpy(file->md5, known->md5, FF_RSYNC_DIGEST);
	}
	uv_mutex_unlock(&cache->mutex);
	return found;
}

/* One that was changed just now may be changed once more without a later time to show for it. */
static bool is_settled(const struct stat *st)
{
	int64_t since_s = ff_clock_wall_us() / FF_SECOND_US - SETTLED_AFTER_S;

	return st->st_mtim.tv_sec < since_s && st->st_ctim.tv_sec < since_s;
}

static void keep(struct ff_supply_cache *cache, const char *path, const struct stat *st, bool md5,
		 const struct ff_supply_file *file)
{
	struct known *known;

	uv_mutex_lock(&cache->mutex);
	known = ff_map_get(&cache->files, path);
	if (!known) {
		known = ff_xcalloc(1, sizeof(*known));
		if (ff_map_set(&cache->files, path, known))
			abort();
	}
	known->st = *st;
	known->has_md5 = md5;
	memcpy(known->xxh3, file->xxh3, FF_RSYNC_DIGEST);
	memcpy(known->md5, file->md5, FF_RSYNC_DIGEST);
	uv_mutex_unlock(&cache->mutex);
}

/* 0 or an errno. */
static int read_digests(int fd, bool md5, struct ff_supply_file *file)
{
	int rc;

	errno = 0;
	rc = ff_hash_xxh3(fd, false, file->xxh3);
	if (rc == 0 && md5)
		rc = lseek(fd, 0, SEEK_SET) < 0 ? FF_ESYS : ff_hash_md5(fd, false, file->md5);
	if (rc == 0)
		return 0;
	return rc == FF_ENOMEM || !errno ? ENOMEM : errno;
}

static int read_file(const char *root, const char *path, bool md5, struct ff_supply_cache *cache,
		     struct ff_supply_file *file, struct ff_err *err)
{
	char *whole = ff_xasprintf("%s/%s", root, path);
	int fd = open(whole, O_RDONLY | O_NONBLOCK | O_CLOEXEC), failed = fd < 0 ? errno : 0;
	struct stat st;

	ff_free(whole);
	if (!failed && fstat(fd, &st))
		failed = errno;
	if (!failed && !S_ISREG(st.st_mode))
		failed = EINVAL;
	if (!failed && !recall(cache, path, &st, md5, file)) {
		failed = read_digests(fd, md5, file);
		if (!failed && is_settled(&st))
			keep(cache, path, &st, md5, file);
	}
	if (fd >= 0)
		close(fd);
	if (failed)
		return ff_err_set(err, FF_ENOTFOUND, "%s: %s", path, strerror(failed));
	file->size = st.st_size;
	file->executable = st.st_mode & S_IXUSR;
	return 0;
}

static int check_found(const struct ff_find *find, struct ff_err *err)
{
	if (find->missing.len)
		return ff_err_set(err, FF_ENOTFOUND, "nothing matches %s", find->missing.v[0]);
	if (find->refused.len)
		return ff_err_set(err, FF_ENOTFOUND, "%s", find->refused.v[0]);
	if (find->paths.len > FF_PUT_FILES_MAX)
		return ff_err_set(err, FF_ETOOBIG, "more than %d files match", FF_PUT_FILES_MAX);
	return 0;
}

static void digest_all(struct ff_supply *inputs)
{
	uint8_t digest[FF_RSYNC_DIGEST];
	struct ff_buf all = FF_BUF_INIT;

	for (size_t i = 0; i < inputs->find.paths.len; i++) {
		const char *path = inputs->find.paths.v[i];

		ff_buf_add(&all, path, strlen(path) + 1);
		ff_buf_add(&all, inputs->files[i].xxh3, FF_RSYNC_DIGEST);
		ff_buf_addch(&all, inputs->files[i].executable ? 'x' : '-');
	}
	ff_hash_bytes(ff_buf_data(&all), all.len, digest);
	ff_hash_text(digest, inputs->digest);
	ff_buf_release(&all);
}

int ff_supply_look(struct ff_supply *inputs, const char *root, char *const *patterns, bool md5,
		   struct ff_supply_cache *cache, struct ff_err *err)
{
	int rc;

	*inputs = (struct ff_supply){0};
	rc = ff_find_also_fetched(&inputs->find, root, patterns, err);
	if (rc == 0)
		rc = check_found(&inputs->find, err);
	if (rc == 0)
		inputs->files = ff_xcalloc(inputs->find.paths.len + 1, sizeof(*inputs->files));
	for (size_t i = 0; rc == 0 && i < inputs->find.paths.len; i++)
		rc = read_file(root, inputs->find.paths.v[i], md5, cache, &inputs->files[i], err);
	if (rc == 0)
		digest_all(inputs);
	return rc;
}

void ff_supply_release(struct ff_supply *inputs)
{
	ff_find_release(&inputs->find);
	ff_free(inputs->files);
	*inputs = (struct ff_supply){0};
}
