/* The hash map, against a plain array as its model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/map.h"

static char values[1000];

static void test_text_keys(void **state)
{
	struct ff_map map = FF_MAP_INIT;
	char key[8] = "one";

	assert_null(ff_map_get(&map, "one"));
	assert_null(ff_map_del(&map, "one"));
	assert_int_equal(ff_map_set(&map, key, &values[1]), 0);
	key[0] = 'x'; /* the key was copied */
	assert_ptr_equal(ff_map_get(&map, "one"), &values[1]);
	assert_int_equal(ff_map_set(&map, "one", &values[2]), 0);
	assert_int_equal(ff_map_set(&map, "", &values[3]), 0);
	assert_int_equal(map.len, 2);
	assert_ptr_equal(ff_map_get(&map, "one"), &values[2]);
	assert_ptr_equal(ff_map_get(&map, ""), &values[3]);
	assert_ptr_equal(ff_map_del(&map, "one"), &values[2]);
	assert_null(ff_map_get(&map, "one"));
	assert_int_equal(map.len, 1);
	ff_map_release(&map);
	assert_null(ff_map_get(&map, ""));
}

static void test_against_model(void **state)
{
	struct ff_map texts = FF_MAP_INIT, numbers = FF_MAP_INIT;
	void *model[1000] = {NULL};
	size_t count = 0;
	uint32_t seed = 7;

	for (int i = 0; i < 40000; i++) {
		uint32_t k;
		char key[16];

		seed = seed * 1664525 + 1013904223;
		k = (seed >> 8) % 1000;
		snprintf(key, sizeof(key), "key%u", k);
		if (seed >> 30) {
			void *was = model[k];

			assert_ptr_equal(ff_map_del(&texts, key), was);
			assert_ptr_equal(ff_map_del_u32(&numbers, k * 4096), was);
			count -= was != NULL;
			model[k] = NULL;
		} else {
			assert_int_equal(ff_map_set(&texts, key, &values[i % 1000]), 0);
			assert_int_equal(ff_map_set_u32(&numbers, k * 4096, &values[i % 1000]), 0);
			count += model[k] == NULL;
			model[k] = &values[i % 1000];
		}
		assert_int_equal(texts.len, count);
		assert_int_equal(numbers.len, count);
	}
	for (uint32_t k = 0; k < 1000; k++) {
		char key[16];

		snprintf(key, sizeof(key), "key%u", k);
		assert_ptr_equal(ff_map_get(&texts, key), model[k]);
		assert_ptr_equal(ff_map_get_u32(&numbers, k * 4096), model[k]);
	}
	assert_true(texts.cap <= 4096); /* tombstones don't make it grow */
	ff_map_release(&texts);
	ff_map_release(&numbers);
}

static void test_walk_with_removal(void **state)
{
	struct ff_map map = FF_MAP_INIT;
	char seen[100] = {0};
	size_t cursor = 0;
	const char *key;
	void *value;

	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(ff_map_set(&map, name, &values[i]), 0);
	}
	while (ff_map_next(&map, &cursor, &key, &value)) {
		int i = atoi(key);

		assert_ptr_equal(value, &values[i]);
		assert_int_equal(seen[i]++, 0);
		ff_map_del(&map, key);
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(map.len, 0);
	cursor = 0;
	assert_false(ff_map_next(&map, &cursor, NULL, NULL));
	ff_map_release(&map);
}

static void test_nth_allocation_fails(void **state)
{
	for (size_t nth = 1;; nth++) {
		struct ff_map map = FF_MAP_INIT;
		int done = 0, rc = 0;

		ff_alloc_fail_at(nth);
		for (; done < 30 && !rc; done += !rc) {
			char key[16];

			snprintf(key, sizeof(key), "%d", done);
			rc = ff_map_set(&map, key, &values[done]);
		}
		ff_alloc_fail_at(0);
		assert_true(rc == 0 || rc == FF_ENOMEM);
		assert_int_equal(map.len, done);
		for (int i = 0; i < 30; i++) {
			char key[16];

			snprintf(key, sizeof(key), "%d", i);
			assert_ptr_equal(ff_map_get(&map, key), i < done ? &values[i] : NULL);
		}
		ff_map_release(&map);
		if (!rc)
			break;
		assert_true(nth < 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text_keys),
	    cmocka_unit_test(test_against_model),
	    cmocka_unit_test(test_walk_with_removal),
	    cmocka_unit_test(test_nth_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
