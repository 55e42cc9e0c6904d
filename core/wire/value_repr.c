/* Values as text that looks like Python's repr, for messages. */
#include "wire/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"

struct repr {
	struct ff_buf *out;
	size_t stop_at; /* what is written behind this much will be cut */
};

static bool is_enough(const struct repr *r)
{
	return r->out->len > r->stop_at;
}

static int put_real(struct repr *r, double real)
{
	char text[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			break;
	}
	if (isnan(real))
		snprintf(text, sizeof(text), "nan");
	else if (!text[strspn(text, "-0123456789")])
		strcat(text, ".0");
	return ff_buf_addstr(r->out, text);
}

static int put_complex(struct repr *r, const double *complex)
{
	return ff_buf_addf(r->out, "(%.17g%+.17gj)", complex[0], complex[1]);
}

static int put_char(struct repr *r, unsigned char c, char quote, bool is_text)
{
	switch (c) {
	case '\n':
		return ff_buf_addstr(r->out, "\\n");
	case '\r':
		return ff_buf_addstr(r->out, "\\r");
	case '\t':
		return ff_buf_addstr(r->out, "\\t");
	default:
		break;
	}
	if (c == '\\' || c == quote)
		return ff_buf_addf(r->out, "\\%c", c);
	if (c < 0x20 || c == 0x7f || (c > 0x7f && !is_text))
		return ff_buf_addf(r->out, "\\x%02x", c);
	return ff_buf_addch(r->out, (char)c);
}

static int put_text(struct repr *r, const struct ff_value *value)
{
	bool is_text = value->kind == FF_STR;
	char quote = '\'';
	int rc;

	if (value->len && memchr(value->text, '\'', value->len) &&
	    !memchr(value->text, '"', value->len))
		quote = '"';
	rc = ff_buf_addf(r->out, "%s%c", is_text ? "" : "b", quote);
	for (size_t i = 0; !rc && i < value->len && !is_enough(r); i++)
		rc = put_char(r, (unsigned char)value->text[i], quote, is_text);
	return rc ? rc : ff_buf_addch(r->out, quote);
}

static int put_value(struct repr *r, const struct ff_value *value);

static int put_elements(struct repr *r, const struct ff_value *value)
{
	bool is_dict = value->kind == FF_DICT;
	int rc = 0;

	for (size_t i = 0; !rc && i < value->len && !is_enough(r); i++) {
		const struct ff_value *at = &value->items[is_dict ? 2 * i : i];

		if (i)
			rc = ff_buf_addstr(r->out, ", ");
		if (!rc)
			rc = put_value(r, at);
		if (!rc && is_dict)
			rc = ff_buf_addstr(r->out, ": ");
		if (!rc && is_dict)
			rc = put_value(r, at + 1);
	}
	return rc;
}

static int put_container(struct repr *r, const struct ff_value *value)
{
	const char *open = "{", *close = "}";
	int rc;

	if (value->kind == FF_LIST) {
		open = "[";
		close = "]";
	} else if (value->kind == FF_TUPLE) {
		open = "(";
		close = value->len == 1 ? ",)" : ")";
	} else if (value->kind == FF_FROZENSET) {
		open = value->len ? "frozenset({" : "frozenset(";
		close = value->len ? "})" : ")";
	} else if (value->kind == FF_SET && !value->len) {
		open = "set(";
		close = ")";
	}
	rc = ff_buf_addstr(r->out, open);
	if (!rc)
		rc = put_elements(r, value);
	return rc ? rc : ff_buf_addstr(r->out, close);
}

static int put_value(struct repr *r, const struct ff_value *value)
{
	switch ((enum ff_kind)value->kind) {
	case FF_NONE:
		return ff_buf_addstr(r->out, "None");
	case FF_BOOL:
		return ff_buf_addstr(r->out, value->boolean ? "True" : "False");
	case FF_INT:
		return ff_buf_addf(r->out, "%" PRId64, value->integer);
	case FF_BIGINT:
		return ff_buf_add(r->out, value->text, value->len);
	case FF_FLOAT:
		return put_real(r, value->real);
	case FF_COMPLEX:
		return put_complex(r, value->complex);
	case FF_BYTES:
	case FF_STR:
		return put_text(r, value);
	case FF_LIST:
	case FF_TUPLE:
	case FF_SET:
	case FF_FROZENSET:
	case FF_DICT:
		return put_container(r, value);
	case FF_CHANNEL:
		return ff_buf_addf(r->out, "<channel %" PRIu32 ">", value->channel);
	}
	return ff_buf_addstr(r->out, "?");
}

int ff_value_repr(struct ff_buf *out, const struct ff_value *value, size_t max)
{
	size_t before = out->len, keep;
	struct repr r = {.out = out, .stop_at = max ? before + max : SIZE_MAX};
	int rc = put_value(&r, value);

	if (!rc && is_enough(&r)) {
		for (keep = r.stop_at; keep > before; keep--)
			if ((ff_buf_data(out)[keep] & 0xc0) != 0x80)
				break;
		out->len = keep;
		rc = ff_buf_addstr(out, "…");
	}
	if (rc)
		out->len = before;
	return rc;
}
