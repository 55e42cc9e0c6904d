/* The journal: the append-only file of a run's events, one JSON object a line, and beside it a file
 * of the output that they speak of. --jsonl shares its form, with the texts inline. */
#ifndef FF_EVENT_JOURNAL_H
#define FF_EVENT_JOURNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"

/* Appends `event` as one line of JSON (newline included): {"seq":1,"time":"2026-…Z","event":"unit-
 * finished","job":…,…}, output as "text"; told sections have their length only. Bytes that are not
 * UTF-8 are replaced by U+FFFD. 0, FF_ENOMEM or FF_ETOOBIG (then `out` is as before). */
int ff_event_json(struct ff_buf *out, const struct ff_event *event);
/* Appends the JSON schema (draft 7) of such lines, and of a journal's. 0 or FF_ENOMEM. */
int ff_event_schema(struct ff_buf *out);

/* The reverse: decodes one line into `event`; all strings live in `arena`. A told section has no
 * text. FF_ELOAD names the key that is missing, of a wrong type or out of range. */
int ff_event_parse(struct ff_event *event, struct ff_arena *arena, const char *line, size_t len,
		   struct ff_err *err);

/* What a run may leave in its folder besides: notes of the tree that it brought to hosts. */
#define FF_TREE_NAME "tree"
/* And what was read for its units: the first source's items; "input-2" has the next one's. */
#define FF_INPUT_NAME "input"

/* A run's folder: <directory>/.farflung/runs/<id>/, with journal.jsonl and output in it. In the
 * journal, "at" and "len" are a place in `output`. */
struct ff_journal;

/* A new, unique, sortable run id ("20261120-073012-4f3a") and its folder below `directory`; the
 * symlink `last` next to it points to it. The journal is locked (flock) until it is freed: so
 * others know that its run is going. NULL: FF_ESYS naming the path. */
struct ff_journal *ff_journal_new(const char *directory, struct ff_err *err);
const char *ff_journal_run_id(const struct ff_journal *journal);
/* Whether `name` is a run id; *began_s is when (seconds since 1970, local time read back). */
bool ff_run_id_read(const char *name, int64_t *began_s);
const char *ff_journal_path(const struct ff_journal *journal); /* of the journal file */
/* Takes the event in; it is written by the next flush, or when a lot has gathered. Its `seq` must
 * be one more than that of the event before. */
void ff_journal_append(struct ff_journal *journal, const struct ff_event *event);
/* With the kernel when this returns 0: output first, then the lines that speak of it. A failure
 * (FF_ESYS, in words that name the file) is told once; after it nothing more is written, what is
 * there ends with a whole line, and this returns 0. That the disk is full is told once, too, a bit
 * earlier: there is still room for the ends of what runs then. */
int ff_journal_flush(struct ff_journal *journal, struct ff_err *err);
/* The same without telling: a failure is left for the next flush to tell. */
void ff_journal_write(struct ff_journal *journal);
/* Whether the journal is incomplete: something failed. */
bool ff_journal_failed(const struct ff_journal *journal);
/* Flushes. 0, or an error if the journal is incomplete; NULL is fine. */
int ff_journal_free(struct ff_journal *journal);

/* Calls `each` for every event of a journal file, in order; a torn last line is left out. A
 * negative result of `each` ends it and is returned. FF_ELOAD names file, line and key. */
int ff_journal_replay(const char *path, int (*each)(const struct ff_event *event, void *ctx),
		      void *ctx, struct ff_err *err);

/* Removes the oldest run folders of `directory` beyond `keep_runs` (0: no limit) and those of runs
 * that began more than `keep_days` ago (0: no limit); never the one that `last` points to, nor one
 * whose run is going, nor one that holds a file of somebody else's. What can't be removed does not
 * keep the others from it. 0, or the first error, naming the path. */
int ff_journal_prune(const char *directory, int64_t keep_runs, int64_t keep_days,
		     struct ff_err *err);

#endif
