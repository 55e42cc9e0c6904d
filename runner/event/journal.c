/* Writing a journal: events gather in memory, a flush brings them to the files. Room on the disk is
 * taken some way ahead: when there is no more, what is still to be told of what runs has its place.
 */
#include "event/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/codec.h"
#include "event/folder.h"
#include "event/reader.h"

enum {
	GATHER_MAX = 1 << 20, /* of output or lines: more is written without waiting for a flush */
	LINES_AHEAD = 256 << 10,
	OUTPUT_AHEAD = 1 << 20,
};

/* A file of which `size` bytes are whole. */
struct target {
	char *path;
	int fd;
	uint64_t size;
	uint64_t ahead, taken; /* room to take beyond its end, and up to where it is taken */
	struct ff_buf pending;
};

struct ff_journal {
	struct target lines, output;
	char *run_id;
	bool failed, told;
	struct ff_err err;   /* why, until it is told */
	bool narrow, warned; /* there is no room left but what was taken */
	struct ff_err room;  /* likewise */
};

/* File systems that can't do it have none taken; one that is full has no more to give. */
static int take_room(struct target *target, struct ff_err *err)
{
	while (target->ahead > 0 && target->taken < target->size + target->ahead) {
		if (fallocate(target->fd, FALLOC_FL_KEEP_SIZE, (off_t)target->taken,
			      (off_t)target->ahead) == 0) {
			target->taken += target->ahead;
		} else if (errno == ENOSPC || errno == EDQUOT) {
			target->ahead = 0;
			return ff_err_sys(err, errno, "%s", target->path);
		} else if (errno != EINTR) {
			target->ahead = 0;
		}
	}
	return 0;
}

static void give_back(struct target *target)
{
	if (target->taken > target->size && ftruncate(target->fd, (off_t)target->size) < 0)
		errno = 0; /* it only takes room */
	close(target->fd);
}

static void look_for_room(struct ff_journal *journal)
{
	if (journal->narrow)
		return;
	journal->narrow = take_room(&journal->lines, &journal->room) < 0 ||
			  take_room(&journal->output, &journal->room) < 0;
}

struct ff_journal *ff_journal_new(const char *directory, struct ff_err *err)
{
	struct ff_journal *journal;
	struct ff_run_folder folder;

	if (ff_run_folder_make(&folder, directory, err) < 0)
		return NULL;
	journal = ff_xcalloc(1, sizeof(*journal));
	journal->run_id = folder.run_id;
	journal->lines = (struct target){.path = ff_xasprintf("%s/" FF_JOURNAL_NAME, folder.path),
					 .fd = folder.journal_fd,
					 .ahead = LINES_AHEAD};
	journal->output = (struct target){.path = ff_xasprintf("%s/" FF_OUTPUT_NAME, folder.path),
					  .fd = folder.output_fd,
					  .ahead = OUTPUT_AHEAD};
	ff_free(folder.path);
	look_for_room(journal);
	return journal;
}

const char *ff_journal_run_id(const struct ff_journal *journal)
{
	return journal->run_id;
}

const char *ff_journal_path(const struct ff_journal *journal)
{
	return journal->lines.path;
}

bool ff_journal_failed(const struct ff_journal *journal)
{
	return journal->failed;
}

/* How many of the `len` bytes end in a whole line. */
static size_t whole_lines(const uint8_t *data, size_t len)
{
	while (len > 0 && data[len - 1] != '\n')
		len--;
	return len;
}

/* Writes what is pending. On failure the file is cut back to what is whole: to a whole line if
 * `lines`, else to what it was before. */
static int write_target(struct target *target, bool lines, struct ff_err *err)
{
	const uint8_t *data = ff_buf_data(&target->pending);
	size_t len = target->pending.len, done = 0;

	while (done < len) {
		ssize_t n = write(target->fd, data + done, len - done);
		int errnum = errno;

		if (n < 0 && errnum == EINTR)
			continue;
		if (n < 0) {
			target->size += lines ? whole_lines(data, done) : 0;
			/* If this fails as well, a reader still finds the end torn. */
			if (done > 0 && ftruncate(target->fd, (off_t)target->size) < 0)
				errno = 0;
			return ff_err_sys(err, errnum, "%s", target->path);
		}
		done += (size_t)n;
	}
	target->size += len;
	ff_buf_clear(&target->pending);
	return 0;
}

void ff_journal_write(struct ff_journal *journal)
{
	if (journal->failed)
		return;
	/* Output first: no line may speak of what is not there. */
	if (write_target(&journal->output, false, &journal->err) < 0 ||
	    write_target(&journal->lines, true, &journal->err) < 0) {
		journal->failed = true;
		ff_buf_release(&journal->output.pending);
		ff_buf_release(&journal->lines.pending);
		return;
	}
	look_for_room(journal);
}

void ff_journal_append(struct ff_journal *journal, const struct ff_event *event)
{
	struct ff_output_sink sink = {.bytes = &journal->output.pending,
				      .base = journal->output.size};
	int rc;

	if (journal->failed)
		return;
	rc = ff_event_encode(&journal->lines.pending, event, &sink);
	if (rc == 0 && journal->lines.pending.len < GATHER_MAX &&
	    journal->output.pending.len < GATHER_MAX)
		return;
	ff_journal_write(journal);
	if (rc < 0 && !journal->failed) {
		journal->failed = true;
		ff_err_set(&journal->err, rc, "%s: event %llu: %s", journal->lines.path,
			   (unsigned long long)event->seq, ff_err_text(rc));
	}
}

int ff_journal_flush(struct ff_journal *journal, struct ff_err *err)
{
	ff_journal_write(journal);
	if (journal->failed && !journal->told) {
		journal->told = journal->warned = true;
		ff_err_set(err, journal->err.code, "the journal is incomplete from here on: %s",
			   journal->err.text);
		return journal->err.code;
	}
	if (journal->narrow && !journal->warned) {
		journal->warned = true;
		ff_err_set(err, journal->room.code, "there is no room for more than what runs: %s",
			   journal->room.text);
		return journal->room.code;
	}
	return 0;
}

int ff_journal_free(struct ff_journal *journal)
{
	int rc;

	if (!journal)
		return 0;
	ff_journal_write(journal);
	rc = journal->failed ? journal->err.code : 0;
	give_back(&journal->lines);
	give_back(&journal->output);
	ff_buf_release(&journal->lines.pending);
	ff_buf_release(&journal->output.pending);
	ff_free(journal->lines.path);
	ff_free(journal->output.path);
	ff_free(journal->run_id);
	ff_free(journal);
	return rc;
}

int ff_journal_replay(const char *path, int (*each)(const struct ff_event *event, void *ctx),
		      void *ctx, struct ff_err *err)
{
	struct ff_reader *reader = ff_reader_new(path, err);
	const struct ff_event *event;
	int rc;

	if (!reader)
		return FF_ESYS;
	while ((rc = ff_reader_next(reader, &event, err)) > 0) {
		rc = each(event, ctx);
		if (rc < 0)
			break;
	}
	ff_reader_free(reader);
	return rc;
}
