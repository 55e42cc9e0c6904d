/* What is said on stdout and stderr. Foreign text in complaints (of a file, of a host) can't drive
 * the terminal. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"
#include "report/text.h"

enum { LAST_COLUMNS = 2000 };

void ff_print(struct ff_buf *text)
{
	if (text->len)
		fwrite(ff_buf_data(text), 1, text->len, stdout);
	ff_buf_release(text);
}

static void print(struct ff_buf *text)
{
	fflush(stdout);
	if (text->len)
		fwrite(ff_buf_data(text), 1, text->len, stderr);
	fflush(stderr);
	ff_buf_release(text);
}

void ff_complain(const char *fmt, ...)
{
	struct ff_buf text = FF_BUF_INIT, out = FF_BUF_INIT;
	va_list args;

	ff_buf_addstr(&text, "farflung: ");
	va_start(args, fmt);
	ff_buf_vaddf(&text, fmt, args);
	va_end(args);
	ff_text_lines(&out, ff_buf_str(&text), text.len, "", false);
	print(&out);
	ff_buf_release(&text);
}

void ff_complain_lines(const char *text)
{
	struct ff_buf out = FF_BUF_INIT;

	ff_text_lines(&out, text, strlen(text), "", false);
	print(&out);
}

void ff_complain_last(const char *text, int exit_code)
{
	struct ff_buf line = FF_BUF_INIT, out = FF_BUF_INIT;

	/* Line ends show as what they part; what else drives a terminal as escapes. */
	while (*text) {
		size_t len = strcspn(text, "\r\n");

		ff_buf_add(&line, text, len);
		text += len;
		text += strspn(text, "\r\n");
		if (*text && line.len)
			ff_buf_addstr(&line, " / ");
	}
	ff_buf_addstr(&out, "farflung: ");
	ff_text_line(&out, ff_buf_str(&line), LAST_COLUMNS, "...");
	ff_buf_addf(&out, " (exit %d)\n", exit_code);
	print(&out);
	ff_buf_release(&line);
}
