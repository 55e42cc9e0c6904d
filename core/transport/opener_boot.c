/* What a host says before its worker does: answers to the upload's script, the worker's first byte,
 * and around them whatever start files and site modules write. */
#include <string.h>

#include "transport/opener.h"
#include "worker/bootstrap.h"

enum {
	NOISE_KEPT = 2 << 10, /* its end, to be quoted */
	FRAME_BEGIN = 5,      /* code and channel id */
};

/* Kept for the words of a failure. */
static void keep_noise(struct ff_opener *opener, const void *bytes, size_t len)
{
	struct ff_buf *kept = &opener->noise_text;

	if (len > NOISE_KEPT) {
		bytes = (const char *)bytes + len - NOISE_KEPT;
		len = NOISE_KEPT;
	}
	if (kept->len + len > NOISE_KEPT)
		ff_buf_consume(kept, kept->len + len - NOISE_KEPT);
	ff_buf_add(kept, bytes, len);
}

/* The answer that the line ends with, if it is one that is waited for; where it begins. */
static enum ff_early find_word(const struct ff_opener *opener, const char *line, size_t len,
			       size_t *at)
{
	static const char run[] = FF_BOOTSTRAP_RUN, need[] = FF_BOOTSTRAP_NEED;
	const char *no;

	*at = len;
	if (len >= strlen(run) && memcmp(line + len - strlen(run), run, strlen(run)) == 0) {
		*at = len - strlen(run);
		return FF_EARLY_RUN;
	}
	if (opener->state != FF_OPENER_UPLOADING)
		return FF_EARLY_NOTHING;
	if (len >= strlen(need) && memcmp(line + len - strlen(need), need, strlen(need)) == 0) {
		*at = len - strlen(need);
		return FF_EARLY_NEED;
	}
	no = memmem(line, len, FF_BOOTSTRAP_NO, strlen(FF_BOOTSTRAP_NO));
	if (!no)
		return FF_EARLY_NOTHING;
	*at = (size_t)(no - line);
	return FF_EARLY_NO;
}

static enum ff_early take_line(struct ff_opener *opener, size_t len)
{
	const char *line = (const char *)ff_buf_data(&opener->early), *why;
	enum ff_early word;
	size_t text = len, at;

	while (text > 0 && line[text - 1] == '\r')
		text--;
	word = find_word(opener, line, text, &at);
	if (word == FF_EARLY_NOTHING)
		at = len + 1;
	keep_noise(opener, line, at);
	if (word == FF_EARLY_NO) {
		why = line + at + strlen(FF_BOOTSTRAP_NO);
		ff_err_set(&opener->refusal, FF_ENOTFOUND, "%.*s", (int)(line + text - why), why);
	}
	ff_buf_consume(&opener->early, len + 1);
	return word;
}

static bool is_lead(uint8_t byte)
{
	return byte >= 0xc2 && byte <= 0xf4;
}

static bool is_tail(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/* What begins a frame is never text: channel ids are small, or negative (which is an error). */
static bool begins_frame(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len && i < FRAME_BEGIN; i++) {
		if (bytes[i] < '\a')
			return true;
	}
	if (len < 3 || bytes[1] < 0x80)
		return false;
	return !(is_lead(bytes[0]) && is_tail(bytes[1])) &&
	       !(is_lead(bytes[1]) && is_tail(bytes[2]));
}

/* A worker that is none of ours gives no word before its byte, and most send nothing else before we
 * do. Noise may begin with a '1' as well, and go on. */
static bool is_first_byte(const struct ff_opener *opener)
{
	const uint8_t *bytes = ff_buf_data(&opener->early);
	size_t len = opener->early.len;

	if (opener->state != FF_OPENER_BOOTING || len == 0 || bytes[0] != '1')
		return false;
	return opener->marked || len == 1 || begins_frame(bytes + 1, len - 1);
}

enum ff_early ff_opener_early(struct ff_opener *opener)
{
	const uint8_t *newline;

	/* A frame may have newlines in it. */
	while (opener->early.len > 0 && !is_first_byte(opener)) {
		enum ff_early word;

		newline = memchr(ff_buf_data(&opener->early), '\n', opener->early.len);
		if (!newline)
			break;
		word = take_line(opener, (size_t)(newline - ff_buf_data(&opener->early)));
		opener->marked = word == FF_EARLY_RUN;
		if (word != FF_EARLY_NOTHING && opener->state == FF_OPENER_UPLOADING)
			return word;
	}
	if (!is_first_byte(opener))
		return FF_EARLY_NOTHING;
	ff_buf_consume(&opener->early, 1);
	return FF_EARLY_ANSWER;
}
