/* The payload `ctest`: CMake's regular expressions, and what a build folder's tests ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ctest/private.h"

static void check_regex(const char *cmake, const char *posix)
{
	struct ff_buf out = FF_BUF_INIT;

	assert_int_equal(ff_ctest_regex(cmake, &out), 0);
	assert_string_equal(ff_buf_str(&out), posix);
	ff_buf_release(&out);
}

static void test_regexes(void **state)
{
	(void)state;
	check_regex("^a(b|c)+[0-9]*$", "^a(b|c)+[0-9]*$");
	check_regex("a{2}", "a\\{2\\}");
	check_regex("\\w\\.\\[x\\\\", "w\\.\\[x\\\\");
	check_regex("[]{}\\]{", "[]{}\\]\\{");
	check_regex("[^]]", "[^]]");
	check_regex("[open", "[open");
	check_regex("end\\", "end\\");
}

static void test_matches(void **state)
{
	(void)state;
	assert_int_equal(ff_ctest_matches("b+c", "abbc", 4), 1);
	assert_int_equal(ff_ctest_matches("b+c", "abbd", 4), 0);
	assert_int_equal(ff_ctest_matches("b$", "a\0b", 3), 1);
	assert_int_equal(ff_ctest_matches("^b", "a\nb", 3), 0); /* of all, not of a line */
	assert_int_equal(ff_ctest_matches("a.b", "a\nb", 3), 1);
	assert_true(ff_ctest_matches("(", "a", 1) < 0);
	assert_true(ff_ctest_matches("[a", "a", 1) < 0);
}

/* --- what is found --- */

static char told[2048];

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	size_t len = strlen(told);
	va_list args;

	va_start(args, fmt);
	vsnprintf(told + len, sizeof(told) - len, fmt, args);
	va_end(args);
}

static void on_collected(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			 const char *rootdir)
{
	(void)ctx;
	(void)deselected;
	assert_null(rootdir);
	assert_int_equal(strlen(digest), 16);
	tell("%u units;", count);
}

static void on_marks(void *ctx, uint32_t part, const struct ff_payload_mark *marks, size_t len)
{
	(void)ctx;
	assert_int_equal(part, UINT32_MAX);
	for (size_t i = 0; i < len; i++) {
		const struct ff_payload_mark *m = &marks[i];

		if (!m->bound && !m->after_len && !m->needs_len && !m->skip)
			continue;
		tell(" %u%s%s", m->unit, m->bound ? " bound" : "", m->serial ? " serial" : "");
		if (m->weight > 1)
			tell(" weight %d", (int)m->weight);
		for (size_t j = 0; m->resources[j]; j++)
			tell(" %s", m->resources[j]);
		for (size_t j = 0; j < m->after_len; j++)
			tell(" after %u", m->after[j]);
		for (size_t j = 0; j < m->needs_len; j++)
			tell(" needs %u", m->needs[j]);
		tell("%s;", m->skip ? " skip" : "");
	}
}

static void on_details(void *ctx, const struct ff_value *list)
{
	(void)ctx;
	for (size_t i = 0; i < list->len; i++)
		assert_non_null(strstr(list->items[i].text, "\"cwd\":\"/work\""));
}

static void on_ids(void *ctx, const struct ff_value *list)
{
	(void)ctx;
	for (size_t i = 0; i < list->len; i++)
		tell(" %s", list->items[i].text);
}

static void on_error(void *ctx, enum ff_reason why, const char *text)
{
	(void)ctx;
	assert_int_equal(why, FF_REASON_PAYLOAD);
	tell("error: %s", text);
}

static void find(const char *text)
{
	static const struct ff_payload_sink sink = {
		.collected = on_collected,
		.marks = on_marks,
		.details = on_details,
		.ids = on_ids,
		.session_error = on_error,
	};

	*told = '\0';
	ff_ctest_found(text, strlen(text), "/work", &sink, NULL);
}

#define PROPERTY(name, value)  "{\"name\":\"" name "\",\"value\":" value "}"
#define TEST(name, properties) "{\"name\":\"" name "\",\"properties\":[" properties "]}"

static void test_found(void **state)
{
	(void)state;
	find("warning\n{\"tests\":[" TEST("a", PROPERTY("FIXTURES_SETUP", "[\"f\"]")) "," TEST(
		"b",
		PROPERTY("FIXTURES_REQUIRED", "[\"f\",\"g\"]") "," PROPERTY(
			"RESOURCE_LOCK",
			"[\"db\",\"disk\"]")) "," TEST("a",
						       "") "," TEST("c",
								    PROPERTY(
									    "DEPENDS",
									    "[\"a\","
									    "\"none\"]") "," PROPERTY("RUN_SERIAL",
												      "true") "," PROPERTY("PROCESSORS",
															   "\"4\"") "," PROPERTY("DISABLED",
																		 "true") "," PROPERTY("COST",
																				      "9")) ",{\"name\":3}]}");
	/* The dearest first; a name that is there twice is two tests. */
	assert_string_equal(told, "4 units; 0 bound serial weight 4 after 1 after 3 skip; "
				  "2 bound db disk needs 1; c a b a");
	find("{\"tests\":[]}");
	assert_string_equal(told, "0 units;");
}

static void test_no_list(void **state)
{
	(void)state;
	find("");
	assert_non_null(strstr(told, "error: ctest --show-only=json-v1 has printed no list"));
	find("{\"tests\":{}}");
	assert_non_null(strstr(told, "its 'tests' is no list"));
	find("{\"tests\":[");
	assert_non_null(strstr(told, "error: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regexes),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_no_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
