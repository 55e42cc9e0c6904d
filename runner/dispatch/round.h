/* Something that is done once on each host, as soon as it is there: what `farflung exec` and
 * `farflung fetch` have in common. */
#ifndef FF_DISPATCH_ROUND_H
#define FF_DISPATCH_ROUND_H

#include "dispatch/run.h"

struct ff_round_calls {
	/* Host number `i` of the round is there: it is begun. */
	void (*start)(void *ctx, size_t i, struct ff_gateway *foreman);
	/* It never will be. */
	void (*unreached)(void *ctx, size_t i, const char *error);
	/* Ctrl-C: it has not ended, and is to. */
	void (*stop)(void *ctx, size_t i);
};

enum ff_round_state { FF_ROUND_WAITS, FF_ROUND_RUNS, FF_ROUND_ENDED };

struct ff_round {
	struct ff_run *run;
	const struct ff_host **hosts; /* those that match */
	enum ff_round_state *states;
	size_t len, waiting, running;
	uint32_t fanout; /* so many at a time; 0: all */
	const struct ff_round_calls *calls;
	void *ctx;
};

/* Opens the hosts; everything in opts is borrowed. FF_ESYS, FF_ENOMEM. */
int ff_round_begin(struct ff_round *round, const struct ff_run_opts *opts, struct ff_err *err);
/* Until all have ended; false: it was interrupted. */
bool ff_round_go(struct ff_round *round);
/* Of one that was begun, or is unreached or stopped. */
void ff_round_ended(struct ff_round *round, size_t i);
/* The hosts' workers end: no channel has anything to say afterwards. */
void ff_round_end(struct ff_round *round);

#endif
