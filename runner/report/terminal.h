/* The terminal reporter's own state, shared by its files: terminal.c (events), terminal_lines.c
 * (what is said at once), terminal_end.c (what is said at the end) and live.c (the block that is
 * redrawn). */
#ifndef FF_REPORT_TERMINAL_H
#define FF_REPORT_TERMINAL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "report/reporter.h"
#include "report/screen.h"

enum {
	TERMINAL_HOST_LINES = 20,    /* more hosts than these are summarised */
	TERMINAL_COMMAND_LINES = 20, /* a job of up to so many commands shows those that pass */
	TERMINAL_NAME_COLUMNS = 400, /* longer names and messages are cut */
	TERMINAL_FAILURES_MAX = 16 << 20,    /* bytes of failures' text kept for the end */
	TERMINAL_WARNINGS_MAX = 1 << 20,     /* the same for warnings */
	TERMINAL_FLAKY_MAX = 1000,	     /* units listed as flaky */
	TERMINAL_OUTPUT_LINE_MAX = 16 << 10, /* a longer line of output is shown in pieces */
};

#define TERMINAL_RED	"31"
#define TERMINAL_GREEN	"32"
#define TERMINAL_YELLOW "33"
#define TERMINAL_BLUE	"34"

struct terminal_glyphs {
	const char *thin, *thick, *ellipsis, *dot;
};

struct terminal_job {
	struct ff_list node;
	char *name;
	bool command; /* its units are commands, not tests */
	uint32_t total;
	char *state, *reason; /* NULL until it is finished */
};

struct terminal_running {
	struct ff_list node; /* in the order of their start */
	char *job, *unit, *host, *worker;
	int64_t started_us;
};

struct terminal {
	struct ff_reporter base;
	struct ff_terminal_opts opts;
	struct ff_screen screen;
	const struct terminal_glyphs *glyphs;
	struct ff_buf scratch; /* keys */
	int64_t started_us;    /* wall time of the first event */
	int64_t now_us;	       /* wall time of the latest */
	bool over;

	uint32_t hosts; /* of the run */
	uint32_t hosts_ready, hosts_native, hosts_failed;
	uint64_t sent_files, sent_bytes;
	int64_t slowest_us;
	char *slowest;
	bool hosts_told;
	struct ff_map pythons; /* told already */

	bool many_jobs;
	struct ff_map jobs; /* name -> struct terminal_job */
	struct ff_list job_list;
	struct ff_map running; /* key -> struct terminal_running */
	struct ff_list running_list;
	struct ff_map output;  /* key -> struct ff_buf: a line that has not ended yet */
	struct ff_map retried; /* units with an attempt that was not the last */
	int interrupts;

	uint32_t total, finished, failed, retries;
	int64_t first_unit_us;
	uint32_t steps_told; /* tenths of the total that had a progress line */
	int64_t progress_us; /* when the last one was */

	struct ff_buf errors, failures; /* rendered, for the end */
	uint32_t errors_len, errors_left_out, failures_left_out;
	uint32_t modules_skipped;
	struct ff_buf warnings;
	uint32_t warnings_len, warnings_left_out;
	struct ff_buf flaky;
	uint32_t flaky_len;

	int64_t drawn_us;			/* monotonic: the last frame of the block */
	int64_t anchor_wall_us, anchor_mono_us; /* the wall clock, as far as events tell */
};

/* SGR on and off, when colours are wanted. */
void terminal_paint(const struct terminal *t, struct ff_buf *out, const char *style);
void terminal_unpaint(const struct terminal *t, struct ff_buf *out);
void terminal_name(const struct terminal *t, struct ff_buf *out, const char *name);
/* "unit: " if the run has several jobs and the unit's name does not tell, then the unit. */
void terminal_unit(const struct terminal *t, struct ff_buf *out, const char *job, const char *unit);
const char *terminal_outcome_style(enum ff_outcome outcome);
const char *terminal_outcome_label(enum ff_outcome outcome);
/* A key for maps, valid until the next call. */
const char *terminal_key(struct terminal *t, const char *a, const char *b, const char *c);
/* NULL if `name` is NULL. */
struct terminal_job *terminal_job(struct terminal *t, const char *name);

/* terminal_lines.c: each appends to the screen's text. */
void terminal_say_host(struct terminal *t, const struct ff_event *event);
void terminal_say_hosts(struct terminal *t);
void terminal_say_worker(struct terminal *t, const struct ff_event *event);
void terminal_say_collected(struct terminal *t, const struct ff_event *event);
void terminal_say_unit(struct terminal *t, const struct ff_event *event);
void terminal_say_notice(struct terminal *t, const struct ff_event *event);
void terminal_say_output(struct terminal *t, const struct ff_event *event);
/* Lines of output of a finished unit that had no end. */
void terminal_end_output(struct terminal *t, const struct ff_event *event);
void terminal_say_progress(struct terminal *t);

/* terminal_end.c */
void terminal_keep_failure(struct terminal *t, const struct ff_event *event);
void terminal_keep_problem(struct terminal *t, const struct ff_event *event);
void terminal_keep_warning(struct terminal *t, const struct ff_event *event);
void terminal_keep_flaky(struct terminal *t, const struct ff_event *event);
void terminal_sections(struct terminal *t, const struct ff_result *result, struct ff_buf *out,
		       const char *indent);
void terminal_say_end(struct terminal *t, const struct ff_event *event);

/* live.c: the block's lines at wall time `now_us`; returns how many. */
unsigned terminal_live(struct terminal *t, int64_t now_us, struct ff_buf *block);

#endif
