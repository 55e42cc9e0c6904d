/* The journal: the append-only file of a run's events, one JSON object a line, and the encoding
 * that --jsonl shares with it. */
#ifndef FF_EVENT_JOURNAL_H
#define FF_EVENT_JOURNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"

/* Appends `event` as one line of JSON (newline included): {"seq":1,"time":"2026-…Z","event":"unit-
 * finished","job":…,…}. Bytes that are not UTF-8 are replaced by U+FFFD. 0 or FF_ENOMEM. */
int ff_event_json(struct ff_buf *out, const struct ff_event *event);

/* The reverse, for replay: decodes one line into `event`; all strings live in `arena`. FF_ELOAD
 * names what is wrong with the line. */
int ff_event_parse(struct ff_event *event, struct ff_arena *arena, const char *line, size_t len,
		   struct ff_err *err);

/* A run's folder: <directory>/.farflung/runs/<id>/, with journal.jsonl in it. */
struct ff_journal;

/* A new, unique, sortable run id ("20261120-073012-4f3a") and its folder below `directory`; the
 * symlink `last` next to it points to it. NULL: FF_ESYS naming the path. */
struct ff_journal *ff_journal_new(const char *directory, struct ff_err *err);
const char *ff_journal_run_id(const struct ff_journal *journal);
const char *ff_journal_path(const struct ff_journal *journal); /* of the journal file */
/* Appends the event; what is written is with the kernel when this returns for events that matter
 * (UNIT_OUTPUT may wait for the next). FF_ESYS: a full disk is told once. */
int ff_journal_append(struct ff_journal *journal, const struct ff_event *event, struct ff_err *err);
int ff_journal_free(struct ff_journal *journal);

/* Calls `each` for every event of a journal file, in order; a torn last line is left out. */
int ff_journal_replay(const char *path, int (*each)(const struct ff_event *event, void *ctx),
		      void *ctx, struct ff_err *err);

#endif
