/* Making folders and their parents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/configure.h"

static void test_folders(void **state)
{
	char root[] = "/tmp/ff-test-XXXXXX", path[128];
	struct ff_err err;
	struct stat st;
	FILE *file;

	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/a//b/c/", root);
	assert_int_equal(ff_configure_make_folders(path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(ff_configure_make_folders(path, &err), 0);

	snprintf(path, sizeof(path), "%s/file", root);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/file/x/y", root);
	assert_int_equal(ff_configure_make_folders(path, &err), FF_ESYS);
	assert_non_null(strstr(err.text, "/file/x': Not a directory"));

	snprintf(path, sizeof(path), "%s/file", root);
	unlink(path);
	snprintf(path, sizeof(path), "%s/a/b/c", root);
	while (strcmp(path, root) != 0) {
		assert_int_equal(rmdir(path), 0);
		*strrchr(path, '/') = '\0';
	}
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_folders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
