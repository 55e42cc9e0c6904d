/* Allocation with a switch that makes it fail, for tests. Knows libc only. */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0: off; n: the nth next allocation fails, and stays at 1 from there on. */
static atomic_size_t fail_at;

static bool refused(void)
{
	size_t nth = atomic_load_explicit(&fail_at, memory_order_relaxed);

	if (__builtin_expect(nth == 0, 1))
		return false;
	if (nth == 1)
		return true;
	atomic_store_explicit(&fail_at, nth - 1, memory_order_relaxed);
	return false;
}

void ff_alloc_fail_at(size_t nth)
{
	atomic_store_explicit(&fail_at, nth, memory_order_relaxed);
}

/* Nothing of size 0 is asked from libc: NULL always means that memory is out. */
void *ff_malloc(size_t size_bytes)
{
	return refused() ? NULL : malloc(size_bytes ? size_bytes : 1);
}

void *ff_calloc(size_t count, size_t size_bytes)
{
	if (refused())
		return NULL;
	return count && size_bytes ? calloc(count, size_bytes) : calloc(1, 1);
}

void *ff_realloc(void *old, size_t size_bytes)
{
	return refused() ? NULL : realloc(old, size_bytes ? size_bytes : 1);
}

char *ff_strndup(const char *text, size_t len)
{
	char *copy;

	len = strnlen(text, len);
	copy = ff_malloc(len + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *ff_strdup(const char *text)
{
	return ff_strndup(text, strlen(text));
}

__attribute__((format(printf, 1, 0))) static char *format(const char *fmt, va_list args)
{
	char *text;

	if (refused() || vasprintf(&text, fmt, args) < 0)
		return NULL;
	return text;
}

char *ff_asprintf(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	return text;
}

void ff_free(void *memory)
{
	free(memory);
}

static void *or_die(void *memory)
{
	if (!memory) {
		fputs("farflung: out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *ff_xmalloc(size_t size_bytes)
{
	return or_die(ff_malloc(size_bytes));
}

void *ff_xcalloc(size_t count, size_t size_bytes)
{
	return or_die(ff_calloc(count, size_bytes));
}

void *ff_xrealloc(void *old, size_t size_bytes)
{
	return or_die(ff_realloc(old, size_bytes));
}

char *ff_xstrdup(const char *text)
{
	return text ? or_die(ff_strdup(text)) : NULL;
}

char *ff_xstrndup(const char *text, size_t len)
{
	return or_die(ff_strndup(text, len));
}

char *ff_xasprintf(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	return or_die(text);
}

void ff_cleanup_free(void *pointer_to_pointer)
{
	void *memory;

	memcpy(&memory, pointer_to_pointer, sizeof(memory));
	ff_free(memory);
}
