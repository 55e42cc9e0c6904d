/* Finding drivers, and the argv of the programs that carry lines elsewhere. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "transport/command.h"

static void check_driver(const char *text, const char *name)
{
	const struct ff_transport *transport;
	struct ff_xspec spec;
	struct ff_err err;

	assert_int_equal(ff_xspec_parse(&spec, text, &err), 0);
	transport = ff_transport_find(&spec, &err);
	if (name) {
		assert_non_null(transport);
		assert_string_equal(transport->name, name);
	} else {
		assert_null(transport);
		assert_int_equal(err.code, FF_EINVAL);
		assert_non_null(strstr(err.text, "no gateway type found for"));
	}
	ff_xspec_release(&spec);
}

static void drivers_by_spec(void **state)
{
	check_driver("popen", "popen");
	check_driver("popen//via=gw0", "via");
	check_driver("ssh=a//via=gw0", "via");
	check_driver("ssh=a", "ssh");
	check_driver("socket=a:1", "socket");
	check_driver("docker=c", "docker");
	check_driver("podman=c", "podman");
	check_driver("kubectl=p", "kubectl");
	check_driver("srun=-p x", "srun");
	check_driver("vagrant_ssh=m", "vagrant_ssh");
	check_driver("python=python3", NULL);
	check_driver("popen//ssh=a", NULL);
	check_driver("socket=a:1//via=gw0", "socket");
}

static void check_argv(const char *text, const char *joined)
{
	struct ff_strv argv = FF_STRV_INIT;
	struct ff_buf out = FF_BUF_INIT;
	struct ff_xspec spec;

	assert_int_equal(ff_xspec_parse(&spec, text, NULL), 0);
	assert_int_equal(ff_command_argv(&argv, &spec, "a b", NULL), 0);
	assert_int_equal(ff_shell_join(&out, argv.v), 0);
	assert_string_equal(ff_buf_str(&out), joined);
	ff_buf_release(&out);
	ff_strv_release(&argv);
	ff_xspec_release(&spec);
}

static void argvs(void **state)
{
	check_argv("ssh=-p 2222 build1", "ssh -C -T -o BatchMode=yes -p 2222 build1 'a b'");
	check_argv("ssh=h//ssh_config=/x y", "ssh -C -T -o BatchMode=yes -F '/x y' h 'a b'");
	check_argv("vagrant_ssh=m//ssh_config=c", "vagrant ssh m -- -C -T -F c 'a b'");
	check_argv("docker=c1", "docker exec -i c1 /bin/sh -c 'a b'");
	check_argv("podman=-u me c1", "podman exec -i -u me c1 /bin/sh -c 'a b'");
	check_argv("kubectl=pod -c box//namespace=ns",
		   "kubectl exec -i -n ns pod -c box -- /bin/sh -c 'a b'");
	check_argv("srun=-p fast", "srun --ntasks=1 --unbuffered -p fast /bin/sh -c 'a b'");
}

static void no_row(void **state)
{
	struct ff_strv argv = FF_STRV_INIT;
	struct ff_xspec spec;

	assert_int_equal(ff_xspec_parse(&spec, "popen", NULL), 0);
	assert_int_equal(ff_command_argv(&argv, &spec, "x", NULL), FF_EINVAL);
	ff_xspec_release(&spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drivers_by_spec),
		cmocka_unit_test(argvs),
		cmocka_unit_test(no_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
