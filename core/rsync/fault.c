/* A list of what could not be brought over. Knows neither files nor targets. */
#include "rsync/fault.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/err.h"

const char *ff_sync_fault_name(enum ff_sync_fault_kind kind)
{
	switch (kind) {
	case FF_SYNC_UNREADABLE:
		return "unreadable";
	case FF_SYNC_VANISHED:
		return "vanished";
	case FF_SYNC_CHANGED:
		return "changed";
	case FF_SYNC_SPECIAL:
		return "special";
	case FF_SYNC_UNFIT:
		return "unfit";
	case FF_SYNC_TARGET:
		return "target";
	}
	return "unknown";
}

enum ff_sync_fault_kind ff_sync_fault_of(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ESTALE:
		return FF_SYNC_VANISHED;
	case ENAMETOOLONG:
		return FF_SYNC_UNFIT;
	default:
		return FF_SYNC_UNREADABLE;
	}
}

int ff_sync_faults_add(struct ff_sync_faults *faults, const struct ff_sync_fault *fault)
{
	struct ff_sync_fault copy = *fault, *grown;
	size_t cap;

	if (faults->len == faults->cap) {
		cap = faults->cap ? faults->cap * 2 : 8;
		grown = ff_realloc(faults->v, cap * sizeof(*grown));
		if (!grown)
			return FF_ENOMEM;
		faults->v = grown;
		faults->cap = cap;
	}
	copy.path = ff_strdup(fault->path);
	copy.reason = ff_strdup(fault->reason);
	if (!copy.path || !copy.reason) {
		ff_free(copy.path);
		ff_free(copy.reason);
		return FF_ENOMEM;
	}
	faults->v[faults->len++] = copy;
	return 0;
}

void ff_sync_faults_release(struct ff_sync_faults *faults)
{
	if (!faults)
		return;
	for (size_t i = 0; i < faults->len; i++) {
		ff_free(faults->v[i].path);
		ff_free(faults->v[i].reason);
	}
	ff_free(faults->v);
	*faults = (struct ff_sync_faults){0};
}
