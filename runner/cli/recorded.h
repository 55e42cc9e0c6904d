/* What the workers of an earlier run did, read from its journal: for who repeats a part of it. */
#ifndef FF_CLI_RECORDED_H
#define FF_CLI_RECORDED_H

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "config/config.h"
#include "event/event.h"

/* One attempt of a unit. */
struct ff_recorded_step {
	const char *unit; /* of the run's names */
	uint32_t attempt;
	bool ended;
	enum ff_outcome outcome; /* if it has ended */
	int64_t took_us;
};

struct ff_recorded_job {
	char *name, *payload;
	struct ff_strv args; /* pytest's */
	char *seed;	     /* an option more: what pytest-randomly drew; NULL */
	bool args_known;     /* else the journal does not tell them */
	bool addopts_read;
	bool in_parts; /* files were collected by who ran their tests */
	int64_t timeout_us;
	uint32_t workers; /* that it began with */
};

struct ff_recorded_host {
	char *name, *spec, *cwd;
	bool synced; /* it had a tree of its own */
};

/* From its first unit to its last: a worker that is started in the place of another has a name of
 * its own. */
struct ff_recorded_worker {
	char *name;
	size_t job, host;
	char *executable, *rootdir; /* NULL: not told */
	struct ff_recorded_step *steps;
	size_t len, cap;
};

struct ff_recorded {
	char *path, *run_id, *directory, *config_file;
	struct ff_recorded_job *jobs;
	struct ff_recorded_host *hosts;
	struct ff_recorded_worker *workers; /* those that ran something */
	size_t jobs_len, hosts_len, workers_len;
	struct ff_map names; /* of units, kept once */
	bool over;	     /* the journal has the run's end */
};

/* `run`: a run's folder, what holds one (then its latest), a journal, the id of a run, or "last".
 * FF_ENOTFOUND: there is none; FF_ELOAD, FF_ESYS: it can't be read. */
int ff_recorded_read(struct ff_recorded *recorded, const char *run, struct ff_err *err);
void ff_recorded_release(struct ff_recorded *recorded);

/* FF_ENOTFOUND: err lists the run's workers. */
int ff_recorded_find_worker(const struct ff_recorded *recorded, const char *name,
			    const struct ff_recorded_worker **worker, struct ff_err *err);
/* The last step of a worker's that ran `unit`. FF_ENOTFOUND: err names what is near, and who else
 * ran it. */
int ff_recorded_find_step(const struct ff_recorded *recorded,
			  const struct ff_recorded_worker *worker, const char *unit, size_t *step,
			  struct ff_err *err);
/* Where a unit failed first; if it never did, where it ran last. FF_ENOTFOUND: nobody did. */
int ff_recorded_find_failure(const struct ff_recorded *recorded, const char *unit,
			     const struct ff_recorded_worker **worker, size_t *step,
			     struct ff_err *err);

/* Where and how a worker's part is repeated on this machine. */
struct ff_repeat {
	char *home;	    /* the folder that the job's workers had a copy of, or were in */
	char *cwd, *python; /* python: NULL: whatever is found */
	struct ff_strv host_env, env; /* NAME=value; the job's own wins */
	struct ff_buf notes;	      /* what can't be repeated as it was, a line each */
};

/* `recorded` stays with the caller. FF_EUNSUPPORTED: such a job can't be repeated. */
int ff_repeat_plan(struct ff_repeat *repeat, const struct ff_recorded *recorded,
		   const struct ff_recorded_worker *worker, struct ff_err *err);
void ff_repeat_release(struct ff_repeat *repeat);

#endif
