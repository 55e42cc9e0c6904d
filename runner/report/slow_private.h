/* What the analysis of slow.h keeps: slow.c and slow_units.c fill it, the other ones read it. */
#ifndef FF_REPORT_SLOW_PRIVATE_H
#define FF_REPORT_SLOW_PRIVATE_H

#include "base/map.h"
#include "report/slow.h"

enum { SLOW_NONE = UINT32_MAX };

/* A journal may say anything: what is more than these is taken for these, so that no sum is more
 * than can be told. */
#define SLOW_SLOTS_MAX (1U << 17)			/* of all hosts */
#define SLOW_RUN_US    (365 * 24 * INT64_C(3600000000)) /* from the run's start, to both sides */
#define SLOW_UNIT_US   (30 * 24 * INT64_C(3600000000))	/* of an attempt */
#define SLOW_SUM_MAX   (INT64_MAX / 64)
int64_t ff_slow_within(int64_t us, int64_t least, int64_t most);
void ff_slow_add(int64_t *sum, int64_t us); /* nothing if it is negative */

/* A teardown. */
struct slow_torn {
	int64_t from_us, until_us; /* 0: there was none */
	uint32_t host;		   /* SLOW_NONE: the run's own */
};

/* A run, or one of those that were merged: their clocks have nothing to do with each other. */
struct slow_shard {
	uint32_t number;
	int64_t start_us, end_us;
	uint32_t alive, peak; /* workers and commands at one time */
	/* Of the run itself: how long it was set up and torn down, when the first was done. */
	int64_t setup_us, teardown_us, set_up_us;
	struct slow_torn torn, own_torn; /* the last host's; the run's */
};

enum slow_phase {
	SLOW_UNUSED,
	SLOW_JOINING,
	SLOW_PREPARING,
	SLOW_READY,
	SLOW_AWAY,
	SLOW_LEFT,
	SLOW_PHASES
};

/* When it came to be of use, the last time. */
struct slow_arrival {
	int64_t joining_us, opened_us, ready_us;
	int64_t sync_us;   /* that the tree took, before it was ready */
	int64_t set_up_us; /* when its setup was done; 0: it has none */
};

struct slow_host {
	char *name;
	uint32_t slots, shard;
	enum slow_phase phase;
	int64_t since_us;
	int64_t phase_us[SLOW_PHASES];
	int64_t sync_us;		 /* of PREPARING, all times together */
	int64_t setup_us, torn_early_us; /* likewise */
	int64_t torn_us;		 /* of READY */
	struct slow_arrival arrival;
};

/* A worker; of commands, those that followed each other on a slot. */
struct slow_lane {
	char *name; /* NULL: of commands */
	uint32_t job, host, slots;
	uint32_t next_free; /* of commands */
	struct slow_arrival arrival;
	int64_t opened_us, collected_us, ended_us; /* 0: not yet */
	int64_t collection_us;			   /* that it says to have needed for that */
	int64_t began_us, last_us; /* of its tests: the first's start, the last's end */
	int64_t running_us;	   /* since when one does; 0: none */
	int64_t setup_us, call_us, teardown_us, lost_us;
	int64_t files_us; /* for files that are collected one by one */
	int64_t other_us; /* of commands: to and fro */
	int64_t gap_us;	  /* the longest between two tests */
	uint32_t units, file;
	char *longest;
	int64_t longest_us;
};

struct slow_job {
	char *name;
	int64_t started_us, finished_us;
	int64_t front_us, front_ready_us; /* since when it was opened; 0: there is none */
	uint32_t slots;			  /* of a command */
	bool parts;
	enum ff_slow_whole whole;
	struct ff_map runs; /* commands: index -> lane + 1 */
	uint32_t *free;	    /* by host: lanes whose slot is free, the latest first */
	uint32_t free_len;
};

/* Tests that are of one file, or stay on one worker together. */
struct slow_group {
	char *name;
	uint32_t job, units, lane; /* lane: SLOW_NONE if there were several */
	bool file;
	int64_t us, longest_us;
	char *longest;
};

struct slow_attempt {
	int64_t us;
	uint32_t group; /* that stays together; SLOW_NONE */
	uint32_t job;
};

struct slow_named {
	char *name;
	int64_t us;
	uint32_t lane, job, attempt;
};

#define SLOW_LIST(type)                                                                            \
	struct {                                                                                   \
		type *v;                                                                           \
		size_t len, cap;                                                                   \
	}

struct ff_slow {
	size_t most;
	char *run_id;
	bool begun, over;
	int64_t first_us; /* of the first event */
	uint32_t slots;	  /* of all hosts */
	uint32_t merged;
	uint32_t before;
	SLOW_LIST(struct slow_shard) shards;
	SLOW_LIST(struct slow_host) hosts;
	SLOW_LIST(struct slow_lane) lanes;
	SLOW_LIST(struct slow_job) jobs;
	SLOW_LIST(struct slow_group) groups;
	SLOW_LIST(struct slow_attempt) attempts;
	SLOW_LIST(struct slow_named) tests; /* twice `most` at most, in no order */
	struct ff_map host_map, lane_map, job_map, group_map; /* name -> number + 1 */
	uint32_t latest;				      /* group: files come in rows */
	int64_t bound_us; /* what takes less is not among the longest */
	struct ff_buf key;
};

/* Room for one more, which is zeroed: its place in the list. */
#define SLOW_ADD(list)                                                                             \
	((list).v = ff_slow_room((list).v, (list).len, &(list).cap, sizeof(*(list).v)),            \
	 &(list).v[(list).len++])
void *ff_slow_room(void *v, size_t len, size_t *cap, size_t size);

/* Records: their number, SLOW_NONE or NULL if there is none; a job is made. */
uint32_t ff_slow_number_in(const struct ff_map *map, const char *name);
void ff_slow_remember(struct ff_map *map, const char *name, size_t number);
struct slow_lane *ff_slow_lane_of(const struct ff_slow *slow, const struct ff_event *event);
uint32_t ff_slow_job_of(struct ff_slow *slow, const struct ff_event *event);
struct slow_lane *ff_slow_add_lane(struct ff_slow *slow, const struct ff_event *event,
				   uint32_t job);
/* One worker or command more there, or less. */
void ff_slow_count_alive(const struct ff_slow *slow, uint32_t host, bool more);
/* An attempt whose end nobody saw. */
void ff_slow_cut_off(struct slow_lane *lane, int64_t now_us);

/* slow_units.c */
void ff_slow_unit_started(struct ff_slow *slow, const struct ff_event *event);
void ff_slow_unit_finished(struct ff_slow *slow, const struct ff_event *event);
void ff_slow_unit_lost(struct ff_slow *slow, const struct ff_event *event);

/* The longest first. */
int ff_slow_longest_first(const void *a, const void *b); /* struct slow_named */
const char *ff_slow_lane_name(const struct ff_slow *slow, uint32_t lane);

/* What a worker did from its opening to `end_us`: all of it together is that time. */
struct slow_spent {
	int64_t begin_us, last_us; /* of its tests */
	int64_t start, front, collect, wait, setup, call, teardown, lost, files, between, idle;
};
void ff_slow_reckon(const struct ff_slow *slow, const struct slow_lane *lane, int64_t end_us,
		    struct slow_spent *spent);

/* slow_estimate.c: its part of the answer; slow_path.c's is in slow.h. */
void ff_slow_estimate(const struct ff_slow *slow, struct ff_slow_estimate *estimate);

/* What the figures support, a line each. */
void ff_slow_advise(struct ff_buf *out, const struct ff_slow_answer *answer);

/* slow_setup.c: HOST_SETUP; and what of a host's time until now went into it. */
void ff_slow_on_setup(struct ff_slow *slow, const struct ff_event *event);
struct slow_setup_time {
	int64_t early_us; /* of PREPARING */
	int64_t run_us;	  /* of UNUSED */
	int64_t late_us;  /* of READY */
};
void ff_slow_add_setup(const struct slow_host *host, const struct slow_shard *shard,
		       const int64_t phase_us[], int64_t ready_us, struct slow_setup_time *time);

#endif
