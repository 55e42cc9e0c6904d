/* Our loop in another one, or on one that is there already. */
#include "io/embed.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "io/loop_private.h"

int ff_loop_adopt(struct ff_loop *loop, struct uv_loop_s *uv, struct ff_err *err)
{
	if (!uv)
		return ff_err_set(err, FF_EINVAL, "no loop to adopt");
	return ff_loop_begin(loop, uv, err);
}

struct ff_loop *ff_loop_new_adopted(struct uv_loop_s *uv, struct ff_err *err)
{
	struct ff_loop *loop = ff_malloc(sizeof(*loop));

	if (!loop) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	if (ff_loop_adopt(loop, uv, err) == 0)
		return loop;
	ff_free(loop);
	return NULL;
}

int ff_loop_fd(const struct ff_loop *loop)
{
	return uv_backend_fd(loop->uv);
}

int ff_loop_timeout_ms(struct ff_loop *loop)
{
	if (ff_posts_wait(loop))
		return 0;
	uv_update_time(loop->uv);
	/* With nothing open libuv would not wait; here a post may come. */
	return uv_loop_alive(loop->uv) ? uv_backend_timeout(loop->uv) : -1;
}

int ff_loop_turn(struct ff_loop *loop)
{
	if (loop->running)
		return FF_EDEADLK;
	loop->running = true;
	uv_ref((uv_handle_t *)&loop->posts.async); /* or posts alone would not be seen */
	uv_run(loop->uv, UV_RUN_NOWAIT);
	uv_unref((uv_handle_t *)&loop->posts.async);
	loop->running = false;
	return 0;
}

int ff_loop_run_for(struct ff_loop *loop, int64_t timeout_ms)
{
	int64_t now = ff_clock_us();

	if (timeout_ms < 0 || timeout_ms > (FF_NEVER_US - now) / 1000)
		return ff_loop_run_once(loop, FF_NEVER_US);
	return ff_loop_run_once(loop, now + timeout_ms * 1000);
}
