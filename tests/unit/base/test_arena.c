/* The bump allocator: alignment, its limit, and that objects don't overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"

static void test_alignment_and_content(void **state)
{
	struct ff_arena arena = FF_ARENA_INIT;
	unsigned char *objects[200];

	for (size_t i = 0; i < 200; i++) {
		objects[i] = ff_arena_alloc(&arena, i * 7 + 1);
		assert_non_null(objects[i]);
		assert_int_equal((uintptr_t)objects[i] % 16, 0);
		memset(objects[i], (int)i, i * 7 + 1);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t j = 0; j < i * 7 + 1; j++)
			assert_int_equal(objects[i][j], (unsigned char)i);
	ff_arena_release(&arena);
	assert_int_equal(arena.total, 0);
	assert_non_null(ff_arena_alloc(&arena, 10)); /* usable again */
	ff_arena_release(&arena);
	ff_arena_release(&arena);
}

static void test_large_object_leaves_the_open_block(void **state)
{
	struct ff_arena arena = FF_ARENA_INIT;
	char *first = ff_arena_alloc(&arena, 16), *large = ff_arena_alloc(&arena, 100000), *next;

	assert_non_null(large);
	memset(large, 1, 100000);
	next = ff_arena_alloc(&arena, 16);
	assert_ptr_equal(next, first + 16);
	ff_arena_release(&arena);
}

static void test_large_blocks_again_and_again(void **state)
{
	for (int round = 0; round < 5; round++) {
		struct ff_arena arena = FF_ARENA_INIT;

		for (size_t i = 0; i < 6; i++) {
			size_t size = (size_t)300000 << i;
			char *large = ff_arena_alloc(&arena, size);

			assert_non_null(large);
			memset(large, (int)i, size);
		}
		ff_arena_release(&arena);
	}
}

static void test_limit(void **state)
{
	struct ff_arena arena;
	size_t taken = 0;

	ff_arena_init(&arena);
	arena.max = 5000;
	assert_null(ff_arena_alloc(&arena, 5001));
	assert_null(ff_arena_alloc(&arena, SIZE_MAX));
	while (ff_arena_alloc(&arena, 100))
		taken += 100;
	assert_true(taken >= 4000);
	assert_true(arena.total <= 5000);
	ff_arena_release(&arena);
	assert_int_equal(arena.max, 5000);
}

static void test_copies(void **state)
{
	struct ff_arena arena = FF_ARENA_INIT;
	char *copy = ff_arena_copy(&arena, "a\0b", 3);

	assert_memory_equal(copy, "a\0b", 4);
	assert_string_equal(ff_arena_strdup(&arena, "text"), "text");
	assert_string_equal(ff_arena_copy(&arena, NULL, 0), "");
	assert_null(ff_arena_copy(&arena, "", SIZE_MAX));
	ff_arena_release(&arena);
}

static void test_out_of_memory(void **state)
{
	struct ff_arena arena = FF_ARENA_INIT;

	ff_alloc_fail_at(1);
	assert_null(ff_arena_alloc(&arena, 1));
	assert_null(ff_arena_strdup(&arena, "x"));
	ff_alloc_fail_at(0);
	assert_int_equal(arena.total, 0);
	assert_string_equal(ff_arena_strdup(&arena, "x"), "x");
	ff_arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alignment_and_content),
	    cmocka_unit_test(test_large_object_leaves_the_open_block),
	    cmocka_unit_test(test_large_blocks_again_and_again),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
