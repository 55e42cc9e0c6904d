/* The sending half of tree sync: one source tree, any number of targets, each file read once for
 * all of them. Sans-I/O towards the network (it drives channels); it reads the source files. */
#ifndef FF_RSYNC_SEND_H
#define FF_RSYNC_SEND_H

#include "gateway/gateway.h"
#include "rsync/tree.h"

struct ff_rsync;
struct ff_rsync_target;

struct ff_rsync_stats {
	uint64_t files;	     /* regular files in the tree */
	uint64_t sent_files; /* whose content was sent */
	uint64_t sent_bytes; /* content bytes sent */
	uint64_t manifest_bytes;
	uint64_t deleted;
	char root[4096]; /* the absolute path on the target */
};

struct ff_rsync_events {
	/* After each file whose content was sent; may be NULL. Must leave the ff_rsync alone. */
	void (*progress)(struct ff_rsync_target *target, const char *path, void *ctx);
	/* Once per target. err->code 0: all is in place. Problems with single source files
	 * (vanished, unreadable) do not fail a target; they are in ff_rsync_problems. May free the
	 * ff_rsync, or add targets. */
	void (*finished)(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
			 const struct ff_err *err, void *ctx);
};

/* Takes over `tree`'s content (tree->root must be set). NULL: out of memory. */
struct ff_rsync *ff_rsync_new(struct ff_tree *tree);
/* Unfinished targets are abandoned (their channels closed, finished not called). */
void ff_rsync_free(struct ff_rsync *rsync);

struct ff_rsync_target_opts {
	const char *dest; /* on the target, relative to its working directory, or absolute */
	bool remove;	  /* delete what is not in the tree ("delete: true") */
	/* What to run there: for a native worker {.call_name = "rsync"}, for a python worker the
	 * source of its receiver. kwargs are filled in here. */
	struct ff_task task;
	const struct ff_rsync_events *events;
	void *ctx;
};

/* Starts syncing to one more target. Everything further happens as its channel delivers. */
struct ff_rsync_target *ff_rsync_add_target(struct ff_rsync *rsync, struct ff_gateway *gateway,
					    const struct ff_rsync_target_opts *opts,
					    struct ff_err *err);
void *ff_rsync_target_ctx(const struct ff_rsync_target *target);
/* Lines "path: reason"; grows while sending. */
const struct ff_strv *ff_rsync_problems(const struct ff_rsync *rsync);
/* True when every target has finished. */
bool ff_rsync_done(const struct ff_rsync *rsync);

#endif
