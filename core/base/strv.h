/* Vectors of strings (NULL-terminated, as argv and environ are), and shell words. */
#ifndef FF_BASE_STRV_H
#define FF_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

struct ff_err;
struct ff_buf;

struct ff_strv {
	char **v; /* NULL while empty, else NULL-terminated; strings are owned */
	size_t len;
	size_t cap;
};

#define FF_STRV_INIT                                                                               \
	{                                                                                          \
		0                                                                                  \
	}

void ff_strv_init(struct ff_strv *strv);
void ff_strv_release(struct ff_strv *strv);
/* An empty one on the heap, for those who can't know the size; NULL: out of memory. */
struct ff_strv *ff_strv_new(void);
void ff_strv_free(struct ff_strv *strv); /* NULL: nothing */
/* Append a copy; 0 or FF_ENOMEM. */
int ff_strv_add(struct ff_strv *strv, const char *text);
int ff_strv_addf(struct ff_strv *strv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ff_strv_add_all(struct ff_strv *strv, char *const *texts);
bool ff_strv_contains(const struct ff_strv *strv, const char *text);

/* Splits as Python's shlex.split does in POSIX mode (quotes, backslashes; no expansion, no
 * comments) and appends the words. FF_EINVAL on an unclosed quote or a trailing backslash. */
int ff_strv_split(struct ff_strv *strv, const char *line, struct ff_err *err);
/* Splits on runs of blanks, as Python's str.split() does. */
int ff_strv_split_blanks(struct ff_strv *strv, const char *line);

/* Appends `word` quoted for a POSIX shell, as Python's shlex.quote does. */
int ff_shell_quote(struct ff_buf *out, const char *word);
/* The whole argv quoted and joined by blanks. */
int ff_shell_join(struct ff_buf *out, char *const *argv);

#endif
