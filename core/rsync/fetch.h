/* Files from a host to the controller: what a job leaves. The host looks for them and sends, the
 * controller writes; README.md, "Fetch", has the items. */
#ifndef FF_RSYNC_FETCH_H
#define FF_RSYNC_FETCH_H

#include "base/strv.h"
#include "gateway/channel.h"

/* The name of the file, in a folder that was fetched into, which lists what was brought, a line
 * "digest  path" each, as xxh128sum writes and checks it. */
#define FF_FETCH_SUMS ".farflung.sums"

struct ff_md5_calls; /* hash.h */

/* --- the host's half, as the native worker runs it --- */

struct ff_fetch_send;

/* Serves one transfer on `channel` (borrowed; its callback is the caller's). `kwargs` are the
 * task's: root (str, absolute), paths (list of str: patterns as ff_find has them). It sends as the
 * channel takes it, and then closes the channel. NULL: kwargs are wrong, or the files can't be
 * looked for; err says why. */
struct ff_fetch_send *ff_fetch_send_start(struct ff_channel *channel, const struct ff_value *kwargs,
					  struct ff_err *err);
/* The same the other way, from the controller to what put.h describes: these files, paths below
 * `root` (a copy of both is taken); the channel stays open behind the last item. `md5`: the
 * receiver wants that digest; NULL: xxh3. Never NULL. */
struct ff_fetch_send *ff_fetch_send_these(struct ff_channel *channel, const char *root,
					  const struct ff_strv *paths,
					  const struct ff_md5_calls *md5);
/* Begins with it. On failure the channel is closed at once, with its end marker. */
void ff_fetch_send_go(struct ff_fetch_send *send);
/* When the channel's end marker came, while there is a reference to it. */
void ff_fetch_send_free(struct ff_fetch_send *send);

/* --- the controller's --- */

struct ff_fetch;

/* What came as a whole, so far. */
struct ff_fetch_stats {
	uint32_t files;
	uint64_t bytes;
	struct ff_strv missing; /* patterns that nothing matched */
	struct ff_strv refused; /* lines "path: why" of what matched, and was not brought */
	bool disk_full;
};

/* Into `folder`, absolute, which is made when the first file comes. Files that an earlier fetch has
 * brought there, and this one does not, are removed at its end; all others stay. `md5`: for hosts
 * that know no other digest; NULL: there are none. */
struct ff_fetch *ff_fetch_new(const char *folder, const struct ff_md5_calls *md5);
/* What earlier fetches have brought stays, too, and in the list of sums. */
void ff_fetch_keep(struct ff_fetch *fetch);
/* Nothing but the files is written to the folder, and nothing removed: it is somebody's own. */
void ff_fetch_bare(struct ff_fetch *fetch);
/* The paths of what came, so far: keys. */
struct ff_map;
const struct ff_map *ff_fetch_brought(const struct ff_fetch *fetch);
/* One item of the host's: 0, 1 (it was the last), or FF_EPROTO (also for a path that leads out of
 * the folder, and a digest that is not the content's), FF_ESYS. Nothing may follow a failure. A
 * file is there as a whole, or as it was before. */
int ff_fetch_item(struct ff_fetch *fetch, const struct ff_value *item, struct ff_err *err);
/* Opens what is there under the path that an item would write to, for reading, without following
 * links below the folder; -1 and errno. Also before there were items. */
int ff_fetch_open(struct ff_fetch *fetch, const char *path);
/* Removes it; 0, or -1 and errno. */
int ff_fetch_remove(struct ff_fetch *fetch, const char *path);
const struct ff_fetch_stats *ff_fetch_stats(const struct ff_fetch *fetch);
/* What is unfinished goes. */
void ff_fetch_free(struct ff_fetch *fetch);

#endif
