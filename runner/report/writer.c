/* A queue of text and the thread that writes it. Knows nothing of what the text says. */
#include "report/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "report/thread.h"

enum {
	CHUNK = 16 << 10,
	CHUNKS_AT_ONCE = 16,
	UNDO_MAX = 32,
	SECOND_NS = 1000000000,
	LIVE_KEEP = 64 << 10, /* a larger live text does not keep its memory */
};

struct chunk {
	struct chunk *next;
	size_t len, off; /* written up to `off` */
	char bytes[CHUNK];
};

struct live {
	struct ff_buf text;
	char undo[UNDO_MAX];
};

struct ff_writer {
	struct ff_writer_opts opts;
	atomic_bool abandoned;
	sem_t settled; /* posted for who waits in finish: nothing is left, or it is abandoned */

	pthread_mutex_t lock; /* for all below; never held while something is written */
	pthread_cond_t more;
	pthread_t thread;
	bool started, finishing;
	bool ending;		    /* nothing is written, and nobody is called any more */
	bool orphaned;		    /* ended while it was in a write: the thread frees all */
	bool inside;		    /* the thread is in a write, perhaps for ever */
	bool calling;		    /* it is in `wake` */
	bool lingering;		    /* it lets text gather, and need not be told of it */
	struct chunk *first, *last; /* that wait */
	struct live live;	    /* the newest; waits if `changed` */
	bool changed;
	bool writing;	/* the thread holds what it writes */
	size_t waiting; /* bytes of chunks, those in writing included */
	bool told_full;
	bool dropped; /* text was left when it was abandoned */
	int errnum;

	/* The thread's own. */
	int fd; /* a copy: it may hang in a write when the caller's is closed, and its number is
		 * another file's */
	struct chunk *frame;	    /* that it writes now */
	struct live shown, drawing; /* on the fd; what comes behind the frame's text */
	size_t undo_off, live_off;  /* of both, written up to here */
};

struct ff_writer *ff_writer_new(const struct ff_writer_opts *opts)
{
	struct ff_writer *writer = ff_xcalloc(1, sizeof(*writer));
	pthread_condattr_t monotonic;

	writer->opts = *opts;
	writer->fd = -1;
	sem_init(&writer->settled, 0, 0);
	pthread_mutex_init(&writer->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->more, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return writer;
}

static void chunks_free(struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;

		ff_free(chunk);
		chunk = next;
	}
}

/* --- the thread: one frame after the other --- */

static bool nothing_waits(const struct ff_writer *writer)
{
	return !writer->first && !writer->changed;
}

/* With the lock: takes what waits as the next frame. */
static void take_frame(struct ff_writer *writer)
{
	struct ff_buf spare = writer->drawing.text;

	writer->frame = writer->first;
	writer->first = writer->last = NULL;
	writer->changed = false;
	writer->writing = true;
	writer->drawing = writer->live;
	/* The text is the thread's from here on; the queue keeps how it is taken away. */
	ff_buf_clear(&spare);
	writer->live.text = spare;
	writer->undo_off = writer->live_off = 0;
}

/* What is left of the frame: the old live text's undo, text, the new live text. */
static int frame_vectors(const struct ff_writer *writer, struct iovec *vectors)
{
	size_t undo = strlen(writer->shown.undo);
	int count = 0;
	struct chunk *chunk;

	if (writer->undo_off < undo)
		vectors[count++] = (struct iovec){(char *)writer->shown.undo + writer->undo_off,
						  undo - writer->undo_off};
	for (chunk = writer->frame; chunk && count <= CHUNKS_AT_ONCE; chunk = chunk->next)
		vectors[count++] =
			(struct iovec){chunk->bytes + chunk->off, chunk->len - chunk->off};
	if (!chunk && writer->live_off < writer->drawing.text.len)
		vectors[count++] =
			(struct iovec){ff_buf_data(&writer->drawing.text) + writer->live_off,
				       writer->drawing.text.len - writer->live_off};
	return count;
}

/* Notes that `n` bytes are written; returns how many of them were final text. */
static size_t frame_written(struct ff_writer *writer, size_t n)
{
	size_t undo = strlen(writer->shown.undo) - writer->undo_off, part = n < undo ? n : undo;
	size_t text = 0;

	writer->undo_off += part;
	n -= part;
	while (n > 0 && writer->frame) {
		struct chunk *chunk = writer->frame;

		part = n < chunk->len - chunk->off ? n : chunk->len - chunk->off;
		chunk->off += part;
		n -= part;
		text += part;
		if (chunk->off < chunk->len)
			break;
		writer->frame = chunk->next;
		ff_free(chunk);
	}
	writer->live_off += n;
	return text;
}

/* Writes some; 0 or an errno. */
static int write_some(struct ff_writer *writer, size_t *written)
{
	struct iovec vectors[CHUNKS_AT_ONCE + 3];
	int count = frame_vectors(writer, vectors);
	struct pollfd pollfd = {.fd = writer->fd, .events = POLLOUT};
	ssize_t n = writev(writer->fd, vectors, count);

	*written = n > 0 ? (size_t)n : 0;
	if (n >= 0 || errno == EINTR)
		return 0;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return errno;
	/* Somebody that shares the descriptor made it non-blocking. */
	poll(&pollfd, 1, -1);
	return 0;
}

/* With the lock: nothing will be written any more. */
static void drop_all(struct ff_writer *writer)
{
	chunks_free(writer->first);
	chunks_free(writer->frame);
	writer->first = writer->last = writer->frame = NULL;
	writer->changed = false;
	writer->waiting = 0;
}

static void destroy(struct ff_writer *writer)
{
	drop_all(writer);
	ff_buf_release(&writer->live.text);
	ff_buf_release(&writer->drawing.text);
	pthread_cond_destroy(&writer->more);
	pthread_mutex_destroy(&writer->lock);
	sem_destroy(&writer->settled);
	if (writer->fd >= 0 && writer->fd != writer->opts.fd)
		close(writer->fd);
	ff_free(writer);
}

/* With the lock, which it gives away while it calls. */
static void wake_if_drained(struct ff_writer *writer)
{
	if (!writer->told_full || writer->ending || writer->waiting >= FF_WRITER_FULL / 2)
		return;
	writer->told_full = false;
	if (!writer->opts.wake)
		return;
	writer->calling = true;
	pthread_mutex_unlock(&writer->lock);
	writer->opts.wake(writer->opts.ctx);
	pthread_mutex_lock(&writer->lock);
	writer->calling = false;
	pthread_cond_broadcast(&writer->more);
}

static bool frame_left(const struct ff_writer *writer)
{
	return writer->undo_off < strlen(writer->shown.undo) || writer->frame ||
	       writer->live_off < writer->drawing.text.len;
}

/* With the lock, which it gives away while it writes. */
static void write_frame(struct ff_writer *writer)
{
	size_t written, text;
	int errnum = 0;

	take_frame(writer);
	while (errnum == 0 && !writer->ending && frame_left(writer)) {
		writer->inside = true;
		pthread_mutex_unlock(&writer->lock);
		errnum = write_some(writer, &written);
		text = frame_written(writer, written);
		pthread_mutex_lock(&writer->lock);
		writer->inside = false;
		writer->waiting -= text;
		wake_if_drained(writer);
	}
	writer->writing = false;
	memcpy(writer->shown.undo, writer->drawing.undo, UNDO_MAX);
	if (writer->drawing.text.cap > LIVE_KEEP)
		ff_buf_release(&writer->drawing.text);
	if (errnum == 0)
		return;
	writer->errnum = errnum;
	drop_all(writer);
	wake_if_drained(writer);
}

/* With the lock, which it gives away while it waits. */
static void linger(struct ff_writer *writer)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(writer->opts.linger_us % FF_SECOND_US) * 1000;
	until.tv_sec += (time_t)(writer->opts.linger_us / FF_SECOND_US) + until.tv_nsec / SECOND_NS;
	until.tv_nsec %= SECOND_NS;
	writer->lingering = true;
	while (!writer->ending && !writer->finishing && writer->waiting < FF_WRITER_FULL / 2 &&
	       pthread_cond_timedwait(&writer->more, &writer->lock, &until) == 0)
		;
	writer->lingering = false;
}

static void *run(void *ctx)
{
	struct ff_writer *writer = ctx;
	bool orphaned;

	pthread_mutex_lock(&writer->lock);
	while (!writer->ending) {
		if (nothing_waits(writer)) {
			if (writer->finishing)
				sem_post(&writer->settled);
			writer->finishing = false;
			pthread_cond_wait(&writer->more, &writer->lock);
		} else {
			write_frame(writer);
			if (writer->opts.linger_us > 0)
				linger(writer);
		}
	}
	orphaned = writer->orphaned;
	pthread_mutex_unlock(&writer->lock);
	if (orphaned)
		destroy(writer);
	return NULL;
}

/* With the lock. */
static void start(struct ff_writer *writer)
{
	if (writer->fd < 0)
		writer->fd = fcntl(writer->opts.fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (writer->fd < 0)
		writer->fd = writer->opts.fd;
	writer->started = ff_thread_start(&writer->thread, run, writer) == 0;
}

/* --- the callers' side --- */

static void add_text(struct ff_writer *writer, const char *text, size_t len)
{
	writer->waiting += len;
	while (len > 0) {
		struct chunk *chunk = writer->last;
		size_t part;

		if (!chunk || chunk->len == CHUNK) {
			chunk = ff_xmalloc(sizeof(*chunk));
			chunk->next = NULL;
			chunk->len = chunk->off = 0;
			if (writer->last)
				writer->last->next = chunk;
			else
				writer->first = chunk;
			writer->last = chunk;
		}
		part = len < CHUNK - chunk->len ? len : CHUNK - chunk->len;
		memcpy(chunk->bytes + chunk->len, text, part);
		chunk->len += part;
		text += part;
		len -= part;
	}
}

static void set_live(struct ff_writer *writer, const struct ff_writer_live *live)
{
	if (!live && writer->live.undo[0] == '\0')
		return;
	ff_buf_clear(&writer->live.text);
	if (live)
		ff_buf_add(&writer->live.text, live->text, live->len);
	snprintf(writer->live.undo, sizeof(writer->live.undo), "%s", live ? live->undo : "");
	writer->changed = true;
}

void ff_writer_put(struct ff_writer *writer, const void *text, size_t len,
		   const struct ff_writer_live *live)
{
	pthread_mutex_lock(&writer->lock);
	if (writer->errnum == 0 && !atomic_load(&writer->abandoned)) {
		add_text(writer, text, len);
		set_live(writer, live);
		/* Without a thread (there may be too many) the text waits for the next try. */
		if (!nothing_waits(writer) && !writer->started)
			start(writer);
		if (!writer->lingering || writer->waiting >= FF_WRITER_FULL / 2)
			pthread_cond_signal(&writer->more);
	} else if (len > 0 && writer->errnum == 0) {
		writer->dropped = true;
	}
	pthread_mutex_unlock(&writer->lock);
}

bool ff_writer_full(struct ff_writer *writer)
{
	bool full;

	pthread_mutex_lock(&writer->lock);
	full = writer->waiting > FF_WRITER_FULL;
	writer->told_full |= full;
	pthread_mutex_unlock(&writer->lock);
	return full;
}

static bool busy(const struct ff_writer *writer)
{
	return writer->writing || !nothing_waits(writer);
}

bool ff_writer_busy(struct ff_writer *writer)
{
	bool is;

	pthread_mutex_lock(&writer->lock);
	is = busy(writer);
	pthread_mutex_unlock(&writer->lock);
	return is;
}

int ff_writer_error(struct ff_writer *writer)
{
	int errnum;

	pthread_mutex_lock(&writer->lock);
	errnum = writer->errnum;
	pthread_mutex_unlock(&writer->lock);
	return errnum;
}

bool ff_writer_deserted(struct ff_writer *writer)
{
	int errnum = ff_writer_error(writer);

	return errnum == EPIPE || errnum == EIO || errnum == ENXIO || errnum == ECONNRESET;
}

int ff_writer_finish(struct ff_writer *writer)
{
	int errnum;

	pthread_mutex_lock(&writer->lock);
	while (busy(writer) && !atomic_load(&writer->abandoned)) {
		if (!writer->started) {
			start(writer);
			if (!writer->started)
				write_frame(writer); /* no thread to be had: nobody else will */
			continue;
		}
		writer->finishing = true;
		pthread_cond_signal(&writer->more); /* it may linger */
		pthread_mutex_unlock(&writer->lock);
		sem_wait(&writer->settled); /* EINTR is a reason to look, too */
		pthread_mutex_lock(&writer->lock);
	}
	if (atomic_load(&writer->abandoned) && (writer->waiting > 0 || writer->dropped))
		errnum = writer->errnum ? writer->errnum : ECANCELED;
	else
		errnum = writer->errnum;
	pthread_mutex_unlock(&writer->lock);
	return errnum;
}

void ff_writer_abandon(struct ff_writer *writer)
{
	int errnum = errno;

	atomic_store(&writer->abandoned, true);
	sem_post(&writer->settled);
	errno = errnum;
}

void ff_writer_free(struct ff_writer *writer)
{
	if (!writer)
		return;
	if (!writer->started) {
		destroy(writer);
		return;
	}
	pthread_mutex_lock(&writer->lock);
	writer->ending = true;
	pthread_cond_broadcast(&writer->more);
	while (writer->calling)
		pthread_cond_wait(&writer->more, &writer->lock);
	if (writer->inside) {
		/* It may hang there for as long as nobody reads. */
		writer->orphaned = true;
		pthread_detach(writer->thread);
		pthread_mutex_unlock(&writer->lock);
		return;
	}
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	destroy(writer);
}
