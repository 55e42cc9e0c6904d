/* Bytes through a file descriptor (pipe, socket, tty), non-blocking, on the loop. */
#ifndef FF_IO_STREAM_H
#define FF_IO_STREAM_H

#include "base/buf.h"
#include "io/watch.h"

struct ff_stream;

struct ff_stream_ops {
	/* Bytes that arrived; valid during the call. */
	void (*data)(struct ff_stream *stream, const void *bytes, size_t len, void *ctx);
	/* End of file (err NULL) or a read error; once, nothing follows. */
	void (*eof)(struct ff_stream *stream, const struct ff_err *err, void *ctx);
	/* The source buffer was drained to the descriptor, or writing failed (once; what was unsent
	 * is dropped; err FF_ECLOSED: the other end reads no more, else FF_ELOST). May be called
	 * from inside ff_stream_flush; what it appends is sent. May be NULL. */
	void (*drained)(struct ff_stream *stream, const struct ff_err *err, void *ctx);
};

struct ff_stream {
	struct ff_watch watch;
	struct ff_deferred end; /* calls `closed` */
	int fd;			/* -1 once it is closed */
	struct ff_buf *out;	/* what ff_stream_flush sends from; the owner appends to it */
	const struct ff_stream_ops *ops;
	void *ctx;
	void (*closed)(struct ff_stream *stream, void *ctx);
	struct ff_loop *loop;
	bool open, reading, writing, flushing, write_failed, shut;
};

/* Takes over `fd` (closed on failure too; FF_ESYS for what can't be polled: regular files,
 * /dev/null). ops and ctx as given; `out` may be NULL for a read-only
 * stream. The memory is the caller's. */
int ff_stream_open(struct ff_stream *stream, struct ff_loop *loop, int fd, struct ff_buf *out,
		   const struct ff_stream_ops *ops, void *ctx, struct ff_err *err);
/* The same for reading alone. It looks after late_us, or when told to; 0: from the first moment on.
 */
int ff_stream_open_reading(struct ff_stream *stream, struct ff_loop *loop, int fd, int64_t late_us,
			   const struct ff_stream_ops *ops, void *ctx, struct ff_err *err);
/* Reads what is there, to its end, unless it is not to be read now. What is called from here may
 * close the stream. */
void ff_stream_look(struct ff_stream *stream);
/* From now on it looks by itself, if it was to do so later. */
void ff_stream_hurry(struct ff_stream *stream);
int ff_stream_read(struct ff_stream *stream, bool on);
/* Looks only after rest_us again: its writer then wakes nobody with each of its writes. */
void ff_stream_rest(struct ff_stream *stream, int64_t rest_us);
/* Sends what is in `out`, at once as far as possible, the rest when it becomes writable. May be
 * called at any time, also with nothing to send. */
void ff_stream_flush(struct ff_stream *stream);
/* After all output: closes the writing side (half-close for sockets, close for pipes). */
void ff_stream_shutdown(struct ff_stream *stream);
/* Bytes accepted but not yet written. */
size_t ff_stream_unsent(const struct ff_stream *stream);
/* Stops everything; `closed` (may be NULL) is called when the memory may be reused. Unsent output
 * is dropped. Closing twice, or what was never opened, is an error of the caller. */
void ff_stream_close(struct ff_stream *stream, void (*closed)(struct ff_stream *, void *ctx));

#endif
