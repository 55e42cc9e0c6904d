/* Which files of tests are other ones now than an earlier run found them, by their content. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/crc32.h"
#include "base/fd.h"
#include "cli/command.h"
#include "cli/resume.h"

enum { FILE_MAX = 64 << 20, FILES_TOLD = 20 };

/* Its content as sessions tell it (plugins/pytest: zlib.crc32); 0: it can't be read. */
static int64_t content_of(const char *directory, const char *file)
{
	char *path = *file == '/' || !directory ? ff_xstrdup(file)
						: ff_xasprintf("%s/%s", directory, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct ff_buf bytes = {.max = FILE_MAX};
	int64_t content = 0;

	if (fd >= 0 && ff_read_all(fd, FILE_MAX, &bytes) == 0)
		content = ff_crc32(ff_buf_data(&bytes), bytes.len);
	if (fd >= 0)
		close(fd);
	ff_buf_release(&bytes);
	ff_free(path);
	return content;
}

/* One that is not here at all may have been of another machine: nothing is known of it. */
static bool is_changed(void *ctx, const char *directory, const char *rootdir, const char *file,
		       int64_t content)
{
	struct ff_changed *changed = ctx;
	int64_t now = rootdir ? content_of(rootdir, file) : 0;

	now = now ? now : content_of(directory, file);
	if (!now || now == content)
		return false;
	if (!ff_strv_contains(&changed->files, file))
		ff_strv_add(&changed->files, file);
	return true;
}

void ff_changed_ask(struct ff_changed *changed, struct ff_before_again *again)
{
	again->changed = is_changed;
	again->ctx = changed;
}

void ff_changed_say(const struct ff_changed *changed, bool again)
{
	for (size_t i = 0; i < changed->files.len && i < FILES_TOLD; i++)
		ff_complain("%s has changed since then%s", changed->files.v[i],
			    again ? ": its tests run again" : "");
	if (changed->files.len > FILES_TOLD)
		ff_complain("and %zu more files have changed since then",
			    changed->files.len - FILES_TOLD);
}

void ff_changed_release(struct ff_changed *changed)
{
	ff_strv_release(&changed->files);
}
