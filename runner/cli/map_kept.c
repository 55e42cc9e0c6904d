/* What `farflung map` read for its units, kept beside the run's journal: so the run can be gone on
 * with when stdin is gone, and files are other ones. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "cli/map.h"
#include "event/journal.h"

enum { PIECE_BYTES = 64 << 10 };

/* "…/input", "…/input-2"; the caller's to free. */
static char *path_of(const char *journal, size_t source)
{
	const char *slash = strrchr(journal, '/');
	size_t len = slash ? (size_t)(slash - journal) + 1 : 0;

	if (source == 0)
		return ff_xasprintf("%.*s%s", (int)len, journal, FF_INPUT_NAME);
	return ff_xasprintf("%.*s%s-%zu", (int)len, journal, FF_INPUT_NAME, source + 1);
}

/* --- writing --- */

static int write_items(const struct ff_lines_source *source, uint32_t from, char end, int fd)
{
	struct ff_buf bytes = FF_BUF_INIT;
	int errnum = 0;

	if (from == 0 && source->headed) {
		ff_buf_addstr(&bytes, source->text + source->head);
		ff_buf_addch(&bytes, end);
	}
	if (from == 0 && source->len == 0)
		errnum = ff_write_all(fd, ff_buf_data(&bytes), bytes.len);
	for (uint32_t i = from; i < source->len && !errnum; i++) {
		ff_buf_addstr(&bytes, source->text + source->starts[i]);
		ff_buf_addch(&bytes, end);
		if (bytes.len < PIECE_BYTES && i + 1 < source->len)
			continue;
		errnum = ff_write_all(fd, ff_buf_data(&bytes), bytes.len);
		ff_buf_clear(&bytes);
	}
	ff_buf_release(&bytes);
	return errnum;
}

void ff_map_keep_begin(struct ff_map_keep *keep, const char *journal)
{
	const struct ff_lines *lines = keep->lines;
	size_t number = 0;

	for (size_t i = 0; i < lines->sources_len; i++) {
		const struct ff_lines_source *source = &lines->sources[i];
		int errnum;

		if (source->words)
			continue;
		ff_map_keep_end(keep);
		keep->path = path_of(journal, number++);
		keep->fd = open(keep->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		errnum = keep->fd < 0 ? errno : write_items(source, 0, keep->end, keep->fd);
		if (errnum)
			ff_complain("map: what was read is not kept, and --resume will want it "
				    "again: '%s': %s",
				    keep->path, strerror(errnum));
		keep->written = source->len;
	}
	if (!lines->base.open)
		ff_map_keep_end(keep);
}

int ff_map_keep_more(struct ff_map_keep *keep, struct ff_err *err)
{
	const struct ff_lines_source *source = keep->lines->sources;
	int errnum;

	if (keep->fd < 0 || source->len == keep->written)
		return 0;
	errnum = write_items(source, keep->written, keep->end, keep->fd);
	keep->written = source->len;
	return errnum ? ff_err_sys(err, errnum, "cannot write '%s'", keep->path) : 0;
}

void ff_map_keep_end(struct ff_map_keep *keep)
{
	if (keep->fd >= 0)
		close(keep->fd);
	ff_free(keep->path);
	keep->fd = -1;
	keep->path = NULL;
}

/* --- reading --- */

/* Half an item at the end, of a run that was killed or a disk that was full, is none. */
static int read_kept(const struct ff_map_kept *kept, size_t source, struct ff_buf *text)
{
	char *path = path_of(kept->journal, source);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int errnum = fd < 0 ? errno : ff_read_all(fd, SIZE_MAX, text);

	while (text->len > 0 && ff_buf_data(text)[text->len - 1] != (uint8_t)kept->end)
		text->len--;
	if (errnum)
		ff_complain("map: what run %s read is not there: '%s': %s", kept->run_id, path,
			    strerror(errnum));
	if (fd >= 0)
		close(fd);
	ff_free(path);
	return errnum ? -1 : 0;
}

int ff_map_kept_take(struct ff_map_kept *kept, const char *name, const struct ff_buf *now,
		     struct ff_buf *text)
{
	if (read_kept(kept, kept->next++, text))
		return -1;
	if (now && (now->len != text->len ||
		    (now->len > 0 && memcmp(ff_buf_data(now), ff_buf_data(text), now->len) != 0)))
		ff_complain("%s has changed since then: run %s goes on with the items that it had",
			    name, kept->run_id);
	return 0;
}

int ff_map_kept_expect(struct ff_map_kept *kept)
{
	const struct ff_lines_end end = {&kept->end, 1, false};
	struct ff_buf text = {.max = SIZE_MAX};
	struct ff_err err = {0};
	size_t len;

	kept->used = true;
	kept->stdin_kept = kept->next;
	if (read_kept(kept, kept->next++, &text)) {
		ff_buf_release(&text);
		return -1;
	}
	len = text.len;
	ff_lines_init(&kept->then);
	if (ff_lines_add(&kept->then, FF_INPUT_NAME, ff_buf_take(&text), len, &end, &err)) {
		ff_complain("map: %s", err.text);
		return -1;
	}
	return 0;
}

uint32_t ff_map_kept_len(const struct ff_map_kept *kept)
{
	return kept && kept->used ? kept->then.sources[0].len : 0;
}

int ff_map_kept_check(const struct ff_map_kept *kept, const struct ff_lines_source *source)
{
	const struct ff_lines_source *then = kept->then.sources;
	char *path = path_of(kept->journal, kept->stdin_kept);
	int rc = 0;

	for (uint32_t i = 0; i < then->len && i < source->len && rc == 0; i++) {
		const char *was = then->text + then->starts[i];
		const char *is = source->text + source->starts[i];

		if (strcmp(was, is) == 0)
			continue;
		ff_complain("map: %s: item %u is '%.200s', and was '%.200s' in run %s: these are "
			    "others",
			    source->from, i + 1, is, was, kept->run_id);
		rc = -1;
	}
	if (rc == 0 && source->len < then->len) {
		ff_complain("map: run %s had not read stdin to its end: it is wanted once more, "
			    "from its beginning, and has but %u of the %u items that were read (to "
			    "run no more than those: < %s)",
			    kept->run_id, source->len, then->len, path);
		rc = -1;
	}
	ff_free(path);
	return rc;
}

int ff_map_kept_check_units(const struct ff_map_kept *kept, uint32_t units)
{
	if (!kept || units >= kept->units)
		return 0;
	ff_complain("map: run %s had %u units, and what it read is %u: it is not whole, so that "
		    "it can't be gone on with",
		    kept->run_id, kept->units, units);
	return -1;
}
