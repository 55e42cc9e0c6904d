/* What trends and comparisons need of a run that is over: its units by name, without their texts.
 * From any thread. */
#ifndef FF_WEB_DIGEST_H
#define FF_WEB_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct ff_digest_unit {
	const char *name, *job, *host, *file; /* host, file: "" if unknown */
	int64_t took_us;
	uint8_t state; /* enum ff_row_state */
	bool bad, flaky;
};

struct ff_digest {
	char *id;
	int64_t began_us, took_us;
	int exit_code;
	struct ff_digest_unit *units; /* by job and name */
	uint32_t len;
	struct ff_arena texts;
};

/* Reads a journal to its end. NULL: FF_ENOTFOUND: it has no end, the run goes on or was cut off;
 * FF_ELOAD, FF_ESYS. */
struct ff_digest *ff_digest_read(const char *id, const char *journal, struct ff_err *err);
void ff_digest_free(struct ff_digest *digest); /* NULL is fine */
/* NULL: it has none of that name. */
const struct ff_digest_unit *ff_digest_find(const struct ff_digest *digest, const char *job,
					    const char *name);

/* Those of a folder's latest runs, kept from one question to the next. */
struct ff_digests;

enum {
	FF_DIGESTS_MAX = 50,	       /* runs */
	FF_DIGESTS_UNITS_MAX = 1500000 /* of all that are kept together: older runs are left out */
};

struct ff_digests *ff_digests_new(const char *runs);
void ff_digests_free(struct ff_digests *digests);
/* Borrows up to `max` of the latest runs that are over, the oldest first, in `list` (room for
 * FF_DIGESTS_MAX); how many. ff_digests_give_back, from the same thread, ends that. */
uint32_t ff_digests_borrow(struct ff_digests *digests, uint32_t max, const struct ff_digest **list);
void ff_digests_give_back(struct ff_digests *digests);

#endif
