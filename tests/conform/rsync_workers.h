/* Tree sync into real workers: what its scenarios stand on. One program runs them all, against the
 * native worker or the python worker; both must do, and say, the same. */
#ifndef FF_CONFORM_RSYNC_WORKERS_H
#define FF_CONFORM_RSYNC_WORKERS_H

#include "../unit/rsync/rig.h"

#include "io/loop_private.h"
#include "transport/open.h"

enum {
	WAIT_MS = 30000, /* a guard against hanging */
	PROGRESS_MAX = 64,
};

struct world {
	struct ff_loop loop;
	struct ff_group *group;
	struct ff_gateway *gw;
	const char *spec, *other; /* of the worker under test, and of the other kind */
	const char *full;	  /* where a file system of 1 MiB is; NULL: there is none */
};
extern struct world world;

/* What became of one target. */
struct outcome {
	int finished;
	struct ff_err err;
	struct ff_rsync_stats stats;
	size_t progress;
	char *paths[PROGRESS_MAX]; /* as reported; released by outcome_release */
	char problems[4096];	   /* lines "kind path: reason" */
	const char *owner, *holder;
	/* Called after each progress; may change the source. */
	void (*meanwhile)(const char *path);
};
void outcome_release(struct outcome *outcome);

/* The absolute path of a name in the scenario's folder (an absolute one stays as it is); valid for
 * some further calls. */
const char *in_rig(const char *name);
struct ff_gateway *open_gateway(const char *spec);
/* What runs the receiver on that gateway. */
struct ff_task receiver_task(struct ff_gateway *gw);

/* One target more. */
void add_target(struct ff_rsync *rsync, struct ff_gateway *gw, const char *dest, bool delete,
		struct outcome *outcome);
/* Runs until every target has finished. */
void run_sync(struct ff_rsync *rsync);
/* One whole sync to world.gw; what went wrong is in *outcome. */
void try_sync(const char *source, const char *dest, bool delete, struct outcome *outcome);
/* The same, which must succeed; gives the number of files whose content was sent. */
uint64_t sync_ok(const char *source, const char *dest, bool delete);

/* Everything there is to say about a tree, contents included, to see that it did not change. */
void snapshot(struct ff_buf *out, const char *root);
void expect_snapshot(struct ff_buf *before, const char *root);

#define SCENARIOS(X)                                                                               \
	X(a_whole_tree)                                                                            \
	X(what_differs_is_sent)                                                                    \
	X(kinds_change)                                                                            \
	X(deletes_only_when_told)                                                                  \
	X(deletes_only_what_it_brought)                                                            \
	X(damaged_records)                                                                         \
	X(filters)                                                                                 \
	X(callbacks)                                                                               \
	X(several_targets)                                                                         \
	X(links)                                                                                   \
	X(modes_and_times)                                                                         \
	X(names)                                                                                   \
	X(deep_trees)                                                                              \
	X(sparse_and_empty_files)                                                                  \
	X(read_only_directories)                                                                   \
	X(a_source_that_changes)                                                                   \
	X(dest_that_cannot_be)                                                                     \
	X(a_full_disk)                                                                             \
	X(hostile_manifests)                                                                       \
	X(hostile_records)                                                                         \
	X(items_out_of_turn)                                                                       \
	X(a_void_beginning_elsewhere)                                                              \
	X(the_sender_leaves)                                                                       \
	X(one_record_for_both)                                                                     \
	X(holes_travel)                                                                            \
	X(hard_links)                                                                              \
	X(hard_links_of_others)                                                                    \
	X(what_cannot_be_read)                                                                     \
	X(what_goes_while_it_is_sent)                                                              \
	X(left_over_temporary_files)                                                               \
	X(a_killed_sync)                                                                           \
	X(locks)                                                                                   \
	X(links_put_there_before)                                                                  \
	X(links_put_there_meanwhile)                                                               \
	X(links_put_there_all_the_time)                                                            \
	X(three_lines)                                                                             \
	X(what_a_send_could_not_bring)                                                             \
	X(a_single_file)                                                                           \
	X(a_single_file_that_cannot_be)                                                            \
	X(a_tree_as_a_single_file)

#define X(name) void name(void **state);
SCENARIOS(X)
#undef X

#endif
