/* Who is told of a run that has no file of its own. */
#include "cli/told.h"

#include <string.h>

#include "notify/notify.h"

static void mask_one(void *ctx, const char *value)
{
	ff_mask_add(ctx, value, strlen(value));
}

int ff_told_load(struct ff_told *told, const char *path, struct ff_mask *mask, struct ff_err *err)
{
	const struct ff_config_opts opts = {0};
	int rc = ff_config_load_with(&told->config, path, &opts, err);

	if (rc < 0)
		return rc;
	told->loaded = true;
	if (told->config.receivers_len == 0)
		return ff_err_set(err, FF_ECONFIG, "%s: it has no 'notify'", told->config.path);
	rc = ff_config_reveal_receivers(&told->config, mask_one, mask, err);
	return rc < 0 ? rc : ff_notify_check(&told->config, err);
}

void ff_told_release(struct ff_told *told)
{
	if (told->loaded)
		ff_config_release(&told->config);
	told->loaded = false;
}
