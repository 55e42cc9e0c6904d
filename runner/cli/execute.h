/* What `run`, `pytest` and `check` share: from a configuration to an exit code. */
#ifndef FF_CLI_EXECUTE_H
#define FF_CLI_EXECUTE_H

#include "config/config.h"

struct ff_before;      /* dispatch/before.h */
struct ff_stress_opts; /* report/stress.h */
struct ff_mapped_opts; /* report/mapped.h */
struct ff_run_feed;    /* dispatch/dispatch.h */

struct ff_execute_opts {
	const struct ff_strv *reports; /* names and values in turn, over the configuration's */
	const char *on;		       /* host pattern; NULL: all */
	char *const *only;	       /* job names; NULL: all */
	int verbosity;		       /* as in struct ff_reporter_opts */
	const char *color;	       /* auto, always, never; NULL: auto */
	bool payload_exits;	       /* as in struct ff_run_opts */
	int usage_code; /* for what can't be started as it was asked for; 0: FF_EXIT_USAGE */
	bool front_has_terminal; /* the only job's, if it comes to that */
	int front_fd;		 /* as in struct ff_run_terminal */
	const char *junit_prefix;
	const char *addopts; /* as in struct ff_run_opts */
	const char *command; /* the subcommand and its words, for the journal */
	int argc;
	char **argv;
	const struct ff_stress_opts *stress; /* its units are runs of fewer tests; NULL: are not */
	const struct ff_mapped_opts *mapped; /* what is shown of its units; NULL: as of a run */
	/* The file, and how it was read: its inventory can be read again. NULL: it can't be. */
	const char *file;
	const struct ff_config_opts *file_opts;
	/* What the command line has changed in its hosts is changed again; NULL: nothing. */
	void (*file_change)(void *ctx, struct ff_config *config);
	void *file_ctx;
	const struct ff_run_feed *feed; /* of its first job, which is open; NULL */
	/* Before anything runs, when the run's journal is there; NULL. */
	void (*begun)(void *ctx, const char *journal);
	void *begun_ctx;
	const char *shard;	    /* "K/N": that part of the units; NULL: all */
	struct ff_before *before;   /* what is gone on with; NULL: nothing */
	const char *links, *notify; /* where files are shown; NULL: as the file says */
	const char *web;	    /* as ff_serve's `listen`; NULL: nobody looks */
	const char *cert, *key;	    /* as ff_serve has them */
	/* The run has this id, and leaves no journal and no history: it only looks into another
	 * one. NULL: a run like any other. */
	const char *passing_id;
};

/* Builds inventory and plan, runs, reports. Errors of the configuration are told: exit 2. */
int ff_execute(struct ff_config *config, const struct ff_execute_opts *opts);

/* The exit code of `farflung map`, from that of its run and what came of its units (mapped.c). */
int ff_mapped_exit_code(const struct ff_config *config, const struct ff_mapped_opts *mapped,
			int code);

/* The reports of a run: the configuration's, and those of a command line in their place. */
struct ff_reporter_kind;
struct ff_report_wish {
	const struct ff_reporter_kind *kind;
	const char *value; /* of the file: absolute; of the command line: as given */
};
struct ff_report_wishes {
	struct ff_report_wish *v; /* values are borrowed */
	size_t len;
	bool stdout_taken;
	bool may_wait; /* nothing runs meanwhile: any one file may go to stdout, whoever reads it */
};

/* FF_ECONFIG: err has lines: an unknown report, one that can't go to stdout, two on stdout. `given`
 * may be NULL. Of `wishes` it reads `may_wait`. */
int ff_reports_choose(struct ff_report_wishes *wishes, const struct ff_config *config,
		      const struct ff_strv *given, struct ff_err *err);
/* Opens them. What has been added when one can't be opened stays: err names it. */
struct ff_reporters;
struct ff_reporter_opts;
int ff_reports_open(struct ff_reporters *reporters, const struct ff_report_wishes *wishes,
		    const struct ff_reporter_opts *how, struct ff_err *err);
/* Whether a service reads what is written for people, so that nobody else may write there. */
bool ff_reports_served(const struct ff_report_wishes *wishes);
/* What may stand below `report:`, for a reference; ends with a NULL key. Malloc'd. */
struct ff_config_note *ff_reports_notes(void);
void ff_reports_release(struct ff_report_wishes *wishes);

#endif
