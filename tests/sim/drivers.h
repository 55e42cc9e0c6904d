/* Schedulers in the fronts of the world. */
#ifndef FF_SIM_DRIVERS_H
#define FF_SIM_DRIVERS_H

#include "payload.h"
#include "world_private.h"

struct world_driver;
typedef void driver_says(void *ctx, struct ff_input *input);

/* To be freed with ff_free. */
struct world_driver *driver_new(struct world *world, uint32_t job, driver_says *say, void *ctx);
/* `again`: of a crash, its front wants the unit to be run once more. */
void driver_hears(struct world_driver *driver, const struct ff_front_item *item, bool again);

#endif
