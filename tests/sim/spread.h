/* What each policy promises of how units are spread over sessions. */
#ifndef FF_SIM_SPREAD_H
#define FF_SIM_SPREAD_H

#include "check.h"

struct spread;

struct spread *spread_new(uint64_t seed, const struct ff_plan *plan,
			  const struct ff_inventory *inventory, const struct world_faults *faults);
void spread_free(struct spread *spread);
/* Another run begins. */
void spread_begin(struct spread *spread);
void spread_input(struct spread *spread, const struct ff_input *input);
void spread_event(struct spread *spread, struct check *check, const struct ff_event *event);
void spread_order(struct spread *spread, struct check *check, const struct ff_order *order);
void spread_state(const struct spread *spread, struct check *check, const struct ff_state *state);
/* Whether a suspect can be tried where nothing else runs: not where it belongs to one host. */
bool spread_may_be_alone(const struct spread *spread, uint32_t job);
/* Whether what its units ask for has an effect. */
bool spread_keeps_marks(const struct spread *spread, uint32_t job);
/* Bytes that a running unit takes by that; 0: none. */
int64_t spread_memory(const struct check *check, const struct ff_worker_record *worker);
/* What runs beside what. */
void spread_marks(struct check *check, const struct ff_state *state);
bool spread_in_parts(const struct spread *spread, uint32_t job);
/* What the world calls a unit of the job's. */
uint32_t spread_unit(const struct spread *spread, uint32_t job, uint32_t unit);

#endif
