/* The runs of a folder, for the server: a list of all, and models of those that are looked at,
 * which follow their journals as these grow. Only reads. From any thread, one call at a time for
 * each of them (a lock is inside). */
#ifndef FF_WEB_FOLDER_H
#define FF_WEB_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct ff_web_folder;

/* `path`: the folder that has a folder for each run. NULL: FF_ENOMEM. */
struct ff_web_folder *ff_web_folder_new(const char *path);
void ff_web_folder_free(struct ff_web_folder *folder);

/* The parts of a run that are asked for, each one JSON value. */
enum ff_web_part {
	FF_WEB_RUN,	/* document.h's */
	FF_WEB_ROWS,	/* likewise */
	FF_WEB_SPANS,	/* likewise */
	FF_WEB_DETAILS, /* of one row: what details.h has, a list of attempts */
};

/* Appends {"runs": [...]}, the latest first, of at most `max`. */
int ff_web_folder_list(struct ff_web_folder *folder, size_t max, struct ff_buf *out,
		       struct ff_err *err);
/* Appends a part of a run as it stands now. FF_ENOTFOUND: there is no such run, or no such row;
 * FF_ELOAD, FF_ESYS: its journal can't be read. */
int ff_web_folder_part(struct ff_web_folder *folder, const char *run, enum ff_web_part part,
		       uint32_t row, struct ff_buf *out, struct ff_err *err);
/* How far a run's journal is: the number of its last event; `over`: no more will come. */
int ff_web_folder_seq(struct ff_web_folder *folder, const char *run, uint64_t *seq, bool *over,
		      struct ff_err *err);

#endif
