/* Foreign text made fit to be shown: escapes, widths, cuts; numbers in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "report/text.h"

static void test_line(void **state)
{
	static const struct {
		const char *text;
		size_t columns;
		const char *expected;
	} cases[] = {
		{NULL, 0, ""},
		{"", 5, ""},
		{"plain", 0, "plain"},
		{"plain", 5, "plain"},
		{"plainer", 5, "pl..."},
		{"plain", 2, "..."},
		{"a\tb\nc\rd", 0, "a\\tb\\nc\\rd"},
		{"\x01\x1b[31m\x7f", 0, "\\x01\\x1b[31m\\x7f"},
		{"\xff\xc3", 0, "\\xff\\xc3"},
		{"\xc2\x85", 0, "\\x85"},
		{"\xe2\x80\xae\xe2\x81\xa6", 0, "\\u202e\\u2066"},
		{"\xd8\x9c\xef\xbb\xbf\xe2\x80\xa8", 0, "\\u061c\\ufeff\\u2028"},
		{"\xf3\xa0\x81\x81", 0, "\\U000e0041"},
		{"\xc2\x80\xc2\x9f\xc2\xa0", 0, "\\x80\\x9f\xc2\xa0"},
		{"\xf0\x9f\x91\xa9\xe2\x80\x8d", 0, "\xf0\x9f\x91\xa9\xe2\x80\x8d"},
		{"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 4, "\xc3\xa9..."},
		{"\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5", 6, "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"},
		{"\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5", 5, "\xe6\x97\xa5..."},
		{"\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5", 4, "..."},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ff_buf out = FF_BUF_INIT;

		ff_buf_addstr(&out, "> ");
		ff_text_line(&out, cases[i].text, cases[i].columns, "...");
		assert_memory_equal(ff_buf_str(&out), "> ", 2);
		assert_string_equal(ff_buf_str(&out) + 2, cases[i].expected);
		ff_buf_release(&out);
	}
}

static void test_gist(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"", ""},
		{"one line", "one line"},
		{"one line\n\n", "one line"},
		{"a: error: b", "a: error: b"},
		{"usage: pytest [x]\npytest: error: unrecognized\n  inifile: None",
		 "pytest: error: unrecognized"},
		{"Traceback (most recent call last):\n  File \"x\"\nValueError: why\n\n",
		 "ValueError: why"},
		{"in f:\nTraceback (most recent call last):\n  File \"x\"\nValueError: why",
		 "in f: ValueError: why"},
		{"it died: code 1\nits last output on stderr:\nTraceback (most recent call "
		 "last):\n  f\nOSError: x\n",
		 "it died: code 1: OSError: x"},
		{"ImportError while loading conftest '/c.py'.\nc.py:1: in <module>\n    x\nE   "
		 "NameError: n\nE   more",
		 "ImportError while loading conftest '/c.py': NameError: n"},
		{"\nE   only", ": only"},
		{"Traceback (most recent call last)\n", "Traceback (most recent call last)"},
		{"the front: ValueError: why\nTraceback (most recent call last):\n  f\nValueError: "
		 "why\n",
		 "the front: ValueError: why"},
		{"two\nlines\n", "two\nlines"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ff_buf out = FF_BUF_INIT;

		ff_text_gist(&out, cases[i].text);
		assert_string_equal(ff_buf_str(&out), cases[i].expected);
		ff_buf_release(&out);
	}
}

static void test_lines(void **state)
{
	static const struct {
		const char *text, *plain, *coloured;
	} cases[] = {
		{"", "", ""},
		{"a", "| a\n", "| a\n"},
		{"a\n", "| a\n", "| a\n"},
		{"a\n\n\tb", "| a\n\n| \tb\n", "| a\n\n| \tb\n"},
		{"a\r\nb\rc\r\n", "| a\n| b\n| c\n", "| a\n| b\n| c\n"},
		{"\x1b[1;38:5:3mx\x1b[m", "| x\n", "| \x1b[1;38:5:3mx\x1b[m\x1b[0m\n"},
		{"\x1b[2Jx\x1b", "| \\x1b[2Jx\\x1b\n", "| \\x1b[2Jx\\x1b\n"},
		{"\x1b[31", "| \\x1b[31\n", "| \\x1b[31\n"},
		{"\x1b]0;x\x07\x08", "| \\x1b]0;x\\x07\\x08\n", "| \\x1b]0;x\\x07\\x08\n"},
		{"\xff\xe2\x82\xac", "| \\xff\xe2\x82\xac\n", "| \\xff\xe2\x82\xac\n"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ff_buf out = FF_BUF_INIT;

		ff_text_lines(&out, cases[i].text, strlen(cases[i].text), "| ", false);
		assert_string_equal(ff_buf_str(&out), cases[i].plain);
		ff_buf_clear(&out);
		ff_text_lines(&out, cases[i].text, strlen(cases[i].text), "| ", true);
		assert_string_equal(ff_buf_str(&out), cases[i].coloured);
		ff_buf_release(&out);
	}
}

static void test_width(void **state)
{
	static const char text[] = "a\x1b[31m\xc3\xa9\x1b[0m\xe6\x97\xa5"
				   "e\xcc\x81";

	assert_int_equal(ff_text_width(text, sizeof text - 1), 5);
	assert_int_equal(ff_text_width("", 0), 0);
	assert_int_equal(ff_text_fit(text, sizeof text - 1, 99), sizeof text - 1);
	assert_int_equal(ff_text_fit(text, sizeof text - 1, 0), 0);
	assert_int_equal(ff_text_fit(text, sizeof text - 1, 3), 1 + 5 + 2 + 4);
	assert_int_equal(ff_text_fit(text, sizeof text - 1, 4), 1 + 5 + 2 + 4 + 3);
}

/* Each function with a number gives a text. */
static void assert_text(void (*function)(struct ff_buf *, int64_t), int64_t number,
			const char *expected)
{
	struct ff_buf out = FF_BUF_INIT;

	function(&out, number);
	assert_string_equal(ff_buf_str(&out), expected);
	ff_buf_release(&out);
}

static void size_text(struct ff_buf *out, int64_t bytes)
{
	ff_text_size(out, (uint64_t)bytes);
}

static void test_numbers(void **state)
{
	assert_text(ff_text_seconds, -5, "0.00s");
	assert_text(ff_text_seconds, 123456, "0.12s");
	assert_text(ff_text_seconds, 9994999, "9.99s");
	assert_text(ff_text_seconds, 9995000, "10.0s");
	assert_text(ff_text_seconds, 59949999, "59.9s");
	assert_text(ff_text_seconds, 59950000, "1m00s");
	assert_text(ff_text_seconds, 65999999, "1m05s");
	assert_text(ff_text_seconds, 3599999999, "59m59s");
	assert_text(ff_text_seconds, INT64_C(7380000000), "2h03m");
	assert_text(ff_text_took, 119600, "120 ms");
	assert_text(ff_text_took, 500000, "0.5 s");
	assert_text(ff_text_took, 59900000, "59.9 s");
	assert_text(ff_text_took, 59990000, "60.0 s");
	assert_text(ff_text_took, 65000000, "1 min 5 s");
	assert_text(ff_text_took, INT64_C(7380000000), "2 h 3 min");
	assert_text(size_text, 0, "0 bytes");
	assert_text(size_text, 1, "1 byte");
	assert_text(size_text, 1023, "1023 bytes");
	assert_text(size_text, 1024, "1.0 KiB");
	assert_text(size_text, 1258291, "1.2 MiB");
	assert_text(size_text, (1 << 20) - 1, "1.0 MiB");
	assert_text(size_text, -1, "16.0 EiB");
}

static void test_locale(void **state)
{
	static const struct {
		const char *all, *ctype, *lang;
		bool utf8;
	} cases[] = {
		{NULL, NULL, NULL, false},
		{NULL, NULL, "C.UTF-8", true},
		{"", "", "de_DE.utf8", true},
		{"C", NULL, "C.UTF-8", false},
		{NULL, "C", "C.UTF-8", false},
		{"en_US.UTF-8", "C", "C", true},
		{NULL, NULL, "de_DE.ISO-8859-1", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
		const char *values[] = {cases[i].all, cases[i].ctype, cases[i].lang};

		for (int j = 0; j < 3; j++) {
			unsetenv(names[j]);
			if (values[j])
				setenv(names[j], values[j], 1);
		}
		assert_int_equal(ff_text_locale_is_utf8(), cases[i].utf8);
	}
}

static void wrapped(const char *text, size_t columns, const char *expected)
{
	struct ff_buf out = FF_BUF_INIT;

	ff_text_wrap(&out, text, strlen(text), columns, "  ");
	assert_string_equal(ff_buf_str(&out), expected);
	ff_buf_release(&out);
}

static void test_wrap(void **state)
{
	wrapped("", 10, "");
	wrapped("one", 2, "one");
	wrapped("one two three", 0, "one two three");
	wrapped("one two three", 13, "one two three");
	wrapped("one two three", 12, "one two\n  three");
	wrapped("a bcdefghijkl m", 5, "a\n  bcdefghijkl\n  m");
	/* Colours take no room, characters of several bytes one column. */
	wrapped("\033[31mone\033[0m two", 7, "\033[31mone\033[0m two");
	wrapped("\xc3\xa9\xc3\xa9\xc3\xa9 two", 7, "\xc3\xa9\xc3\xa9\xc3\xa9 two");
	wrapped("a  b", 3, "a \n  b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_line),	cmocka_unit_test(test_gist),
		cmocka_unit_test(test_lines),	cmocka_unit_test(test_width),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
