/* The environments of hosts before they are opened. */
#include <string.h>

#include "base/alloc.h"
#include "inventory/inventory.h"

static int put_in(struct ff_config *config, char **entry, struct ff_err *err)
{
	const char *value = strchr(*entry, '=') + 1;
	const struct ff_config_var *var = ff_config_host_secret(config, value);
	char *whole;
	int rc = var ? ff_config_reveal_one(config, var, err) : 0;

	if (!var || rc < 0)
		return rc;
	whole = ff_xasprintf("%.*s%s", (int)(value - *entry), *entry, var->secret->value);
	ff_free(*entry);
	*entry = whole;
	return 0;
}

int ff_inventory_reveal(struct ff_inventory *inventory, struct ff_config *config, const char *on,
			struct ff_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < inventory->len && config->host_secrets_len && !rc; i++) {
		struct ff_strv *env = &inventory->hosts[i].spec.env;

		for (size_t j = 0; j < env->len && ff_host_matches(&inventory->hosts[i], on) && !rc;
		     j++)
			rc = put_in(config, &env->v[j], err);
	}
	return rc;
}
