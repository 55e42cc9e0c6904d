/* The sending half of tree sync: one source tree, any number of targets, each file read once for
 * all of them. Sans-I/O towards the network (it drives channels); it reads the source files.
 *
 *     struct ff_rsync *rsync = ff_rsync_new_from("src", NULL, &err);
 *     ff_rsync_add_target(rsync, gw, &(struct ff_rsync_target_opts){.dest = "copy"}, &err);
 *     ff_rsync_send(rsync, -1, &err); */
#ifndef FF_RSYNC_SEND_H
#define FF_RSYNC_SEND_H

#include "gateway/gateway.h"
#include "gateway/group.h"
#include "rsync/tree.h"

struct ff_rsync;
struct ff_rsync_target;

struct ff_rsync_stats {
	uint64_t files;	     /* regular files in the tree */
	uint64_t sent_files; /* whose content was sent */
	uint64_t sent_bytes; /* content bytes sent */
	uint64_t manifest_bytes;
	uint64_t deleted;
	char root[4096];   /* the absolute path on the target */
	uint64_t problems; /* of this target: so often was events->problem called, or would have */
};

/* Grows at its end: FF_RSYNC_EVENTS_INIT, or .size = sizeof(struct ff_rsync_events). */
struct ff_rsync_events {
	size_t size; /* of this struct as the caller knows it; 0: it ends with problem */
	/* After each file whose content was sent; may be NULL. Must leave the ff_rsync alone. */
	void (*progress)(struct ff_rsync_target *target, const char *path, void *ctx);
	/* Once per target. err->code 0: all is in place, but for what `problem` was called with:
	 * the caller decides whether that is an error. FF_EBUSY: dest is locked by another owner,
	 * in words who, since when, from where. May free the ff_rsync, or add targets. */
	void (*finished)(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
			 const struct ff_err *err, void *ctx);
	/* Just before `finished`, for each thing that this target does not have as it is at the
	 * source: what the scan could not read or bring (told to every target), what was wanted
	 * here and then could not be read (the reason says whether an older copy stays), what the
	 * target itself could not do. Each sync tells again what is still so. May be NULL; must
	 * leave the ff_rsync alone. */
	void (*problem)(struct ff_rsync_target *target, const struct ff_sync_fault *problem,
			void *ctx);
};
#ifdef __cplusplus
#define FF_RSYNC_EVENTS_INIT                                                                       \
	{                                                                                          \
		sizeof(struct ff_rsync_events)                                                     \
	}
#else
#define FF_RSYNC_EVENTS_INIT                                                                       \
	{                                                                                          \
		.size = sizeof(struct ff_rsync_events)                                             \
	}
#endif

/* Takes over `tree`'s content (tree->root must be set). NULL: out of memory. */
struct ff_rsync *ff_rsync_new(struct ff_tree *tree);
/* Scans `source` and does so. A folder comes into each dest, without what `filter` (NULL: none)
 * leaves out; a single file becomes dest itself, as with execnet. NULL: errors of ff_tree_scan and
 * ff_tree_scan_file. */
struct ff_rsync *ff_rsync_new_from(const char *source, const struct ff_tree_filter *filter,
				   struct ff_err *err);
/* Unfinished targets are abandoned (their channels closed, finished not called). */
void ff_rsync_free(struct ff_rsync *rsync);

/* Grows at its end: FF_RSYNC_TARGET_OPTS_INIT, or .size = sizeof(struct ff_rsync_target_opts). */
struct ff_rsync_target_opts {
	size_t size;	  /* of this struct as the caller knows it; 0: it ends with holder */
	const char *dest; /* on the target, relative to its working directory, or absolute */
	bool remove;	  /* delete what earlier syncs brought and is not in the tree any more */
	/* What to run there: for a native worker {.call_name = "rsync"}, for a python worker the
	 * source of its receiver. kwargs are filled in here. Read during the call; NULL: just that,
	 * for gateways in groups of ff_open_group. */
	const struct ff_task *task;
	const struct ff_rsync_events *events; /* copied */
	void *ctx;
	/* Locks dest for as long as the worker there lives: syncs with the same `owner` (a run's
	 * id, at most 255 bytes) share it, others get FF_EBUSY. NULL: no lock is taken or looked
	 * at. */
	const char *owner;
	const char *holder; /* words for who is refused: "user@host pid 17"; NULL: none */
};
#ifdef __cplusplus
#define FF_RSYNC_TARGET_OPTS_INIT                                                                  \
	{                                                                                          \
		sizeof(struct ff_rsync_target_opts)                                                \
	}
#else
#define FF_RSYNC_TARGET_OPTS_INIT                                                                  \
	{                                                                                          \
		.size = sizeof(struct ff_rsync_target_opts)                                        \
	}
#endif

/* Starts syncing to one more target. Everything further happens as its channel delivers. A single
 * file knows no owner, and nothing else is removed. */
struct ff_rsync_target *ff_rsync_add_target(struct ff_rsync *rsync, struct ff_gateway *gateway,
					    const struct ff_rsync_target_opts *opts,
					    struct ff_err *err);
void *ff_rsync_target_ctx(const struct ff_rsync_target *target);
/* Lines "path: reason" of the source and ("gateway: path: reason") of all targets; grows while
 * sending. */
const struct ff_strv *ff_rsync_problems(const struct ff_rsync *rsync);
/* The same, taken apart: the i-th, NULL behind the last. Valid until the next one comes. */
const struct ff_sync_fault *ff_rsync_fault(const struct ff_rsync *rsync, size_t i);
/* True when every target has finished. */
bool ff_rsync_done(const struct ff_rsync *rsync);
/* Waits, by running the loop of their group, until all targets that were added since the last time
 * have finished. 0: all is in place. FF_EINVAL: none was added; the first target's failure, in
 * words which (others go on meanwhile); FF_ESYS: something could not be brought, in words what
 * first (ff_rsync_fault: all); FF_ETIMEOUT after timeout_ms (negative: no limit) and FF_ECANCELED,
 * after which it may be called again; FF_EDEADLK inside a callback; FF_EUNSUPPORTED without a loop.
 * Callbacks must not free the ff_rsync meanwhile. */
int ff_rsync_send(struct ff_rsync *rsync, int64_t timeout_ms, struct ff_err *err);

#endif
