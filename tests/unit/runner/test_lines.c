/* Units from lines: items, combinations, placeholders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "plan/lines.h"

static const struct ff_lines_end lf = {"\n", 1, false}, lf_some = {"\n", 1, true},
				 nul = {"", 1, false};

static void add(struct ff_lines *lines, const char *text)
{
	struct ff_err err = {0};

	assert_int_equal(ff_lines_add(lines, "in", ff_xstrdup(text), strlen(text), &lf, &err), 0);
}

static void check_text(const struct ff_lines *lines, uint32_t index, const char *wanted)
{
	struct ff_buf text = FF_BUF_INIT;

	assert_int_equal(ff_lines_text(lines, index, 7, &text), 0);
	assert_string_equal(text.len ? ff_buf_str(&text) : "", wanted);
	ff_buf_release(&text);
}

/* "item" with a command, as the shell is to have it. */
static void check(const char *item, const char *command, const char *wanted)
{
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	add(&lines, item);
	assert_int_equal(ff_lines_command(&lines, command, &err), 0);
	check_text(&lines, 0, wanted);
	ff_lines_release(&lines);
}

static void items(void **state)
{
	static const struct {
		const char *text;
		uint32_t all, not_empty;
	} cases[] = {{"", 0, 0},     {"\n", 1, 0},	{"a", 1, 1},	     {"a\n", 1, 1},
		     {"a\nb", 2, 2}, {"\na\n\n", 3, 1}, {"a\n\n\nb\n", 4, 2}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int skip = 0; skip < 2; skip++) {
			struct ff_lines lines;
			struct ff_err err = {0};

			ff_lines_init(&lines);
			assert_int_equal(ff_lines_add(&lines, "in", ff_xstrdup(cases[i].text),
						      strlen(cases[i].text), skip ? &lf_some : &lf,
						      &err),
					 0);
			assert_int_equal(lines.base.len, skip ? cases[i].not_empty : cases[i].all);
			ff_lines_release(&lines);
		}
	}
}

static void placeholders(void **state)
{
	check("a/b.c.d", "x {} {.} {/} {//} {/.} {#} {%}", "x a/b.c.d a/b.c b.c.d a b.c 1 7");
	check("plain", "x {} {.} {/} {//} {/.}", "x plain plain plain . plain");
	check(".hid", "x {.}{//}", "x ''.");
	check("/", "x {/} {//}", "x '' /");
	check("/a", "x {//}", "x /");
	check("a/", "x {//} {/}", "x . ''");
	check("a.b/c", "x {.}", "x a.b/c");
	check("v", "x", "x v");
	check("v", "x {2}{-2}", "x ");
	check("v", "x {1}{-1}", "x vv");
	check("v", "x {1/}{-1.}", "x vv");
	check("v", "x {0} {a} {1x} {12345678} ${1} {", "x {0} {a} {1x} {12345678} ${1} { v");
	check("v", "awk '{print}' {}", "awk '{print}' v");
}

static void quoted(void **state)
{
	check("a b", "x {} \"{}\" '{}'", "x 'a b' \"a b\" 'a b'");
	check("it's", "x {} \"{}\" '{}'", "x 'it'\\''s' \"it's\" 'it'\\''s'");
	check("$a`b`", "x \"{}\"", "x \"\\$a\\`b\\`\"");
	check("\n", "x", "x ''");
	check("a;b", "x # {}", "x # {}");
}

static void unquotable(void **state)
{
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	add(&lines, "4\n5;x\n6\n");
	assert_int_equal(ff_lines_command(&lines, "echo $(({}+1))", &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "item 2, '5;x'"));
	ff_lines_release(&lines);
	check("4", "echo $(({}+1))", "echo $((4+1))");
}

static void nuls(void **state)
{
	static const char text[] = "ab\nc\0d\n";
	char *copy = malloc(sizeof(text));
	struct ff_lines lines;
	struct ff_err err = {0};

	memcpy(copy, text, sizeof(text));
	ff_lines_init(&lines);
	assert_int_equal(ff_lines_add(&lines, "in", copy, sizeof(text) - 1, &lf, &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "in:2:2: "));
	copy = malloc(sizeof(text));
	memcpy(copy, text, sizeof(text));
	assert_int_equal(ff_lines_add(&lines, "in", copy, sizeof(text) - 1, &nul, &err), 0);
	assert_int_equal(lines.base.len, 2);
	ff_lines_release(&lines);
}

static void combinations(void **state)
{
	char *two[] = {"1", "2"}, *three[] = {"x", "y", "z"};
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	add(&lines, "a\nb\n");
	assert_int_equal(ff_lines_add_words(&lines, three, 3, false, &err), 0);
	assert_int_equal(ff_lines_add_words(&lines, two, 2, true, &err), 0);
	assert_int_equal(ff_lines_command(&lines, "{1}{2}{3}{-1}{-3}", &err), 0);
	assert_int_equal(lines.base.len, 4);
	check_text(&lines, 0, "ax11a");
	check_text(&lines, 1, "ay22a");
	check_text(&lines, 2, "bx11b");
	check_text(&lines, 3, "by22b");
	ff_lines_release(&lines);
}

static void columns(void **state)
{
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	add(&lines, "a\tb  c\n\n");
	assert_int_equal(ff_lines_separate(&lines, "\\t| +", &err), 0);
	assert_int_equal(ff_lines_command(&lines, "<{3}{2}{1}{4}>", &err), 0);
	check_text(&lines, 0, "<cba>");
	check_text(&lines, 1, "<''>");
	ff_lines_release(&lines);
	ff_lines_init(&lines);
	assert_int_equal(ff_lines_separate(&lines, "(", &err), FF_EINVAL);
	ff_lines_release(&lines);
}

/* A separator that matches nothing at all splits nothing, and comes to an end. */
static void empty_separator(void **state)
{
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	add(&lines, "abc\n");
	assert_int_equal(ff_lines_separate(&lines, "x*", &err), 0);
	assert_int_equal(ff_lines_command(&lines, "{1}", &err), 0);
	check_text(&lines, 0, "abc");
	ff_lines_release(&lines);
}

static void skipped(void **state)
{
	bool *done = ff_xcalloc(4, sizeof(*done));
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	add(&lines, "a\nb\nc\nd\n");
	assert_int_equal(ff_lines_command(&lines, "{} {#}", &err), 0);
	done[1] = done[3] = true;
	ff_lines_skip(&lines, done, 4);
	assert_int_equal(lines.base.len, 2);
	check_text(&lines, 0, "b 2");
	check_text(&lines, 1, "d 4");
	ff_lines_release(&lines);
}

/* What a plan has of a unit: its argv, joined by bars, or its shell text. */
static void check_job(const char *item, const char *command, const char *wanted)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_payload_job job = {0};
	struct ff_buf text = FF_BUF_INIT;
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	add(&lines, item);
	assert_int_equal(ff_lines_command(&lines, command, &err), 0);
	assert_int_equal(lines.base.make(&lines.base, 0, 3, &arena, &job), 0);
	for (char *const *word = job.args; word && *word; word++)
		ff_buf_addf(&text, "%s|", *word);
	if (job.shell)
		ff_buf_addstr(&text, job.shell);
	assert_string_equal(ff_buf_str(&text), wanted);
	ff_buf_release(&text);
	ff_lines_release(&lines);
	ff_arena_release(&arena);
}

static void without_shell(void **state)
{
	check_job("a b", "/bin/true", "/bin/true|a b|");
	check_job("a/b.c", "gzip  -9 {.}.gz x{/} {#}{%} ", "gzip|-9|a/b.gz|xb.c|13|");
	check_job("\n", "gzip {}", "gzip||");
	check_job("v", "gzip {2} {1}", "gzip|v|");
	/* These are the shell's. */
	check_job("a", "echo", "echo a");
	check_job("a", "X=1 gzip", "X=1 gzip a");
	check_job("a", "gzip | cat", "gzip | cat a");
	check_job("a", "gzip ~/x", "gzip ~/x a");
	check_job("a b", "{}", "'a b'");
	check_job("a", "gz{}", "gza");
	check_job("\xff", "gzip", "gzip '\xff'");
	check_job("a", "", "a");
}

/* However the text is cut, the same units come of it as of the whole. */
static void fed(void **state)
{
	static const char text[] = "a\n\nbcd\ne f\n\n\ng";
	size_t len = sizeof(text) - 1;

	for (unsigned cuts = 0; cuts < 1U << 6; cuts++) {
		for (int how = 0; how < 12; how++) {
			struct ff_lines lines, whole;
			struct ff_err err = {0};
			int64_t came = 0;
			bool *done[2] = {NULL, NULL};

			ff_lines_init(&lines);
			ff_lines_init(&whole);
			lines.how.group = whole.how.group = how < 4 ? 0 : how < 8 ? 2 : 3;
			assert_int_equal(ff_lines_command(&lines, "{#} {}", &err), 0);
			assert_int_equal(ff_lines_command(&whole, "{#} {}", &err), 0);
			ff_lines_open(&lines, "in", '\n', how & 1);
			assert_int_equal(ff_lines_add(&whole, "in", ff_xstrdup(text), len,
						      how & 1 ? &lf_some : &lf, &err),
					 0);
			for (int i = 0; how & 2 && i < 2; i++) {
				done[i] = ff_xcalloc(3, sizeof(bool));
				done[i][2] = true;
			}
			if (how & 2) {
				ff_lines_skip(&lines, done[0], 3);
				ff_lines_skip(&whole, done[1], 3);
			}
			for (size_t at = 0, next; at < len; at = next) {
				for (next = at + 1; next < len && !(cuts >> next % 6 & 1);)
					next++;
				came += ff_lines_more(&lines, text + at, next - at, false, &err);
				assert_true(lines.base.open);
			}
			came += ff_lines_more(&lines, NULL, 0, true, &err);
			assert_false(lines.base.open);
			assert_int_equal(came, whole.base.len);
			assert_int_equal(lines.base.len, whole.base.len);
			for (uint32_t i = 0; i < whole.base.len; i++) {
				struct ff_buf wanted = FF_BUF_INIT;

				ff_lines_text(&whole, i, 7, &wanted);
				check_text(&lines, i, ff_buf_str(&wanted));
				ff_buf_release(&wanted);
			}
			ff_lines_release(&lines);
			ff_lines_release(&whole);
		}
	}
}

static void fed_a_nul(void **state)
{
	struct ff_lines lines;
	struct ff_err err = {0};

	ff_lines_init(&lines);
	ff_lines_open(&lines, "in", '\n', false);
	assert_int_equal(ff_lines_more(&lines, "a\nb", 3, false, &err), 1);
	assert_int_equal(ff_lines_more(&lines, "c\0d\n", 4, false, &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "in:2:3: "));
	assert_false(lines.base.open);
	ff_lines_release(&lines);
}

static void blocks(void **state)
{
	char path[] = "/tmp/farflung-lines-XXXXXX";
	static const char text[] = "one\ntwo\nthree\nfour";
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_payload_job job = {0};
	struct ff_lines lines;
	struct ff_err err = {0};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	ff_lines_init(&lines);
	assert_int_equal(ff_lines_blocks(&lines, fd, 5, '\n', &err), 0);
	assert_int_equal(ff_lines_command(&lines, "cat", &err), 0);
	assert_int_equal(lines.base.len, 3);
	assert_int_equal(lines.base.make(&lines.base, 0, 1, &arena, &job), 0);
	assert_int_equal(job.stdin_len, 8);
	assert_memory_equal(job.stdin_bytes, "one\ntwo\n", 8);
	job = (struct ff_payload_job){0};
	assert_int_equal(lines.base.make(&lines.base, 2, 1, &arena, &job), 0);
	assert_int_equal(job.stdin_len, 4);
	assert_memory_equal(job.stdin_bytes, "four", 4);
	ff_lines_release(&lines);
	ff_arena_release(&arena);
}

/* The same blocks, however the bytes come. */
static void fed_blocks(void **state)
{
	static const char text[] = "one\ntwo\n\nthree\nfour\nfive";
	size_t len = sizeof(text) - 1;

	for (uint64_t size = 1; size < 12; size++) {
		struct ff_lines whole;
		struct ff_err err = {0};
		FILE *file = tmpfile();

		assert_int_equal(fwrite(text, 1, len, file), len);
		assert_int_equal(fflush(file), 0);
		ff_lines_init(&whole);
		assert_int_equal(ff_lines_blocks(&whole, dup(fileno(file)), size, '\n', &err), 0);
		for (size_t step = 1; step < len; step++) {
			struct ff_lines lines;
			FILE *scratch = tmpfile();
			int64_t came = 0;

			ff_lines_init(&lines);
			ff_lines_open_blocks(&lines, dup(fileno(scratch)), size, '\n');
			for (size_t at = 0; at < len; at += step)
				came += ff_lines_more(&lines, text + at,
						      len - at < step ? len - at : step, false,
						      &err);
			came += ff_lines_more(&lines, NULL, 0, true, &err);
			assert_int_equal(came, whole.base.len);
			assert_int_equal(lines.base.len, whole.base.len);
			assert_memory_equal(lines.blocks, whole.blocks,
					    whole.base.len * sizeof(*whole.blocks));
			ff_lines_release(&lines);
			fclose(scratch);
		}
		ff_lines_release(&whole);
		fclose(file);
	}
}

static void names(void **state)
{
	struct ff_buf name = FF_BUF_INIT;
	struct ff_lines lines;
	char item[600];

	/* Cut at a character, not within. */
	for (size_t i = 0; i + 1 < sizeof(item); i++)
		item[i] = i % 2 ? (char)0xa9 : (char)0xc3;
	item[sizeof(item) - 2] = '\0';
	ff_lines_init(&lines);
	add(&lines, item);
	assert_int_equal(lines.base.name(&lines.base, 0, &name), 0);
	assert_int_equal(name.len, strlen("map[]") + 120 + strlen("…"));
	ff_buf_release(&name);
	ff_lines_release(&lines);
}

/* Paths that go along: a value is a name there, not a pattern. */
static void files(void **state)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_lines lines;
	char **paths;

	ff_lines_init(&lines);
	add(&lines, "in/a*[1].txt");
	assert_null(lines.base.files);
	ff_lines_file(&lines, "{}", false);
	ff_lines_file(&lines, "x?/{/.}.{#}", false);
	ff_lines_file(&lines, "{.}.out", true);
	paths = lines.base.files(&lines.base, 0, 1, false, &arena);
	assert_string_equal(paths[0], "in/a\\*\\[1].txt");
	assert_string_equal(paths[1], "x\\?/a\\*\\[1].1");
	assert_null(paths[2]);
	paths = lines.base.files(&lines.base, 0, 1, true, &arena);
	assert_string_equal(paths[0], "in/a\\*\\[1].out");
	assert_null(paths[1]);
	ff_arena_release(&arena);
	ff_lines_release(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items),      cmocka_unit_test(placeholders),
		cmocka_unit_test(quoted),     cmocka_unit_test(unquotable),
		cmocka_unit_test(nuls),	      cmocka_unit_test(combinations),
		cmocka_unit_test(columns),    cmocka_unit_test(empty_separator),
		cmocka_unit_test(skipped),    cmocka_unit_test(without_shell),
		cmocka_unit_test(blocks),     cmocka_unit_test(fed),
		cmocka_unit_test(fed_a_nul),  cmocka_unit_test(names),
		cmocka_unit_test(fed_blocks), cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
