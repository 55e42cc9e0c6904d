/* An inventory's URL, by libcurl, which is loaded when it is needed: see CMakeLists.txt. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <string.h>

#include "config/outside.h"

enum { REDIRECTIONS_MAX = 5 };

#define CURL_MAP(X)                                                                                \
	X(curl_global_init)                                                                        \
	X(curl_easy_init)                                                                          \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_perform)                                                                       \
	X(curl_easy_strerror)                                                                      \
	X(curl_easy_cleanup)

#undef curl_easy_setopt
static struct {
#define X(name) __typeof__(name) *name;
	CURL_MAP(X)
#undef X
} api;

struct sink {
	struct ff_buf *out;
	size_t left;
	int rc;
	const atomic_bool *stop;
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
	struct sink *sink = ctx;
	size_t len = size * count;

	if (len > sink->left)
		sink->rc = FF_ETOOBIG;
	else if (ff_buf_add(sink->out, bytes, len))
		sink->rc = FF_ENOMEM;
	if (sink->rc)
		return 0;
	sink->left -= len;
	return len;
}

/* Other than 0 gives it up. */
static int on_progress(void *ctx, curl_off_t to_get, curl_off_t got, curl_off_t to_put,
		       curl_off_t put)
{
	const struct sink *sink = ctx;

	(void)to_get, (void)got, (void)to_put, (void)put;
	return sink->stop && atomic_load(sink->stop);
}

static bool begins(const char *url, const char *with)
{
	return !strncmp(url, with, strlen(with));
}

/* The library stays loaded. */
static int load(struct ff_err *err)
{
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
	void *library = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !library; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
#define X(name)                                                                                    \
	api.name = library ? (__typeof__(name) *)dlsym(library, #name) : NULL;                     \
	if (!api.name)                                                                             \
		return ff_err_set(err, FF_ECONFIG, "libcurl is not here: %s", dlerror());
	CURL_MAP(X)
#undef X
	return 0;
}

static void set_up(CURL *curl, const char *url, const struct ff_outside_opts *opts,
		   struct sink *sink)
{
	api.curl_easy_setopt(curl, CURLOPT_URL, url);
	/* What a file of ours names may be a file; what a server says may not. */
	api.curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,file");
	api.curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	api.curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	api.curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTIONS_MAX);
	api.curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	api.curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
	api.curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	api.curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)((opts->timeout_us + 999) / 1000));
	api.curl_easy_setopt(curl, CURLOPT_USERAGENT, "farflung/" FARFLUNG_VERSION);
	api.curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
	api.curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	api.curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
	api.curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	api.curl_easy_setopt(curl, CURLOPT_XFERINFODATA, sink);
	api.curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	if (opts->ca_file)
		api.curl_easy_setopt(curl, CURLOPT_CAINFO, opts->ca_file);
}

int ff_outside_fetch(struct ff_buf *out, const char *url, const struct ff_outside_opts *opts,
		     struct ff_err *err)
{
	struct sink sink = {.out = out, .left = opts->max_bytes, .stop = opts->stop};
	char words[CURL_ERROR_SIZE] = "";
	CURLcode rc;
	CURL *curl;

	if (begins(url, "http://"))
		return ff_err_set(err, FF_ECONFIG,
				  "whoever is on the way could name the hosts: "
				  "https:// or file:// is wanted");
	if (!begins(url, "https://") && !begins(url, "file:///"))
		return ff_err_set(err, FF_ECONFIG, "https://... or file:///... is wanted");
	if (load(err))
		return err->code;
	curl = api.curl_global_init(CURL_GLOBAL_DEFAULT) ? NULL : api.curl_easy_init();
	if (!curl)
		return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	api.curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
	set_up(curl, url, opts, &sink);
	rc = api.curl_easy_perform(curl);
	api.curl_easy_cleanup(curl);
	if (rc == CURLE_ABORTED_BY_CALLBACK)
		return ff_err_set(err, FF_ECANCELED, "given up");
	if (sink.rc == FF_ETOOBIG)
		return ff_err_set(err, FF_ECONFIG, "more than %zu MiB", opts->max_bytes >> 20);
	if (rc)
		return ff_err_set(err, FF_ECONFIG, "%s",
				  *words ? words : api.curl_easy_strerror(rc));
	return 0;
}
