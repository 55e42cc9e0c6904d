/* Frames onto a terminal's fd. Knows nothing of what they show. */
#include "report/screen.h"

#include <stdio.h>
#include <sys/ioctl.h>

enum { TEXT_KEEP = 64 << 10 }; /* a larger text does not keep its memory */

void ff_screen_init(struct ff_screen *screen, const struct ff_writer_opts *opts)
{
	*screen = (struct ff_screen){.fd = opts->fd, .writer = ff_writer_new(opts)};
}

void ff_screen_release(struct ff_screen *screen)
{
	ff_writer_free(screen->writer);
	ff_buf_release(&screen->text);
	ff_buf_release(&screen->guarded);
}

struct ff_screen_size ff_screen_size(const struct ff_screen *screen)
{
	struct winsize size = {0};
	struct ff_screen_size result = {80, 24};

	if (ioctl(screen->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
		result = (struct ff_screen_size){size.ws_col, size.ws_row};
	return result;
}

/* The text as it may be written. */
static const struct ff_buf *harmless(struct ff_screen *screen)
{
	if (screen->guard.service == FF_SERVICE_NONE || screen->text.len == 0)
		return &screen->text;
	ff_buf_clear(&screen->guarded);
	ff_guard_text(&screen->guard, &screen->guarded, (const char *)ff_buf_data(&screen->text),
		      screen->text.len);
	return &screen->guarded;
}

void ff_screen_frame(struct ff_screen *screen, const struct ff_buf *block, unsigned rows)
{
	struct ff_writer_live live = {0};
	const struct ff_buf *text = harmless(screen);
	char undo[32] = "\r\033[J";

	/* A window that became narrower may have wrapped the block to more rows, or cut it,
	 * depending on the terminal: only as many rows as were drawn are taken away, for those are
	 * never others'. */
	if (rows > 1)
		snprintf(undo, sizeof(undo), "\r\033[%uA\033[J", rows - 1);
	if (block)
		live = (struct ff_writer_live){ff_buf_data(block), block->len, undo};
	ff_writer_put(screen->writer, ff_buf_data(text), text->len, block ? &live : NULL);
	screen->block = block != NULL;
	if (screen->guarded.cap > TEXT_KEEP)
		ff_buf_release(&screen->guarded);
	if (screen->text.cap > TEXT_KEEP)
		ff_buf_release(&screen->text);
	else
		ff_buf_clear(&screen->text);
}

void ff_screen_command(struct ff_screen *screen, const struct ff_buf *command)
{
	if (screen->text.len > 0 || screen->block)
		ff_screen_frame(screen, NULL, 0);
	if (screen->guard.open)
		ff_writer_put(screen->writer, "\n", 1, NULL);
	screen->guard = (struct ff_guard){.service = screen->guard.service};
	ff_writer_put(screen->writer, ff_buf_data(command), command->len, NULL);
}
