/* The loop: timers are never early, blocking inside is refused, release notices what is open. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "io/loop_private.h"

struct fired {
	struct ff_loop *loop;
	unsigned count;
	int nested;
	int64_t at_us;
};

static void on_timer(struct ff_timer *timer)
{
	struct fired *fired = timer->ctx;

	fired->count++;
	fired->at_us = ff_clock_us();
	fired->nested = ff_loop_run_once(fired->loop, FF_NEVER_US);
}

static void timers(void **state)
{
	struct ff_loop loop;
	struct ff_timer timer;
	struct fired fired = {.loop = &loop};
	int64_t due;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	assert_int_equal(ff_timer_init(&timer, &loop, on_timer, &fired), 0);
	for (int i = 1; i <= 20; i++) {
		due = ff_clock_us() + 100 * i;
		ff_timer_set(&timer, due);
		while (fired.count < (unsigned)i)
			ff_loop_run_once(&loop, FF_NEVER_US);
		assert_true(fired.at_us >= due);
		assert_int_equal(fired.nested, FF_EDEADLK);
	}
	ff_timer_set(&timer, ff_clock_us() + 1000);
	ff_timer_set(&timer, FF_NEVER_US);
	due = ff_clock_us() + 3000;
	while (ff_clock_us() < due)
		ff_loop_run_once(&loop, due);
	assert_int_equal(fired.count, 20);
	assert_int_equal(ff_loop_release(&loop), FF_EINVAL);
	ff_timer_close(&timer, NULL);
	assert_int_equal(ff_loop_release(&loop), 0);
}

static void on_deferred(struct ff_deferred *deferred)
{
	deferred->fn = NULL;
}

/* What comes before the waiting counts as an event, though a far timer is set. */
static void deferred_calls(void **state)
{
	struct ff_loop loop;
	struct ff_timer far, near;
	struct ff_deferred deferred, canceled;
	struct fired fired = {.loop = &loop};
	int64_t begin = ff_clock_us();

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	ff_timer_init(&far, &loop, on_timer, &fired);
	ff_timer_init(&near, &loop, on_timer, &fired);
	ff_timer_set(&far, begin + 1000 * FF_SECOND_US);
	ff_deferred_init(&deferred, on_deferred);
	ff_deferred_init(&canceled, on_deferred);
	ff_loop_defer(&loop, &deferred);
	ff_loop_defer(&loop, &deferred);
	ff_loop_defer(&loop, &canceled);
	ff_deferred_cancel(&canceled);
	while (deferred.fn)
		ff_loop_run_once(&loop, FF_NEVER_US);
	assert_non_null(canceled.fn);
	ff_timer_set(&near, begin);
	while (!fired.count)
		ff_loop_run_once(&loop, FF_NEVER_US);
	assert_true(ff_clock_us() - begin < 500 * FF_SECOND_US);
	ff_timer_close(&far, NULL);
	ff_timer_close(&near, NULL);
	assert_int_equal(ff_loop_release(&loop), 0);
}

static void nothing_to_wait_for(void **state)
{
	struct ff_loop loop;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	assert_int_equal(ff_loop_run_once(&loop, FF_NEVER_US), 0);
	assert_int_equal(ff_loop_run_once(&loop, ff_clock_us() - 5), 0);
	assert_int_equal(ff_loop_release(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers),
		cmocka_unit_test(deferred_calls),
		cmocka_unit_test(nothing_to_wait_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
