/* The inside of opening: one opener carries one gateway, from before its connection to its release.
 * Only open*.c and opener*.c include it. */
#ifndef FF_TRANSPORT_OPENER_H
#define FF_TRANSPORT_OPENER_H

#include "transport/open.h"
#include "transport/transport.h"

enum {
	FF_STDERR_LINES = 20,
	FF_STDERR_MAX = 4 << 10,
	FF_EARLY_MAX =
		256 << 10, /* before the worker's first byte: a line, and what is read at once */
	FF_NOISE_MAX = 1 << 20, /* before that byte, in all */
	FF_EXIT_NO_EXEC = 126,	/* a shell's exit status: it could not execute what it found */
	FF_EXIT_NOT_FOUND = 127,
	FF_UPLOADS_MAX = 4, /* of the image, on one connection: the script knows two folders */
};

/* X(name, text in traces) */
#define FF_OPENER_STATE_MAP(X)                                                                     \
	X(WAITING, "waiting") /* for the gateway it goes via, or its turn */                       \
	X(CONNECTING, "connecting")                                                                \
	X(UPLOADING, "uploading")     /* the remote host looks for the native worker */            \
	X(RETRYING, "retrying")	      /* the native worker can't run there: python instead */      \
	X(BOOTING, "booting")	      /* until the worker's first byte */                          \
	X(GREETING, "greeting")	      /* until its HELLO */                                        \
	X(CONFIGURING, "configuring") /* chdir, nice, env */                                       \
	X(OPEN, "open")                                                                            \
	X(FAILED, "failed")

enum ff_opener_state {
#define X(name, text) FF_OPENER_##name,
	FF_OPENER_STATE_MAP(X)
#undef X
};

/* Where the connection is. */
enum ff_line { FF_LINE_NONE, FF_LINE_LIVE, FF_LINE_CLOSED, FF_LINE_RELEASING };

struct ff_opener {
	struct ff_loop *loop;
	struct ff_gateway *gateway;
	const struct ff_transport *transport;
	struct ff_open_opts opts;
	enum ff_opener_state state;
	bool native;	/* the worker that is being started */
	bool exec_file; /* from a memory file, on this machine */
	bool no_file;	/* that failed: there as elsewhere, from the cache */
	bool marked;	/* the word was seen behind which the worker's first byte comes */
	unsigned needs; /* how often the image was asked for */
	bool killed;	/* on request */
	bool releasing;
	bool write_closed;
	bool untold; /* it has ended: opts.closed waits for the exit of what carried it */
	int64_t connect_timeout_us, heartbeat_us, silence_us; /* of opts */
	int64_t connect_deadline_us;

	enum ff_line line;
	struct ff_conn conn;
	struct ff_buf out;	  /* conn.out: what opens the line, then the gateway's output */
	struct ff_buf early;	  /* what arrived before frames */
	size_t noise;		  /* how much that was */
	struct ff_buf noise_text; /* its last lines, but for what is in `early` */
	struct ff_err refusal;	  /* why the native worker can't run there */
	struct ff_timer timer;
	struct ff_deferred start, flush, reap;

	struct ff_buf stderr_text; /* the last lines */
	struct ff_buf stderr_line; /* the unfinished one */
	unsigned stderr_lines;

	struct ff_item info;
	char *cwd; /* where it was configured to be; NULL: as in info */
	struct ff_channel *config;
	bool configured;
	struct ff_list waiting;	 /* in the parent's children while WAITING for it */
	struct ff_list children; /* openers that wait for this one */
	struct ff_err err;
};

/* --- opener.c --- */
/* Timers, buffers and the connection are set up; the spec is the gateway's. */
int ff_opener_init(struct ff_opener *opener, struct ff_loop *loop);
/* WAITING is over: connects, soon. */
void ff_opener_start(struct ff_opener *opener);
void ff_opener_kill(struct ff_opener *opener);
/* Tells opts.closed now if it is still to be told. */
void ff_opener_tell_closed(struct ff_opener *opener);
/* Frees the opener and its gateway when that is safe. */
void ff_opener_release(struct ff_opener *opener);
extern const struct ff_gateway_ops ff_opener_gateway_ops;
/* Ends the opening: `cause` is what the failure's words are made of. */
void ff_opener_fail(struct ff_opener *opener, const struct ff_err *cause);
struct ff_opener *ff_opener_of(const struct ff_gateway *gateway);

/* --- opener_line.c: the connection --- */
/* Connects, for the worker that opener->native says. */
int ff_opener_connect(struct ff_opener *opener, struct ff_err *err);
void ff_opener_flush(struct ff_opener *opener);
void ff_opener_kill_line(struct ff_opener *opener);
/* What happens, in opener.c: the line is up, has brought bytes, is down, and its memory is free. */
void ff_opener_line_up(struct ff_opener *opener);
void ff_opener_line_data(struct ff_opener *opener, const void *bytes, size_t len);
void ff_opener_line_down(struct ff_opener *opener, const struct ff_err *err);
void ff_opener_line_freed(struct ff_opener *opener);

/* --- opener_boot.c: what comes before frames --- */
enum ff_early {
	FF_EARLY_NOTHING, /* wait for more */
	FF_EARLY_RUN,	  /* the native worker is being executed */
	FF_EARLY_NEED,	  /* its image is wanted */
	FF_EARLY_NO,	  /* it can't run there: opener->refusal says why */
	FF_EARLY_ANSWER,  /* the worker's first byte */
};
/* Takes the next of these out of opener->early, and the noise before it into noise_text. */
enum ff_early ff_opener_early(struct ff_opener *opener);

/* --- opener_words.c: stderr and failures in words --- */
void ff_opener_stderr(struct ff_opener *opener, const char *bytes, size_t len);
/* A line of our own among them. */
void ff_opener_note(struct ff_opener *opener, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The unfinished last line counts, too. */
void ff_opener_stderr_end(struct ff_opener *opener);
/* Fills opener->err for a gateway that could not be opened, or one that was open and ended. */
void ff_opener_explain(struct ff_opener *opener, const struct ff_err *cause);
void ff_opener_explain_end(struct ff_opener *opener, const struct ff_err *cause);

#endif
