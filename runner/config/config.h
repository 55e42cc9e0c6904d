/* A run's configuration: what a YAML file says, checked, with defaults filled in. One table of
 * options (options.c) is what parsing, checking, help, schema and reference page come from.
 * Errors read `file:line:column: message`; all that are found are given, a line each. */
#ifndef FF_CONFIG_CONFIG_H
#define FF_CONFIG_CONFIG_H

#include <stdatomic.h>
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

/* {secret: env:NAME|file:PATH|cmd:COMMAND} */
struct ff_config_secret {
	char *from;	 /* "env:TOKEN" */
	char *directory; /* where its command runs */
	char *value;	 /* NULL: nobody has looked yet, see ff_config_reveal */
	struct ff_place place;
};

/* vars: a name and what it stands for. Names with a colon are of what stands in texts otherwise:
 * "env:HOME" of ${env:HOME}, "farflung-secret:2" of a secret in `env`. */
struct ff_config_var {
	char *name;
	char *value; /* NULL with a secret, or if it has none and must be given from outside */
	struct ff_config_secret *secret; /* NULL: it is none */
	char *from;			 /* from outside of the file: "option -e"; NULL: the file */
	struct ff_place place;
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

/* inventory.groups: a name for the hosts that a pattern chooses, other groups included. */
struct ff_config_group {
	char *name;
	char *pattern; /* "": none, which is said to be so */
	struct ff_place place;
};

enum { FF_CONFIG_GROUPS_MAX = 10000 };

/* matrix, foreach: a name and its values, from one of these. Axes with columns of one table stand
 * together, its columns in order: they turn as one. */
struct ff_config_table;
struct ff_config_axis {
	char *name;
	struct ff_strv values;
	const struct ff_config_table *table;
	uint32_t column;
	/* A range: the first number, what each next one has more, how many; digits at least. */
	int64_t from, step;
	uint32_t range;
	int width;
};
/* How many values it has; of a table as many as rows. */
uint32_t ff_config_axis_len(const struct ff_config_axis *axis);
/* A value; NULL: the row has none. `room` is for a number of a range. */
enum { FF_CONFIG_NUMBER_MAX = 32 };
const char *ff_config_axis_value(const struct ff_config_axis *axis, uint32_t index,
				 char room[FF_CONFIG_NUMBER_MAX]);
/* Whether the axis' table has had the same row before. */
bool ff_config_axis_again(const struct ff_config_axis *axis, uint32_t index);

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
	char *text; /* as it was written: not all want a path */
	struct ff_place place;
};

enum {
	FF_CONFIG_AXES_MAX = 128,	 /* of one job */
	FF_CONFIG_EXCLUDE_FROM_MAX = 64, /* files */
};

/* What ends a run before its units are all done. */
enum ff_halt { FF_HALT_NEVER, FF_HALT_FAIL, FF_HALT_SUCCESS, FF_HALT_DONE };

struct ff_plan_source;

/* A text, or where it is as a secret; neither: it is not given. */
struct ff_config_text {
	char *text;
	struct ff_config_secret *secret;
	struct ff_place place;
};

struct ff_config_named {
	char *name;
	struct ff_config_text value;
};

/* notify: when somebody is told. X(name, word) */
#define FF_NOTIFY_MAP(X)                                                                           \
	X(START, "start")                                                                          \
	X(FIRST_FAILURE, "first_failure")                                                          \
	X(HOST_LOST, "host_lost")                                                                  \
	X(FAILURE, "failure") /* from here on: at the end, the first that holds is what is told */ \
	X(RECOVERY, "recovery")                                                                    \
	X(FLAKY, "flaky")                                                                          \
	X(FINISH, "finish")

enum ff_notify_when {
#define X(name, word) FF_NOTIFY_##name,
	FF_NOTIFY_MAP(X)
#undef X
		FF_NOTIFY_WHENS
};

/* One that is told: an entry of `notify`. */
enum { FF_CONFIG_RECEIVERS_MAX = 100 };
struct ff_config_receiver {
	struct ff_place place;
	char *form;		   /* the key that says how: "webhook" */
	char *name;		   /* by default its form, with a number where there are several */
	unsigned on;		   /* bits, by ff_notify_when */
	struct ff_config_text url; /* of webhook, slack, teams, mattermost and discord */
	struct ff_strv to;	   /* email: addresses */
	char *repository;	   /* of the statuses: "owner/name", or GitLab's number */
	char *command;		   /* shell text */
	char *method;
	struct ff_config_named *headers, *env;
	size_t headers_len, env_len;
	char *template; /* JSON; NULL: all that is known */
	struct ff_place template_place, repository_place, link_place;
	struct ff_place *to_places;
	struct ff_config_text hmac_key, token, password;
	struct ff_config_text smtp;
	char *from, *user, *tls;
	struct ff_place from_place;
	char *context, *sha, *link;
	struct ff_config_text api;
	char *ca_file; /* absolute; NULL: the system's */
	int64_t timeout_us, retries;
};
/* What it is; NULL: it is not given, or a secret that is not revealed. */
const char *ff_config_text_value(const struct ff_config_text *text);

/* needs: what must have become of a job. */
enum ff_config_need {
	FF_NEED_PASSED,
	FF_NEED_FAILED,
	FF_NEED_ANY,
};

/* artifacts: what is brought back of each unit. */
enum { FF_CONFIG_ARTIFACTS_MAX = 1000 }; /* patterns of one job */
struct ff_config_artifacts {
	struct ff_strv paths;	 /* empty: nothing is */
	struct ff_place *places; /* of each of them */
	struct ff_place place;
	char *when;    /* "always", "failure" or "success" */
	bool required; /* of each pattern something is to be there */
	char *to; /* not in a file: straight into this folder; NULL: settings.collect/JOB/UNIT */
};

/* inputs: files of this machine's that each unit gets. */
enum { FF_CONFIG_INPUTS_MAX = 1000 }; /* patterns of one job */
struct ff_config_inputs {
	struct ff_strv paths; /* below the file's folder; empty: it gets none */
	struct ff_place *places;
	struct ff_place place;
	bool cleanup; /* they are removed there when it has ended */
	/* Not in a file: what artifacts bring is, too; and where they are, NULL: the file's folder.
	 */
	bool cleanup_brought;
	char *from;
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
	char *memory;		/* "off", "auto", or a limit: ff_config_memory */
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
	/* Whose units they are, in place of matrix and count: see plan.h. NULL: these. */
	const struct ff_plan_source *source;
	bool output_whole; /* all output is told, only what results keep of it has a limit */
	char *on;	   /* host pattern; NULL: all */
	bool each_host;	   /* all of it once on each of these */
	struct ff_place dist_place, on_place, run_place, weight_place, retry_on_place;
	struct ff_place cwd_place, env_place, stdin_place;
	struct ff_strv needs;
	struct ff_place *needs_places; /* of each of `needs`; NULL for jobs added by hand */
	enum ff_config_need *needs_to; /* of each; NULL: all must have passed */
	char *when;		       /* an expression, see plan/when.h; NULL */
	struct ff_place when_place;
	int64_t timeout_us, grace_us;
	/* Instead of timeout_us, per cent of what a unit usually takes, at least the floor; of one
	 * that nobody knows the default. 0: timeout_us holds. */
	int64_t timeout_percent, timeout_floor_us, timeout_default_us;
	int64_t session_timeout_us; /* without a sign of life; 0: none, -1: not said */
	int64_t retries;
	int64_t retry_delay_us; /* before the next attempt; -1: as settings say */
	int64_t backoff;	/* thousandths: each delay is so much of the one before */
	int64_t jitter;		/* per cent that a delay may be shorter or longer */
	bool elsewhere;		/* rather elsewhere than where it failed */
	struct ff_place backoff_place, jitter_place;
	char *retry_on; /* outcomes with commas between them; NULL: all bad ones */
	/* Commands one after another on one slot, each as the job would be if it were that alone:
	 * its name, command, cwd, env, timeout and when ("success", "failure", "always"). */
	struct ff_config_job *steps;
	size_t steps_len;
	struct ff_config_artifacts artifacts;
	struct ff_config_inputs inputs;
	bool coverage;	       /* its data are combined */
	bool coverage_goes_on; /* of a step that others came before; not in a file */
	struct ff_place coverage_place;
	struct ff_config_fresh fresh;
	int64_t weight;	  /* slots that one unit takes, at least 1 */
	bool exclusive;	  /* nothing else runs on its host meanwhile */
	int64_t priority; /* before jobs with less */
	int64_t nice;	  /* commands: added to the niceness */
	char *cpu;	  /* NULL, or a limit: ff_config_cpu */
	struct ff_place memory_place, cpu_place;
	struct ff_config_use *uses; /* of pools, each of them once */
	size_t uses_len;
	int64_t count;		     /* run: how many instances; 0: not given, one */
	struct ff_config_axis *axes; /* run: instances are the product */
	size_t axes_len;
	struct ff_config_var
		*vars; /* its own, those of its texts, then the file's that it has not */
	size_t vars_len, vars_cap;
};

/* So much of what a host has: bytes, or thousandths of a CPU; or per cent of all of it. One of both
 * is 0. */
struct ff_config_amount {
	int64_t amount, percent;
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
	struct ff_config_host defaults;
	/* Where further hosts and groups come from: see ff_config_read_outside. */
	struct {
		struct ff_strv cmd; /* a program and its arguments */
		char *url;
		char *ca_file; /* absolute; NULL: the system's */
		int64_t timeout_us;
		int64_t refresh_us; /* while a run lasts, read so often; 0: only when asked */
		int64_t drain_us; /* a host that is to leave has so long for its units; 0: no limit
				   */
		struct ff_place cmd_place, url_place;
	} outside;
	struct ff_config_group *groups;
	size_t groups_len;
	struct {
		bool given;
		struct ff_place place;
		char *source;		/* absolute */
		char *dest;		/* NULL: see inventory */
		struct ff_strv exclude; /* patterns as in gitignore(5) */
		/* Files of such patterns: a name is one of any folder of the tree, an absolute path
		 * one for all of it. */
		struct ff_strv exclude_from;
		bool remove; /* delete: */
		bool strict; /* what can't be brought as it is here fails the host */
	} tree;
	struct ff_config_job *jobs;
	size_t jobs_len, jobs_cap;
	struct ff_place jobs_place;
	struct ff_config_table *tables; /* of axes */
	bool force;			/* nothing is up to date; not in a file */
	struct ff_config_setup setup, teardown;
	struct ff_config_pool *pools;
	size_t pools_len;
	struct ff_config_var *vars;
	size_t vars_len, vars_cap;
	size_t secrets_len;
	/* Those of hosts' env; the text in it is "${NAME}" of one of these. */
	struct ff_config_var *host_secrets;
	size_t host_secrets_len, host_secrets_cap;
	char **profiles; /* names of those that the file has */
	size_t profiles_len;
	struct ff_config_report *reports; /* names are not checked here: see report/reporter.h */
	size_t reports_len;
	struct ff_config_receiver *receivers;
	size_t receivers_len;
	struct {
		char *group;		  /* NULL: none */
		char *cancel_in_progress; /* "queue" or "true" */
	} concurrency;
	struct {
		int64_t connect_timeout_us, heartbeat_us, silence_us, grace_us;
		int64_t retry_delay_us;
		int64_t start_delay_us;
		bool strict_collection;
		int64_t output_cap_bytes;   /* kept per unit */
		bool flaky_fail;	    /* what passed only when tried again fails the run */
		int64_t maxfail;	    /* stop after so many bad units; 0: never */
		struct ff_place halt_place; /* line 0: `halt` is not given */
		char *halt_on, *halt_how;   /* "fail"; "soon": what runs comes to its end, "now" */
		int64_t max_worker_restart; /* -1: 4 times the number of workers, as pytest-xdist */
		int64_t require_hosts;	    /* so many must be there; 0: one will do; -1: all */
		struct ff_place require_hosts_place;
		int64_t reconnect_us; /* how long a lost host is waited for when nothing else runs
				       */
		char *collect;	      /* a path from the configuration's folder */
		char *history; /* a path from the configuration's folder, or "none"; NULL: where
				  journals are */
		int64_t keep_runs, keep_days; /* journals that stay; 0: no limit */
		const char *links;	      /* where a file and a line are shown; NULL */
		int64_t notify_wait_us;	      /* that the end of a run waits for its notices */
		/* So many units, or (not in a file) so many of a hundred, and whether what runs is
		 * killed. */
		struct {
			enum ff_halt on;
			bool now;
			int64_t count, percent; /* one of them is 0 */
		} halt;
	} settings;
	/* Not in a file: a host pattern on top of each job's own; NULL: all. Borrowed. */
	const char *only_hosts;
	/* Likewise, for `links`: what is checked out, and where in it we are; NULL: unknown. */
	const char *commit, *below;
};

/* Reads and checks a file: YAML 1.1 by libyaml, UTF-8, at most FF_CONFIG_FILE_MAX bytes.
 * FF_ECONFIG, err: one or more lines as above; FF_ESYS: "FILE: No such file or directory". `config`
 * is overwritten. "-" is standard input, which messages call <stdin>; relative paths are then meant
 * from the working directory. */
enum { FF_CONFIG_FILE_MAX = 16 << 20 };
/* What a command line adds. */
struct ff_config_opts {
	const struct ff_strv *vars;	/* "NAME=VALUE", "@FILE"; NULL: none */
	const struct ff_strv *profiles; /* names, later ones over earlier ones; NULL: none */
	struct ff_buf *explain; /* gets a line per value: what it is, and where from; NULL: none */
	/* Of the file only `inventory` is read, for a run that goes on with the rest as it was. */
	bool inventory_only;
	/* Set from another thread: what is run or fetched for the inventory is given up; NULL. */
	const atomic_bool *stop;
};
int ff_config_load_with(struct ff_config *config, const char *path,
			const struct ff_config_opts *opts, struct ff_err *err);
int ff_config_parse_with(struct ff_config *config, const char *path, const char *text, size_t len,
			 const struct ff_config_opts *opts, struct ff_err *err);
int ff_config_load(struct ff_config *config, const char *path, struct ff_err *err);
/* The same from memory; `path` is for messages and relative paths. Nothing is run or fetched for
 * the inventory; files and programs that give rows are neither read nor run: they are errors. */
int ff_config_parse(struct ff_config *config, const char *path, const char *text, size_t len,
		    struct ff_err *err);
/* Adds hosts and groups, as YAML or JSON: a list of hosts, a mapping like `inventory`, or what
 * Ansible's inventories answer to --list. `name` is for messages. FF_ECONFIG; then `config` is only
 * good for its release. The other one runs the inventory's program and fetches its URL, where it
 * has them, and adds what they say; ff_config_load has done it. `stop`: as in ff_config_opts. */
int ff_config_add_inventory(struct ff_config *config, const char *name, const char *text,
			    size_t len, struct ff_err *err);
int ff_config_read_outside(struct ff_config *config, const atomic_bool *stop, struct ff_err *err);
void ff_config_init(struct ff_config *config); /* empty, all defaults set: for `farflung pytest` */
void ff_config_release(struct ff_config *config);

/* What it stands for; "" for a secret that is not revealed. */
const char *ff_config_var_value(const struct ff_config_var *var);
/* Whether one of the job's secrets stands in its text. */
bool ff_config_is_secret(const struct ff_config_job *job, const char *text);
/* Looks up the secrets of the job that have no value yet: reads the environment or a file, runs a
 * command. FF_ECONFIG as file:line:column: there is none, it is empty, or too short to be masked.
 */
int ff_config_reveal(struct ff_config *config, const struct ff_config_job *job, struct ff_err *err);
/* The same of those that are told; calls `each` with the value of each secret. */
int ff_config_reveal_receivers(struct ff_config *config, void (*each)(void *ctx, const char *value),
			       void *ctx, struct ff_err *err);
/* Which of the hosts' secrets the text of an entry stands for; NULL: none. */
const struct ff_config_var *ff_config_host_secret(const struct ff_config *config, const char *text);
/* The same for one of these. */
int ff_config_reveal_one(struct ff_config *config, const struct ff_config_var *var,
			 struct ff_err *err);

/* The folder on this machine that stands for the working directory of workers: the tree's source,
 * or where the configuration is. */
const char *ff_config_home(const struct ff_config *config);

/* Whether what its units take of memory is recorded, and reckoned with. */
bool ff_config_job_memory(const struct ff_config_job *job);
/* What one of its units may take, and is reckoned with; all 0: it does not say. */
struct ff_config_amount ff_config_memory(const struct ff_config_job *job);
struct ff_config_amount ff_config_cpu(const struct ff_config_job *job);

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

/* Why a pattern of what is left out of a tree can match nothing: "names nothing"; NULL: it can. */
const char *ff_config_pattern_fault(const char *pattern);
/* Why a template of `links` is none: "has neither {path} nor {file}"; NULL: it is one. */
const char *ff_config_links_fault(const char *links);

enum { FF_CONFIG_HEAD_MAX = 4096 + 128 };
/* What git has checked out there, and where in it the folder is ("sub/", ""; `below` may be NULL);
 * the caller's to free. False: nothing that is known. Waits for git. */
bool ff_config_head(const char *directory, char **commit, char **below);

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
	const char *choices; /* what it can be; NULL: a path */
};
int ff_config_reference(struct ff_buf *out, const struct ff_config_note *reports);
/* The same as a JSON schema (draft 7), for editors: configs/farflung.schema.json. */
int ff_config_schema(struct ff_buf *out, const struct ff_config_note *reports);

#endif
