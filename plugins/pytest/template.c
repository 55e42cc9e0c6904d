#include "pytest/template.h"

#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

extern const unsigned char ff_source_pytest_template[];

/* As a literal of Python. JSON in ASCII, on one line, is what was told; a worker may lie. */
static int add_literal(struct ff_buf *out, const char *text)
{
	int rc = ff_buf_addch(out, '\'');

	for (; rc == 0 && *text; text++) {
		if (*text < ' ' || *text > '~')
			return FF_EINVAL;
		if (*text == '\\' || *text == '\'')
			rc = ff_buf_addch(out, '\\');
		if (rc == 0)
			rc = ff_buf_addch(out, *text);
	}
	return rc == 0 ? ff_buf_addstr(out, "'\n") : rc;
}

static int64_t turn_of(const char *told)
{
	json_t *value = json_loads(told, 0, NULL);
	int64_t us = json_integer_value(json_object_get(value, "turn_us"));

	json_decref(value);
	return us > 0 ? us : 0;
}

const char *ff_pytest_template(const char *told, struct ff_arena *arena, int64_t *turn_us)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *copy = NULL;
	int rc = ff_buf_addstr(&text, "FF_WANTED = ");

	if (rc == 0)
		rc = add_literal(&text, told);
	if (rc == 0)
		rc = ff_buf_addstr(&text, (const char *)ff_source_pytest_template);
	if (rc == 0)
		copy = ff_arena_copy(arena, ff_buf_data(&text), text.len);
	ff_buf_release(&text);
	*turn_us = copy ? turn_of(told) : 0;
	return copy;
}
