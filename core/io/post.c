/* The one door into a loop for other threads: a locked queue behind a uv_async_t. */
#include "io/post.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "io/loop_private.h"

struct post {
	struct ff_list node;
	void (*fn)(struct ff_loop *loop, void *arg);
	void *arg;
};

/* In turns: what is posted meanwhile waits until the others of the loop have had theirs. */
static void on_async(uv_async_t *async)
{
	struct ff_loop *loop = async->data;
	struct ff_list turn;

	ff_list_init(&turn);
	pthread_mutex_lock(&loop->posts.lock);
	if (!ff_list_empty(&loop->posts.queue)) {
		ff_list_add_tail(&loop->posts.queue, &turn);
		ff_list_del(&loop->posts.queue);
	}
	pthread_mutex_unlock(&loop->posts.lock);
	while (!ff_list_empty(&turn)) {
		struct post *post = ff_container_of(turn.next, struct post, node);

		ff_list_del(&post->node);
		post->fn(loop, post->arg);
		ff_free(post);
	}
}

int ff_posts_init(struct ff_loop *loop)
{
	struct ff_posts *posts = &loop->posts;

	ff_list_init(&posts->queue);
	posts->async.data = loop;
	if (pthread_mutex_init(&posts->lock, NULL) != 0)
		return FF_ENOMEM;
	if (uv_async_init(loop->uv, &posts->async, on_async) != 0) {
		pthread_mutex_destroy(&posts->lock);
		return FF_ESYS;
	}
	/* Nobody waits for posts alone, but ff_loop_run. */
	uv_unref((uv_handle_t *)&posts->async);
	return 0;
}

static void set_ended(struct ff_loop *loop, bool ended)
{
	pthread_mutex_lock(&loop->posts.lock);
	loop->posts.ended = ended;
	pthread_mutex_unlock(&loop->posts.lock);
}

void ff_posts_end(struct ff_loop *loop)
{
	bool running = loop->running;

	set_ended(loop, true);
	loop->running = true;
	on_async(&loop->posts.async);
	loop->running = running;
}

void ff_posts_go_on(struct ff_loop *loop)
{
	set_ended(loop, false);
}

/* The lock stays: a late ff_loop_post shall find that it is late. */
void ff_posts_close(struct ff_loop *loop, uv_close_cb closed)
{
	pthread_mutex_lock(&loop->posts.lock);
	uv_close((uv_handle_t *)&loop->posts.async, closed);
	pthread_mutex_unlock(&loop->posts.lock);
}

bool ff_posts_wait(struct ff_loop *loop)
{
	bool some;

	pthread_mutex_lock(&loop->posts.lock);
	some = !ff_list_empty(&loop->posts.queue);
	pthread_mutex_unlock(&loop->posts.lock);
	return some;
}

/* Under the lock, which ff_posts_close takes, too: the handle is not closed under our hands. */
int ff_loop_post(struct ff_loop *loop, void (*fn)(struct ff_loop *loop, void *arg), void *arg)
{
	struct post *post;
	int rc = 0;

	if (!fn)
		return FF_EINVAL;
	post = ff_malloc(sizeof(*post));
	if (!post)
		return FF_ENOMEM;
	post->fn = fn;
	post->arg = arg;
	ff_list_init(&post->node);
	pthread_mutex_lock(&loop->posts.lock);
	if (loop->posts.ended) {
		rc = FF_ECLOSED;
	} else {
		ff_list_add_tail(&loop->posts.queue, &post->node);
		uv_async_send(&loop->posts.async);
	}
	pthread_mutex_unlock(&loop->posts.lock);
	if (rc)
		ff_free(post);
	return rc;
}

void ff_loop_interrupt(struct ff_loop *loop)
{
	__atomic_store_n(&loop->posts.interrupted, true, __ATOMIC_SEQ_CST);
	uv_async_send(&loop->posts.async);
}

bool ff_posts_take_interrupt(struct ff_loop *loop)
{
	return __atomic_load_n(&loop->posts.interrupted, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&loop->posts.interrupted, false, __ATOMIC_SEQ_CST);
}

void ff_loop_stop(struct ff_loop *loop)
{
	__atomic_store_n(&loop->posts.stopped, true, __ATOMIC_SEQ_CST);
	uv_async_send(&loop->posts.async);
}

int ff_loop_run(struct ff_loop *loop)
{
	int rc = 0;

	if (loop->running)
		return FF_EDEADLK;
	uv_ref((uv_handle_t *)&loop->posts.async);
	while (!rc && !__atomic_exchange_n(&loop->posts.stopped, false, __ATOMIC_SEQ_CST))
		rc = ff_loop_run_once(loop, FF_NEVER_US);
	uv_unref((uv_handle_t *)&loop->posts.async);
	return rc;
}
