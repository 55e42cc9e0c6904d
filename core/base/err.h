/* Errors: one shape for the whole of farflung.
 *
 * A function that can fail returns 0 (or a documented non-negative value) or one of the negative
 * codes below. If it also takes a `struct ff_err *` as its last argument, that says in words what
 * failed and where; it may be NULL. Outputs are untouched on failure. */
#ifndef FF_BASE_ERR_H
#define FF_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

/* X(name, code, text) */
#define FF_ERR_MAP(X)                                                                              \
	X(NOMEM, -1, "out of memory")                                                              \
	X(INVAL, -2, "invalid argument")                                                           \
	X(EOF, -3, "end of file")                                                                  \
	X(TIMEOUT, -4, "timed out")                                                                \
	X(DEADLK, -5, "blocking call from inside a callback")                                      \
	X(PROTO, -6, "protocol error")                                                             \
	X(LOAD, -7, "data cannot be loaded")                                                       \
	X(DUMP, -8, "value cannot be dumped")                                                      \
	X(TOOBIG, -9, "over a size limit")                                                         \
	X(CLOSED, -10, "closed")                                                                   \
	X(REMOTE, -11, "error raised by remote code")                                              \
	X(SYS, -12, "system call failed")                                                          \
	X(SPAWN, -13, "program could not be started")                                              \
	X(AUTH, -14, "authentication failed")                                                      \
	X(HOSTKEY, -15, "host key refused")                                                        \
	X(UNREACH, -16, "host not reached")                                                        \
	X(NOTFOUND, -17, "not found")                                                              \
	X(EXISTS, -18, "exists already")                                                           \
	X(CANCELED, -19, "canceled")                                                               \
	X(AGAIN, -20, "would block")                                                               \
	X(UNSUPPORTED, -21, "not supported")                                                       \
	X(LOST, -22, "connection lost")                                                            \
	X(CONFIG, -23, "invalid configuration")                                                    \
	X(BUSY, -24, "in use by somebody else")

enum ff_err_code {
#define X(name, code, text) FF_E##name = code,
	FF_ERR_MAP(X)
#undef X
};

enum { FF_ERR_TEXT_MAX = 2048 };

struct ff_err {
	int code; /* 0 or one of enum ff_err_code */
	char text[FF_ERR_TEXT_MAX];
};

/* "FF_ENOMEM" and "out of memory"; 0 gives "0" and "no error", unknown codes give "FF_E?" and
 * "unknown error". */
const char *ff_err_name(int code);
const char *ff_err_text(int code);

/* Fill `err` (may be NULL) and return `code`, so that `return ff_err_set(err, …)` reads well. An
 * over-long text is cut at the end. Arguments may point into err->text. */
int ff_err_set(struct ff_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": " and strerror(errnum) appended; returns FF_ESYS. */
int ff_err_sys(struct ff_err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts text before what `err` says already ("host build1: …"); returns err->code. For code
 * that has an `err`: with NULL it can't know the code and returns FF_EINVAL. */
int ff_err_prefix(struct ff_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
