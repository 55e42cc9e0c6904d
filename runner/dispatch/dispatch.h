/* Dispatch: the main loop of a run, and the sole mutator of its state. It opens the hosts, syncs
 * the tree, gives units to slots as the scheduler says, and tells everything as events. */
#ifndef FF_DISPATCH_DISPATCH_H
#define FF_DISPATCH_DISPATCH_H

#include "config/config.h"
#include "event/journal.h"
#include "inventory/inventory.h"
#include "plan/plan.h"
#include "report/reporter.h"

struct ff_run_opts {
	const struct ff_config *config;
	const struct ff_inventory *inventory;
	const struct ff_plan *plan;
	const char *only_hosts;	  /* host pattern on top of each job's own; NULL: all */
	const char *command_line; /* for the journal */
	const char *python_hint;  /* where the user said nothing: tried first; NULL */
	struct ff_reporter *
		*reporters; /* borrowed; they get every event, then the caller finishes them */
	size_t reporters_len;
	struct ff_journal *journal; /* borrowed; NULL: none */
};

enum {
	FF_EXIT_OK = 0,
	FF_EXIT_FAILED = 1,
	FF_EXIT_USAGE = 2,
	FF_EXIT_INFRA = 3,
	FF_EXIT_INTERRUPTED = 130,
};

/* Runs it all; blocks until every job is finished and every worker gone. SIGINT and SIGTERM are
 * handled meanwhile (once: finish what runs; twice: kill). Returns an exit code of the above; the
 * last event is RUN_FINISHED with the same code and the reason. Not re-entrant. */
int ff_dispatch_run(const struct ff_run_opts *opts);

struct ff_host_report {
	const struct ff_host *host;
	const struct ff_err *error; /* code 0: it is there */
	bool native;
	const struct ff_value *info; /* the worker's answer to `info`, or None */
	const char *python; /* "/usr/bin/python3 3.11.2, pytest 7.2.1", or what was tried */
	int64_t open_us, latency_us;
};

/* Opens every host, asks it about itself, calls `each` as they answer, closes them. Returns an exit
 * code: FF_EXIT_OK if all are there, FF_EXIT_INFRA if not. */
int ff_dispatch_hosts(const struct ff_run_opts *opts,
		      void (*each)(void *ctx, const struct ff_host_report *report), void *ctx);

#endif
