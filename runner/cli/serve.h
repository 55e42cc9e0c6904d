/* The pages of runs, for `farflung web` and for a run that is shown while it goes on. */
#ifndef FF_CLI_SERVE_H
#define FF_CLI_SERVE_H

#include <stdbool.h>

#include "web/server.h"

struct ff_serve_opts {
	const char *listen;	/* PORT, ADDRESS or ADDRESS:PORT; NULL or "": this machine's own */
	bool any_port;		/* if that is not given: another one where the usual one is taken */
	bool token;		/* asked for on this machine, too; elsewhere it always is */
	const char *links;	/* as ff_web_opts has it */
	const char *cert, *key; /* files of PEM, to serve over TLS; NULL, both: plain HTTP */
};

/* Serves the runs of `home` (the folder that has .farflung). NULL: err. */
struct ff_web *ff_serve(const char *home, const struct ff_serve_opts *how, struct ff_err *err);

#define FF_SERVE_PORT "8765"

#endif
