/* Subcommands: one file and one `const struct ff_command` each; options are a table from which
 * parsing and --help come. */
#ifndef FF_CLI_COMMAND_H
#define FF_CLI_COMMAND_H

#include <stdbool.h>

#include "base/strv.h"

/* How an option's value is kept. */
enum ff_option_kind {
	FF_OPTION_FLAG,	  /* bool */
	FF_OPTION_COUNT,  /* int, one more each time */
	FF_OPTION_TEXT,	  /* const char *, the last one wins */
	FF_OPTION_NUMBER, /* int64_t, not negative */
	FF_OPTION_LIST,	  /* struct ff_strv, in order */
};

struct ff_option {
	const char *name; /* long, without dashes */
	char letter;	  /* 0: none */
	enum ff_option_kind kind;
	const char *arg; /* its word in --help; NULL for flags */
	const char *help;
	size_t offset; /* into the command's options struct */
};

struct ff_command {
	const char *name;
	const char *summary;		 /* one line, in `farflung --help` */
	const char *synopsis;		 /* "[OPTIONS] [FILE]" */
	const char *details;		 /* paragraphs behind the options; may be NULL */
	const struct ff_option *options; /* ends with name NULL */
	/* argv: what follows the subcommand's name. Returns the exit code. */
	int (*run)(const struct ff_command *command, int argc, char **argv);
};

extern const struct ff_command ff_command_run, ff_command_check, ff_command_hosts,
	ff_command_pytest, ff_command_socketserver;

/* Parses argv into `values`; words that are no option go to `rest`, all after "--" to `after`.
 * --help prints and gives 1; an error is told on stderr and gives -1 (exit 2); else 0. */
int ff_options_parse(const struct ff_command *command, int argc, char **argv, void *values,
		     struct ff_strv *rest, struct ff_strv *after);
/* What commands on a YAML file share: parses into `values`, then runs `with` on the one FILE that
 * was named, or on farflung.yaml. Returns the exit code. */
int ff_command_on_file(const struct ff_command *command, int argc, char **argv, void *values,
		       int (*with)(const char *path, void *values));
void ff_options_help(const struct ff_command *command);
/* "farflung: …" on stderr. */
void ff_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
