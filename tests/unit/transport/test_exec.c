/* Sources from files, and what needs real workers to be seen: tracebacks, rinfo, named values with
 * a peer that is plain Python, traces of both ends, and the end of a program with members left. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "farflung.h"
#include "io/loop_private.h"

#define PYTHON "popen//python=/usr/bin/python3"
#define NATIVE "popen//worker=native"

enum { TIMEOUT_MS = 20000 };

struct fixture {
	struct ff_loop loop;
	struct ff_group *group;
	char dir[64];
	char path[128];
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	strcpy(fixture->dir, "/tmp/ff-test-exec-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->path, sizeof(fixture->path), "%s/code.py", fixture->dir);
	setenv("XDG_CACHE_HOME", fixture->dir, 1);
	assert_int_equal(ff_loop_init(&fixture->loop, NULL), 0);
	fixture->group = ff_open_group(&fixture->loop, NULL);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	assert_int_equal(ff_group_terminate(fixture->group, 10000), 0);
	ff_group_free(fixture->group);
	assert_int_equal(ff_loop_release(&fixture->loop), 0);
	snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static void write_file(const char *path, const void *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void write_code(const struct fixture *fixture, const char *text)
{
	write_file(fixture->path, text, strlen(text));
}

static struct ff_gateway *make(struct fixture *fixture, const char *spec)
{
	struct ff_err err = {0};
	struct ff_gateway *gateway = ff_makegateway(fixture->group, spec, &err);

	if (!gateway)
		fail_msg("%s", err.text);
	return gateway;
}

static void expect_refused(const struct fixture *fixture, const char *function, int code,
			   const char *words)
{
	struct ff_exec_source source;
	struct ff_err err;

	assert_int_equal(ff_exec_source_read(&source, fixture->path, function, &err), code);
	assert_non_null(strstr(err.text, fixture->path));
	if (!strstr(err.text, words))
		fail_msg("%s", err.text);
}

static void reading(void **state)
{
	struct fixture *fixture = *state;
	struct ff_exec_source source;

	expect_refused(fixture, NULL, FF_ESYS, "No such file");
	write_code(fixture, "\xef\xbb\xbfx = '\xc3\xa9'\n");
	assert_int_equal(ff_exec_source_read(&source, fixture->path, NULL, NULL), 0);
	assert_string_equal(source.task.source, "x = '\xc3\xa9'\n");
	assert_string_equal(source.task.file_name, fixture->path);
	assert_null(source.task.call_name);
	ff_exec_source_release(&source);
	write_code(fixture, "");
	assert_int_equal(ff_exec_source_read(&source, fixture->path, NULL, NULL), 0);
	assert_string_equal(source.task.source, "");
	ff_exec_source_release(&source);

	write_file(fixture->path, "a\0b", 3);
	expect_refused(fixture, NULL, FF_EINVAL, "NUL");
	write_code(fixture, "\xe9");
	expect_refused(fixture, NULL, FF_EINVAL, "UTF-8");
	assert_int_equal(truncate(fixture->path, FF_EXEC_SOURCE_MAX + 1), 0);
	expect_refused(fixture, NULL, FF_ETOOBIG, "over");
	unlink(fixture->path);
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	expect_refused(fixture, NULL, FF_EINVAL, "regular");
	unlink(fixture->path);
	assert_int_equal(mkdir(fixture->path, 0700), 0);
	expect_refused(fixture, NULL, FF_EINVAL, "regular");
}

static void functions_are_looked_for(void **state)
{
	static const char *const good[] = {
		"def f(channel): pass",
		"import os\n\ndef f(channel, a=1):\n    pass\n",
		"def  f (\n        channel,\n    b):\n    pass\n",
		"def f(x): pass\ndef f(channel): pass\n",
		"def fg(x): pass\r\ndef f(channel): pass\r\n",
		"def g():\n\tdef f(channel):\n\t\tpass\n",
	};
	static const char *const none[] = {"", "def fg(channel): pass\n", "undef f(channel)\n",
					   "def\nf(channel): pass\n", "def f"};
	static const char *const decorated[] = {"@x\ndef f(channel): pass",
						"@x(\n  1\n)\n# a\n\ndef f(channel):\n  pass\n",
						"if 1:\n  @x\n  def f(channel): pass"};
	static const char *const wrong[] = {"def f(): pass", "def f(a, channel): pass",
					    "def f(channels): pass", "def f(*channel): pass"};
	struct fixture *fixture = *state;
	struct ff_exec_source source;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		write_code(fixture, good[i]);
		assert_int_equal(ff_exec_source_read(&source, fixture->path, "f", NULL), 0);
		assert_string_equal(source.task.call_name, "f");
		ff_exec_source_release(&source);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		write_code(fixture, none[i]);
		expect_refused(fixture, "f", FF_EINVAL, "no function 'f'");
	}
	for (size_t i = 0; i < sizeof(decorated) / sizeof(decorated[0]); i++) {
		write_code(fixture, decorated[i]);
		expect_refused(fixture, "f", FF_EINVAL, "decorator");
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		write_code(fixture, wrong[i]);
		expect_refused(fixture, "f", FF_EINVAL, "must be called 'channel'");
	}
}

/* What is sent is what Python's inspect would give. */
static void functions_are_cut_out(void **state)
{
	static const struct {
		const char *file, *sent;
	} cases[] = {
		{"1\ndef f(channel):\n  a\n\n  b\n\n# c\nd\n", "\ndef f(channel):\n  a\n\n  b\n"},
		{"def f(channel): pass; x\ny", "def f(channel): pass; x\n"},
		{"def f(channel,\nb=(1,\n2)):\n\ta\n#\n\tb",
		 "def f(channel,\nb=(1,\n2)):\n\ta\n#\n\tb"},
		/* Dedented, but not inside strings. */
		{"if 1:\n  def f(channel):\n    '''\n    x\n  '''\n    a(\n b)\n  c\n",
		 "\ndef f(channel):\n  '''\n    x\n  '''\n  a(\nb)\n"},
		/* What looks like code in strings, brackets and comments is none. */
		{"'''\ndef f(x): no\n'''\ndef f(channel):\n  a = \"]#'\\\"\" # (\n  b\n",
		 "\n\n\ndef f(channel):\n  a = \"]#'\\\"\" # (\n  b\n"},
		{"def f(channel):\n  a = [\nb]\n  c = \\\nd\n  return\nx\n",
		 "def f(channel):\n  a = [\nb]\n  c = \\\nd\n  return\n"},
		{"def f(channel): 1\r\ndef f(channel):\r\n  2\r\nx\r\n",
		 "\ndef f(channel):\r\n  2\r\n"},
		/* Unfinished: Python will say so. */
		{"def f(channel): a('", "def f(channel): a('"},
		{"def f(channel): ''' a \\", "def f(channel): ''' a \\"},
		{"def f(channel,\n# a", "def f(channel,\n# a"},
	};
	struct fixture *fixture = *state;
	struct ff_exec_source source;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_code(fixture, cases[i].file);
		assert_int_equal(ff_exec_source_read(&source, fixture->path, "f", NULL), 0);
		assert_string_equal(source.task.source, cases[i].sent);
		ff_exec_source_release(&source);
	}
}

static void modules_and_functions_run(void **state)
{
	struct ff_value pair[] = {ff_str("b"), ff_int(40)};
	struct ff_value kwargs = ff_collection(FF_DICT, pair, 1);
	struct ff_item item = FF_ITEM_INIT;
	struct fixture *fixture = *state;
	struct ff_channel *channel;
	struct ff_gateway *gateway = make(fixture, PYTHON);
	char expected[256];
	struct ff_err err;

	/* The file's body does not run. */
	write_code(fixture, "import nowhere\n"
			    "def add(channel, b):\n"
			    "    channel.send(len(globals().get('two', 'xx')) + b)\n"
			    "two = 'two'\n"
			    "1 / 0\n"
			    "def fails(channel):\n"
			    "    raise ValueError('no')\n");
	channel = ff_exec_file(gateway, fixture->path, "add", &kwargs, &err);
	assert_non_null(channel);
	assert_int_equal(ff_channel_receive(channel, TIMEOUT_MS, &item, &err), 0);
	assert_int_equal(ff_as_int(&item.value, 0), 42);
	ff_item_release(&item);
	assert_int_equal(ff_channel_waitclose(channel, TIMEOUT_MS, &err), 0);
	ff_channel_unref(channel);

	channel = ff_exec_file(gateway, fixture->path, "fails", NULL, &err);
	assert_int_equal(ff_channel_waitclose(channel, TIMEOUT_MS, &err), FF_EREMOTE);
	snprintf(expected, sizeof(expected), "File \"%s\", line 7", fixture->path);
	if (!strstr(err.text, expected))
		fail_msg("%s", err.text);
	assert_non_null(strstr(err.text, "ValueError: no"));
	ff_channel_unref(channel);
	assert_null(ff_exec_file(gateway, fixture->path, NULL, &kwargs, &err));
	assert_int_equal(err.code, FF_EINVAL);
	assert_null(ff_exec_file(gateway, "/nonexistent/x.py", NULL, NULL, &err));
	assert_int_equal(err.code, FF_ESYS);

	write_code(fixture, "assert __name__ == '__channelexec__'\nchannel.send(__name__)\n");
	channel = ff_exec_file(gateway, fixture->path, NULL, NULL, &err);
	assert_int_equal(ff_channel_receive(channel, TIMEOUT_MS, &item, &err), 0);
	ff_item_release(&item);
	ff_channel_unref(channel);
}

static void scripts_run_on_native_workers(void **state)
{
	struct ff_items items = FF_ITEMS_INIT;
	struct fixture *fixture = *state;
	struct ff_gateway *gateway = make(fixture, NATIVE);
	struct ff_exec_source source;
	struct ff_err err;

	write_code(fixture, "#!/bin/sh\necho one\necho two\n");
	assert_int_equal(ff_exec_source_read(&source, fixture->path, NULL, NULL), 0);
	assert_int_equal(ff_exec_collect(gateway, &source.task, TIMEOUT_MS, &items, &err), 0);
	assert_int_equal(items.len, 2);
	assert_true(ff_is_str(&items.v[1].value, "two"));
	ff_items_release(&items);
	ff_exec_source_release(&source);
}

static void builtins_run_on_both(void **state)
{
	static const char *const specs[] = {PYTHON, NATIVE};
	struct ff_value kwargs[] = {ff_str("shell"), ff_str("exit 3")};
	struct fixture *fixture = *state;
	struct ff_task task;
	struct ff_err err;

	for (size_t i = 0; i < 2; i++) {
		struct ff_gateway *gateway = make(fixture, specs[i]);
		struct ff_items items = FF_ITEMS_INIT;
		const struct ff_value *last;

		assert_int_equal(ff_exec_builtin(gateway, "command", &task, &err), 0);
		task.kwargs = ff_collection(FF_DICT, kwargs, 1);
		assert_int_equal(ff_exec_collect(gateway, &task, TIMEOUT_MS, &items, &err), 0);
		last = &items.v[items.len - 1].value;
		assert_true(ff_is_str(ff_at(last, 0), "exit"));
		assert_int_equal(ff_dict_int(ff_at(last, 1), "exit", -1), 3);
		ff_items_release(&items);
		assert_int_equal(ff_exec_builtin(gateway, "info?", &task, &err), FF_ENOTFOUND);
	}
}

static void rinfo(void **state)
{
	static const char *const specs[] = {PYTHON, NATIVE};
	static const char *const texts[] = {"platform", "version", "executable", "cwd"};
	struct fixture *fixture = *state;
	struct ff_err err;

	for (size_t i = 0; i < 2; i++) {
		struct ff_gateway *gateway = make(fixture, specs[i]);
		const struct ff_value *info = ff_gateway_rinfo(gateway, false, TIMEOUT_MS, &err);

		assert_non_null(info);
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			assert_true(*ff_dict_str(info, texts[k], ""));
		assert_true(ff_dict_int(info, "pid", 0) > 0);
		assert_ptr_equal(ff_gateway_rinfo(gateway, false, TIMEOUT_MS, &err), info);
	}
}

static void named_values_from_python(void **state)
{
	const struct ff_task task = {.source = "channel.send(('get', 'question'))\n"
					       "tag, name, value = channel.receive()\n"
					       "assert (tag, name) == ('value', 'question')\n"
					       "channel.send(('set', 'answer', value * 2))\n"
					       "channel.receive()\n"};
	struct ff_item item = FF_ITEM_INIT;
	struct fixture *fixture = *state;
	struct ff_names *names = ff_names_new();
	struct ff_multichannel *multi;
	struct ff_value value = ff_int(21);
	struct ff_err err;

	make(fixture, PYTHON);
	multi = ff_exec_group(fixture->group, &task, &err);
	assert_int_equal(ff_names_attach(names, ff_multichannel_at(multi, 0), &err), 0);
	assert_int_equal(ff_names_set(names, "question", &value, &err), 0);
	assert_int_equal(ff_names_get(names, "answer", TIMEOUT_MS, &item, &err), 0);
	assert_int_equal(ff_as_int(&item.value, 0), 42);
	ff_item_release(&item);
	ff_names_free(names);
	ff_multichannel_free(multi);
}

/* --- programs of their own --- */

/* In a child: kept, so that nothing counts as leaked when it just exits. The library knows nothing
 * of the loop's copy. */
static struct ff_group *kept;
static struct ff_loop remains;

static void fill_stack(void)
{
	volatile char garbage[8192];

	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (char)0xa5;
}

/* Opens members whose code does not want to end, and returns with its loop's memory. */
static void open_and_forget(int out)
{
	const struct ff_task stubborn = {.source = "import time\n"
						   "channel.send(1)\n"
						   "while 1:\n"
						   "    try:\n"
						   "        time.sleep(1000)\n"
						   "    except KeyboardInterrupt:\n"
						   "        pass\n"};
	static const char *const specs[] = {PYTHON, NATIVE, PYTHON};
	struct ff_item item = FF_ITEM_INIT;
	struct ff_loop loop;
	int32_t pids[3];

	ff_loop_init(&loop, NULL);
	kept = ff_open_group(&loop, NULL);
	for (int i = 0; i < 3; i++) {
		struct ff_gateway *gateway = ff_makegateway(kept, specs[i], NULL);

		pids[i] = (int32_t)ff_dict_int(ff_gateway_info(gateway), "pid", 0);
		if (i == 2) {
			struct ff_channel *channel =
				ff_gateway_remote_exec(gateway, &stubborn, NULL);

			ff_channel_receive(channel, TIMEOUT_MS, &item, NULL);
			ff_item_release(&item);
		}
	}
	memcpy(&remains, &loop, sizeof(loop));
	if (write(out, pids, sizeof(pids)) != sizeof(pids))
		_exit(1);
}

static void expect_gone(int32_t pid, int pidfd)
{
	struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};

	assert_true(pid > 0 && pidfd >= 0);
	if (poll(&pollfd, 1, 10000) != 1)
		fail_msg("worker %d lives on", (int)pid);
	close(pidfd);
}

static void members_end_with_the_program(void **state)
{
	int to[2], from[2], pidfds[3], status;
	int32_t pids[3];
	char go;
	pid_t child;

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	child = fork();
	if (child == 0) {
		close(to[1]);
		open_and_forget(from[1]);
		fill_stack();
		/* The loop is gone. */
		if (read(to[0], &go, 1) != 1)
			_exit(1);
		exit(0);
	}
	close(to[0]);
	assert_int_equal(read(from[0], pids, sizeof(pids)), sizeof(pids));
	for (int i = 0; i < 3; i++)
		pidfds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
	assert_int_equal(write(to[1], "x", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int i = 0; i < 3; i++)
		expect_gone(pids[i], pidfds[i]);
	close(to[1]);
	close(from[0]);
	close(from[1]);
}

/* A forked child that exits must not end its parent's members. */
static void members_outlive_a_forked_child(void **state)
{
	struct fixture *fixture = *state;
	struct ff_gateway *gateway = make(fixture, NATIVE);
	struct ff_task task = {.source = "#!/bin/sh\necho alive\n"};
	struct ff_item item = FF_ITEM_INIT;
	int status;
	pid_t child = fork();

	if (child == 0)
		exit(0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(ff_exec_call(gateway, &task, TIMEOUT_MS, &item, NULL), 0);
	assert_true(ff_is_str(&item.value, "alive"));
	ff_item_release(&item);
}

static void on_stderr(struct ff_gateway *gateway, const char *line, void *ctx)
{
	fprintf(stderr, "stderr of %s: %s\n", ff_gateway_id(gateway), line);
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	*(bool *)ctx = true;
}

static void work_traced(const char *text)
{
	struct ff_task task = {.source = "#!/usr/bin/python3\n"
					 "import os, sys\n"
					 "if 'channel' in globals():\n"
					 "    channel.send(os.environ.get('FARFLUNG_DEBUG'))\n"
					 "sys.stderr.write('from a script\\n')\n"};
	struct ff_items items = FF_ITEMS_INIT;
	struct ff_group *group;
	struct ff_xspec spec;
	struct ff_loop loop;
	bool opened = false;
	struct ff_open_opts opts = {.opened = on_opened, .stderr_line = on_stderr, .ctx = &opened};
	struct ff_gateway *gateway;

	ff_loop_init(&loop, NULL);
	group = ff_open_group(&loop, NULL);
	ff_xspec_parse(&spec, text, NULL);
	gateway = ff_open_gateway(group, &spec, &opts, NULL);
	while (!opened)
		ff_loop_run_once(&loop, INT64_MAX);
	ff_exec_collect(gateway, &task, TIMEOUT_MS, &items, NULL);
	for (size_t i = 0; i < items.len; i++)
		fprintf(stderr, "got %s\n", ff_as_str(&items.v[i].value, "?"));
	ff_items_release(&items);
	ff_group_terminate(group, 10000);
	ff_group_free(group);
	ff_loop_release(&loop);
}

/* All that a traced process of its own and its worker write to stderr. */
static pid_t run_traced(const char *spec, char *text, size_t size)
{
	int ends[2], status;
	size_t len = 0;
	ssize_t part;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		setenv("FARFLUNG_DEBUG", "2", 1);
		dup2(ends[1], STDERR_FILENO);
		execl("/proc/self/exe", "test_exec", "--work-traced", spec, NULL);
		_exit(1);
	}
	close(ends[1]);
	while ((part = read(ends[0], text + len, size - 1 - len)) > 0)
		len += (size_t)part;
	text[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status != 0)
		fail_msg("%s", text);
	/* What is a trace is no output of the worker. */
	assert_null(strstr(text, "stderr of tr: ["));
	return child;
}

static void both_ends_are_traced(void **state)
{
	static char text[1 << 16];
	char ours[64];
	pid_t child = run_traced(NATIVE "//id=tr", text, sizeof(text));

	snprintf(ours, sizeof(ours), "[%d] tr -> CHANNEL_EXEC 1 (", (int)child);
	assert_non_null(strstr(text, ours));
	assert_non_null(strstr(text, "] worker <- CHANNEL_EXEC 1 ("));
	assert_non_null(strstr(text, "] worker -> CHANNEL_DATA 1 ("));
	assert_non_null(strstr(text, "] tr/1: opened -> closed (CLOSE)"));
	assert_non_null(strstr(text, "got from a script"));
}

/* Where the environment does not come along: here a docker that is none. */
static void the_other_end_is_told_to_trace(void **state)
{
	static const char docker[] = "#!/bin/sh\nshift 3\nexec env -u FARFLUNG_DEBUG \"$@\"\n";
	static char text[1 << 16];
	struct fixture *fixture = *state;
	char path[128], *old = strdup(getenv("PATH")), *wider = NULL;

	snprintf(path, sizeof(path), "%s/docker", fixture->dir);
	write_file(path, docker, strlen(docker));
	assert_int_equal(chmod(path, 0700), 0);
	assert_true(asprintf(&wider, "%s:%s", fixture->dir, old) > 0);
	setenv("PATH", wider, 1);
	run_traced("docker=c1//worker=native//id=tr", text, sizeof(text));
	if (!strstr(text, "] worker <- CHANNEL_EXEC 1 ("))
		fail_msg("%s", text);
	run_traced("docker=c1//python=/usr/bin/python3//id=tr", text, sizeof(text));
	if (!strstr(text, "got 2\n"))
		fail_msg("%s", text);
	assert_non_null(strstr(text, "stderr of tr: from a script"));
	setenv("PATH", old, 1);
	free(wider);
	free(old);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reading, setup, teardown),
		cmocka_unit_test_setup_teardown(functions_are_looked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(functions_are_cut_out, setup, teardown),
		cmocka_unit_test_setup_teardown(modules_and_functions_run, setup, teardown),
		cmocka_unit_test_setup_teardown(scripts_run_on_native_workers, setup, teardown),
		cmocka_unit_test_setup_teardown(builtins_run_on_both, setup, teardown),
		cmocka_unit_test_setup_teardown(rinfo, setup, teardown),
		cmocka_unit_test_setup_teardown(named_values_from_python, setup, teardown),
		cmocka_unit_test_setup_teardown(members_end_with_the_program, setup, teardown),
		cmocka_unit_test_setup_teardown(members_outlive_a_forked_child, setup, teardown),
		cmocka_unit_test_setup_teardown(both_ends_are_traced, setup, teardown),
		cmocka_unit_test_setup_teardown(the_other_end_is_told_to_trace, setup, teardown),
	};

	if (argc > 2 && strcmp(argv[1], "--work-traced") == 0) {
		work_traced(argv[2]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
