/* Text on its way to an fd whose reader may be slow, stopped or gone. What is put here waits in
 * memory and is written by a thread of the writer's own (started with the first text): whoever puts
 * it never waits, whatever the fd is: a pipe, a tty after Ctrl-S, a disk. O_NONBLOCK would change
 * the descriptor for everybody that shares it. */
#ifndef FF_REPORT_WRITER_H
#define FF_REPORT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff_writer;

/* Bytes that wait; with more the writer is full. Text is taken even then: it is for the caller to
 * stop what brings it. */
enum { FF_WRITER_FULL = 1 << 20 };

struct ff_writer_opts {
	int fd; /* stays the caller's, and open until the first text; the thread has a copy */
	/* After each write the thread lets text gather that long: where many short texts come, it
	 * is then woken for a lot of them. 0: what comes is written at once. */
	int64_t linger_us;
	/* Called, from the writer's thread, when less than half of FF_WRITER_FULL waits again after
	 * ff_writer_full was true. NULL: nobody asks. */
	void (*wake)(void *ctx);
	void *ctx;
};

/* Text that stands last until it is replaced: while it waits, only the newest is kept. */
struct ff_writer_live {
	const void *text;
	size_t len;
	const char *undo; /* what takes it away once it was written; up to 31 bytes */
};

struct ff_writer *ff_writer_new(const struct ff_writer_opts *opts);
/* Text that still waits is dropped (ff_writer_finish comes before). A thread that hangs in a write
 * is left to itself: it writes nothing more, calls nobody, and frees what it has when it comes out.
 * NULL is nothing. */
void ff_writer_free(struct ff_writer *writer);

/* Adds final text, behind all text and before `live` (NULL: none). A live text that was written is
 * taken away before, one that waits is forgotten. */
void ff_writer_put(struct ff_writer *writer, const void *text, size_t len,
		   const struct ff_writer_live *live);
/* Whether more than FF_WRITER_FULL waits. If so, `wake` will be called. */
bool ff_writer_full(struct ff_writer *writer);
/* Whether anything waits or is being written. */
bool ff_writer_busy(struct ff_writer *writer);
/* The errno of the first write that failed; 0: none. Text after that is dropped. */
int ff_writer_error(struct ff_writer *writer);
/* Whether that was because its reader went away ("| head", a closed window): it wants no more. */
bool ff_writer_deserted(struct ff_writer *writer);
/* Waits until everything is written; more may be put afterwards. 0, the errno of the first failed
 * write, or ECANCELED if text was abandoned. */
int ff_writer_finish(struct ff_writer *writer);
/* Nobody waits for this fd any more: ff_writer_finish returns at once, also one that waits now.
 * May be called from a signal handler and from any thread. */
void ff_writer_abandon(struct ff_writer *writer);

#endif
