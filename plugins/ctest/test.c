/* Reads what is said of a test. A host may be hostile: nothing is taken for granted. */
#include <stdlib.h>
#include <string.h>

#include "ctest/private.h"

json_t *ff_ctest_property(const json_t *test, const char *name)
{
	json_t *list = json_object_get(test, "properties"), *property;
	size_t i;

	json_array_foreach(list, i, property)
	{
		const char *called = json_string_value(json_object_get(property, "name"));

		if (called && strcmp(called, name) == 0)
			return json_object_get(property, "value");
	}
	return NULL;
}

size_t ff_ctest_texts(const json_t *test, const char *name)
{
	const json_t *value = ff_ctest_property(test, name);

	return json_is_array(value) ? json_array_size(value) : json_is_string(value);
}

const char *ff_ctest_text(const json_t *test, const char *name, size_t nth)
{
	const json_t *value = ff_ctest_property(test, name);
	const char *text =
		json_string_value(json_is_array(value) ? json_array_get(value, nth) : value);

	return text ? text : "";
}

bool ff_ctest_is(const json_t *test, const char *name)
{
	return json_is_true(ff_ctest_property(test, name));
}

double ff_ctest_number(const json_t *test, const char *name, double fallback)
{
	const json_t *value = ff_ctest_property(test, name);
	const char *text = json_string_value(value);
	char *end;
	double number;

	if (json_is_number(value))
		return json_number_value(value);
	if (!text || !*text)
		return fallback;
	number = strtod(text, &end);
	return *end ? fallback : number;
}
