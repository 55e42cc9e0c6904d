/* Frames onto a terminal's fd. Knows nothing of what they show. */
#include "report/screen.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What may wait for a slow non-blocking terminal before the run waits for it. */
enum { SCREEN_PENDING_MAX = 1 << 20 };

void ff_screen_init(struct ff_screen *screen, int fd)
{
	*screen = (struct ff_screen){.fd = fd};
}

void ff_screen_release(struct ff_screen *screen)
{
	ff_buf_release(&screen->text);
	ff_buf_release(&screen->out);
}

struct ff_screen_size ff_screen_size(const struct ff_screen *screen)
{
	struct winsize size = {0};
	struct ff_screen_size result = {80, 24};

	if (ioctl(screen->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
		result = (struct ff_screen_size){size.ws_col, size.ws_row};
	return result;
}

static void write_out(struct ff_screen *screen, bool wait)
{
	while (screen->out.len > 0 && screen->errnum == 0) {
		ssize_t n = write(screen->fd, ff_buf_data(&screen->out), screen->out.len);

		if (n >= 0) {
			ff_buf_consume(&screen->out, (size_t)n);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			struct pollfd pollfd = {.fd = screen->fd, .events = POLLOUT};

			if (!wait && screen->out.len < SCREEN_PENDING_MAX)
				return;
			poll(&pollfd, 1, -1);
		} else if (errno != EINTR) {
			screen->errnum = errno;
		}
	}
	if (screen->errnum)
		ff_buf_clear(&screen->out);
}

void ff_screen_frame(struct ff_screen *screen, const struct ff_buf *block, unsigned rows)
{
	struct ff_buf *out = &screen->out;

	if (screen->errnum) {
		ff_buf_clear(&screen->text);
		return;
	}
	/* A terminal that is behind gets no frame that only redraws. */
	if (out->len > 0 && screen->text.len == 0 && block) {
		write_out(screen, false);
		return;
	}
	/* A window that became narrower may have wrapped the block to more rows, or cut it,
	 * depending on the terminal: only as many rows as were drawn are taken away, for those are
	 * never others'. */
	if (screen->rows > 0) {
		ff_buf_addch(out, '\r');
		if (screen->rows > 1)
			ff_buf_addf(out, "\033[%uA", screen->rows - 1);
		ff_buf_addstr(out, "\033[J");
	}
	ff_buf_add(out, ff_buf_data(&screen->text), screen->text.len);
	ff_buf_clear(&screen->text);
	if (block)
		ff_buf_add(out, ff_buf_data(block), block->len);
	screen->rows = block ? rows : 0;
	write_out(screen, false);
}

void ff_screen_drain(struct ff_screen *screen)
{
	write_out(screen, true);
}
