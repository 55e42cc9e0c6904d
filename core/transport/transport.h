/* Transports: ways to reach a peer and to have a program run there with its stdin and stdout as the
 * line. A driver is a const vtable; a connection (`struct ff_conn`) is one running line. */
#ifndef FF_TRANSPORT_TRANSPORT_H
#define FF_TRANSPORT_TRANSPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "io/loop_private.h"
#include "wire/xspec.h"

struct ff_conn;
struct ff_group;
struct ff_transport;

/* The number under which a program finds a descriptor that it inherits. */
enum { FF_LAUNCH_INHERITED = 3 };

/* What to run at the other end. */
struct ff_launch {
	bool native;	   /* our worker instead of an interpreter */
	char *const *argv; /* for drivers that exec locally: program and arguments */
	int exec_fd;	   /* local native: the worker's program file (argv names it); else -1 */
	int inherit;	   /* popen: a descriptor of ours that it gets; 0: none */
	int line;	   /* given: the socket that is the line; 0: none */
	const struct ff_buf *template; /* via: the line that makes a template; NULL or empty */
	int64_t template_us;	       /* how long it is waited for */
	const char *command; /* the same as one POSIX shell command line, for remote drivers */
};

/* What a connection tells its owner. */
struct ff_conn_ops {
	/* The line is up: output is being sent, data may arrive. Once. */
	void (*opened)(struct ff_conn *conn, void *ctx);
	void (*data)(struct ff_conn *conn, const void *bytes, size_t len, void *ctx);
	/* What the peer wrote to its stderr. May be NULL. */
	void (*stderr_data)(struct ff_conn *conn, const void *bytes, size_t len, void *ctx);
	/* What runs is no template's child: why. May be NULL. */
	void (*no_template)(struct ff_conn *conn, const char *why, void *ctx);
	/* Output was sent: conn->out has shrunk. */
	void (*sent)(struct ff_conn *conn, void *ctx);
	/* The line is down, for whatever reason, also when it never came up. Once; nothing follows.
	 * err->code 0: it ended by itself with exit status 0. Else words with the exit status or
	 * signal of what ran (conn->status is set if known), or what failed: FF_EUNREACH, FF_EAUTH,
	 * FF_EHOSTKEY, FF_ESPAWN, FF_ELOST. */
	void (*closed)(struct ff_conn *conn, const struct ff_err *err, void *ctx);
};

struct ff_conn {
	const struct ff_transport *transport;
	struct ff_loop *loop;
	struct ff_group *group;	     /* for via and installvia */
	const struct ff_xspec *spec; /* borrowed, outlives the connection */
	struct ff_buf *out; /* borrowed: what to send; the driver consumes from its front */
	const struct ff_conn_ops *ops;
	void *ctx;
	int status;	/* wait status of what ran, -1 if unknown */
	char peer[256]; /* "ssh build1:22 as jo", for messages */
	void *state;	/* the driver's */
};

struct ff_transport {
	const char *name;
	/* Whether the spec is this driver's. */
	bool (*handles)(const struct ff_xspec *spec);
	/* Whether what it reaches is this very machine (a memory file can be executed there). */
	bool local;
	/* Whether `launch` is run at all (a socket server runs what it is sent instead). */
	bool launches;
	/* Starts reaching the peer; never blocks. `launch` is valid during the call only. On
	 * failure (negative, err) nothing is left behind and `closed` is not called. */
	int (*open)(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err);
	/* There is output in conn->out. */
	void (*flush)(struct ff_conn *conn);
	/* Back-pressure: false stops `data` until true. */
	void (*read)(struct ff_conn *conn, bool on);
	/* What arrives in the next moment (a millisecond or two) is told together, and wakes us
	 * once. NULL: it is told as ever. */
	void (*rest)(struct ff_conn *conn);
	/* End of output, after what is in conn->out. `closed` follows when the peer has ended. */
	void (*close_write)(struct ff_conn *conn);
	/* Ends it at once, killing what ran there as far as it can be reached. `closed` follows. */
	void (*kill)(struct ff_conn *conn);
	/* After `closed`: frees conn->state; `freed` is called when conn's memory may be reused. */
	void (*release)(struct ff_conn *conn, void (*freed)(struct ff_conn *conn));
};

/* The driver for a spec: FF_EINVAL "no gateway type found for 'x'" if it names none or several. */
const struct ff_transport *ff_transport_find(const struct ff_xspec *spec, struct ff_err *err);

/* All drivers, NULL-terminated. */
extern const struct ff_transport *const ff_transports[];

#endif
