/* What is sent to start a worker: argvs, the source line as Python reads it, the image. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/bootstrap.h"

static void check_argv(const char *text, const char *joined)
{
	struct ff_strv argv = FF_STRV_INIT;
	struct ff_buf out = FF_BUF_INIT;
	struct ff_xspec spec;

	assert_int_equal(ff_xspec_parse(&spec, text, NULL), 0);
	assert_int_equal(ff_bootstrap_python_argv(&argv, &spec, NULL, NULL), 0);
	assert_int_equal(ff_shell_join(&out, argv.v), 0);
	assert_string_equal(ff_buf_str(&out), joined);
	ff_buf_release(&out);
	ff_strv_release(&argv);
	ff_xspec_release(&spec);
}

#define CODE "'import sys;exec(eval(sys.stdin.readline()))'"

static void python_argvs(void **state)
{
	struct ff_strv argv = FF_STRV_INIT;
	struct ff_xspec spec;
	struct ff_err err;

	check_argv("popen", "python3 -u -c " CODE);
	check_argv("popen//python=py 'a b'//dont_write_bytecode", "py 'a b' -u -B -c " CODE);
	assert_int_equal(ff_xspec_parse(&spec, "popen//python='x", NULL), 0);
	assert_int_equal(ff_bootstrap_python_argv(&argv, &spec, NULL, &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "python='x"));
	ff_strv_release(&argv);
	ff_xspec_release(&spec);
}

static void python_command(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_xspec spec;

	assert_int_equal(ff_xspec_parse(&spec, "ssh=h//python=A=b ~/bin/python", NULL), 0);
	assert_int_equal(ff_bootstrap_python_command(&out, &spec, NULL), 0);
	assert_string_equal(
		ff_buf_str(&out),
		"A=b ~/bin/python -u -c \"import sys;exec(eval(sys.stdin.readline()))\"");
	ff_buf_release(&out);
	ff_xspec_release(&spec);
}

/* Python itself says whether the line is the source, also in the C locale. */
static void line_is_the_source(void **state)
{
	static const char program[] =
		"LC_ALL=C /usr/bin/python3 -c \"import sys; t = eval(sys.stdin.readline()); "
		"assert not sys.stdin.read(); "
		"h, _, w = t.partition('FF_SOCKET = True' + chr(10)); n = {}; exec(h, n); "
		"assert n['FF_ID'] == 'a' + chr(92) + chr(39) + 'b'; "
		"assert n['FF_EXECMODEL'] == 'thread'; "
		"text, _, start = w.partition(chr(10)); exec(text, n); "
		"assert n['FF_TEXT'].encode() == open(sys.argv[1], 'rb').read(); "
		"assert 'exec(ff_compiled(FF_TEXT, ' in start\" ";
	char path[] = "/tmp/ff-test-bootstrap-XXXXXX", command[1024];
	struct ff_buf line = FF_BUF_INIT;
	const char *source = ff_bootstrap_source("worker");
	FILE *pipe;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, source, strlen(source)), strlen(source));
	close(fd);
	assert_int_equal(ff_bootstrap_python_line(&line, "a\\'b", NULL, true, NULL), 0);
	assert_ptr_equal(memchr(ff_buf_data(&line), '\n', line.len),
			 ff_buf_data(&line) + line.len - 1);
	snprintf(command, sizeof(command), "%s%s", program, path);
	pipe = popen(command, "w");
	assert_non_null(pipe);
	assert_int_equal(fwrite(ff_buf_data(&line), 1, line.len, pipe), line.len);
	assert_int_equal(pclose(pipe), 0);
	unlink(path);
	ff_buf_release(&line);
}

static void sources(void **state)
{
	static const char *const names[] = {"worker", "rsync", "command", "proxy", "configure"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(ff_bootstrap_source(names[i]));
	assert_null(ff_bootstrap_source("nonesuch"));
}

static void image(void **state)
{
	const void *bytes;
	size_t len;
	int fd = ff_bootstrap_image_fd(NULL);

	ff_bootstrap_image(&bytes, &len);
	assert_memory_equal(bytes, "\177ELF", 4);
	assert_int_equal(strlen(ff_bootstrap_image_hash()), 64);
	assert_true(fd >= 0);
	assert_int_equal(ff_bootstrap_image_fd(NULL), fd);
	assert_int_equal(lseek(fd, 0, SEEK_END), len);
	assert_int_equal(write(fd, "x", 1), -1);
}

/* It must pass through any login shell: csh and fish, too. */
static void upload_command_is_plain(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	const char *text;

	assert_int_equal(ff_bootstrap_upload_command(&out), 0);
	text = ff_buf_str(&out);
	assert_memory_equal(text, "exec /bin/sh -c '", 17);
	assert_ptr_equal(strchr(text + 17, '\''), text + strlen(text) - 1);
	assert_null(strpbrk(text, "\\!\n"));
	ff_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(python_argvs),
		cmocka_unit_test(python_command),
		cmocka_unit_test(line_is_the_source),
		cmocka_unit_test(sources),
		cmocka_unit_test(image),
		cmocka_unit_test(upload_command_is_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
