/* What notices are made of: templates, forms, mails, and the queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "notify/private.h"

/* --- templates --- */

static json_t *document(const char *title)
{
	return json_pack("{s:s, s:i, s:n, s:{s:i}, s:[{s:s}, {s:s}], s:f}", "title", title, "n", 7,
			 "none", "counts", "failed", 2, "list", "text", "a", "text", "b", "took",
			 1.5);
}

/* Compact, keys sorted. */
static void assert_filled(const char *template, const char *title, const char *want)
{
	json_t *values = document(title), *read, *filled;
	struct ff_err err = {0};
	char *text;

	read = ff_template_read(template, values, &err);
	assert_string_equal(err.text, "");
	filled = ff_template_fill(read, values);
	text = json_dumps(filled, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	assert_string_equal(text, want);
	free(text);
	json_decref(filled);
	json_decref(read);
	json_decref(values);
}

static void test_template(void **state)
{
	(void)state;
	assert_filled("{\"a\": \"{title}\"}", "x", "{\"a\":\"x\"}");
	assert_filled("{\"a\": \"<{title}>\"}", "\"},{\"", "{\"a\":\"<\\\"},{\\\">\"}");
	/* What is put in is not looked at again. */
	assert_filled("[\"{title}{title}\"]", "{n}", "[\"{n}{n}\"]");
	assert_filled("\"{title}\"", "\\ \n \x01", "\"\\\\ \\n \\u0001\"");
	/* Alone it is its value, in a text it is text. */
	assert_filled("[\"{n}\",\" {n}\",\"{none}\",\"-{none}-\"]", "", "[7,\" 7\",null,\"--\"]");
	assert_filled("[\"{counts.failed}\",\"{counts}\"]", "", "[2,{\"failed\":2}]");
	assert_filled("[\"{list}!\",\"{took}s\"]", "", "[\"a\\nb!\",\"1.500s\"]");
	/* Other braces, and keys, stay. */
	assert_filled("{\"{title}\":\"{{title}} { {} {Title} {1}\"}", "x",
		      "{\"{title}\":\"{title} { {} {Title} {1}\"}");
	assert_filled("[1,true,null,{\"b\":[]}]", "x", "[1,true,null,{\"b\":[]}]");
}

static void assert_refused(const char *template, const char *why)
{
	json_t *values = document("x");
	struct ff_err err = {0};

	assert_null(ff_template_read(template, values, &err));
	assert_int_equal(err.code, FF_ECONFIG);
	if (!strstr(err.text, why))
		fail_msg("'%s' has no '%s'", err.text, why);
	json_decref(values);
}

static void test_template_refused(void **state)
{
	(void)state;
	assert_refused("", "it is no JSON: its line 1, column 0");
	assert_refused("{\"a\": \"{title}\"", "it is no JSON: its line 1");
	assert_refused("{\"a\":\n {title}}", "it is no JSON: its line 2, column");
	assert_refused("{\"a\": 1, \"a\": 2}", "duplicate");
	assert_refused("[\"{titel}\"]", "{titel} stands for nothing; did you mean 'title'?");
	assert_refused("[{\"x\": [\"y {counts.lost}\"]}]", "{counts.lost} stands for nothing");
	assert_refused("[\"{counts.failed.x}\"]", "{counts.failed.x} stands for nothing");
}

/* --- texts --- */

static void assert_text(const char *text, size_t max, const char *want)
{
	char *copy = ff_notify_text(text, max);

	assert_string_equal(copy, want);
	ff_free(copy);
}

static void test_text(void **state)
{
	(void)state;
	assert_text(NULL, 10, "");
	assert_text("a\tb\nc", 10, "a\tb\nc");
	assert_text("\x1b[31m\xff\x7f", 20, "\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("abcdef", 3, "abc...");
	/* No character is cut. */
	assert_text("ab\xc3\xbc", 3, "ab...");
	assert_text("ab\xc3\xbc", 4, "ab\xc3\xbc");
}

/* --- forms --- */

static json_t *told(const char *result, int exit_code)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "event", "finish", "result", result,
			 "title", "`t` <@U1>", "text", "``` @all\n<!here> & x", "summary",
			 "two\nlines", "exit_code", exit_code, "link", "https://l/?a=b&c");
}

static const char *text_at(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void test_forms_have_no_markup(void **state)
{
	json_t *doc = told("failed", 1), *form;
	const char *text;

	(void)state;
	form = ff_form_slack(doc);
	text = text_at(form, "text");
	assert_non_null(strstr(text, "&lt;@U1&gt;"));
	assert_null(strchr(text, '<'));
	json_decref(form);

	form = ff_form_mattermost(doc);
	text = text_at(form, "text");
	/* Two fences, a pair of quotes: no other such sign. */
	for (int signs = 0; text && *text; text++) {
		signs += *text == '`';
		assert_true(signs <= 8);
	}
	json_decref(form);

	form = ff_form_teams(doc);
	assert_non_null(form);
	json_decref(form);
	json_decref(doc);
}

static void test_states(void **state)
{
	static const struct {
		const char *result;
		int exit_code;
		const char *github, *gitlab;
	} cases[] = {{"running", 0, "pending", "running"},
		     {"passed", 0, "success", "success"},
		     {"failed", 1, "failure", "failed"},
		     {"failed", 3, "error", "failed"},
		     {"interrupted", 130, "error", "canceled"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *doc = told(cases[i].result, cases[i].exit_code);
		json_t *github = ff_form_github(doc, "c"), *gitlab = ff_form_gitlab(doc, "c");

		assert_string_equal(text_at(github, "state"), cases[i].github);
		assert_string_equal(text_at(gitlab, "state"), cases[i].gitlab);
		assert_string_equal(text_at(github, "description"), "two lines");
		assert_string_equal(text_at(github, "target_url"), "https://l/?a=b&c");
		json_decref(github);
		json_decref(gitlab);
		json_decref(doc);
	}
}

/* --- mail --- */

static void test_addresses(void **state)
{
	static const char *const good[] = {"a@b", "first.last+tag@mail.example.org"};
	static const char *const bad[] = {"",	  "a",	  "@b",	     "a@",    "a@b@c", "a b@c",
					  "a@b>", "<a@b", "a@b,c@d", "a\n@b", "a@b\r", "\"a\"@b"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_null(ff_mail_fault(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(ff_mail_fault(bad[i]));
}

static void test_mail_headers(void **state)
{
	struct ff_config_receiver receiver = {.from = (char *)"a@b.org"};
	json_t *doc = json_pack("{s:s, s:s, s:s}", "title", "x\r\nBcc: evil@example.org", "text",
				".\r\n.\r\n", "id", "7");
	struct ff_buf mail = FF_BUF_INIT;
	const char *text;

	(void)state;
	(void)ff_strv_add(&receiver.to, "c@d.org");
	ff_mail_write(&mail, &receiver, doc);
	text = ff_buf_str(&mail);
	assert_null(strstr(text, "Bcc"));
	assert_non_null(strstr(text, "\r\nSubject: =?utf-8?B?"));
	assert_non_null(strstr(text, "Message-ID: <7@b.org>\r\n"));
	assert_null(strstr(text, "\r\n.\r\n"));
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		assert_int_equal(at[-1], '\r');
	ff_buf_release(&mail);
	ff_strv_release(&receiver.to);
	json_decref(doc);
}

/* --- the queue --- */

static json_t *entry(const char *id)
{
	return json_pack("{s:s, s:s, s:{}}", "id", id, "receiver", "r", "notice");
}

static char *new_home(void)
{
	char *home = ff_xstrdup("/tmp/test-notify-XXXXXX");

	assert_non_null(mkdtemp(home));
	return home;
}

static void remove_home(char *home, char *folder)
{
	char *above = ff_xasprintf("%s/.farflung", home);

	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(rmdir(above), 0);
	assert_int_equal(rmdir(home), 0);
	ff_free(above);
	ff_free(folder);
	ff_free(home);
}

static void test_queue(void **state)
{
	char *home = new_home(), *folder = ff_queue_folder(home);
	struct ff_queued mine, theirs;
	struct ff_strv ids = FF_STRV_INIT;
	json_t *seen;

	(void)state;
	assert_int_equal(ff_queue_scan(folder, &ids, NULL), 0);
	assert_int_equal(ids.len, 0);
	assert_int_equal(ff_queue_put(&mine, folder, entry("1"), NULL), 0);
	/* It is there for all to see, and ours alone. */
	assert_int_equal(ff_queue_scan(folder, &ids, NULL), 0);
	assert_int_equal(ids.len, 1);
	assert_string_equal(ids.v[0], "1");
	seen = ff_queue_look(folder, "1");
	assert_non_null(seen);
	json_decref(seen);
	assert_false(ff_queue_take(&theirs, folder, "1"));
	/* Kept: then it is anybody's, with what went wrong. */
	ff_queue_keep(&mine, "no answer");
	assert_true(ff_queue_take(&theirs, folder, "1"));
	assert_string_equal(ff_notify_get(theirs.root, "error"), "no answer");
	assert_false(ff_queue_take(&mine, folder, "1"));
	ff_queue_remove(&theirs);
	assert_false(ff_queue_take(&mine, folder, "1"));
	assert_null(ff_queue_look(folder, "1"));
	ff_strv_release(&ids);
	remove_home(home, folder);
}

/* Files that are no notices are no reason to stop, nor to be read without end. */
static void test_queue_nonsense(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "{\"id\": \"x\"}",
					    "{\"id\": \"x\", \"receiver\": \"r\", \"notice\": 1}"};
	char *home = new_home(), *folder = ff_queue_folder(home);
	char *path = ff_xasprintf("%s/x.json", folder);
	struct ff_queued queued;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		close(fd);
		assert_null(ff_queue_look(folder, "x"));
		assert_false(ff_queue_take(&queued, folder, "x"));
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_false(ff_queue_take(&queued, folder, "x"));
	assert_int_equal(unlink(path), 0);
	ff_free(path);
	remove_home(home, folder);
}

static void test_queue_full(void **state)
{
	char *home = new_home(), *folder = ff_queue_folder(home);
	struct ff_queued queued;
	struct ff_err err = {0};
	struct ff_strv ids = FF_STRV_INIT;

	(void)state;
	for (int i = 0; i < FF_QUEUE_MAX; i++) {
		char *path = ff_xasprintf("%s/%04d.json", folder, i);
		int fd = open(path, O_CREAT | O_WRONLY, 0600);

		assert_true(fd >= 0);
		close(fd);
		ff_free(path);
	}
	assert_int_equal(ff_queue_put(&queued, folder, entry("x"), &err), FF_ETOOBIG);
	ff_queue_keep(&queued, NULL);
	assert_int_equal(ff_queue_scan(folder, &ids, NULL), 0);
	assert_int_equal(ids.len, FF_QUEUE_MAX);
	for (size_t i = 0; i < ids.len; i++)
		assert_false(ff_queue_take(&queued, folder, ids.v[i]));
	ff_strv_release(&ids);
	remove_home(home, folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_template),       cmocka_unit_test(test_template_refused),
		cmocka_unit_test(test_text),	       cmocka_unit_test(test_forms_have_no_markup),
		cmocka_unit_test(test_states),	       cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_mail_headers),   cmocka_unit_test(test_queue),
		cmocka_unit_test(test_queue_nonsense), cmocka_unit_test(test_queue_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
