/* CMake has regular expressions of its own kind, for which those of POSIX will do: what they have
 * beyond CMake's is taken for the characters themselves. */
#include <ctype.h>
#include <regex.h>
#include <string.h>

#include "ctest/private.h"

/* "[...]" as it is: up to and with the bracket that closes it. */
static size_t bracket_len(const char *text)
{
	size_t len = 1;

	len += text[len] == '^';
	len += text[len] == ']';
	while (text[len] && text[len] != ']')
		len++;
	return len + (text[len] == ']');
}

int ff_ctest_regex(const char *cmake, struct ff_buf *out)
{
	int rc = 0;

	for (const char *at = cmake; *at && rc == 0; at++) {
		if (*at == '[') {
			size_t len = bracket_len(at);

			rc = ff_buf_add(out, at, len);
			at += len - 1;
		} else if (*at == '{' || *at == '}') {
			rc = ff_buf_addf(out, "\\%c", *at);
		} else if (*at == '\\' && at[1]) {
			at++;
			/* What is neither letter nor digit is itself behind a backslash. */
			rc = isalnum((unsigned char)*at) ? ff_buf_addch(out, *at)
							 : ff_buf_addf(out, "\\%c", *at);
		} else {
			rc = ff_buf_addch(out, *at);
		}
	}
	return rc;
}

int ff_ctest_matches(const char *cmake, const char *text, size_t len)
{
	struct ff_buf posix = FF_BUF_INIT;
	regmatch_t within = {.rm_so = 0, .rm_eo = (regoff_t)len};
	regex_t regex;
	int rc = ff_ctest_regex(cmake, &posix);

	if (rc == 0 && regcomp(&regex, ff_buf_str(&posix), REG_EXTENDED) != 0)
		rc = FF_EINVAL;
	ff_buf_release(&posix);
	if (rc < 0)
		return rc;
	rc = regexec(&regex, text, 1, &within, REG_STARTEND) == 0;
	regfree(&regex);
	return rc;
}
