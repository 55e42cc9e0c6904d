/* Subcommands: one file and one `const struct ff_command` each; options are a table from which
 * parsing and --help come. What stands in a configuration file, too, names its key there, and has
 * type, range and help from the table of options. */
#ifndef FF_CLI_COMMAND_H
#define FF_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/strv.h"
#include "config/options.h"

/* How an option's value is kept. */
enum ff_option_kind {
	FF_OPTION_FLAG,	  /* bool */
	FF_OPTION_SETS,	  /* const char *, it becomes `choices`: another spelling of an option */
	FF_OPTION_COUNT,  /* int, one more each time */
	FF_OPTION_TEXT,	  /* const char *, the last one wins; never empty */
	FF_OPTION_MAYBE,  /* the same, only behind "="; "" if there is none: --web, --web=ADDRESS */
	FF_OPTION_CHOICE, /* as TEXT, one of `choices` */
	FF_OPTION_CONFIG, /* the same, and right for `section` and `key`: see ff_config_set */
	FF_OPTION_NUMBER, /* int64_t from 0 to INT32_MAX */
	FF_OPTION_RUN,	  /* const char *, an earlier run; "last" where none is named: the next word
			   * is its value only if it is one (ff_runs_is_run) */
	FF_OPTION_LIST,	  /* struct ff_strv, in order */
	FF_OPTION_REPORTS, /* struct ff_strv of names and values in turn: all of ff_reporter_kinds
			    */
};

struct ff_option {
	const char *name; /* long, without dashes; "": it has just the letter, or is REPORTS */
	char letter;	  /* 0: none */
	enum ff_option_kind kind;
	const char *arg;  /* its word in --help; NULL for flags, and for what the table says */
	const char *help; /* NULL: as the table says; "": --help does not have it */
	size_t offset;	  /* into the command's options struct */
	const char *choices;
	enum ff_config_section section;
	const char *key;
};

/* Entries of `struct options`, as each command calls its own. */
#define FF_OPTION(option, short_, type, word, text, member)                                        \
	{                                                                                          \
		.name = (option), .letter = (short_), .kind = FF_OPTION_##type, .arg = (word),     \
		.help = (text), .offset = offsetof(struct options, member)                         \
	}
/* `word`: NULL for the type's own. */
#define FF_OPTION_OF(option, in, name_there, member, word)                                         \
	{                                                                                          \
		.name = (option), .kind = FF_OPTION_CONFIG, .section = FF_SECTION_##in,            \
		.key = (name_there), .arg = (word), .offset = offsetof(struct options, member)     \
	}
#define FF_OPTION_COLOR(member)                                                                    \
	{                                                                                          \
		.name = "color", .kind = FF_OPTION_CHOICE, .arg = "WHEN",                          \
		.choices = "auto, always or never", .help = "auto, always or never",               \
		.offset = offsetof(struct options, member)                                         \
	}
#define FF_OPTION_REPORT_FILES(member)                                                             \
	{                                                                                          \
		.name = "", .kind = FF_OPTION_REPORTS, .offset = offsetof(struct options, member)  \
	}
/* What a file may be given from outside: `vars` and `profiles` of struct ff_config_opts. */
#define FF_OPTION_VARS(vars, profiles)                                                             \
	FF_OPTION("var", 'e', LIST, "NAME=VALUE",                                                  \
		  "a variable's value; -e @FILE: those of a YAML file (repeatable)", vars),        \
		FF_OPTION("profile", 0, LIST, "NAME",                                              \
			  "with this profile of the file (repeatable: later over earlier ones)",   \
			  profiles)
/* A flag that stands for a value: of options for the same member the last one wins. */
#define FF_OPTION_IS(option, short_, value, text, member)                                          \
	{                                                                                          \
		.name = (option), .letter = (short_), .kind = FF_OPTION_SETS, .choices = (value),  \
		.help = (text), .offset = offsetof(struct options, member)                         \
	}
#define FF_OPTION_WEB(member, cert, key)                                                           \
	FF_OPTION("web", 0, MAYBE, "[=ADDRESS]",                                                   \
		  "show the run in a browser while it goes on; ADDRESS as farflung web has it",    \
		  member),                                                                         \
		FF_OPTION("cert", 0, TEXT, "FILE",                                                 \
			  "--web over TLS, with this certificate (PEM, its chain behind it)",      \
			  cert),                                                                   \
		FF_OPTION("key", 0, TEXT, "FILE", "the private key of --cert (PEM, no password)",  \
			  key)
#define FF_OPTION_LINKS(member)                                                                    \
	FF_OPTION("links", 0, TEXT, "TEMPLATE",                                                    \
		  "where pages show a file's line (settings.links): vscode://file{path}:{line}",   \
		  member)
#define FF_OPTIONS_END                                                                             \
	{                                                                                          \
		.name = NULL                                                                       \
	}

/* Options of the program that a command starts: they are passed on as they are. */
struct ff_foreign {
	const char *name; /* long, without dashes; NULL: it has just the letter */
	char letter;	  /* 0: none */
	bool valued;	  /* a value follows, in the next word if not in this */
};

struct ff_command {
	const char *name;
	const char *summary;		 /* one line, in `farflung --help` */
	const char *synopsis;		 /* "[OPTIONS] [FILE]" */
	const char *details;		 /* paragraphs behind the options; may be NULL */
	const struct ff_option *options; /* ends with name NULL */
	const char
		*choices; /* its one word is one of these, "a, b or c"; NULL: the synopsis says */
	/* Long options that plugins of the foreign program have, too: these are meant behind "--".
	 * Ends with NULL; NULL: none. */
	const char *const *plugins_too;
	const struct ff_foreign *foreign; /* ends with neither; NULL: none */
	const char *foreign_program;	  /* whose they are: "pytest" */
	/* Options end with the first word that is none: it and all behind it are as after "--". */
	bool ends_with_word;
	/* argv: what follows the subcommand's name. Returns the exit code. */
	int (*run)(const struct ff_command *command, int argc, char **argv);
};

extern const struct ff_command ff_command_run, ff_command_check, ff_command_hosts,
	ff_command_pytest, ff_command_stress, ff_command_try, ff_command_history, ff_command_merge,
	ff_command_runs, ff_command_show, ff_command_status, ff_command_attach, ff_command_replay,
	ff_command_cancel, ff_command_drain, ff_command_why_slow, ff_command_rerun,
	ff_command_bisect, ff_command_exec, ff_command_sync, ff_command_fetch, ff_command_map,
	ff_command_init, ff_command_socketserver, ff_command_ci, ff_command_completion,
	ff_command_manual, ff_command_web, ff_command_notify, ff_command_report, ff_command_schema;
/* All of them, in the order of --help: main.c. */
extern const struct ff_command *const *const ff_commands;
extern const size_t ff_commands_len;
/* pytest's own, and those of plugins that many have. */
extern const struct ff_foreign ff_pytest_options[];

/* Parses argv into `values`; words that are no option, and foreign options, go to `rest` in order,
 * all after "--" to `after` (NULL: to `rest`). --help prints and gives 1; an error is told on
 * stderr and gives -1 (exit 2); else 0. */
int ff_options_parse(const struct ff_command *command, int argc, char **argv, void *values,
		     struct ff_strv *rest, struct ff_strv *after);
/* Takes the command's own options out of `words`, wherever they stand; all others go to `rest` as
 * they are, foreign ones with their values. 0, or -1 with a complaint. */
int ff_options_parse_known(const struct ff_command *command, const struct ff_strv *words,
			   void *values, struct ff_strv *rest);
/* What commands on a YAML file share: parses into `values`, then runs `with` on the one FILE that
 * was named, or on farflung.yaml. Returns the exit code. */
int ff_command_on_file(const struct ff_command *command, int argc, char **argv, void *values,
		       int (*with)(const char *path, void *values));
/* Parses the one word of a command with `choices` into `word`, options into `values` (NULL: it has
 * none). 0, 1 after --help, or -1 with a complaint. */
int ff_command_choice(const struct ff_command *command, int argc, char **argv, void *values,
		      char **word);
/* Prints what a command makes on stdout; the exit code. */
int ff_command_print(const struct ff_command *command, struct ff_buf *text);
void ff_options_help(const struct ff_command *command);
/* The word that --help has for the option's value. */
const char *ff_option_arg(const struct ff_option *option);

/* The text on stdout, as it is; releases it. */
void ff_print(struct ff_buf *text);
/* "farflung: …" on stderr; may be several lines. What could drive a terminal is escaped, here and
 * below. */
void ff_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The lines as they are (they begin with file:line:column or name a file). */
void ff_complain_lines(const char *text);
/* The last words of a run: one line, whatever `text` holds, with the exit code. */
void ff_complain_last(const char *text, int exit_code);

#endif
