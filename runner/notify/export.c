#include "notify/export.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "config/curl.h"
#include "notify/private.h"
#include "report/text.h"
#include "report/thread.h"

struct body {
	struct body *next;
	struct ff_buf bytes;
	uint32_t things;
};

struct ff_export {
	const struct ff_curl *api;
	char *url;
	struct curl_slist *headers;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	/* Under lock: */
	struct body *first, **last;
	size_t waiting; /* bytes */
	uint64_t things, lost;
	char why[256]; /* of the first that was lost */
	bool ending;
	atomic_bool abandoned;
	_Atomic(int64_t) until_us; /* when all has to be over; INT64_MAX: not yet */
};

/* --- one request --- */

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct ff_export *ex = ctx;

	return ex->abandoned || ff_clock_us() > ex->until_us;
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *ctx)
{
	struct ff_buf *answer = ctx;
	size_t len = size * count, room = 200 - (answer->len < 200 ? answer->len : 200);

	ff_buf_add(answer, bytes, len < room ? len : room);
	return len;
}

static long post(struct ff_export *ex, const struct body *body, char *why, size_t max)
{
	const struct ff_curl *api = ex->api;
	struct ff_buf answer = FF_BUF_INIT, line = FF_BUF_INIT;
	char words[CURL_ERROR_SIZE] = "";
	CURL *easy = api->easy_init();
	const char *ca = ff_post_authorities(NULL);
	long status = 0;
	CURLcode code;

	if (!easy)
		return 0;
	api->easy_setopt(easy, CURLOPT_URL, ex->url);
	api->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	api->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	api->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	api->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)FF_EXPORT_TIMEOUT_MS);
	api->easy_setopt(easy, CURLOPT_USERAGENT, "farflung/" FARFLUNG_VERSION);
	api->easy_setopt(easy, CURLOPT_HTTPHEADER, ex->headers);
	api->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->bytes.len);
	api->easy_setopt(easy, CURLOPT_POSTFIELDS, ff_buf_data(&body->bytes));
	api->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	api->easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
	api->easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
	api->easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	api->easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	api->easy_setopt(easy, CURLOPT_XFERINFODATA, ex);
	api->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, ff_post_open_socket);
	if (ca)
		api->easy_setopt(easy, CURLOPT_CAINFO, ca);
	code = api->easy_perform(easy);
	if (code == CURLE_OK)
		api->easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	api->easy_cleanup(easy);
	ff_text_line(&line, answer.len ? ff_buf_str(&answer) : "", 120, "...");
	if (code != CURLE_OK)
		snprintf(why, max, "%s", *words ? words : api->easy_strerror(code));
	else
		snprintf(why, max, "status %ld%s%s", status, line.len ? ": " : "",
			 line.len ? ff_buf_str(&line) : "");
	ff_buf_release(&line);
	ff_buf_release(&answer);
	return status;
}

/* As OTLP has it: these may be tried again, as what never came to an answer. */
static bool may_be_tried(long status)
{
	return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

static void wait_before(struct ff_export *ex, int tries)
{
	struct timespec at = ff_thread_in_ms(250L << tries);

	pthread_mutex_lock(&ex->lock);
	while (!ex->abandoned && ff_clock_us() < ex->until_us &&
	       pthread_cond_timedwait(&ex->news, &ex->lock, &at) == 0)
		;
	pthread_mutex_unlock(&ex->lock);
}

static bool send_body(struct ff_export *ex, const struct body *body, char *why, size_t max)
{
	for (int i = 0; i < FF_EXPORT_TRIES; i++) {
		long status;

		if (i > 0)
			wait_before(ex, i);
		if (ex->abandoned || ff_clock_us() > ex->until_us) {
			if (i == 0)
				snprintf(why, max, "there was no more time");
			return false;
		}
		status = post(ex, body, why, max);
		if (status >= 200 && status < 300)
			return true;
		if (!may_be_tried(status))
			return false;
	}
	return false;
}

/* --- the thread --- */

static void *work(void *ctx)
{
	struct ff_export *ex = ctx;
	char why[256] = "";

	pthread_mutex_lock(&ex->lock);
	for (;;) {
		struct body *body = ex->first;
		bool sent;

		if (!body && ex->ending)
			break;
		if (!body) {
			pthread_cond_wait(&ex->news, &ex->lock);
			continue;
		}
		ex->first = body->next;
		if (!ex->first)
			ex->last = &ex->first;
		ex->waiting -= body->bytes.len;
		pthread_mutex_unlock(&ex->lock);
		sent = send_body(ex, body, why, sizeof(why));
		pthread_mutex_lock(&ex->lock);
		if (!sent && ex->lost == 0)
			memcpy(ex->why, why, sizeof(why));
		ex->lost += sent ? 0 : body->things;
		ff_buf_release(&body->bytes);
		ff_free(body);
	}
	pthread_mutex_unlock(&ex->lock);
	return NULL;
}

void ff_export_put(struct ff_export *ex, struct ff_buf *bytes, uint32_t things)
{
	struct body *body = ff_xcalloc(1, sizeof(*body));

	body->bytes = *bytes;
	body->things = things;
	*bytes = (struct ff_buf)FF_BUF_INIT;
	pthread_mutex_lock(&ex->lock);
	ex->things += things;
	if (ex->waiting + body->bytes.len > FF_EXPORT_WAITING_MAX) {
		if (ex->lost == 0)
			snprintf(ex->why, sizeof(ex->why), "the server is too slow");
		ex->lost += things;
		ff_buf_release(&body->bytes);
		ff_free(body);
	} else {
		ex->waiting += body->bytes.len;
		*ex->last = body;
		ex->last = &body->next;
		pthread_cond_broadcast(&ex->news);
	}
	pthread_mutex_unlock(&ex->lock);
}

/* --- life --- */

static bool is_http(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

static int start(struct ff_export *ex, struct ff_err *err)
{
	int errnum = ff_thread_start(&ex->thread, work, ex);

	return errnum ? ff_err_sys(err, errnum, "a thread for %s", ex->url) : 0;
}

static void release(struct ff_export *ex)
{
	ex->api->slist_free_all(ex->headers);
	pthread_mutex_destroy(&ex->lock);
	pthread_cond_destroy(&ex->news);
	ff_free(ex->url);
	ff_free(ex);
}

struct ff_export *ff_export_new(const char *url, const char *const *headers, struct ff_err *err)
{
	const struct ff_curl *api;
	struct ff_export *ex;

	if (!is_http(url)) {
		ff_err_set(err, FF_EINVAL, "'%s': expected an http:// or https:// address", url);
		return NULL;
	}
	api = ff_curl_load(err);
	if (!api)
		return NULL;
	ex = ff_xcalloc(1, sizeof(*ex));
	ex->api = api;
	ex->url = ff_xstrdup(url);
	ex->last = &ex->first;
	ex->until_us = INT64_MAX;
	/* Bodies go at once, without asking first. */
	ex->headers = api->slist_append(NULL, "Expect:");
	for (; headers && *headers; headers++)
		ex->headers = api->slist_append(ex->headers, *headers);
	pthread_mutex_init(&ex->lock, NULL);
	ff_thread_cond_init(&ex->news);
	if (start(ex, err) == 0)
		return ex;
	release(ex);
	return NULL;
}

/* Its thread has ended then. */
static void end(struct ff_export *ex)
{
	pthread_mutex_lock(&ex->lock);
	ex->ending = true;
	pthread_cond_broadcast(&ex->news);
	pthread_mutex_unlock(&ex->lock);
	pthread_join(ex->thread, NULL);
}

int ff_export_finish(struct ff_export *ex, const char *what, struct ff_err *err)
{
	ex->until_us = ff_clock_us() + FF_EXPORT_END_MS * 1000L;
	end(ex);
	if (ex->lost == 0)
		return 0;
	return ff_err_set(err, FF_ESYS, "%s: %llu of %llu %s were not taken: %s", ex->url,
			  (unsigned long long)ex->lost, (unsigned long long)ex->things, what,
			  ex->why);
}

void ff_export_abandon(struct ff_export *ex)
{
	ex->abandoned = true;
}

void ff_export_free(struct ff_export *ex)
{
	if (!ex)
		return;
	/* Finished, or nobody wants what is left. */
	if (!ex->ending) {
		ex->abandoned = true;
		end(ex);
	}
	release(ex);
}
