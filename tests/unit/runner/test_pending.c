/* The tree of bitmaps against an array of flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "random.h"
#include "sched/pending.h"

static uint32_t naive_next(const bool *in, uint32_t size, uint32_t from)
{
	for (uint32_t i = from; i < size; i++)
		if (in[i])
			return i;
	return UINT32_MAX;
}

static void check(const struct ff_pending *p, const bool *in, uint32_t len)
{
	uint32_t number = random_below(p->size + 3);
	uint32_t first = naive_next(in, p->size, 0);

	assert_int_equal(p->len, len);
	assert_int_equal(ff_pending_has(p, number), number < p->size && in[number]);
	assert_int_equal(ff_pending_next(p, 0), first);
	assert_int_equal(ff_pending_next(p, number), naive_next(in, p->size, number));
	if (first != UINT32_MAX)
		assert_int_equal(ff_pending_first(p), first);
}

static void change(struct ff_pending *p, bool *in, uint32_t *len)
{
	/* What can't be in it changes nothing. */
	uint32_t number = one_in(10) ? p->size + random_below(200) : random_below(p->size);
	bool can = number < p->size;

	switch (random_below(3)) {
	case 0:
		ff_pending_add(p, number);
		*len += can && !in[number];
		in[can ? number : p->size] = can;
		break;
	case 1:
		ff_pending_del(p, number);
		*len -= can && in[number];
		in[can ? number : p->size] = false;
		break;
	default:
		if (*len == 0)
			break;
		number = naive_next(in, p->size, 0);
		assert_int_equal(ff_pending_take(p), number);
		in[number] = false;
		--*len;
	}
}

static void random_world(uint32_t size, bool full)
{
	bool *in = ff_xcalloc((size_t)size + 1, sizeof(*in));
	uint32_t len = full ? size : 0;
	struct ff_pending p;

	memset(in, full, size);
	ff_pending_init(&p, size, full);
	for (int step = 0; step < 400; step++) {
		check(&p, in, len);
		change(&p, in, &len);
	}
	ff_pending_release(&p);
	assert_int_equal(p.size, 0);
	ff_free(in);
}

/* Sizes at and beside the borders of words and levels. */
static void test_like_an_array(void **state)
{
	static const uint32_t sizes[] = {0,   1,    2,	  63,	64,   65,   127,   128,
					 129, 4032, 4095, 4096, 4097, 4160, 10000, 262145};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (uint32_t seed = 1; seed <= 4; seed++) {
			random_seed(seed + i);
			random_world(sizes[i], seed % 2);
		}
	}
}

static void test_all_in_order(void **state)
{
	struct ff_pending p;

	for (uint32_t size = 1; size < 10000; size = size * 5 / 2 + 1) {
		ff_pending_init(&p, size, true);
		assert_int_equal(p.len, size);
		for (uint32_t i = 0; i < size; i++) {
			assert_int_equal(ff_pending_next(&p, 0), i);
			assert_int_equal(ff_pending_take(&p), i);
		}
		assert_int_equal(p.len, 0);
		assert_int_equal(ff_pending_next(&p, 0), UINT32_MAX);
		ff_pending_add(&p, size - 1);
		ff_pending_add(&p, size - 1);
		ff_pending_add(&p, size);
		ff_pending_add(&p, size / 2);
		assert_true(ff_pending_has(&p, size - 1));
		assert_false(ff_pending_has(&p, size));
		assert_int_equal(ff_pending_take(&p), size / 2);
		if (size / 2 != size - 1)
			assert_int_equal(ff_pending_take(&p), size - 1);
		assert_int_equal(p.len, 0);
		ff_pending_release(&p);
	}
}

/* What is in it stays, whatever borders are passed. */
static void test_growing(void **state)
{
	uint32_t size = 0, last = 0;
	struct ff_pending p;

	ff_pending_init(&p, 0, true);
	for (uint32_t next = 1; next < 300000; next = next * 3 + 1) {
		ff_pending_grow(&p, next);
		assert_int_equal(p.size, next);
		if (size > 0)
			assert_true(ff_pending_has(&p, last));
		ff_pending_add(&p, size);
		ff_pending_add(&p, last = next - 1);
		size = next;
	}
	assert_int_equal(ff_pending_take(&p), 0);
	assert_int_equal(ff_pending_take(&p), 1);
	assert_int_equal(ff_pending_take(&p), 3);
	assert_int_equal(ff_pending_take(&p), 4);
	assert_int_equal(ff_pending_take(&p), 12);
	ff_pending_release(&p);
}

/* More than 2^30 numbers: six levels. */
static void test_the_deepest(void **state)
{
	uint32_t size = (UINT32_C(1) << 30) + 5;
	struct ff_pending p;

	ff_pending_init(&p, size, false);
	assert_int_equal(p.depth, FF_PENDING_LEVELS);
	ff_pending_add(&p, size - 1);
	ff_pending_add(&p, UINT32_C(1) << 30);
	ff_pending_add(&p, 4096);
	assert_int_equal(ff_pending_next(&p, 4097), UINT32_C(1) << 30);
	assert_int_equal(ff_pending_next(&p, (UINT32_C(1) << 30) + 1), size - 1);
	assert_int_equal(ff_pending_next(&p, size), UINT32_MAX);
	assert_int_equal(ff_pending_take(&p), 4096);
	assert_int_equal(ff_pending_take(&p), UINT32_C(1) << 30);
	assert_int_equal(ff_pending_take(&p), size - 1);
	ff_pending_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_an_array),
		cmocka_unit_test(test_all_in_order),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_the_deepest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
