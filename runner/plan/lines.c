/* Items and which of them make a unit. The last source turns fastest. Reads no file but blocks. */
#include "plan/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "plan/lines_private.h"
#include "plan/private.h"

enum { NAME_MAX_BYTES = 120, SEARCH_BYTES = 64 << 10 };

/* --- sources --- */

struct ff_lines_source *ff_lines_add_source(struct ff_lines *lines, const char *from)
{
	struct ff_lines_source *source;

	lines->sources =
		ff_xrealloc(lines->sources, (lines->sources_len + 1) * sizeof(*lines->sources));
	source = &lines->sources[lines->sources_len++];
	*source = (struct ff_lines_source){.from = ff_xstrdup(from)};
	return source;
}

/* Of the sources that go with each other, from *last to the first, which it becomes. */
static uint32_t length_of_group(const struct ff_lines *lines, size_t *last)
{
	uint32_t len = lines->sources[*last].len;

	if (lines->how.link) {
		for (size_t i = 0; len > 0 && i < *last; i++) {
			uint32_t other = lines->sources[i].len;

			len = other > len || other == 0 ? other : len;
		}
		*last = 0;
		return len;
	}
	for (; lines->sources[*last].linked; --*last)
		if (lines->sources[*last - 1].len < len)
			len = lines->sources[*last - 1].len;
	return len;
}

uint32_t ff_lines_records(const struct ff_lines *lines)
{
	uint64_t total = 1;

	for (size_t i = lines->sources_len; i-- > 0;) {
		total *= length_of_group(lines, &i);
		if (total > FF_PLAN_INSTANCES_MAX)
			return UINT32_MAX;
	}
	return lines->sources_len ? (uint32_t)total : 0;
}

uint32_t ff_lines_total(const struct ff_lines *lines)
{
	uint32_t records, group = lines->how.group ? lines->how.group : 1;

	if (lines->blocks_fd >= 0)
		return lines->base.len;
	if (lines->packs)
		return lines->packs_len;
	records = ff_lines_records(lines);
	return records == UINT32_MAX ? records : records / group + (records % group > 0);
}

static int count(struct ff_lines *lines, struct ff_err *err)
{
	lines->base.len = ff_lines_total(lines);
	if (ff_lines_records(lines) <= FF_PLAN_INSTANCES_MAX)
		return 0;
	lines->base.len = 0;
	return ff_err_set(err, FF_ETOOBIG, "these are more than %d units", FF_PLAN_INSTANCES_MAX);
}

int ff_lines_refuse_nul(const char *from, uint64_t line, uint64_t column, struct ff_err *err)
{
	return ff_err_set(err, FF_EINVAL,
			  "%s:%llu:%llu: a NUL byte, which no argument can hold; with -0 items end "
			  "with one",
			  from, (unsigned long long)line, (unsigned long long)column);
}

/* A NUL in the middle of an item would be its end for who gets it. */
static int check_nuls(const char *from, const char *text, size_t len, struct ff_err *err)
{
	const char *nul = memchr(text, '\0', len), *line = text;
	uint64_t number = 1;

	if (!nul)
		return 0;
	for (const char *at; (at = memchr(line, '\n', (size_t)(nul - line))); number++)
		line = at + 1;
	return ff_lines_refuse_nul(from, number, (uint64_t)(nul - line) + 1, err);
}

int ff_lines_add(struct ff_lines *lines, const char *from, char *text, size_t len,
		 const struct ff_lines_end *end, struct ff_err *err)
{
	struct ff_lines_source *source;
	size_t items = 0;

	if (*end->bytes && check_nuls(from, text, len, err)) {
		ff_free(text);
		return FF_EINVAL;
	}
	for (char *at = text; at < text + len; items++) {
		char *stop = memmem(at, (size_t)(text + len - at), end->bytes, end->len);

		at = stop ? stop + end->len : text + len;
	}
	source = ff_lines_add_source(lines, from);
	source->text = ff_xrealloc(text, len + 1);
	source->text[len] = '\0';
	if (items > FF_PLAN_INSTANCES_MAX)
		return ff_err_set(err, FF_ETOOBIG, "%s: more than %d items", from,
				  FF_PLAN_INSTANCES_MAX);
	source->starts = ff_xcalloc(items + 1, sizeof(*source->starts));
	for (size_t at = 0; at < len;) {
		char *stop = memmem(source->text + at, len - at, end->bytes, end->len);

		if (!end->skip_empty || source->text + at != stop)
			source->starts[source->len++] = at;
		if (stop)
			*stop = '\0';
		at = stop ? (size_t)(stop - source->text) + end->len : len;
	}
	return count(lines, err);
}

int ff_lines_add_words(struct ff_lines *lines, char *const *words, size_t len, bool linked,
		       struct ff_err *err)
{
	struct ff_lines_source *source = ff_lines_add_source(lines, ":::");
	struct ff_buf text = FF_BUF_INIT;

	source->starts = ff_xcalloc(len + 1, sizeof(*source->starts));
	for (size_t i = 0; i < len; i++) {
		source->starts[source->len++] = text.len;
		ff_buf_add(&text, words[i], strlen(words[i]) + 1);
	}
	source->text = ff_buf_take(&text);
	source->words = true;
	source->linked = linked && lines->sources_len > 1;
	return count(lines, err);
}

void ff_lines_link(struct ff_lines *lines)
{
	if (lines->sources_len < 2)
		return;
	lines->sources[lines->sources_len - 1].linked = true;
	lines->base.len = ff_lines_total(lines);
}

/* "\t" is a tab; everything else is the expression's. */
int ff_lines_separate(struct ff_lines *lines, const char *separator, struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	char words[160];
	int rc;

	for (const char *at = separator; *at; at++) {
		if (at[0] == '\\' && at[1] == 't')
			ff_buf_addch(&text, '\t'), at++;
		else if (at[0] == '\\' && at[1])
			ff_buf_add(&text, at++, 2);
		else
			ff_buf_addch(&text, *at);
	}
	rc = regcomp(&lines->separator, ff_buf_str(&text), REG_EXTENDED);
	ff_buf_release(&text);
	if (rc) {
		regerror(rc, &lines->separator, words, sizeof(words));
		return ff_err_set(err, FF_EINVAL, "'%s' is no regular expression: %s", separator,
				  words);
	}
	lines->has_separator = true;
	return 0;
}

/* --- blocks --- */

/* Where the block that should end at `at` ends: behind the next `end`. Negative: errno. */
static int64_t end_of_block(int fd, uint64_t at, uint64_t size, char end)
{
	char bytes[SEARCH_BYTES];

	while (at < size) {
		ssize_t n = pread(fd, bytes, sizeof(bytes), (off_t)at);
		const char *found = n > 0 ? memchr(bytes, end, (size_t)n) : NULL;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return (int64_t)at; /* it has become shorter */
		if (found)
			return (int64_t)at + (found - bytes) + 1;
		at += (uint64_t)n;
	}
	return (int64_t)size;
}

int ff_lines_add_block(struct ff_lines *lines, uint32_t len, const struct ff_lines_block *block,
		       struct ff_err *err)
{
	if (len == FF_PLAN_INSTANCES_MAX)
		return ff_err_set(err, FF_ETOOBIG, "these are more than %d blocks",
				  FF_PLAN_INSTANCES_MAX);
	if ((len & (len - 1)) == 0)
		lines->blocks =
			ff_xrealloc(lines->blocks, 2 * ((size_t)len + 1) * sizeof(*lines->blocks));
	lines->blocks[len] = *block;
	return 0;
}

int ff_lines_blocks(struct ff_lines *lines, int fd, uint64_t size, char end, struct ff_err *err)
{
	struct stat st;
	uint64_t at = 0;
	int rc;

	lines->blocks_fd = fd;
	if (fstat(fd, &st))
		return ff_err_sys(err, errno, "<stdin>");
	while (at < (uint64_t)st.st_size) {
		/* The byte before where the next would begin may be the end. */
		int64_t stop = end_of_block(fd, at + size - 1, (uint64_t)st.st_size, end);

		if (stop < 0)
			return ff_err_sys(err, errno, "<stdin>");
		if (stop > st.st_size || at + size > (uint64_t)st.st_size)
			stop = st.st_size;
		rc = ff_lines_add_block(lines, lines->base.len,
					&(struct ff_lines_block){at, (uint64_t)stop - at}, err);
		if (rc)
			return rc;
		lines->base.len++;
		at = (uint64_t)stop;
	}
	return 0;
}

/* --- units --- */

uint32_t ff_lines_seq(const struct ff_lines *lines, uint32_t index)
{
	return lines->seqs ? lines->seqs[index] : index + 1;
}

void ff_lines_skip(struct ff_lines *lines, bool *done, uint32_t done_len)
{
	uint32_t total = lines->base.len, len = 0;

	if (lines->base.open) {
		lines->feed.done = done;
		lines->feed.done_len = done_len;
		return;
	}

	lines->seqs = ff_xcalloc((size_t)total + 1, sizeof(*lines->seqs));
	for (uint32_t seq = 1; seq <= total; seq++)
		if (seq >= done_len || !done[seq])
			lines->seqs[len++] = seq;
	lines->base.len = len;
	ff_free(done);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void add_arg(const struct ff_lines *lines, struct ff_lines_args *args, const char *text,
		    size_t len)
{
	while (lines->how.trim & FF_LINES_TRIM_LEFT && len > 0 && is_space(*text))
		text++, len--;
	while (lines->how.trim & FF_LINES_TRIM_RIGHT && len > 0 && is_space(text[len - 1]))
		len--;
	/* Full at each power of two. */
	if ((args->len & (args->len - 1)) == 0)
		args->v = ff_xrealloc(args->v, (args->len ? 2 * args->len : 1) * sizeof(*args->v));
	args->v[args->len++] = ff_xstrndup(text, len);
}

void ff_lines_columns(const struct ff_lines *lines, const char *text, struct ff_lines_args *args)
{
	regmatch_t at;
	int flags = 0;

	while (lines->has_separator && regexec(&lines->separator, text, 1, &at, flags) == 0 &&
	       at.rm_eo > 0) {
		add_arg(lines, args, text, (size_t)at.rm_so);
		text += at.rm_eo;
		flags = REG_NOTBOL;
	}
	add_arg(lines, args, text, strlen(text));
}

/* The item of each source, in `items`. */
static void choose(const struct ff_lines *lines, uint32_t record, uint32_t *items)
{
	uint32_t left = lines->order ? lines->order[record] : record;

	for (size_t i = lines->sources_len; i-- > 0;) {
		size_t first = i;
		uint32_t len = length_of_group(lines, &first);

		for (size_t j = first; j <= i; j++)
			items[j] = left % len % lines->sources[j].len;
		left /= len;
		i = first;
	}
}

void ff_lines_range(const struct ff_lines *lines, uint32_t index, struct ff_lines_range *range)
{
	uint32_t group = lines->how.group ? lines->how.group : 1, all;

	range->seq = ff_lines_seq(lines, index);
	if (lines->packs) {
		range->from = lines->packs[range->seq - 1];
		range->to = lines->packs[range->seq];
		return;
	}
	range->from = (range->seq - 1) * group;
	range->to = range->from + group;
	if (group == 1)
		return;
	all = ff_lines_records(lines);
	range->to = range->to < all ? range->to : all;
}

void ff_lines_args(const struct ff_lines *lines, const struct ff_lines_range *range,
		   struct ff_lines_args *args)
{
	uint32_t *items = ff_xcalloc(lines->sources_len + 1, sizeof(*items));

	*args = (struct ff_lines_args){0};
	for (uint32_t record = range->from; record < range->to && lines->sources_len; record++) {
		choose(lines, record, items);
		for (size_t i = 0; i < lines->sources_len; i++)
			ff_lines_columns(
				lines, lines->sources[i].text + lines->sources[i].starts[items[i]],
				args);
	}
	ff_free(items);
}

void ff_lines_args_release(struct ff_lines_args *args)
{
	for (size_t i = 0; i < args->len; i++)
		ff_free(args->v[i]);
	ff_free(args->v);
	*args = (struct ff_lines_args){0};
}

int ff_lines_arguments(const struct ff_lines *lines, uint32_t index, char between,
		       struct ff_buf *out)
{
	struct ff_lines_range range;
	struct ff_lines_args args;
	int rc = 0;

	ff_lines_range(lines, index, &range);
	ff_lines_args(lines, &range, &args);
	for (size_t i = 0; i < args.len && !rc; i++) {
		rc = i ? ff_buf_addch(out, between) : 0;
		rc = rc ? rc : ff_buf_addstr(out, args.v[i]);
	}
	ff_lines_args_release(&args);
	return rc;
}

char *ff_lines_argument(const struct ff_lines *lines, uint32_t index, size_t nth, size_t *column)
{
	struct ff_lines_range range;
	char *copy = NULL;

	ff_lines_range(lines, index, &range);
	for (uint32_t record = range.from; record < range.to && !copy; record++) {
		const struct ff_lines_range one = {record, record + 1, range.seq};
		struct ff_lines_args args;

		ff_lines_args(lines, &one, &args);
		if (nth < args.len) {
			copy = ff_xstrdup(args.v[nth]);
			*column = nth + 1;
		}
		nth -= args.len;
		ff_lines_args_release(&args);
	}
	return copy;
}

/* --- as the plan sees them --- */

/* "map[a,b]", and not more of it than is of use. */
static int name_unit(const struct ff_plan_source *base, uint32_t index, struct ff_buf *name)
{
	const struct ff_lines *lines = (const struct ff_lines *)base;
	struct ff_buf text = FF_BUF_INIT;
	int rc = 0;

	if (lines->blocks_fd >= 0)
		return ff_buf_addf(name, "%s[%u]", lines->name, ff_lines_seq(lines, index));
	if (ff_lines_arguments(lines, index, ',', &text)) {
		rc = FF_ENOMEM;
	} else {
		const char *bytes = text.len ? ff_buf_str(&text) : "";
		size_t len = text.len;

		if (len > NAME_MAX_BYTES)
			for (len = NAME_MAX_BYTES; len > 0 && (bytes[len] & 0xc0) == 0x80;)
				len--;
		rc = ff_buf_addf(name, "%s[%.*s%s]", lines->name, (int)len, bytes,
				 len < text.len ? "…" : "");
	}
	ff_buf_release(&text);
	return rc;
}

/* None of it if the file has become shorter. */
static int read_block(const struct ff_lines *lines, uint32_t seq, struct ff_arena *arena,
		      struct ff_payload_job *job)
{
	const struct ff_lines_block *block = &lines->blocks[seq - 1];
	char *bytes = ff_arena_alloc(arena, block->len + 1);

	if (!bytes)
		return FF_ENOMEM;
	while (job->stdin_len < block->len) {
		ssize_t n =
			pread(lines->blocks_fd, bytes + job->stdin_len, block->len - job->stdin_len,
			      (off_t)(block->offset + job->stdin_len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? FF_ESYS : FF_EINVAL;
		job->stdin_len += (size_t)n;
	}
	job->stdin_bytes = bytes;
	return 0;
}

static int make_unit(const struct ff_plan_source *base, uint32_t index, uint32_t slot,
		     struct ff_arena *arena, struct ff_payload_job *job)
{
	const struct ff_lines *lines = (const struct ff_lines *)base;
	struct ff_buf text = FF_BUF_INIT;
	int rc = ff_lines_text(lines, index, slot, &text);

	if (!rc && lines->direct && slot)
		job->args = ff_lines_argv(lines, index, slot, arena);
	if (!rc && lines->direct && slot && job->args) {
		job->or_shell = true;
		job->shell = NULL;
	} else if (!rc) {
		job->args = NULL;
		job->shell = ff_arena_copy(arena, text.len ? ff_buf_str(&text) : "", text.len);
		rc = job->shell ? 0 : FF_ENOMEM;
	}
	ff_buf_release(&text);
	if (!rc && slot && lines->blocks_fd >= 0)
		rc = read_block(lines, ff_lines_seq(lines, index), arena, job);
	return rc;
}

void ff_lines_init(struct ff_lines *lines)
{
	*lines = (struct ff_lines){
		.base = {.name = name_unit, .make = make_unit}, .name = "map", .blocks_fd = -1};
}

void ff_lines_release(struct ff_lines *lines)
{
	for (size_t i = 0; i < lines->sources_len; i++) {
		ff_free(lines->sources[i].text);
		ff_free(lines->sources[i].starts);
		ff_free(lines->sources[i].from);
	}
	ff_free(lines->sources);
	ff_lines_parts_release(lines);
	ff_lines_files_release(lines);
	if (lines->has_separator)
		regfree(&lines->separator);
	ff_free(lines->blocks);
	ff_free(lines->seqs);
	ff_free(lines->order);
	ff_free(lines->packs);
	ff_strv_release(&lines->names);
	ff_free(lines->feed.done);
	if (lines->blocks_fd >= 0)
		close(lines->blocks_fd);
	ff_lines_init(lines);
}
