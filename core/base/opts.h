/* Structs of options that callers fill and that grow at their end: a program built before a member
 * was added says a smaller size, and has zeros there. */
#ifndef FF_BASE_OPTS_H
#define FF_BASE_OPTS_H

#include <stddef.h>
#include <string.h>

/* Fills `to`, of to_size bytes, from `from`, whose first member is its size_t size; 0 there means
 * `first`, the size of the first version. What a newer program has said beyond ours is left out. */
static inline void ff_opts_copy(void *to, size_t to_size, const void *from, size_t first)
{
	size_t size;

	memcpy(&size, from, sizeof(size));
	if (size == 0)
		size = first;
	memset(to, 0, to_size);
	memcpy(to, from, size < to_size ? size : to_size);
}

/* The size of a struct that ends with `member`. */
#define FF_OPTS_UNTIL(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

#endif
