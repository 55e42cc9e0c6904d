/* The policy `loadgroup`: tests of one xdist_group are on one worker. The payload has put the
 * group's name behind the test's, as "@group". */
#include <string.h>

#include "sched/policy.h"

static const char *loadgroup_scope(const char *name, size_t *len)
{
	const char *group = strrchr(name, '@'), *bracket = strrchr(name, ']');

	/* What is in brackets is a parameter. */
	if (group && (!bracket || group > bracket))
		name = group + 1;
	*len = strlen(name);
	return name;
}

const struct ff_policy ff_policy_loadgroup = {
	.name = "loadgroup",
	.help = "tests marked xdist_group(NAME) stay together on one worker, others go anywhere",
	.pick = ff_policy_pick_scopes,
	.scope = loadgroup_scope,
};
