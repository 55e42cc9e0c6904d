/* Units of several items: groups, as many as fit, repeated words; headers, other orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "plan/lines.h"

static const struct ff_lines_end lf = {"\n", 1, false};

struct want {
	const char *items; /* '\n' behind each; sources apart by '\f' */
	const char *command;
	struct ff_lines_how how;
	const char *texts; /* of units, a line each */
};

static void add_items(struct ff_lines *lines, const char *items, const struct ff_lines_end *end)
{
	struct ff_err err = {0};

	while (items) {
		const char *stop = strchr(items, '\f');
		size_t len = stop ? (size_t)(stop - items) : strlen(items);

		assert_int_equal(ff_lines_add(lines, "in", ff_xstrndup(items, len), len, end, &err),
				 0);
		items = stop ? stop + 1 : NULL;
	}
}

static void expect_texts(struct ff_lines *lines, const char *wanted)
{
	struct ff_buf text = FF_BUF_INIT;

	for (uint32_t i = 0; i < lines->base.len; i++) {
		assert_int_equal(ff_lines_text(lines, i, 9, &text), 0);
		ff_buf_addch(&text, '\n');
	}
	assert_string_equal(text.len ? ff_buf_str(&text) : "", wanted);
	ff_buf_release(&text);
}

static void expect(const struct want *want)
{
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	lines.how = want->how;
	add_items(&lines, want->items, &lf);
	assert_int_equal(ff_lines_command(&lines, want->command, &err), 0);
	expect_texts(&lines, want->texts);
	ff_lines_release(&lines);
}

static void groups(void **state)
{
	static const struct want wants[] = {
		{"a\nb\nc\n", "e {2} {1} {#}", {.group = 2}, "e b a 1\ne  c 2\n"},
		{"a\nb\nc\n", "e", {.group = 5}, "e a b c\n"},
		{"", "e", {.group = 2}, ""},
		{"a\nb\n\f1\n2\n", "e", {.group = 3}, "e a 1 a 2 b 1\ne b 2\n"},
		{"a\nb\nc\n\f1\n2\n", "e {1}{2}", {.link = true}, "e a1\ne b2\ne c1\n"},
		{"a\n\f\f1\n", "e", {.link = true}, ""},
		{" a b \n", "e '{}'", {.trim = FF_LINES_TRIM_LEFT}, "e 'a b '\n"},
		{" a b \n", "e '{}'", {.trim = FF_LINES_TRIM_RIGHT}, "e ' a b'\n"},
		{" \t\n", "e", {.trim = FF_LINES_TRIM_LEFT | FF_LINES_TRIM_RIGHT}, "e ''\n"},
	};

	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++)
		expect(&wants[i]);
}

/* Words are the shell's: what ends them, and quotes, do. */
static void words(void **state)
{
	static const struct {
		const char *command, *text;
	} cases[] = {
		{"e x{}y", "e xay x'b c'y"},
		{"e {}", "e a 'b c'"},
		{"e {1}-{}", "e a-a a-'b c'"},
		{"e x{1}y", "e xay"},
		{"e {}-{/}", "e a-a 'b c'-'b c'"},
		{"e {}; f -{}", "e a 'b c'; f -a -'b c'"},
		{"e x{};f", "e xa x'b c';f"},
		{"(e x{})>o{1}", "(e xa x'b c')>oa"},
		{"e \"x {} y\"", "e \"x a y\" \"x b c y\""},
		{"e 'x {}'z", "e 'x a'z 'x b c'z"},
		{"e x\\ {}", "e x\\ a x\\ 'b c'"},
		{"e x{#}{}", "e x1a x1'b c'"},
		{"{} x", "a 'b c' x"},
		{"e # x{}", "e # x{}"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct want want = {.items = "a\nb c\n",
				    .command = cases[i].command,
				    .how = {.group = 2, .context = true}};
		char wanted[80];

		snprintf(wanted, sizeof(wanted), "%s\n", cases[i].text);
		want.texts = wanted;
		expect(&want);
	}
	/* Without that, values stand where the {} is. */
	expect(&(struct want){"a\nb\n", "e x{}y {.}", {.group = 2}, "e xa by a b\n"});
}

static void pack(const char *items, const char *command, size_t max_chars, uint32_t slots,
		 uint32_t group, const char *texts)
{
	struct ff_lines lines;
	struct ff_err err = {0};
	int rc;

	ff_lines_init(&lines);
	lines.how = (struct ff_lines_how){.group = group, .context = true};
	add_items(&lines, items, &lf);
	assert_int_equal(ff_lines_command(&lines, command, &err), 0);
	rc = ff_lines_pack(&lines, max_chars, slots, &err);
	assert_int_equal(rc, texts ? 0 : FF_EINVAL);
	if (texts) {
		expect_texts(&lines, texts);
		assert_int_equal(ff_lines_total(&lines), lines.base.len);
	}
	ff_lines_release(&lines);
}

/* A command is shorter than the limit; the last one's items are spread over all slots. */
static void packs(void **state)
{
	pack("1\n2\n3\n4\n5\n", "e", 8, 1, 0, "e 1 2 3\ne 4 5\n");
	pack("1\n2\n3\n4\n5\n", "e", 7, 1, 0, "e 1 2\ne 3 4\ne 5\n");
	pack("1\n2\n3\n4\n5\n", "e", 5, 1, 0, "e 1\ne 2\ne 3\ne 4\ne 5\n");
	pack("1\n2\n3\n4\n5\n", "e", 3, 1, 0, NULL);
	pack("1\n22222222\n3\n", "e", 8, 1, 0, NULL);
	pack("1\n2\n3\n4\n5\n6\n7\n", "e", 100, 3, 0, "e 1 2 3\ne 4 5 6\ne 7\n");
	pack("1\n2\n3\n4\n5\n6\n7\n", "e", 100, 9, 0, "e 1\ne 2\ne 3\ne 4\ne 5\ne 6\ne 7\n");
	pack("1\n2\n3\n4\n5\n6\n", "e {#}{}", 100, 2, 4, "e 11 12 13 14\ne 25\ne 36\n");
	pack("1\n2\n", "e x{}y", 12, 1, 0, "e x1y x2y\n"); /* 9 */
	pack("1\n2\n", "e x{}y", 9, 1, 0, "e x1y\ne x2y\n");
	pack("", "e", 100, 2, 0, "");
}

/* All items come once, in order, and no command is too long, or shorter than it might be. */
static void packs_of_many(void **state)
{
	enum { ITEMS = 5000, MAX = 700 };
	struct ff_buf items = FF_BUF_INIT, wanted = FF_BUF_INIT, got = FF_BUF_INIT;
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	lines.how.context = true;
	for (int i = 0; i < ITEMS; i++) {
		ff_buf_addf(&items, "%0*d\n", i * 7 % 40 + 1, i);
		ff_buf_addf(&wanted, " %0*d", i * 7 % 40 + 1, i);
	}
	add_items(&lines, ff_buf_str(&items), &lf);
	assert_int_equal(ff_lines_command(&lines, "e {}", &err), 0);
	assert_int_equal(ff_lines_pack(&lines, MAX, 1, &err), 0);
	for (uint32_t i = 0; i < lines.base.len; i++) {
		struct ff_buf text = FF_BUF_INIT;

		ff_lines_text(&lines, i, 1, &text);
		assert_true(text.len < MAX && (text.len >= MAX - 41 || i + 1 == lines.base.len));
		ff_buf_addstr(&got, ff_buf_str(&text) + 1);
		ff_buf_release(&text);
	}
	assert_string_equal(ff_buf_str(&got), ff_buf_str(&wanted));
	ff_buf_release(&items);
	ff_buf_release(&wanted);
	ff_buf_release(&got);
	ff_lines_release(&lines);
}

static void headers(void **state)
{
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	add_items(&lines, "n,n2,,a b\n1,x/y.c,3,4\n5,6,7,8\n", &lf);
	assert_int_equal(ff_lines_separate(&lines, ",", &err), 0);
	assert_int_equal(ff_lines_header(&lines, &err), 0);
	assert_int_equal(ff_lines_command(&lines, "{n} {n2/.} {a b} {4} {n3} {}", &err), 0);
	expect_texts(&lines, "1 y 4 4 {n3} 1 x/y.c 3 4\n5 6 8 8 {n3} 5 6 7 8\n");
	ff_lines_release(&lines);

	ff_lines_init(&lines);
	add_items(&lines, "k\na\nb\n\fv\n1\n", &lf);
	assert_int_equal(ff_lines_header(&lines, &err), 0);
	assert_int_equal(ff_lines_command(&lines, "{v}{k}", &err), 0);
	expect_texts(&lines, "1a\n1b\n");
	ff_lines_release(&lines);

	ff_lines_init(&lines);
	add_items(&lines, "k\na\n\f", &lf);
	assert_int_equal(ff_lines_header(&lines, &err), FF_EINVAL);
	assert_string_equal(err.text, "in: --header wants a first item, which names the others");
	ff_lines_release(&lines);
}

static uint32_t last(uint32_t below)
{
	return below - 1;
}

static uint32_t first(uint32_t below)
{
	return 0;
}

static void shuffled(void **state)
{
	struct ff_lines lines;
	struct ff_err err = {0};

	for (int how = 0; how < 2; how++) {
		ff_lines_init(&lines);
		lines.how.group = 2;
		add_items(&lines, "a\nb\nc\nd\ne\n", &lf);
		assert_int_equal(ff_lines_command(&lines, "{#}", &err), 0);
		assert_int_equal(ff_lines_command(&lines, "{#} {}", &err), 0);
		ff_lines_shuffle(&lines, how ? first : last);
		expect_texts(&lines, how ? "1 b c\n2 d e\n3 a\n" : "1 a b\n2 c d\n3 e\n");
		ff_lines_release(&lines);
	}
}

static void ends(void **state)
{
	static const struct ff_lines_end kinds[] = {
		{"END", 3, false}, {"\n\n", 2, true}, {",", 1, false}};
	static const char *const texts[] = {"aENDbENENDEND", "a\n\n\n\nb\nc\n\n\n", "a,b\n"};
	static const char *const wanted[] = {"a\nbEN\n''\n", "a\n'b\nc'\n'\n'\n", "a\n'b\n'\n"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct ff_lines lines;
		struct ff_err err = {0};

		ff_lines_init(&lines);
		add_items(&lines, texts[i], &kinds[i]);
		assert_int_equal(ff_lines_command(&lines, "{}", &err), 0);
		expect_texts(&lines, wanted[i]);
		ff_lines_release(&lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups),  cmocka_unit_test(words),
		cmocka_unit_test(packs),   cmocka_unit_test(packs_of_many),
		cmocka_unit_test(headers), cmocka_unit_test(shuffled),
		cmocka_unit_test(ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
