/* A mail as RFC 5322 and MIME have it: nothing that a test is called can become a header. Pure, but
 * for the date. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "notify/private.h"

enum {
	ADDRESS_MAX = 254,
	BASE64_LINE = 54, /* bytes that make 72 characters */
	WORD_BYTES = 42,  /* of an encoded word, which may have 75 characters */
};

const char *ff_mail_fault(const char *address)
{
	const char *at = strchr(address, '@');

	if (strlen(address) > ADDRESS_MAX)
		return "it is longer than 254 bytes";
	if (!at || at == address || !at[1] || strchr(at + 1, '@'))
		return "NAME@DOMAIN is wanted";
	for (const unsigned char *c = (const unsigned char *)address; *c; c++)
		if (*c <= ' ' || *c == 0x7f || strchr("<>,;:\"\\()[]", *c))
			return "NAME@DOMAIN is wanted, without blanks and signs";
	return NULL;
}

static void add_base64(struct ff_buf *out, const void *bytes, size_t len)
{
	unsigned char text[4 * ((BASE64_LINE + 2) / 3) + 1];

	EVP_EncodeBlock(text, bytes, (int)len);
	ff_buf_addstr(out, (const char *)text);
}

/* RFC 2047, words that end where a character does. */
static void add_subject(struct ff_buf *out, const char *text)
{
	size_t left = strlen(text);
	bool plain = left <= 70;

	for (const char *at = text; *at; at++)
		plain = plain && (unsigned char)*at >= ' ' && (unsigned char)*at < 0x7f;
	ff_buf_addstr(out, "Subject: ");
	if (plain && !strstr(text, "=?")) {
		ff_buf_addf(out, "%s\r\n", text);
		return;
	}
	while (left) {
		size_t len = left < WORD_BYTES ? left : WORD_BYTES;

		while (len < left && len > 1 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
		ff_buf_addstr(out, "=?utf-8?B?");
		add_base64(out, text, len);
		text += len;
		left -= len;
		ff_buf_addstr(out, left ? "?=\r\n " : "?=\r\n");
	}
}

static void add_date(struct ff_buf *out)
{
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)(ff_clock_wall_us() / FF_SECOND_US);
	struct tm tm;

	gmtime_r(&now, &tm);
	ff_buf_addf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday,
		    tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		    tm.tm_sec);
}

static void add_body(struct ff_buf *out, const json_t *document)
{
	const char *link = ff_notify_get(document, "link");
	struct ff_buf body = FF_BUF_INIT;

	ff_buf_addf(&body, "%s\n\n%s\n\nfile     %s\nrun      %s\nmachine  %s\n",
		    ff_notify_get(document, "title"), ff_notify_get(document, "text"),
		    ff_notify_get(document, "file"), ff_notify_get(document, "run"),
		    ff_notify_get(document, "machine"));
	if (*link)
		ff_buf_addf(&body, "link     %s\n", link);
	while (body.len) {
		size_t len = body.len < BASE64_LINE ? body.len : BASE64_LINE;

		add_base64(out, ff_buf_data(&body), len);
		ff_buf_addstr(out, "\r\n");
		ff_buf_consume(&body, len);
	}
	ff_buf_release(&body);
}

void ff_mail_write(struct ff_buf *out, const struct ff_config_receiver *receiver,
		   const json_t *document)
{
	const char *domain = strchr(receiver->from, '@');

	add_date(out);
	ff_buf_addf(out, "From: farflung <%s>\r\nTo: ", receiver->from);
	for (size_t i = 0; i < receiver->to.len; i++)
		ff_buf_addf(out, "%s<%s>", i ? ",\r\n " : "", receiver->to.v[i]);
	ff_buf_addstr(out, "\r\n");
	add_subject(out, ff_notify_get(document, "title"));
	/* The same at each try: who gets it twice can tell. */
	ff_buf_addf(out, "Message-ID: <%s%s>\r\n", ff_notify_get(document, "id"), domain);
	ff_buf_addstr(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
			   "Content-Type: text/plain; charset=utf-8\r\n"
			   "Content-Transfer-Encoding: base64\r\n\r\n");
	add_body(out, document);
}
