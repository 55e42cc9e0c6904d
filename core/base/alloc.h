/* Allocation. Core code allocates through ff_malloc and its siblings, so that tests can make the
 * nth allocation fail; programs, which can only give up, use the ff_x… forms. */
#ifndef FF_BASE_ALLOC_H
#define FF_BASE_ALLOC_H

#include <stddef.h>

/* As their libc namesakes: NULL when out of memory. Freed with ff_free (or free). */
void *ff_malloc(size_t size_bytes);
void *ff_calloc(size_t count, size_t size_bytes);
void *ff_realloc(void *old, size_t size_bytes);
char *ff_strdup(const char *text);
char *ff_strndup(const char *text, size_t len);
char *ff_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ff_free(void *memory);

/* For programs: print "farflung: out of memory" and abort instead of returning NULL. */
void *ff_xmalloc(size_t size_bytes);
void *ff_xcalloc(size_t count, size_t size_bytes);
void *ff_xrealloc(void *old, size_t size_bytes);
char *ff_xstrdup(const char *text); /* NULL: of NULL */
char *ff_xstrndup(const char *text, size_t len);
char *ff_xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Test hook: the nth allocation from now on (1 is the next) fails, and every later one until it is
 * set again; 0 switches it off. */
void ff_alloc_fail_at(size_t nth);

/* For `__attribute__((cleanup(ff_cleanup_free)))` on a pointer variable. */
void ff_cleanup_free(void *pointer_to_pointer);

#endif
