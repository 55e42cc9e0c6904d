/* Patterns of what a tree leaves out; tests/e2e/test_exclude.py compares them with git's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "rsync/ignore.h"

static void globs(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{"a", "a", true},
		{"a", "b", false},
		{"a", "ab", false},
		{"", "", true},
		{"*", "", true},
		{"*", "a/b", false},
		{"a*c", "abcbc", true},
		{"a*c", "ab/c", false},
		{"?", "/", false},
		{"?", "\xff", true},
		{"a?c", "abc", true},
		{"**", "a/b/c", true},
		{"**/c", "c", true},
		{"**/c", "a/b/c", true},
		{"**/c", "a/bc", false},
		{"a/**", "a/b", true},
		{"a/**", "a", false},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b", "a/xb", false},
		{"a/**/*.o", "a/b/c.o", true},
		{"**/a/**/b*c", "x/a/y/b/z/bxc", true},
		{"**/a/*/b", "a/x/b/a/b", false},
		{"**/a/*/b", "a/x/c/a/y/b", true},
		{"a**", "abc", true},
		{"a**", "ab/c", false},
		{"***/c", "a/b/c", true},
		{"[abc]", "b", true},
		{"[!abc]", "b", false},
		{"[^abc]", "d", true},
		{"[!a]", "/", false},
		{"[a-c]x", "bx", true},
		{"[]]", "]", true},
		{"[!]]", "]", false},
		{"[]-]", "-", true},
		{"[a-]", "-", true},
		{"[\\]]", "]", true},
		{"[[:digit:]x]", "7", true},
		{"[[:digit:]x]", "y", false},
		{"[[:nonsense:]]", "n", false},
		{"[a", "[a", false},
		{"a\\", "a\\", false},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"\\!a", "!a", true},
		{"*a*b*c", "xaxbxbxcxxc", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (ff_glob_matches(cases[i].pattern, cases[i].text) != cases[i].matches)
			fail_msg("%s and %s", cases[i].pattern, cases[i].text);
}

/* Stars that could be laid out in very many ways. */
static void no_explosion(void **state)
{
	char pattern[2001] = "", text[4000];
	clock_t start = clock();

	for (int i = 0; i < 400; i++)
		strcat(pattern, "*a/**");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_false(ff_glob_matches(pattern, text));
	memset(pattern, '*', 2000);
	for (int i = 1; i < 2000; i += 2)
		pattern[i] = 'a';
	text[sizeof(text) - 2] = 'b';
	assert_false(ff_glob_matches(pattern, text));
	for (size_t i = 1; i < sizeof(text) - 1; i += 2)
		text[i] = '/';
	memcpy(pattern, "**/a/**/a/**/c", 15);
	assert_false(ff_glob_matches(pattern, text));
	assert_true((clock() - start) / CLOCKS_PER_SEC < 5);
}

static void lists(void **state)
{
	struct ff_ignore ignore = {0};
	const char text[] =
		"\xef\xbb\xbf*.log\r\n#c\n\n!keep.log  \n/top\nsub/x\nd/\nblank\\ \n\\#h\n";

	assert_int_equal(ff_ignore_add(&ignore, &ignore.weak, "*.o"), 0);
	assert_int_equal(ff_ignore_add(&ignore, &ignore.weak, "#d"), 0);
	assert_int_equal(ff_ignore_add_lines(&ignore, ff_ignore_directory(&ignore, ""), text,
					     sizeof(text) - 1),
			 0);
	assert_int_equal(ff_ignore_add(&ignore, ff_ignore_directory(&ignore, "in/ner"), "/y"), 0);
	assert_int_equal(ff_ignore_add(&ignore, ff_ignore_directory(&ignore, "in/ner"), "!z.o"), 0);
	assert_int_equal(ff_ignore_add(&ignore, &ignore.own, "!own.log"), 0);
	assert_int_equal(ff_ignore_add(&ignore, &ignore.own, "secret"), 0);
	static const struct {
		const char *path;
		bool is_dir, excluded;
	} cases[] = {
		{"a.log", false, true},
		{"x/keep.log", false, false},
		{"top", false, true},
		{"x/top", false, false},
		{"sub/x", false, true},
		{"a/sub/x", false, false},
		{"d", true, true},
		{"d", false, false},
		{"a/d", true, true},
		{"blank ", false, true},
		{"blank", false, false},
		{"#h", false, true},
		{"#d", false, true},
		{"c", false, false},
		{"a/b.o", false, true},
		{"in/ner/y", false, true},
		{"in/y", false, false},
		{"in/ner/q/y", false, false},
		{"in/ner/z.o", false, false},
		{"in/z.o", false, true},
		{"a/own.log", false, false},
		{"in/ner/q/z.o", false, false},
		{"secret", true, true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (ff_ignore_excludes(&ignore, cases[i].path, cases[i].is_dir) !=
		    cases[i].excluded)
			fail_msg("%s", cases[i].path);
	/* What is in a directory that is left out can't be taken back. */
	assert_true(ff_ignore_hides(&ignore, "d/keep.log", false));
	assert_true(ff_ignore_hides(&ignore, "a/secret/b/c", false));
	assert_false(ff_ignore_hides(&ignore, "a/b/c", false));
	ff_ignore_release(&ignore);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs),
		cmocka_unit_test(no_explosion),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
