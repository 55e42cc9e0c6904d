/* A run, as its shell sees it: run.c, and hosts.c and exec.c, which need only half of it. */
#ifndef FF_DISPATCH_RUN_H
#define FF_DISPATCH_RUN_H

#include "dispatch/act.h"
#include "dispatch/dispatch.h"
#include "dispatch/content.h"
#include "dispatch/engine.h"
#include "dispatch/keys.h"
#include "dispatch/reread.h"
#include "dispatch/teller.h"
#include "event/request.h"

enum { RUN_SIGNALS = 6 };

/* --- feed.c --- */
struct ff_feed;
/* NULL: FF_ESYS. `waiting`: units that are there and have not come to an end; above a bound
 * nothing is read. */
struct ff_feed *ff_feed_new(const struct ff_run_feed *opts, struct ff_loop *loop,
			    void (*put)(void *ctx, struct ff_input *input), void *ctx,
			    struct ff_err *err);
/* To be called now and then. */
void ff_feed_look(struct ff_feed *feed, uint32_t waiting);
/* Closes its handle, and calls `closed`. NULL is fine: false. */
bool ff_feed_close(struct ff_feed *feed, void (*closed)(void *ctx), void *ctx);

struct ff_run {
	struct ff_run_opts opts;
	struct ff_loop own_loop, *loop;
	struct ff_act *act;
	struct ff_state state;
	struct ff_engine *engine;
	struct ff_inputs inputs;
	struct ff_decision decision;
	struct ff_bus *bus;
	struct ff_teller *teller; /* of earlier runs; NULL: none is gone on with */
	char (*contents)[FF_CONTENT_TEXT];
	const char **job_contents;
	char file_content[FF_CONTENT_TEXT], machine[256];
	struct ff_deferred deferred; /* there are inputs */
	struct ff_timer tick, due;
	uv_async_t wake;
	uv_signal_t signals[RUN_SIGNALS];
	struct ff_feed *feed;	      /* NULL */
	struct ff_reread *reread;     /* NULL: its inventory stays */
	bool had_terminal;	      /* when it began */
	struct ff_keys *keys;	      /* NULL: nobody's */
	struct ff_requests *requests; /* NULL: without a journal nobody can ask */
	int closing;		      /* handles */
	int64_t ticked_us;
	int64_t began_wall_us, began_boot_us; /* one moment by two clocks */
	bool hosts_only;
	bool signalled; /* also when all is settled, and nobody decides on it any more */
	bool full;	/* reporters were, when last looked at */
	bool told_over; /* reporters have had RUN_FINISHED */
};

struct ff_run *ff_run_make(const struct ff_run_opts *opts, bool hosts_only, struct ff_err *err);

#endif
