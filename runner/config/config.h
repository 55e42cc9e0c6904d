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
	int64_t slots;	/* 0: not given: 1 per N of "N*", or the spec's slots= */
	int64_t memory; /* bytes; 0: not given */
	struct ff_strv tags;
	struct ff_strv env; /* NAME=value */
};

/* matrix: a name and its values. */
struct ff_config_axis {
	char *name;
	struct ff_strv values;
};

/* pools: a name and how many units may hold one of it at a time. */
struct ff_config_pool {
	char *name;
	int64_t size;
	struct ff_place place;
};

/* uses: how much of a pool each unit of a job takes. */
struct ff_config_use {
	size_t pool; /* index into config->pools */
	int64_t amount;
	char *name; /* of the pool, as written */
	struct ff_place place;
};

/* report: which report goes to which file. */
struct ff_config_report {
	char *name;
	char *path; /* absolute, or "-" */
	struct ff_place place;
};

enum { FF_CONFIG_AXES_MAX = 32 }; /* of one job */

/* artifacts: what is brought back of each unit. */
enum { FF_CONFIG_ARTIFACTS_MAX = 1000 }; /* patterns of one job */
struct ff_config_artifacts {
	struct ff_strv paths;	 /* empty: nothing is */
	struct ff_place *places; /* of each of them */
	struct ff_place place;
	char *when;    /* "always", "failure" or "success" */
	bool required; /* of each pattern something is to be there */
};

/* up_to_date: patterns. */
struct ff_config_fresh {
	struct ff_strv inputs, outputs; /* no inputs: it is always run */
	struct ff_place *inputs_places, *outputs_places;
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
	char *dist;		/* NULL: not said */
	char *front;		/* "auto" */
	char *template;		/* "auto" */
	char *collect;		/* "auto" */
	char *memory;		/* "off" */
	int64_t maxschedchunk;	/* tests that `load` gives in one go; 0: no limit */
	bool strict_collection; /* nothing runs when workers have collected different tests */
	bool scope_reorder;	/* the largest scopes first */
	char *testrunuid;	/* NULL: the run's id */
	/* Not in a file: */
	bool workers_said;	/* their number was asked for on the command line */
	bool workers_open;	/* nobody said how many: pytest's settings may */
	bool addopts_read;	/* what PYTEST_ADDOPTS says was taken into account */
	char *python;		/* that was asked for; NULL */
	uint32_t shard, shards; /* this part of its units, from 1, of so many; 0: all */
	const void *known;	/* with it, of the run: see payload.h */
	size_t known_len;
	int64_t repeat;		 /* each unit so often; 0: once, -1: as often as it can be */
	int64_t time_us;	 /* from its first unit on, then no more are begun; 0: no limit */
	struct ff_strv sequence; /* as in payload.h; empty: all units */
	bool sequence_apart;
	char *sequence_worker;
	uint32_t sequence_workers;
	bool settings_read; /* what pytest's settings say of workers, too */
	char *on;	    /* host pattern; NULL: all */
	struct ff_place dist_place, on_place, run_place, weight_place, retry_on_place;
	struct ff_strv needs;
	struct ff_place *needs_places; /* of each of `needs`; NULL for jobs added by hand */
	int64_t timeout_us, grace_us;
	int64_t session_timeout_us; /* without a sign of life; 0: none, -1: not said */
	int64_t retries;
	int64_t retry_delay_us; /* before the next attempt; -1: as settings say */
	char *retry_on;		/* outcomes with commas between them; NULL: all bad ones */
	struct ff_config_artifacts artifacts;
	struct ff_config_fresh fresh;
	int64_t weight;		    /* slots that one unit takes, at least 1 */
	struct ff_config_use *uses; /* of pools, each of them once */
	size_t uses_len;
	int64_t count;		     /* run: how many instances; 0: not given, one */
	struct ff_config_axis *axes; /* run: in file order; instances are the product */
	size_t axes_len;
};

/* setup, teardown: a command on each host. */
struct ff_config_setup {
	char *run;		 /* shell text; NULL: there is none */
	char *per;		 /* "host" or "run" */
	struct ff_strv inputs;	 /* patterns */
	struct ff_place *places; /* of each of them */
	int64_t timeout_us;	 /* 0: none */
};

struct ff_config {
	struct ff_arena arena; /* holds every string and array below, save the strv's own */
	char *path;	       /* of the file; messages name it */
	char *directory;       /* the file's, absolute: relative paths are meant from here */
	struct ff_config_host *hosts;
	size_t hosts_len, hosts_cap;
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
	size_t jobs_len, jobs_cap;
	struct ff_place jobs_place;
	bool force; /* nothing is up to date; not in a file */
	struct ff_config_setup setup, teardown;
	struct ff_config_pool *pools;
	size_t pools_len;
	struct ff_config_report *reports; /* names are not checked here: see report/reporter.h */
	size_t reports_len;
	struct {
		int64_t connect_timeout_us, heartbeat_us, silence_us, grace_us;
		int64_t retry_delay_us;
		bool strict_collection;
		int64_t output_cap_bytes;   /* kept per unit */
		bool flaky_fail;	    /* what passed only when tried again fails the run */
		int64_t maxfail;	    /* stop after so many bad units; 0: never */
		int64_t max_worker_restart; /* -1: 4 times the number of workers, as pytest-xdist */
		int64_t require_hosts;	    /* so many must be there; 0: one will do; -1: all */
		struct ff_place require_hosts_place;
		int64_t reconnect_us; /* how long a lost host is waited for when nothing else runs
				       */
		char *collect;	      /* a path from the configuration's folder */
		char *history; /* a path from the configuration's folder, or "none"; NULL: where
				  journals are */
		int64_t keep_runs, keep_days; /* journals that stay; 0: no limit */
	} settings;
};

/* Reads and checks a file: YAML 1.1 by libyaml, UTF-8, at most FF_CONFIG_FILE_MAX bytes.
 * FF_ECONFIG, err: one or more lines as above; FF_ESYS: "FILE: No such file or directory". `config`
 * is overwritten. "-" is standard input, which messages call <stdin>; relative paths are then meant
 * from the working directory. */
enum { FF_CONFIG_FILE_MAX = 16 << 20 };
int ff_config_load(struct ff_config *config, const char *path, struct ff_err *err);
/* The same from memory; `path` is for messages and relative paths. */
int ff_config_parse(struct ff_config *config, const char *path, const char *text, size_t len,
		    struct ff_err *err);
void ff_config_init(struct ff_config *config); /* empty, all defaults set: for `farflung pytest` */
void ff_config_release(struct ff_config *config);

/* The folder on this machine that stands for the working directory of workers: the tree's source,
 * or where the configuration is. */
const char *ff_config_home(const struct ff_config *config);

/* Whether what its units take of memory is recorded, and reckoned with. */
bool ff_config_job_memory(const struct ff_config_job *job);

/* Adds a host or job by hand (`farflung pytest`); pointers into the arrays stay valid until the
 * next. */
struct ff_config_host *ff_config_add_host(struct ff_config *config, const char *spec);
struct ff_config_job *ff_config_add_job(struct ff_config *config, const char *name,
					const char *payload);

/* Appends copies of those texts of `from` that `to` has not: texts are the same if they are alike
 * up to the first `separator`; '\0': as a whole. Or gives up. */
void ff_config_merge(struct ff_strv *to, const struct ff_strv *from, char separator);

/* Sets what a key stands for from outside the file, with the checks that the file's values get: the
 * job's if `job` is given, else the configuration's. `config` NULL: only checks. FF_EINVAL, err:
 * "wants a number from 0 to 100, got 'x'". */
struct ff_config_option;
int ff_config_set(struct ff_config *config, struct ff_config_job *job,
		  const struct ff_config_option *option, const char *text, struct ff_err *err);

/* Decimal digits, with or without a sign, and nothing else: 0, or FF_EINVAL if it is none or out of
 * range. */
int ff_config_number(const char *text, int64_t min, int64_t max, int64_t *number);
/* "1.5h", "10m", "90s", "250ms", "90" (seconds) → microseconds. Negative: not a duration. */
int64_t ff_config_duration_us(const char *text);
/* "64MiB", "10k", "1GB", "4096" → bytes; negative: not a size. */
int64_t ff_config_size_bytes(const char *text);
/* Writes the reference of all keys (type, default, range, help), for `farflung run --help-config`.
 * `reports`: what may stand below `report:`; ends with a NULL key. */
struct ff_buf;
struct ff_config_note {
	const char *key, *help;
};
int ff_config_reference(struct ff_buf *out, const struct ff_config_note *reports);

#endif
