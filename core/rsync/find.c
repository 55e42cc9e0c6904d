/* Patterns part by part, folder by folder. Knows no transfer. */
#include "rsync/find.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "rsync/fetch.h"
#include "rsync/protocol.h"

struct walk {
	struct ff_find *find;
	struct ff_err *err;
	char root[PATH_MAX]; /* resolved */
	size_t root_len;
	char path[PATH_MAX + FF_FIND_PATH_MAX]; /* root, '/', and where we are */
	size_t len;
	bool met;     /* by the present pattern */
	bool fetched; /* what was fetched is found, too */
};

const char *ff_find_check(const char *pattern)
{
	if (!*pattern)
		return "is empty";
	if (*pattern == '/')
		return "is not relative to the folder";
	while (*pattern) {
		size_t len = strcspn(pattern, "/");

		if (len == 2 && !strncmp(pattern, "..", 2))
			return "leads out of the folder by '..'";
		pattern += len;
		pattern += strspn(pattern, "/");
	}
	return NULL;
}

/* --- the path --- */

static const char *below(const struct walk *w)
{
	return w->len > w->root_len ? w->path + w->root_len + 1 : "";
}

/* The length to go back to; 0: it is too long. */
static size_t enter(struct walk *w, const char *name, size_t len)
{
	size_t before = w->len;

	if (w->len - w->root_len + len + 2 > FF_FIND_PATH_MAX)
		return 0;
	w->path[w->len++] = '/';
	memcpy(w->path + w->len, name, len);
	w->len += len;
	w->path[w->len] = '\0';
	return before;
}

static void leave(struct walk *w, size_t before)
{
	w->len = before;
	w->path[before] = '\0';
}

/* --- what is found --- */

static int refuse(struct walk *w, const char *why)
{
	w->met = true;
	if (w->find->refused.len == FF_FIND_REFUSED_MAX)
		return 0;
	if (ff_strv_addf(&w->find->refused, "%s: %s", *below(w) ? below(w) : ".", why))
		return ff_err_set(w->err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	return 0;
}

static int add_file(struct walk *w)
{
	w->met = true;
	if (ff_map_get(&w->find->seen, below(w)))
		return 0;
	if (w->find->paths.len == FF_FIND_FILES_MAX)
		return ff_err_set(w->err, FF_ETOOBIG, "%s: more than %d files match", w->root,
				  FF_FIND_FILES_MAX);
	if (ff_strv_add(&w->find->paths, below(w)) || ff_map_set(&w->find->seen, below(w), w->find))
		return ff_err_set(w->err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	return 0;
}

/* Whether the link at the path stays below the root. */
static bool stays(const struct walk *w)
{
	char real[PATH_MAX];

	return realpath(w->path, real) && !strncmp(real, w->root, w->root_len) &&
	       (real[w->root_len] == '/' || w->root_len == 1);
}

static int add_all(struct walk *w);

/* What a pattern has led to. `through`: links to folders are entered, too. */
static int add(struct walk *w, bool through)
{
	struct stat st, target;

	if (lstat(w->path, &st))
		return errno == ENOENT ? 0 : refuse(w, strerror(errno));
	if (S_ISREG(st.st_mode))
		return add_file(w);
	if (S_ISDIR(st.st_mode))
		return add_all(w);
	if (!S_ISLNK(st.st_mode))
		return refuse(w, "neither a file nor a folder");
	if (stat(w->path, &target))
		return refuse(w, "a link to what is not there");
	if (!stays(w))
		return refuse(w, "a link that leads out of the folder");
	if (S_ISREG(target.st_mode))
		return add_file(w);
	if (S_ISDIR(target.st_mode) && through)
		return add_all(w);
	return refuse(w, S_ISDIR(target.st_mode) ? "a link to a folder"
						 : "neither a file nor a folder");
}

static int for_each(struct walk *w, int (*visit)(struct walk *, const char *, void *), void *ctx)
{
	DIR *stream = opendir(w->path);
	struct dirent *one;
	int rc = 0;

	if (!stream && w->len == w->root_len)
		return ff_err_sys(w->err, errno, "%s", w->root);
	if (!stream)
		return errno == ENOTDIR || errno == ENOENT ? 0 : refuse(w, strerror(errno));
	while (!rc && (one = readdir(stream))) {
		size_t before;

		if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, "..") ||
		    ff_rsync_is_temp(one->d_name) || ff_rsync_is_state(one->d_name) ||
		    (w->fetched && !strcmp(one->d_name, FF_FETCH_SUMS)))
			continue;
		before = enter(w, one->d_name, strlen(one->d_name));
		if (!before) {
			rc = refuse(w, "a path below it is too long");
			continue;
		}
		rc = visit(w, one->d_name, ctx);
		leave(w, before);
	}
	closedir(stream);
	return rc;
}

static int visit_all(struct walk *w, const char *name, void *ctx)
{
	(void)name;
	(void)ctx;
	return add(w, false);
}

/* What was fetched is not fetched once more, from where it was put. */
static bool was_fetched_into(struct walk *w)
{
	size_t before = w->fetched ? 0 : enter(w, FF_FETCH_SUMS, strlen(FF_FETCH_SUMS));
	struct stat st;
	bool is = before && !lstat(w->path, &st);

	if (before)
		leave(w, before);
	return is;
}

static int add_all(struct walk *w)
{
	if (was_fetched_into(w))
		return 0;
	return for_each(w, visit_all, NULL);
}

/* --- patterns --- */

static int match(struct walk *w, const char *rest);

static bool is_folder(struct walk *w, bool links)
{
	struct stat st;

	if (lstat(w->path, &st))
		return false;
	if (S_ISLNK(st.st_mode) && links)
		return stays(w) && !stat(w->path, &st) && S_ISDIR(st.st_mode);
	return S_ISDIR(st.st_mode);
}

struct part {
	char *glob; /* NULL: any folder */
	const char *rest;
};

static int visit_part(struct walk *w, const char *name, void *ctx)
{
	const struct part *part = ctx;

	if (!part->glob)
		return *name != '.' && is_folder(w, false) && !was_fetched_into(w)
			       ? match(w, part->rest)
			       : 0;
	if (fnmatch(part->glob, name, FNM_PERIOD))
		return 0;
	if (!*part->rest)
		return add(w, true);
	return is_folder(w, true) ? match(w, part->rest) : 0;
}

/* A part that is a name. */
static int match_name(struct walk *w, const char *name, size_t len, const char *rest)
{
	size_t before = enter(w, name, len);
	struct stat st;
	int rc;

	if (!before)
		return 0;
	if (!*rest)
		rc = add(w, true);
	else if (is_folder(w, true))
		rc = match(w, rest);
	else if (!lstat(w->path, &st) && S_ISLNK(st.st_mode) && !stays(w))
		rc = refuse(w, "a link that leads out of the folder");
	else
		rc = 0;
	leave(w, before);
	return rc;
}

/* `rest`: the pattern's parts from here on. */
static int match(struct walk *w, const char *rest)
{
	size_t len = strcspn(rest, "/");
	const char *next = rest + len + strspn(rest + len, "/");
	struct part part = {.rest = next};
	int rc;

	if (len == 0 || (len == 1 && *rest == '.'))
		return *next ? match(w, next) : add(w, true);
	if (len == 2 && !strncmp(rest, "**", 2)) {
		if (!*next) {
			part.glob = ff_xstrdup("*");
			rc = for_each(w, visit_part, &part);
			ff_free(part.glob);
			return rc;
		}
		rc = match(w, next);
		part.rest = rest;
		return rc ? rc : for_each(w, visit_part, &part);
	}
	part.glob = ff_xstrndup(rest, len);
	if (strpbrk(part.glob, "*?[\\"))
		rc = for_each(w, visit_part, &part);
	else
		rc = match_name(w, rest, len, next);
	ff_free(part.glob);
	return rc;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_all(struct walk *w, char *const *patterns)
{
	for (; *patterns; patterns++) {
		const char *wrong = ff_find_check(*patterns);
		int rc;

		if (wrong)
			return ff_err_set(w->err, FF_EINVAL, "'%s' %s", *patterns, wrong);
		w->met = false;
		rc = match(w, *patterns);
		if (rc)
			return rc;
		if (!w->met && ff_strv_add(&w->find->missing, *patterns))
			return ff_err_set(w->err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	}
	return 0;
}

static int look(struct ff_find *find, const char *root, char *const *patterns, bool fetched,
		struct ff_err *err)
{
	struct walk *w;
	int rc;

	*find = (struct ff_find){.seen = FF_MAP_INIT};
	w = ff_calloc(1, sizeof(*w));
	if (!w)
		return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	w->find = find;
	w->err = err;
	w->fetched = fetched;
	if (!realpath(root, w->root)) {
		rc = ff_err_sys(err, errno, "%s", root);
	} else {
		w->root_len = strlen(w->root);
		memcpy(w->path, w->root, w->root_len + 1);
		w->len = w->root_len;
		rc = find_all(w, patterns);
	}
	ff_free(w);
	if (rc)
		ff_find_release(find);
	else if (find->paths.len)
		qsort(find->paths.v, find->paths.len, sizeof(*find->paths.v), compare);
	return rc;
}

int ff_find(struct ff_find *find, const char *root, char *const *patterns, struct ff_err *err)
{
	return look(find, root, patterns, false, err);
}

int ff_find_also_fetched(struct ff_find *find, const char *root, char *const *patterns,
			 struct ff_err *err)
{
	return look(find, root, patterns, true, err);
}

void ff_find_release(struct ff_find *find)
{
	ff_strv_release(&find->paths);
	ff_strv_release(&find->missing);
	ff_strv_release(&find->refused);
	ff_map_release(&find->seen);
}
