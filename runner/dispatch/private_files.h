/* Of decide's files: what hosts are set up with, and what units leave there. Included by private.h.
 */
#ifndef FF_DISPATCH_PRIVATE_FILES_H
#define FF_DISPATCH_PRIVATE_FILES_H

/* --- decide_setup.c --- */
/* It has its tree: ff_host_prepared follows, at once or later. */
void ff_setup_begin(struct ff_engine *e, uint32_t host);
void ff_setup_done(struct ff_engine *e, const struct ff_input *input);
/* Nothing is prepared there any more: it is being torn down, or all jobs are over. */
bool ff_setup_too_late(const struct ff_engine *e, uint32_t host);
/* Whether it has to be torn down before it goes: ff_host_leave or ff_host_unusable follows. */
bool ff_teardown_begin(struct ff_engine *e, uint32_t host);
void ff_teardown_done(struct ff_engine *e, const struct ff_input *input);
void ff_teardown_kill(struct ff_engine *e);
/* All jobs are over: whether all is torn down. */
bool ff_teardown_all(struct ff_engine *e);
/* Its connection has ended; it will not come back. */
void ff_setup_host_down(struct ff_engine *e, uint32_t host, const char *reason);
void ff_setup_host_gone(struct ff_engine *e, uint32_t host);

/* --- decide_setup_run.c --- */
bool ff_setup_is_of_hosts(const struct ff_config_setup *setup);
/* Hosts are opened, at once or later. */
void ff_run_setup_begin(struct ff_engine *e);
void ff_run_setup_done(struct ff_engine *e, const struct ff_input *input);
/* All hosts are torn down: whether the run is. */
bool ff_run_teardown(struct ff_engine *e);
void ff_run_teardown_done(struct ff_engine *e, const struct ff_input *input);
void ff_run_teardown_kill(struct ff_engine *e);

/* --- decide_fetch.c --- */
/* Whether something may be brought back of the job's units. */
bool ff_fetch_expected(const struct ff_engine *e, uint32_t job);
/* The execution's command has ended: whether that is not yet all. What passed is no more than an
 * error where it is too late for what it has left. */
bool ff_fetch_begin(struct ff_engine *e, const struct execution *execution,
		    struct ff_result *result);
bool ff_fetch_runs(const struct ff_engine *e, const struct execution *execution);
void ff_fetch_done(struct ff_engine *e, const struct ff_input *input);
void ff_fetch_host_lost(struct ff_engine *e, struct execution *execution, const char *reason);
void ff_fetch_kill(struct ff_engine *e, struct execution *execution);
void ff_fetch_release(struct ff_engine *e);
/* Tells what of it was not as wanted: `missing` lines are errors if `required`. The first error. */
const char *ff_fetch_complain(struct ff_engine *e, const char *host, const char *who,
			      const struct ff_input *input, bool required);

/* --- decide_gather.c: what a job's sessions leave --- */
/* A session of it has begun there. */
void ff_gather_served(struct ff_engine *e, uint32_t job, uint32_t host);
/* All of it has come to an end, well or (bad) not: whether what it has left is still to come. Then
 * the job is touched again. */
bool ff_gather_holds(struct ff_engine *e, uint32_t job, bool bad);
/* A host that is to leave has nothing to do any more: whether something is still to be brought from
 * there. Then ff_host_leave_if_idle is called again. */
bool ff_gather_holds_host(struct ff_engine *e, uint32_t host);
/* False: it was not asked for by these. */
bool ff_gather_done(struct ff_engine *e, const struct ff_input *input);
void ff_gather_host_lost(struct ff_engine *e, uint32_t host, const char *reason);
void ff_gather_kill(struct ff_engine *e);
void ff_gather_release(struct ff_engine *e);

#endif
