/* The terminal reporter's own state, shared by its files: terminal.c (events), terminal_lines.c
 * (what is said at once of units), terminal_hosts.c (of hosts and workers), terminal_end.c (what is
 * said at the end), terminal_warnings.c and live.c (the block that is redrawn). */
#ifndef FF_REPORT_TERMINAL_H
#define FF_REPORT_TERMINAL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/strv.h"
#include "report/alike.h"
#include "report/reporter.h"
#include "report/screen.h"
#include "report/slow.h"

enum {
	FF_TERMINAL_NOT_RUN_NAMES = 5,	/* of what did not run, of a job */
	FF_TERMINAL_HOST_LINES = 20,	/* more hosts than these are summarised */
	FF_TERMINAL_JOB_LINES = 200,	/* jobs that the end has a line for, save failed ones */
	FF_TERMINAL_COMMAND_LINES = 20, /* a job of up to so many commands shows those that pass */
	FF_TERMINAL_NAME_COLUMNS = 400, /* longer names and messages are cut */
	FF_TERMINAL_FAILURES_MAX = 16 << 20,	/* bytes of failures' text kept for the end */
	FF_TERMINAL_WARNINGS_MAX = 1 << 20,	/* the same for warnings */
	FF_TERMINAL_FLAKY_MAX = 1000,		/* units listed as flaky */
	FF_TERMINAL_LOST_MAX = 20,		/* units listed as lost */
	FF_TERMINAL_TELLS_MAX = 50,		/* entries of each list of terminal_tells.c */
	FF_TERMINAL_OUTPUT_LINE_MAX = 16 << 10, /* a longer line of output is shown in pieces */
};

#define FF_TERMINAL_RED	   "31"
#define FF_TERMINAL_GREEN  "32"
#define FF_TERMINAL_YELLOW "33"
#define FF_TERMINAL_BLUE   "34"

struct ff_terminal_glyphs {
	const char *thin, *thick, *ellipsis, *dot;
};

/* How a host stands, for the summary. */
enum ff_terminal_host_state {
	FF_TERMINAL_HOST_COMING,
	FF_TERMINAL_HOST_READY,
	FF_TERMINAL_HOST_AWAY,
	FF_TERMINAL_HOST_FAILED,
	FF_TERMINAL_HOST_LOST,
	FF_TERMINAL_HOST_LEFT,
};

struct ff_terminal_host {
	struct ff_list node;
	char *name;
	enum ff_terminal_host_state state;
	char *reason;	/* of its last failure; NULL: none */
	char *unusable; /* why no worker starts there; NULL: one does, or none was wanted */
	char *unfit_for, *unfit; /* a payload that can't run there, and why */
	bool was_ready;		 /* at some time */
	bool worked;		 /* a worker of it started, or a unit */
	uint32_t slots;		 /* as it was last told */
	uint32_t attempts, lost; /* that have ended there; of these lost with it */
	int64_t busy_us;	 /* that they took */
};

enum { FF_TERMINAL_ASKED_MAX = 16 };

struct ff_terminal_job {
	struct ff_list node;
	char *name;
	char *kind;   /* its payload; NULL: unknown */
	bool command; /* its units are commands, not tests */
	bool told;    /* how many units it has */
	bool begun;
	uint32_t total, not_run;
	uint32_t parts; /* files whose tests become known when they are run; 0: all are known */
	uint32_t parts_not_run;
	struct ff_strv not_run_names; /* the first of them, units or files */
	bool over;
	enum ff_job_result result;
	enum ff_reason why;
	char *reason;	/* NULL: none */
	char *shard[3]; /* that it was, of its tests so many, and left to others; NULL: not told */
	bool front;	/* it tells its own story */
	struct {
		/* As pytest has them; "": by default. */
		char tb[FF_TERMINAL_ASKED_MAX], capture[FF_TERMINAL_ASKED_MAX],
			chars[FF_TERMINAL_ASKED_MAX], durations[FF_TERMINAL_ASKED_MAX],
			durations_min[FF_TERMINAL_ASKED_MAX], no_header[FF_TERMINAL_ASKED_MAX],
			no_summary[FF_TERMINAL_ASKED_MAX];
	} asked;
	struct ff_buf line, withheld; /* of that, unfinished; failures, in case it does not */
};

struct ff_terminal_duration;

struct ff_terminal_durations {
	bool asked;
	size_t count;	/* to be listed; 0: all */
	double least_s; /* those that took less are not */
	size_t seen;
	struct ff_terminal_duration *v;
	size_t len, cap;
};

#define FF_TERMINAL_CHARS "wfE" /* of -r, where nothing is said */

struct ff_terminal_running {
	struct ff_list node; /* in the order of their start */
	char *job, *unit, *host, *worker;
	uint32_t index;
	int64_t started_us;
	struct ff_buf line; /* what it wrote last; bounded */
	bool line_ended;    /* what comes next is another line */
};

/* Of terminal_tells.c: what failures have in common, and since when they fail. */
struct ff_terminal_tells {
	struct ff_alike alike;
	bool compared; /* with earlier runs */
	struct ff_buf fresh, old;
	uint32_t fresh_len, old_len;
};

/* Where it writes, and how; the options with all questions answered. */
struct ff_terminal_setup {
	struct ff_writer_opts writer;
	bool tty; /* a block may be redrawn */
	bool colour;
	int verbosity;
	unsigned columns;     /* that the user asked for; 0: the terminal's own */
	bool runs, few_tests; /* as in the options */
	bool front;	      /* the job's may have the same terminal */
	int64_t (*left_us)(void *ctx, int64_t units_us); /* as in the options, all three */
	bool (*known)(void *ctx, const char *kind, const char *unit, struct ff_report_known *known);
	bool (*green)(void *ctx, struct ff_report_green *green);
	void *ctx;
};

/* Whose the terminal is. */
enum ff_terminal_voice {
	FF_TERMINAL_OWN,
	FF_TERMINAL_HELD,   /* a front may come: what there is to say waits */
	FF_TERMINAL_SILENT, /* it is the front's */
};

struct ff_terminal {
	struct ff_reporter base;
	struct ff_terminal_setup setup;
	struct ff_screen screen;
	const struct ff_terminal_glyphs *glyphs;
	enum ff_terminal_voice voice;
	struct ff_writer *aside;  /* to stderr; NULL: nothing went there */
	struct ff_buf aside_text; /* for it, in case that a front comes */
	struct ff_buf scratch;	  /* keys */
	int64_t started_us;	  /* wall time of the first event */
	int64_t now_us;		  /* wall time of the latest */
	bool over;

	uint32_t hosts;		/* of the run */
	struct ff_map host_map; /* name -> struct ff_terminal_host */
	struct ff_list host_list;
	uint32_t hosts_ready, hosts_native, hosts_failed; /* each counted once */
	uint64_t sent_files, sent_bytes;
	int64_t slowest_us;
	char *slowest;
	bool hosts_told;
	struct ff_map words;	/* of workers, told already */
	struct ff_map starting; /* workers that are opening */

	bool many_jobs;
	struct ff_map jobs; /* name -> struct ff_terminal_job */
	struct ff_list job_list;
	struct ff_map running; /* key -> struct ff_terminal_running */
	struct ff_list running_list;
	struct ff_map output;  /* key -> struct ff_buf: a line that has not ended yet */
	struct ff_map retried; /* units with attempts before the last -> their lines, a text */
	int interrupts;
	bool stopping;

	uint32_t total, finished, failed, retries, before;
	int64_t first_unit_us;
	uint32_t steps_told; /* tenths of the total that had a progress line */
	int64_t progress_us; /* when the last one was */

	struct ff_buf errors, failures, passes; /* rendered, for the end */
	struct ff_buf summary;			/* a line for each of them */
	uint32_t deselected;
	uint32_t errors_len, errors_left_out, failures_left_out;
	uint32_t modules_skipped;
	struct ff_map warning_map; /* of terminal_warnings.c */
	struct ff_list warning_list;
	size_t warnings_size;
	uint32_t warnings_len, warnings_left_out;
	struct ff_buf flaky;
	uint32_t flaky_len;
	struct {
		struct ff_map units; /* key -> what is kept of it: terminal_lost.c */
		struct ff_list list;
		uint32_t len, more; /* units kept; losses of others */
	} lost;
	struct ff_terminal_durations durations;
	struct ff_slow *slow; /* where the time went; NULL: nobody asks for it */
	bool slow_settled;    /* whether somebody does */
	struct ff_terminal_tells tells;
	struct {
		struct ff_buf failures, summary; /* which parts of them are whose: terminal_few.c */
		uint32_t commands;		 /* failures of these */
		char *run_id;
	} few;
	struct {
		uint64_t files, bytes;
		char *folder; /* that all are in; NULL */
	} artifacts;

	int64_t drawn_us;			/* monotonic: the last frame of the block */
	int64_t anchor_wall_us, anchor_mono_us; /* the wall clock, as far as events tell */
	int64_t heard_us;			/* monotonic: the latest event */
};

struct ff_reporter *ff_terminal_new(const struct ff_terminal_setup *setup);

/* SGR on and off, when colours are wanted. */
void ff_terminal_paint(const struct ff_terminal *t, struct ff_buf *out, const char *style);
void ff_terminal_unpaint(const struct ff_terminal *t, struct ff_buf *out);
void ff_terminal_name(const struct ff_terminal *t, struct ff_buf *out, const char *name);
/* A whole text of somebody else's in one line; NULL: "for no known reason". */
void ff_terminal_reason(struct ff_buf *out, const char *reason);
/* "unit: " if the run has several jobs and the unit's name does not tell, then the unit. */
void ff_terminal_unit(const struct ff_terminal *t, struct ff_buf *out, const char *job,
		      const char *unit);
/* " [build1 gw3]" */
void ff_terminal_place(const struct ff_terminal *t, struct ff_buf *out,
		       const struct ff_event *event);
const char *ff_terminal_outcome_style(enum ff_outcome outcome);
const char *ff_terminal_outcome_label(enum ff_outcome outcome);
/* A key for maps, valid until the next call. */
const char *ff_terminal_key(struct ff_terminal *t, const char *a, const char *b, const char *c);
/* The same for a unit, `stream` as the part of it (0: the unit itself). */
const char *ff_terminal_unit_key(struct ff_terminal *t, const char *job, uint32_t index,
				 int stream);
/* NULL if `name` is NULL. */
struct ff_terminal_job *ff_terminal_job(struct ff_terminal *t, const char *name);

/* terminal_hosts.c: each appends to the screen's text. */
struct ff_terminal_host *ff_terminal_host(struct ff_terminal *t, const char *name);
/* An error that is a host's own: if no worker ever starts there, the end says why. */
void ff_terminal_blame_host(struct ff_terminal *t, const char *name, const char *why);
void ff_terminal_say_host(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_hosts(struct ff_terminal *t);
void ff_terminal_say_worker(struct ff_terminal *t, const struct ff_event *event);
/* The end's list of hosts that are not all right. */
void ff_terminal_say_lost_hosts(struct ff_terminal *t);
/* An attempt has ended on the event's host. */
void ff_terminal_use(struct ff_terminal *t, const struct ff_event *event, int64_t took_us,
		     bool lost);
/* What all have had, where there are several; the run took `took_us`. */
void ff_terminal_say_use(struct ff_terminal *t, int64_t took_us);
/* Says a line of our own words and empties it: broken between words where it is wider than the
 * screen is known to be, further lines behind `indent`. */
void ff_terminal_wrap(struct ff_terminal *t, struct ff_buf *line, const char *indent);
void ff_terminal_free_hosts(struct ff_terminal *t);

/* terminal_lines.c: likewise. */
void ff_terminal_say_size(struct ff_terminal *t, const struct ff_event *event, uint32_t deselected);
void ff_terminal_say_unit(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_lost_unit(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_notice(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_output(struct ff_terminal *t, const struct ff_event *event);
/* Lines of output of a unit that runs no more and had no end. */
void ff_terminal_end_output(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_progress(struct ff_terminal *t);

/* terminal_front.c */
/* What is in `aside_text` goes to stderr. */
void ff_terminal_pass_stderr(struct ff_terminal *t);
/* Whether nothing is shown now. */
bool ff_terminal_hushed(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_front_started(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_front_text(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_front_finished(struct ff_terminal *t, const struct ff_event *event);
bool ff_terminal_has_front(struct ff_terminal *t, const struct ff_event *event);
/* What was added to the failures since they were `before` long is not shown at the end. */
void ff_terminal_withhold(struct ff_terminal *t, const struct ff_event *event, size_t before);

/* terminal_end.c */
void ff_terminal_keep_failure(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_keep_problem(struct ff_terminal *t, const struct ff_event *event);
/* `attempts`: lines of what went wrong before. */
void ff_terminal_keep_flaky(struct ff_terminal *t, const struct ff_event *event,
			    const char *attempts);
/* One that is not bad, if somebody asked for that. */
void ff_terminal_keep_good(struct ff_terminal *t, const struct ff_event *event);
/* A heading over the whole width; style NULL: none. */
void ff_terminal_say_title(struct ff_terminal *t, const char *style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Failures whose texts there was no room for. */
void ff_terminal_say_left_out(struct ff_terminal *t, uint32_t left_out);
void ff_terminal_say_end(struct ff_terminal *t, const struct ff_event *event);

/* terminal_running.c */
void ff_terminal_running_started(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_running_output(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_running_ended(struct ff_terminal *t, const char *job, uint32_t index);
/* Whatever ran there runs no more; NULL: any. */
void ff_terminal_running_gone(struct ff_terminal *t, const char *job, const char *host,
			      const char *worker);
/* What runs where since when, with its last line, and what waits. */
void ff_terminal_tell_running(struct ff_terminal *t, struct ff_buf *out);

/* terminal_asked.c: what is asked for by the options of a job's sessions. */
enum ff_terminal_traceback { FF_TERMINAL_TRACEBACK, FF_TERMINAL_LINE, FF_TERMINAL_NO_TRACEBACK };
void ff_terminal_hear_asked(struct ff_terminal *t, const struct ff_event *event);
/* Whether -r has that letter; of the job, or of any. */
bool ff_terminal_wants(struct ff_terminal *t, const char *job, char what);
bool ff_terminal_somebody_wants(struct ff_terminal *t, char what);
enum ff_terminal_traceback ff_terminal_traceback(struct ff_terminal *t, const char *job);
bool ff_terminal_shows_section(struct ff_terminal *t, const char *job, const char *title);
/* Whether --no-summary is given for all that ran. */
bool ff_terminal_no_summary(const struct ff_terminal *t);

/* terminal_durations.c */
void ff_terminal_keep_durations(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_durations(struct ff_terminal *t);
void ff_terminal_free_durations(struct ff_terminal *t);
/* Every event; and at the end where the time went, if some job's sessions asked for durations. */
void ff_terminal_hear_times(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_times(struct ff_terminal *t);

/* terminal_tells.c: of a unit's last attempt that was bad; and the end's words of all of them. */
/* Gives whether it is to be shown as a whole: with `runs` not if one like it was. */
/* `alike`: how many there are by now that are of its cause; 0: it is not compared. */
bool ff_terminal_tell_failure(struct ff_terminal *t, const struct ff_event *event, uint32_t *alike);
void ff_terminal_say_tells(struct ff_terminal *t);
/* A property of a job that tells which of its units are run here. */
void ff_terminal_hear_shard(struct ff_terminal *t, const struct ff_event *event);
/* --- terminal_few.c: what the end shows of many failures --- */
/* After a unit's texts were kept: how long both were `failures` and `summary` before. */
void ff_terminal_keep_few(struct ff_terminal *t, const struct ff_event *event, uint32_t alike,
			  size_t failures, size_t summary);
/* Whether there are so many that of those that are alike one is shown. */
bool ff_terminal_shows_few(const struct ff_terminal *t);
/* Whether there are so many that only some causes are, and all lists are short. */
bool ff_terminal_shows_many(const struct ff_terminal *t);
void ff_terminal_say_few_failures(struct ff_terminal *t);
void ff_terminal_say_few_lines(struct ff_terminal *t);
void ff_terminal_free_few(struct ff_terminal *t);

/* --- terminal_lost.c --- */
void ff_terminal_keep_lost(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_lost_units(struct ff_terminal *t);
void ff_terminal_free_lost(struct ff_terminal *t);

/* --- terminal_setup.c --- */
void ff_terminal_say_setup(struct ff_terminal *t, const struct ff_event *event);

/* --- terminal_artifacts.c --- */
void ff_terminal_hear_artifacts(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_hear_job_artifacts(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_artifacts(struct ff_terminal *t);
void ff_terminal_free_artifacts(struct ff_terminal *t);

void ff_terminal_free_tells(struct ff_terminal *t);
/* An attempt that was not the last is kept for the list of flaky units. */
void ff_terminal_keep_attempt(struct ff_terminal *t, const struct ff_event *event);

/* terminal_before.c */
void ff_terminal_units_before(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_unit_before(struct ff_terminal *t, const struct ff_event *event);

/* terminal_warnings.c */
void ff_terminal_keep_warning(struct ff_terminal *t, const struct ff_event *event);
void ff_terminal_say_warnings(struct ff_terminal *t);
void ff_terminal_free_warnings(struct ff_terminal *t);

/* live.c: the block's lines at wall time `now_us`; returns how many. */
unsigned ff_terminal_live(struct ff_terminal *t, int64_t now_us, struct ff_buf *block);

#endif
