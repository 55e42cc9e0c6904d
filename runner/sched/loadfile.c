/* The policy `loadfile`: tests of one file are on one worker. */
#include <string.h>

#include "sched/policy.h"

size_t ff_policy_file_len(const char *name)
{
	const char *end = strstr(name, "::");

	return end ? (size_t)(end - name) : strlen(name);
}

bool ff_policy_same_file(const char *a, const char *b)
{
	size_t len = ff_policy_file_len(a);

	return len == ff_policy_file_len(b) && memcmp(a, b, len) == 0;
}

static const char *loadfile_scope(const char *name, size_t *len)
{
	*len = ff_policy_file_len(name);
	return name;
}

const struct ff_policy ff_policy_loadfile = {
	.name = "loadfile",
	.help = "tests of one file stay on one worker",
	.pick = ff_policy_pick_scopes,
	.scope = loadfile_scope,
};
