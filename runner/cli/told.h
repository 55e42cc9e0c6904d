/* Who is told of a run that has no file of its own: those in a file's `notify`. */
#ifndef FF_CLI_TOLD_H
#define FF_CLI_TOLD_H

#include "config/config.h"
#include "event/mask.h"

struct ff_told {
	struct ff_config config; /* of the file: its `notify` and settings.notify_wait are meant */
	bool loaded;
};

/* Reads `path` as farflung run does, and reveals the secrets of its receivers, which go to `mask`.
 * FF_ECONFIG: err has lines; a file without receivers is a mistake. */
int ff_told_load(struct ff_told *told, const char *path, struct ff_mask *mask, struct ff_err *err);
void ff_told_release(struct ff_told *told);

#endif
