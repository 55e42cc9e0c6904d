#include "cli/links.h"

#include <string.h>

#include "base/alloc.h"
#include "config/config.h"

int ff_links_begin(struct ff_links *links, struct ff_config *config, const char *given,
		   struct ff_err *err)
{
	const char *why = given ? ff_config_links_fault(given) : NULL, *text;

	*links = (struct ff_links){0};
	if (why)
		return ff_err_set(err, FF_EINVAL, "--links '%s' %s", given, why);
	if (given)
		config->settings.links = given;
	text = config->settings.links;
	if (!text || !(strstr(text, "{commit}") || strstr(text, "{file}")))
		return 0;
	ff_config_head(config->directory, &links->commit, &links->below);
	config->commit = links->commit;
	config->below = links->below;
	return 0;
}

void ff_links_end(struct ff_links *links, struct ff_config *config)
{
	config->commit = config->below = NULL;
	ff_free(links->commit);
	ff_free(links->below);
}
