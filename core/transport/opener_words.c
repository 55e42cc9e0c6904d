/* A gateway's stderr, and why it could not be opened or ended, in words. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/gateway.h"
#include "io/trace.h"
#include "transport/opener.h"

enum { QUOTED_MAX = 1400 }; /* of stderr, in one message */

static void drop_first_line(struct ff_opener *opener)
{
	struct ff_buf *text = &opener->stderr_text;
	const uint8_t *end = memchr(ff_buf_data(text), '\n', text->len);

	ff_buf_consume(text, end ? (size_t)(end - ff_buf_data(text)) + 1 : text->len);
	opener->stderr_lines--;
}

static void show_nuls(struct ff_buf *line)
{
	struct ff_buf shown = FF_BUF_INIT;

	if (line->len == 0 || !memchr(ff_buf_data(line), '\0', line->len))
		return;
	ff_buf_add_shown(&shown, (const char *)ff_buf_data(line), line->len);
	ff_buf_clear(line);
	ff_buf_add(line, ff_buf_data(&shown), shown.len);
	ff_buf_release(&shown);
}

static void end_line(struct ff_opener *opener)
{
	struct ff_buf *line = &opener->stderr_line;
	const char *text;

	while (line->len > 0 && ff_buf_data(line)[line->len - 1] == '\r')
		line->len--;
	show_nuls(line);
	text = ff_buf_str(line);
	if (!text)
		return;
	if (ff_trace_is_line(text)) {
		ff_trace_pass(text);
		ff_buf_clear(line);
		return;
	}
	while (opener->stderr_lines > 0 &&
	       (opener->stderr_lines >= FF_STDERR_LINES ||
		opener->stderr_text.len + line->len + 1 > FF_STDERR_MAX))
		drop_first_line(opener);
	if (ff_buf_addf(&opener->stderr_text, "%s\n", text) == 0)
		opener->stderr_lines++;
	if (opener->opts.stderr_line)
		opener->opts.stderr_line(opener->gateway, text, opener->opts.ctx);
	ff_buf_clear(line);
}

void ff_opener_stderr(struct ff_opener *opener, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		size_t part = newline ? (size_t)(newline - bytes) : len;
		size_t room = FF_STDERR_MAX / 2 - opener->stderr_line.len;
		bool full = part > room;

		if (full)
			part = room;
		ff_buf_add(&opener->stderr_line, bytes, part);
		if (!full && newline)
			part++;
		if (full || newline)
			end_line(opener);
		bytes += part;
		len -= part;
	}
}

void ff_opener_stderr_end(struct ff_opener *opener)
{
	if (opener->stderr_line.len > 0)
		end_line(opener);
}

/* "; stderr: one line", or several indented ones. */
static void quote_stderr(struct ff_opener *opener, char *out, size_t size)
{
	const char *text = ff_buf_str(&opener->stderr_text), *end;
	size_t len = opener->stderr_text.len, at = 0;

	out[0] = '\0';
	if (!text || len == 0)
		return;
	while (len > QUOTED_MAX) {
		size_t skip = strcspn(text, "\n") + 1;

		/* Of a last line that is too long alone, its end; not from inside a character. */
		if (skip >= len) {
			skip = len - QUOTED_MAX;
			while (skip < len && (text[skip] & 0xc0) == 0x80)
				skip++;
		}
		text += skip;
		len -= skip;
	}
	end = text + len;
	if (end - text == (ptrdiff_t)strcspn(text, "\n") + 1) {
		snprintf(out, size, "; stderr: %.*s", (int)(len - 1), text);
		return;
	}
	at = (size_t)snprintf(out, size, "; stderr:");
	while (text < end && at < size) {
		size_t line = strcspn(text, "\n");

		at += (size_t)snprintf(out + at, size - at, "\n  %.*s", (int)line, text);
		text += line + 1;
	}
}

/* What was run, short enough to be read. */
static void name_program(const struct ff_opener *opener, char *out, size_t size)
{
	const struct ff_xspec *spec = ff_gateway_spec(opener->gateway);

	if (opener->native)
		snprintf(out, size, "farflung-worker");
	else
		snprintf(out, size, "%s -u%s -c …",
			 spec->python && *spec->python ? spec->python : "python3",
			 spec->dont_write_bytecode ? " -B" : "");
}

static const char *spec_text(const struct ff_opener *opener)
{
	return ff_gateway_spec(opener->gateway)->text;
}

/* A driver may have said already whose error it is. */
static const char *without_label(const struct ff_opener *opener, const char *words)
{
	struct ff_buf label = FF_BUF_INIT;

	if (ff_xspec_label(&label, ff_gateway_spec(opener->gateway)) == 0 &&
	    ff_buf_addstr(&label, ": ") == 0 && ff_buf_str(&label) &&
	    strncmp(words, ff_buf_str(&label), label.len) == 0)
		words += label.len;
	ff_buf_release(&label);
	return words;
}

void ff_opener_explain(struct ff_opener *opener, const struct ff_err *cause)
{
	char program[256], quoted[FF_ERR_TEXT_MAX];
	const char *words = "exit status 0";

	if (cause->code)
		words = without_label(opener, cause->text);
	ff_opener_stderr_end(opener);
	name_program(opener, program, sizeof(program));
	quote_stderr(opener, quoted, sizeof(quoted));
	if (opener->killed) {
		ff_err_set(&opener->err, FF_ECANCELED, "%s: ended before it was open",
			   spec_text(opener));
	} else if (cause->code == FF_ETIMEOUT && !opener->transport->launches) {
		ff_err_set(&opener->err, FF_ETIMEOUT, "%s: no answer within %g s%s",
			   spec_text(opener),
			   (double)opener->opts.connect_timeout_us / (double)FF_SECOND_US, quoted);
	} else if (cause->code == FF_ETIMEOUT) {
		ff_err_set(&opener->err, FF_ETIMEOUT, "%s: '%s' did not answer within %g s%s",
			   spec_text(opener), program,
			   (double)opener->opts.connect_timeout_us / (double)FF_SECOND_US, quoted);
	} else if (cause->code == 0 || cause->code == FF_ELOST) {
		bool runs = opener->transport->launches;

		ff_err_set(&opener->err, FF_ELOST, "%s: %s%s%s ended before it answered: %s%s",
			   spec_text(opener), runs ? "'" : "", runs ? program : "the connection",
			   runs ? "'" : "", runs || cause->code ? words : "end of file", quoted);
	} else {
		ff_err_set(&opener->err, cause->code, "%s: %s%s", spec_text(opener), words, quoted);
	}
}

void ff_opener_explain_end(struct ff_opener *opener, const struct ff_err *cause)
{
	const char *words = opener->transport->launches ? "exit status 0" : "end of file";
	char quoted[FF_ERR_TEXT_MAX];

	if (cause->code)
		words = without_label(opener, cause->text);
	ff_opener_stderr_end(opener);
	quote_stderr(opener, quoted, sizeof(quoted));
	ff_err_set(&opener->err, cause->code ? cause->code : FF_ELOST, "%s: the worker ended: %s%s",
		   spec_text(opener), words, quoted);
}
