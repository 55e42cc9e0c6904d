/* Error codes and their words. Knows nothing of who fails. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

const char *ff_err_name(int code)
{
	switch (code) {
#define X(name, number, text)                                                                      \
	case number:                                                                               \
		return "FF_E" #name;
		FF_ERR_MAP(X)
#undef X
	case 0:
		return "0";
	default:
		return "FF_E?";
	}
}

const char *ff_err_text(int code)
{
	switch (code) {
#define X(name, number, text)                                                                      \
	case number:                                                                               \
		return text;
		FF_ERR_MAP(X)
#undef X
	case 0:
		return "no error";
	default:
		return "unknown error";
	}
}

/* Cuts at a character's border, so that a shortened text stays UTF-8. */
static void set_text(struct ff_err *err, int code, const char *text)
{
	size_t len = strlen(text);

	if (len >= FF_ERR_TEXT_MAX) {
		len = FF_ERR_TEXT_MAX - 1;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(err->text, text, len);
	err->text[len] = '\0';
	err->code = code;
}

/* The texts are made in a buffer of their own, as arguments may point into err->text; it is larger
 * than the result so that set_text sees where to cut. */
enum { SCRATCH = FF_ERR_TEXT_MAX + 8 };

int ff_err_set(struct ff_err *err, int code, const char *fmt, ...)
{
	char text[SCRATCH];
	va_list args;

	if (!err)
		return code;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	set_text(err, code, text);
	return code;
}

int ff_err_sys(struct ff_err *err, int errnum, const char *fmt, ...)
{
	char text[SCRATCH], reason_mem[128];
	const char *reason;
	size_t len, reason_len;
	va_list args;

	if (!err)
		return FF_ESYS;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	reason = strerror_r(errnum, reason_mem, sizeof(reason_mem));
	/* The reason is worth more than the end of a long text. */
	reason_len = strnlen(reason, sizeof(reason_mem));
	len = strlen(text);
	if (len + 2 + reason_len >= FF_ERR_TEXT_MAX)
		len = FF_ERR_TEXT_MAX - reason_len - 3;
	snprintf(text + len, sizeof(text) - len, ": %s", reason);
	set_text(err, FF_ESYS, text);
	return FF_ESYS;
}

int ff_err_prefix(struct ff_err *err, const char *fmt, ...)
{
	char text[SCRATCH];
	size_t len;
	va_list args;

	if (!err)
		return FF_EINVAL;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, "%s", err->text);
	set_text(err, err->code, text);
	return err->code;
}
