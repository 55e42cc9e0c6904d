/* What the files of this room share. */
#ifndef FF_STATE_PRIVATE_H
#define FF_STATE_PRIVATE_H

#include "state/state.h"

enum ff_record_kind { FF_RECORD_HOST, FF_RECORD_JOB, FF_RECORD_WORKER };

struct ff_host_record *ff_state_add_host(struct ff_state *state, const char *name);
struct ff_job_record *ff_state_add_job(struct ff_state *state, const char *name);
/* --- grow.c: how a job comes to its units --- */
void ff_state_know_units(struct ff_state *state, struct ff_job_record *job, uint32_t units);
/* COLLECTED and UNITS_ADDED. */
int ff_state_check_units(const struct ff_job_record *job, const struct ff_event *event,
			 struct ff_err *err);
void ff_state_take_units(struct ff_state *state, struct ff_job_record *job,
			 const struct ff_event *event);
void ff_state_release_parts(struct ff_job_record *job);

struct ff_worker_record *ff_state_add_worker(struct ff_state *state, const char *name);

/* before.c: UNITS_BEFORE from `units` on, and UNIT_BEFORE. */
bool ff_state_failed_before(const struct ff_unit_record *unit, const struct ff_result *result);
void ff_state_units_before(struct ff_state *state, struct ff_job_record *job,
			   struct ff_unit_record *units, const struct ff_event *event);
void ff_state_unit_before(struct ff_state *state, struct ff_job_record *job,
			  struct ff_unit_record *unit, const struct ff_event *event);

#endif
