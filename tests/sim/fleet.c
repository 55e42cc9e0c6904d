/* Hosts that come and go, of the seed alone: what else happens is as it would be. */
#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "event/event.h"

enum { CHANGES_MAX = 9, SPAN_US = 12000000 };

static uint64_t roll(uint64_t *dice)
{
	*dice ^= *dice << 13, *dice ^= *dice >> 7, *dice ^= *dice << 17;
	return *dice >> 20;
}

bool fleet_moves(uint64_t seed)
{
	return seed % 6 == 4;
}

void fleet_reserve(uint64_t seed, struct ff_config *config, struct ff_inventory *inventory)
{
	if (!fleet_moves(seed))
		return;
	ff_inventory_reserve(inventory, FLEET_LATE);
	config->outside.drain_us = seed % 4 ? (int64_t)(seed % 7) * 400000 : 0;
	config->outside.refresh_us = seed % 5 ? 1000000 : 0;
}

/* A copy of some host under another name, or, once in a while, a host as it is. */
static uint32_t admit(struct ff_inventory *inventory, uint32_t nth, uint64_t like)
{
	struct ff_host host = inventory->hosts[like % inventory->len];
	char name[16];
	int64_t number;

	snprintf(name, sizeof(name), "late%u", nth);
	host.name = name;
	number = ff_inventory_admit(inventory, &host);
	if (number < 0)
		abort();
	return (uint32_t)number;
}

static struct ff_input *leave_or_drain(const struct ff_inventory *inventory, uint64_t dice)
{
	uint32_t host = (uint32_t)(dice % inventory->len);
	struct ff_input *input;
	const char *names[3] = {inventory->hosts[host].name, NULL, NULL};

	if (dice / 64 % 3) {
		input = ff_input_new(FF_INPUT_HOST_LEAVES);
		input->host = host;
		input->u.said.text = "it is to go";
		return input;
	}
	input = ff_input_new(FF_INPUT_DRAIN);
	if (dice / 1024 % 4 == 0)
		names[0] = "h[0-2]";
	if (dice / 256 % 4 == 0)
		names[1] = "nobody";
	input->u.cancel.request = ff_input_text(input, "d");
	input->u.cancel.names = ff_input_lines(input, names);
	return input;
}

void fleet_move(uint64_t seed, struct ff_inventory *inventory, struct world *world)
{
	uint64_t dice = (seed + 77) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t changes = 1 + (uint32_t)(roll(&dice) % CHANGES_MAX), late = 0;
	int64_t at = world_now(world);

	if (!fleet_moves(seed))
		return;
	for (uint32_t i = 0; i < changes; i++) {
		uint64_t what = roll(&dice) % 8;
		struct ff_input *input;

		at += (int64_t)(roll(&dice) % (SPAN_US / CHANGES_MAX));
		if (what < 4) {
			input = leave_or_drain(inventory, roll(&dice));
		} else if (what < 6 && late < FLEET_LATE) {
			input = ff_input_new(FF_INPUT_HOST_COMES);
			input->host = admit(inventory, late++, roll(&dice));
		} else { /* one that may have left */
			input = ff_input_new(FF_INPUT_HOST_COMES);
			input->host = (uint32_t)(roll(&dice) % inventory->len);
		}
		world_put(world, input, at);
	}
}
