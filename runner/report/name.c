#include "report/name.h"

#include <stdbool.h>

enum { NAME_KEPT = 180 }; /* bytes of a long one */

uint64_t ff_name_hash(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return hash;
}

static bool is_safe(unsigned char c)
{
	return c > 0x20 && c != 0x7f && c != '/' && c != '%';
}

void ff_name_add(struct ff_buf *path, const char *name)
{
	size_t begin = path->len;
	const char *at = name;

	if (!*name)
		ff_buf_addch(path, '%');
	for (; *at && path->len - begin < NAME_KEPT; at++) {
		if (is_safe((unsigned char)*at) && !(at == name && *at == '.'))
			ff_buf_addch(path, *at);
		else
			ff_buf_addf(path, "%%%02X", (unsigned char)*at);
	}
	if (*at) /* names that are alike for so long differ here */
		ff_buf_addf(path, "%%%016llx", (unsigned long long)ff_name_hash(name));
}
