/* The terminal as a place to write to: permanent lines, and below them, on a tty, a block that is
 * redrawn. The cursor always stands where the next permanent line begins or at the block's end. */
#ifndef FF_REPORT_SCREEN_H
#define FF_REPORT_SCREEN_H

#include <stdbool.h>

#include "base/buf.h"
#include "report/service.h"
#include "report/writer.h"

struct ff_screen {
	int fd;
	struct ff_writer *writer;
	bool block;	       /* the last frame had one */
	struct ff_buf text;    /* permanent lines of the next frame */
	struct ff_guard guard; /* what they pass, if a service reads them */
	struct ff_buf guarded;
};

struct ff_screen_size {
	unsigned columns, rows;
};

/* As ff_writer_new. */
void ff_screen_init(struct ff_screen *screen, const struct ff_writer_opts *opts);
void ff_screen_release(struct ff_screen *screen);
/* 80x24 if the fd does not say. */
struct ff_screen_size ff_screen_size(const struct ff_screen *screen);
/* One frame: takes the old block away, adds the permanent text, draws `block` (`rows` lines joined
 * by newlines, none at its end; NULL: none). Of blocks that the terminal did not take yet only the
 * newest is drawn. */
void ff_screen_frame(struct ff_screen *screen, const struct ff_buf *block, unsigned rows);
/* Our own words to the service, as they are: whole lines, behind all text so far. */
void ff_screen_command(struct ff_screen *screen, const struct ff_buf *command);

#endif
