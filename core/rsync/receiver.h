/* The receiver's inside: receive.c talks, compare.c looks, write.c writes contents, finish.c does
 * what comes last, with the names of hardlink.c, the deletions of prune.c and temp.c's cleaning. */
#ifndef FF_RSYNC_RECEIVER_H
#define FF_RSYNC_RECEIVER_H

#include <limits.h>
#include <sys/stat.h>

#include "base/map.h"
#include "rsync/place.h"
#include "rsync/protocol.h"
#include "rsync/receive.h"
#include "rsync/dest.h"

/* What is known of each entry. */
enum {
	FF_RECEIVE_WANTED = 1, /* content asked for, or its digest sent; not answered yet */
	FF_RECEIVE_FRESH = 2,  /* directory that was made just now: nothing was in it */
	FF_RECEIVE_DIRTY = 4, /* directory whose content or metadata is, or was, not as it should */
	FF_RECEIVE_LINK = 8,  /* link to be made */
	FF_RECEIVE_READONLY = 16, /* directory that we can't write to as it is */
	FF_RECEIVE_GONE = 32,	  /* file that the source could not give */
	FF_RECEIVE_THERE = 64,	  /* file of which there is an older copy */
	FF_RECEIVE_LEFT = 128,	  /* directory with a temporary file that may be somebody's */
};

enum ff_receive_state {
	FF_RECEIVE_MANIFEST,
	FF_RECEIVE_DATA,
	FF_RECEIVE_OVER, /* finished was called, or is about to be */
};

/* What earlier syncs brought, as a tree without sizes and times; empty unless that differs from the
 * manifest. */
struct ff_receive_prune {
	struct ff_buf record; /* what the file holds now */
	struct ff_tree old;
	uint8_t *fate;	     /* per entry of old: FF_FATE_… */
	uint32_t *twin;	     /* per entry of old that is in the manifest too: its index there */
	uint32_t *candidate; /* entries of old that are not */
	size_t candidates;
	uint64_t *keep;	    /* per candidate: the source says that it is to stay */
	struct ff_buf list; /* of them, not sent yet */
	struct {
		uint32_t dir; /* 0: none */
		int fd;
	} open; /* a directory of old that is not in the manifest */
};

struct ff_rsync_receive {
	struct ff_channel *channel;
	void (*finished)(struct ff_channel *channel, const char *error, void *ctx);
	void *ctx;
	enum ff_receive_state state;
	bool channel_ended; /* its end marker came: nothing will call us any more */
	bool reported;	    /* finished has returned */

	char *root;
	char *single; /* the name in root of the one file that is brought; NULL: a folder is */
	bool remove;
	bool asks; /* what is to stay: the sender knows what that is, and of holes */
	mode_t umask;
	struct ff_buf manifest;
	struct ff_tree tree;
	struct ff_place place;
	uint8_t *known; /* per entry */
	size_t unanswered;

	struct ff_buf need, hash, sparse; /* lists not sent yet */
	bool lists_sent;
	struct ff_dest files_beside;
	struct ff_receive_prune prune;
	struct ff_map inodes; /* of files with several names: index of the entry that keeps it */
	struct ff_buf stale;  /* indexes of what could not be had and has an older copy */

	struct {
		bool exists;
		bool hole;  /* the last bytes were left out */
		int fd;	    /* -1: closed already */
		int dir_fd; /* kept for a file of many records; -1: ask place */
		uint32_t index;
		uint64_t size; /* so far */
		char name[48];
	} temp;
	uint64_t temp_seed, temps;

	uint64_t files, bytes, deleted;
	struct ff_strv problems;
};

/* single.c: dest is one file's: cut into the folder, which is returned, and its name. */
char *ff_receive_single_split(struct ff_rsync_receive *r, char *dest, struct ff_err *err);
/* The manifest is for that: its file gets the name, and the folder stays as it is. */
int ff_receive_single_begin(struct ff_rsync_receive *r, struct ff_err *err);

/* What is to be in a link; inside ones lead into our root. False: too long for a link. */
bool ff_receive_link_target(const struct ff_rsync_receive *r, const struct ff_tree_entry *entry,
			    char target[PATH_MAX]);
int ff_receive_compare(struct ff_rsync_receive *r, struct ff_err *err);
/* The directory, made writable, and remembered as one whose times are to be set at the end. */
int ff_receive_dirty_dir(struct ff_rsync_receive *r, uint32_t dir, struct ff_err *err);
/* Sets mtime and mode of an existing file, without following a link. */
int ff_receive_touch(struct ff_rsync_receive *r, uint32_t index, struct ff_err *err);

/* The records of one item. */
int ff_receive_data(struct ff_rsync_receive *r, const uint8_t *at, size_t len, struct ff_err *err);
void ff_receive_drop_temp(struct ff_rsync_receive *r);
void ff_receive_temp_name(struct ff_rsync_receive *r, char name[48]);

int ff_receive_finish(struct ff_rsync_receive *r, struct ff_err *err);
/* Renames `temp` in `dir_fd` to what `name` is there: 0 or an errno. A directory in the way goes.
 */
int ff_receive_put(int dir_fd, const char *temp, const char *name);
/* One more line of what did not work; `path` is below the root, "" the root itself. 0, FF_ENOMEM.
 */
int ff_receive_note(struct ff_rsync_receive *r, const char *path, const char *reason);

/* hardlink.c: makes each further name of a file one of the first, where it is not. */
int ff_receive_hard_links(struct ff_rsync_receive *r, struct ff_err *err);
/* Whether another entry, which is another file at the source, has this inode and keeps it: 1, 0,
 * FF_ENOMEM. If not it is this entry's now. */
int ff_receive_inode_taken(struct ff_rsync_receive *r, uint32_t index, const struct stat *st);

/* temp.c: takes a share in the root, so that others see that a sync is at work here. */
void ff_receive_share(struct ff_rsync_receive *r);
/* Removes what killed syncs left in a directory. */
int ff_receive_sweep(struct ff_rsync_receive *r, uint32_t dir, struct ff_err *err);
/* The same in any directory: whether something went. */
bool ff_receive_sweep_fd(struct ff_rsync_receive *r, int dir_fd, bool *left);

/* prune.c: reads the record of what was brought, and writes down what will be. */
int ff_receive_prune_begin(struct ff_rsync_receive *r);
/* The source says which candidates (u32 numbers) are to stay. */
int ff_receive_prune_keep(struct ff_rsync_receive *r, const uint8_t *at, size_t len,
			  struct ff_err *err);
/* Deletes the others, and writes down what is left. */
int ff_receive_prune_end(struct ff_rsync_receive *r, struct ff_err *err);
void ff_receive_prune_release(struct ff_receive_prune *prune);

static inline void ff_receive_times(const struct ff_tree_entry *entry, struct timespec times[2])
{
	int64_t ns = entry->mtime_ns % 1000000000;

	times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
	times[1].tv_sec = (time_t)(entry->mtime_ns / 1000000000 - (ns < 0));
	times[1].tv_nsec = (long)(ns < 0 ? ns + 1000000000 : ns);
}

static inline int64_t ff_receive_mtime(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

#endif
