/* What the files of `farflung map` share. */
#ifndef FF_CLI_MAP_H
#define FF_CLI_MAP_H

#include "cli/command.h"
#include "config/config.h"
#include "plan/lines.h"

enum { FF_MAP_USAGE = 255 }; /* as GNU parallel: smaller ones are numbers of units */

struct ff_map_input {
	const struct ff_strv *files; /* -a */
	struct ff_lines_end end;
	bool split_words;      /* those behind ::: at such ends, too */
	const char *separator; /* NULL: items are one column */
	bool pipe;
	int64_t block_bytes;
	bool all; /* before anything is done */
	bool header, shuffle;
	bool quote; /* words of the command are none of the shell's business */
};

/* Takes `words` apart: the command up to ":::" and the like, then reads all items; or, of a stdin
 * that is no file, none yet: lines->base.open. 0, or -1 with a complaint. */
int ff_map_read(struct ff_lines *lines, const struct ff_map_input *input,
		const struct ff_strv *words);
/* Reads from that until there is a unit, or no more comes; all of it, if nothing tells when more is
 * there. 0, or -1 with a complaint. */
int ff_map_read_first(struct ff_lines *lines, const struct ff_map_input *input);
/* What -d gives, escapes such as \t and \0 read. 0, or -1 with a complaint. */
int ff_map_delimiter(const char *text, struct ff_buf *out);
/* A number that `option` has; 0 if there is none, -1 with a complaint. */
int64_t ff_map_number(const char *option, const char *text, int64_t min, int64_t max);
/* FF_LINES_TRIM_…, or -1 with a complaint. */
int ff_map_trim(const char *text);
/* A time, or a percentage. 0, or -1 with a complaint. */
int ff_map_check_timeout(const char *text);
/* The shell text of a command of these words: as they are, or quoted where a shell would make
 * something of them, placeholders excepted. */
void ff_map_command(struct ff_buf *out, char *const *words, size_t len, bool quote);
/* ff_lines_more: for struct ff_run_feed. */
int64_t ff_map_take(void *lines, const char *bytes, size_t len, bool end, struct ff_err *err);

#endif
