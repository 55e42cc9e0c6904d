/* The list of policies. */
#include "sched/policy.h"

#include <stddef.h>
#include <string.h>

const struct ff_policy *const ff_policies[] = {
	&ff_policy_load,     &ff_policy_worksteal, &ff_policy_loadscope,
	&ff_policy_loadfile, &ff_policy_loadgroup, &ff_policy_each,
	&ff_policy_no,	     &ff_policy_auto,	   NULL,
};

const struct ff_policy *ff_policy_find(const char *name)
{
	for (const struct ff_policy *const *policy = ff_policies; *policy; policy++)
		if (strcmp((*policy)->name, name) == 0)
			return *policy;
	return NULL;
}
