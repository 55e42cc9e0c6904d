/* Host ranges and the units of durations and sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "inventory/inventory.h"

/* The hosts joined by blanks. */
static void expands(const char *text, const char *expected)
{
	struct ff_strv hosts = FF_STRV_INIT;
	struct ff_buf joined = FF_BUF_INIT;
	struct ff_err err;

	assert_int_equal(ff_range_expand(&hosts, text, &err), 0);
	for (size_t i = 0; i < hosts.len; i++)
		ff_buf_addf(&joined, "%s%s", i ? " " : "", hosts.v[i]);
	assert_string_equal(ff_buf_str(&joined), expected);
	ff_buf_release(&joined);
	ff_strv_release(&hosts);
}

static void fails(const char *text, const char *message)
{
	struct ff_strv hosts = FF_STRV_INIT;
	struct ff_err err;

	assert_int_equal(ff_range_expand(&hosts, text, &err), FF_EINVAL);
	assert_string_equal(err.text, message);
	assert_int_equal(hosts.len, 0);
	ff_strv_release(&hosts);
}

static void test_ranges(void **state)
{
	expands("build", "build");
	expands("b[1-3]", "b1 b2 b3");
	expands("b[08-11]x", "b08x b09x b10x b11x");
	expands("b[8-11]", "b8 b9 b10 b11");
	expands("b[0-1]", "b0 b1");
	expands("b[01,5,07-08]", "b01 b5 b07 b08");
	expands("b[red,blue]", "bred bblue");
	expands("r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2");
	expands("b[7]", "b7");
	expands("[::1]:8888", "[::1]:8888");
	expands("[fe80::1]x[1-2]", "[fe80::1]x1 [fe80::1]x2");
	expands("a]b", "a]b");
}

static void test_bad_ranges(void **state)
{
	fails("b[3-1]", "range '3-1' in 'b[3-1]' runs backwards");
	fails("b[1-]", "bad range '1-' in 'b[1-]'");
	fails("b[-1]", "bad range '-1' in 'b[-1]'");
	fails("b[1-x]", "bad range '1-x' in 'b[1-x]'");
	fails("b[1-2-3]", "bad range '1-2-3' in 'b[1-2-3]'");
	fails("b[]", "empty range in 'b[]'");
	fails("b[1,,2]", "empty range in 'b[1,,2]'");
	fails("b[^3]", "bad range '^3' in 'b[^3]'");
	fails("b[1-9/3]", "bad range '1-9/3' in 'b[1-9/3]'");
	fails("b[a!]", "bad range 'a!' in 'b[a!]'");
	fails("b[1-2", "'[' without ']' in 'b[1-2'");
	fails("b[1-1000000]", "more than 100000 hosts");
	fails("b[1-1000][1-1000]", "more than 100000 hosts");
	fails("b[1-99999999999]", "bad range '1-99999999999' in 'b[1-99999999999]'");
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{"90", 90000000},
		{"90s", 90000000},
		{"250ms", 250000},
		{"7us", 7},
		{"10m", 600000000},
		{"1.5h", 5400000000},
		{"1h30m", 5400000000},
		{"2d", 172800000000},
		{"0", 0},
		{"", -1},
		{"s", -1},
		{"5x", -1},
		{"-5", -1},
		{"1e3", -1},
		{"1.2.3s", -1},
		{".5s", -1},
		{"0x10", -1},
		{"1h30", -1},
		{"inf", -1},
		{"1 s", -1},
		{"99999999999999d", -1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(ff_config_duration_us(cases[i].text), cases[i].us);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} cases[] = {
		{"4096", 4096},	   {"10k", 10240},    {"10kB", 10000},	   {"64KiB", 65536},
		{"1MiB", 1 << 20}, {"1.5m", 3 << 19}, {"1GB", 1000000000}, {"1g", 1 << 30},
		{"", -1},	   {"-1", -1},	      {"1x", -1},	   {"1k1", -1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(ff_config_size_bytes(cases[i].text), cases[i].bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_bad_ranges),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
