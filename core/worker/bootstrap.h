/* What the controller sends to get a worker going: the python worker's source line, the native
 * worker's image, and the script that uploads and runs it. Knows no transport. */
#ifndef FF_WORKER_BOOTSTRAP_H
#define FF_WORKER_BOOTSTRAP_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "wire/xspec.h"

/* argv of a python worker: spec->python split like a shell line (default `fallback`, then
 * "python3"), -u, -B if dont_write_bytecode, -c and execnet's bootstrap line. A word "~" or "~/x"
 * means $HOME; FF_EINVAL where that is not set. */
int ff_bootstrap_python_argv(struct ff_strv *argv, const struct ff_xspec *spec,
			     const char *fallback, struct ff_err *err);
/* The same as a command for a POSIX shell on another machine, with that machine's home. */
int ff_bootstrap_python_home_command(struct ff_buf *out, const struct ff_xspec *spec,
				     struct ff_err *err);
/* The same as a shell command for a remote host; there python= is taken as it is, as execnet does,
 * so that "~/venv/bin/python" and "A=b python" mean what they say. 0 or FF_ENOMEM. */
int ff_bootstrap_python_command(struct ff_buf *out, const struct ff_xspec *spec,
				const char *fallback);
/* The answers' words. "farflung-run" also comes from python workers, right before their byte '1':
 * it ends what start files and site modules have written, with or without a newline. */
#define FF_BOOTSTRAP_RUN  "farflung-run"
#define FF_BOOTSTRAP_NEED "farflung-need"
#define FF_BOOTSTRAP_NO	  "farflung-no "
/* The line below begins with it where that word is wanted: not for sockets, which have no noise. */
#define FF_BOOTSTRAP_MARK "'FF_MARK = True"

/* The line to send to it: the repr() of worker.py's text with id and execmodel filled in, and a
 * newline. `socket`: the variant for a socket server, which finds `clientsock`. */
int ff_bootstrap_python_line(struct ff_buf *out, const char *id, const char *execmodel, bool socket,
			     struct ff_err *err);

/* Any other text as such a line. */
int ff_bootstrap_text_line(struct ff_buf *out, const char *text, size_t len);

/* A python source for remote_exec on python workers: "worker", "rsync", "command", "proxy",
 * "configure", "socketserver", "talk", "import", … NULL: no such. Static, NUL-terminated. */
const char *ff_bootstrap_source(const char *name);

/* The native worker's program: its bytes (static), and its SHA-256 in hex (computed once). */
void ff_bootstrap_image(const void **bytes, size_t *len);
const char *ff_bootstrap_image_hash(void);
/* A descriptor of a sealed memory file holding it, to execute on this machine; one per process,
 * never closed, close-on-exec. Negative: FF_ESYS. */
int ff_bootstrap_image_fd(struct ff_err *err);

/* The POSIX shell command that runs the worker on a remote host from its cache there, asking for
 * the upload first when it is missing or damaged. It answers on stdout with lines that end like
 * this:
 *   "farflung-run\n"   the worker is being executed: its byte '1' follows
 *   "farflung-need\n"  send exactly the image's bytes; then one of the lines follows, the same one
 *                      if the first folder could not take it
 *   "farflung-no WHY\n" it can't run here (uname, or what is wrong with the folders): the command
 *                      has ended
 * All else before these is noise of the login shell. The cache is $XDG_CACHE_HOME/farflung (default
 * ~/.cache), else $TMPDIR/farflung-UID (default /tmp): a folder that is ours, that nobody else can
 * write to, and no link. */
int ff_bootstrap_upload_command(struct ff_buf *out);

#endif
