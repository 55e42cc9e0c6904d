/* What services that run builds are told, and what of others' text never reaches them as a
 * command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/event.h"
#include "report/service.h"
#include "report/summary.h"

static void expect_guarded(enum ff_service service, const char *text, const char *expected)
{
	struct ff_guard guard = {.service = service};
	struct ff_buf out = FF_BUF_INIT;

	ff_guard_text(&guard, &out, text, strlen(text));
	assert_string_equal(ff_buf_str(&out), expected);
	ff_buf_release(&out);
}

static void test_commands_are_broken(void **state)
{
	expect_guarded(FF_SERVICE_GITHUB, "::set-output name=a::b\n", ": :set-output name=a::b\n");
	expect_guarded(FF_SERVICE_GITHUB, "ok\r ::error::x", "ok\r : :error::x");
	expect_guarded(FF_SERVICE_GITHUB, "\xc2\xa0\033[1;31m::error::x",
		       "\xc2\xa0\033[1;31m: :error::x");
	expect_guarded(FF_SERVICE_GITHUB, "###[add-path]/evil", "### [add-path]/evil");
	expect_guarded(FF_SERVICE_TEAMCITY, "a ####teamcity[x]", "a ####teamcity [x]");
	expect_guarded(FF_SERVICE_TEAMCITY, "##team##teamcity[x]", "##team##teamcity [x]");
	expect_guarded(FF_SERVICE_GITLAB, "section_section_start:1:x",
		       "section_section_start :1:x");
	expect_guarded(FF_SERVICE_GITLAB, "section_end:1:x", "section_end :1:x");
	expect_guarded(FF_SERVICE_BUILDKITE, "--- a\n+++ b\n~~~ c\n^^^ +++\n",
		       " --- a\n +++ b\n ~~~ c\n ^^^ +++\n");
}

static void test_other_text_stays(void **state)
{
	static const char text[] = "a::b t.py::test_x\n:x ::\n#[a] ##\n----- a\n-x\n+y\n";

	expect_guarded(FF_SERVICE_GITHUB, "a::b t.py::test_x\n:x ::\n#[a] ## [\n",
		       "a::b t.py::test_x\n:x ::\n#[a] ## [\n");
	expect_guarded(FF_SERVICE_BUILDKITE, text, text);
	expect_guarded(FF_SERVICE_GITLAB, text, text);
	expect_guarded(FF_SERVICE_TEAMCITY, text, text);
	expect_guarded(FF_SERVICE_NONE, "::error::x ##teamcity[", "::error::x ##teamcity[");
}

/* Whether something that the service would obey is left. */
static bool obeyed(enum ff_service service, const char *text)
{
	static const char *const words[FF_SERVICES][2] = {
		[FF_SERVICE_GITHUB] = {"##[", "\n::"},
		[FF_SERVICE_GITLAB] = {"section_start:", "section_end:"},
		[FF_SERVICE_BUILDKITE] = {"\n--- ", "\n+++ "},
		[FF_SERVICE_TEAMCITY] = {"##teamcity[", "##teamcity["},
	};

	return strstr(text, words[service][0]) || strstr(text, words[service][1]);
}

/* However the text is cut. */
static void test_in_parts(void **state)
{
	static const char text[] =
		"\n::a\n##[b]\nsection_start:1:c\nsection_end:2:d\n##teamcity[e]\n--- f\n+++ g\n";

	for (int service = FF_SERVICE_GITHUB; service < FF_SERVICES; service++)
		for (size_t first = 0; first < sizeof(text); first++)
			for (size_t size = 1; size < 8; size++) {
				struct ff_guard guard = {.service = (enum ff_service)service};
				struct ff_buf out = FF_BUF_INIT;
				size_t at = first;

				assert_true(obeyed((enum ff_service)service, text));
				ff_guard_text(&guard, &out, text, first);
				for (; at + 1 < sizeof(text); at += size) {
					size_t left = sizeof(text) - 1 - at;

					ff_guard_text(&guard, &out, text + at,
						      left < size ? left : size);
				}
				assert_false(obeyed((enum ff_service)service, ff_buf_str(&out)));
				ff_buf_release(&out);
			}
}

static void test_words(void **state)
{
	const struct ff_service_complaint complaint = {.error = true,
						       .file = "a,b:c%.py",
						       .line = 7,
						       .title = "t::x, y",
						       .message = "100%\r\nof: it, [all] it's"};
	struct ff_section section = {.title = "stdout", .text = "##teamcity[x]\n", .len = 14};
	const struct ff_result result = {.outcome = FF_OUTCOME_FAILED,
					 .duration_us = 12345,
					 .message = "it's",
					 .sections = &section,
					 .sections_len = 1};
	struct ff_buf out = FF_BUF_INIT;

	ff_service_words(FF_SERVICE_GITHUB)->complain(&out, &complaint);
	assert_string_equal(ff_buf_str(&out), "::error file=a%2Cb%3Ac%25.py,line=7,title=t%3A%3Ax"
					      "%2C y::100%25%0D%0Aof: it, [all] it's\n");
	ff_buf_clear(&out);
	ff_service_words(FF_SERVICE_TEAMCITY)->complain(&out, &complaint);
	assert_string_equal(ff_buf_str(&out),
			    "##teamcity[buildProblem description='t::x, y: 100%|r|nof: it, "
			    "|[all|] it|'s']\n");
	ff_buf_clear(&out);
	ff_service_words(FF_SERVICE_TEAMCITY)->unit(&out, "a|b", &result);
	assert_string_equal(ff_buf_str(&out),
			    "##teamcity[testStarted name='a||b']\n"
			    "##teamcity[testStdOut name='a||b' out='##teamcity|[x|]|n']\n"
			    "##teamcity[testFailed name='a||b' message='it|'s']\n"
			    "##teamcity[testFinished name='a||b' duration='12']\n");
	ff_buf_clear(&out);
	ff_service_words(FF_SERVICE_GITLAB)->begin(&out, 12000001, "farflung", "run");
	assert_string_equal(ff_buf_str(&out), "\033[0Ksection_start:12:farflung[collapsed=true]"
					      "\r\033[0Krun\n");
	ff_buf_clear(&out);
	ff_service_words(FF_SERVICE_GITLAB)->end(&out, 13999999, "farflung");
	assert_string_equal(ff_buf_str(&out), "\033[0Ksection_end:13:farflung\r\033[0K\n");
	ff_buf_clear(&out);
	ff_service_words(FF_SERVICE_BUILDKITE)->begin(&out, 0, "farflung", "run");
	ff_service_words(FF_SERVICE_BUILDKITE)->end(&out, 0, "farflung");
	assert_string_equal(ff_buf_str(&out), "--- run\n+++ farflung: result\n");
	ff_buf_clear(&out);
	ff_service_words(FF_SERVICE_GITHUB)->begin(&out, 0, "farflung", "100%\nrun");
	ff_service_words(FF_SERVICE_GITHUB)->end(&out, 0, "farflung");
	assert_string_equal(ff_buf_str(&out), "::group::100%25%0Arun\n::endgroup::\n");
	ff_buf_release(&out);
	assert_null(ff_service_words(FF_SERVICE_NONE));
}

static void expect_teamcity(const struct ff_result *result, const char *name, const char *expected)
{
	struct ff_buf out = FF_BUF_INIT;

	ff_service_words(FF_SERVICE_TEAMCITY)->unit(&out, name, result);
	assert_string_equal(ff_buf_str(&out), expected);
	ff_buf_release(&out);
}

/* Names that try to end the message, or the value, and go on with another one. */
static void test_teamcity(void **state)
{
	const struct ff_result passed = {.outcome = FF_OUTCOME_PASSED, .duration_us = 999};
	const struct ff_result placed = {
		.outcome = FF_OUTCOME_FAILED, .message = "no", .file = "a.c", .line = 7};
	const struct ff_result traced = {.outcome = FF_OUTCOME_FAILED,
					 .message = "no",
					 .file = "t.py",
					 .line = 1,
					 .longrepr = "E  x\nt.py:3: AssertionError"};
	const struct ff_result skipped = {.outcome = FF_OUTCOME_SKIPPED, .message = "]'"};
	struct ff_service_complaint warning = {.title = "host a", .message = "gone"};
	struct ff_buf out = FF_BUF_INIT, text = FF_BUF_INIT;
	const struct ff_service_words *words = ff_service_words(FF_SERVICE_TEAMCITY);

	expect_teamcity(&passed, "t[::']\n\r##teamcity[x]",
			"##teamcity[testStarted name='t|[::|'|]|n|r##teamcity|[x|]']\n"
			"##teamcity[testFinished name='t|[::|'|]|n|r##teamcity|[x|]' "
			"duration='0']\n");
	expect_teamcity(&passed, "\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa6\xc3\xa9",
			"##teamcity[testStarted name='|0x0085|0x2028|0x2029\xe2\x80\xa6\xc3\xa9']\n"
			"##teamcity[testFinished name='|0x0085|0x2028|0x2029\xe2\x80\xa6\xc3\xa9' "
			"duration='0']\n");
	expect_teamcity(&placed, "n",
			"##teamcity[testStarted name='n']\n"
			"##teamcity[testFailed name='n' message='no' details='a.c:7|n']\n"
			"##teamcity[testFinished name='n' duration='0']\n");
	expect_teamcity(&traced, "n",
			"##teamcity[testStarted name='n']\n"
			"##teamcity[testFailed name='n' message='no' "
			"details='E  x|nt.py:3: AssertionError|n']\n"
			"##teamcity[testFinished name='n' duration='0']\n");
	expect_teamcity(&skipped, "n",
			"##teamcity[testStarted name='n']\n"
			"##teamcity[testIgnored name='n' message='|]|'']\n"
			"##teamcity[testFinished name='n' duration='0']\n");
	words->begin(&out, 0, "farflung", "run [1]");
	words->complain(&out, &warning);
	words->end(&out, 0, "farflung");
	words->totals(&out, "1 failed");
	assert_string_equal(ff_buf_str(&out),
			    "##teamcity[blockOpened name='farflung' description='run |[1|]']\n"
			    "##teamcity[message text='host a: gone' status='WARNING']\n"
			    "##teamcity[blockClosed name='farflung']\n"
			    "##teamcity[buildStatus text='{build.status.text}; farflung: 1 "
			    "failed']\n");
	/* At most 4000, and no half of a character at the end. */
	for (int i = 0; i < 3000; i++)
		ff_buf_addstr(&text, "\xc3\xa9");
	warning = (struct ff_service_complaint){
		.error = true, .title = "x", .message = ff_buf_str(&text)};
	ff_buf_clear(&out);
	words->complain(&out, &warning);
	assert_int_equal(out.len, strlen("##teamcity[buildProblem description='']\n") + 3999);
	assert_memory_equal((const char *)ff_buf_data(&out) + out.len - 5, "\xc3\xa9']\n", 5);
	ff_buf_release(&text);
	ff_buf_release(&out);
}

static void expect_line(const char *file, int line, const char *longrepr, int expected)
{
	const struct ff_result result = {
		.file = (char *)file, .line = line, .longrepr = (char *)longrepr};

	assert_int_equal(ff_service_line(&result), expected);
}

/* Where a test is beside, in the service's checkout. */
static void test_places(void **state)
{
	char top[] = "/tmp/farflung-places-XXXXXX", sub[sizeof(top) + 4], here[4096], *below,
	     *place;

	expect_line("t.py", 3, "E x\nt.py:9: Error", 9);
	expect_line("t.py", 3, "E x\nhelp.py:9: Error", 3);
	expect_line("t.py", 3, NULL, 3);
	expect_line(NULL, 0, "t.py:9: Error", 0);
	unsetenv("GITHUB_WORKSPACE");
	unsetenv("BUILDKITE_BUILD_CHECKOUT_PATH");
	assert_non_null(getcwd(here, sizeof(here)));
	assert_non_null(mkdtemp(top));
	assert_int_equal(chdir(top), 0);
	assert_int_equal(mkdir("sub", 0700), 0);
	setenv("CI_PROJECT_DIR", top, 1);
	below = ff_service_below();
	assert_string_equal(below, "");
	ff_free(below);
	assert_int_equal(chdir("sub"), 0);
	below = ff_service_below();
	assert_string_equal(below, "sub/");
	place = ff_service_place(below, "not\nthere.py");
	assert_string_equal(place, "not\\nthere.py");
	assert_null(ff_service_place(below, NULL));
	ff_free(place);
	place = ff_service_place(below, "../sub");
	assert_string_equal(place, "sub/../sub");
	ff_free(place);
	ff_free(below);
	setenv("CI_PROJECT_DIR", "/nowhere", 1);
	assert_null(ff_service_below());
	unsetenv("CI_PROJECT_DIR");
	assert_int_equal(chdir(here), 0);
	snprintf(sub, sizeof(sub), "%s/sub", top);
	rmdir(sub);
	rmdir(top);
}

static void test_markdown(void **state)
{
	struct ff_buf out = FF_BUF_INIT;

	ff_summary_text(&out, "a|b<img>`x`_y_\n@me &");
	assert_string_equal(ff_buf_str(&out), "a\\|b&#60;img&#62;\\`x\\`\\_y\\_\\\\n&#64;me &#38;");
	ff_buf_release(&out);
}

/* Whatever there is to tell, it is not more than the service takes, and what is left out is said.
 */
static void test_summary_is_bounded(void **state)
{
	struct ff_summary summary;
	struct ff_buf out = FF_BUF_INIT;
	char message[64], frame[64];

	ff_summary_init(&summary);
	ff_buf_addstr(&summary.totals, "1500 failed in 1s");
	for (int i = 0; i < 1500; i++) {
		snprintf(message, sizeof(message), "m%c%c", 'a' + i % 26, 'a' + i / 26 % 26);
		snprintf(frame, sizeof(frame), "t.py:%d: E", i);
		ff_alike_add(&summary.failures, message, frame, "t.py::test_x");
		summary.tails = ff_xrealloc(summary.tails,
					    (summary.tails_len + 1) * sizeof(*summary.tails));
		summary.tails[summary.tails_len] = ff_xcalloc(1, 2001);
		memset(summary.tails[summary.tails_len++], '<', 2000);
	}
	for (int i = 0; i < 5000; i++)
		ff_buf_addstr(&summary.flaky.text,
			      "- a test of quite some length that was flaky\n");
	summary.flaky.count = 6000;
	ff_summary_write(&out, &summary, FF_SERVICE_SUMMARY_MAX);
	assert_in_range(out.len, FF_SERVICE_SUMMARY_MAX / 2, FF_SERVICE_SUMMARY_MAX);
	assert_non_null(strstr(ff_buf_str(&out), "more, of other causes"));
	assert_non_null(strstr(ff_buf_str(&out), "### Flaky: 6000"));
	ff_buf_clear(&out);
	ff_summary_write(&out, &summary, 20000);
	assert_in_range(out.len, 1000, 20000);
	ff_buf_clear(&out);
	ff_summary_write(&out, &summary, 100);
	assert_int_equal(out.len, 0);
	ff_buf_release(&out);
	ff_summary_release(&summary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_are_broken),
		cmocka_unit_test(test_other_text_stays),
		cmocka_unit_test(test_in_parts),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_teamcity),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_markdown),
		cmocka_unit_test(test_summary_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
