/* Secrets in output: found wherever reads cut it, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "event/mask.h"
#include "random.h"

static void assert_masked(const struct ff_mask *mask, const char *text, const char *expected)
{
	struct ff_buf out = FF_BUF_INIT;

	ff_mask_put(mask, text, strlen(text), &out);
	assert_string_equal(ff_buf_str(&out), expected);
	if (!strstr(text, "[…"))
		assert_int_equal(ff_mask_finds(mask, text, strlen(text)),
				 strcmp(text, expected) != 0);
	else
		assert_true(ff_mask_finds(mask, text, strlen(text)));
	ff_buf_release(&out);
}

static void test_forms(void **state)
{
	static const char secret[] = "s3cr\"et\nsecond line\nabc", quoted[] = "it's";
	struct ff_mask mask = {0};

	assert_masked(&mask, "nothing is secret", "nothing is secret");
	ff_mask_add(&mask, secret, strlen(secret));
	ff_mask_add(&mask, quoted, strlen(quoted));
	assert_masked(&mask, "<s3cr\"et\nsecond line\nabc>", "<***>");
	assert_masked(&mask, "second line, s3cr\"et", "***, ***");
	assert_masked(&mask, "{\"a\": \"s3cr\\\"et\\nsecond line\\nabc\"}", "{\"a\": \"***\"}");
	assert_masked(&mask, "'s3cr\"et\\nsecond line\\nabc'", "'***'");
	assert_masked(&mask, "'it\\'s', it's", "'***', ***");
	assert_masked(&mask, "abc s3cr", "abc s3cr"); /* a short line is none of its own */
	ff_mask_release(&mask);
}

static void test_short_ones(void **state)
{
	struct ff_mask mask = {0};

	ff_mask_add(&mask, "abc", 3);
	ff_mask_add(&mask, "", 0);
	assert_int_equal(mask.len, 0);
	assert_masked(&mask, "abc", "abc");
	ff_mask_release(&mask);
}

static void test_overlap(void **state)
{
	struct ff_mask mask = {0};

	ff_mask_add(&mask, "abcd", 4);
	ff_mask_add(&mask, "cdef", 4);
	ff_mask_add(&mask, "abcdef-long", 11);
	assert_masked(&mask, "xabcdefx", "x***x");
	assert_masked(&mask, "abcdabcd", "******");
	assert_masked(&mask, "abcdef-lon", "***-lon");
	assert_masked(&mask, "abcdef-longer", "***er");
	ff_mask_release(&mask);
}

/* A worker that cuts output knows no secrets. */
static void test_around_a_cut(void **state)
{
	static const char mark[] =
		"\n[… 7 bytes were cut here: output_cap is 9, 16 were written …]\n";
	struct ff_mask mask = {0};
	char text[256], expected[256];

	ff_mask_add(&mask, "secret words", 12);
	snprintf(text, sizeof(text), "a secret w%swords b", mark);
	snprintf(expected, sizeof(expected), "a ***%s*** b", mark);
	assert_masked(&mask, text, expected);
	snprintf(text, sizeof(text), "a secret words%ssecret words, sec", mark);
	snprintf(expected, sizeof(expected), "a ***%s***, sec", mark);
	assert_masked(&mask, text, expected);
	snprintf(text, sizeof(text), "se%sds secret%srds secret w", mark, mark);
	snprintf(expected, sizeof(expected), "se%sds ***%srds secret w", mark, mark);
	assert_masked(&mask, text, expected);
	assert_masked(&mask, "secret w\n[… ", "secret w\n[… ");
	ff_mask_release(&mask);
}

/* By what is covered, one byte after the other. */
static void mask_plainly(const struct ff_mask *mask, const char *text, struct ff_buf *out)
{
	size_t len = strlen(text), end = 0;

	for (size_t at = 0; at < len; at++) {
		bool begins = false;
		size_t before = end;

		for (size_t i = 0; i < mask->len; i++) {
			const struct ff_mask_word *word = &mask->words[i];

			if (at + word->len > len || memcmp(text + at, word->bytes, word->len) != 0)
				continue;
			begins = true;
			if (at + word->len > end)
				end = at + word->len;
		}
		if (begins && at >= before)
			ff_buf_addstr(out, FF_MASK_TEXT);
		else if (at >= end)
			ff_buf_addch(out, text[at]);
	}
}

static void test_cut_anywhere(void **state)
{
	static const char *const secrets[] = {"abab", "babba", "ccccc", "abcabc"};
	struct ff_mask mask = {0};

	for (size_t i = 0; i < 4; i++)
		ff_mask_add(&mask, secrets[i], strlen(secrets[i]));
	random_seed(9);
	for (int round = 0; round < 20000; round++) {
		struct ff_buf whole = FF_BUF_INIT, pieces = FF_BUF_INIT, plain = FF_BUF_INIT;
		struct ff_mask_stream stream = {0};
		char text[25] = "";
		size_t len = random_below(sizeof(text) - 1), at = 0;

		for (size_t i = 0; i < len; i++)
			text[i] = (char)('a' + random_below(3));
		while (at < len) {
			size_t piece = 1 + random_below((uint32_t)(len - at));

			ff_mask_feed(&mask, &stream, text + at, piece, &pieces);
			at += piece;
		}
		ff_mask_end(&mask, &stream, &pieces);
		ff_mask_put(&mask, text, len, &whole);
		mask_plainly(&mask, text, &plain);
		assert_string_equal(ff_buf_str(&whole), ff_buf_str(&plain));
		assert_string_equal(ff_buf_str(&pieces), ff_buf_str(&plain));
		ff_mask_stream_release(&stream);
		ff_buf_release(&whole);
		ff_buf_release(&pieces);
		ff_buf_release(&plain);
	}
	ff_mask_release(&mask);
}

/* What might be a secret is not held back for ever. */
static void test_held_back_is_bounded(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_mask_stream stream = {0};
	struct ff_mask mask = {0};

	ff_mask_add(&mask, "0000", 4);
	for (int i = 0; i < 100000; i++) {
		ff_mask_feed(&mask, &stream, "000", 3, &out);
		assert_true(stream.held.len < 64);
	}
	ff_mask_end(&mask, &stream, &out);
	assert_null(strstr(ff_buf_str(&out), "0000"));
	ff_mask_feed(&mask, &stream, "last 00", 7, &out);
	ff_mask_end(&mask, &stream, &out);
	assert_non_null(strstr(ff_buf_str(&out), "last 00"));
	ff_mask_stream_release(&stream);
	ff_buf_release(&out);
	ff_mask_release(&mask);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),	     cmocka_unit_test(test_short_ones),
		cmocka_unit_test(test_overlap),	     cmocka_unit_test(test_around_a_cut),
		cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_held_back_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
