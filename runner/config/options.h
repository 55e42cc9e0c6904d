/* The table of options: everything that may stand in a configuration file. Reading, checking,
 * suggestions, defaults and the reference page are derived from it. */
#ifndef FF_CONFIG_OPTIONS_H
#define FF_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/mistakes.h"

struct ff_config_amount;

/* The mappings that keys stand in. X(name, where, what): `where` as the reference shows it. */
#define FF_SECTION_MAP(X)                                                                          \
	X(TOP, "", "The file")                                                                     \
	X(INVENTORY, "inventory", "The hosts; a list stands for {hosts: [...]}")                   \
	X(HOST, "inventory.hosts[]", "A host; a text stands for {spec: ...}")                      \
	X(DEFAULTS, "inventory.defaults", "What holds for each host that does not say otherwise")  \
	X(TREE, "tree", "What is brought to each host; a text stands for {source: ...}")           \
	X(JOB, "jobs.NAME", "A job; it has one of those that say what is run")                     \
	X(RETRY, "jobs.NAME.retries",                                                              \
	  "How what failed is tried again; a number stands for {count: ...}")                      \
	X(STEP, "jobs.NAME.steps[]", "A step; a text stands for {run: ...}")                       \
	X(NOTIFY, "notify[]", "Who is told of a run; each has one of the first nine keys")         \
	X(CONCURRENCY, "concurrency", "Runs of which one goes at a time; a text: {group: ...}")    \
	X(ARTIFACTS, "jobs.NAME.artifacts",                                                        \
	  "What is brought back of each unit; a list stands for {paths: ...}")                     \
	X(INPUTS, "jobs.NAME.inputs",                                                              \
	  "Files of this machine's for each unit; a list stands for {paths: ...}")                 \
	X(COVERAGE, "jobs.NAME.coverage",                                                          \
	  "What Python's coverage has measured in commands; true stands for {combine: true}")      \
	X(FRESH, "jobs.NAME.up_to_date", "When a command need not be run again")                   \
	X(SETUP, "setup", "What is run on each host before its first unit; a text is its 'run'")   \
	X(TEARDOWN, "teardown", "What is run there when nothing more comes; a text is its 'run'")  \
	X(SETTINGS, "settings", "How a run behaves")                                               \
	X(HALT, "settings.halt", "When a run stops early, and how")                                \
	X(KEEP, "settings.keep", "Which journals of earlier runs stay")

enum ff_config_section {
#define X(name, where, what) FF_SECTION_##name,
	FF_SECTION_MAP(X)
#undef X
		FF_SECTIONS
};

/* X(name, word, wants): the word of the reference, and what messages ask for. Those with "%s" get
 * the option's range or choices put in. What each stores is in config.h's structs. */
#define FF_CONFIG_TYPE_MAP(X)                                                                      \
	X(TEXT, "text", "text")                                                                    \
	X(NUMBER, "number", "a number from %s")                                                    \
	X(NUMBER_OR_ALL, "number", "a number from %s, or all") /* all: -1 */                       \
	X(NUMBER_TEXT, "number", "a number from %s")	       /* kept as text */                  \
	X(BOOLEAN, "boolean", "true or false")                                                     \
	X(FACTOR, "number", "a number such as 2 or 1.5, from %s") /* thousandths */                \
	X(PERCENT, "percentage", "a percentage from %s")                                           \
	X(LIMIT, "duration", "a duration such as 90s, 10m or 1.5h, from %s") /* or 300% */         \
	X(DURATION, "duration", "a duration such as 90s, 10m or 1.5h, from %s")                    \
	X(SIZE, "size", "a size such as 64KiB or 1MiB, from %s")                                   \
	X(MEMORY, "size", "auto, off, a size such as 2GiB, or up to 100% of the host's")           \
	X(CPU, "number", "CPUs such as 2 or 0.5, from %s, or up to 100% of the host's")            \
	X(CHOICE, "choice", "%s")                                                                  \
	X(PATH, "path", "a path")                                                                  \
	X(FOLDER, "folder", "a folder") /* which must be there */                                  \
	X(TEXTS, "texts", "text or a list of texts")                                               \
	X(EXCLUDE, "texts", "a pattern or a list of them")                                         \
	X(EXCLUDE_FROM, "texts", "a file's name or path, or a list of them")                       \
	X(NEEDS, "jobs", "a job, a list of jobs, or a mapping of jobs to passed, failed or any")   \
	X(ENV, "mapping", "a mapping of names to text")                                            \
	X(WORDS, "words", "a list of texts, or a text that is split as a shell does") /* pytest */ \
	X(COMMAND, "command", "text for the shell or a list of texts")                             \
	X(STEPS, "list", "a list of commands: texts, or mappings with 'run'")                      \
	X(MATRIX, "mapping", "a mapping of names to lists of texts")                               \
	X(FOREACH, "values", "a list, 1..500, {from, to, step}, {lines: FILE} or {cmd: PROGRAM}")  \
	X(POOLS, "mapping", "a mapping of names to numbers from %s")                               \
	X(USES, "mapping", "a mapping of pools to numbers from %s")                                \
	X(VARS, "mapping", "a mapping of names to text or a secret")                               \
	X(PROFILES, "mapping", "a mapping of names to what they change")                           \
	X(OVERRIDES, "mapping", "a mapping of patterns of jobs to what they change")               \
	X(GROUPS, "mapping", "a mapping of names to host patterns or lists of them")               \
	X(SECRET_TEXT, "text or secret", "text or {secret: ...}")                                  \
	X(NAMED, "mapping", "a mapping of names to text or {secret: ...}")                         \
	X(TEMPLATE, "text", "text")                                                                \
	X(LINKS, "text", "an address such as vscode://file{path}:{line}")                          \
	X(WHENS, "texts", "one or a list of %s")                                                   \
	X(RECEIVERS, "list", "a list of mappings")                                                 \
	X(REPORTS, "mapping", "a mapping")                                                         \
	X(HOSTS, "list", "a list of hosts")                                                        \
	X(JOBS, "mapping", "a mapping of names to jobs")                                           \
	X(SECTION, "mapping", "a mapping")

enum ff_config_type {
#define X(name, word, wants) FF_TYPE_##name,
	FF_CONFIG_TYPE_MAP(X)
#undef X
		FF_TYPES
};

struct ff_config_option {
	enum ff_config_section section;
	const char *key;
	enum ff_config_type type;
	int64_t min, max;     /* NUMBER…, DURATION (us), SIZE (bytes) */
	const char *range;    /* the same in words: "0 to 100" */
	const char *choices;  /* CHOICE: "native or python" */
	const char *fallback; /* the default as one would write it; NULL: not given */
	const char *unit;     /* of a bare number; NULL: none */
	const char *only;     /* JOB: just for these payloads, "run or ctest"; NULL: for all */
	bool payload;	      /* JOB: its presence chooses the payload of the same name */
	bool required;
	bool may_be_empty;	      /* TEXT */
	bool braces;		      /* JOB: {name} and ${env:NAME} are replaced in each unit */
	enum ff_config_section child; /* SECTION; of NUMBER: a mapping may stand there, too */
	bool stored;		      /* at `offset` in the section's struct */
	size_t offset;
	bool placed; /* where it stands is kept at `place` */
	size_t place;
	const char *help;
};

/* Ends with an entry whose key is NULL. */
extern const struct ff_config_option ff_config_options[];

/* NULL: no such key there. */
const struct ff_config_option *ff_config_option_find(enum ff_config_section section,
						     const char *key);

/* The option whose value may stand for the section: hosts as a list, a tree as a text. NULL: none.
 */
const struct ff_config_option *ff_section_short(enum ff_config_section section);

/* The section as the reference shows it: "inventory.hosts[]". */
const char *ff_section_where(enum ff_config_section section);

/* What messages say that the option wants; `text` is room for it. */
enum { FF_OPTION_WANTS_MAX = 128 };
const char *ff_option_wants(const struct ff_config_option *option, char text[FF_OPTION_WANTS_MAX]);
/* Whether it is one of the option's choices. */
bool ff_option_is_choice(const struct ff_config_option *option, const char *text);
/* Whether jobs of this payload may have it. */
bool ff_option_is_for(const struct ff_config_option *option, const char *payload);
/* "; did you mean 'native'?" or "": the nearest of the words that the option takes. */
const char *ff_option_suggest(const struct ff_config_option *option, const char *text,
			      char hint[FF_SUGGEST_TEXT_MAX]);
/* Reads `text` as the option's type, if that is one of number, duration, size (then *value is an
 * int64_t) and boolean (a bool). 0 or FF_EINVAL: it is none, or out of range. */
int ff_option_parse(const struct ff_config_option *option, const char *text, void *value);

/* Of MEMORY and CPU: how much it is; FF_EINVAL: it is none, or out of range. */
int ff_option_amount(const struct ff_config_option *option, const char *text,
		     struct ff_config_amount *amount);

/* Of "300%", with the sign; negative: it is none. */
int64_t ff_option_percent(const char *text);

#endif
