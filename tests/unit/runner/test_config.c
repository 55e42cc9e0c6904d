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
#include "config/options.h"

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
	assert_null(c.jobs[0].dist);
	assert_true(c.jobs[0].scope_reorder);
	assert_int_equal(c.jobs[0].retries, 1);
	assert_int_equal(c.jobs[0].needs.len, 2);
	assert_int_equal(c.jobs[0].needs_places[1].line, 11);
	assert_int_equal(c.jobs[0].needs_places[1].column, 68);
	assert_int_equal(c.jobs[0].grace_us, 7000000);
	assert_int_equal(c.jobs[0].session_timeout_us, -1);
	assert_int_equal(c.jobs[0].count, 0);
	assert_int_equal(c.jobs[0].weight, 1);
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

	assert_int_equal(c.reports_len, 2);
	assert_string_equal(c.reports[0].name, "junit");
	assert_non_null(strstr(c.reports[0].path, "/out/junit.xml"));
	assert_int_equal(c.reports[1].place.column, 32);
	assert_string_equal(c.reports[1].path, "-");
	assert_int_equal(c.settings.connect_timeout_us, 3000000);
	assert_int_equal(c.settings.heartbeat_us, 5000000);
	assert_int_equal(c.settings.silence_us, 15000000);
	assert_int_equal(c.settings.output_cap_bytes, 2 << 20);
	assert_int_equal(c.settings.maxfail, 5);
	assert_int_equal(c.settings.max_worker_restart, -1);
	assert_int_equal(c.settings.require_hosts, 0);
	assert_int_equal(c.settings.reconnect_us, 60000000);
	assert_int_equal(c.settings.keep_runs, 100);
	assert_int_equal(c.settings.keep_days, 0);
	ff_config_release(&c);
}

static void test_pools(void **state)
{
	struct ff_config c;

	/* They may stand behind the jobs. */
	parse(&c, "jobs:\n"
		  "  a: {run: x, uses: {disk: 3, licence: 1}, weight: 2}\n"
		  "pools: {licence: 2, disk: 3}\n"
		  "settings: {require_hosts: all, reconnect: 5m, keep: {runs: 0, days: 30}}\n");
	assert_int_equal(c.pools_len, 2);
	assert_string_equal(c.pools[1].name, "disk");
	assert_int_equal(c.pools[1].size, 3);
	assert_int_equal(c.jobs[0].weight, 2);
	assert_int_equal(c.jobs[0].uses_len, 2);
	assert_int_equal(c.jobs[0].uses[0].pool, 1);
	assert_int_equal(c.jobs[0].uses[0].amount, 3);
	assert_int_equal(c.jobs[0].uses[1].pool, 0);
	assert_int_equal(c.settings.require_hosts, -1);
	assert_int_equal(c.settings.reconnect_us, 300000000);
	assert_int_equal(c.settings.keep_runs, 0);
	assert_int_equal(c.settings.keep_days, 30);
	ff_config_release(&c);
	refuse("jobs:\n  a: {run: x, uses: {licens: 1, disk: 2}}\npools: {licence: 2, disk: 1}\n",
	       "demo.yaml:2:22: job 'a' uses 'licens', which is no pool; did you mean 'licence'?\n"
	       "demo.yaml:2:33: job 'a' uses 2 of 'disk', of which there is 1");
	refuse("jobs:\n  a: {run: x, uses: disk, weight: 0}\npools: {disk: 0, 'a b': 1}\n",
	       "demo.yaml:2:21: 'uses' wants a mapping of pools to numbers from 1 to 1000000, got"
	       " 'disk'\n"
	       "demo.yaml:2:35: 'weight' wants a number from 1 to 100000, got '0'\n"
	       "demo.yaml:3:15: pool 'disk' wants a number from 1 to 1000000, got '0'\n"
	       "demo.yaml:3:18: 'a b' can't name a pool: letters, digits, '_', '-' and '.'");
	refuse("settings: {require_hosts: al, keep: {runs: -1}}\n",
	       "demo.yaml:1:27: 'require_hosts' wants a number from 1 to 100000, or all, got 'al';"
	       " did you mean 'all'?\n"
	       "demo.yaml:1:44: 'runs' wants a number from 0 to 1000000, got '-1'");
}

static void test_suggestions(void **state)
{
	refuse("jobs:\n  a: {run: x, maxfail: 1, Timeout: 3}\nretries: 1\n",
	       "demo.yaml:2:15: unknown key 'maxfail'; it belongs to 'settings'\n"
	       "demo.yaml:2:27: unknown key 'Timeout'; did you mean 'timeout'?\n"
	       "demo.yaml:3:1: unknown key 'retries'; it belongs to 'jobs.NAME'");
	refuse("inventory:\n  - {spec: popen, worker: Nativ}\ntree: {source: ., delete: ture}\n",
	       "demo.yaml:2:27: 'worker' wants native or python, got 'Nativ';"
	       " did you mean 'native'?\n"
	       "demo.yaml:3:27: 'delete' wants true or false, got 'ture'; did you mean 'true'?");
	refuse("jobs:\n  a: {run: x, time: 3}\n",
	       "demo.yaml:2:15: unknown key 'time'; did you mean 'timeout'?");
}

/* What a command line says is taken by the same rules as the file's values. */
static void test_set(void **state)
{
	static const char *const bad[] = {
		"",	     "-1", "1e3", "3 ", " 3", "0x3", "3.0", "many", "99999999999999999999",
		"1000000001"};
	const struct ff_config_option *maxfail =
		ff_config_option_find(FF_SECTION_SETTINGS, "maxfail");
	const struct ff_config_option *timeout = ff_config_option_find(FF_SECTION_JOB, "timeout");
	const struct ff_config_option *dist = ff_config_option_find(FF_SECTION_JOB, "dist");
	struct ff_config_job *job;
	struct ff_config c;
	struct ff_err err;

	ff_config_init(&c);
	job = ff_config_add_job(&c, "a", "pytest");
	assert_int_equal(ff_config_set(&c, NULL, maxfail, "7", &err), 0);
	assert_int_equal(c.settings.maxfail, 7);
	assert_int_equal(ff_config_set(&c, job, timeout, "1h30m", &err), 0);
	assert_int_equal(job->timeout_us, 5400000000);
	assert_int_equal(ff_config_set(&c, job, dist, "x", &err), 0);
	assert_string_equal(job->dist, "x");
	assert_int_equal(ff_config_set(&c, job, dist, "", &err), FF_EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[128], message[160];

		assert_int_equal(ff_config_set(NULL, NULL, maxfail, bad[i], &err), FF_EINVAL);
		snprintf(text, sizeof(text), "wants a number from 0 to 1000000000, got '%s'",
			 bad[i]);
		assert_string_equal(err.text, text);
		snprintf(message, sizeof(message), "demo.yaml:1:21: 'maxfail' %s", text);
		snprintf(text, sizeof(text), "settings: {maxfail: \"%s\"}\n", bad[i]);
		refuse(text, message);
	}
	assert_int_equal(ff_config_set(&c, job, timeout, "10 m", &err), FF_EINVAL);
	assert_int_equal(ff_config_set(&c, job, timeout, "366d", &err), FF_EINVAL);
	assert_int_equal(job->timeout_us, 5400000000);
	assert_int_equal(c.settings.maxfail, 7);
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

static void test_tabs(void **state)
{
	static const struct {
		const char *text, *where;
	} cases[] = {
		{"jobs:\n\tunit: 1\n", "2:1"},
		{"jobs:\n  a:\n    run: x\n  \tretries: 3\n", "4:3"},
		{"jobs:\n  a:\n\t  run: x\n", "3:1"},
		{"jobs:\n  -\tb\n", "2:4"},
		{"\xc3\xa4:\n  - \tb: c\n", "2:5"},
		{"a: |\n  x\n\ty\n", "3:1"},
		{"a: 'b'\n\tc: d\n", "2:1"},
		{"\ta: b\n", "1:1"},
		{"a:\n\t\n  b: c\n", "2:1"},
		{"a:\r\n\tb: c\r\n", "2:1"},
	};
	struct ff_config c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char message[128];

		snprintf(message, sizeof(message),
			 "demo.yaml:%s: a tab, where YAML wants spaces: indent with spaces only",
			 cases[i].where);
		refuse(cases[i].text, message);
	}
	/* An error that has nothing to do with the tabs that YAML allows. */
	refuse("jobs:\t[\n  a\t}\n", "demo.yaml:2:5: did not find expected ',' or ']' while parsing"
				     " a flow sequence");
	parse(&c, "jobs: {a:\t{run: 'x\ty'}}\t# z\n");
	assert_string_equal(c.jobs[0].shell, "x\ty");
	ff_config_release(&c);
}

static void test_tags(void **state)
{
	struct ff_config c;

	refuse("jobs:\n  a: {run: !!python/object/apply:os.system [x]}\n",
	       "demo.yaml:2:12: tags are not supported: '!!python/object/apply:os.system'");
	refuse("jobs: !!omap {}\ninventory: !include x\nversion: !!int 1\n",
	       "demo.yaml:1:7: tags are not supported: '!!omap'\n"
	       "demo.yaml:2:12: tags are not supported: '!include'\n"
	       "demo.yaml:3:10: tags are not supported: '!!int'");
	refuse("jobs: !!str {}\n", "demo.yaml:1:7: tags are not supported: '!!str'");
	parse(&c, "jobs: !!map {a: {run: !!seq [!!str null, ! 1]}}\n");
	assert_string_equal(c.jobs[0].args.v[0], "null");
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

/* Both names of it, and what is no file in a folder: relative paths are meant from here. */
static void test_load_stdin(void **state)
{
	static const char *const names[] = {"-", "/dev/stdin", "/dev/fd/0"};
	static const char text[] = "inventory: [popen]\ntree: .\n";
	char here[4096];

	assert_non_null(getcwd(here, sizeof(here)));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int saved = dup(STDIN_FILENO), ends[2];
		struct ff_config config;
		struct ff_err err;

		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
		close(ends[1]);
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		assert_int_equal(ff_config_load(&config, names[i], &err), 0);
		assert_string_equal(config.directory, here);
		assert_string_equal(config.tree.source, here);
		assert_string_equal(config.path, i ? names[i] : "<stdin>");
		ff_config_release(&config);
		if (saved >= 0) {
			dup2(saved, STDIN_FILENO);
			close(saved);
		}
	}
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
	assert_null(config.jobs[0].dist);
	assert_int_equal(config.jobs[0].grace_us, 5000000);
	assert_int_equal(config.jobs[0].weight, 1);
	ff_config_release(&config);
}

static void test_reference(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	const struct ff_config_note reports[] = {{.key = "junit", .help = "JUnit XML"},
						 {.key = NULL}};

	assert_int_equal(ff_config_reference(&out, reports), 0);
	assert_non_null(strstr(ff_buf_str(&out), "\n  junit            path\n"));
	assert_non_null(strstr(ff_buf_str(&out), "\nsettings  -  How a run behaves:\n"));
	assert_non_null(strstr(ff_buf_str(&out), "retries          number, 0 to 100, default 0\n"));
	assert_non_null(strstr(ff_buf_str(&out), "only for 'pytest'"));
	assert_non_null(strstr(ff_buf_str(&out), "{name:raw}"));
	ff_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_suggestions),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_short_forms),
		cmocka_unit_test(test_anchors_and_merge),
		cmocka_unit_test(test_tabs),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_messages_are_sorted_and_bounded),
		cmocka_unit_test(test_messages_are_presentable),
		cmocka_unit_test(test_output_is_untouched_on_failure),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_stdin),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
