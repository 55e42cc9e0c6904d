/* What could not be brought over, and why: for whoever decides whether that is an error. */
#ifndef FF_RSYNC_FAULT_H
#define FF_RSYNC_FAULT_H

#include <stddef.h>
#include <stdint.h>

enum ff_sync_fault_kind {
	FF_SYNC_UNREADABLE = 1, /* a file or folder of the source can't be read */
	FF_SYNC_VANISHED,	/* it was scanned, and is gone */
	FF_SYNC_CHANGED,	/* it changes all the time, or has less than its size says */
	FF_SYNC_SPECIAL,	/* neither file nor directory nor link */
	FF_SYNC_UNFIT,		/* a name or a link that is too long */
	FF_SYNC_TARGET,		/* something on the target that could not be done there */
};

struct ff_sync_fault {
	enum ff_sync_fault_kind kind;
	uint32_t index; /* of the tree's entry; 0: it has none */
	/* Of the source: relative to the tree's root, "." itself. Of a target: absolute there. */
	char *path;
	char *reason;
};

struct ff_sync_faults {
	struct ff_sync_fault *v;
	size_t len, cap;
};

/* "unreadable", "vanished", … */
const char *ff_sync_fault_name(enum ff_sync_fault_kind kind);
/* What an errno from a file of the source means. */
enum ff_sync_fault_kind ff_sync_fault_of(int errnum);
/* Appends copies: 0 or FF_ENOMEM. */
int ff_sync_faults_add(struct ff_sync_faults *faults, const struct ff_sync_fault *fault);
void ff_sync_faults_release(struct ff_sync_faults *faults);

#endif
