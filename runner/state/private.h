/* What the files of this room share. */
#ifndef FF_STATE_PRIVATE_H
#define FF_STATE_PRIVATE_H

#include "state/state.h"

enum ff_record_kind { FF_RECORD_HOST, FF_RECORD_JOB, FF_RECORD_WORKER };

struct ff_host_record *ff_state_add_host(struct ff_state *state, const char *name);
struct ff_job_record *ff_state_add_job(struct ff_state *state, const char *name);
struct ff_worker_record *ff_state_add_worker(struct ff_state *state, const char *name);

#endif
