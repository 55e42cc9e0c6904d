/* A gateway's stderr, and why it could not be opened or ended, in words. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "gateway/gateway.h"
#include "io/trace.h"
#include "transport/opener.h"
#include "wire/utf8.h"

enum {
	STDERR_QUOTED = 1000, /* bytes of it in one message */
	STDOUT_QUOTED = 500,
	QUOTED_MAX = 1600, /* of both, escaped */
};

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

/* As it is, to those who want it so. */
static void pass_on(const struct ff_opener *opener, const char *bytes, size_t len)
{
	if (opener->opts.stderr_bytes)
		opener->opts.stderr_bytes(opener->gateway, bytes, len, opener->opts.ctx);
	if (opener->opts.stderr_fd > 0)
		(void)ff_write_all(opener->opts.stderr_fd, bytes, len);
}

void ff_opener_stderr(struct ff_opener *opener, const char *bytes, size_t len)
{
	pass_on(opener, bytes, len);
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

void ff_opener_note(struct ff_opener *opener, const char *fmt, ...)
{
	va_list args;

	ff_opener_stderr_end(opener);
	va_start(args, fmt);
	if (ff_buf_vaddf(&opener->stderr_line, fmt, args) == 0)
		end_line(opener);
	va_end(args);
	ff_buf_clear(&opener->stderr_line);
}

/* One character of what others have written, such that it can't do anything to a terminal. */
static size_t add_char(struct ff_buf *out, const unsigned char *p, size_t left)
{
	size_t len = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	bool valid = *p < 0x80 ? (*p >= ' ' && *p != 0x7f) || *p == '\t'
			       : len <= left && ff_is_utf8((const char *)p, len) &&
					 (p[0] != 0xc2 || p[1] >= 0xa0);

	if (valid) {
		ff_buf_add(out, p, len);
		return len;
	}
	ff_buf_addf(out, "\\x%02x", *p);
	return 1;
}

/* Adds "; LABEL: one line", or several indented ones: the end of `text`, whole lines if may be. */
static void quote(struct ff_buf *out, const char *label, const char *text, size_t len, size_t most)
{
	const char *end;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	while (len > most) {
		const char *newline = memchr(text, '\n', len);
		size_t skip = newline ? (size_t)(newline - text) + 1 : len - most;

		/* Of a last line that is too long alone, its end; not from inside a character. */
		while (!newline && skip < len && (text[skip] & 0xc0) == 0x80)
			skip++;
		text += skip;
		len -= skip;
	}
	if (len == 0)
		return;
	end = text + len;
	ff_buf_addf(out, "; %s:%s", label, memchr(text, '\n', len) ? "\n  " : " ");
	while (text < end) {
		if (text[0] == '\r' && end - text > 1 && text[1] == '\n')
			text++;
		if (*text == '\n') {
			ff_buf_addstr(out, "\n  ");
			text++;
		} else {
			text += add_char(out, (const unsigned char *)text, (size_t)(end - text));
		}
	}
}

/* What the host has written: on stdout before the worker answered, and on stderr. Memory that is
 * short cuts it. */
static const char *quote_all(struct ff_opener *opener, struct ff_buf *out)
{
	ff_buf_init(out, QUOTED_MAX);
	if (opener->state < FF_OPENER_GREETING) {
		struct ff_buf *noise = &opener->noise_text;

		ff_buf_add(noise, ff_buf_data(&opener->early), opener->early.len);
		quote(out, "stdout", (const char *)ff_buf_data(noise), noise->len, STDOUT_QUOTED);
	}
	quote(out, "stderr", (const char *)ff_buf_data(&opener->stderr_text),
	      opener->stderr_text.len, STDERR_QUOTED);
	return ff_buf_str(out) ? ff_buf_str(out) : "";
}

/* What a failure often comes from, where the exit status tells. */
static void add_hint(const struct ff_opener *opener, const char *quoted, struct ff_buf *out)
{
	const char *mark = strchr(quoted, '\n') ? "\nhint: " : "; hint: ";
	const struct ff_xspec *spec = ff_gateway_spec(opener->gateway);
	const char *python = spec->python && *spec->python ? spec->python : "python3";
	const char *what = opener->native	       ? "/bin/sh"
			   : strpbrk(python, " \t\"'") ? "what python= names"
						       : python;
	bool login = spec->ssh || spec->vagrant_ssh;
	int status = opener->conn.status;

	if (opener->line == FF_LINE_NONE || status == -1 || !WIFEXITED(status))
		return;
	status = WEXITSTATUS(status);
	if (status == FF_EXIT_NOT_FOUND)
		ff_buf_addf(out, "%sa program was not found there: is %s in the host's PATH?", mark,
			    what);
	else if (status == FF_EXIT_NO_EXEC)
		ff_buf_addf(out,
			    "%sa program cannot be executed there: is %s one for that host, "
			    "with the right to run?",
			    mark, what);
	else if (login && opener->stderr_text.len == 0 && status < FF_EXIT_NO_EXEC)
		ff_buf_addf(out,
			    "%sthe login shell may have ended before it ran the command: is "
			    "there an exit in .bashrc or another start file?",
			    mark);
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

static void explain_timeout(struct ff_opener *opener, const char *program, const char *quoted)
{
	double seconds = (double)opener->connect_timeout_us / (double)FF_SECOND_US;

	if (opener->transport->launches)
		ff_err_set(&opener->err, FF_ETIMEOUT, "%s: '%s' did not answer within %g s%s",
			   spec_text(opener), program, seconds, quoted);
	else
		ff_err_set(&opener->err, FF_ETIMEOUT, "%s: no answer within %g s%s",
			   spec_text(opener), seconds, quoted);
}

static void explain_end(struct ff_opener *opener, const struct ff_err *cause, const char *program,
			const char *quoted)
{
	const char *words = cause->code ? without_label(opener, cause->text) : "exit status 0";
	struct ff_buf hint = FF_BUF_INIT;

	if (opener->transport->launches) {
		add_hint(opener, quoted, &hint);
		ff_err_set(&opener->err, FF_ELOST, "%s: '%s' ended before it answered: %s%s%s",
			   spec_text(opener), program, words, quoted,
			   hint.len ? ff_buf_str(&hint) : "");
	} else {
		ff_err_set(&opener->err, FF_ELOST,
			   "%s: the connection ended before it answered: %s%s", spec_text(opener),
			   cause->code ? words : "end of file", quoted);
	}
	ff_buf_release(&hint);
}

void ff_opener_explain(struct ff_opener *opener, const struct ff_err *cause)
{
	struct ff_buf text;
	const char *quoted;
	char program[256];

	ff_opener_stderr_end(opener);
	name_program(opener, program, sizeof(program));
	quoted = quote_all(opener, &text);
	if (opener->killed) {
		ff_err_set(&opener->err, FF_ECANCELED, "%s: ended before it was open",
			   spec_text(opener));
	} else if (cause->code == FF_ETIMEOUT) {
		explain_timeout(opener, program, quoted);
	} else if (cause->code == 0 || cause->code == FF_ELOST) {
		explain_end(opener, cause, program, quoted);
	} else {
		ff_err_set(&opener->err, cause->code, "%s: %s%s", spec_text(opener),
			   without_label(opener, cause->text), quoted);
	}
	ff_buf_release(&text);
}

void ff_opener_explain_end(struct ff_opener *opener, const struct ff_err *cause)
{
	const char *words = opener->transport->launches ? "exit status 0" : "end of file";
	struct ff_buf text;

	if (cause->code)
		words = without_label(opener, cause->text);
	ff_opener_stderr_end(opener);
	ff_err_set(&opener->err, cause->code ? cause->code : FF_ELOST, "%s: the worker ended: %s%s",
		   spec_text(opener), words, quote_all(opener, &text));
	ff_buf_release(&text);
}
