/* How long units are thought to take, from what earlier runs saw: pure, filled by whoever knows. */
#ifndef FF_SCHED_EXPECT_H
#define FF_SCHED_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct ff_expect;

struct ff_expect_unit {
	int64_t us;	    /* 0: unknown */
	int64_t setup_us;   /* of that: the set-up */
	int64_t memory_kib; /* the most that it takes; 0: unknown */
	/* Notes of whoever fills it in; not looked at here. */
	int64_t seen_s;
	int outcome;
	const char *since; /* NULL: nobody asked */
};

struct ff_expect *ff_expect_new(void);
void ff_expect_free(struct ff_expect *expect); /* NULL is fine */
/* A file that units come from, as it was: its content by a number (0: unknown), and how long it
 * took to be collected. Of the kinds "sync", "setup" and "teardown": a host ("": the run), and how
 * long that took there. */
void ff_expect_add_file(struct ff_expect *expect, const char *kind, const char *file,
			int64_t content, int64_t collect_us);
/* What its collection took; 0: unknown. */
int64_t ff_expect_file_us(const struct ff_expect *expect, const char *kind, const char *file);
/* The files as they are now: what units of one that has changed take is forgotten. */
void ff_expect_sources(struct ff_expect *expect, const char *kind, const char *const *files,
		       const int64_t *contents, size_t len);
/* The unit of that name, which may be new and is the caller's to fill in; it stays where it is.
 * `kind`: of its job, what runs it. */
struct ff_expect_unit *ff_expect_add(struct ff_expect *expect, const char *kind, const char *name);
/* NULL: unknown; so is everything to NULL. */
const struct ff_expect_unit *ff_expect_find(const struct ff_expect *expect, const char *kind,
					    const char *name);
/* Whether anything of this kind is known. */
bool ff_expect_knows(const struct ff_expect *expect, const char *kind);
/* Whether so many workers lose more time at the end if each begins with whole files, whatever is
 * the longest in them, than it takes each of them to collect all files, `crowd` of them on each
 * CPU. */
bool ff_expect_uneven(struct ff_expect *expect, const char *kind, uint32_t workers, uint32_t crowd);

/* Bytes of memory that a unit needs, to be reckoned with: what is known, and up to an eighth more,
 * so that there are few different needs. 0: unknown, or so little that nobody need wait for it. */
int64_t ff_expect_memory(const struct ff_expect *expect, const char *kind, const char *name);
/* Whether that is so of none. */
bool ff_expect_modest(struct ff_expect *expect, const char *kind);

/* What units take and what their set-up takes, both of `len`. One that is unknown gets the median
 * of its file's (neighbours whose names are alike up to "::"), else that of all. False: none
 * of them is known, and what was filled in means nothing. */
bool ff_expect_fill(const struct ff_expect *expect, const char *kind, const char *const *names,
		    size_t len, int64_t *us, int64_t *setup_us);
/* What all known units of each of these files take together (their names are the file's up to
 * "::"), and its collection; 0: none is known. False: that is so of all. */
bool ff_expect_files(const struct ff_expect *expect, const char *kind, const char *const *files,
		     size_t len, int64_t *us);

/* What all known units of a kind take, for who knows their names: for each the CRC-32 of its name
 * (as of zlib) and milliseconds, both as four bytes, the lowest first; sorted. The same knowledge
 * gives the same bytes. */
void ff_expect_known(const struct ff_expect *expect, const char *kind, struct ff_buf *out);

#endif
