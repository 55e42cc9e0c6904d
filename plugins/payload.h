/* Payloads: what a job runs on a worker. A payload is a codec: it writes the tasks and items that
 * go out, and turns the items that come back into calls of a sink. It has no I/O and keeps no run
 * state. */
#ifndef FF_PLUGINS_PAYLOAD_H
#define FF_PLUGINS_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "wire/serialize.h"
#include "wire/task.h"

/* What the job says, resolved; all borrowed. */
struct ff_payload_job {
	const char *name;
	char *const *args;	/* pytest's arguments, or a command's argv; NULL with `shell` */
	const char *shell;	/* command as shell text, or NULL */
	const char *cwd;	/* below the host's working directory, or absolute; NULL: there */
	char *const *env;	/* NAME=value, NULL-terminated */
	const char *stdin_text; /* NULL: /dev/null */
	int64_t timeout_us;	/* per unit; 0: none */
	int64_t grace_us;	/* between TERM and KILL */
	const char *dist;	/* policy name */
	const char *basetemp;	/* pytest: --basetemp; NULL: its own */
};

/* The worker it runs on. */
struct ff_payload_worker {
	const char *id; /* gw0 */
	uint32_t count; /* workers of the job */
	const char *run_id;
	const char *host;
};

/* What arrived, told to the runner. Everything is valid during the call. Sessions number their
 * units by index in collection order; a per-unit payload's only unit is 0. */
struct ff_payload_sink {
	/* The interpreter lacks something ("pytest"): the session ends by itself. */
	void (*missing)(void *ctx, const char *module, const char *executable, const char *text);
	/* The session's environment, to show once. */
	void (*started)(void *ctx, const char *python, const char *executable, const char *pytest,
			const char *const *header);
	/* Comes before `collected` if nothing of it will run (--collect-only). May be NULL. */
	void (*only_collects)(void *ctx);
	void (*collected)(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			  const char *rootdir);
	/* The unit names, on request; strings with NUL. */
	void (*ids)(void *ctx, const struct ff_value *list);
	void (*collect_problem)(void *ctx, const char *nodeid, const char *message,
				const char *longrepr, bool skipped);
	void (*unit_started)(void *ctx, uint32_t index);
	/* The running unit's end waits to hear what comes next; give units, `end` or `idle`. */
	void (*wants)(void *ctx);
	/* Units that it gave back when it was asked to; it will not run them. */
	void (*returned)(void *ctx, const uint32_t *indexes, size_t count);
	void (*unit_output)(void *ctx, uint32_t index, int stream, const char *bytes, size_t len);
	void (*unit_finished)(void *ctx, uint32_t index, const struct ff_result *result);
	/* level: "note", "warning", "error". file/line/category may be NULL/0. */
	void (*notice)(void *ctx, const char *level, const char *text, const char *category,
		       const char *file, int line);
	/* The session is over; `stop` says why it stopped early (-x), or NULL. usage: exit 2 is
	 * due. */
	void (*session_finished)(void *ctx, int exitstatus, const char *stop);
	/* A usage or internal error of the payload itself. */
	void (*session_error)(void *ctx, bool usage, const char *text);
};

enum ff_payload_shape {
	FF_PAYLOAD_PER_UNIT, /* one remote_exec per unit, on the host's foreman */
	FF_PAYLOAD_SESSION,  /* one long execution per slot, on a python gateway, given units by
				index */
};

struct ff_payload {
	const char *name; /* the job's key: "pytest", "run" */
	enum ff_payload_shape shape;
	/* Checks the job's arguments as far as that needs no host; NULL: nothing to check. */
	int (*check)(const struct ff_payload_job *job, struct ff_err *err);
	/* Makes the task. `native`: the worker has built-ins. *task's strings are static or live in
	 * arena. */
	int (*task)(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		    bool native, struct ff_arena *arena, struct ff_task *task, struct ff_err *err);
	/* Sessions: packs one item each (ff_pack_done included). */
	int (*ask_ids)(struct ff_pack *p);
	int (*run)(struct ff_pack *p, const uint32_t *indexes, size_t count);
	/* Asks for units back that have not begun; `returned` says which it could do without. */
	int (*take_back)(struct ff_pack *p, const uint32_t *indexes, size_t count);
	int (*end)(struct ff_pack *p);	/* nothing more will come: finish what was given */
	int (*stop)(struct ff_pack *p); /* forget what was given but has not begun; `end` follows */
	int (*idle)(struct ff_pack *p); /* answers `wants` when there is nothing to give now */
	/* Per-unit: packs the item that ends a unit early (TERM, grace, KILL). */
	int (*kill)(struct ff_pack *p);
	/* Turns one item into calls of `sink`. FF_EPROTO: not an item of this payload. */
	int (*item)(const struct ff_value *item, const struct ff_payload_sink *sink, void *ctx,
		    struct ff_err *err);
};

/* NULL: no such payload. */
const struct ff_payload *ff_payload_find(const char *name);
/* All, NULL-terminated. */
extern const struct ff_payload *const ff_payloads[];

#endif
