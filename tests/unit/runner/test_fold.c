/* Names to ranges, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/strv.h"
#include "inventory/private.h"

static void folds(void **state)
{
	static const struct {
		const char *names, *folded;
	} cases[] = {
		{"a", "a"},
		{"n1", "n1"},
		{"n1 n2 n3", "n[1-3]"},
		{"n3 n1 n2 n1", "n[1-3]"},
		{"n1 n3", "n[1,3]"},
		{"node01 node02 node08 node09 node10 node12", "node[01-02,08-10,12]"},
		{"n08 n09 n10 n11", "n[08-11]"},
		{"n8 n9 n10 n11", "n[8-11]"},
		{"n1 n01 n2 n02", "n[01-02,1-2]"},
		{"n9 n09 n10", "n[09-10,9]"},
		{"n99 n100 n098", "n[098,99-100]"},
		{"n0 n1 n00 n01", "n[00-01,0-1]"},
		{"db web2 web1 cache", "db,web[1-2],cache"},
		{"n1-eth0 n2-eth0", "n[1-2]-eth0"},
		{"r1n1 r1n2 r2n1 r2n2", "r1n[1-2],r2n[1-2]"},
		{"n1.dc2.example n2.dc2.example", "n[1-2].dc2.example"},
		{"10.0.0.1 10.0.0.2 10.0.0.3", "10.0.0.[1-3]"},
		{"[::1]:8888 [::1]:8889", "[::1]:8888,[::1]:8889"},
		{"n1234567890123 n1234567890124", "n1234567890123,n1234567890124"},
		{"n1234567890123x1 n1234567890123x2", "n1234567890123x[1-2]"},
		{"7 8 9", "[7-9]"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_strv names = FF_STRV_INIT;
		struct ff_buf out = FF_BUF_INIT;

		ff_strv_split_blanks(&names, cases[i].names);
		ff_range_fold(&out, (const char *const *)names.v, names.len);
		assert_string_equal(ff_buf_str(&out), cases[i].folded);
		ff_buf_release(&out);
		ff_strv_release(&names);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Drawn names come back from their ranges, each once. */
static void there_and_back(void **state)
{
	static const char *const texts[] = {"n", "a", "n0x", "-", "r1."};
	unsigned seed = 7;

	for (int round = 0; round < 2000; round++) {
		struct ff_strv names = FF_STRV_INIT, back = FF_STRV_INIT;
		struct ff_buf out = FF_BUF_INIT;
		struct ff_err err;
		int count = rand_r(&seed) % 30 + 1;

		for (int i = 0; i < count; i++) {
			char name[64];

			snprintf(name, sizeof(name), "%s%0*d%s", texts[rand_r(&seed) % 5],
				 rand_r(&seed) % 3 + 1, rand_r(&seed) % 25,
				 texts[rand_r(&seed) % 2]);
			if (!ff_strv_contains(&names, name))
				ff_strv_add(&names, name);
		}
		ff_range_fold(&out, (const char *const *)names.v, names.len);
		if (ff_set_expand(&back, ff_buf_str(&out), &err))
			fail_msg("%s: %s", ff_buf_str(&out), err.text);
		qsort(names.v, names.len, sizeof(*names.v), by_text);
		qsort(back.v, back.len, sizeof(*back.v), by_text);
		if (back.len != names.len)
			fail_msg("%s: %zu names, not %zu", ff_buf_str(&out), back.len, names.len);
		for (size_t i = 0; i < names.len; i++)
			assert_string_equal(names.v[i], back.v[i]);
		ff_buf_release(&out);
		ff_strv_release(&names);
		ff_strv_release(&back);
	}
}

static void many(void **state)
{
	struct ff_strv names = FF_STRV_INIT;
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err;

	assert_int_equal(ff_range_expand(&names, "h[1-50]n[0001-2000]", &err), 0);
	ff_range_fold(&out, (const char *const *)names.v, names.len);
	assert_int_equal(strncmp(ff_buf_str(&out), "h1n[0001-2000],h2n[0001-2000],", 30), 0);
	ff_buf_release(&out);
	ff_strv_release(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
