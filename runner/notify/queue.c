/* Notices that lie on the disk. Who has a file's lock sends it; who goes away, however, has it no
 * more. No secret is in there: receivers are looked up by name when something is sent. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "notify/private.h"

#define SUFFIX ".json"

char *ff_queue_folder(const char *home)
{
	char *above = ff_xasprintf("%s/.farflung", home);
	char *folder = ff_xasprintf("%s/notify", above);

	(void)mkdir(above, 0777);
	(void)mkdir(folder, 0700); /* what tests print is nobody else's */
	ff_free(above);
	return folder;
}

static int by_name(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return *entry->d_name != '.' && len > strlen(SUFFIX) &&
	       !strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX);
}

int ff_queue_scan(const char *folder, struct ff_strv *ids, struct ff_err *err)
{
	struct dirent **entries = NULL;
	int len = scandir(folder, &entries, by_name, alphasort);

	if (len < 0)
		return errno == ENOENT ? 0 : ff_err_sys(err, errno, "%s", folder);
	for (int i = 0; i < len; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - strlen(SUFFIX)] = '\0';
		(void)ff_strv_add(ids, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

/* Of nobody's until it has its name: a locked file, whole and on the disk. */
static int write_new(const char *folder, const char *path, const json_t *root, int *locked,
		     struct ff_err *err)
{
	char *draft = ff_xasprintf("%s/.%d-XXXXXX", folder, (int)getpid());
	char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	int fd = mkostemp(draft, O_CLOEXEC), rc = 0;

	if (fd < 0 || !text || flock(fd, LOCK_EX | LOCK_NB))
		rc = ff_err_sys(err, errno, "%s", draft);
	if (!rc) {
		int errnum = ff_write_all(fd, text, strlen(text));

		if (errnum || fsync(fd) || rename(draft, path))
			rc = ff_err_sys(err, errnum ? errnum : errno, "%s", path);
	}
	if (!rc) {
		int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir >= 0) {
			(void)fsync(dir);
			close(dir);
		}
		*locked = fd;
	} else if (fd >= 0) {
		unlink(draft);
		close(fd);
	}
	free(text);
	ff_free(draft);
	return rc;
}

int ff_queue_put(struct ff_queued *queued, const char *folder, json_t *root, struct ff_err *err)
{
	struct ff_strv ids = FF_STRV_INIT;
	int rc = ff_queue_scan(folder, &ids, err);

	*queued = (struct ff_queued){.fd = -1, .root = root};
	queued->path = ff_xasprintf("%s/%s" SUFFIX, folder, ff_notify_get(root, "id"));
	if (!rc && ids.len >= FF_QUEUE_MAX)
		rc = ff_err_set(err, FF_ETOOBIG, "%s has %zu notices, which is enough", folder,
				ids.len);
	if (!rc)
		rc = write_new(folder, queued->path, root, &queued->fd, err);
	ff_strv_release(&ids);
	return rc;
}

static json_t *parse(int fd)
{
	struct ff_buf text = FF_BUF_INIT;
	json_t *root = NULL;

	if (ff_read_all(fd, FF_QUEUE_FILE_MAX, &text) == 0 && text.len <= FF_QUEUE_FILE_MAX &&
	    text.len)
		root = json_loadb((const char *)ff_buf_data(&text), text.len, 0, NULL);
	ff_buf_release(&text);
	if (root && *ff_notify_get(root, "id") && *ff_notify_get(root, "receiver") &&
	    json_is_object(json_object_get(root, "notice")))
		return root;
	json_decref(root);
	return NULL;
}

bool ff_queue_take(struct ff_queued *queued, const char *folder, const char *id)
{
	struct stat st;

	*queued = (struct ff_queued){.fd = -1};
	queued->path = ff_xasprintf("%s/%s" SUFFIX, folder, id);
	queued->fd = open(queued->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	/* Who had it may have sent it before it was locked here. */
	if (queued->fd < 0 || flock(queued->fd, LOCK_EX | LOCK_NB) || fstat(queued->fd, &st) ||
	    st.st_nlink == 0 || !S_ISREG(st.st_mode)) {
		ff_queue_keep(queued, NULL);
		return false;
	}
	queued->root = parse(queued->fd);
	if (!queued->root) {
		ff_queue_remove(queued);
		return false;
	}
	return true;
}

json_t *ff_queue_look(const char *folder, const char *id)
{
	char *path = ff_xasprintf("%s/%s" SUFFIX, folder, id);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	json_t *root = fd >= 0 ? parse(fd) : NULL;

	if (fd >= 0)
		close(fd);
	ff_free(path);
	return root;
}

bool ff_queue_is_old(const json_t *root)
{
	json_int_t then = json_integer_value(json_object_get(root, "queued"));

	return ff_clock_wall_us() / FF_SECOND_US - then > FF_QUEUE_DAYS * 86400LL;
}

static void forget(struct ff_queued *queued)
{
	if (queued->fd >= 0)
		close(queued->fd);
	json_decref(queued->root);
	ff_free(queued->path);
	*queued = (struct ff_queued){.fd = -1};
}

void ff_queue_remove(struct ff_queued *queued)
{
	if (queued->path)
		unlink(queued->path);
	forget(queued);
}

void ff_queue_keep(struct ff_queued *queued, const char *error)
{
	int fd = -1;

	if (error && queued->root && queued->fd >= 0) {
		char *folder = ff_xstrndup(queued->path,
					   (size_t)(strrchr(queued->path, '/') - queued->path));
		json_t *text = json_string(error);

		if (text)
			json_object_set_new(queued->root, "error", text);
		(void)write_new(folder, queued->path, queued->root, &fd, NULL);
		if (fd >= 0)
			close(fd);
		ff_free(folder);
	}
	forget(queued);
}
