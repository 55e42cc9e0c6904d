/* Hosts that come and go while the simulated run goes on. */
#ifndef FF_SIM_FLEET_H
#define FF_SIM_FLEET_H

#include "config/config.h"
#include "inventory/inventory.h"
#include "world.h"

enum { FLEET_LATE = 4 };

/* Whether they do, with this seed. */
bool fleet_moves(uint64_t seed);
/* Before anybody borrows from the inventory: room, and what the run is to do about it. */
void fleet_reserve(uint64_t seed, struct ff_config *config, struct ff_inventory *inventory);
/* Once the run has begun: what is to happen. */
void fleet_move(uint64_t seed, struct ff_inventory *inventory, struct world *world);

#endif
