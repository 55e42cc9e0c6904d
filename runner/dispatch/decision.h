/* What decide gives: events, which are true from now on, and orders, which act carries out once the
 * events are in the journal. */
#ifndef FF_DISPATCH_DECISION_H
#define FF_DISPATCH_DECISION_H

#include "base/arena.h"
#include "event/event.h"
#include "payload.h"

/* X(name): */
#define FF_ORDER_MAP(X)                                                                            \
	X(OPEN_HOST)  /* host, tries; `via` first: it was ordered before */                        \
	X(SYNC_HOST)  /* bring the tree there */                                                   \
	X(SET_UP)     /* host, tries: settings.setup is run there, unless it need not be */        \
	X(TEAR_DOWN)  /* likewise; what sets it up is ended before */                              \
	X(DROP_SETUP) /* whatever of these runs there is ended */                                  \
	X(PROBE_HOST) /* look for what `payload` needs */                                          \
	X(CLOSE_HOST)                                                                              \
	X(OPEN_WORKER)	 /* worker, host, job: a gateway for a session */                          \
	X(START_SESSION) /* and its task; the job has `count` workers */                           \
	X(ASK_IDS)                                                                                 \
	X(GIVE)	     /* units */                                                                   \
	X(GIVE_PART) /* part, digest, all; units: places in it */                                  \
	X(TAKE_BACK) /* units */                                                                   \
	X(END)	     /* nothing more comes */                                                      \
	X(STOP)	     /* forget what was given, and end */                                          \
	X(IDLE)	     /* nothing now */                                                             \
	X(ONCE)	     /* name, all (it is the job's), word, digest: its value, or NULL */           \
	X(KILL_WORKER)                                                                             \
	X(CLOSE_WORKER) /* it has said its last, or never will: let it go */                       \
	X(RUN)	       /* execution, job, unit, host, count; behind `follows`, if that is not 0 */ \
	X(WITHDRAW)    /* execution: unless it has begun */                                        \
	X(REST)	       /* host: what it tells next may be heard together, a moment later */        \
	X(DISCOVER)    /* execution, job, host, count */                                           \
	X(FETCH)       /* execution, job, unit, host, name: what it has left is brought here */    \
	X(CLEAN)       /* execution, host: files that it was sent may go */                        \
	X(DROP)	       /* execution: it is ended; lost, with what it has printed */                \
	X(OPEN_FRONT)  /* job, planned */                                                          \
	X(TELL_FRONT)  /* job, front_item; worker and host, or FF_NOBODY: whom it is about */      \
	X(PASS_ON)     /* worker, value: its front's word to it */                                 \
	X(CLOSE_FRONT) /* job: it has said its last, let it go */                                  \
	X(KILL_FRONT)  /* job */                                                                   \
	X(TELL_BEFORE) /* job: what earlier runs told of it, as BEFORE inputs */                   \
	X(PAUSE)       /* read nothing from the job's workers, they stall by credit; FF_NOBODY:    \
			  nor from any, and fronts */                                              \
	X(RESUME)

enum ff_order_kind {
#define X(name) FF_ORDER_##name,
	FF_ORDER_MAP(X)
#undef X
		FF_ORDER_KINDS
};

/* A worker that a front is told of at its start. */
struct ff_order_worker {
	const char *name;
	uint32_t host;
};

struct ff_order {
	enum ff_order_kind kind;
	uint32_t host, tries;
	uint32_t worker, execution;
	uint32_t job, unit;
	uint32_t payload;   /* PROBE_HOST: its number in ff_payloads */
	int64_t timeout_us; /* RUN: instead of the plan's; 0: that holds */
	uint32_t step;	    /* RUN: of the unit's steps, if it has some */
	uint32_t attempt;   /* RUN: of the unit, from 1 */
	uint32_t count;	    /* workers that the job has */
	uint32_t follows;   /* RUN: an execution on the same host */
	const char *name;   /* of the unit, or the worker */
	const char *detail; /* RUN: what its discovery told of the unit; NULL */
	const uint32_t *units;
	size_t units_len;
	uint32_t part;
	const char *word;   /* ONCE: the answer, see struct ff_payload_session */
	const char *digest; /* that the part must have; NULL: any */
	bool all;	    /* GIVE_PART: all of its units, whichever these are */
	const struct ff_order_worker *planned;
	uint32_t planned_len;
	const struct ff_front_item *front_item;
	const void *value; /* a packed item */
	size_t value_len;
};

/* All of it is valid until the decision is cleared. */
struct ff_decision {
	struct ff_event *events;
	size_t events_len, events_cap;
	struct ff_order *orders;
	size_t orders_len, orders_cap;
	struct ff_arena arena;
};

void ff_decision_clear(struct ff_decision *decision);
void ff_decision_release(struct ff_decision *decision);
/* Copies; texts stay where they are. */
void ff_decision_event(struct ff_decision *decision, const struct ff_event *event);
void ff_decision_order(struct ff_decision *decision, const struct ff_order *order);
/* Text in the arena. */
const char *ff_decision_text(struct ff_decision *decision, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A copy in the arena. */
void *ff_decision_copy(struct ff_decision *decision, const void *bytes, size_t len);

const char *ff_order_word(enum ff_order_kind kind);

#endif
