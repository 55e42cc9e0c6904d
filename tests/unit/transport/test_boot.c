/* What hosts say before their worker does: noise with and without a newline, in any pieces, quoted
 * in failures; hints; interpreters that are too old; "~". */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "transport/open.h"
#include "worker/bootstrap.h"
#include "io/loop_private.h"

struct fixture {
	struct ff_loop loop;
	struct ff_group *group;
	char dir[64];
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	strcpy(fixture->dir, "/tmp/ff-test-boot-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	setenv("XDG_CACHE_HOME", fixture->dir, 1);
	setenv("HOME", fixture->dir, 1);
	assert_int_equal(ff_loop_init(&fixture->loop, NULL), 0);
	fixture->group = ff_open_group(&fixture->loop, NULL);
	assert_non_null(fixture->group);
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

/* A program in the fixture's folder, which comes first in PATH. */
static void add_program(struct fixture *fixture, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", fixture->dir);
	setenv("PATH", path, 1);
}

static struct ff_gateway *make(struct fixture *fixture, const char *text)
{
	struct ff_err err;
	struct ff_gateway *gateway = ff_makegateway(fixture->group, text, &err);

	if (!gateway)
		fail_msg("%s", err.text);
	return gateway;
}

static void check_works(struct ff_gateway *gateway)
{
	bool native = ff_gateway_is_native(gateway);
	struct ff_task task = {.source = "channel.send(42)", .call_name = NULL};
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;

	if (native)
		task = (struct ff_task){.call_name = "info"};
	channel = ff_gateway_remote_exec(gateway, &task, NULL);
	assert_non_null(channel);
	assert_int_equal(ff_channel_receive(channel, 20000, &item, NULL), 0);
	if (!native)
		assert_int_equal(ff_as_int(&item.value, 0), 42);
	ff_item_release(&item);
	ff_channel_unref(channel);
}

/* The words behind "ended before it answered: ". */
static void check_end(struct fixture *fixture, const char *spec, const char *words)
{
	static const char before[] = " ended before it answered: ";
	struct ff_err err;
	const char *at;

	assert_null(ff_makegateway(fixture->group, spec, &err));
	at = strstr(err.text, before);
	if (!at)
		fail_msg("%s", err.text);
	assert_string_equal(at + strlen(before), words);
}

/* Each prints this and becomes the interpreter. */
static const char *const noises[] = {
	"printf '%b' '\\033]0;host\\007'",
	"printf 'no newline'",
	"printf '1 is how it begins'",
	"printf '1 is how it begins\\n111'",
	"echo farflung-need; echo farflung-no luck; printf farflung",
	"printf '\\r\\n\\r\\nwelcome\\r\\n$ '",
	"printf 'caf\\303\\251 \\377\\n\\001'",
	"head -c 100000 /dev/zero",
	"printf '1 caf\\303\\251\\n1\\303\\251 1'",
};

static void noise_before_python(void **state)
{
	struct fixture *fixture = *state;
	char text[256];

	for (size_t i = 0; i < sizeof(noises) / sizeof(noises[0]); i++) {
		snprintf(text, sizeof(text), "#!/bin/sh\n%s\nexec /usr/bin/python3 \"$@\"\n",
			 noises[i]);
		add_program(fixture, "noisy", text);
		check_works(make(fixture, "popen//python=noisy"));
	}
}

/* A carrier whose start file is noisy. */
static void noise_before_the_upload(void **state)
{
	struct fixture *fixture = *state;
	struct ff_gateway *gateway;
	char text[256];

	for (size_t i = 0; i < sizeof(noises) / sizeof(noises[0]); i++) {
		if (strstr(noises[i], "farflung-"))
			continue; /* a host that answers for the script gets what it asks for */
		snprintf(text, sizeof(text), "#!/bin/sh\nshift 3\n%s\nexec \"$@\"\n", noises[i]);
		add_program(fixture, "docker", text);
		gateway = make(fixture, "docker=c//worker=native");
		assert_true(ff_gateway_is_native(gateway));
		check_works(gateway);
	}
}

static void noise_before_a_native_interpreter(void **state)
{
	struct fixture *fixture = *state;
	struct ff_gateway *gateway;
	char text[512];
	const void *image;
	size_t size;
	FILE *file;

	snprintf(text, sizeof(text), "%s/worker", fixture->dir);
	file = fopen(text, "w");
	assert_non_null(file);
	ff_bootstrap_image(&image, &size);
	assert_int_equal(fwrite(image, 1, size, file), size);
	fclose(file);
	assert_int_equal(chmod(text, 0700), 0);
	snprintf(text, sizeof(text), "#!/bin/sh\nprintf '1 title'\nexec %s/worker \"$@\"\n",
		 fixture->dir);
	add_program(fixture, "noisy", text);
	gateway = make(fixture, "popen//python=noisy");
	assert_true(ff_gateway_is_native(gateway));
	check_works(gateway);
}

static void noise_is_quoted(void **state)
{
	struct fixture *fixture = *state;
	struct ff_err err;

	add_program(fixture, "a",
		    "#!/bin/sh\necho 'This account is currently not available.'\n"
		    "exit 1\n");
	check_end(fixture, "popen//python=a",
		  "exit status 1; stdout: This account is currently not available.");
	add_program(fixture, "b", "#!/bin/sh\nprintf '%b' '\\033]0;host\\007'; exit 3\n");
	check_end(fixture, "popen//python=b", "exit status 3; stdout: \\x1b]0;host\\x07");
	add_program(fixture, "c",
		    "#!/bin/sh\nprintf 'a\\tb\\r\\nc\\000\\377\\302\\233d\\303\\251'\n"
		    "printf 'no\\033[2J\\n' >&2\nexit 3\n");
	check_end(fixture, "popen//python=c",
		  "exit status 3; stdout:\n  a\tb\n  c\\x00\\xff\\xc2\\x9bd\303\251"
		  "; stderr: no\\x1b[2J");
	/* Only the end of much. */
	add_program(fixture, "d", "#!/bin/sh\nseq 100000; exit 3\n");
	assert_null(ff_makegateway(fixture->group, "popen//python=d", &err));
	assert_non_null(strstr(err.text, "exit status 3; stdout:\n  "));
	assert_null(strstr(err.text, "\n  99000\n"));
	assert_non_null(strstr(err.text, "\n  99999\n  100000"));
}

/* Peers that are none of ours: no word before their byte, and frames right behind it. */
static void bare_bytes(void **state)
{
	static const struct {
		const char *bytes;
		const char *words;
	} peers[] = {
		/* The code of a HELLO of ten bytes that is none: there is a newline in it. */
		{"1\\100\\000\\000\\000\\000\\000\\000\\000\\012QQQQQQQQQQ", "HELLO"},
		{"noise\\n1\\115\\000\\000\\000\\000\\000\\000\\000\\000", "77"},
		{"1\\245\\245\\245\\245\\245\\245\\245\\245\\245", "negative channel id"},
	};
	struct fixture *fixture = *state;
	struct ff_err err;
	char text[256];

	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		snprintf(text, sizeof(text), "#!/bin/sh\nprintf '%s'\nexec sleep 1000\n",
			 peers[i].bytes);
		add_program(fixture, "peer", text);
		assert_null(ff_makegateway(fixture->group, "popen//python=peer", &err));
		if (!strstr(err.text, peers[i].words))
			fail_msg("%s", err.text);
	}
}

static void noise_and_silence(void **state)
{
	struct fixture *fixture = *state;
	const struct ff_open_opts opts = {.connect_timeout_ms = 300};
	struct ff_gateway *gateway;
	struct ff_xspec spec;

	add_program(fixture, "quiet", "#!/bin/sh\nprintf 'password: '\nexec sleep 1000\n");
	assert_int_equal(ff_xspec_parse(&spec, "popen//python=quiet", NULL), 0);
	gateway = ff_open_gateway(fixture->group, &spec, &opts, NULL);
	assert_non_null(gateway);
	while (ff_gateway_state(gateway) != FF_GATEWAY_CLOSED)
		ff_loop_run_once(&fixture->loop, FF_NEVER_US);
	assert_string_equal(ff_gateway_error(gateway)->text,
			    "popen//python=quiet: 'quiet -u -c …' did not answer within 0.3 s; "
			    "stdout: password: ");
}

/* A host that wants the image for ever. */
static void need_for_ever(void **state)
{
	struct fixture *fixture = *state;
	struct ff_err err;

	add_program(fixture, "docker", "#!/bin/sh\nyes farflung-need\n");
	assert_null(ff_makegateway(fixture->group, "docker=c//worker=native", &err));
	assert_int_equal(err.code, FF_EPROTO);
	assert_non_null(strstr(err.text, "it asks for the worker again and again"));
}

static void hints(void **state)
{
	struct fixture *fixture = *state;

	add_program(fixture, "docker", "#!/bin/sh\nshift 3\nexec \"$@\"\n");
	check_end(fixture, "docker=c//python=nonesuch",
		  "exit status 127; stderr: /bin/sh: 1: nonesuch: not found; hint: a program was "
		  "not found there: is nonesuch in the host's PATH?");
	check_end(fixture, "docker=c//python=/dev/null",
		  "exit status 126; stderr: /bin/sh: 1: /dev/null: Permission denied; hint: a "
		  "program cannot be executed there: is /dev/null one for that host, with the "
		  "right to run?");
	check_end(
		fixture, "popen//python=sh -c 'echo a; echo b; exit 127'",
		"exit status 127; stdout:\n  a\n  b\nhint: a program was not found there: is what "
		"python= names in the host's PATH?");
	/* An `exit` in a start file: nothing ran, nothing was said. */
	add_program(fixture, "vagrant", "#!/bin/sh\nexit 1\n");
	check_end(fixture, "vagrant_ssh=m",
		  "exit status 1; hint: the login shell may have ended before it ran the command: "
		  "is there an exit in .bashrc or another start file?");
	check_end(fixture, "vagrant_ssh=m//worker=native",
		  "exit status 1; hint: the login shell may have ended before it ran the command: "
		  "is there an exit in .bashrc or another start file?");
}

static void old_interpreters(void **state)
{
	static const char *const versions[] = {"2, 6, 9", "2, 7, 18", "3, 6, 15"};
	struct fixture *fixture = *state;
	char text[512], want[256], dotted[16];

	for (size_t i = 0; i < 3; i++) {
		size_t n = 0;

		for (const char *c = versions[i]; *c; c++) {
			if (*c != ' ')
				dotted[n++] = (char)(*c == ',' ? '.' : *c);
		}
		dotted[n] = '\0';
		snprintf(text, sizeof(text),
			 "#!/usr/bin/python3 -u\nimport sys\n"
			 "sys.version_info = (%s, 'final', 0)\nsys.executable = '/opt/old/python'\n"
			 "exec(eval(sys.stdin.readline()))\n",
			 versions[i]);
		add_program(fixture, "old", text);
		snprintf(want, sizeof(want),
			 "exit status 1; stderr: farflung: /opt/old/python is Python %s, but a "
			 "worker needs Python 3.7 or newer",
			 dotted);
		check_end(fixture, "popen//python=old", want);
	}
}

static void home(void **state)
{
	struct fixture *fixture = *state;
	char want[128];

	add_program(fixture, "my python", "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n");
	add_program(fixture, "py", "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n");
	add_program(fixture, "docker", "#!/bin/sh\nshift 3\nexec \"$@\"\n");
	snprintf(want, sizeof(want), "%s/a/b", fixture->dir);
	assert_string_equal(ff_gateway_cwd(make(fixture, "popen//python=~/py//chdir=~/a/b//id=p")),
			    want);
	assert_string_equal(
		ff_gateway_cwd(make(fixture, "popen//worker=native//chdir=~/a/b//id=n")), want);
	assert_string_equal(ff_gateway_cwd(make(fixture, "docker=c//python=~/py//chdir=~/a/b")),
			    want);
	assert_string_equal(ff_gateway_cwd(make(fixture, "popen//python='~/my python'//chdir=~")),
			    fixture->dir);
	check_works(make(fixture, "popen//via=n//python='~/my python'//chdir=~"));
	check_works(make(fixture, "popen//via=p//python=env A=b ~/py//chdir=~/"));
	check_works(make(fixture, "docker=c//via=n//python=A=b ~/py"));
	/* The name of a folder, elsewhere in a path. */
	snprintf(want, sizeof(want), "%s/~", fixture->dir);
	assert_int_equal(mkdir(want, 0700), 0);
	snprintf(want, sizeof(want), "popen//chdir=%s/~", fixture->dir);
	assert_string_equal(ff_gateway_cwd(make(fixture, want)), want + strlen("popen//chdir="));
}

static void home_that_is_unknown(void **state)
{
	struct fixture *fixture = *state;
	struct ff_err err;

	unsetenv("HOME");
	assert_null(ff_makegateway(fixture->group, "popen//python=~/py", &err));
	assert_string_equal(err.text, "popen//python=~/py: python=~/py: '~': HOME is not set");
	assert_null(ff_makegateway(fixture->group, "popen//worker=native//chdir=~/x", &err));
	assert_non_null(strstr(err.text, "cannot change to '~/x': HOME is not set"));
}

/* The umask is the user's, on the first use (the upload's own is another) and on later ones. */
static void umask_is_kept(void **state)
{
	struct fixture *fixture = *state;
	struct ff_task task = {.source = "#!/bin/sh\numask\n"};
	mode_t before = umask(0027);

	for (int i = 0; i < 2; i++) {
		struct ff_item item = FF_ITEM_INIT;
		struct ff_channel *channel;

		add_program(fixture, "docker", "#!/bin/sh\nshift 3\nexec \"$@\"\n");
		channel = ff_gateway_remote_exec(make(fixture, "docker=c//worker=native"), &task,
						 NULL);
		assert_non_null(channel);
		assert_int_equal(ff_channel_receive(channel, 20000, &item, NULL), 0);
		assert_string_equal(ff_as_str(&item.value, ""), "0027");
		ff_item_release(&item);
		ff_channel_unref(channel);
	}
	umask(before);
}

/* A file that the script takes for the worker, and that no kernel does. */
static void worker_that_cannot_be_executed(void **state)
{
	struct fixture *fixture = *state;
	struct ff_gateway *gateway;

	add_program(fixture, "docker",
		    "#!/bin/sh\nshift 3\ncase \"$3\" in *sha256sum*) echo farflung-run; "
		    "exec /dev/null;; esac\nexec \"$@\"\n");
	gateway = make(fixture, "docker=c//worker=native");
	assert_false(ff_gateway_is_native(gateway));
	assert_non_null(
		strstr(ff_gateway_stderr(gateway),
		       "the native worker does not run here (exit status 126): Python takes "
		       "its place\n"));
	check_works(gateway);
}

/* What it is run under (valgrind, say) ends, with whatever status. */
static void worker_that_ends_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct ff_gateway *gateway;

	add_program(fixture, "docker",
		    "#!/bin/sh\nshift 3\ncase \"$3\" in *sha256sum*) echo farflung-run; "
		    "echo no tool >&2; exit 1;; esac\nexec \"$@\"\n");
	gateway = make(fixture, "docker=c//worker=native");
	assert_false(ff_gateway_is_native(gateway));
	assert_non_null(
		strstr(ff_gateway_stderr(gateway),
		       "the native worker does not run here (exit status 1): Python takes its "
		       "place\n"));
	check_works(gateway);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(noise_before_python),
		CASE(noise_before_the_upload),
		CASE(noise_before_a_native_interpreter),
		CASE(noise_is_quoted),
		CASE(bare_bytes),
		CASE(noise_and_silence),
		CASE(need_for_ever),
		CASE(hints),
		CASE(old_interpreters),
		CASE(home),
		CASE(home_that_is_unknown),
		CASE(umask_is_kept),
		CASE(worker_that_cannot_be_executed),
		CASE(worker_that_ends_at_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("boot", tests, NULL, NULL);
}
