/* The file of requests: a JSON object a line, {"id":"…","cancel":["…"]}; or "drain". */
#include "event/request.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "event/json.h"

enum { REQUEST_MAX = 1 << 20 /* bytes of a line */ };

struct ff_requests {
	char *path;
	off_t at; /* what is before is read */
	bool refused;
	ff_requests_take_fn *take;
	void *ctx;
};

static const char *const words[FF_REQUESTS] = {
	[FF_REQUEST_CANCEL] = "cancel",
	[FF_REQUEST_DRAIN] = "drain",
};

static char *path_of(const char *journal)
{
	const char *slash = strrchr(journal, '/');

	return ff_xasprintf("%.*s" FF_REQUESTS_NAME, slash ? (int)(slash - journal) + 1 : 0,
			    journal);
}

static bool is_ours(int fd, struct stat *st)
{
	return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_uid == geteuid();
}

/* --- asking --- */

static int append(const char *path, struct ff_buf *line, struct ff_err *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		      0600);
	struct stat st;
	ssize_t n;
	int rc = 0;

	if (fd < 0)
		return ff_err_sys(err, errno, "%s", path);
	if (!is_ours(fd, &st)) {
		rc = ff_err_set(err, FF_ESYS, "%s: it is not a file of this user's", path);
	} else {
		n = write(fd, ff_buf_data(line), line->len);
		if (n < 0)
			rc = ff_err_sys(err, errno, "%s", path);
		else if ((size_t)n < line->len)
			rc = ff_err_set(err, FF_ESYS, "%s: the disk is full", path);
	}
	close(fd);
	return rc;
}

int ff_request_ask(const char *journal, enum ff_request what, const char *id,
		   const char *const *names, struct ff_err *err)
{
	struct ff_buf line = FF_BUF_INIT;
	char *path = path_of(journal);
	struct ff_json w;
	int rc;

	/* In front of it, too: what another one could only half write ends there. */
	ff_buf_addch(&line, '\n');
	ff_json_begin(&w, &line);
	ff_json_str(&w, "id", id);
	ff_json_open(&w, words[what], '[');
	for (; *names; names++)
		ff_json_str(&w, NULL, *names);
	ff_json_close(&w, ']');
	ff_json_end(&w);
	ff_buf_addch(&line, '\n');
	if (w.error || line.len > REQUEST_MAX)
		rc = ff_err_set(err, FF_ETOOBIG, "so many names are too much for one request");
	else
		rc = append(path, &line, err);
	ff_buf_release(&line);
	ff_free(path);
	return rc;
}

/* --- reading --- */

struct ff_requests *ff_requests_new(const char *journal, ff_requests_take_fn *take, void *ctx)
{
	struct ff_requests *requests = ff_xcalloc(1, sizeof(*requests));

	requests->path = path_of(journal);
	requests->take = take;
	requests->ctx = ctx;
	return requests;
}

void ff_requests_free(struct ff_requests *requests)
{
	if (!requests)
		return;
	ff_free(requests->path);
	ff_free(requests);
}

static bool take(struct ff_requests *requests, const char *line, size_t len)
{
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = NULL, *name;
	enum ff_request what = FF_REQUEST_CANCEL;
	const char *id = root ? json_string_value(json_object_get(root, "id")) : NULL;
	const char **names;
	bool good;
	size_t i;

	while (root && !(list = json_object_get(root, words[what])) && what + 1 < FF_REQUESTS)
		what++;
	names = ff_xcalloc(json_array_size(list) + 1, sizeof(*names));
	good = id && *id && json_array_size(list) > 0;
	json_array_foreach(list, i, name)
	{
		names[i] = json_string_value(name);
		good = good && names[i];
	}
	if (good)
		requests->take(requests->ctx, what, id, names);
	ff_free(names);
	json_decref(root);
	return good;
}

static int refuse(struct ff_requests *requests, struct ff_err *err, const char *why)
{
	if (requests->refused)
		return 0;
	requests->refused = true;
	return ff_err_set(err, FF_EINVAL, "%s: %s", requests->path, why);
}

static int read_new(struct ff_requests *requests, int fd, struct ff_err *err)
{
	char *bytes = ff_xmalloc(REQUEST_MAX), *line = bytes, *end;
	ssize_t len = pread(fd, bytes, REQUEST_MAX, requests->at);
	bool good = true;

	while (len > 0 && (end = memchr(line, '\n', (size_t)(bytes + len - line)))) {
		if (end > line)
			good = take(requests, line, (size_t)(end - line)) && good;
		line = end + 1;
	}
	if (len == REQUEST_MAX && line == bytes) {
		good = false;
		line = bytes + len; /* too long for a request */
	}
	requests->at += line - bytes;
	ff_free(bytes);
	return good ? 0 : refuse(requests, err, "a line of it is no request and is passed over");
}

int ff_requests_look(struct ff_requests *requests, struct ff_err *err)
{
	struct stat st;
	int fd, rc = 0;

	if (lstat(requests->path, &st) < 0 || st.st_size == requests->at)
		return 0;
	fd = open(requests->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || !is_ours(fd, &st))
		rc = refuse(requests, err, "it is not a file of this user's and is not read");
	else if (st.st_size > requests->at)
		rc = read_new(requests, fd, err);
	if (fd >= 0)
		close(fd);
	return rc;
}
