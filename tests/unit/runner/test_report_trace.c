/* Names of traces: TRACEPARENT taken and handed on, spans that are the same each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "report/trace.h"

static const char given[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

static void test_given(void **state)
{
	struct ff_trace trace;
	char hex[33];

	(void)state;
	ff_trace_init(&trace, given, "seed");
	assert_true(trace.has_parent);
	ff_trace_hex(trace.id, 16, hex);
	assert_string_equal(hex, "4bf92f3577b34da6a3ce929d0e0e4736");
	ff_trace_hex(trace.parent, 8, hex);
	assert_string_equal(hex, "00f067aa0ba902b7");
	/* A later version may say more. */
	ff_trace_init(&trace, "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", "s");
	assert_true(trace.has_parent);
}

static void test_what_is_none(void **state)
{
	static const char *const wrong[] = {
		"",
		"00",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
	};
	struct ff_trace trace, own;

	(void)state;
	ff_trace_init(&own, NULL, "seed");
	assert_false(own.has_parent);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ff_trace_init(&trace, wrong[i], "seed");
		assert_false(trace.has_parent);
		assert_memory_equal(trace.id, own.id, 16);
		assert_memory_equal(trace.parent, own.parent, 8);
	}
	ff_trace_init(&trace, NULL, "another");
	assert_memory_not_equal(trace.id, own.id, 16);
}

static void test_spans(void **state)
{
	struct ff_trace trace, other;
	uint8_t a[8], b[8];
	char text[FF_TRACEPARENT_LEN + 1];

	(void)state;
	ff_trace_init(&trace, NULL, "one");
	ff_trace_init(&other, NULL, "two");
	ff_trace_span(&trace, "unit", "job", 1, 0, a);
	ff_trace_span(&trace, "unit", "job", 1, 0, b);
	assert_memory_equal(a, b, 8);
	ff_trace_span(&trace, "unit", "job", 1, 1, b);
	assert_memory_not_equal(a, b, 8);
	ff_trace_span(&trace, "unit", "job", 2, 0, b);
	assert_memory_not_equal(a, b, 8);
	ff_trace_span(&trace, "uni", "tjob", 1, 0, b);
	assert_memory_not_equal(a, b, 8);
	ff_trace_span(&other, "unit", "job", 1, 0, b);
	assert_memory_not_equal(a, b, 8);
	/* What is handed on can be taken. */
	ff_trace_parent(&trace, a, text);
	assert_int_equal(strlen(text), FF_TRACEPARENT_LEN);
	ff_trace_init(&other, text, "three");
	assert_true(other.has_parent);
	assert_memory_equal(other.id, trace.id, 16);
	assert_memory_equal(other.parent, a, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
