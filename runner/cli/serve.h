/* The pages of runs, for `farflung web` and for a run that is shown while it goes on. */
#ifndef FF_CLI_SERVE_H
#define FF_CLI_SERVE_H

#include <stdbool.h>

#include "web/server.h"

/* Serves the runs of `home` (the folder that has .farflung). `listen`: PORT, ADDRESS or
 * ADDRESS:PORT; NULL or "": this machine's own, and another port where that one is taken if
 * `any_port`. `links`: as ff_web_opts has it. With `token`, and elsewhere than on this machine, a
 * token is asked for. NULL: err. */
struct ff_web *ff_serve(const char *home, const char *listen, const char *links, bool token,
			bool any_port, struct ff_err *err);

#define FF_SERVE_PORT "8765"

#endif
