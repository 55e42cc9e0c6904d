/* The group of those who want none of their own: one per thread, since loops are. */
#include "io/loop.h"
#include "transport/open.h"

static _Thread_local struct ff_loop *own_loop;
static _Thread_local struct ff_group *own_group;

struct ff_group *ff_default_group(struct ff_err *err)
{
	struct ff_loop *loop;

	if (own_group)
		return own_group;
	loop = ff_loop_new(err);
	if (!loop)
		return NULL;
	own_group = ff_open_group(loop, err);
	if (own_group)
		own_loop = loop;
	else
		ff_loop_free(loop);
	return own_group;
}

int ff_default_group_free(int64_t timeout_ms)
{
	int rc;

	if (!own_group)
		return 0;
	rc = ff_group_terminate(own_group, timeout_ms);
	if (rc)
		return rc;
	ff_group_free(own_group);
	own_group = NULL;
	rc = ff_loop_free(own_loop);
	own_loop = NULL;
	return rc;
}
