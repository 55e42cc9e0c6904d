/* The hosts of commands that run no jobs: of a file, or of --tx. */
#ifndef FF_CLI_CHOSEN_H
#define FF_CLI_CHOSEN_H

#include "inventory/inventory.h"

struct ff_chosen {
	const char *command; /* for messages */
	const char *file;    /* NULL: farflung.yaml */
	const struct ff_strv *tx;
	const char *on; /* NULL: all */
};

/* Fills both, which are the caller's to release in any case; the hosts' secrets are in `mask`,
 * which goes with ff_secrets_forget. 0, or -1 with a complaint: exit 2. */
struct ff_mask;
int ff_chosen_load(const struct ff_chosen *chosen, struct ff_config *config,
		   struct ff_inventory *inventory, struct ff_mask *mask);

#endif
