/* Files that an earlier run's units came from, noted as its journal is read: which of them are
 * other ones now, and whose units those are. Private to before.c. */
#ifndef FF_DISPATCH_BEFORE_FILES_H
#define FF_DISPATCH_BEFORE_FILES_H

#include "base/buf.h"
#include "dispatch/before.h"

struct ff_before_file {
	bool asked, changed;
};

struct ff_before_files {
	char *rootdir;
	bool synced;	       /* hosts were brought a tree: files are where that is from */
	struct ff_map by_name; /* -> struct ff_before_file */
	struct ff_before_file_unit {
		uint32_t job, unit;
		const struct ff_before_file *file;
	} * units;
	size_t len, cap;
	struct ff_buf name;
};

/* SYNC_FINISHED, COLLECTED, FILE_COLLECTED. */
void ff_before_files_note(struct ff_before_files *files, const struct ff_before_run *run,
			  const struct ff_before_again *again, const struct ff_event *event);
/* A unit that came to its end; its file may be noted later. */
void ff_before_files_unit(struct ff_before_files *files, const char *name, uint32_t job,
			  uint32_t unit);
void ff_before_files_release(struct ff_before_files *files);

#endif
