/* Secrets of hosts, for commands that open some. */
#ifndef FF_CLI_SECRETS_H
#define FF_CLI_SECRETS_H

#include "event/mask.h"
#include "inventory/inventory.h"

/* Looks up those of hosts that match `on`, and has them masked in all that comes from workers until
 * ff_secrets_forget. FF_ECONFIG. */
int ff_secrets_of_hosts(struct ff_inventory *inventory, struct ff_config *config, const char *on,
			struct ff_mask *mask, struct ff_err *err);
void ff_secrets_forget(struct ff_mask *mask);

#endif
