/* The receiver's inside: receive.c talks, compare.c looks, write.c writes contents, finish.c does
 * what comes last. */
#ifndef FF_RSYNC_RECEIVER_H
#define FF_RSYNC_RECEIVER_H

#include <limits.h>
#include <sys/stat.h>

#include "rsync/place.h"
#include "rsync/protocol.h"
#include "rsync/receive.h"

/* What is known of each entry. */
enum {
	FF_RECEIVE_WANTED = 1, /* content asked for, or its digest sent; not answered yet */
	FF_RECEIVE_FRESH = 2,  /* directory that was made just now: nothing was in it */
	FF_RECEIVE_DIRTY = 4, /* directory whose content or metadata is, or was, not as it should */
	FF_RECEIVE_LINK = 8,  /* link to be made */
	FF_RECEIVE_READONLY = 16, /* directory that we can't write to as it is */
	FF_RECEIVE_OWN = 32,	  /* FRESH, and nobody else's mkdir was faster */
};

enum ff_receive_state {
	FF_RECEIVE_MANIFEST,
	FF_RECEIVE_DATA,
	FF_RECEIVE_OVER, /* finished was called, or is about to be */
};

struct ff_rsync_receive {
	struct ff_channel *channel;
	void (*finished)(struct ff_channel *channel, const char *error, void *ctx);
	void *ctx;
	enum ff_receive_state state;
	bool channel_ended; /* its end marker came: nothing will call us any more */
	bool reported;	    /* finished has returned */

	char *root;
	bool remove;
	mode_t umask;
	struct ff_buf manifest;
	struct ff_tree tree;
	struct ff_place place;
	uint8_t *known; /* per entry */
	size_t unanswered;

	struct ff_buf need, hash; /* lists not sent yet */
	bool lists_sent;

	struct {
		bool exists;
		bool final; /* has the file's own name already */
		bool hole;  /* the last bytes were left out */
		int fd;	    /* -1: closed already */
		int dir_fd; /* kept for a file of many records; -1: ask place */
		uint32_t index;
		uint64_t size; /* so far */
		char name[48]; /* unless final */
	} temp;
	uint64_t temp_seed, temps;

	uint64_t files, bytes, deleted;
	struct ff_strv problems;
};

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
