/* Which built-in a request names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "worker/exec.h"
#include "worker/foreign.h"

static ff_builtin_fn *find(struct ff_value source, const char *file_name, const char *call_name,
			   struct ff_err *err)
{
	const struct ff_value none = ff_none();
	const struct ff_request request = {
		.source = &source,
		.file_name = file_name,
		.call_name = call_name,
		.kwargs = &none,
	};

	return ff_exec_find(&request, err);
}

static void test_names(void **state)
{
	struct ff_err err;

	assert_ptr_equal(find(ff_str(""), NULL, "command", &err), ff_builtin_command);
	assert_ptr_equal(find(ff_none(), NULL, "rsync", &err), ff_builtin_rsync);
	assert_ptr_equal(find(ff_str(""), NULL, "proxy", &err), ff_builtin_proxy);
	assert_ptr_equal(find(ff_str(""), NULL, "configure", &err), ff_builtin_configure);
	assert_ptr_equal(find(ff_str("ignored"), "x.py", "info", &err), ff_builtin_info);
	assert_null(find(ff_str(""), NULL, "Command", &err));
	assert_int_equal(err.code, FF_ENOTFOUND);
	assert_non_null(strstr(err.text, "'Command'"));
}

static void test_sources(void **state)
{
	struct ff_err err;

	assert_ptr_equal(find(ff_str("#!/bin/sh\n"), NULL, NULL, &err), ff_builtin_script);
	assert_null(find(ff_str("#!/bin/sh\n"), "/x/a_module.py", NULL, &err));
	assert_non_null(strstr(err.text, "not the module '/x/a_module.py'"));
	assert_null(find(ff_str("import io"), "/x/execnet/gateway_io.py", NULL, &err));
	assert_ptr_equal(find(ff_str("def serve_proxy_io(channel): pass\n"
				     "if __name__ == \"__channelexec__\": pass"),
			      "/x/execnet/gateway_io.py", NULL, &err),
			 ff_builtin_proxy);
	assert_ptr_equal(find(ff_str("#! /usr/bin/env python\ndef bind_and_listen(): pass\n"
				     "if __name__ == \"__channelexec__\": pass"),
			      "C:\\x\\socketserver.py", NULL, &err),
			 ff_foreign_listen);
	assert_null(find(ff_str("import os"), NULL, NULL, &err));
	assert_int_equal(err.code, FF_EUNSUPPORTED);
	assert_null(find(ff_str("#"), NULL, NULL, &err));
	assert_null(find(ff_str(""), NULL, NULL, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
