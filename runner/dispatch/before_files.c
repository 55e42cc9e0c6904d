/* Files that an earlier run's units came from. */
#include "dispatch/before_files.h"

#include <string.h>

#include "base/alloc.h"

static struct ff_before_file *find(struct ff_before_files *files, const char *name)
{
	struct ff_before_file *file = ff_map_get(&files->by_name, name);

	if (!file) {
		file = ff_xcalloc(1, sizeof(*file));
		ff_map_set(&files->by_name, name, file);
	}
	return file;
}

void ff_before_files_note(struct ff_before_files *files, const struct ff_before_run *run,
			  const struct ff_before_again *again, const struct ff_event *event)
{
	const char *name = event->u.file_collected.file;
	struct ff_before_file *file;

	if (event->kind == FF_EVENT_SYNC_FINISHED) {
		files->synced = true;
		return;
	}
	if (event->kind == FF_EVENT_COLLECTED) {
		if (!files->rootdir && event->u.collected.rootdir)
			files->rootdir = ff_xstrdup(event->u.collected.rootdir);
		return;
	}
	if (!event->u.file_collected.content)
		return;
	file = find(files, name);
	if (file->asked) /* by another worker */
		return;
	file->asked = true;
	file->changed =
		again->changed(again->ctx, run->directory, files->synced ? NULL : files->rootdir,
			       name, event->u.file_collected.content);
}

/* "tests/test_a.py::test_b" is of the file before the colons. */
void ff_before_files_unit(struct ff_before_files *files, const char *name, uint32_t job,
			  uint32_t unit)
{
	const char *end = strstr(name, "::");

	if (!end)
		return;
	ff_buf_clear(&files->name);
	ff_buf_add(&files->name, name, (size_t)(end - name));
	if (files->len == files->cap) {
		files->cap = files->cap ? 2 * files->cap : 256;
		files->units = ff_xrealloc(files->units, files->cap * sizeof(*files->units));
	}
	files->units[files->len++] =
		(struct ff_before_file_unit){job, unit, find(files, ff_buf_str(&files->name))};
}

void ff_before_files_release(struct ff_before_files *files)
{
	size_t cursor = 0;
	void *file;

	while (ff_map_next(&files->by_name, &cursor, NULL, &file))
		ff_free(file);
	ff_map_release(&files->by_name);
	ff_free(files->rootdir);
	ff_free(files->units);
	ff_buf_release(&files->name);
	*files = (struct ff_before_files){0};
}
