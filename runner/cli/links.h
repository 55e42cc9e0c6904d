/* Where the pages of a run lead to for a line of a file: --links, or the file's settings.links. */
#ifndef FF_CLI_LINKS_H
#define FF_CLI_LINKS_H

#include "base/err.h"

struct ff_config;

struct ff_links {
	char *commit, *below; /* the configuration borrows them */
};

/* `given` (NULL: nothing) counts for more than the file's. What a link may name of the checkout is
 * looked up if it does. FF_EINVAL: it is no template. */
int ff_links_begin(struct ff_links *links, struct ff_config *config, const char *given,
		   struct ff_err *err);
void ff_links_end(struct ff_links *links, struct ff_config *config);

#endif
