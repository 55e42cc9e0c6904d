/* An inventory's URL, by libcurl. */
#include <string.h>

#include "config/curl.h"
#include "config/outside.h"

enum { REDIRECTIONS_MAX = 5 };

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

static void set_up(const struct ff_curl *api, CURL *curl, const char *url,
		   const struct ff_outside_opts *opts, struct sink *sink)
{
	api->easy_setopt(curl, CURLOPT_URL, url);
	/* What a file of ours names may be a file; what a server says may not. */
	api->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,file");
	api->easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	api->easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	api->easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTIONS_MAX);
	api->easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	api->easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
	api->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	api->easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)((opts->timeout_us + 999) / 1000));
	api->easy_setopt(curl, CURLOPT_USERAGENT, "farflung/" FARFLUNG_VERSION);
	api->easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
	api->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	api->easy_setopt(curl, CURLOPT_WRITEDATA, sink);
	api->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	api->easy_setopt(curl, CURLOPT_XFERINFODATA, sink);
	api->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	if (opts->ca_file)
		api->easy_setopt(curl, CURLOPT_CAINFO, opts->ca_file);
}

int ff_outside_fetch(struct ff_buf *out, const char *url, const struct ff_outside_opts *opts,
		     struct ff_err *err)
{
	struct sink sink = {.out = out, .left = opts->max_bytes, .stop = opts->stop};
	char words[CURL_ERROR_SIZE] = "";
	const struct ff_curl *api;
	CURLcode rc;
	CURL *curl;

	if (begins(url, "http://"))
		return ff_err_set(err, FF_ECONFIG,
				  "whoever is on the way could name the hosts: "
				  "https:// or file:// is wanted");
	if (!begins(url, "https://") && !begins(url, "file:///"))
		return ff_err_set(err, FF_ECONFIG, "https://... or file:///... is wanted");
	api = ff_curl_load(err);
	if (!api)
		return FF_ECONFIG;
	curl = api->easy_init();
	if (!curl)
		return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	api->easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
	set_up(api, curl, url, opts, &sink);
	rc = api->easy_perform(curl);
	api->easy_cleanup(curl);
	if (rc == CURLE_ABORTED_BY_CALLBACK)
		return ff_err_set(err, FF_ECANCELED, "given up");
	if (sink.rc == FF_ETOOBIG)
		return ff_err_set(err, FF_ECONFIG, "more than %zu MiB", opts->max_bytes >> 20);
	if (rc)
		return ff_err_set(err, FF_ECONFIG, "%s", *words ? words : api->easy_strerror(rc));
	return 0;
}
