/* The list of policies. */
#include "sched/sched.h"

#include <string.h>

#include "sched/load.h"

const struct ff_sched_class *const ff_scheds[] = {
	&ff_sched_load,
	NULL,
};

const struct ff_sched_class *ff_sched_find(const char *name)
{
	for (const struct ff_sched_class *const *class = ff_scheds; *class; class ++)
		if (!strcmp((*class)->name, name))
			return *class;
	return NULL;
}
