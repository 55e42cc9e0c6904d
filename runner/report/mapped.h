/* The reporters of `farflung map`: the output of units as if they had written it here, GNU
 * parallel's job log, a folder of results per unit. Units are told by their index; what they are is
 * asked of whoever made them. */
#ifndef FF_REPORT_MAPPED_H
#define FF_REPORT_MAPPED_H

#include "base/buf.h"
#include "report/reporter.h"

/* Who made the units. */
struct ff_mapped_units {
	uint32_t (*seq)(void *ctx, uint32_t index); /* from 1, over all runs of the same input */
	/* Append: the command as the shell was given it; the arguments, with blanks between. */
	int (*command)(void *ctx, uint32_t index, struct ff_buf *out);
	int (*arguments)(void *ctx, uint32_t index, struct ff_buf *out);
	/* The nth argument, from 0; malloc'd, NULL: there are no more. `column` becomes its number
	 * in its item, from 1. */
	char *(*argument)(void *ctx, uint32_t index, size_t nth, size_t *column);
	/* Appends what its output is tagged with. */
	int (*tag)(void *ctx, uint32_t index, struct ff_buf *out);
	void *ctx;
};

enum ff_mapped_order {
	FF_MAPPED_GROUPED, /* a unit's output in one piece, when it has ended */
	FF_MAPPED_KEPT,	   /* likewise, and in the order of the units */
	FF_MAPPED_LINES,   /* line by line, as they come */
};

struct ff_mapped_opts {
	struct ff_mapped_units units;
	enum ff_mapped_order order;
	bool tag;	     /* each line begins with its unit's tag */
	bool bar;	     /* a line that says how far it is, if stderr is a terminal */
	const char *joblog;  /* NULL: none */
	bool joblog_goes_on; /* behind what is there */
	const bool *logged;  /* units that it has already, by sequence number; NULL: not known */
	uint32_t logged_len;
	const char *results; /* NULL: none */
	/* What the exit code comes from; filled in as the run goes on. */
	struct ff_mapped_tally *tally;
};

struct ff_mapped_tally {
	uint32_t failed; /* units */
	uint32_t total;	 /* units of the run */
	int last_value;	 /* what the unit ended with that ended last, or stopped the run */
	bool stopped;	 /* by so many that ended in some way */
	bool unwritten;	 /* a job log or a result is incomplete */
	bool deserted;	 /* who read stdout has left: that ended the run */
};

/* stdout and stderr of units to ours, and what a user must know of the run to stderr. */
struct ff_reporter *ff_report_mapped(const struct ff_reporter_opts *opts,
				     const struct ff_mapped_opts *mapped);
/* NULL: err names the file and says why. Each line is written when its unit has ended,
 * or a few milliseconds later together with others. */
struct ff_reporter *ff_report_joblog(const struct ff_reporter_opts *opts,
				     const struct ff_mapped_opts *mapped, struct ff_err *err);
/* DIR/1/ARGUMENT/2/ARGUMENT/ with seq, stdout, stderr and status. NULL: as above. */
struct ff_reporter *ff_report_mapped_results(const struct ff_mapped_opts *mapped,
					     struct ff_err *err);

/* GNU parallel's Exitval and Signal of a result. */
struct ff_mapped_end {
	int value, signal;
};
struct ff_mapped_end ff_mapped_end(const struct ff_result *result);

/* Reads a job log: `done[seq]` for those that need not run again. `failed_too`: those that failed
 * do. A last line without its end is none, and is cut off from the file. A missing file has none.
 * FF_ESYS; FF_EINVAL: "FILE:3: …", it is no job log. `done` is malloc'd. */
int ff_joblog_read(const char *path, bool failed_too, bool **done, uint32_t *done_len,
		   struct ff_err *err);

#endif
