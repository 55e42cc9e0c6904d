/* What is expected of units: those that are known, and guesses for those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/expect.h"

static void know(struct ff_expect *expect, const char *name, int64_t us)
{
	ff_expect_add(expect, "pytest", name)->us = us;
}

static void test_kinds_are_apart(void **state)
{
	struct ff_expect *expect = ff_expect_new();

	assert_false(ff_expect_knows(expect, "pytest"));
	assert_false(ff_expect_knows(NULL, "pytest"));
	assert_null(ff_expect_find(NULL, "pytest", "a"));
	know(expect, "a", 7);
	assert_true(ff_expect_knows(expect, "pytest"));
	assert_false(ff_expect_knows(expect, "run"));
	assert_null(ff_expect_find(expect, "run", "a"));
	assert_int_equal(ff_expect_find(expect, "pytest", "a")->us, 7);
	assert_ptr_equal(ff_expect_add(expect, "pytest", "a"),
			 ff_expect_find(expect, "pytest", "a"));
	ff_expect_free(expect);
	ff_expect_free(NULL);
}

/* The same whatever the order in which units came. */
static void test_known_for_others(void **state)
{
	static const unsigned char bytes[] = {0x26, 0x39, 0xf4, 0xcb, 0x02, 0x01, 0,	0,
					      0x43, 0xbe, 0xb7, 0xe8, 0xff, 0xff, 0xff, 0x7f};

	for (int turn = 0; turn < 2; turn++) {
		struct ff_expect *expect = ff_expect_new();
		struct ff_buf out = FF_BUF_INIT;

		ff_expect_known(expect, "pytest", &out);
		ff_expect_known(NULL, "pytest", &out);
		assert_int_equal(out.len, 0);
		know(expect, turn ? "a" : "123456789", turn ? INT64_MAX : 257999);
		know(expect, turn ? "123456789" : "a", turn ? 257999 : INT64_MAX);
		know(expect, "nothing is known of it", 0);
		ff_expect_known(expect, "pytest", &out);
		assert_int_equal(out.len, sizeof(bytes));
		assert_memory_equal(ff_buf_data(&out), bytes, sizeof(bytes));
		ff_buf_release(&out);
		ff_expect_free(expect);
	}
}

static void test_unknown_units(void **state)
{
	static const char *const names[] = {"a.py::1", "a.py::2",   "a.py::3",	  "a.py::new",
					    "a.py::5", "b.py::new", "b.py::new2", "a.pyx::new"};
	static const int64_t expected[] = {10, 30, 20, 20, 500, 30, 30, 30};
	enum { LEN = sizeof(names) / sizeof(*names) };
	struct ff_expect *expect = ff_expect_new();
	int64_t us[LEN], setup_us[LEN];

	assert_false(ff_expect_fill(expect, "pytest", names, LEN, us, setup_us));
	know(expect, "of another suite", 1);
	assert_false(ff_expect_fill(expect, "pytest", names, LEN, us, setup_us));
	know(expect, "a.py::1", 10);
	know(expect, "a.py::2", 30);
	know(expect, "a.py::3", 20);
	know(expect, "b.py::new", 0); /* was cut off each time */
	assert_true(ff_expect_fill(expect, "pytest", names, 4, us, setup_us));
	for (int i = 0; i < 4; i++)
		assert_int_equal(us[i], expected[i]);
	know(expect, "a.py::5", 500);
	ff_expect_add(expect, "pytest", "a.py::1")->setup_us = 3;
	assert_true(ff_expect_fill(expect, "pytest", names, LEN, us, setup_us));
	/* Of four that are known the third. */
	assert_int_equal(us[3], 30);
	for (int i = 4; i < LEN; i++)
		assert_int_equal(us[i], expected[i]);
	assert_int_equal(setup_us[0], 3);
	assert_int_equal(setup_us[1], 0);
	ff_expect_free(expect);
}

static void test_files(void **state)
{
	static const char *const files[] = {"a.py", "b.py", "a.p", "a.py::1"};
	enum { LEN = sizeof(files) / sizeof(*files) };
	struct ff_expect *expect = ff_expect_new();
	int64_t us[LEN] = {9, 9, 9, 9};

	assert_false(ff_expect_files(NULL, "pytest", files, LEN, us));
	assert_int_equal(us[0], 0);
	know(expect, "c.py::1", 5);
	assert_false(ff_expect_files(expect, "pytest", files, LEN, us));
	know(expect, "a.py::1", 10);
	know(expect, "a.py::C::2[x::y]", 30);
	know(expect, "b.py", 4); /* a file that is one test */
	assert_true(ff_expect_files(expect, "pytest", files, LEN, us));
	assert_int_equal(us[0], 40);
	assert_int_equal(us[1], 4);
	assert_int_equal(us[2], 0);
	assert_int_equal(us[3], 0);
	assert_false(ff_expect_files(expect, "run", files, LEN, us));
	ff_expect_free(expect);
}

static void test_memory(void **state)
{
	static const struct {
		int64_t kib, bytes;
	} cases[] = {
		{0, 0},
		{(32 << 10) - 1, 0},
		{32 << 10, INT64_C(32) << 20},
		{(32 << 10) + 1, INT64_C(36) << 20},
		{200 << 10, INT64_C(208) << 20},
		{(256 << 10) - 1, INT64_C(256) << 20},
		{(256 << 10) + 1, INT64_C(288) << 20},
		{INT64_MAX, INT64_C(1) << 50},
	};
	struct ff_expect *expect = ff_expect_new();

	assert_true(ff_expect_modest(NULL, "pytest"));
	assert_int_equal(ff_expect_memory(expect, "pytest", "a.py::1"), 0);
	know(expect, "a.py::1", 10);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ff_expect_add(expect, "pytest", "a.py::1")->memory_kib = cases[i].kib;
		assert_int_equal(ff_expect_memory(expect, "pytest", "a.py::1"), cases[i].bytes);
		assert_int_equal(ff_expect_modest(expect, "pytest"), cases[i].bytes == 0);
		assert_int_equal(ff_expect_memory(expect, "run", "a.py::1"), 0);
		assert_true(ff_expect_modest(expect, "run"));
	}
	ff_expect_free(expect);
}

static void test_uneven_ones(void **state)
{
	struct ff_expect *expect = ff_expect_new();

	assert_false(ff_expect_uneven(NULL, "pytest", 2, 1));
	assert_false(ff_expect_uneven(expect, "pytest", 2, 1));
	know(expect, "a.py::1", 1000000);
	assert_true(ff_expect_uneven(expect, "pytest", 2, 1));
	assert_false(ff_expect_uneven(expect, "run", 2, 1));
	/* Of so many of the same length none matters much; with more workers it does. */
	for (char name[] = "b.py::aa"; name[6] <= 'z'; name[6]++)
		for (name[7] = 'a'; name[7] <= 'j'; name[7]++)
			know(expect, name, 1000000);
	assert_false(ff_expect_uneven(expect, "pytest", 2, 1));
	assert_true(ff_expect_uneven(expect, "pytest", 100, 1));
	assert_false(ff_expect_uneven(expect, "pytest", 0, 1));
	ff_expect_free(expect);
	expect = ff_expect_new();
	know(expect, "a.py::1", 200000); /* all of this is over before it pays */
	assert_false(ff_expect_uneven(expect, "pytest", 8, 1));
	ff_expect_free(expect);
}

/* Beginning with whole files costs nothing where none is more than a worker's share, and where it
 * does, collecting all files may cost more. */
static void test_uneven_by_files(void **state)
{
	struct ff_expect *expect = ff_expect_new();

	for (char name[] = "a.py::1"; name[0] <= 'h'; name[0]++)
		for (name[6] = '1'; name[6] <= '4'; name[6]++)
			know(expect, name, name[6] == '1' ? 2000000 : 100000);
	assert_false(ff_expect_uneven(expect, "pytest", 8, 1)); /* a file each */
	assert_true(ff_expect_uneven(expect, "pytest", 10, 1));
	ff_expect_add_file(expect, "pytest", "a.py", 1, 1500000);
	assert_int_equal(ff_expect_file_us(expect, "pytest", "a.py"), 1500000);
	assert_int_equal(ff_expect_file_us(expect, "pytest", "z.py"), 0);
	assert_int_equal(ff_expect_file_us(expect, "setup", "a.py"), 0);
	assert_int_equal(ff_expect_file_us(NULL, "pytest", "a.py"), 0);
	assert_true(ff_expect_uneven(expect, "pytest", 10, 1));
	assert_false(ff_expect_uneven(expect, "pytest", 10, 2)); /* each has half a CPU */
	ff_expect_add_file(expect, "pytest", "b.py", 1, 600000);
	assert_false(ff_expect_uneven(expect, "pytest", 10, 1));
	ff_expect_free(expect);
}

static void test_changed_files(void **state)
{
	static const char *const files[] = {"a.py", "b.py", "new.py"};
	static const int64_t same[] = {1, 2, 3}, changed[] = {1, 7, 3};
	struct ff_expect *expect = ff_expect_new();
	int64_t us[3];

	ff_expect_sources(expect, "pytest", files, same, 3);
	ff_expect_sources(NULL, "pytest", files, same, 3);
	know(expect, "a.py::1", 10);
	know(expect, "b.py::1", 20);
	know(expect, "b.py::C::2", 30);
	know(expect, "new.py::1", 40); /* of whose content nothing is known */
	ff_expect_add_file(expect, "pytest", "a.py", 1, 5);
	ff_expect_add_file(expect, "pytest", "b.py", 2, 6);
	ff_expect_sources(expect, "pytest", files, same, 3);
	assert_true(ff_expect_files(expect, "pytest", files, 3, us));
	assert_int_equal(us[0], 15);
	assert_int_equal(us[1], 56);
	assert_int_equal(us[2], 40);
	ff_expect_sources(expect, "run", files, changed, 3);
	assert_int_equal(ff_expect_find(expect, "pytest", "b.py::1")->us, 20);
	ff_expect_sources(expect, "pytest", files, changed, 3);
	assert_true(ff_expect_files(expect, "pytest", files, 3, us));
	assert_int_equal(us[0], 15);
	assert_int_equal(us[1], 0);
	assert_int_equal(us[2], 40);
	assert_int_equal(ff_expect_find(expect, "pytest", "b.py::C::2")->us, 0);
	ff_expect_free(expect);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_are_apart), cmocka_unit_test(test_known_for_others),
		cmocka_unit_test(test_unknown_units),	cmocka_unit_test(test_files),
		cmocka_unit_test(test_uneven_ones),	cmocka_unit_test(test_uneven_by_files),
		cmocka_unit_test(test_changed_files),	cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
