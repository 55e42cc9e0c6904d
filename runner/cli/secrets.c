/* From a configuration to what is masked. */
#include "cli/secrets.h"

#include <string.h>

#include "dispatch/input.h"

int ff_secrets_of_hosts(struct ff_inventory *inventory, struct ff_config *config, const char *on,
			struct ff_mask *mask, struct ff_err *err)
{
	int rc = ff_inventory_reveal(inventory, config, on, err);

	for (size_t i = 0; i < config->host_secrets_len && rc == 0; i++) {
		const char *value = config->host_secrets[i].secret->value;

		if (value)
			ff_mask_add(mask, value, strlen(value));
	}
	if (rc == 0 && mask->len > 0)
		ff_input_mask(mask);
	return rc;
}

void ff_secrets_forget(struct ff_mask *mask)
{
	ff_input_mask(NULL);
	ff_mask_release(mask);
}
