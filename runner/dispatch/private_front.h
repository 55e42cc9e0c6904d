/* Jobs with a front: what is told to it, and what it says. Included by private.h. */
#ifndef FF_DISPATCH_PRIVATE_FRONT_H
#define FF_DISPATCH_PRIVATE_FRONT_H

#include "dispatch/private.h"

/* --- decide_front.c --- */
/* It takes in what is told. */
bool ff_front_listens(const struct ff_engine *e, uint32_t job);
/* `worker`: whom it is about; FF_NOBODY. */
void ff_front_tell(struct ff_engine *e, uint32_t job, const struct ff_front_item *item,
		   uint32_t worker);
void ff_front_tell_line(struct ff_engine *e, uint32_t job, const char *text);
/* A crash, whose end it settles; `session`: waits for that, or NULL. */
void ff_front_tell_crash(struct ff_engine *e, uint32_t job, struct ff_front_item *item,
			 uint32_t worker, const struct session *session);
/* A sign of life came, or something new is owed. */
void ff_front_wait_anew(struct ff_engine *e, uint32_t job);
/* A session asks for its job's front, goes on without, or sends it something. */
void ff_front_needed(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_front_without(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_front_from(struct ff_engine *e, struct session *session, const struct ff_input *input);
/* What it is told; all of these do nothing for a job without one. `idle`: the session ran no unit
 * when it ended with an error. */
void ff_front_hear(struct ff_engine *e, const struct ff_event *event);
void ff_front_unit(struct ff_engine *e, const struct unit_at *at, const struct ff_result *result,
		   bool again);
void ff_front_unit_lost(struct ff_engine *e, const struct unit_at *at, const char *reason);
void ff_front_not_run(struct ff_engine *e, uint32_t job, const struct ff_event *event);
/* Why the job did not get to more, in words. */
const char *ff_front_why(struct ff_engine *e, uint32_t job);
/* Of a job in parts: one has been collected; one could not be, or nobody got to it. */
void ff_front_more(struct ff_engine *e, uint32_t job);
void ff_front_part_lost(struct ff_engine *e, uint32_t job, const char *name, const char *text);
void ff_front_down(struct ff_engine *e, struct session *session, const char *error, bool idle);
void ff_front_stopped(struct ff_engine *e, uint32_t job, enum ff_reason why, const char *text);
/* What becomes of a unit under which its worker died; false: it can't be asked. */
bool ff_front_ask(struct ff_engine *e, struct session *session, uint32_t unit, const char *reason);
/* It wants a unit to be run again that has come to its end meanwhile. */
void ff_front_refuse(struct ff_engine *e, uint32_t job, uint32_t unit);
/* Nothing more of the job is to come: it is told, and whether the job has to wait for it. */
bool ff_front_holds(struct ff_engine *e, uint32_t job);
/* After its end: what it says of the job counts, too. `bad`: that is bad by what we know. */
void ff_front_judge(struct ff_engine *e, uint32_t job, bool bad);
void ff_front_input(struct ff_engine *e, const struct ff_input *input);
void ff_front_due(struct ff_engine *e, uint32_t job);
void ff_front_give_time(struct ff_engine *e);
void ff_front_hurry(struct ff_engine *e, uint32_t job);

/* --- decide_driven.c --- */
/* Whether the job's front says who runs what. All else does nothing where it doesn't. */
bool ff_driven(const struct ff_engine *e, uint32_t job);
void ff_driven_input(struct ff_engine *e, uint32_t job, const struct ff_input *input);
/* A session may be given units, gave some back, or came to its end. */
void ff_driven_up(struct ff_engine *e, struct session *session);
void ff_driven_returned(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_driven_over(struct ff_engine *e, struct session *session, bool in_order);
/* A unit is to be run once more. */
void ff_driven_again(struct ff_engine *e, uint32_t job);
/* Jobs in which nothing can happen any more: something does; whether there was one. */
bool ff_driven_look(struct ff_engine *e);
/* The job has no session: whether there will be none for what is left; it has its error then. */
bool ff_driven_out(struct ff_engine *e, uint32_t job);

#endif
