/* Local processes as lines: popen itself, and the pieces that other drivers with a local program
 * share with it. */
#ifndef FF_TRANSPORT_POPEN_H
#define FF_TRANSPORT_POPEN_H

#include "io/process.h"
#include "transport/transport.h"

extern const struct ff_transport ff_transport_popen;

struct ff_popen {
	char *const *argv;
	int exec_fd;	      /* or -1 */
	bool new_session;     /* no terminal to ask questions on */
	int inherit;	      /* > 0: as in struct ff_launch */
	int unreached_status; /* the exit status that says "host not reached" if nothing was
				 received; -1: none */
};

/* For a driver's open(): runs it; the functions below are then the rest of the vtable. */
int ff_popen_start(struct ff_conn *conn, const struct ff_popen *popen, struct ff_err *err);
void ff_popen_flush(struct ff_conn *conn);
void ff_popen_read(struct ff_conn *conn, bool on);
void ff_popen_close_write(struct ff_conn *conn);
void ff_popen_kill(struct ff_conn *conn);
void ff_popen_release(struct ff_conn *conn, void (*freed)(struct ff_conn *conn));

/* The end of the program, when loops may be gone already: ends the input of everything that this
 * process (not one that it was forked from) runs as a line, gives it limit_us to exit, and kills
 * what is left with its process group. */
void ff_popen_end_all(int64_t limit_us);

#endif
