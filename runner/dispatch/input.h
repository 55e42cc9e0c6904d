/* What happened outside, as a value that owns what it carries. Callbacks make inputs and put them
 * in the queue; they do nothing else. */
#ifndef FF_DISPATCH_INPUT_H
#define FF_DISPATCH_INPUT_H

#include "base/arena.h"
#include "event/event.h"
#include "event/mask.h"
#include "payload.h"
#include "wire/value.h"

/* Inputs name what they are about by numbers, and are checked against what is known: one that comes
 * late, twice or for something that is over changes nothing.
 *   host, tries       which opening of the host
 *   worker            a record's number (state.h)
 *   job               of FRONT_…: the job whose front it is
 *   execution         the number that decide gave to a RUN or DISCOVER order
 * X(name): */
#define FF_INPUT_MAP(X)                                                                            \
	X(START)       /* once, first */                                                           \
	X(TICK)	       /* a deadline has passed */                                                 \
	X(SIGNAL)      /* somebody wants the run to end */                                         \
	X(GAP)	       /* our own process stood still for a while: hosts are not to blame */       \
	X(FULL)	       /* reporters can't take more for the moment */                              \
	X(DRAINED)     /* they can again */                                                        \
	X(DISK)	       /* the journal, or a report that must be, can't be written */               \
	X(WARNED)      /* something worth a notice, from nowhere in particular */                  \
	X(BEFORE)      /* an attempt of a unit, as an earlier run told it */                       \
	X(BEFORE_TOLD) /* job: no more of these come */                                            \
	X(CANCEL)      /* somebody wants some of it no more */                                     \
	X(UNITS)       /* of a job that is open, have come */                                      \
	X(HOST_OPENED)                                                                             \
	X(HOST_SYNCED)                                                                             \
	X(HOST_SET_UP)                                                                             \
	X(HOST_TORN_DOWN)                                                                          \
	X(HOST_PROBED)                                                                             \
	X(HOST_ENDED) /* could not be opened, or its connection is gone */                         \
	X(HOST_SAID)  /* a line on its stderr */                                                   \
	X(WORKER_OPENED)                                                                           \
	X(WORKER_ENDED) /* could not be opened, or its process or execution has ended */           \
	X(WORKER_SAID)                                                                             \
	X(SESSION_STARTED)                                                                         \
	X(SESSION_MISSING)                                                                         \
	X(SESSION_ONLY_COLLECTS)                                                                   \
	X(SESSION_SETTINGS) /* before COLLECTED */                                                 \
	X(SESSION_WANTS)                                                                           \
	X(SESSION_RETURNED)                                                                        \
	X(SESSION_FINISHED)                                                                        \
	X(SESSION_ERROR)                                                                           \
	X(COLLECTED)                                                                               \
	X(SESSION_IN_PARTS) /* before COLLECTED, if at all */                                      \
	X(SCOPES)	    /* before IDS, if at all */                                            \
	X(MARKS)	    /* before IDS or PART, if at all */                                    \
	X(SOURCES)	    /* the files of its units */                                           \
	X(COSTS)	    /* the same, of parts */                                               \
	X(PART)		    /* of units is known */                                                \
	X(IDS)                                                                                     \
	X(DETAILS) /* of units that were discovered; before IDS */                                 \
	X(PROBLEM)                                                                                 \
	X(NOTICE)                                                                                  \
	X(UNIT_STARTED)	 /* of a session */                                                        \
	X(UNIT_SAID)	 /* of a session */                                                        \
	X(UNIT_FINISHED) /* of a session */                                                        \
	X(SESSION_ONCE)                                                                            \
	X(SESSION_DOING)                                                                           \
	X(SESSION_NEEDS_FRONT)                                                                     \
	X(SESSION_WITHOUT_FRONT)                                                                   \
	X(SESSION_TO_FRONT)                                                                        \
	X(FRONT_READY)                                                                             \
	X(FRONT_TO_WORKER)                                                                         \
	X(FRONT_SETTLED)                                                                           \
	X(FRONT_AGAIN)                                                                             \
	X(FRONT_STOP)                                                                              \
	X(FRONT_GIVES) /* of a job that it drives, and so are the next four */                     \
	X(FRONT_STEALS)                                                                            \
	X(FRONT_DISMISSES)                                                                         \
	X(FRONT_GIVES_UP) /* unit */                                                               \
	X(FRONT_HEARD)                                                                             \
	X(FRONT_TEXT)                                                                              \
	X(FRONT_ERROR)                                                                             \
	X(FRONT_FINISHED)                                                                          \
	X(FRONT_ENDED) /* could not be opened, or has ended without its last word */               \
	X(FRONT_NOTICE)                                                                            \
	X(FRONT_SAID)                                                                              \
	X(FRONT_FULL)	 /* so much waits to be read by it that workers have to wait */            \
	X(FRONT_DRAINED) /* not any more */                                                        \
	X(FRONT_HELD)	 /* nobody reads what it writes: it can't go on */                         \
	X(EXEC_OUTPUT)                                                                             \
	X(EXEC_FINISHED)                                                                           \
	X(EXEC_RETURNED) /* it was withdrawn before it had begun */                                \
	X(EXEC_FETCHED)	 /* what it has left is here, or can't be had */                           \
	X(EXEC_ENDED)	 /* without having finished; its host is still there */                    \
	X(DRAIN)	 /* somebody wants hosts to leave */                                       \
	X(HOST_COMES)	 /* host: the inventory has it now, or again; not before it has gone */    \
	X(HOST_LEAVES)	 /* host: it is not in the inventory any more; said.text: why */

enum ff_input_kind {
#define X(name) FF_INPUT_##name,
	FF_INPUT_MAP(X)
#undef X
		FF_INPUT_KINDS
};

struct ff_input {
	struct ff_input *next;
	enum ff_input_kind kind;
	uint32_t host, tries;
	uint32_t worker, execution, job;
	uint32_t unit; /* index, of UNIT_… and FRONT_GIVES_UP */
	struct ff_arena arena;
	union {
		struct {
			const char *request;	  /* told when it was taken */
			const char *const *names; /* of jobs and units; NULL-terminated */
		} cancel;			  /* and DRAIN, with names of hosts */
		struct {
			uint32_t count;
			bool open;	   /* more may come */
			const char *error; /* none will, for this; NULL */
		} units;
		struct {
			const char *text; /* WARNED, DISK, …_SAID, SESSION_MISSING,
					     SESSION_DOING (or NULL), FRONT_AGAIN,
					     FRONT_STOP, FRONT_TEXT, FRONT_GIVES_UP */
		} said;
		struct {
			const char *platform, *cwd;
			bool native;
			int64_t memory, cpu; /* all of it: bytes, thousandths; 0: unknown */
		} host_opened;
		struct {
			const char *error; /* NULL: in place */
			int code;
			bool for_good; /* no other try would help */
			uint64_t files, sent_files, sent_bytes, deleted, problems;
			const char *root;
		} host_synced;
		struct {
			bool skipped;	    /* it need not be run */
			const char *error;  /* NULL: it succeeded */
			const char *output; /* the end of what it printed; NULL */
		} set_up;		    /* HOST_SET_UP, HOST_TORN_DOWN */
		struct {
			uint32_t payload;  /* its number in ff_payloads */
			const char *error; /* NULL: fit */
			const char *note;  /* worth telling; NULL */
			int64_t memory;	   /* bytes that it has; 0: not looked for, or unknown */
		} host_probed;
		struct {
			const char *error;
			int code; /* FF_E…; 0: in order */
			struct ff_wait wait;
			bool host_lost;	  /* WORKER_ENDED: HOST_ENDED comes, or came */
			bool failed_open; /* WORKER_ENDED: it never was open */
			const char *
				said; /* WORKER_ENDED: what it wrote lately on stderr, "" if none */
		} ended;
		struct {
			const char *words;
			const struct ff_fact *facts;
			size_t facts_len;
			const char *const *header;
		} started;
		struct {
			const char *digest, *rootdir;
			uint32_t count, deselected;
		} collected;
		struct {
			const char *dist;	  /* NULL: not said */
			int64_t workers;	  /* -1: not said */
			bool scopes;		  /* SCOPES will come */
			bool driven;		  /* the job's front hands its units out */
			const char *const *notes; /* what is to be said; NULL: nothing */
			const char *const *vain;  /* what else has no effect; likewise */
		} settings;
		struct {
			const char *const
				*names; /* SCOPES: what each belongs to; DETAILS: of each */
			uint32_t len;
		} ids;
		struct {
			uint32_t parts;
			bool go_on;
		} in_parts;
		struct {
			const int64_t *v;
			uint32_t len;
		} costs;
		struct {
			const char *const *names;
			const int64_t *contents, *us;
			size_t len;
		} sources;
		struct {
			const char *word, *name, *text; /* text: NULL */
			bool run;
		} once;
		struct {
			const struct ff_payload_mark *v;
			size_t len;
			uint32_t part; /* UINT32_MAX: of all units */
		} marks;
		struct {
			const char *digest;
			const char *const *names; /* NULL: as was said in the order */
			uint32_t part, count, deselected;
		} part;
		struct {
			const char *nodeid, *message, *longrepr;
			bool skipped;
		} problem;
		struct {
			const uint32_t *units;
			size_t len;
		} returned;
		struct ff_payload_notice notice;
		struct {
			int exitstatus;
			bool bad;
			const char *stop;
		} finished;
		struct {
			enum ff_reason why;
			const char *text;
		} error;
		struct {
			int stream;
			const char *bytes;
			size_t len;
			bool tail;
			uint64_t cut; /* bytes left out before a tail */
		} output;
		struct {
			const char *const *v; /* NULL-terminated: SESSION_NEEDS_FRONT, _WITHOUT_… */
			const void *about;    /* SESSION_NEEDS_FRONT: a packed item, or NULL */
			size_t about_len;
		} lines;
		struct {
			const char *name; /* FRONT_TO_WORKER: of the worker */
			const void *bytes;
			size_t len;
		} packed; /* an item between a front and a session */
		struct {
			const char *rootdir;
			const char *const *header;
		} front_ready;
		struct {
			const char *worker; /* its name */
			const uint32_t *units;
			size_t len;
		} hands; /* FRONT_GIVES, FRONT_STEALS, FRONT_DISMISSES */
		struct {
			uint32_t count; /* items that it was told */
		} heard;
		struct {
			uint32_t run; /* which of ff_engine_opts.before */
			const char *job, *name, *host, *worker;
			uint32_t attempt;
			bool final, unkept;
			const struct ff_result *result;
		} before; /* and `unit`, its number there */
		struct {
			const char *folder;
			uint32_t files;
			uint64_t bytes;
			const char *error;	    /* NULL: it is */
			const char *const *missing; /* patterns; NULL-terminated, or NULL */
			const char *const *refused; /* lines, likewise */
		} fetched;
		const struct ff_result *result;
	} u;
};

struct ff_input *ff_input_new(enum ff_input_kind kind);
void ff_input_free(struct ff_input *input);
const char *ff_input_word(enum ff_input_kind kind);

/* Secrets that all texts are rid of which are copied into inputs, from now on; NULL: none. It is
 * borrowed until the next call. */
void ff_input_mask(const struct ff_mask *mask);
/* The same one; NULL: nothing is masked. For what comes piece by piece. */
const struct ff_mask *ff_input_masking(void);

/* Copies into the input's arena; NULL stays NULL. */
const char *ff_input_text(struct ff_input *input, const char *text);
/* Text that may hold NULs; *len becomes that of the copy. */
const char *ff_input_words(struct ff_input *input, const char *text, size_t *len);
/* What is no text, or was masked before: as it is. */
const char *ff_input_bytes(struct ff_input *input, const char *bytes, size_t len);
const uint32_t *ff_input_units(struct ff_input *input, const uint32_t *units, size_t len);
const char *const *ff_input_lines(struct ff_input *input, const char *const *lines);
const struct ff_fact *ff_input_facts(struct ff_input *input, const struct ff_fact *facts,
				     size_t len);
const struct ff_payload_mark *ff_input_marks(struct ff_input *input,
					     const struct ff_payload_mark *marks, size_t len);
const struct ff_result *ff_input_result(struct ff_input *input, const struct ff_result *result);

/* A queue of inputs, first come first served. */
struct ff_inputs {
	struct ff_input *first, *last;
};
void ff_inputs_put(struct ff_inputs *inputs, struct ff_input *input);
struct ff_input *ff_inputs_take(struct ff_inputs *inputs); /* NULL: empty */
void ff_inputs_release(struct ff_inputs *inputs);

#endif
