/* What others ask of a run: each request is taken once, whole, and from nobody else's file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/request.h"

struct asked {
	char dir[32], journal[64], path[64];
	char taken[256]; /* "id: a b; " */
	struct ff_requests *requests;
};

static void take(void *ctx, enum ff_request what, const char *id, const char *const *names)
{
	struct asked *asked = ctx;

	strcat(asked->taken, what == FF_REQUEST_DRAIN ? "drain " : "");
	strcat(strcat(asked->taken, id), ":");
	for (; *names; names++)
		strcat(strcat(asked->taken, " "), *names);
	strcat(asked->taken, "; ");
}

static int setup(void **state)
{
	struct asked *asked = calloc(1, sizeof(*asked));

	strcpy(asked->dir, "/tmp/ff-request-XXXXXX");
	if (!mkdtemp(asked->dir))
		return -1;
	snprintf(asked->journal, sizeof(asked->journal), "%s/journal.jsonl", asked->dir);
	snprintf(asked->path, sizeof(asked->path), "%s/requests", asked->dir);
	asked->requests = ff_requests_new(asked->journal, take, asked);
	*state = asked;
	return 0;
}

static int teardown(void **state)
{
	struct asked *asked = *state;

	ff_requests_free(asked->requests);
	unlink(asked->path);
	rmdir(asked->dir);
	free(asked);
	return 0;
}

static void append(const struct asked *asked, const char *text)
{
	FILE *file = fopen(asked->path, "a");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

#define ASK(asked, id, ...)                                                                        \
	assert_int_equal(ff_request_ask((asked)->journal, FF_REQUEST_CANCEL, id,                   \
					(const char *const[]){__VA_ARGS__, NULL}, NULL),           \
			 0)

static void test_once(void **state)
{
	struct asked *asked = *state;

	assert_int_equal(ff_requests_look(asked->requests, NULL), 0);
	ASK(asked, "1", "a", "b[n=\"\n\"]");
	ASK(asked, "2", "c");
	assert_int_equal(ff_requests_look(asked->requests, NULL), 0);
	assert_string_equal(asked->taken, "1: a b[n=\"\n\"]; 2: c; ");
	assert_int_equal(ff_requests_look(asked->requests, NULL), 0);
	ASK(asked, "3", "d");
	assert_int_equal(ff_requests_look(asked->requests, NULL), 0);
	assert_int_equal(ff_request_ask(asked->journal, FF_REQUEST_DRAIN, "4",
					(const char *const[]){"h", "i", NULL}, NULL),
			 0);
	assert_int_equal(ff_requests_look(asked->requests, NULL), 0);
	assert_string_equal(asked->taken, "1: a b[n=\"\n\"]; 2: c; 3: d; drain 4: h i; ");
}

/* Half a line is none, until its end comes; or another request behind it. */
static void test_torn(void **state)
{
	struct asked *asked = *state;
	struct ff_err err = {0};

	append(asked, "{\"id\":\"1\",\"can");
	assert_int_equal(ff_requests_look(asked->requests, &err), 0);
	append(asked, "cel\":[\"a\"]}\n{\"id\":");
	assert_int_equal(ff_requests_look(asked->requests, &err), 0);
	assert_string_equal(asked->taken, "1: a; ");
	ASK(asked, "2", "b");
	assert_int_equal(ff_requests_look(asked->requests, &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "requests: a line of it is no request"));
	assert_string_equal(asked->taken, "1: a; 2: b; ");
}

static void test_nonsense(void **state)
{
	static const char *const lines[] = {"x\n",
					    "[]\n",
					    "{\"cancel\":[\"a\"]}\n",
					    "{\"id\":\"\",\"cancel\":[\"a\"]}\n",
					    "{\"id\":1,\"cancel\":[]}",
					    "\n{\"id\":\"1\",\"cancel\":[\"a\",2]}\n"};
	struct asked *asked = *state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		append(asked, lines[i]);
	assert_int_equal(ff_requests_look(asked->requests, NULL), FF_EINVAL);
	append(asked, "y\n");
	assert_int_equal(ff_requests_look(asked->requests, NULL), 0); /* told once */
	assert_string_equal(asked->taken, "");
}

static void test_another_kind_of_file(void **state)
{
	struct asked *asked = *state;
	struct ff_err err = {0};

	assert_int_equal(symlink("/etc/passwd", asked->path), 0);
	assert_int_equal(ff_requests_look(asked->requests, &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "is not read"));
	assert_int_equal(ff_request_ask(asked->journal, FF_REQUEST_CANCEL, "1",
					(const char *const[]){"a", NULL}, &err),
			 FF_ESYS);
	assert_string_equal(asked->taken, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_kind_of_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
