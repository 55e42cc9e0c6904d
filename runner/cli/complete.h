/* Completions for shells: what a word of the command line can be, from the tables of commands and
 * options (cmd_completion.c), and each shell's way to be told (complete_bash.c, complete_zsh.c,
 * complete_fish.c). */
#ifndef FF_CLI_COMPLETE_H
#define FF_CLI_COMPLETE_H

#include "base/buf.h"
#include "cli/command.h"

/* What stands in a place. */
enum ff_complete_kind {
	FF_COMPLETE_NONE, /* nothing follows: a flag, or no word at all */
	FF_COMPLETE_TEXT, /* anything: there is nothing to offer */
	FF_COMPLETE_WORDS,
	FF_COMPLETE_FILE,
	FF_COMPLETE_FOLDER,
	FF_COMPLETE_RUN, /* the id of a run */
	FF_COMPLETE_JOB, /* a job of farflung.yaml */
};

struct ff_complete {
	enum ff_complete_kind kind;
	const char *choices; /* of WORDS: "a, b or c" */
};

/* An option as --help shows it. */
struct ff_complete_option {
	const char *name; /* "": it has just the letter */
	char letter;	  /* 0: none */
	const char *help;
	const char *arg; /* its word; NULL for flags */
	struct ff_complete value;
};

/* Calls `with` for each option that --help has, and for --help. */
void ff_complete_options(const struct ff_command *command,
			 void (*with)(void *ctx, const struct ff_complete_option *option),
			 void *ctx);
/* What its words are that are no options. */
struct ff_complete ff_complete_words(const struct ff_command *command);
/* "a b c" of "a, b or c". */
void ff_complete_choices(struct ff_buf *out, const char *choices);
/* `text` as it stands between single quotes of a shell's; \ is doubled if it means something there.
 */
void ff_complete_quoted(struct ff_buf *out, const char *text, bool backslash);

void ff_complete_bash(struct ff_buf *out);
void ff_complete_zsh(struct ff_buf *out);
void ff_complete_fish(struct ff_buf *out);

/* Lines of a shell's function that prints ids of runs, and names of jobs: POSIX sh. */
#define FF_COMPLETE_RUNS                                                                           \
	"ls -t -- \"${FARFLUNG_RUNS:-.}/.farflung/runs\" 2>/dev/null | grep -v '^last$'; echo "    \
	"last"
#define FF_COMPLETE_JOBS                                                                           \
	"sed -n '/^jobs:/,/^[^ #]/{s/^  \\([A-Za-z_][A-Za-z0-9_-]*\\):.*/\\1/p;}' farflung.yaml "  \
	"2>/dev/null"

#endif
