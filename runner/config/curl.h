/* libcurl, loaded when there is something to fetch or to send: see CMakeLists.txt. For those whom
 * tests/lint/layers lets use it. */
#ifndef FF_CONFIG_CURL_H
#define FF_CONFIG_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/err.h"

/* Those that are used, without "curl_". */
#define FF_CURL_MAP(X)                                                                             \
	X(global_init)                                                                             \
	X(easy_init)                                                                               \
	X(easy_setopt)                                                                             \
	X(easy_getinfo)                                                                            \
	X(easy_perform)                                                                            \
	X(easy_strerror)                                                                           \
	X(easy_cleanup)                                                                            \
	X(slist_append)                                                                            \
	X(slist_free_all)                                                                          \
	X(multi_init)                                                                              \
	X(multi_add_handle)                                                                        \
	X(multi_remove_handle)                                                                     \
	X(multi_perform)                                                                           \
	X(multi_poll)                                                                              \
	X(multi_info_read)                                                                         \
	X(multi_cleanup)

/* They are macros, too. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
struct ff_curl {
#define X(name) __typeof__(curl_##name) *name;
	FF_CURL_MAP(X)
#undef X
};

/* The library, which stays loaded, from any thread. NULL: FF_ECONFIG, it is not here. */
const struct ff_curl *ff_curl_load(struct ff_err *err);

#endif
