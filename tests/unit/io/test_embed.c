/* Our loop in others: what is deferred, set or posted shows in what a foreign loop waits by; an
 * adopted loop is left as it was. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>

#include "base/clock.h"
#include "io/embed.h"
#include "io/loop_private.h"

struct seen {
	struct ff_deferred deferred;
	struct ff_loop *loop;
	unsigned calls;
	int nested;
};

static void on_deferred(struct ff_deferred *deferred)
{
	struct seen *seen = ff_container_of(deferred, struct seen, deferred);

	seen->calls++;
	seen->nested = ff_loop_turn(seen->loop);
}

static void on_timer(struct ff_timer *timer)
{
	++*(unsigned *)timer->ctx;
}

static void on_post(struct ff_loop *loop, void *arg)
{
	++*(unsigned *)arg;
}

/* As a foreign loop does it: one wait, one turn. */
static void wait_and_turn(struct ff_loop *loop)
{
	struct pollfd ready = {.fd = ff_loop_fd(loop), .events = POLLIN};

	poll(&ready, 1, ff_loop_timeout_ms(loop));
	assert_int_equal(ff_loop_turn(loop), 0);
}

static void works(struct ff_loop *loop)
{
	struct seen seen = {.loop = loop};
	unsigned timed = 0, posted = 0;
	struct ff_timer timer;

	ff_deferred_init(&seen.deferred, on_deferred);
	ff_loop_defer(loop, &seen.deferred);
	assert_int_equal(ff_loop_timeout_ms(loop), 0);
	assert_int_equal(ff_loop_turn(loop), 0);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.nested, FF_EDEADLK);

	assert_int_equal(ff_timer_init(&timer, loop, on_timer, &timed), 0);
	ff_timer_set(&timer, ff_clock_us() + 3 * FF_SECOND_US / 1000);
	while (!timed)
		wait_and_turn(loop);
	ff_timer_close(&timer, NULL);

	assert_int_equal(ff_loop_post(loop, on_post, &posted), 0);
	while (!posted)
		wait_and_turn(loop);
}

static void in_a_foreign_loop(void **state)
{
	struct ff_loop *loop = ff_loop_new(NULL);

	works(loop);
	while (ff_loop_timeout_ms(loop) == 0)
		ff_loop_turn(loop);
	assert_int_equal(ff_loop_timeout_ms(loop), -1);
	assert_int_equal(ff_loop_free(loop), 0);
}

static void on_theirs(uv_timer_t *timer)
{
	timer->data = timer;
}

static void adopted(void **state)
{
	struct ff_loop loop;
	struct ff_err err;
	uv_timer_t theirs = {0};
	uv_loop_t uv;

	assert_int_equal(ff_loop_adopt(&loop, NULL, &err), FF_EINVAL);
	assert_int_equal(uv_loop_init(&uv), 0);
	uv_timer_init(&uv, &theirs);
	uv_timer_start(&theirs, on_theirs, 1, 0);
	assert_int_equal(ff_loop_adopt(&loop, &uv, &err), 0);
	works(&loop);
	while (!theirs.data)
		uv_run(&uv, UV_RUN_ONCE);
	uv_timer_start(&theirs, on_theirs, 3600000, 0);
	assert_int_equal(ff_loop_release(&loop), 0);

	assert_true(uv_is_active((uv_handle_t *)&theirs));
	uv_close((uv_handle_t *)&theirs, NULL);
	uv_run(&uv, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&uv), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_foreign_loop),
		cmocka_unit_test(adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
