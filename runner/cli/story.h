/* What a journal tells of its run, for who shows it: its state, and what runs where. */
#ifndef FF_CLI_STORY_H
#define FF_CLI_STORY_H

#include "base/buf.h"
#include "base/map.h"
#include "state/state.h"

/* An attempt that has begun and not ended. */
struct ff_story_unit {
	char *unit, *job, *host, *worker; /* host, worker: NULL where there is none */
	uint32_t index, attempt;
	int64_t since_us;
	struct ff_buf line; /* the last that it wrote, as far as it is whole */
	struct ff_buf rest; /* what came behind that */
};

struct ff_story {
	char *path; /* of the journal */
	struct ff_state state;
	struct ff_map running;		  /* "index job" -> struct ff_story_unit */
	char *run_id, *command, *machine; /* machine: NULL: not told */
	int pid;			  /* 0: not told */
	int64_t began_us, last_us;	  /* of the first event and the last */
	bool over;			  /* it has its end */
	int exit_code;
	char *reason;
};

/* The journal of `run` as ff_run_journal finds it; complains as `command` if there is none. The
 * caller's to free. */
char *ff_story_find(const char *command, const char *run);

void ff_story_init(struct ff_story *story, const char *path);
void ff_story_release(struct ff_story *story);
/* FF_EINVAL: it can't be true after the others, the journal is damaged. */
int ff_story_take(struct ff_story *story, const struct ff_event *event, struct ff_err *err);
/* All that the journal has; `brief`: not what ran. FF_ESYS, FF_ELOAD, FF_EINVAL, naming it. */
int ff_story_read(struct ff_story *story, bool brief, struct ff_err *err);

/* "2 failed, 98 passed, 3 not run"; "nothing ran". */
void ff_story_counts(const struct ff_story *story, struct ff_buf *out);
/* How it ended, or stands: "passed", "exit 1", "going on", "cut off". */
const char *ff_story_end(const struct ff_story *story, char text[32]);
/* "2026-11-20 08:00:00", local time. */
void ff_story_time(int64_t time_us, struct ff_buf *out);
/* Units that have an end. */
uint32_t ff_story_done(const struct ff_story *story);
/* One line of foreign text, safe for a terminal. */
void ff_story_text(struct ff_buf *out, const char *text);

#endif
