/* What the files of the world share. */
#ifndef FF_SIM_WORLD_PRIVATE_H
#define FF_SIM_WORLD_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "world.h"

enum { WORLD_UNITS = 256 }; /* of a job, whose attempts are counted */

enum happens {
	HAPPENS_INPUT,	/* in any case */
	HAPPENS_SAYING, /* if its host still lives */
	HAPPENS_DEATH,
	HAPPENS_FREEZE,
	HAPPENS_THAW,
	HAPPENS_STEP, /* of a session */
	HAPPENS_KILL, /* likewise: the order to kill it is there */
};

struct world_session;

struct happening {
	int64_t at;
	uint64_t order;
	enum happens kind;
	uint32_t host;
	uint32_t life;
	struct ff_input *input;
	uint32_t session;   /* its worker's number */
	uint32_t execution; /* 0: of none */
};

/* An execution on a host that takes some ahead. */
struct world_execution {
	uint32_t host, life;
	int64_t begins, ends; /* INT64_MAX: its host dies before */
	bool withdrawn;
};

struct world_host {
	uint32_t tries; /* of the latest opening */
	uint32_t life;	/* changes with each opening and each death */
	bool up, frozen;
	int64_t thaws_at;
};

struct world {
	uint64_t seed, random;
	const struct ff_plan *plan;
	struct world_faults faults;
	int64_t now;
	struct world_host *hosts;
	uint32_t hosts_len;
	struct happening *heap;
	size_t heap_len, heap_cap;
	uint64_t happenings;
	uint8_t (*attempts)[WORLD_UNITS]; /* by job: that came to an end of their own */
	bool *asked; /* by job: somebody was asked for the names of what it collected, as others did
		      */
	struct ff_list sessions, fronts;
	struct ff_map executions; /* by number; of brief worlds */
	const char *complaint;
};

/* Of a unit: the same each time it is asked, below 1000. `what`: which question. */
uint32_t world_of_unit(const struct world *world, uint32_t job, uint32_t unit, uint32_t what);
/* What a world of this seed has as its own. */
uint64_t world_seed(uint64_t seed);
/* The order to find a job's units. */
void world_discover(struct world *world, const struct ff_order *order);
bool world_mark(const struct world *world, uint32_t job, uint32_t unit, bool anywhere,
		struct ff_payload_mark *mark);
uint32_t world_marks(const struct world *world, uint32_t job, uint32_t first, uint32_t count,
		     struct ff_payload_mark *marks);
void world_happen(struct world *world, struct happening happening);
void world_say(struct world *world, struct ff_input *input, uint32_t host, int64_t delay);
void world_say_at(struct world *world, struct ff_input *input, uint32_t host, int64_t at);
void world_kill_host(struct world *world, uint32_t host);
enum ff_outcome world_outcome(struct world *world, uint32_t job, uint32_t unit);
int64_t world_duration(const struct world *world, uint32_t job, uint32_t unit);
struct world_settings world_settings(const struct world *world, uint32_t job);
/* Slow ones take longer than they tell. */
int64_t world_takes(const struct world *world, uint32_t job, uint32_t unit);

void session_order(struct world *world, const struct ff_order *order);
void session_step(struct world *world, uint32_t worker);
void session_killed(struct world *world, uint32_t worker);
void sessions_die(struct world *world, uint32_t host);
/* False: it was about no front. */
bool front_order(struct world *world, const struct ff_order *order);
void fronts_free(struct world *world);
void sessions_free(struct world *world);

#endif
