/* Unified diffs: some by hand, and drawn ones that are applied again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "cli/udiff.h"

static void gives(const char *a, const char *b, const char *expected)
{
	struct ff_buf out = FF_BUF_INIT;

	ff_udiff(&out, a, strlen(a), b, strlen(b));
	assert_string_equal(out.len ? ff_buf_str(&out) : "", expected);
	ff_buf_release(&out);
}

static void by_hand(void **state)
{
	gives("", "", "");
	gives("a\nb\n", "a\nb\n", "");
	gives("", "a\n", "@@ -0,0 +1 @@\n+a\n");
	gives("a\n", "", "@@ -1 +0,0 @@\n-a\n");
	gives("a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
	gives("a\n", "a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n");
	gives("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
	      "@@ -7,3 +7,4 @@\n 7\n 8\n 9\n+10\n");
	gives("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n",
	      "@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -6,4 +7,3 @@\n 6\n 7\n 8\n-9\n");
	gives("x\n1\n2\n3\n4\n5\n6\ny\n", "1\n2\n3\n4\n5\n6\n",
	      "@@ -1,8 +1,6 @@\n-x\n 1\n 2\n 3\n 4\n 5\n 6\n-y\n");
}

/* Makes `b` of `a` by the hunks; the number of lines that they take or add. */
static int apply(const char *a, const char *hunks, struct ff_buf *b)
{
	long line = 1, from, edits = 0;

	while (*hunks) {
		const char *end = strchr(hunks, '\n') + 1;

		if (*hunks == '@') {
			long count = 1;

			assert_int_equal(sscanf(hunks, "@@ -%ld", &from), 1);
			sscanf(hunks, "@@ -%*d,%ld", &count);
			for (from += !count; line < from; line++) {
				const char *next = strchr(a, '\n') + 1;

				ff_buf_add(b, a, (size_t)(next - a));
				a = next;
			}
		} else if (*hunks == '+') {
			ff_buf_add(b, hunks + 1, (size_t)(end - hunks - 1));
			edits++;
		} else {
			assert_memory_equal(a, hunks + 1, (size_t)(end - hunks - 1));
			if (*hunks == ' ')
				ff_buf_add(b, hunks + 1, (size_t)(end - hunks - 1));
			edits += *hunks == '-';
			a += end - hunks - 1;
			line++;
		}
		hunks = end;
	}
	ff_buf_addstr(b, a);
	return (int)edits;
}

/* The fewest edits, by the table of all prefixes. */
static int fewest(const char *a, const char *b)
{
	enum { MANY = 64 };
	static int table[MANY][MANY];
	size_t n = strlen(a) / 2, m = strlen(b) / 2;

	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			int best = i && j && a[2 * (i - 1)] == b[2 * (j - 1)] ? table[i - 1][j - 1]
									      : 1000;

			if (i && table[i - 1][j] + 1 < best)
				best = table[i - 1][j] + 1;
			if (j && table[i][j - 1] + 1 < best)
				best = table[i][j - 1] + 1;
			table[i][j] = i || j ? best : 0;
		}
	return table[n][m];
}

static void draw(char *text, unsigned *seed)
{
	int lines = rand_r(seed) % 40;

	for (int i = 0; i < lines; i++) {
		*text++ = (char)('a' + rand_r(seed) % 4);
		*text++ = '\n';
	}
	*text = '\0';
}

static void applied(void **state)
{
	unsigned seed = 3;

	for (int round = 0; round < 3000; round++) {
		struct ff_buf hunks = FF_BUF_INIT, again = FF_BUF_INIT;
		char a[128], b[128];
		int edits;

		draw(a, &seed);
		draw(b, &seed);
		ff_udiff(&hunks, a, strlen(a), b, strlen(b));
		edits = apply(a, hunks.len ? ff_buf_str(&hunks) : "", &again);
		assert_string_equal(again.len ? ff_buf_str(&again) : "", b);
		assert_int_equal(edits, fewest(a, b));
		ff_buf_release(&hunks);
		ff_buf_release(&again);
	}
}

/* More differences than are looked for. */
static void very_different(void **state)
{
	struct ff_buf a = FF_BUF_INIT, b = FF_BUF_INIT, out = FF_BUF_INIT, again = FF_BUF_INIT;

	for (int i = 0; i < 5000; i++) {
		ff_buf_addf(&a, "a%d\n", i);
		ff_buf_addf(&b, i % 100 ? "b%d\n" : "a%d\n", i);
	}
	ff_udiff(&out, ff_buf_str(&a), a.len, ff_buf_str(&b), b.len);
	apply(ff_buf_str(&a), ff_buf_str(&out), &again);
	assert_string_equal(ff_buf_str(&again), ff_buf_str(&b));
	ff_buf_release(&a);
	ff_buf_release(&b);
	ff_buf_release(&out);
	ff_buf_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand),
		cmocka_unit_test(applied),
		cmocka_unit_test(very_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
