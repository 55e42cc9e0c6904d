/* Files of this machine's that a unit gets: which these are, and what is in them. Also the note in
 * a run's folder of what units have got, by which a run that goes on with it tells what has
 * changed. */
#ifndef FF_DISPATCH_SUPPLY_H
#define FF_DISPATCH_SUPPLY_H

#include "dispatch/before.h"
#include "plan/plan.h"
#include "rsync/find.h"
#include "rsync/hash.h"

struct ff_supply_file {
	int64_t size;
	bool executable;
	uint8_t xxh3[FF_RSYNC_DIGEST], md5[FF_RSYNC_DIGEST];
};

struct ff_supply {
	struct ff_find find;
	struct ff_supply_file *files; /* of each of find.paths */
	char digest[FF_HASH_TEXT];    /* of all paths and contents */
};

/* Digests by path, for who looks more than once, from any thread. */
struct ff_supply_cache;
struct ff_supply_cache *ff_supply_cache_new(void);
void ff_supply_cache_free(struct ff_supply_cache *cache); /* NULL is fine */

/* Looks for `patterns` below `root` (absolute), and reads what is found. `md5`: that digest is
 * wanted, too. `inputs` is overwritten, and to be released also on failure: FF_ENOTFOUND if nothing
 * matches one of them, or a file can't be read, FF_ETOOBIG; err names it. */
int ff_supply_look(struct ff_supply *inputs, const char *root, char *const *patterns, bool md5,
		   struct ff_supply_cache *cache, struct ff_err *err);
void ff_supply_release(struct ff_supply *inputs);

/* --- the note --- */

struct ff_supply_note;
/* Beside the journal, which others may have begun. Never NULL; what can't be written is missing in
 * it, and so counts as changed. */
struct ff_supply_note *ff_supply_note_new(const char *journal);
/* Begins one with all that earlier runs' have. */
void ff_supply_note_carry(const char *journal, const struct ff_before *before);
/* As what a unit is noted; `name` is its own. The caller frees it. */
char *ff_supply_unit_name(const struct ff_plan_job *job, uint32_t unit, const char *name);
void ff_supply_note_add(struct ff_supply_note *note, const char *job, const char *unit,
			const struct ff_supply *inputs);
void ff_supply_note_free(struct ff_supply_note *note); /* NULL is fine */

/* What was done with other inputs than there are now is to be run again, and with it all that needs
 * its job. Appends lines for people to `words`. */
void ff_supply_compare(struct ff_before *before, const struct ff_plan *plan, const char *root,
		       char (*contents)[FF_HASH_TEXT], struct ff_buf *words);

#endif
