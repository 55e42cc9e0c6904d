/* What units get: which files these are, and that a change of theirs is seen. */
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

#include "dispatch/supply.h"

static char folder[] = "/tmp/ff-supply-XXXXXX";

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int look(struct ff_supply *supply, const char *pattern, struct ff_supply_cache *cache,
		struct ff_err *err)
{
	char *const patterns[] = {(char *)(uintptr_t)pattern, NULL};

	return ff_supply_look(supply, folder, patterns, true, cache, err);
}

/* The digest, as long as nobody asks again. */
static const char *digest_of(const char *pattern, struct ff_supply_cache *cache)
{
	static char text[FF_HASH_TEXT];
	struct ff_supply supply;

	assert_int_equal(look(&supply, pattern, cache, NULL), 0);
	strcpy(text, supply.digest);
	ff_supply_release(&supply);
	return text;
}

static void test_changes(void **state)
{
	struct ff_supply_cache *cache = ff_supply_cache_new();
	char first[FF_HASH_TEXT];

	write_file("a", "one");
	strcpy(first, digest_of("[ab]", cache));
	assert_string_equal(digest_of("[ab]", cache), first);
	/* The same size, and perhaps the same second. */
	write_file("a", "two");
	assert_string_not_equal(digest_of("[ab]", cache), first);
	write_file("a", "one");
	assert_string_equal(digest_of("[ab]", cache), first);
	assert_int_equal(chmod("a", 0755), 0);
	assert_string_not_equal(digest_of("[ab]", cache), first);
	assert_int_equal(chmod("a", 0644), 0);
	write_file("b", "");
	assert_string_not_equal(digest_of("[ab]", cache), first);
	assert_int_equal(rename("a", "c"), 0);
	assert_string_not_equal(digest_of("c", cache), first);
	assert_int_equal(unlink("b") | unlink("c"), 0);
	ff_supply_cache_free(cache);
}

static void test_faults(void **state)
{
	struct ff_supply_cache *cache = ff_supply_cache_new();
	struct ff_supply supply;
	struct ff_err err = {0};

	assert_int_equal(look(&supply, "none*", cache, &err), FF_ENOTFOUND);
	assert_string_equal(err.text, "nothing matches none*");
	ff_supply_release(&supply);
	assert_int_equal(symlink("/etc/passwd", "out"), 0);
	assert_int_equal(look(&supply, "out", cache, &err), FF_ENOTFOUND);
	assert_string_equal(err.text, "out: a link that leads out of the folder");
	ff_supply_release(&supply);
	assert_int_equal(look(&supply, "../x", cache, &err), FF_EINVAL);
	ff_supply_release(&supply);
	assert_int_equal(unlink("out"), 0);
	ff_supply_cache_free(cache);
}

static int begin(void **state)
{
	return !mkdtemp(folder) || chdir(folder);
}

static int end(void **state)
{
	return chdir("/") || rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
