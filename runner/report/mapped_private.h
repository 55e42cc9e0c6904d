/* What the files of `farflung map`'s screen share. */
#ifndef FF_REPORT_MAPPED_PRIVATE_H
#define FF_REPORT_MAPPED_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "report/mapped.h"
#include "report/screen.h"

struct ff_mapped_piece {
	uint64_t offset, len;
};

/* What a unit wrote on one stream and nobody has seen yet: pieces in the file, then memory. */
struct ff_mapped_text {
	struct ff_mapped_piece *pieces;
	size_t len, shown; /* pieces; those that were shown */
	struct ff_buf memory;
	bool fresh; /* what comes begins a line */
};

struct ff_mapped_unit {
	struct ff_list node; /* in showing */
	uint32_t index;
	struct ff_mapped_text out[2]; /* stdout, stderr */
	char *tag;		      /* NULL: none, or not needed yet */
	bool done;
};

struct ff_mapped_screen {
	struct ff_reporter base;
	struct ff_mapped_opts opts;
	struct ff_writer *out; /* stdout; NULL: by `err`, too */
	struct ff_screen err;
	struct ff_map units;	/* by index: those with output that waits */
	struct ff_list showing; /* in this order, as fast as they are read */
	size_t held;		/* bytes in memory */
	int scratch;		/* -1: not needed yet */
	uint64_t scratch_at;
	int lost_errno;	  /* of output that could not be kept */
	uint32_t next;	  /* FF_MAPPED_KEPT: whose turn it is */
	uint64_t *before; /* bitset of units that an earlier run has shown; NULL: none */
	uint32_t before_words;
	uint32_t finished, total;
	int64_t started_us, event_us, now_us;
	int64_t anchor_us, anchor_tick_us; /* the same moment as events and ticks have it */
	bool bar, killing, over;
};

/* --- mapped_text.c: how output waits, and goes out --- */
void ff_mapped_add(struct ff_mapped_screen *s, struct ff_mapped_text *text, const char *bytes,
		   size_t len);
/* `which`: 0 stdout, 1 stderr. */
void ff_mapped_put(struct ff_mapped_screen *s, int which, const void *bytes, size_t len);
/* Whole lines of it. */
void ff_mapped_show_lines(struct ff_mapped_screen *s, struct ff_mapped_unit *unit, int which);
/* What is left of both. */
void ff_mapped_show_rest(struct ff_mapped_screen *s, struct ff_mapped_unit *unit);
/* All of it, behind what is being shown; takes the unit over. */
void ff_mapped_show(struct ff_mapped_screen *s, struct ff_mapped_unit *unit);
/* Goes on with that, as far as readers have room. */
void ff_mapped_pump(struct ff_mapped_screen *s);
/* Whether they have none. */
bool ff_mapped_waits(struct ff_mapped_screen *s);
void ff_mapped_unit_free(struct ff_mapped_screen *s, struct ff_mapped_unit *unit);
/* The line that says how far it is. */
void ff_mapped_draw(struct ff_mapped_screen *s);

#endif
