/* Sources from files for remote_exec. It looks at Python as text only. */
#include "transport/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "transport/exec_function.h"
#include "transport/open.h"
#include "wire/utf8.h"
#include "worker/bootstrap.h"

enum { PIECE = 64 << 10 };

static int read_all(int fd, struct ff_buf *text, const char *path, struct ff_err *err)
{
	int errnum = ff_read_all(fd, FF_EXEC_SOURCE_MAX, text);

	if (errnum == ENOMEM)
		return ff_err_set(err, FF_ENOMEM, "%s: out of memory", path);
	if (errnum)
		return ff_err_sys(err, errnum, "%s: cannot be read", path);
	if (text->len > FF_EXEC_SOURCE_MAX)
		return ff_err_set(err, FF_ETOOBIG, "%s: over %d bytes", path, FF_EXEC_SOURCE_MAX);
	return 0;
}

static int open_and_read(const char *path, struct ff_buf *text, struct ff_err *err)
{
	/* A FIFO must not keep us waiting. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	struct stat info;

	if (fd < 0)
		return ff_err_sys(err, errno, "%s: cannot be read", path);
	if (fstat(fd, &info) != 0)
		rc = ff_err_sys(err, errno, "%s: cannot be read", path);
	else if (!S_ISREG(info.st_mode))
		rc = ff_err_set(err, FF_EINVAL, "%s: not a regular file", path);
	else if (info.st_size > FF_EXEC_SOURCE_MAX)
		rc = ff_err_set(err, FF_ETOOBIG, "%s: over %d bytes", path, FF_EXEC_SOURCE_MAX);
	else
		rc = read_all(fd, text, path, err);
	close(fd);
	return rc;
}

static int check_text(const struct ff_buf *text, const char *path, struct ff_err *err)
{
	const char *bytes = (const char *)ff_buf_data(text);

	if (text->len && memchr(bytes, '\0', text->len))
		return ff_err_set(err, FF_EINVAL, "%s: there is a NUL in it", path);
	if (text->len && !ff_is_utf8(bytes, text->len))
		return ff_err_set(err, FF_EINVAL, "%s: not UTF-8", path);
	return 0;
}

static int cut_function(struct ff_exec_source *read, const char *path, const char *function,
			struct ff_err *err)
{
	struct ff_err why = {0};
	char *text = ff_exec_function(read->text, path, function, &why);

	if (!text)
		return ff_err_set(err, why.code, "%s", why.text);
	ff_free(read->text);
	read->text = text;
	return 0;
}

int ff_exec_source_read(struct ff_exec_source *source, const char *path, const char *function,
			struct ff_err *err)
{
	static const char mark[] = "\xef\xbb\xbf"; /* an editor's: Python refuses it inside a str */
	struct ff_exec_source read = {.task = {.call_name = function}};
	struct ff_buf text;
	int rc;

	ff_buf_init(&text, FF_EXEC_SOURCE_MAX + PIECE);
	rc = open_and_read(path, &text, err);
	if (!rc && text.len >= strlen(mark) && !memcmp(ff_buf_data(&text), mark, strlen(mark)))
		ff_buf_consume(&text, strlen(mark));
	if (!rc)
		rc = check_text(&text, path, err);
	if (!rc) {
		read.text = ff_buf_take(&text);
		read.path = ff_strdup(path);
		if (!read.text || !read.path)
			rc = ff_err_set(err, FF_ENOMEM, "%s: out of memory", path);
	}
	if (!rc && function)
		rc = cut_function(&read, path, function, err);
	ff_buf_release(&text);
	if (rc) {
		ff_exec_source_release(&read);
		return rc;
	}
	read.task.source = read.text;
	read.task.file_name = read.path;
	*source = read;
	return 0;
}

void ff_exec_source_release(struct ff_exec_source *source)
{
	if (!source)
		return;
	ff_free(source->text);
	ff_free(source->path);
	*source = (struct ff_exec_source){0};
}

struct ff_exec_source *ff_exec_source_new(const char *path, const char *function,
					  struct ff_err *err)
{
	struct ff_exec_source *source = ff_calloc(1, sizeof(*source));

	if (!source)
		ff_err_set(err, FF_ENOMEM, "%s: out of memory", path);
	else if (ff_exec_source_read(source, path, function, err) == 0)
		return source;
	ff_free(source);
	return NULL;
}

void ff_exec_source_free(struct ff_exec_source *source)
{
	ff_exec_source_release(source);
	ff_free(source);
}

struct ff_task *ff_exec_source_task(struct ff_exec_source *source)
{
	return &source->task;
}

struct ff_channel *ff_exec_file(struct ff_gateway *gateway, const char *path, const char *function,
				const struct ff_value *kwargs, struct ff_err *err)
{
	struct ff_channel *channel;
	struct ff_exec_source source;

	if (kwargs && !function) {
		ff_err_set(err, FF_EINVAL, "%s: keyword arguments are for functions", path);
		return NULL;
	}
	if (ff_exec_source_read(&source, path, function, err))
		return NULL;
	if (kwargs)
		source.task.kwargs = *kwargs;
	channel = ff_gateway_remote_exec(gateway, &source.task, err);
	ff_exec_source_release(&source);
	return channel;
}

int ff_exec_builtin(const struct ff_gateway *gateway, const char *name, struct ff_task *task,
		    struct ff_err *err)
{
	static const char *const names[] = {"command", "rsync", "proxy"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		*task = (struct ff_task){
			.source = ff_gateway_is_native(gateway) ? NULL
								: ff_bootstrap_source(names[i]),
			.call_name = names[i],
		};
		return 0;
	}
	return ff_err_set(err, FF_ENOTFOUND, "workers have no built-in '%s'", name);
}
