/* Configuration files: what they come to, and where messages point. (Messages one by one are in
 * tests/e2e/bad_input_cases.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "config/config.h"

static void parse(struct ff_config *config, const char *text)
{
	struct ff_err err = {0};

	if (ff_config_parse(config, "demo.yaml", text, strlen(text), &err))
		fail_msg("%s", err.text);
}

static void refuse(const char *text, const char *message)
{
	struct ff_config config;
	struct ff_err err = {0};

	assert_int_equal(ff_config_parse(&config, "demo.yaml", text, strlen(text), &err),
			 FF_ECONFIG);
	assert_string_equal(err.text, message);
}

static void test_full(void **state)
{
	struct ff_config c;

	parse(&c, "version: 1\n"
		  "inventory:\n"
		  "  hosts:\n"
		  "    - popen\n"
		  "    - {spec: 'ssh=b[1-2]', slots: 8, tags: [linux, big], python: python3.11,\n"
		  "       env: {A: 2, C: }, name: 'n[1-2]', nice: 05}\n"
		  "    - 4*popen\n"
		  "  defaults: {chdir: cache, tags: all, env: {A: 1, B: yes}, slots: 2}\n"
		  "tree: {source: ., exclude: [.git, '*.pyc'], delete: on, dest: d}\n"
		  "jobs:\n"
		  "  unit: {pytest: [tests, -k, not slow], retries: 1, needs: [bench, bench2]}\n"
		  "  bench:\n"
		  "    run: ./bench {size}\n"
		  "    matrix: {size: [1, 10], os: [a]}\n"
		  "    timeout: 10m\n"
		  "    on: big\n"
		  "    cwd: sub\n"
		  "    stdin: ''\n"
		  "    count: 3\n"
		  "  bench2: {run: [a, b c, 3], grace: 1s}\n"
		  "report: {junit: out/junit.xml, jsonl: '-'}\n"
		  "settings: {connect_timeout: 3, output_cap: 2MiB, grace: 7s, maxfail: 5}\n");
	assert_int_equal(c.hosts_len, 3);
	assert_string_equal(c.hosts[0].spec, "popen");
	assert_int_equal(c.hosts[0].place.line, 4);
	assert_int_equal(c.hosts[0].place.column, 7);
	assert_int_equal(c.hosts[0].slots, 2);
	assert_string_equal(c.hosts[0].chdir, "cache");
	assert_string_equal(c.hosts[1].name, "n[1-2]");
	assert_int_equal(c.hosts[1].place.column, 14);
	assert_int_equal(c.hosts[1].slots, 8);
	assert_string_equal(c.hosts[1].nice, "5");
	assert_int_equal(c.hosts[1].tags.len, 3);
	assert_string_equal(c.hosts[1].tags.v[2], "all");
	assert_int_equal(c.hosts[1].env.len, 3);
	assert_string_equal(c.hosts[1].env.v[0], "A=2");
	assert_string_equal(c.hosts[1].env.v[1], "C=");
	assert_string_equal(c.hosts[1].env.v[2], "B=yes");
	/* "4*" says its slots itself. */
	assert_int_equal(c.hosts[2].slots, 0);

	assert_true(c.tree.given);
	assert_true(c.tree.remove);
	assert_string_equal(c.tree.source, c.directory);
	assert_int_equal(c.tree.exclude.len, 2);

	assert_int_equal(c.jobs_len, 3);
	assert_string_equal(c.jobs[0].payload, "pytest");
	assert_int_equal(c.jobs[0].args.len, 3);
	assert_string_equal(c.jobs[0].dist, "load");
	assert_int_equal(c.jobs[0].retries, 1);
	assert_int_equal(c.jobs[0].needs.len, 2);
	assert_int_equal(c.jobs[0].needs_places[1].line, 11);
	assert_int_equal(c.jobs[0].needs_places[1].column, 68);
	assert_int_equal(c.jobs[0].grace_us, 7000000);
	assert_int_equal(c.jobs[0].count, 1);
	assert_string_equal(c.jobs[1].shell, "./bench {size}");
	assert_int_equal(c.jobs[1].axes_len, 2);
	assert_string_equal(c.jobs[1].axes[0].name, "size");
	assert_string_equal(c.jobs[1].axes[0].values.v[1], "10");
	assert_int_equal(c.jobs[1].timeout_us, 600000000);
	assert_string_equal(c.jobs[1].on, "big");
	assert_int_equal(c.jobs[1].on_place.line, 16);
	assert_string_equal(c.jobs[1].stdin_text, "");
	assert_int_equal(c.jobs[1].count, 3);
	assert_null(c.jobs[2].shell);
	assert_string_equal(c.jobs[2].args.v[2], "3");
	assert_int_equal(c.jobs[2].grace_us, 1000000);

	assert_non_null(strstr(c.report.junit, "/out/junit.xml"));
	assert_string_equal(c.report.jsonl, "-");
	assert_int_equal(c.settings.connect_timeout_us, 3000000);
	assert_int_equal(c.settings.heartbeat_us, 5000000);
	assert_int_equal(c.settings.silence_us, 15000000);
	assert_int_equal(c.settings.output_cap_bytes, 2 << 20);
	assert_int_equal(c.settings.maxfail, 5);
	assert_int_equal(c.settings.max_worker_restart, -1);
	ff_config_release(&c);
}

static void test_short_forms(void **state)
{
	struct ff_config c;

	parse(&c, "\xef\xbb\xbfinventory: [popen]\ntree: .\njobs: {a: {pytest: \"x 'y z'\"}, b: "
		  "{pytest: }}\n");
	assert_int_equal(c.hosts_len, 1);
	assert_int_equal(c.hosts_place.line, 1);
	assert_int_equal(c.hosts_place.column, 1);
	assert_true(c.tree.given);
	assert_int_equal(c.jobs[0].args.len, 2);
	assert_string_equal(c.jobs[0].args.v[1], "y z");
	assert_int_equal(c.jobs[1].args.len, 0);
	assert_string_equal(c.jobs[1].payload, "pytest");
	ff_config_release(&c);
}

static void test_anchors_and_merge(void **state)
{
	struct ff_config c;

	parse(&c, "inventory: [popen]\n"
		  "jobs:\n"
		  "  a: &a {run: x, retries: 1, timeout: 5}\n"
		  "  b: {<<: *a, retries: 2}\n"
		  "  c: {retries: 3, <<: [{timeout: 1}, *a]}\n");
	assert_string_equal(c.jobs[1].shell, "x");
	assert_int_equal(c.jobs[1].retries, 2);
	assert_int_equal(c.jobs[1].timeout_us, 5000000);
	assert_int_equal(c.jobs[2].retries, 3);
	assert_int_equal(c.jobs[2].timeout_us, 1000000);
	ff_config_release(&c);
}

static void test_messages_are_sorted_and_bounded(void **state)
{
	struct ff_buf text = FF_BUF_INIT;
	struct ff_config config;
	struct ff_err err;
	size_t lines = 1;

	refuse("settings: {grace: x}\nversion: 2\nbogus: 1\n",
	       "demo.yaml:1:19: 'grace' wants a duration such as 90s, 10m or 1.5h,"
	       " from 0 to 1d, got 'x'\n"
	       "demo.yaml:2:10: 'version' wants 1, got '2'\n"
	       "demo.yaml:3:1: unknown key 'bogus'");
	for (int i = 0; i < 30; i++)
		ff_buf_addf(&text, "b%d: 1\n", i);
	assert_int_equal(ff_config_parse(&config, "demo.yaml", ff_buf_str(&text), text.len, &err),
			 FF_ECONFIG);
	for (const char *p = err.text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 21);
	assert_non_null(strstr(err.text, "\ndemo.yaml:20:1: unknown key 'b19'\n... and 10 more"));
	ff_buf_release(&text);
}

static void test_messages_are_presentable(void **state)
{
	struct ff_buf text = FF_BUF_INIT;
	struct ff_config config;
	struct ff_err err;

	refuse("\"a\\eb\\nc\": 1\n", "demo.yaml:1:1: unknown key 'a?b?c'");
	ff_buf_addstr(&text, "version: ");
	for (int i = 0; i < 100; i++)
		ff_buf_addstr(&text, "\xc3\xa4");
	assert_int_equal(ff_config_parse(&config, "demo.yaml", ff_buf_str(&text), text.len, &err),
			 FF_ECONFIG);
	assert_non_null(strstr(err.text, "\xc3\xa4...'"));
	assert_true(strlen(err.text) < 120);
	/* Many long messages still end with a whole line. */
	ff_buf_clear(&text);
	for (int i = 0; i < 20; i++)
		ff_buf_addf(&text, "%0300d: 1\n", i + 1);
	assert_int_equal(ff_config_parse(&config, "demo.yaml", ff_buf_str(&text), text.len, &err),
			 FF_ECONFIG);
	assert_true(strlen(err.text) < FF_ERR_TEXT_MAX - 1);
	assert_string_equal(strrchr(err.text, '\n'), "\n... and 14 more");
	ff_buf_release(&text);
}

static void test_output_is_untouched_on_failure(void **state)
{
	struct ff_config config, before;
	struct ff_err err;

	memset(&config, 0x5a, sizeof(config));
	before = config;
	assert_int_equal(ff_config_parse(&config, "x", "a: 1", 4, &err), FF_ECONFIG);
	assert_memory_equal(&config, &before, sizeof(config));
}

static void test_load(void **state)
{
	char folder[] = "/tmp/ff-config-XXXXXX", path[64];
	struct ff_config config;
	struct ff_err err;
	FILE *file;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.yaml", folder);
	assert_int_equal(ff_config_load(&config, path, &err), FF_ESYS);
	assert_non_null(strstr(err.text, "/a.yaml: No such file or directory"));
	assert_int_equal(ff_config_load(&config, folder, &err), FF_ESYS);
	assert_non_null(strstr(err.text, ": Is a directory"));
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("inventory: [popen]\ntree: ./.\n", file);
	fclose(file);
	assert_int_equal(ff_config_load(&config, path, &err), 0);
	assert_string_equal(config.path, path);
	assert_string_equal(config.tree.source, folder);
	ff_config_release(&config);
	unlink(path);
	rmdir(folder);
}

static void test_by_hand(void **state)
{
	struct ff_config config;

	ff_config_init(&config);
	assert_int_equal(config.settings.connect_timeout_us, 30000000);
	for (int i = 0; i < 5; i++)
		ff_config_add_host(&config, "popen")->slots = i + 1;
	assert_int_equal(config.hosts_len, 5);
	assert_int_equal(config.hosts[3].slots, 4);
	ff_strv_add(&ff_config_add_job(&config, "pytest", "pytest")->args, "-x");
	assert_string_equal(config.jobs[0].dist, "load");
	assert_int_equal(config.jobs[0].grace_us, 5000000);
	assert_int_equal(config.jobs[0].count, 1);
	ff_config_release(&config);
}

static void test_reference(void **state)
{
	struct ff_buf out = FF_BUF_INIT;

	assert_int_equal(ff_config_reference(&out), 0);
	assert_non_null(strstr(ff_buf_str(&out), "\nsettings  -  How a run behaves:\n"));
	assert_non_null(strstr(ff_buf_str(&out), "retries          number, 0 to 100, default 0\n"));
	assert_non_null(strstr(ff_buf_str(&out), "only for 'pytest'"));
	ff_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_short_forms),
		cmocka_unit_test(test_anchors_and_merge),
		cmocka_unit_test(test_messages_are_sorted_and_bounded),
		cmocka_unit_test(test_messages_are_presentable),
		cmocka_unit_test(test_output_is_untouched_on_failure),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
