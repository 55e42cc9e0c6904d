/* The end of a group without anybody who waits: the loop ticks it. */
#include "base/alloc.h"
#include "base/clock.h"
#include "io/loop_private.h"
#include "transport/open.h"

struct ending {
	struct ff_timer timer;
	struct ff_group *group;
	void (*done)(struct ff_group *group, void *ctx);
	void *ctx;
	bool over;
};

static void on_timer_closed(struct ff_timer *timer)
{
	ff_free(timer->ctx);
}

static void on_notify(void *ctx)
{
	struct ending *ending = ctx;

	if (!ending->over)
		ff_timer_set(&ending->timer, 0);
}

static void on_timer(struct ff_timer *timer)
{
	struct ending *ending = timer->ctx;

	if (!ff_group_tick(ending->group, ff_clock_us())) {
		ff_timer_set(timer, ff_group_deadline(ending->group));
		return;
	}
	ending->over = true;
	ff_group_set_notify(ending->group, NULL, NULL);
	ff_timer_close(timer, on_timer_closed);
	if (ending->done)
		ending->done(ending->group, ending->ctx);
}

int ff_open_terminate(struct ff_group *group, int64_t timeout_ms,
		      void (*done)(struct ff_group *group, void *ctx), void *ctx)
{
	struct ending *ending;
	int rc;

	if (ff_group_has_notify(group))
		return FF_EBUSY;
	ending = ff_calloc(1, sizeof(*ending));
	if (!ending)
		return FF_ENOMEM;
	*ending = (struct ending){.group = group, .done = done, .ctx = ctx};
	rc = ff_timer_init(&ending->timer, ff_group_ctx(group), on_timer, ending);
	if (rc) {
		ff_free(ending);
		return rc;
	}
	ff_group_set_notify(group, on_notify, ending);
	ff_group_begin_terminate(group, timeout_ms);
	ff_timer_set(&ending->timer, 0);
	return 0;
}
