/* A source whose items come while units are made of those that have come. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "plan/lines_private.h"

void ff_lines_open(struct ff_lines *lines, const char *from, char end, bool skip_empty)
{
	struct ff_lines_source *source = ff_lines_add_source(lines, from);

	lines->base.open = true;
	lines->base.len = 0;
	lines->feed = (struct ff_lines_feed){
		.end = end, .skip_empty = skip_empty, .cap = 4096, .starts_cap = 64};
	source->text = ff_xmalloc(lines->feed.cap);
	source->starts = ff_xcalloc(lines->feed.starts_cap, sizeof(*source->starts));
}

/* The next unit is this one, unless an earlier run had it. */
static void add_unit(struct ff_lines *lines, uint32_t seq)
{
	struct ff_lines_feed *feed = &lines->feed;

	if (!feed->done) {
		lines->base.len = seq;
		return;
	}
	if (seq < feed->done_len && feed->done[seq])
		return;
	if (lines->base.len == feed->seqs_cap) {
		feed->seqs_cap = feed->seqs_cap ? 2 * feed->seqs_cap : 64;
		lines->seqs = ff_xrealloc(lines->seqs, feed->seqs_cap * sizeof(*lines->seqs));
	}
	lines->seqs[lines->base.len++] = seq;
}

/* The item that was begun ends at `end`, where its NUL goes. */
static int end_item(struct ff_lines *lines, size_t end, struct ff_err *err)
{
	struct ff_lines_source *source = &lines->sources[0];
	struct ff_lines_feed *feed = &lines->feed;
	uint32_t group = lines->how.group ? lines->how.group : 1;
	size_t begun = feed->begun;
	const char *nul = memchr(source->text + begun, '\0', end - begun);

	feed->number++;
	feed->begun = end + 1;
	source->text[end] = '\0';
	if (nul)
		return ff_lines_refuse_nul(source->from, feed->number,
					   (uint64_t)(nul - source->text) - begun + 1, err);
	if (feed->skip_empty && end == begun)
		return 0;
	if (source->len == FF_PLAN_INSTANCES_MAX)
		return ff_err_set(err, FF_ETOOBIG, "%s: more than %d items", source->from,
				  FF_PLAN_INSTANCES_MAX);
	if (source->len == feed->starts_cap) {
		feed->starts_cap *= 2;
		source->starts =
			ff_xrealloc(source->starts, feed->starts_cap * sizeof(*source->starts));
	}
	source->starts[source->len++] = begun;
	if (source->len % group == 0)
		add_unit(lines, source->len / group);
	return 0;
}

static int add_items(struct ff_lines *lines, const char *bytes, size_t len, bool end,
		     struct ff_err *err)
{
	struct ff_lines_source *source = &lines->sources[0];
	struct ff_lines_feed *feed = &lines->feed;
	size_t from = feed->len;
	int rc = 0;

	while (feed->cap - feed->len <= len) { /* and a NUL behind it */
		feed->cap *= 2;
		source->text = ff_xrealloc(source->text, feed->cap);
	}
	if (len > 0)
		memcpy(source->text + feed->len, bytes, len);
	feed->len += len;
	for (char *stop; rc == 0 && from < feed->len; from = (size_t)(stop - source->text) + 1) {
		stop = memchr(source->text + from, feed->end, feed->len - from);
		if (!stop)
			break;
		rc = end_item(lines, (size_t)(stop - source->text), err);
	}
	if (rc == 0 && end && feed->begun < feed->len)
		rc = end_item(lines, feed->len, err);
	/* The last has what is left. */
	if (rc == 0 && end && lines->how.group && source->len % lines->how.group)
		add_unit(lines, source->len / lines->how.group + 1);
	return rc;
}

/* --- blocks --- */

void ff_lines_open_blocks(struct ff_lines *lines, int fd, uint64_t size, char end)
{
	lines->base.open = true;
	lines->base.len = 0;
	lines->blocks_fd = fd;
	lines->feed = (struct ff_lines_feed){.end = end, .block_size = size};
}

static int end_block(struct ff_lines *lines, uint64_t end, struct ff_err *err)
{
	struct ff_lines_feed *feed = &lines->feed;
	int rc = ff_lines_add_block(lines, (uint32_t)feed->number,
				    &(struct ff_lines_block){feed->begun, end - feed->begun}, err);

	if (rc)
		return rc;
	feed->begun = end;
	add_unit(lines, (uint32_t)++feed->number);
	return 0;
}

static int write_all(int fd, const char *bytes, size_t len, uint64_t at, struct ff_err *err)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ff_err_sys(err, errno, "blocks of <stdin> can't be kept");
		bytes += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* A block ends behind the first end of a line at which it is long enough. */
static int add_blocks(struct ff_lines *lines, const char *bytes, size_t len, bool end,
		      struct ff_err *err)
{
	struct ff_lines_feed *feed = &lines->feed;
	uint64_t before = feed->len;
	int rc = write_all(lines->blocks_fd, bytes, len, before, err);

	feed->len += len;
	while (rc == 0) {
		uint64_t from = feed->begun + feed->block_size - 1;
		const char *stop;

		if (from < before)
			from = before;
		stop = from < feed->len ? memchr(bytes + (from - before), feed->end,
						 (size_t)(feed->len - from))
					: NULL;
		if (!stop)
			break;
		rc = end_block(lines, before + (uint64_t)(stop - bytes) + 1, err);
	}
	if (rc == 0 && end && feed->begun < feed->len)
		rc = end_block(lines, feed->len, err);
	return rc;
}

int64_t ff_lines_more(struct ff_lines *lines, const char *bytes, size_t len, bool end,
		      struct ff_err *err)
{
	uint32_t before = lines->base.len;
	int rc = lines->blocks_fd >= 0 ? add_blocks(lines, bytes, len, end, err)
				       : add_items(lines, bytes, len, end, err);

	lines->base.open = rc == 0 && !end;
	return rc ? rc : (int64_t)(lines->base.len - before);
}
