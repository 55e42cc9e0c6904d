/* Foreign text made fit to be shown, and numbers in words. */
#ifndef FF_REPORT_TEXT_H
#define FF_REPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The code point at `text` and its length in bytes in *len; -1 and 1 if that is not UTF-8. */
int32_t ff_text_decode(const char *text, size_t left, size_t *len);

/* One line, for names and messages: whatever could drive a terminal (controls, line ends, marks of
 * direction, bytes that are not UTF-8) is written as an escape such as \n or \x1b. At most
 * `columns` wide, with `ellipsis` for what was cut; 0: all of it. NULL is nothing. */
void ff_text_line(struct ff_buf *out, const char *text, size_t columns, const char *ellipsis);

/* Several lines, for tracebacks and output: line ends and tabs stay, and with `colour` SGR
 * sequences too (reset at the end); without, they are left out. Other controls are escaped. Ends
 * with a newline unless it is empty. `indent` is put before each line. */
void ff_text_lines(struct ff_buf *out, const char *text, size_t len, const char *indent,
		   bool colour);

/* What a text of several lines comes to, without a newline at its end: pytest's line about usage,
 * the last line of a traceback behind what stands before that, what pytest marks as the error
 * behind the text's first line. All of it where it is none of these. */
void ff_text_gist(struct ff_buf *out, const char *text);

/* Breaks one line at blanks, so that none is wider than `columns` (0: as it is) unless a word is;
 * those behind the first begin with `indent`. No newline at the end. */
void ff_text_wrap(struct ff_buf *out, const char *text, size_t len, size_t columns,
		  const char *indent);

/* How many columns `text` takes; SGR sequences take none. */
size_t ff_text_width(const char *text, size_t len);
/* How many bytes of `text` fit into `columns`; SGR sequences take no room. */
size_t ff_text_fit(const char *text, size_t len, size_t columns);

/* "0.12s", "12.3s", "1m05s", "2h03m" */
void ff_text_seconds(struct ff_buf *out, int64_t us);
/* "120 ms", "0.5 s" … "59.9 s", "1 min 5 s", "2 h 3 min" */
void ff_text_took(struct ff_buf *out, int64_t us);
/* "17 bytes", "1.2 MiB" */
void ff_text_size(struct ff_buf *out, uint64_t bytes);

/* Does the environment's locale (LC_ALL, LC_CTYPE, LANG) use UTF-8? */
bool ff_text_locale_is_utf8(void);

#endif
