/* One program under control: time limit, TERM - grace - KILL to its process group, and an end when
 * its exit and both output EOFs are there or the leak timer cut what kept them open. */
#ifndef FF_WORKER_RUN_H
#define FF_WORKER_RUN_H

#include "io/loop_private.h"
#include "io/process.h"

#define FF_RUN_GRACE_US (5 * FF_SECOND_US)
#define FF_RUN_LEAK_US	(FF_SECOND_US / 5)
#define FF_RUN_CUT_US	(FF_SECOND_US / 20) /* for EOFs after the group was killed */
/* Back-pressure for so long is a reader who stopped: its time is not the program's. What is shorter
 * is a program that prints faster than the line carries, and its own fault. */
#define FF_RUN_STALL_US FF_SECOND_US

enum ff_run_state {
	FF_RUN_RUNNING,
	FF_RUN_TERMINATING, /* SIGTERM was sent */
	FF_RUN_KILLED,	    /* SIGKILL was sent */
	FF_RUN_DRAINING,    /* it exited, output is still open */
	FF_RUN_LEAKED,	    /* and was open for too long: the group was killed */
	FF_RUN_FINISHED,
	FF_RUN_STATES,
};

struct ff_run;

enum { FF_RUN_LOST_MAX = 80 };

struct ff_run_ops {
	void (*output)(struct ff_run *run, bool is_err, const void *bytes, size_t len);
	/* stdin took all that was given; may be NULL. */
	void (*drained)(struct ff_run *run);
	/* All that there is to know is in the run, its process included. Once. */
	void (*finished)(struct ff_run *run);
	/* After `finished`: the memory may be reused. */
	void (*closed)(struct ff_run *run);
};

struct ff_run_opts {
	struct ff_spawn spawn;
	const void *input; /* for stdin, which is then closed; with spawn.stdin_null: none */
	size_t input_len;
	bool keep_stdin;    /* it stays open */
	int64_t timeout_us; /* of the time in which its output was taken; 0: none */
	int64_t grace_us, leak_us;
	int64_t late_us; /* of spawn; 0: FF_WATCH_LATE_US */
};

struct ff_run {
	struct ff_process *process; /* NULL once `finished` returned */
	struct ff_timer timer;	    /* of the state */
	const struct ff_run_ops *ops;
	int64_t start_us, exit_us, grace_us, leak_us;
	int64_t deadline_us; /* while it runs; FF_NEVER_US */
	int64_t paused_us;   /* since when, if `paused` */
	uint8_t state;	     /* enum ff_run_state */
	bool paused, hasty;
	bool timed_out, killed, leaked;
	struct ff_buf input;	    /* what is left of it */
	char lost[FF_RUN_LOST_MAX]; /* a pipe broke, and the program was killed: why, else "" */
};

/* Starts the program. On failure (as ff_process_spawn) nothing is left behind. */
int ff_run_start(struct ff_run *run, struct ff_loop *loop, const struct ff_run_opts *opts,
		 const struct ff_run_ops *ops, struct ff_err *err);
/* The same of a child that is there already (ff_process_adopt), with nothing on its stdin. */
int ff_run_adopt(struct ff_run *run, struct ff_loop *loop, pid_t pid, struct ff_ends *ends,
		 const struct ff_run_opts *opts, const struct ff_run_ops *ops, struct ff_err *err);
/* TERM, grace, KILL; or KILL at once, what it still prints is dropped. Harmless when it has ended.
 */
void ff_run_end(struct ff_run *run, bool now);
/* A shorter grace from now on. */
void ff_run_limit_grace(struct ff_run *run, int64_t grace_us);
void ff_run_signal(struct ff_run *run, int signal);
/* Back-pressure: whether its output is to be read. */
void ff_run_read(struct ff_run *run, bool on);
/* What it prints to stdout in the next FF_WATCH_LATE_US may come together. */
void ff_run_rest(struct ff_run *run);

#endif
