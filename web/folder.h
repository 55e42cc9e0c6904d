/* The runs of a folder, for the server: a list of all, and those that are looked at. Only reads.
 * From any thread. */
#ifndef FF_WEB_FOLDER_H
#define FF_WEB_FOLDER_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "web/opened.h"
#include "web/rows.h"

struct ff_web_folder;

/* `path`: the folder that has a folder for each run. `links`: the template of links to files; NULL:
 * each run's own. NULL: FF_ENOMEM. */
struct ff_web_folder *ff_web_folder_new(const char *path, const char *links);
void ff_web_folder_free(struct ff_web_folder *folder);

/* What is asked of a run; each answer is one JSON value, of document.h. */
enum ff_web_part { FF_WEB_RUN, FF_WEB_ROWS, FF_WEB_ROW, FF_WEB_TIMELINE, FF_WEB_CRITICAL };

struct ff_web_question {
	enum ff_web_part part;
	struct ff_rows_query query; /* ROWS: which, */
	const char *key;	    /* in words, */
	uint32_t from, count;	    /* and what part of them */
	uint32_t row;		    /* ROW */
	int64_t from_us, to_us;	    /* TIMELINE; to_us 0: up to now */
	uint32_t pixels;
};

/* The runs of a folder, the latest first (also of those that began in one second), as scandir gives
 * them. */
int ff_web_scan(const char *path, struct dirent ***entries);
/* Appends {"runs": [...]}, the latest first, of at most `max`. */
int ff_web_folder_list(struct ff_web_folder *folder, size_t max, struct ff_buf *out,
		       struct ff_err *err);
/* Appends the answer as things stand now. FF_ENOTFOUND: there is no such run, or no such row;
 * FF_EBUSY: too many runs are looked at; FF_ELOAD, FF_ESYS: its journal can't be read. */
int ff_web_folder_ask(struct ff_web_folder *folder, const char *run,
		      const struct ff_web_question *question, struct ff_buf *out,
		      struct ff_err *err);
/* How far a run's model is, as ff_opened_peek. */
int ff_web_folder_peek(struct ff_web_folder *folder, const char *run, bool now,
		       struct ff_opened_place *place, struct ff_err *err);
/* Where what a unit or a job left was brought to (`left`: its number in the model), the caller's to
 * free, and when that was told, by the wall clock. FF_ENOTFOUND: there is none. */
int ff_web_folder_left(struct ff_web_folder *folder, const char *run, uint32_t left, char **path,
		       int64_t *told_us, struct ff_err *err);
/* The path of a run's journal, the caller's to free; NULL: FF_ENOTFOUND. */
char *ff_web_folder_journal(const struct ff_web_folder *folder, const char *run,
			    struct ff_err *err);

#endif
