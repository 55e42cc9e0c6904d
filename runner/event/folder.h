/* The folders of runs: <directory>/.farflung/runs/<id>. Private to this room. */
#ifndef FF_EVENT_FOLDER_H
#define FF_EVENT_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define FF_JOURNAL_NAME "journal.jsonl"
#define FF_OUTPUT_NAME	"output"

struct ff_run_folder {
	char *run_id, *path;	   /* the caller's to free (ff_free) */
	int journal_fd, output_fd; /* open for appending; the journal is locked */
};

/* A new one, and `last` points to it. It appears under its name when it is complete. */
int ff_run_folder_make(struct ff_run_folder *folder, const char *directory, struct ff_err *err);

/* "….new-<id>": a run folder that is being made. */
#define FF_NEW_PREFIX ".new-"

#endif
