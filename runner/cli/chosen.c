/* From --file, --tx and --on to an inventory. */
#include "cli/chosen.h"

#include "cli/command.h"
#include "cli/secrets.h"

static int load(const struct ff_chosen *chosen, struct ff_config *config, struct ff_err *err)
{
	int rc;

	if (chosen->tx->len) {
		ff_config_init(config);
		for (size_t i = 0; i < chosen->tx->len; i++)
			ff_config_add_host(config, chosen->tx->v[i]);
		return 0;
	}
	rc = ff_config_load(config, chosen->file ? chosen->file : "farflung.yaml", err);
	if (rc == FF_ESYS && !chosen->file)
		return ff_err_set(err, rc,
				  "farflung: %s: %s (-f FILE or --tx XSPEC say which hosts)",
				  chosen->command, err->text);
	return rc;
}

int ff_chosen_load(const struct ff_chosen *chosen, struct ff_config *config,
		   struct ff_inventory *inventory, struct ff_mask *mask)
{
	char hint[FF_SUGGEST_TEXT_MAX] = "";
	struct ff_err err = {0};

	if (chosen->tx->len && chosen->file) {
		ff_complain("%s: --file or --tx, not both", chosen->command);
		return -1;
	}
	if (load(chosen, config, &err) < 0 || ff_inventory_build(inventory, config, &err) < 0) {
		ff_complain_lines(err.text);
		return -1;
	}
	if (chosen->on && ff_inventory_check(inventory, chosen->on, &err) < 0) {
		ff_inventory_suggest(inventory, chosen->on, hint);
		ff_complain("%s: --on: %s%s", chosen->command, err.text, hint);
		return -1;
	}
	if (ff_secrets_of_hosts(inventory, config, chosen->on, mask, &err) < 0) {
		ff_complain_lines(err.text);
		return -1;
	}
	return 0;
}
