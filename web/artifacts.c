#include "web/artifacts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "event/json.h"

#define SUMS ".farflung.sums" /* as core/rsync writes it: "digest  path" */

enum {
	SUMS_MAX = 16 << 20, /* bytes of it that are read */
	HEX = 32,
	PATH_LEN_MAX = 4096,
	CLOCK_SLACK_US = 2000000, /* of a file's times, which are coarser than events' */
	OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	/* What is no file must not be waited for. */
	OPEN_FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
};

/* Below the folder, without following links; -1 and errno. */
static int open_file(int folder_fd, const char *path)
{
	int fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0), next;
	const char *slash;

	for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		char *name = ff_xstrndup(path, (size_t)(slash - path));

		next = openat(fd, name, OPEN_DIR);
		ff_free(name);
		close(fd);
		fd = next;
	}
	if (fd < 0)
		return -1;
	next = openat(fd, path, OPEN_FILE);
	close(fd);
	return next;
}

/* An open regular file; -1: there is none. */
static int open_regular(int folder_fd, const char *path, struct stat *st)
{
	int fd = open_file(folder_fd, path);

	if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool is_path(const char *path)
{
	if (strlen(path) >= PATH_LEN_MAX)
		return false;
	for (;;) {
		size_t part = strcspn(path, "/");

		if (part == 0 || (part == 1 && *path == '.') ||
		    (part == 2 && strncmp(path, "..", 2) == 0))
			return false;
		path += part;
		if (!*path)
			return true;
		path++;
	}
}

/* The next line that names a file; NULL: there are no more. Writes into the text. */
static char *next_line(char **rest, char **path)
{
	char *line;

	while (*rest && (line = strsep(rest, "\n"))) {
		if (strlen(line) <= HEX + 2 || strspn(line, "0123456789abcdef") != HEX ||
		    strncmp(line + HEX, "  ", 2) != 0 || !is_path(line + HEX + 2))
			continue;
		line[HEX] = '\0';
		*path = line + HEX + 2;
		return line;
	}
	return NULL;
}

/* The folder, and its list's text, the caller's to free; else *folder_fd is -1. */
static char *open_folder(const char *folder, int64_t told_us, int *folder_fd, struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	struct stat st;
	int fd = -1;

	*folder_fd = *folder == '/' ? open(folder, OPEN_DIR) : -1;
	if (*folder_fd >= 0)
		fd = open_regular(*folder_fd, SUMS, &st);
	if (fd >= 0 && ff_read_all(fd, SUMS_MAX, &text) == 0 && text.len <= SUMS_MAX) {
		close(fd);
		if (st.st_mtim.tv_sec * INT64_C(1000000) + st.st_mtim.tv_nsec / 1000 <=
		    told_us + CLOCK_SLACK_US)
			return ff_buf_take(&text) ?: ff_xstrdup("");
		ff_err_set(err, FF_ENOTFOUND, "a later run has brought others there since");
	} else {
		if (fd >= 0)
			close(fd);
		ff_err_set(err, FF_ENOTFOUND, "they are not there any more");
	}
	ff_buf_release(&text);
	if (*folder_fd >= 0)
		close(*folder_fd);
	*folder_fd = -1;
	return NULL;
}

static void add_file(struct ff_json *json, int folder_fd, uint32_t number, const char *sum,
		     const char *path)
{
	struct stat st;
	int fd = open_regular(folder_fd, path, &st);

	ff_json_open(json, NULL, '{');
	ff_json_int(json, "number", number);
	ff_json_str(json, "path", path);
	ff_json_str(json, "sum", sum);
	if (fd >= 0) {
		ff_json_int(json, "size", st.st_size);
		close(fd);
	}
	ff_json_close(json, '}');
}

int ff_artifacts_list(const char *folder, int64_t told_us, uint32_t from, uint32_t count,
		      struct ff_buf *out, struct ff_err *err)
{
	int folder_fd;
	char *text = open_folder(folder, told_us, &folder_fd, err), *rest = text, *sum, *path;
	struct ff_json json;
	uint32_t found = 0;

	if (!text)
		return err->code;
	ff_json_begin(&json, out);
	ff_json_int(&json, "from", from);
	ff_json_open(&json, "files", '[');
	for (; (sum = next_line(&rest, &path)); found++)
		if (found >= from && found - from < count)
			add_file(&json, folder_fd, found, sum, path);
	ff_json_close(&json, ']');
	ff_json_int(&json, "found", found);
	ff_json_end(&json);
	close(folder_fd);
	ff_free(text);
	return json.error;
}

int ff_artifacts_open(const char *folder, int64_t told_us, uint32_t number,
		      struct ff_artifact *artifact, struct ff_err *err)
{
	int folder_fd;
	char *text = open_folder(folder, told_us, &folder_fd, err), *rest = text, *path = NULL;
	struct stat st;

	if (!text)
		return err->code;
	*artifact = (struct ff_artifact){.fd = -1};
	for (uint32_t i = 0; next_line(&rest, &path); i++)
		if (i == number) {
			artifact->fd = open_regular(folder_fd, path, &st);
			break;
		}
	if (artifact->fd >= 0) {
		const char *slash = strrchr(path, '/');

		artifact->name = ff_xstrdup(slash ? slash + 1 : path);
		artifact->size = (uint64_t)st.st_size;
	}
	close(folder_fd);
	ff_free(text);
	return artifact->fd >= 0 ? 0 : ff_err_set(err, FF_ENOTFOUND, "there is no such file");
}

void ff_artifact_release(struct ff_artifact *artifact)
{
	if (artifact->fd >= 0)
		close(artifact->fd);
	ff_free(artifact->name);
	*artifact = (struct ff_artifact){.fd = -1};
}
