/* A run that is looked at: its model and details, which a thread of its own keeps up with the
 * journal. The model of a long journal has only its beginning at first, and grows. */
#ifndef FF_WEB_OPENED_H
#define FF_WEB_OPENED_H

#include "web/details.h"
#include "web/model.h"
#include "web/rows.h"

struct ff_opened;

/* `journal`: its path. NULL: FF_ENOTFOUND: there is none; FF_ESYS. */
struct ff_opened *ff_opened_new(const char *journal, struct ff_err *err);
void ff_opened_free(struct ff_opened *run); /* NULL is fine */

/* Between these two nothing of it changes. Waits for what its thread has at hand, and the first
 * time for a moment more, so that a short journal is there at once. Of a run that goes on what came
 * in the last half a second may lack. FF_ELOAD, FF_ESYS: its journal can't be read
 * on; it is not locked. */
int ff_opened_lock(struct ff_opened *run, struct ff_err *err);
void ff_opened_unlock(struct ff_opened *run);
/* How far it is, which costs next to nothing; with `now` what its thread would read at its next
 * look is read first. Errors as above; not locked then. */
struct ff_opened_place {
	uint64_t seq; /* of the last event in the model */
	bool over;    /* all of its journal is in the model, and no more will come */
	bool behind;  /* its journal's end has not been seen yet */
};
int ff_opened_peek(struct ff_opened *run, bool now, struct ff_opened_place *place,
		   struct ff_err *err);
/* Locked: */
const struct ff_model *ff_opened_model(const struct ff_opened *run);
struct ff_details *ff_opened_details(struct ff_opened *run);
/* As rows.h has it; kept for the next time, `key` tells one query from another. Valid until it is
 * unlocked. */
const struct ff_rows_found *ff_opened_find(struct ff_opened *run, const struct ff_rows_query *query,
					   const char *key);
#endif
