/* What other threads may ask of a loop: posts in order and none lost, none after the end; waits
 * that are interrupted; runs that are stopped. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "io/loop_private.h"
#include "io/post.h"

enum { THREADS = 8, POSTS = 2000 };

struct word;

struct sender {
	pthread_t thread;
	struct ff_loop *loop;
	struct word *words;
	unsigned *left, next, wrong; /* the loop's thread's */
};

struct word {
	struct sender *sender;
	unsigned nr;
};

static struct word words[THREADS][POSTS];

static void on_word(struct ff_loop *loop, void *arg)
{
	struct word *word = arg;

	word->sender->wrong += word->nr != word->sender->next++;
	if (--*word->sender->left == 0)
		ff_loop_stop(loop);
}

static void *send_words(void *arg)
{
	struct sender *sender = arg;

	for (unsigned i = 0; i < POSTS; i++)
		if (ff_loop_post(sender->loop, on_word, &sender->words[i]))
			return arg;
	return NULL;
}

static void from_many_threads_in_order(void **state)
{
	struct ff_loop *loop = ff_loop_new(NULL);
	struct sender senders[THREADS] = {0};
	unsigned left = THREADS * POSTS;
	void *failed;

	assert_non_null(loop);
	for (unsigned t = 0; t < THREADS; t++) {
		senders[t] = (struct sender){.loop = loop, .words = words[t], .left = &left};
		for (unsigned i = 0; i < POSTS; i++)
			words[t][i] = (struct word){&senders[t], i};
		assert_int_equal(pthread_create(&senders[t].thread, NULL, send_words, &senders[t]),
				 0);
	}
	assert_int_equal(ff_loop_run(loop), 0);
	for (unsigned t = 0; t < THREADS; t++) {
		assert_int_equal(pthread_join(senders[t].thread, &failed), 0);
		assert_null(failed);
		assert_int_equal(senders[t].next, POSTS);
		assert_int_equal(senders[t].wrong, 0);
	}
	assert_int_equal(ff_loop_free(loop), 0);
}

struct count {
	unsigned calls;
	int nested, again;
};

static void post_once_more(struct ff_loop *loop, void *arg)
{
	struct count *count = arg;

	count->nested = ff_loop_run_once(loop, FF_NEVER_US);
	if (++count->calls == 1)
		count->again = ff_loop_post(loop, post_once_more, arg);
}

static void until_the_end(void **state)
{
	struct ff_loop loop;
	struct count count = {0};

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	assert_int_equal(ff_loop_post(&loop, NULL, NULL), FF_EINVAL);
	assert_int_equal(ff_loop_post(&loop, post_once_more, &count), 0);
	while (count.calls < 2)
		assert_int_equal(ff_loop_run_once(&loop, FF_NEVER_US), 0);
	assert_int_equal(count.nested, FF_EDEADLK);
	assert_int_equal(count.again, 0);

	/* What was accepted is called, and from then on all is refused. */
	count = (struct count){0};
	assert_int_equal(ff_loop_post(&loop, post_once_more, &count), 0);
	assert_int_equal(ff_loop_release(&loop), 0);
	assert_int_equal(count.calls, 1);
	assert_int_equal(count.again, FF_ECLOSED);
	assert_int_equal(ff_loop_post(&loop, post_once_more, &count), FF_ECLOSED);
	assert_int_equal(ff_loop_free(NULL), 0);
}

static void never(struct ff_timer *timer)
{
	fail();
}

/* A release that is refused leaves the loop as it was. */
static void after_a_refused_end(void **state)
{
	struct ff_loop *loop = ff_loop_new(NULL);
	struct ff_timer timer;
	struct count count = {.calls = 1};

	assert_int_equal(ff_timer_init(&timer, loop, never, NULL), 0);
	assert_int_equal(ff_loop_free(loop), FF_EINVAL);
	assert_int_equal(ff_loop_post(loop, post_once_more, &count), 0);
	assert_int_equal(ff_loop_run_once(loop, FF_NEVER_US), 0);
	assert_int_equal(count.calls, 2);
	ff_timer_close(&timer, NULL);
	assert_int_equal(ff_loop_free(loop), 0);
}

static void *interrupt(void *loop)
{
	ff_loop_interrupt(loop);
	return NULL;
}

static void *stop(void *loop)
{
	ff_loop_stop(loop);
	return NULL;
}

static void waits_are_interrupted(void **state)
{
	struct ff_loop *loop = ff_loop_new(NULL);
	pthread_t thread;
	int rc;

	assert_int_equal(pthread_create(&thread, NULL, interrupt, loop), 0);
	do
		rc = ff_loop_run_once(loop, ff_clock_us() + 60 * FF_SECOND_US);
	while (rc == 0);
	assert_int_equal(rc, FF_ECANCELED);
	assert_int_equal(pthread_join(thread, NULL), 0);

	/* One that meets nobody counts for the next wait, and once. */
	ff_loop_interrupt(loop);
	ff_loop_interrupt(loop);
	assert_int_equal(ff_loop_run(loop), FF_ECANCELED);
	assert_int_equal(pthread_create(&thread, NULL, stop, loop), 0);
	assert_int_equal(ff_loop_run(loop), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(ff_loop_free(loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_many_threads_in_order),
		cmocka_unit_test(until_the_end),
		cmocka_unit_test(after_a_refused_end),
		cmocka_unit_test(waits_are_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
