/* The intrusive list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

struct thing {
	int number;
	struct ff_list node;
};

static int digits(struct ff_list *head)
{
	struct ff_list *at;
	int all = 0;

	ff_list_for_each (at, head)
		all = all * 10 + ff_container_of(at, struct thing, node)->number;
	return all;
}

static void test_order(void **state)
{
	struct thing a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
	struct ff_list head;

	ff_list_init(&head);
	assert_true(ff_list_empty(&head));
	ff_list_add_tail(&head, &b.node);
	ff_list_add_tail(&head, &c.node);
	ff_list_add_head(&head, &a.node);
	assert_int_equal(digits(&head), 123);
	ff_list_del(&b.node);
	ff_list_del(&b.node);
	assert_int_equal(digits(&head), 13);
	assert_false(ff_list_empty(&head));
}

static void test_removal_while_walking(void **state)
{
	struct thing things[5];
	struct ff_list head, *at, *tmp;

	ff_list_init(&head);
	for (int i = 0; i < 5; i++) {
		things[i].number = i + 1;
		ff_list_add_tail(&head, &things[i].node);
	}
	ff_list_for_each_safe (at, tmp, &head) {
		if (ff_container_of(at, struct thing, node)->number % 2)
			ff_list_del(at);
	}
	assert_int_equal(digits(&head), 24);
	ff_list_for_each_safe (at, tmp, &head)
		ff_list_del(at);
	assert_true(ff_list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_removal_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
