/* Lists of the web room that grow by doubling: room for one more at list[len]. */
#ifndef FF_WEB_GROW_H
#define FF_WEB_GROW_H

#include "base/alloc.h"

#define FF_WEB_GROW(list, len, cap)                                                                \
	do {                                                                                       \
		if ((len) == (cap)) {                                                              \
			(cap) = (cap) ? 2 * (cap) : 16;                                            \
			(list) = ff_xrealloc(list, (cap) * sizeof(*(list)));                       \
		}                                                                                  \
	} while (0)

#endif
