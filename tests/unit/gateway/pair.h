/* Two gateways joined in memory, a controller and a worker, in groups whose loop moves the bytes in
 * pieces of a chosen size. Time is a number. */
#ifndef FF_TEST_PAIR_H
#define FF_TEST_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/channel.h"
#include "gateway/gateway.h"
#include "gateway/group.h"
#include "gateway/multichannel.h"
#include "wire/frame.h"

struct pair {
	struct ff_gateway *a, *b; /* initiator, worker */
	struct ff_group *group;	  /* of a; its loop moves both ways */
	struct ff_group *workers; /* of b */
	int64_t now_us;
	size_t chunk;  /* most bytes in one feed */
	size_t budget; /* bytes that still get through from a to b, and then the line is cut */
	bool cut;
	struct ff_channel *executed; /* the last channel of CHANNEL_EXEC, owned */
	char task[64];		     /* its source */
	/* What the worker does about it, instead of keeping the channel. */
	void (*perform)(struct pair *pair, struct ff_channel *channel, const struct ff_value *task);
	int task_kind; /* and what that came as */
	int terminated, hellos, closed_a, closed_b, wants;
	int closed_code;
};

static inline bool pair_move(struct pair *pair, struct ff_gateway *from, struct ff_gateway *to)
{
	struct ff_buf *out = ff_gateway_output(from);
	uint8_t piece[4096];
	size_t len = out->len < pair->chunk ? out->len : pair->chunk;

	if (!len || ff_gateway_state(from) != FF_GATEWAY_OPEN)
		return false;
	if (len > sizeof(piece))
		len = sizeof(piece);
	memcpy(piece, ff_buf_data(out), len);
	ff_buf_consume(out, len);
	if (from == pair->a && len > pair->budget)
		len = pair->budget;
	if (from == pair->a)
		pair->budget -= len;
	ff_gateway_sent(from);
	/* From memory of its own size, so that a read beyond it is seen. */
	uint8_t *exact = malloc(len ? len : 1);
	memcpy(exact, piece, len);
	if (len && ff_gateway_state(to) == FF_GATEWAY_OPEN)
		ff_gateway_feed(to, exact, len, pair->now_us, NULL);
	free(exact);
	if (from == pair->a && !pair->budget && !pair->cut) {
		const struct ff_err why = {FF_ELOST, "the line was cut"};

		pair->cut = true;
		ff_gateway_lost(pair->a, &why);
		ff_gateway_lost(pair->b, &why);
	}
	return true;
}

static inline bool pair_step(struct pair *pair)
{
	bool moved = pair_move(pair, pair->a, pair->b);

	return pair_move(pair, pair->b, pair->a) || moved;
}

/* Until nothing is under way. */
static inline void pair_run(struct pair *pair)
{
	while (pair_step(pair))
		;
}

static inline int pair_run_once(void *ctx, int64_t deadline_us)
{
	struct pair *pair = ctx;

	if (pair_step(pair))
		return 0;
	if (deadline_us == FF_NEVER_US)
		return FF_EDEADLK; /* nothing will ever happen: better than hanging */
	if (deadline_us > pair->now_us)
		pair->now_us = deadline_us;
	return 0;
}

static inline int64_t pair_now(void *ctx)
{
	return ((struct pair *)ctx)->now_us;
}

static inline void pair_exec(struct ff_gateway *gateway, struct ff_channel *channel,
			     const struct ff_value *task, void *ctx)
{
	struct pair *pair = ctx;

	if (pair->perform) {
		pair->perform(pair, channel, task);
		ff_channel_unref(channel);
		return;
	}
	ff_channel_unref(pair->executed);
	pair->executed = channel;
	pair->task_kind = ff_at(task, 0)->kind;
	snprintf(pair->task, sizeof(pair->task), "%s", ff_as_str(ff_at(task, 0), "?"));
}

static inline int pair_numexecuting(struct ff_gateway *gateway, void *ctx)
{
	return 7;
}

static inline void pair_terminate(struct ff_gateway *gateway, void *ctx)
{
	((struct pair *)ctx)->terminated++;
}

static inline void pair_hello(struct ff_gateway *gateway, const struct ff_value *caps, void *ctx)
{
	((struct pair *)ctx)->hellos++;
}

static inline void pair_closed_a(struct ff_gateway *gateway, const struct ff_err *why, void *ctx)
{
	((struct pair *)ctx)->closed_a++;
	((struct pair *)ctx)->closed_code = why->code;
}

static inline void pair_closed_b(struct ff_gateway *gateway, const struct ff_err *why, void *ctx)
{
	((struct pair *)ctx)->closed_b++;
}

static inline void pair_want(struct ff_gateway *gateway, void *ctx)
{
	((struct pair *)ctx)->wants++;
}

/* false: out of memory, everything is released again. */
static inline bool pair_try_init(struct pair *pair, size_t chunk, uint32_t window)
{
	static const struct ff_gateway_ops ops_a = {
		.want_write = pair_want, .hello = pair_hello, .closed = pair_closed_a};
	static const struct ff_gateway_ops ops_b = {.exec = pair_exec,
						    .numexecuting = pair_numexecuting,
						    .terminate = pair_terminate,
						    .hello = pair_hello,
						    .closed = pair_closed_b};
	static const struct ff_group_driver driver = {.run_once = pair_run_once,
						      .now_us = pair_now};
	const struct ff_gateway_opts opts_a = {
		.id = "gw0", .initiator = true, .window_bytes = window, .ops = &ops_a, .ctx = pair};
	const struct ff_gateway_opts opts_b = {
		.id = "worker", .window_bytes = window, .ops = &ops_b, .ctx = pair};

	*pair = (struct pair){.chunk = chunk, .budget = SIZE_MAX, .now_us = 1000};
	pair->group = ff_group_new(&driver, pair);
	pair->workers = ff_group_new(&driver, pair);
	pair->a = ff_gateway_new(&opts_a);
	pair->b = ff_gateway_new(&opts_b);
	if (pair->group && pair->workers && pair->a && pair->b &&
	    !ff_group_add(pair->group, pair->a, NULL) &&
	    !ff_group_add(pair->workers, pair->b, NULL)) {
		ff_gateway_opened(pair->a);
		ff_gateway_opened(pair->b);
		return true;
	}
	ff_gateway_free(pair->a);
	ff_gateway_free(pair->b);
	ff_group_free(pair->group);
	ff_group_free(pair->workers);
	return false;
}

static inline void pair_init(struct pair *pair, size_t chunk)
{
	assert_true(pair_try_init(pair, chunk, 0));
}

static inline void pair_release(struct pair *pair)
{
	ff_channel_unref(pair->executed);
	ff_gateway_free(pair->a);
	ff_gateway_free(pair->b);
	ff_group_free(pair->group);
	ff_group_free(pair->workers);
}

/* A task on the worker: the controller's end is returned, the worker's is pair->executed. */
static inline struct ff_channel *pair_start(struct pair *pair, const char *source)
{
	const struct ff_task task = {.source = source};
	struct ff_channel *channel = ff_gateway_remote_exec(pair->a, &task, NULL);

	assert_non_null(channel);
	pair_run(pair);
	assert_non_null(pair->executed);
	assert_string_equal(pair->task, source);
	return channel;
}

static inline void send_int(struct ff_channel *channel, int64_t n)
{
	const struct ff_value value = ff_int(n);

	assert_int_equal(ff_channel_send(channel, &value, NULL), 0);
}

static inline int64_t poll_int(struct ff_channel *channel)
{
	struct ff_item item = FF_ITEM_INIT;
	int64_t n;

	assert_int_equal(ff_channel_poll(channel, &item, NULL), 0);
	n = ff_as_int(&item.value, INT64_MIN);
	ff_item_release(&item);
	return n;
}

/* Writes down what a callback is given: "1 2 END ". */
struct notes {
	char text[256];
	struct ff_channel *close; /* to close inside the callback */
	struct ff_channel *unref;
};

static inline void take_notes(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct notes *notes = ctx;
	size_t len = strlen(notes->text);
	struct ff_channel *unref = notes->unref;

	if (item)
		snprintf(notes->text + len, sizeof(notes->text) - len, "%d ",
			 (int)ff_as_int(&item->value, -1));
	else
		snprintf(notes->text + len, sizeof(notes->text) - len, "END ");
	if (notes->close)
		ff_channel_close(notes->close, NULL);
	notes->unref = NULL;
	ff_channel_unref(unref);
	len = strlen(notes->text);
	snprintf(notes->text + len, sizeof(notes->text) - len, ". ");
}

#endif
