/* The sender's inside: send.c keeps the targets, target.c feeds one, source.c reads the files into
 * the window that all targets look through. */
#ifndef FF_RSYNC_SENDER_H
#define FF_RSYNC_SENDER_H

#include "base/list.h"
#include "base/map.h"
#include "rsync/hash.h"
#include "rsync/protocol.h"
#include "rsync/send.h"

enum {
	FF_WINDOW_BYTES = 32 << 20, /* file contents held for targets that come by later */
	FF_WINDOW_BLOCKS = 4096,    /* a power of two */
	FF_BLOCK_RECORDS = 1024,    /* in one block */
	FF_SOURCE_TRIES = 3,	    /* for a file that changes while it is read */
	FF_SPARSE_MIN = 8 << 10,    /* smaller files are not looked through for holes */
};

/* Which version of a file a piece belongs to. */
struct ff_version {
	int64_t mtime_ns;
	uint64_t size;
};

/* A file's whole content, a piece of it, or the news that it is gone; a META record, if any, and
 * holes are counted in. */
struct ff_piece {
	uint32_t index;
	uint32_t at, len; /* where its records are in the block's payload */
	uint8_t flags;	  /* FIRST, LAST, GONE */
	uint64_t offset;  /* in the file */
	uint64_t span;	  /* so much of it: content and holes */
	uint32_t bytes;	  /* of content */
	struct ff_version version;
};

/* One item's worth, as it goes out to a target that wants all of it. */
struct ff_block {
	struct ff_buf packed;
	size_t payload_at; /* in packed */
	size_t count;
	size_t size; /* what it counts in the window */
	struct ff_piece pieces[];
};

struct ff_window {
	struct ff_block *ring[FF_WINDOW_BLOCKS];
	uint64_t tail, head; /* numbers of the oldest block and of the next one */
	size_t bytes;
};

struct ff_digests {
	uint8_t (*v)[FF_RSYNC_DIGEST]; /* per entry; NULL until the first is asked for */
	uint64_t *have;
};

enum { FF_DIGESTS = 4 };

struct ff_rsync {
	struct ff_tree tree;
	size_t scanned; /* of the tree's faults, those that the scan met */
	int root_fd;
	struct ff_buf manifest;
	uint64_t *changed;	 /* differs from the manifest */
	struct ff_map given_up;	 /* by index: has a problem already */
	struct ff_map untouched; /* by path: it is at the source, and not in the manifest */
	bool linked;		 /* some files have several names */
	struct ff_digests digests[FF_DIGESTS];
	struct {
		uint32_t index; /* 0: none */
		uint64_t begin, end;
		struct ff_version version;
	} data; /* where there is no hole */
	struct ff_window window;
	uint32_t position;     /* where reading goes on */
	struct ff_buf payload; /* of the block in the making, or of a part of one */
	struct ff_piece pieces[FF_BLOCK_RECORDS];
	size_t count;
	struct ff_list targets;
	size_t unfinished;
	size_t added; /* since the last ff_rsync_send */
	struct ff_group *group;
	struct ff_err failure; /* the first of those */
	size_t told;	       /* faults of the scan, and of earlier sends */
	uint64_t files;
};

struct ff_rsync_target {
	struct ff_list node;
	struct ff_rsync *rsync;	    /* NULL: abandoned */
	struct ff_channel *channel; /* NULL: finished */
	struct ff_rsync_events events;
	void *ctx;
	bool channel_ended;

	size_t manifest_at;
	bool manifest_sent, lists_complete, end_sent;
	uint64_t *asked; /* entries that were in a list; each may be once */
	uint64_t *want;	 /* entries whose content is to be sent */
	size_t wanted;
	struct ff_buf touch; /* records for files whose content is the same */
	struct ff_buf keep;  /* numbers of what is not to be deleted */
	size_t old;	     /* how many were asked about */
	uint64_t *gone;	     /* wanted, and could not be read; NULL: none */
	uint64_t *stale;     /* of those, what has an old copy there */

	uint64_t next; /* block to look at next */
	bool lagging;  /* reads for itself, past the window, until the current file ends */
	bool inside;   /* a file was begun and is not complete */
	struct {
		uint32_t index;
		uint64_t offset;
		struct ff_version version;
	} now;
	unsigned tries;

	struct ff_rsync_stats stats;
};

static inline bool ff_bit(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}
static inline void ff_bit_set(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}
static inline void ff_bit_clear(uint64_t *bits, uint32_t i)
{
	bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}
static inline bool ff_version_same(struct ff_version a, struct ff_version b)
{
	return a.mtime_ns == b.mtime_ns && a.size == b.size;
}
static inline struct ff_version ff_version_of(const struct ff_tree_entry *entry)
{
	return (struct ff_version){.mtime_ns = entry->mtime_ns, .size = entry->size};
}

/* --- source.c --- */

/* Reads what `target` needs next into a new block: 0, FF_ENOMEM. *block is the caller's. Never
 * empty, except when the file at hand has to be begun anew. */
int ff_source_read(struct ff_rsync *rsync, struct ff_rsync_target *target, struct ff_block **block);
void ff_block_free(struct ff_block *block);
/* Puts a block at the window's front; the oldest make room. */
void ff_window_put(struct ff_window *window, struct ff_block *block);
/* The number of the block with the piece of file `index` at `offset`; window->head: none. */
uint64_t ff_window_find(const struct ff_window *window, uint32_t index, uint64_t offset,
			struct ff_version version);
void ff_window_release(struct ff_window *window);
/* Packs records as a ("d", …) item into `out`; *payload_at says where they are in it. */
int ff_source_pack(struct ff_buf *out, const uint8_t *payload, size_t len, size_t *payload_at);

/* Adds a problem with an entry, and with its other names, unless there is one already. */
void ff_source_give_up(struct ff_rsync *rsync, uint32_t index, enum ff_sync_fault_kind kind,
		       const char *reason);
/* Whether the file's content has this digest: 1, 0, FF_ENOMEM, or FF_ESYS: it can't be read (a
 * problem line was added). An algorithm that is not known gives 0. */
int ff_source_same(struct ff_rsync *rsync, uint32_t index, const char *alg, const uint8_t *digest);

/* --- target.c --- */

/* Sends what can be sent now. 0 or what went wrong. */
int ff_target_pump(struct ff_rsync_target *target, struct ff_err *err);
void ff_target_want(struct ff_rsync_target *target, uint32_t index);
int ff_target_touch(struct ff_rsync_target *target, uint32_t index, int flag);
/* Remembers that the target did not get an entry. */
void ff_target_gone(struct ff_rsync_target *target, uint32_t index);

/* --- keep.c --- */

/* A part of the list of what earlier syncs brought and is in the manifest no more. */
int ff_target_old(struct ff_rsync_target *target, const char *list, size_t len, struct ff_err *err);

#endif
