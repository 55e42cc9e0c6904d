/* Rows from CSV, JSON and lines: what is in them, and what is wrong, by line and column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config/mistakes.h"
#include "config/table.h"

/* "a=1,b=x;a=2" or what is wrong. */
static void assert_rows(enum ff_rows_format format, const char *name, const char *text,
			const char *want)
{
	struct ff_config config;
	struct ff_mistakes problems;
	struct ff_config_table *table;
	struct ff_buf got = FF_BUF_INIT;
	char *copy = ff_xstrdup(text);
	struct ff_err err = {0};

	ff_config_init(&config);
	ff_mistakes_init(&problems, name);
	table = ff_config_table_new(&config);
	ff_rows_parse(&config, table, format, name, copy, strlen(copy), &problems);
	for (uint32_t row = 0; row < table->rows; row++) {
		const char *separator = row ? ";" : "";

		for (uint32_t i = 0; i < table->columns; i++) {
			const char *value = ff_config_table_get(table, row, i);

			if (!value)
				continue;
			ff_buf_addf(&got, "%s%s=%s", separator, table->names[i], value);
			separator = ",";
		}
		if (table->again && (table->again[row / 64] >> row % 64 & 1))
			ff_buf_addstr(&got, "!");
	}
	if (ff_mistakes_finish(&problems, &err))
		assert_string_equal(err.text, want);
	else
		assert_string_equal(ff_buf_str(&got), want);
	ff_buf_release(&got);
	ff_free(copy);
	ff_config_release(&config);
}

static void csv(const char *text, const char *want)
{
	assert_rows(FF_ROWS_GUESS, "p.csv", text, want);
}

static void test_csv(void **state)
{
	csv("a,b\n1,x\n2,y\n", "a=1,b=x;a=2,b=y");
	csv("a,b\r\n1,x\r\n\r\n2,\r\n", "a=1,b=x;a=2,b=");
	csv("\xef\xbb\xbf"
	    "a\n1",
	    "a=1");
	csv("a,b\n\"x, \"\"y\"\"\",\"two\nlines\"\n1,2\n", "a=x, \"y\",b=two\nlines;a=1,b=2");
	csv("\"a\",\"b\"\r\n\"1\",\"2\"\r\n", "a=1,b=2");
	csv("a,b\n1,2\n3,4\n1,2\n", "a=1,b=2;a=3,b=4;a=1,b=2!");
	/* Not the same by being joined alike. */
	csv("a,b\n12,3\n1,23\n", "a=12,b=3;a=1,b=23");
	assert_rows(FF_ROWS_GUESS, "p.tsv", "a\tb\n1\t\"x\n", "a=1,b=\"x");
}

static void test_wrong_csv(void **state)
{
	csv("", "p.csv: there are no rows");
	csv("a,b\n", "p.csv: there are no rows");
	csv("a,b\n1\n1,2\n1,2,3\n", "p.csv:2:1: 1 value, but the first line names 2 columns\n"
				    "p.csv:4:1: 3 values, but the first line names 2 columns");
	csv("a,,b\n1,2,3\n", "p.csv:1:3: a column without a name");
	csv("ab,a,ab\n1,2,3\n", "p.csv:1:6: two columns are called 'ab'");
	csv("a b\n1\n",
	    "p.csv:1:1: 'a b' can't name a column: letters, digits and '_', not 'index'");
	csv("a,b\n1,\"x\n2,3\n", "p.csv:2:3: a quote that is never closed");
	csv("a,b\n\"x\n\",\"y\"z\n", "p.csv:3:6: text behind a value's closing quote");
	csv("a\nx\"y\"\n", "p.csv:2:2: a quote inside of a value that has none around it");
}

static void test_json(void **state)
{
	assert_rows(FF_ROWS_GUESS, "x", " [{\"a\": 0.1, \"b\": true}, {\"c\": \"t\", \"a\": null}]",
		    "a=0.1,b=true;c=t");
	assert_rows(FF_ROWS_GUESS, "x", "{\"a\": 1}\n\n{\"a\": -2e300}\n", "a=1;a=-2e+300");
	assert_rows(FF_ROWS_JSON, "x", "[{\"a\": 1},\n {\"a\": [2]}, 3]",
		    "x:1:1: element 2: 'a' wants text, a number or a boolean\n"
		    "x:1:1: element 3: wants an object");
	assert_rows(FF_ROWS_JSON, "x", "{\"a\": 1}", "x:1:1: wants a list of objects");
	assert_rows(FF_ROWS_JSONL, "x", "{\"a\": 1}\n{\"a\" 2}\n", "x:2:6: ':' expected near '2'");
	assert_rows(FF_ROWS_JSONL, "x", "{\"a\": 1, \"a\": 2}\n",
		    "x:1:12: duplicate object key near '\"a\"'");
}

static void test_lines(void **state)
{
	assert_rows(FF_ROWS_LINES, "x", "one, \"two\"\r\n\n  three\none, \"two\"",
		    "item=one, \"two\";item=  three;item=one, \"two\"!");
	assert_rows(FF_ROWS_LINES, "x", "\n\n", "x: there are no rows");
}

static void test_a_million(void **state)
{
	struct ff_config config;
	struct ff_mistakes problems;
	struct ff_config_table *table;
	size_t len = 0, room = (size_t)8 * 1000000;
	char *text = ff_xmalloc(room + 1);
	struct ff_err err;

	for (int i = 0; i < 1000000; i++)
		len += (size_t)sprintf(text + len, "%d\n", i);
	ff_config_init(&config);
	ff_mistakes_init(&problems, "x");
	table = ff_config_table_new(&config);
	ff_rows_parse(&config, table, FF_ROWS_LINES, "x", text, len, &problems);
	assert_int_equal(ff_mistakes_finish(&problems, &err), 0);
	assert_int_equal(table->rows, 1000000);
	assert_string_equal(ff_config_table_get(table, 999999, 0), "999999");
	assert_null(table->again);
	/* Beside the text itself: a word a line, and what is kept in reserve. */
	assert_true(table->cells_cap * sizeof(*table->cells) <= 8 * 1000000);
	assert_true(table->text_cap <= 3 * len);
	ff_free(text);
	ff_config_release(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv),	  cmocka_unit_test(test_wrong_csv),
		cmocka_unit_test(test_json),	  cmocka_unit_test(test_lines),
		cmocka_unit_test(test_a_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
