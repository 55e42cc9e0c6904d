/* What is left of a host's address once sets are expanded must be able to be one: notations of
 * other programs are refused, with what is written here instead. */
#include <string.h>

#include "inventory/private.h"

/* "[fe80::1]", which other text may follow. */
static bool is_address(const char *text)
{
	size_t len = *text == '[' ? strspn(text + 1, "0123456789abcdefABCDEF:.") : 0;

	/* "[01:50]" is Ansible's range. */
	return len >= 2 && (text[len + 1] == ']' || text[len + 1] == '%') &&
	       (strstr(text, "::") || strchr(strchr(text, ':') + 1, ':'));
}

/* Brackets that are no range. */
static const char *bracket_fault(const char *name)
{
	const char *open = strchr(name, '[');

	if (open == name && is_address(name))
		return NULL;
	if (open && memchr(open, ':', strcspn(open, "]")))
		return "; a range has a '-', [01-50], and letters are listed, [a,b]";
	return strchr(name, ']') ? "; ']' without '['" : NULL;
}

/* What only a network's names can't have. */
static const char *network_fault(const struct ff_xspec *spec, const char *name)
{
	const char *colon = strchr(name, ':'), *user = spec->ssh ? strrchr(spec->ssh, '@') : NULL;

	if (user && (user == spec->ssh || user[-1] == ' '))
		return "; '@' names a group in patterns, not here, and a user stands before it";
	if (strchr(name, '/'))
		return "; it has a '/'";
	if (strstr(name, ".."))
		return "; a range has a '-': [1-3]";
	if (spec->ssh && colon && !strchr(colon + 1, ':'))
		return "; the port stands before it: ssh=-p 22 host";
	return NULL;
}

const char *ff_host_fault(const struct ff_xspec *spec, const char *name)
{
	size_t len = strcspn(name, ",!^*?{}|;&<>()$`'\"\\");
	const char *fault;

	if (spec->popen || spec->srun)
		return NULL;
	if (name[len] == ',')
		return "; a list, n[1-3],m1, can't have options or a user: list each host by "
		       "itself";
	if (name[len] == '!' || name[len] == '&')
		return "; a set, n[1-5]!n3, can't have options or a user: list each host by itself";
	if (name[len] == '^')
		return "; what is taken out of a range stands behind it: n[1-5]!n3";
	if (name[len])
		return "; only [...] stands for several hosts";
	fault = bracket_fault(name);
	if (!fault && (spec->ssh || spec->socket))
		fault = network_fault(spec, name);
	return fault;
}
