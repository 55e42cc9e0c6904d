/* A run's configuration: what a YAML file says, checked, with defaults filled in. One table of
 * options (options.c) is what parsing, checking, help, schema and reference page come from.
 * Errors read `file:line:column: message`; all that are found are given, a line each. */
#ifndef FF_CONFIG_CONFIG_H
#define FF_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/strv.h"

/* Where something stands in the file, for later messages. line 0: nowhere (a command line). */
struct ff_place {
	const char *file;
	int line, column;
};

/* One inventory entry as written; ranges and N* are not yet expanded. */
struct ff_config_host {
	struct ff_place place;
	char *spec; /* "2*popen", "ssh=build[01-10]//python=python3" */
	char *name; /* NULL: from the spec */
	/* As xspec keys; NULL: not given here or in defaults. */
	char *python, *chdir, *nice, *worker;
	int64_t slots; /* 0: not given: 1 per N of "N*", or the spec's slots= */
	struct ff_strv tags;
	struct ff_strv env; /* NAME=value */
};

/* matrix: a name and its values. */
struct ff_config_axis {
	char *name;
	struct ff_strv values;
};

struct ff_config_job {
	struct ff_place place;
	char *name;
	char *payload;	     /* "pytest" or "run" */
	struct ff_strv args; /* pytest's arguments, or the command's argv */
	char *shell;	     /* run: as text; NULL: argv */
	char *cwd;
	struct ff_strv env;
	char *stdin_text;
	char *dist; /* "load" */
	char *on;   /* host pattern; NULL: all */
	struct ff_place dist_place, on_place;
	struct ff_strv needs;
	struct ff_place *needs_places; /* of each of `needs`; NULL for jobs added by hand */
	int64_t timeout_us, grace_us;
	int64_t retries;
	int64_t count;		     /* run: how many instances */
	struct ff_config_axis *axes; /* run: in file order; instances are the product */
	size_t axes_len;
};

struct ff_config {
	struct ff_arena arena; /* holds every string and array below, save the strv's own */
	char *path;	       /* of the file; messages name it */
	char *directory;       /* the file's, absolute: relative paths are meant from here */
	struct ff_config_host *hosts;
	size_t hosts_len;
	struct ff_place hosts_place; /* of the inventory; line 0: it is not in the file */
	struct {
		bool given;
		struct ff_place place;
		char *source; /* absolute */
		char *dest;   /* NULL: see inventory */
		struct ff_strv exclude;
		bool remove; /* delete: */
	} tree;
	struct ff_config_job *jobs;
	size_t jobs_len;
	struct ff_place jobs_place;
	struct {
		char *junit, *jsonl; /* absolute; NULL: none */
	} report;
	struct {
		int64_t connect_timeout_us, heartbeat_us, silence_us, grace_us;
		int64_t output_cap_bytes;   /* kept per unit */
		int64_t maxfail;	    /* stop after so many bad units; 0: never */
		int64_t max_worker_restart; /* -1: 4 times the number of workers, as pytest-xdist */
	} settings;
};

/* Reads and checks a file: YAML 1.1 by libyaml, UTF-8, at most FF_CONFIG_FILE_MAX bytes.
 * FF_ECONFIG, err: one or more lines as above; FF_ESYS: "FILE: No such file or directory". `config`
 * is overwritten. */
enum { FF_CONFIG_FILE_MAX = 16 << 20 };
int ff_config_load(struct ff_config *config, const char *path, struct ff_err *err);
/* The same from memory; `path` is for messages and relative paths. */
int ff_config_parse(struct ff_config *config, const char *path, const char *text, size_t len,
		    struct ff_err *err);
void ff_config_init(struct ff_config *config); /* empty, all defaults set: for `farflung pytest` */
void ff_config_release(struct ff_config *config);

/* Adds a host or job by hand (`farflung pytest`); pointers into the arrays stay valid until the
 * next. */
struct ff_config_host *ff_config_add_host(struct ff_config *config, const char *spec);
struct ff_config_job *ff_config_add_job(struct ff_config *config, const char *name,
					const char *payload);

/* "1.5h", "10m", "90s", "250ms", "90" (seconds) → microseconds. Negative: not a duration. */
int64_t ff_config_duration_us(const char *text);
/* "64MiB", "10k", "1GB", "4096" → bytes; negative: not a size. */
int64_t ff_config_size_bytes(const char *text);
/* Writes the reference of all keys (type, default, range, help), for `farflung run --help-config`.
 */
struct ff_buf;
int ff_config_reference(struct ff_buf *out);

#endif
