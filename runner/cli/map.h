/* What the files of `farflung map` share. */
#ifndef FF_CLI_MAP_H
#define FF_CLI_MAP_H

#include "cli/command.h"
#include "config/config.h"
#include "plan/lines.h"

enum { FF_MAP_USAGE = 255 }; /* as GNU parallel: smaller ones are numbers of units */

/* By the name that the entries of cmd_map.c's table have for it. */
struct options {
	struct ff_strv tx, files, reports, sent, returned, both;
	const char *slots, *on, *inventory, *separator, *joblog, *results, *web, *cert, *key, *halt,
		*retries, *retry_delay, *timeout, *block, *max_replace, *max_args, *max_chars,
		*delimiter, *trim, *header, *delay, *resume, *resume_failed, *max_lines, *replace,
		*tagstring, *end_mark, *arg_sep, *cwd, *nice, *memory, *cpu;
	bool nul, skip_empty, tag, keep, lines, dry, bar, pipe, cleanup, xargs, merge, link, quote,
		shuffle;
	struct ff_before *before; /* what is gone on with by its journal; NULL */
	int argc;
	char **argv;
};

/* What an earlier run read, kept in its folder: items of one source a file. */
struct ff_map_kept {
	const char *journal; /* of that run */
	const char *run_id;
	char end;	/* of each item */
	uint32_t units; /* that it knew of */
	size_t next;	/* source, as they are read in order */
	/* Its stdin was not read to its end: it is read again, from the first item on. */
	bool cut;
	bool used;	      /* stdin is one of the sources */
	size_t stdin_kept;    /* and which of them it was */
	struct ff_lines then; /* its items then, if it is cut */
};

/* The same while a run goes on. */
struct ff_map_keep {
	struct ff_lines *lines;
	char end;
	int fd; /* of the source that is open; -1 */
	char *path;
	uint32_t written; /* items of that */
};

struct ff_map_input {
	const struct ff_strv *files; /* -a */
	struct ff_lines_end end;
	bool split_words;      /* those behind ::: at such ends, too */
	const char *separator; /* NULL: items are one column */
	bool pipe;
	int64_t block_bytes;
	bool all; /* before anything is done */
	bool header, shuffle;
	const char *arg_sep;  /* in the place of ":::"; NULL: that */
	const char *end_mark; /* the item that ends a source; NULL: none */
	bool quote;	      /* words of the command are none of the shell's business */
	/* What was read by the run that is gone on with, in the place of what is there now. NULL:
	 * nothing is gone on with. */
	struct ff_map_kept *kept;
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
/* For struct ff_run_feed: ff_lines_more, and what came is kept. `keep`: a struct ff_map_keep. */
int64_t ff_map_take(void *keep, const char *bytes, size_t len, bool end, struct ff_err *err);

/* --- map_said.c --- */

int64_t ff_map_cpus(void);
/* -j: at least 1, or -1 with a complaint. */
int64_t ff_map_slots(const char *text);
/* "now,fail=3", "soon,success=10%", "never"; GNU parallel's older 0, 1 and 2. 0, or -1 with a
 * complaint, as all of these. */
int ff_map_halt(struct ff_config *config, const char *text);
/* How items become units. */
int ff_map_how(const struct options *o, struct ff_lines_how *how);
/* What fits together, of what makes units; and of the rest. */
int ff_map_check_items(const struct options *o);
int ff_map_check(const struct options *o, int64_t *block_bytes);
/* What output is tagged with. */
int ff_map_tag(const struct options *o, struct ff_lines *lines);
/* How items are read; `delimiter` keeps what -d gives. */
int ff_map_input_said(const struct options *o, struct ff_map_input *input,
		      struct ff_buf *delimiter);

/* --- map_kept.c --- */

/* Writes what was read beside the journal, so that the run can be gone on with. A failure is
 * complained of. */
void ff_map_keep_begin(struct ff_map_keep *keep, const char *journal);
/* What has come since then. 0 or FF_ESYS. */
int ff_map_keep_more(struct ff_map_keep *keep, struct ff_err *err);
void ff_map_keep_end(struct ff_map_keep *keep);

/* The items that the next source had, as a text that is malloc'd. `now`: those that it has now
 * (NULL: not known), which are others if they differ: that is said by `name`. 0, or -1 with a
 * complaint. */
int ff_map_kept_take(struct ff_map_kept *kept, const char *name, const struct ff_buf *now,
		     struct ff_buf *text);
/* Stdin comes again: its first items must be those of then. Reads them into kept->then. */
int ff_map_kept_expect(struct ff_map_kept *kept);
/* How many that are; and whether `source` begins with them. 0, or -1 with a complaint. */
uint32_t ff_map_kept_len(const struct ff_map_kept *kept);
int ff_map_kept_check(const struct ff_map_kept *kept, const struct ff_lines_source *source);
/* Whether units are as many as that run knew of: none may be left out. 0, or -1 with a complaint.
 */
int ff_map_kept_check_units(const struct ff_map_kept *kept, uint32_t units);

/* --- cmd_map.c --- */

extern const struct ff_command ff_command_map;
/* Runs what the options and the words (the command, and its sources) say. The exit code. */
int ff_map_run(const struct options *o, const struct ff_strv *words, struct ff_map_kept *kept);
void ff_map_options_release(struct options *o);

/* --- map_again.c --- */

/* Why such a run can't be gone on with by its journal, in words; NULL: it can. */
const char *ff_map_unkept(const struct options *o);
/* What ends items that are kept. */
char ff_map_kept_end(const struct options *o);

/* farflung map --resume [RUN], --resume-failed [RUN], without a job log. */
int ff_map_resume(const struct options *o, int argc, char **argv);

#endif
