/* The store: what is known of units across runs, in one SQLite file (<directory>/.farflung/
 * history.db). Nothing here is ever needed for a run: whoever can't have it goes on without.
 * Several processes may use one file at a time: readers never wait, writers for each other at most
 * FF_STORE_WAIT_MS. */
#ifndef FF_STORE_STORE_H
#define FF_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"

enum {
	/* Of the tables. What only adds a column that has a default is no other version: older
	 * programs do not see it, and go on writing. */
	FF_STORE_VERSION = 1,
	FF_STORE_WAIT_MS = 5000,
	FF_STORE_UNIT_DAYS = 180,     /* a unit that no run has had for so long is forgotten */
	FF_STORE_UNITS_MAX = 1000000, /* and of more than these those that are not seen longest */
	FF_STORE_RUNS_MAX = 1000,
};

struct ff_store;

enum ff_store_mode {
	FF_STORE_READ,	 /* it must be there */
	FF_STORE_UPDATE, /* it is made if it is not there, with its folder */
};

/* 0, or an error whose text names the file:
 * FF_ENOTFOUND: it is not there; FF_EUNSUPPORTED: a newer farflung made it, or another program: it
 * stays as it is; FF_ELOAD: it is broken; FF_ESYS: it can't be opened.
 * A file that can't be written is opened for reading also where UPDATE was asked for. */
int ff_store_open(struct ff_store **store, const char *path, enum ff_store_mode mode,
		  struct ff_err *err);
/* NULL is fine. What was begun and not committed is as if it never was. */
void ff_store_close(struct ff_store *store);
/* NULL: it can be written; else why not, in words. */
const char *ff_store_read_only(const struct ff_store *store);
/* A broken file gets another name, `moved` (FF_STORE_NAME_MAX bytes), so that a new one can be
 * made; nothing happens if it is not the one that was broken any more. */
enum { FF_STORE_NAME_MAX = 4200 };
int ff_store_set_aside(const char *path, char *moved, struct ff_err *err);

/* --- reading --- */

/* A unit as the store has it. Texts are valid during the call. */
struct ff_store_unit {
	const char *kind, *name; /* of its job's payload: "pytest"; node id or command instance */
	int64_t us;	  /* what it takes, later runs weighing more, on a host of speed 1; 0 */
	int64_t setup_us; /* the same of its set-up alone; 0 */
	enum ff_outcome outcome; /* of the latest run */
	const char *since;	 /* the run since which it is bad, or is not */
	const char *failed_in;	 /* the latest run in which it was bad; NULL */
	uint32_t failures;	 /* runs in which it was bad */
	uint32_t flips;		 /* how often that changed from one run to the next */
	uint32_t flaky;		 /* runs in which it was bad first, and passed when tried again */
	int64_t seen_s;		 /* when that was written, seconds since 1970 */
	int64_t memory_kib;	 /* the most that it took lately: see ff_store_seen; 0: unknown */
};

enum ff_store_order {
	FF_STORE_ANY_ORDER,
	FF_STORE_SLOWEST,
	FF_STORE_FLAKIEST,
	FF_STORE_LARGEST, /* only those whose memory is known */
};

struct ff_store_query {
	const char *pattern; /* a part of the name, or a shell pattern for all of it; NULL: all */
	bool flaky;	     /* only those that were, or that changed */
	enum ff_store_order order;
	int64_t limit; /* 0: none */
};

int ff_store_units(struct ff_store *store, const struct ff_store_query *query,
		   void (*each)(void *ctx, const struct ff_store_unit *unit), void *ctx,
		   struct ff_err *err);
int ff_store_hosts(struct ff_store *store, void (*each)(void *ctx, const char *name, double speed),
		   void *ctx, struct ff_err *err);

/* A file that units come from: its content by a number, and how long its collection takes. */
struct ff_store_file {
	const char *kind, *name;
	int64_t content, collect_us;
};
int ff_store_files(struct ff_store *store,
		   void (*each)(void *ctx, const struct ff_store_file *file), void *ctx,
		   struct ff_err *err);

struct ff_store_run {
	const char *id;
	int64_t began_s, took_us;
	int exit_code;
	uint32_t total, bad;
	const char *command_line; /* NULL */
};
/* The newest first. */
int ff_store_runs(struct ff_store *store, int64_t limit,
		  void (*each)(void *ctx, const struct ff_store_run *run), void *ctx,
		  struct ff_err *err);

/* Suites whose files may be collected one by one, though something in them might look at all tests:
 * `farflung try` has compared the outcomes. What identifies such a suite is its payload's business.
 */
int ff_store_sharded(struct ff_store *store, void (*each)(void *ctx, const char *suite), void *ctx,
		     struct ff_err *err);

/* --- writing: begin, any number of puts, commit --- */

/* What one run saw of a unit. */
struct ff_store_seen {
	const char *kind, *name, *run;
	int64_t us, setup_us; /* 0: that was not seen */
	/* 0: that was not seen. More than is known counts at once, less by three tenths: what one
	 * run did not need the next may. */
	int64_t memory_kib;
	enum ff_outcome outcome;
	bool flaky;
	int64_t now_s;
};

int ff_store_begin(struct ff_store *store, struct ff_err *err);
int ff_store_put_unit(struct ff_store *store, const struct ff_store_seen *seen, struct ff_err *err);
int ff_store_put_run(struct ff_store *store, const struct ff_store_run *run, struct ff_err *err);
int ff_store_put_host(struct ff_store *store, const char *name, double speed, struct ff_err *err);
int ff_store_put_file(struct ff_store *store, const struct ff_store_file *file, int64_t now_s,
		      struct ff_err *err);
int ff_store_put_sharded(struct ff_store *store, const char *suite, int64_t now_s,
			 struct ff_err *err);
/* Forgets what is old, at most once a day. */
int ff_store_prune(struct ff_store *store, int64_t now_s, struct ff_err *err);
int ff_store_commit(struct ff_store *store, struct ff_err *err);

#endif
