/* What makes failures the same: messages and places, and groups of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report/alike.h"

static void test_messages(void **state)
{
	static const struct {
		const char *message, *expected;
	} cases[] = {
		{"", ""},
		{"assert x == y", "assert x == y"},
		{"assert 1 == 22", "assert N == N"},
		{"took 0.25s at 12:30:05", "took Ns at N:N:N"},
		{"<Thing object at 0x7f3a99d0>", "<Thing object at 0x...>"},
		{"<Thing object at 0X7F>", "<Thing object at 0x...>"},
		{"0x", "Nx"},
		{"0xzz", "Nxzz"},
		{"no file '/tmp/pytest-of-me/pytest-12/x_y0/a.txt'", "no file '<path>'"},
		{"no file /private/var/folders/q1/T/abc", "no file <path>"},
		{"no file /srv/data/abc", "no file /srv/data/abc"},
		{"commit deadbeef12 is bad", "commit N is bad"},
		{"deadbeef is a word", "deadbeef is a word"},
		{"effaced 1", "effaced N"},
		{"first\nsecond 7", "first"},
		{"1.", "N."},
		{"v1.2.3", "vN"},
		{"\xff\x01", "\xff\x01"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_buf out = FF_BUF_INIT;

		ff_alike_message(&out, cases[i].message);
		assert_string_equal(ff_buf_str(&out), cases[i].expected);
		ff_buf_release(&out);
	}
}

static void test_frames(void **state)
{
	static const struct {
		const char *longrepr, *expected;
	} cases[] = {
		{NULL, ""},
		{"", ""},
		{"E   assert 1 == 2", ""},
		{">   f()\n\nt.py:3: \n_ _\n\nlib.py:12: ValueError\n", "lib.py:12"},
		{"t.py:3: ValueError", "t.py:3"},
		{"t.py:3", ""},
		{"note: 3: x", ""},
		{"Traceback\n  File \"a.py\", line 3, in f\n  File \"b.py\", line 44, in g\nE: x\n",
		 "b.py:44"},
		{"  File \"a.py", ""},
		{"  File \"a.py\", line 3", "a.py:3"},
		{" t.py:3: indented", ""},
		{":3: x", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_buf out = FF_BUF_INIT;

		ff_alike_frame(&out, cases[i].longrepr);
		assert_string_equal(ff_buf_str(&out), cases[i].expected);
		ff_buf_release(&out);
	}
}

static void test_one_cause(void **state)
{
	struct ff_alike alike = {0};
	char message[80], name[40];

	for (int i = 0; i < 500; i++) {
		snprintf(message, sizeof(message), "no <X at 0x7f%x> in /tmp/t-%d/f after %d.%d s",
			 i * 37, i, i, i % 10);
		snprintf(name, sizeof(name), "t.py::test[%d]", i);
		ff_alike_add(&alike, message, "t.py:5: KeyError", name);
	}
	ff_alike_add(&alike, message, "t.py:6: KeyError", "elsewhere");
	ff_alike_add(&alike, NULL, NULL, "nothing is known of it");
	ff_alike_add(&alike, NULL, NULL, "nor of this");
	assert_int_equal(alike.total, 503);
	assert_int_equal(alike.len, 2);
	assert_int_equal(alike.largest, 500);
	assert_int_equal(alike.v[0]->count, 500);
	assert_string_equal(alike.v[0]->frame, "t.py:5");
	assert_string_equal(alike.v[0]->names[2], "t.py::test[2]");
	assert_int_equal(alike.v[1]->count, 1);
	ff_alike_release(&alike);
}

/* What differs in the status is of another cause, what differs in a number of its text is not. */
static void test_commands(void **state)
{
	struct ff_alike alike = {0};

	assert_int_equal(ff_alike_add_command(&alike, "exit status 1", "no 1.db", "a"), 1);
	assert_int_equal(ff_alike_add_command(&alike, "exit status 2", "no 1.db", "b"), 1);
	assert_int_equal(ff_alike_add_command(&alike, "exit status 1", "no 2.db", "c"), 2);
	assert_int_equal(ff_alike_add_command(&alike, "exit status 1", "no file", "d"), 1);
	assert_int_equal(ff_alike_add_command(&alike, "exit status 1", NULL, "e"), 1);
	assert_int_equal(alike.len, 4);
	assert_string_equal(alike.v[0]->cause, "exit status 1");
	assert_string_equal(alike.v[0]->message, "no 1.db");
	ff_alike_release(&alike);
}

/* As many causes as failures are bounded, and all are counted. */
static void test_many_causes(void **state)
{
	struct ff_alike alike = {0};
	char frame[40];

	for (int i = 0; i < FF_ALIKE_GROUPS_MAX + 10; i++) {
		snprintf(frame, sizeof(frame), "t.py:%d: E", i);
		ff_alike_add(&alike, "m", frame, "n");
	}
	assert_int_equal(alike.len, FF_ALIKE_GROUPS_MAX);
	assert_int_equal(alike.total, FF_ALIKE_GROUPS_MAX + 10);
	assert_int_equal(alike.largest, 1);
	ff_alike_release(&alike);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),    cmocka_unit_test(test_frames),
		cmocka_unit_test(test_one_cause),   cmocka_unit_test(test_commands),
		cmocka_unit_test(test_many_causes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
