/* Payloads: what a job runs on a worker. A payload is a codec: it writes the tasks and items that
 * go out, and turns the items that come back into calls of a sink. It has no I/O and keeps no run
 * state. The runner knows nothing of what is run: pytest, commands and whatever comes are told
 * apart by the parts of the vtable that they fill in. */
#ifndef FF_PLUGINS_PAYLOAD_H
#define FF_PLUGINS_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "wire/serialize.h"
#include "wire/task.h"
#include "wire/xspec.h"

/* What the job says, resolved; all borrowed. */
struct ff_payload_job {
	const char *name;
	char *const *args; /* pytest's arguments, or a command's argv; NULL with `shell` */
	const char *shell; /* command as shell text, or NULL */
	bool or_shell;	   /* argv is what a shell would make of a text: what can't be run is its */
	const char *cwd;   /* below the host's working directory, or absolute; NULL: there */
	char *const *env;  /* NAME=value, NULL-terminated */
	const char *stdin_text; /* NULL: /dev/null, or: */
	const void *stdin_bytes;
	size_t stdin_len;
	int64_t timeout_us;	/* per unit; 0: none */
	int64_t grace_us;	/* between TERM and KILL */
	int64_t output_cap;	/* bytes of output that are kept of a unit; 0: no limit */
	const char *dist;	/* policy name; NULL: not said */
	const char *collect;	/* "shard", "every" or "auto": see struct ff_payload_session */
	const char *front;	/* "auto", "always" or "never": see struct ff_payload_front */
	bool addopts_read;	/* what PYTEST_ADDOPTS says is among `args` already */
	const char *testrunuid; /* NULL: the run's id */
	/* Which part of the units is to run, of how many, from 1; 0: all. With it what earlier runs
	 * tell of units (ff_expect_known). */
	uint32_t shard, shards;
	const void *known;
	size_t known_len;
	int64_t repeat; /* each unit is there so often; 0: once, -1: as often as it can be */
	/* Just these units, by name, in this order, also one that is there twice: what a worker of
	 * an earlier run did. `sequence_apart`: nothing else is collected, as far as that can be
	 * told. NULL: all. */
	char *const *sequence;
	bool sequence_apart;
	bool memory;		     /* results are to tell what units took of it */
	const char *sequence_worker; /* whose they were: the session takes itself for that one */
	uint32_t sequence_workers;   /* of so many */
	unsigned columns;	     /* of the terminal where failures are shown; 0: unknown */
	const char *unit;	     /* of a payload that discovers: the one to run; else NULL */
	const char *detail;	     /* and what `details` told of it; NULL: nothing */
};

/* The worker it runs on. */
struct ff_payload_worker {
	const char *id; /* gw0 */
	uint32_t count; /* workers of the job */
	const char *run_id;
	const char *host;
	bool native;  /* it has built-ins; else the task must bring its own source */
	bool imports; /* of a session: it is to tell `imported` */
	bool uneven;  /* some of its units are known to take much longer than others */
	bool hungry;  /* some are known to take so much memory that not all fit beside others */
	/* Suites, by what they told of themselves as fact "suite", that were found to come out the
	 * same where units are collected part by part; NULL-terminated, or NULL. */
	char *const *sharded;
	int64_t memory,
		cpu;	 /* of a `run`: bytes, thousandths of a CPU that it may take; 0: no limit */
	uint32_t follow; /* of a `run` on a native one: it is to begin when the execution with
			  * this channel has ended; 0: at once */
};

/* What a session's own settings say of how it is spread. */
struct ff_payload_settings {
	const char *dist; /* a policy's name; NULL: not said */
	int64_t workers;  /* -1: not said */
	bool scopes;	  /* it knows itself what belongs together */
	bool driven;	  /* its front hands units out: see struct ff_front_sink */
	/* Lines, NULL-terminated: what is to be said; what of pytest's settings and hooks has no
	 * effect, unless who started the run reads them. */
	const char *const *notes, *const *vain;
};

/* What a unit asks for, in the test's own words. */
struct ff_payload_mark {
	uint32_t unit;		      /* its index; of a part's: its place there */
	bool bound;		      /* it needs more than a worker; else only limits are said */
	bool serial;		      /* nothing else of the job runs beside it */
	const char *group;	      /* units of one group stay on one worker; NULL */
	const char *host;	      /* a pattern of hosts that it may run on; NULL: any */
	const char *const *resources; /* of each one at a time is in use; NULL-terminated */
	int64_t weight;		      /* workers of its host that it takes; at least 1 */
	int64_t memory;		      /* bytes; 0: not said */
	int64_t timeout_us, retries;  /* its own; -1: the job's */
	/* Of a discovery's. Indexes of units that must have come to their end before, and of those
	 * that must have passed, or been skipped, else this one is not run. */
	const uint32_t *after, *needs;
	size_t after_len, needs_len;
	const char *skip; /* it is not run: why; NULL */
};

/* Something to be told beside results. */
struct ff_payload_notice {
	const char *level; /* "note", "warning", "error", "property": name=value, for reports */
	const char *text;
	/* Of a warning: its kind (NULL: it is none), the place that is warned of with the line
	 * there, the unit that was running when it came. All but the kind may be NULL or 0. */
	const char *category, *file, *source, *unit;
	int line;
	uint32_t nth; /* that its session gave alike, outside of units */
};

/* What arrived, told to the runner. Everything is valid during the call. Sessions and discoveries
 * number their units by index; the only unit of a `run` is 0. A member may be NULL where the
 * payload never calls it. */
struct ff_payload_sink {
	/* The worker lacks something that no other try will bring ("no module named pytest"): the
	 * session ends by itself, and none is started on its host again. */
	void (*missing)(void *ctx, const char *text);
	/* The session's environment: in words, as facts, and lines to show once. */
	void (*started)(void *ctx, const char *words, const struct ff_fact *facts, size_t facts_len,
			const char *const *header);
	/* Comes before `collected` if nothing of it will run (--collect-only). */
	void (*only_collects)(void *ctx);
	void (*collected)(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			  const char *rootdir);
	/* Comes before `collected` if the session knows its units part by part: so many parts
	 * (files). `collected` has the digest of these then, and no units; what `ids` tells, on
	 * request, is the parts' names. `go_on`: the others run if one of them can't be collected.
	 */
	void (*in_parts)(void *ctx, uint32_t parts, bool go_on);
	/* What each part is expected to cost, before their names; numbers. */
	void (*costs)(void *ctx, const struct ff_value *list);
	/* Files that its units come from, before `ids`, or before `part`: names, what their content
	 * is (a number; 0: unknown), and how many µs it took to collect them (0: not yet). */
	void (*sources)(void *ctx, const struct ff_value *names, const struct ff_value *contents,
			const struct ff_value *us);
	/* It has collected a part that it was given units of: so many, which have the next indexes
	 * from 0 on in this session. Their names, as strings; NULL: the digest is that of the
	 * order.
	 */
	void (*part)(void *ctx, uint32_t part, const char *digest, const struct ff_value *names,
		     uint32_t count, uint32_t deselected);
	/* How the session's own settings want its units to be spread; before `collected`. */
	void (*settings)(void *ctx, const struct ff_payload_settings *settings);
	/* What each unit belongs to, before `ids`, if the settings said so; strings. */
	void (*scopes)(void *ctx, const struct ff_value *list);
	/* Units that ask for something, in order; before `ids`, or before `part` (`part`: its
	 * number; else UINT32_MAX). A part that is given as a whole has its bound units not begun:
	 * they come one by one, to whoever. */
	void (*marks)(void *ctx, uint32_t part, const struct ff_payload_mark *marks, size_t len);
	/* Of a discovery, before `ids`: for each unit a text that `run` is given with it. */
	void (*details)(void *ctx, const struct ff_value *list);
	/* The unit names, on request; strings. */
	void (*ids)(void *ctx, const struct ff_value *list);
	void (*collect_problem)(void *ctx, const char *nodeid, const char *message,
				const char *longrepr, bool skipped);
	void (*unit_started)(void *ctx, uint32_t index);
	/* The running unit's end waits to hear what comes next; give units, `end` or `idle`. */
	void (*wants)(void *ctx);
	/* What a session is at outside of units' own work, in words ("collecting test_a.py"); NULL:
	 * nothing of that kind. Like all that it says a sign that it lives. */
	void (*doing)(void *ctx, const char *words);
	/* About what one session sets up for others, `name`: of its host, or of the whole job
	 * (`run`): "ask" for its value, "have" it (text; one that was told to set it up), its setup
	 * has "failed" (text), "leave": it needs it no more, "done": it was told to tear it down,
	 * and has. */
	void (*once)(void *ctx, const char *word, const char *name, bool run, const char *text);
	/* Units that it gave back when it was asked to; it will not run them. Of a `run`: the one
	 * that was to follow another, and has not begun. */
	void (*returned)(void *ctx, const uint32_t *indexes, size_t count);
	void (*unit_output)(void *ctx, uint32_t index, int stream, const char *bytes, size_t len);
	/* A line of a session's running unit that is to be shown at once; it is nowhere else. */
	void (*unit_said)(void *ctx, uint32_t index, const char *line);
	void (*unit_finished)(void *ctx, uint32_t index, const struct ff_result *result);
	void (*notice)(void *ctx, const struct ff_payload_notice *notice);
	/* The session has said its last; its process may take its time to end. `exitstatus` is the
	 * payload's own, `bad` says that it is more than failed units account for (in words:
	 * `stop`); `stop` alone says why it stopped early (-x), or NULL. */
	void (*session_finished)(void *ctx, int exitstatus, bool bad, const char *stop);
	/* An error of the payload itself. `why`: FF_REASON_USAGE or FF_REASON_PAYLOAD. */
	void (*session_error)(void *ctx, enum ff_reason why, const char *text);
	/* A session asks for the job's front, before it collects, and waits for what that says to
	 * it (or for `end`). Why, in strings, and what the front is to know of it; NULL. */
	void (*needs_front)(void *ctx, const struct ff_value *reasons,
			    const struct ff_value *about);
	/* It goes on without one: what has no effect then, in strings. */
	void (*without)(void *ctx, const struct ff_value *reasons);
	/* For the front, which alone understands it. */
	void (*to_front)(void *ctx, const struct ff_value *value);
	/* What the session has loaded, for `template` in the next run on its host. */
	void (*imported)(void *ctx, const char *text);
};

/* What has to be found out on a host before the payload can run there: which interpreter, say. */
struct ff_payload_probe {
	/* The command that looks; run once per host by its foreman. 1: nothing to look for on a
	 * host with this spec; 0: *shell is what to run (static, or in arena). */
	int (*command)(const struct ff_xspec *spec, struct ff_arena *arena, const char **shell);
	/* Reads what it printed into facts (strings in arena; `python` is the interpreter that
	 * sessions are started with). `note`: words worth telling, or left empty. Negative: nothing
	 * on this host will do; `err` says what was looked for and what was found. */
	int (*read)(const char *text, size_t len, struct ff_arena *arena, struct ff_fact **facts,
		    size_t *facts_len, struct ff_buf *note, struct ff_err *err);
};

/* Units of a job, found once per job on one host before any is run. */
struct ff_payload_discover {
	int (*task)(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err);
};

/* What an execution says, read with a memory of its own: by a payload that judges a unit by what it
 * has printed, or finds units in that. */
struct ff_payload_reader {
	/* `job` is as the task's (with `unit` it runs one, else it discovers); borrowed only during
	 * the call. NULL: out of memory. */
	void *(*open)(const struct ff_payload_job *job);
	/* As struct ff_payload's. */
	int (*item)(void *reader, const struct ff_value *item, const struct ff_payload_sink *sink,
		    void *ctx, struct ff_err *err);
	void (*close)(void *reader);
};

/* One unit, by one remote_exec on the host's foreman. */
struct ff_payload_run {
	int (*task)(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err);
	/* Packs the item that ends the unit early (TERM, grace, KILL). */
	int (*kill)(struct ff_pack *p);
	/* Asks for it back unless it has begun: `returned` answers, or nothing. */
	int (*take_back)(struct ff_pack *p);
};

/* One long execution per slot, on a python gateway, given units by index. Each packs one item,
 * ff_pack_done included. */
struct ff_payload_session {
	int (*task)(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err);
	int (*ask_ids)(struct ff_pack *p);
	int (*run)(struct ff_pack *p, const uint32_t *indexes, size_t count);
	/* Of one that knows its units part by part, instead of `run`: units of a part by their
	 * place in it (NULL: all), which it collects first unless it has. `digest`: what must come
	 * of that, or none is run; NULL: anything. NULL if no session has parts. */
	int (*run_part)(struct ff_pack *p, uint32_t part, const char *digest,
			const uint32_t *places, size_t count);
	/* Asks for units back that have not begun; `returned` says which it could do without. */
	int (*take_back)(struct ff_pack *p, const uint32_t *indexes, size_t count);
	int (*end)(struct ff_pack *p);	/* nothing more will come: finish what was given */
	int (*stop)(struct ff_pack *p); /* forget what was given but has not begun; `end` follows */
	int (*idle)(struct ff_pack *p); /* answers `wants` when there is nothing to give now */
	/* Answers `once`: "ask" by "setup" (it is to do that, and to say "have" or "failed"),
	 * "value" or "error" (text), as soon as that is known; "leave" by "bye", or "teardown" for
	 * the last. NULL if no session says that. */
	int (*once)(struct ff_pack *p, const char *word, const char *name, bool run,
		    const char *text);
	/* Where in what a worker wrote on stderr before it died its cause begins; NULL: nowhere. */
	const char *(*cause)(const char *said);
	/* Text that makes an interpreter a template of workers (transport/open.h), from what one on
	 * the same host told by `imported` in an earlier run; in arena. NULL: not of that.
	 * *turn_us: how long such a worker's session needs a CPU, and hardly anything else, before
	 * its first unit; 0: unknown, or it waits for other things as well. The member may be NULL:
	 * nothing of it can be had beforehand. */
	const char *(*template)(const char *told, struct ff_arena *arena, int64_t *turn_us);
};

/* --- the front --- */

/* A worker, as its job's front is told of it. */
struct ff_front_worker {
	const char *id;
	const char *spec; /* of its host, as written */
	const char *host;
	const char *python, *chdir; /* what it runs with and where; NULL before it is there */
	bool local;
};

/* The run, as a front is told of it at its start. */
struct ff_front_run {
	const char *run_id;
	const struct ff_front_worker *workers; /* that are planned; more may come, or fewer */
	uint32_t workers_len;
	int64_t maxfail;	    /* 0: none */
	int64_t max_worker_restart; /* -1: none */
	int terminal;		    /* a descriptor that it inherits; -1: it sends its text */
	unsigned columns;	    /* of the terminal */
	int colour;		    /* -1: it finds out itself */
	bool joined;		    /* it is a session that the user has begun */
};

/* What a front is told. X(name): */
#define FF_FRONT_ITEM_MAP(X)                                                                       \
	X(WORKER) /* worker, node, value: it has asked; the front's answer is its first word to it \
		   */                                                                              \
	X(FROM)	  /* worker, value: what it sent to the front */                                   \
	X(UNIT)	  /* worker, unit, value, again: an attempt's end with the worker's own report */  \
	X(CRASH)  /* worker, unit or none, name, text, again: it died, while running that unit */  \
	X(LOST)	  /* unit, name, text: a unit that ended without any report */                     \
	X(DOWN)	  /* worker, text or NULL: its end; nothing more comes from it */                  \
	X(LINE)	  /* text: of ours, to be shown */                                                 \
	X(STOP)	  /* text: nothing more is begun */                                                \
	X(UP)	  /* worker: of a job that it drives; it may be given units */                     \
	X(BACK)	  /* worker, units: what it gave back when it was asked to */                      \
	X(SKIP)	  /* worker, unit: it is not run, it has its end already */                        \
	X(STUCK)  /* number: nothing goes on; so many workers are up, and more will not come */    \
	X(MORE) /* number, left: of units that become known part by part so many have, and so many \
		 * parts are yet to be collected */                                                \
	X(END)	/* again (interrupted), text: all is told, it is to finish */

enum ff_front_item_kind {
#define X(name) FF_FRONT_##name,
	FF_FRONT_ITEM_MAP(X)
#undef X
};

struct ff_front_item {
	enum ff_front_item_kind kind;
	const char *worker;
	const struct ff_front_worker *node;
	uint32_t unit;	/* its index; UINT32_MAX: none */
	uint32_t index; /* of the unit, as the session knows it that ran it; UINT32_MAX: none */
	const char *name, *text;
	const void *value; /* a packed item; NULL: there is none */
	size_t value_len;
	bool again;	       /* the unit will be run once more; END: the run was interrupted */
	const uint32_t *units; /* as the session knows them */
	size_t units_len;
	uint32_t number, left;
};

/* What a front says. Everything is valid during the call. */
struct ff_front_sink {
	void (*ready)(void *ctx, const char *rootdir, const char *const *header);
	/* Its word to a worker of the job, which alone understands it. */
	void (*to_worker)(void *ctx, const char *worker, const struct ff_value *value);
	/* What becomes of the unit of a CRASH: `settled`, once for each that it was told with a
	 * unit, in that order; before it `again`, if the unit is to be run once more. */
	void (*again)(void *ctx, const char *name);
	void (*settled)(void *ctx, const char *name);
	/* Nothing more is to be begun: why. */
	void (*stop)(void *ctx, const char *text);
	/* Of a job that it drives, about workers that it was told are up: gives them units, which
	 * wait; asks for some back (BACK answers); has nothing more for them. */
	void (*gives)(void *ctx, const char *worker, const uint32_t *indexes, size_t count);
	void (*steals)(void *ctx, const char *worker, const uint32_t *indexes, size_t count);
	void (*dismisses)(void *ctx, const char *worker);
	/* A unit that waits is not going to be given to anybody: why. */
	void (*gives_up)(void *ctx, uint32_t index, const char *text);
	/* It has done all that follows from the first `count` items that it was told. */
	void (*heard)(void *ctx, uint32_t count);
	/* For the user, if it has no terminal. */
	void (*text)(void *ctx, const char *text, size_t len);
	void (*notice)(void *ctx, const char *level, const char *text);
	/* As session_error; `finished` follows. */
	void (*error)(void *ctx, enum ff_reason why, const char *text);
	/* Its last word, after END or before: the payload's exit status for the whole job. `bad`:
	 * it is more than units account for (in words: `words`, or NULL). */
	void (*finished)(void *ctx, int exitstatus, bool bad, const char *words);
};

/* The front: one long execution per job that needs one, on a python gateway of the machine that
 * controls the run. It stands for the whole run what a session stands for its worker, and tells its
 * own story of it. The runner starts it when the first session asks, relays what it and the
 * sessions say to each other without looking at it, tells it what became of units and workers, and
 * ends the job when it has said its last. */
struct ff_payload_front {
	int (*task)(const struct ff_payload_job *job, const struct ff_front_run *run,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err);
	/* Each packs one item, ff_pack_done included: to the front, and its word to a session. */
	int (*tell)(struct ff_pack *p, const struct ff_front_item *item);
	int (*pass_on)(struct ff_pack *p, const void *value, size_t len);
	/* As struct ff_payload's, for what the front sends. */
	int (*item)(const struct ff_value *item, const struct ff_front_sink *sink, void *ctx,
		    struct ff_err *err);
};

/* How a job ended, for a run of nothing else. */
struct ff_job_end {
	enum ff_reason why; /* that the job as a whole failed, or ended early */
	bool bad;	    /* units are, or what was collected */
	bool not_collected; /* not all could be, and nothing ran */
	bool interrupted;
	int session_status; /* of the session that ended it; 0 */
	int front_status;   /* -1: it had no front that came to its end */
	int run_status;	    /* what the run would end with among others: 0 if all is well */
};

struct ff_reporter; /* report/reporter.h */

struct ff_payload {
	const char *name; /* the job's key: "pytest", "run" */
	/* What follows each run with such jobs, beside the reports, for files that the next one
	 * reads; NULL: nothing. `here` (copied) is where the controlling machine has what workers
	 * have in their working directory; trouble is told to `complain`, and fails no run. */
	struct ff_reporter *(*follow)(const char *here, void (*complain)(const char *text));
	/* Checks the job's arguments as far as that needs no host; NULL: nothing to check. */
	int (*check)(const struct ff_payload_job *job, struct ff_err *err);
	/* Exactly one of `run` and `session`; the others as needed. */
	const struct ff_payload_probe *probe;
	/* With `memory: auto`, of a payload without `probe`: what the host has, as the fact
	 * "memory", in bytes, or no fact. It never says that nothing will do. NULL: it is told by
	 * `started`. */
	const struct ff_payload_probe *memory;
	const struct ff_payload_discover *discover;
	const struct ff_payload_run *run;
	const struct ff_payload_session *session;
	const struct ff_payload_front *front; /* of a session's; NULL: none asks for it */
	/* The exit status of a run of just this job, in the payload's own numbers. NULL: it has
	 * none. */
	int (*exit_status)(const struct ff_job_end *end);
	/* Reads executions (of `run` and `discover`) instead of `item`; NULL: `item` does. */
	const struct ff_payload_reader *reader;
	/* Turns one item into calls of `sink`. FF_EPROTO: not an item of this payload. */
	int (*item)(const struct ff_value *item, const struct ff_payload_sink *sink, void *ctx,
		    struct ff_err *err);
};

/* NULL: no such payload. */
const struct ff_payload *ff_payload_find(const char *name);
/* All, NULL-terminated. */
extern const struct ff_payload *const ff_payloads[];

#endif
