/* The policy `loadfile`: tests of one file are on one worker. */
#include <string.h>

#include "sched/policy.h"

static const char *loadfile_scope(const char *name, size_t *len)
{
	const char *end = strstr(name, "::");

	*len = end ? (size_t)(end - name) : strlen(name);
	return name;
}

const struct ff_policy ff_policy_loadfile = {
	.name = "loadfile",
	.help = "tests of one file stay on one worker",
	.pick = ff_policy_pick_scopes,
	.scope = loadfile_scope,
};
