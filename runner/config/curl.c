#include "config/curl.h"

#include <dlfcn.h>
#include <pthread.h>

static struct ff_curl api;
static struct ff_err fault;

static void load(void)
{
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
	void *library = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !library; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
#define X(name)                                                                                    \
	api.name = library ? (__typeof__(curl_##name) *)dlsym(library, "curl_" #name) : NULL;      \
	if (!api.name) {                                                                           \
		ff_err_set(&fault, FF_ECONFIG, "libcurl is not here: %s", dlerror());              \
		return;                                                                            \
	}
	FF_CURL_MAP(X)
#undef X
	if (api.global_init(CURL_GLOBAL_DEFAULT))
		ff_err_set(&fault, FF_ECONFIG, "libcurl could not begin");
}

const struct ff_curl *ff_curl_load(struct ff_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	if (fault.code)
		ff_err_set(err, fault.code, "%s", fault.text);
	return fault.code ? NULL : &api;
}
