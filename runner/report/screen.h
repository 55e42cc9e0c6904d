/* The terminal as a place to write to: permanent lines, and below them, on a tty, a block that is
 * redrawn. The cursor always stands where the next permanent line begins or at the block's end. */
#ifndef FF_REPORT_SCREEN_H
#define FF_REPORT_SCREEN_H

#include <stdbool.h>

#include "base/buf.h"

struct ff_screen {
	int fd;
	int errnum;	    /* the first write error; nothing is written after it */
	unsigned rows;	    /* of the block that is on the screen now */
	struct ff_buf text; /* permanent lines that are not on the screen yet */
	struct ff_buf out;  /* what a non-blocking fd did not take yet */
};

struct ff_screen_size {
	unsigned columns, rows;
};

void ff_screen_init(struct ff_screen *screen, int fd);
void ff_screen_release(struct ff_screen *screen);
/* 80x24 if the fd does not say. */
struct ff_screen_size ff_screen_size(const struct ff_screen *screen);
/* One frame, one write: takes the old block away, adds the permanent text, draws `block` (lines
 * joined by newlines, none at its end; NULL: none). */
void ff_screen_frame(struct ff_screen *screen, const struct ff_buf *block, unsigned rows);
/* Waits until everything is written. */
void ff_screen_drain(struct ff_screen *screen);

#endif
