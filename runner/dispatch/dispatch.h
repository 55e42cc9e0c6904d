/* Dispatch: one run, from a plan to its last event. Inputs from outside are decided on, what was
 * decided is written to the journal, told to reporters and subscribers, and then done. */
#ifndef FF_DISPATCH_DISPATCH_H
#define FF_DISPATCH_DISPATCH_H

#include "config/config.h"
#include "event/bus.h"
#include "event/journal.h"
#include "inventory/inventory.h"
#include "plan/plan.h"
#include "report/reporter.h"
#include "sched/expect.h"

struct ff_before; /* dispatch/before.h */
struct ff_loop;
struct ff_run;

/* The user's terminal, or what stands in its place. */
struct ff_run_terminal {
	int fd;
	bool given; /* fronts write there themselves (a run of one job) */
	/* > 0: the front is there already, and has the terminal: whoever started this program has a
	 * session of his own at the other end of this socket. */
	int front_fd;
	unsigned columns; /* 0: unknown */
	int colour;	  /* -1: not said */
};

/* Where the units of an open job come from. */
struct ff_run_feed {
	int fd; /* read as it has something; stays the caller's */
	uint32_t job;
	uint32_t enough; /* units that wait: no more is read */
	/* Takes what was read; `end`: nothing follows. How many units came of it, or negative: err
	 * says why none will any more. */
	int64_t (*take)(void *ctx, const char *bytes, size_t len, bool end, struct ff_err *err);
	void *ctx;
};

/* How the inventory is read again while the run goes on. */
struct ff_run_reread {
	struct ff_inventory
		*inventory; /* the run's, with room for FF_RUN_LATE_HOSTS more: it grows */
	int64_t every_us;   /* 0: only on SIGHUP */
	/* Reads its sources, in a thread of its own; `stop` is set when nobody waits for it any
	 * more. 0: `config`, which is then released, has what they say; else err is in words. */
	int (*read)(void *ctx, struct ff_config *config, const atomic_bool *stop,
		    struct ff_err *err);
	void *ctx;
};

enum { FF_RUN_LATE_HOSTS = 1000 };

struct ff_run_opts {
	const struct ff_config *config;
	const struct ff_inventory *inventory;
	const struct ff_plan *plan;
	const char *only_hosts;	  /* host pattern on top of each job's own; NULL: all */
	const char *command_line; /* for the journal */
	const char *addopts;	  /* likewise: PYTEST_ADDOPTS, where that counts; NULL */
	/* They get every event; the caller finishes them. Their options' `wake` may be ff_run_wake,
	 * once there is a run. */
	struct ff_reporters *reporters;
	struct ff_journal *journal; /* NULL: none */
	const char *run_id;	    /* without a journal, which has its own; NULL: none */
	/* Reports of the command line, names and paths in turn: like the configuration's they are
	 * not brought along with a tree. NULL: none. */
	const struct ff_strv *reports;
	/* The loop to run on, which others may use too: they drive it, and ff_run_over tells when
	 * all is done. NULL: a loop of its own, which ff_run_wait drives, with SIGINT, SIGTERM and
	 * SIGHUP handled (once: finish what runs; twice: kill; SIGHUP: see `reread`). */
	struct ff_loop *loop;
	/* Where what fronts have to say ends up. NULL: nowhere, or nobody knows. */
	const struct ff_run_terminal *terminal;
	/* What earlier runs tell of units; NULL: nothing. */
	struct ff_expect *expect;
	/* And of suites whose files may be collected one by one; NULL: of none. */
	char *const *sharded;
	/* Of ff_dispatch_exec: hosts are opened, and nobody looks for what payloads need there. */
	bool hosts_bare;
	/* NAME=value for all units and sessions, below what setups and jobs say; NULL: none. They
	 * are another each time, and nothing goes by them. */
	const struct ff_strv *vars;
	/* Units of commands have TRACEPARENT from it, which names the span of their attempt, in the
	 * place of the one in `vars`. NULL: the run is told as no trace. */
	const struct ff_trace *trace;
	/* What is gone on with; NULL: nothing. */
	const struct ff_before *before;
	/* NULL: no job is open. */
	const struct ff_run_feed *feed;
	/* NULL: it is not. Else SIGHUP asks for it, unless it says that the terminal has gone. */
	const struct ff_run_reread *reread;
	/* Keys are not the run's: a front may want them. Else, on a terminal, `t` asks for what
	 * runs where, as SIGUSR1 does. */
	bool keys_are_others;
	/* The run's exit code is its only job's payload's own, where that has any. */
	bool payload_exits;
};

enum {
	FF_EXIT_OK = 0,
	FF_EXIT_FAILED = 1,
	FF_EXIT_USAGE = 2,
	FF_EXIT_INFRA = 3,
	FF_EXIT_INTERRUPTED = 130,
};

/* Starts it; everything in opts is borrowed until ff_run_end. NULL: FF_ENOMEM or FF_ESYS. */
struct ff_run *ff_run_start(const struct ff_run_opts *opts, struct ff_err *err);
/* Blocks until the last event, RUN_FINISHED, has been told; its exit code. On a loop of its own. */
int ff_run_wait(struct ff_run *run);
/* RUN_FINISHED has been told; with its exit code. */
bool ff_run_over(const struct ff_run *run, int *exit_code);
/* As if a signal had come. */
void ff_run_interrupt(struct ff_run *run);
/* Something that was full can take more: any thread may say so. `run` is a struct ff_run. */
void ff_run_wake(void *run);
/* How long it is expected to go on: see ff_engine_left_us. On its loop's thread. */
int64_t ff_run_left_us(const struct ff_run *run, int64_t units_us);
/* Subscribers to its events: event/bus.h. */
struct ff_bus *ff_run_bus(struct ff_run *run);
/* Lets workers end what they do at their exit (up to settings.grace), and frees the run. What they
 * still say goes to the journal. NULL is fine. */
void ff_run_end(struct ff_run *run);

struct ff_host_report {
	const struct ff_host *host;
	const struct ff_err *error; /* code 0: it is there */
	bool native;
	const struct ff_value *info; /* the worker's answer to `info`, or None */
	const char *python;	     /* what sessions would be started with; NULL */
	const char *unfit;	     /* why none can be; NULL: they can, or nobody looked */
	int64_t open_us, latency_us;
};

/* Opens every host, asks it about itself, calls `each` for them in order, closes them. Returns an
 * exit code: FF_EXIT_OK if all are there, FF_EXIT_INFRA if not. */
int ff_dispatch_hosts(const struct ff_run_opts *opts,
		      void (*each)(void *ctx, const struct ff_host_report *report), void *ctx);

/* --- one command on every host --- */

struct ff_exec_opts {
	char *const *argv; /* NULL-terminated; or */
	const char *shell; /* a text for /bin/sh */
	const void *input; /* what it reads; NULL: /dev/null */
	size_t input_len;
	uint32_t fanout;    /* so many at a time; 0: all */
	int64_t timeout_us; /* 0: none */
};

enum ff_exec_end {
	FF_EXEC_PASSED,
	FF_EXEC_FAILED,	   /* not with status 0, or not in time */
	FF_EXEC_UNREACHED, /* it never began there */
	FF_EXEC_LOST,	   /* the host went away under it */
	FF_EXEC_STOPPED,   /* Ctrl-C */
};

struct ff_exec_result {
	const struct ff_host *host;
	enum ff_exec_end end;
	const char *message; /* one line, unless it passed */
	const char *output;  /* stdout and stderr as they came, up to settings.output_cap_bytes */
	size_t output_len;
};

/* Runs the command once on each host that matches, on as many at a time as there may be, as soon as
 * each is there, and calls `each` when it has ended, in that order. Returns FF_EXIT_OK,
 * FF_EXIT_FAILED if one failed, FF_EXIT_INFRA if one was not reached or got lost,
 * FF_EXIT_INTERRUPTED. */
int ff_dispatch_exec(const struct ff_run_opts *opts, const struct ff_exec_opts *exec,
		     void (*each)(void *ctx, const struct ff_exec_result *result), void *ctx);

/* --- files of every host's --- */

struct ff_gather_opts {
	char *const *patterns; /* NULL-terminated: below the host's working directory, or (all of
				  them) absolute */
	const char *folder;    /* absolute: each host's files go to FOLDER/HOST */
	uint32_t fanout;       /* so many hosts at a time; 0: all */
};

struct ff_gather_result {
	const struct ff_host *host;
	enum ff_exec_end end; /* FAILED: not all that matches is here */
	const char *message;  /* one line, unless it passed */
	uint32_t files;
	uint64_t bytes;
	char *const *missing; /* patterns that nothing matches there, and how many */
	size_t missing_len;
	char *const *refused; /* lines "path: why" of what matches, and was not brought */
	size_t refused_len;
};

/* Brings what matches from each host; calls and returns as ff_dispatch_exec. What was brought
 * before stays. */
int ff_dispatch_gather(const struct ff_run_opts *opts, const struct ff_gather_opts *gather,
		       void (*each)(void *ctx, const struct ff_gather_result *result), void *ctx);

/* Brings the configuration's tree to each host that matches. What reporters are told: SYNC_FINISHED
 * of each host where it was done, and notices. Then calls `each` for all in order: `error` is why
 * it was not done, NULL if it was; `reached`: the host was there. Returns FF_EXIT_OK,
 * FF_EXIT_FAILED if a host that was there has it not, FF_EXIT_INFRA if one was not,
 * FF_EXIT_INTERRUPTED. */
int ff_dispatch_sync(const struct ff_run_opts *opts,
		     void (*each)(void *ctx, const struct ff_host *host, const char *error,
				  bool reached),
		     void *ctx);

#endif
