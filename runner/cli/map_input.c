/* What `farflung map` runs its command on: lines of stdin or of files, words, blocks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "cli/map.h"
#include "report/file.h"

enum { READ_BYTES = 64 << 10 };

/* All of a file, or of stdin. An errno, or 0. */
static int read_file(const char *path, struct ff_buf *text)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int errnum = fd < 0 ? errno : ff_read_all(fd, SIZE_MAX, text);

	if (fd > STDERR_FILENO)
		close(fd);
	return errnum;
}

/* As it would be kept: items with their ends. */
static void as_kept(const struct ff_map_input *input, const struct ff_buf *text, struct ff_buf *out)
{
	const char *at = (const char *)ff_buf_data(text), *end = at + text->len;
	char mark = *input->end.bytes;

	while (at < end) {
		const char *stop = memchr(at, mark, (size_t)(end - at));

		if (!input->end.skip_empty || stop != at) {
			ff_buf_add(out, at, (size_t)((stop ? stop : end) - at));
			ff_buf_addch(out, mark);
		}
		at = stop ? stop + 1 : end;
	}
}

/* What the run that is gone on with had read there; of what is there now only that it is another
 * one is of interest. */
static int take_kept(const struct ff_map_input *input, const char *path, struct ff_buf *text)
{
	struct ff_buf bytes = {.max = SIZE_MAX}, now = {.max = SIZE_MAX};
	/* What is behind -E's item was never read; what -d cut is kept with other ends. */
	bool comparable =
		!input->end_mark && input->end.len == 1 && *input->end.bytes == input->kept->end;
	bool known = strcmp(path, "-") != 0 && comparable && read_file(path, &bytes) == 0;
	int rc;

	if (known)
		as_kept(input, &bytes, &now);
	rc = ff_map_kept_take(input->kept, path, known ? &now : NULL, text);
	ff_buf_release(&bytes);
	ff_buf_release(&now);
	return rc;
}

static int add_file(struct ff_lines *lines, const struct ff_map_input *input, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	bool again = is_stdin && input->kept && input->kept->cut;
	const char *name = is_stdin ? "<stdin>" : path;
	struct ff_buf text = {.max = SIZE_MAX};
	struct ff_err err = {0};
	int rc = again ? ff_map_kept_expect(input->kept) : 0;
	struct ff_lines_end end = input->end;
	size_t len;

	if (rc == 0 && input->kept && !again) {
		rc = take_kept(input, path, &text);
		end.bytes = &input->kept->end;
		end.len = 1;
	} else if (rc == 0) {
		int errnum = read_file(path, &text);

		if (errnum)
			ff_complain("map: %s: %s", name, strerror(errnum));
		rc = errnum ? -1 : 0;
	}
	if (rc) {
		ff_buf_release(&text);
		return -1;
	}
	len = text.len;
	if (ff_lines_add(lines, name, ff_buf_take(&text), len, &end, &err) < 0) {
		ff_complain("map: %s", err.text);
		return -1;
	}
	return again ? ff_map_kept_check(input->kept, &lines->sources[lines->sources_len - 1]) : 0;
}

/* --- blocks --- */

static int read_blocks(struct ff_lines *lines, const struct ff_map_input *input)
{
	uint64_t size = (uint64_t)input->block_bytes;
	char end = *input->end.bytes;
	struct ff_err err = {0};
	struct stat st;
	int fd;

	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
	    lseek(STDIN_FILENO, 0, SEEK_CUR) == 0) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (fd < 0)
			ff_err_sys(&err, errno, "<stdin>");
		else
			ff_lines_blocks(lines, fd, size, end, &err);
	} else {
		fd = ff_report_scratch("/dev/null", &err);
		if (fd >= 0)
			ff_lines_open_blocks(lines, fd, size, end);
	}
	if (!err.code)
		return 0;
	ff_complain("map: %s", err.text);
	return -1;
}

/* What can't be waited for is read before anything runs. */
static bool may_be_fed(const struct ff_map_input *input)
{
	struct stat st;

	if (input->all || fstat(STDIN_FILENO, &st))
		return false;
	return S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(STDIN_FILENO);
}

int ff_map_read_first(struct ff_lines *lines, const struct ff_map_input *input)
{
	uint32_t wanted = ff_map_kept_len(input->kept);
	bool all = !may_be_fed(input);
	char *bytes = ff_xmalloc(READ_BYTES);
	struct ff_err err = {0};
	int64_t came = 0;

	if (isatty(STDIN_FILENO))
		ff_complain("map: a unit for each line from here on, Ctrl-D ends them");
	while (came >= 0 && lines->base.open &&
	       (all || lines->base.len == 0 || (wanted > 0 && lines->sources[0].len < wanted))) {
		ssize_t n = read(STDIN_FILENO, bytes, READ_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			came = ff_err_sys(&err, errno, "<stdin>");
		else
			came = ff_lines_more(lines, bytes, (size_t)n, n == 0, &err);
	}
	ff_free(bytes);
	if (came >= 0)
		return wanted > 0 ? ff_map_kept_check(input->kept, &lines->sources[0]) : 0;
	ff_complain("map: %s", err.text);
	return -1;
}

int64_t ff_map_take(void *ctx, const char *bytes, size_t len, bool end, struct ff_err *err)
{
	struct ff_map_keep *keep = ctx;
	int64_t came = ff_lines_more(keep->lines, bytes, len, end, err);
	int rc = came > 0 ? ff_map_keep_more(keep, err) : 0;

	return rc ? rc : came;
}

/* --- the command line --- */

/* ":::" words, "::::" files; with a "+" they go with those before. */
static bool is_source(const struct ff_map_input *input, const char *word, bool *files, bool *linked)
{
	size_t colons = strspn(word, ":"), own = input->arg_sep ? strlen(input->arg_sep) : 0;

	if (own && strncmp(word, input->arg_sep, own) == 0 &&
	    (!word[own] || strcmp(word + own, "+") == 0)) {
		*files = false;
		*linked = word[own] == '+';
		return true;
	}
	if (own && colons == 3)
		return false;
	if ((colons != 3 && colons != 4) || (word[colons] && strcmp(word + colons, "+") != 0))
		return false;
	*files = colons == 4;
	*linked = word[colons] == '+';
	return true;
}

/* As if they were the text of a file. */
static int split_words(struct ff_lines *lines, const struct ff_map_input *input, char *const *words,
		       size_t len, struct ff_err *err)
{
	struct ff_buf text = {.max = SIZE_MAX};
	size_t text_len;
	int rc;

	for (size_t i = 0; i < len; i++) {
		ff_buf_addstr(&text, words[i]);
		ff_buf_add(&text, input->end.bytes, input->end.len);
	}
	text_len = text.len;
	rc = ff_lines_add(lines, ":::", ff_buf_take(&text), text_len, &input->end, err);
	if (rc == 0)
		lines->sources[lines->sources_len - 1].words = true;
	return rc;
}

static int add_words(struct ff_lines *lines, const struct ff_map_input *input, char *const *words,
		     size_t len, bool files, bool linked)
{
	struct ff_err err = {0};
	int rc;

	if (!files) {
		rc = input->split_words ? split_words(lines, input, words, len, &err)
					: ff_lines_add_words(lines, words, len, linked, &err);
		if (rc == 0 && linked)
			ff_lines_link(lines);
		if (rc == 0)
			return 0;
		ff_complain("map: %s", err.text);
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		if (add_file(lines, input, words[i]))
			return -1;
		if (linked)
			ff_lines_link(lines);
	}
	return 0;
}

static int add_sources(struct ff_lines *lines, const struct ff_map_input *input,
		       const struct ff_strv *words, size_t at)
{
	bool files, linked, more_files, more_linked;

	for (size_t i = 0; i < input->files->len; i++)
		if (add_file(lines, input, input->files->v[i]))
			return -1;
	while (at < words->len && is_source(input, words->v[at], &files, &linked)) {
		size_t first = ++at;

		while (at < words->len &&
		       !is_source(input, words->v[at], &more_files, &more_linked))
			at++;
		if (add_words(lines, input, words->v + first, at - first, files, linked))
			return -1;
	}
	if (lines->sources_len > 0)
		return 0;
	/* All must be known where not each of them will do. */
	if (!lines->delicate && input->end.len == 1 && may_be_fed(input) &&
	    (!input->kept || input->kept->cut)) {
		if (input->kept && ff_map_kept_expect(input->kept))
			return -1;
		ff_lines_open(lines, "<stdin>", *input->end.bytes, input->end.skip_empty);
		return 0;
	}
	return add_file(lines, input, "-");
}

static uint32_t random_below(uint32_t below)
{
	uint64_t number = 0;

	while (getrandom(&number, sizeof(number), 0) != sizeof(number))
		;
	return (uint32_t)(number % below);
}

/* What can be done only with all items. */
static int finish(struct ff_lines *lines, const struct ff_map_input *input, const char *command)
{
	struct ff_err err = {0};
	int rc = 0;

	if (input->separator)
		rc = ff_lines_separate(lines, input->separator, &err);
	if (input->end_mark)
		ff_lines_stop_at(lines, input->end_mark);
	if (!rc && input->header)
		rc = ff_lines_header(lines, &err);
	if (!rc && input->shuffle)
		ff_lines_shuffle(lines, random_below);
	if (!rc)
		rc = ff_lines_command(lines, command, &err);
	if (rc)
		ff_complain("map: %s", err.text);
	return rc ? -1 : 0;
}

int ff_map_read(struct ff_lines *lines, const struct ff_map_input *input,
		const struct ff_strv *words)
{
	struct ff_buf command = FF_BUF_INIT;
	struct ff_err err = {0};
	bool files, linked;
	size_t at = 0;
	int rc;

	while (at < words->len && !is_source(input, words->v[at], &files, &linked))
		at++;
	ff_map_command(&command, words->v, at, input->quote);
	if (input->pipe && (at < words->len || input->files->len > 0 || at == 0)) {
		ff_complain("map: --pipe gives a command blocks of stdin: it wants a command, and "
			    "neither -a nor :::");
		rc = -1;
	} else if (input->pipe) {
		rc = read_blocks(lines, input);
	} else {
		/* The command alone tells whether items may come later. */
		rc = ff_lines_command(lines, at ? ff_buf_str(&command) : "", &err);
		if (rc)
			ff_complain("map: %s", err.text);
		else
			rc = add_sources(lines, input, words, at);
	}
	if (!rc)
		rc = finish(lines, input, at ? ff_buf_str(&command) : "");
	ff_buf_release(&command);
	return rc;
}
