/* Output into lines of valid text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/strv.h"
#include "wire/utf8.h"
#include "worker/lines.h"

static void collect(void *ctx, const char *text, size_t len)
{
	char *copy = strndup(text, len);

	assert_true(ff_is_utf8(text, len));
	assert_int_equal(ff_strv_add(ctx, copy), 0);
	free(copy);
}

struct fixture {
	struct ff_lines lines;
	struct ff_strv got;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	ff_lines_init(&fixture->lines);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	ff_lines_release(&fixture->lines);
	ff_strv_release(&fixture->got);
	free(fixture);
	return 0;
}

static void feed(struct fixture *fixture, const char *text, size_t len)
{
	assert_int_equal(ff_lines_feed(&fixture->lines, text, len, collect, &fixture->got), 0);
}

static void end(struct fixture *fixture)
{
	assert_int_equal(ff_lines_end(&fixture->lines, collect, &fixture->got), 0);
}

static void expect(const struct fixture *fixture, size_t len, const char *const *texts)
{
	size_t i;

	assert_int_equal(fixture->got.len, len);
	for (i = 0; i < len; i++)
		assert_string_equal(fixture->got.v[i], texts[i]);
}

static void test_any_boundary(void **state)
{
	static const char text[] = "one\n\nd\xc3\xbc\nlast";
	static const char *const expected[] = {"one", "", "d\xc3\xbc", "last"};
	struct fixture *fixture = *state;
	size_t cut;

	for (cut = 0; cut < sizeof(text); cut++) {
		feed(fixture, text, cut);
		feed(fixture, text + cut, sizeof(text) - 1 - cut);
		end(fixture);
		expect(fixture, 4, expected);
		ff_strv_release(&fixture->got);
		ff_strv_init(&fixture->got);
	}
}

static void test_repairs(void **state)
{
	static const char text[] = "a\xff"
				   "b\xc3\n\xe2\x82\n\xed\xa0\x80\n";
	static const char *const expected[] = {("a\xef\xbf\xbd"
					       "b\xef\xbf\xbd"),
					       "\xef\xbf\xbd\xef\xbf\xbd",
					       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"};
	struct fixture *fixture = *state;

	feed(fixture, text, sizeof(text) - 1);
	end(fixture);
	expect(fixture, 3, expected);
}

static void test_long_line(void **state)
{
	struct fixture *fixture = *state;
	size_t len = 3 * (size_t)FF_LINE_MAX + 1, total = 0, i;
	char *text = malloc(len);

	/* Two bytes a character, off by one: a cut at FF_LINE_MAX would go through one. */
	text[0] = 'x';
	for (i = 1; i < len; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	feed(fixture, text, len);
	assert_true(fixture->lines.part.len < FF_LINE_MAX);
	end(fixture);
	assert_true(fixture->got.len >= 4);
	for (i = 0; i < fixture->got.len; i++) {
		assert_memory_equal(fixture->got.v[i], text + total, strlen(fixture->got.v[i]));
		total += strlen(fixture->got.v[i]);
	}
	assert_int_equal(total, len);
	free(text);
}

static void test_long_garbage(void **state)
{
	struct fixture *fixture = *state;
	size_t len = 2 * (size_t)FF_LINE_MAX, total = 0, i;
	char *text = malloc(len);

	memset(text, 0x80, len);
	feed(fixture, text, len);
	end(fixture);
	for (i = 0; i < fixture->got.len; i++)
		total += strlen(fixture->got.v[i]);
	assert_int_equal(total, 3 * len);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_any_boundary, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_repairs, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_long_garbage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
