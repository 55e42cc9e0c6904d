/* What the files of `farflung merge` share: the journals of shards, as far as they were read. */
#ifndef FF_CLI_MERGE_H
#define FF_CLI_MERGE_H

#include "base/err.h"
#include "base/map.h"
#include "base/strv.h"
#include "event/event.h"

enum {
	FF_MERGE_JOBS_MAX = 1000,     /* of one run */
	FF_MERGE_COMPLAINTS_MAX = 50, /* that are told; the others are counted */
};

/* One job of one shard. */
struct ff_merge_part {
	char *name, *payload;
	char *as;	     /* its name in the merged run */
	struct ff_strv args; /* as in job_added, and what follows */
	int64_t timeout_us;
	bool addopts_read;
	char *which, *plan;	    /* "3/8"; the digest of tests and weights; NULL: no shard */
	uint32_t shard, shards;	    /* the same as numbers */
	uint32_t tests, left;	    /* that it has told to be its own, and others' */
	uint32_t units;		    /* that it has collected */
	uint32_t ended;		    /* that have come to an end, or were told as not run */
	uint32_t deselected, first; /* the first of its units is that number of the merged job */
	bool started, over;
	enum ff_job_result result;
	enum ff_reason why;
	char *reason;
	int64_t took_us;
};

struct ff_merge_source {
	char *dir;  /* as it was given */
	char *path; /* of its journal */
	char *run_id;
	char *links, *commit, *below; /* as its run-started has them; NULL */
	int64_t began_us, took_us;
	uint32_t hosts, slots;
	uint32_t number; /* of its shard, or its own among the others: before names of hosts */
	struct ff_merge_part *parts;
	size_t parts_len, parts_cap;
	bool over;  /* its run has come to its end */
	bool going; /* it has not, and goes on */
	int exit_code;
	char *words;   /* the run's last ones */
	bool left_out; /* it is no part of the merged run: that was complained of */
};

struct ff_merge {
	const char *command; /* for complaints; NULL: merge */
	bool apart;	     /* they are no shards: each has jobs of its own */
	struct ff_merge_source *v;
	size_t len;
	uint32_t complaints;
	char *first; /* complaint; NULL */
};

/* Counts it, tells it on stderr, and keeps the first one. */
void ff_merge_complain(struct ff_merge *merge, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Reads all journals, and complains of: what is no run's folder or can't be read, a run without its
 * end, runs that are no shards, of another suite or plan, shards that are there twice or not at
 * all, units that ran in two shards, or came to no end. With `may_be_apart` they need not be
 * shards, if none of them is: a job that several have is then called JOB@RUN in each. */
void ff_merge_read(struct ff_merge *merge, char *const *dirs, bool may_be_apart);
void ff_merge_release(struct ff_merge *merge);
/* NULL: it has no such job. */
struct ff_merge_part *ff_merge_part(const struct ff_merge_source *source, const char *job);

#endif
