/* HTTP and SMTP by libcurl, several at a time, on the courier's thread. Redirects are followed
 * here: a few, to http(s) only, never from https to http, and to no other host if a header goes
 * along. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "config/curl.h"
#include "notify/private.h"
#include "report/text.h"

enum {
	REDIRECTS_MAX = 3,
	ANSWER_MAX = 64 << 10, /* bytes of it that are read */
	ANSWER_KEPT = 300,     /* and kept, for a message */
	AFTER_MAX_S = 300,     /* that a server may ask for */
};

struct transfer {
	struct transfer *next;
	const struct ff_request *request;
	void *what;
	CURL *easy;
	struct curl_slist *headers, *recipients;
	char *url;
	bool get; /* after 303 */
	int redirects;
	size_t sent; /* of a mail */
	size_t answer_bytes;
	struct ff_buf answer;
	char words[CURL_ERROR_SIZE];
};

struct ff_post {
	const struct ff_curl *api;
	CURLM *multi;
	struct transfer *first;
	void (*done)(void *ctx, void *what, const struct ff_told *outcome);
	void *ctx;
};

static bool begins(const char *text, const char *with)
{
	return !strncasecmp(text, with, strlen(with));
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * count, room = ANSWER_KEPT - t->answer.len;

	(void)ff_buf_add(&t->answer, bytes, len < room ? len : room);
	t->answer_bytes += len;
	/* Less than was given ends it. */
	return t->answer_bytes > ANSWER_MAX ? 0 : len;
}

static size_t on_mail(char *bytes, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	size_t left = t->request->body.len - t->sent, len = size * count;

	len = len < left ? len : left;
	if (len)
		memcpy(bytes, ff_buf_data(&t->request->body) + t->sent, len);
	t->sent += len;
	return len;
}

int ff_post_open_socket(void *ctx, int purpose, struct curl_sockaddr *address)
{
	(void)ctx;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* --- setting up --- */

const char *ff_post_authorities(const char *given)
{
	static const char *const names[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE"};

	for (size_t i = 0; i < 2 && !given; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return value;
	}
	return given;
}

static void set_common(const struct ff_curl *api, struct transfer *t)
{
	const struct ff_config_receiver *receiver = t->request->receiver;
	bool mail = t->request->kind == FF_REQUEST_MAIL;
	const char *ca = ff_post_authorities(receiver->ca_file);
	CURL *easy = t->easy;

	api->easy_setopt(easy, CURLOPT_URL, t->url);
	api->easy_setopt(easy, CURLOPT_PRIVATE, t);
	api->easy_setopt(easy, CURLOPT_ERRORBUFFER, t->words);
	api->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, mail ? "smtp,smtps" : "http,https");
	api->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	api->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	api->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, ff_post_open_socket);
	api->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)((receiver->timeout_us + 999) / 1000));
	api->easy_setopt(easy, CURLOPT_USERAGENT, "farflung/" FARFLUNG_VERSION);
	api->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	api->easy_setopt(easy, CURLOPT_WRITEDATA, t);
	if (ca)
		api->easy_setopt(easy, CURLOPT_CAINFO, ca);
}

static void set_http(const struct ff_curl *api, struct transfer *t)
{
	const struct ff_request *request = t->request;

	t->headers = api->slist_append(NULL, "Expect:");
	for (size_t i = 0; i < request->headers.len; i++)
		t->headers = api->slist_append(t->headers, request->headers.v[i]);
	api->easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	if (t->get)
		return;
	api->easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
	api->easy_setopt(t->easy, CURLOPT_POSTFIELDS, ff_buf_data(&request->body));
	api->easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_mail(const struct ff_curl *api, struct transfer *t)
{
	const struct ff_config_receiver *receiver = t->request->receiver;
	long tls = !strcmp(receiver->tls, "always") ? CURLUSESSL_ALL
		   : !strcmp(receiver->tls, "try")  ? CURLUSESSL_TRY
						    : CURLUSESSL_NONE;

	for (size_t i = 0; i < receiver->to.len; i++)
		t->recipients = api->slist_append(t->recipients, receiver->to.v[i]);
	api->easy_setopt(t->easy, CURLOPT_MAIL_FROM, receiver->from);
	api->easy_setopt(t->easy, CURLOPT_MAIL_RCPT, t->recipients);
	api->easy_setopt(t->easy, CURLOPT_USE_SSL, tls);
	api->easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
	api->easy_setopt(t->easy, CURLOPT_READFUNCTION, on_mail);
	api->easy_setopt(t->easy, CURLOPT_READDATA, t);
	if (t->request->user && t->request->password) {
		api->easy_setopt(t->easy, CURLOPT_USERNAME, t->request->user);
		api->easy_setopt(t->easy, CURLOPT_PASSWORD, t->request->password);
	}
}

/* Begins it, for the first time or with the next URL. */
static int begin(struct ff_post *post, struct transfer *t)
{
	const struct ff_curl *api = post->api;

	t->easy = api->easy_init();
	if (!t->easy)
		return FF_ENOMEM;
	t->answer_bytes = 0;
	ff_buf_clear(&t->answer);
	*t->words = '\0';
	set_common(api, t);
	if (t->request->kind == FF_REQUEST_MAIL)
		set_mail(api, t);
	else
		set_http(api, t);
	return api->multi_add_handle(post->multi, t->easy) ? FF_ENOMEM : 0;
}

static void end_easy(struct ff_post *post, struct transfer *t)
{
	if (t->easy) {
		post->api->multi_remove_handle(post->multi, t->easy);
		post->api->easy_cleanup(t->easy);
	}
	post->api->slist_free_all(t->headers);
	post->api->slist_free_all(t->recipients);
	t->easy = NULL;
	t->headers = t->recipients = NULL;
}

static void transfer_free(struct ff_post *post, struct transfer *t)
{
	struct transfer **at = &post->first;

	end_easy(post, t);
	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	ff_buf_release(&t->answer);
	ff_free(t->url);
	ff_free(t);
}

struct ff_post *ff_post_new(void (*done)(void *ctx, void *what, const struct ff_told *outcome),
			    void *ctx, struct ff_err *err)
{
	const struct ff_curl *api = ff_curl_load(err);
	struct ff_post *post;

	if (!api)
		return NULL;
	post = ff_xcalloc(1, sizeof(*post));
	post->api = api;
	post->done = done;
	post->ctx = ctx;
	post->multi = api->multi_init();
	if (!post->multi) {
		ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		ff_free(post);
		return NULL;
	}
	return post;
}

void ff_post_free(struct ff_post *post)
{
	if (!post)
		return;
	while (post->first)
		transfer_free(post, post->first);
	post->api->multi_cleanup(post->multi);
	ff_free(post);
}

int ff_post_add(struct ff_post *post, const struct ff_request *request, void *what,
		struct ff_err *err)
{
	struct transfer *t = ff_xcalloc(1, sizeof(*t));
	int rc;

	t->request = request;
	t->what = what;
	t->url = ff_xstrdup(request->url);
	t->next = post->first;
	post->first = t;
	rc = begin(post, t);
	if (rc < 0) {
		transfer_free(post, t);
		return ff_err_set(err, rc, "%s", ff_err_text(rc));
	}
	return 0;
}

/* --- the end of one --- */

/* "scheme://host:port" of both is the same. */
static bool same_place(const char *a, const char *b)
{
	const char *host = strstr(a, "://");
	size_t len = host ? (size_t)(host + 3 - a) + strcspn(host + 3, "/?#") : strlen(a);

	return !strncasecmp(a, b, len) && strchr("/?#", b[len]);
}

static bool has_secrets(const struct ff_request *request)
{
	return request->receiver->headers_len || request->receiver->repository;
}

/* Where it leads, if that is to be followed; else the outcome says why not. */
static char *next_url(const struct ff_post *post, const struct transfer *t, long status,
		      struct ff_told *outcome)
{
	char *url = NULL;

	if (status < 300 || status > 399)
		return NULL;
	post->api->easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &url);
	if (!url)
		snprintf(outcome->words, sizeof(outcome->words), "%ld, which says not where to go",
			 status);
	else if (!begins(url, "http://") && !begins(url, "https://"))
		snprintf(outcome->words, sizeof(outcome->words),
			 "%ld, which leads to %.*s: only http and https are followed", status,
			 (int)strcspn(url, "/"), url);
	else if (begins(t->url, "https://") && !begins(url, "https://"))
		snprintf(outcome->words, sizeof(outcome->words),
			 "%ld, which leads from https to http", status);
	else if (has_secrets(t->request) && !same_place(t->url, url))
		snprintf(outcome->words, sizeof(outcome->words),
			 "%ld, which leads to another host, where its headers are not to go",
			 status);
	else if (t->redirects >= REDIRECTS_MAX)
		snprintf(outcome->words, sizeof(outcome->words), "%ld for the %dth time", status,
			 REDIRECTS_MAX + 1);
	else
		return ff_xstrdup(url);
	return NULL;
}

static bool may_work_later(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_OUT_OF_MEMORY:
		return true;
	default:
		return false;
	}
}

/* "status 404: no_service" */
static void add_answer(const struct transfer *t, long status, struct ff_told *outcome)
{
	struct ff_buf line = FF_BUF_INIT, whole = FF_BUF_INIT;

	(void)ff_buf_add(&whole, ff_buf_data(&t->answer), t->answer.len);
	ff_text_line(&line, whole.len ? ff_buf_str(&whole) : "", ANSWER_KEPT, "...");
	snprintf(outcome->words, sizeof(outcome->words), "status %ld%s%s", status,
		 line.len ? ": " : "", line.len ? ff_buf_str(&line) : "");
	ff_buf_release(&whole);
	ff_buf_release(&line);
}

/* What the server has said counts, also where it goes on without end. */
static void judge_http(const struct ff_post *post, const struct transfer *t, CURLcode rc,
		       long status, struct ff_told *outcome)
{
	curl_off_t after = 0;

	if (rc && (status < 200 || status > 299 || rc == CURLE_PEER_FAILED_VERIFICATION)) {
		outcome->again = may_work_later(rc);
		if (!*outcome->words)
			snprintf(outcome->words, sizeof(outcome->words), "%s",
				 t->answer_bytes > ANSWER_MAX ? "its answer is longer than 64 KiB"
				 : *t->words		      ? t->words
							      : post->api->easy_strerror(rc));
		return;
	}
	outcome->sent = status >= 200 && status <= 299;
	outcome->again = status == 408 || status == 425 || status == 429 || status >= 500;
	if (!*outcome->words)
		add_answer(t, status, outcome);
	post->api->easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
	if (after > 0)
		outcome->after_us = (after < AFTER_MAX_S ? after : AFTER_MAX_S) * 1000000;
}

static void judge_mail(const struct ff_post *post, const struct transfer *t, CURLcode rc,
		       long status, struct ff_told *outcome)
{
	outcome->sent = !rc;
	/* 4xx: later, perhaps; 5xx: never. */
	outcome->again = rc && (status >= 400 ? status < 500 : may_work_later(rc));
	if (rc)
		snprintf(outcome->words, sizeof(outcome->words), "%s",
			 *t->words ? t->words : post->api->easy_strerror(rc));
	else
		snprintf(outcome->words, sizeof(outcome->words), "status %ld", status);
}

static void finished(struct ff_post *post, struct transfer *t, CURLcode rc)
{
	struct ff_told outcome = {0};
	void *what = t->what;
	char *next = NULL;
	long status = 0;

	post->api->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->request->kind == FF_REQUEST_MAIL)
		judge_mail(post, t, rc, status, &outcome);
	else
		next = next_url(post, t, status, &outcome);
	if (next) {
		ff_free(t->url);
		t->url = next;
		t->redirects++;
		t->get |= status == 303;
		end_easy(post, t);
		if (begin(post, t) == 0)
			return;
		snprintf(outcome.words, sizeof(outcome.words), "%s", ff_err_text(FF_ENOMEM));
	} else if (t->request->kind == FF_REQUEST_HTTP) {
		judge_http(post, t, rc, status, &outcome);
	}
	transfer_free(post, t);
	post->done(post->ctx, what, &outcome);
}

/* Does what can be done without waiting; whether one has come to its end. */
static bool perform(struct ff_post *post)
{
	int running = 0, left;
	bool any = false;
	CURLMsg *message;

	post->api->multi_perform(post->multi, &running);
	while ((message = post->api->multi_info_read(post->multi, &left))) {
		struct transfer *t = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		post->api->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		finished(post, t, message->data.result);
		any = true;
	}
	return any;
}

void ff_post_work(struct ff_post *post, struct pollfd *fds, unsigned fds_len, int wait_ms)
{
	struct curl_waitfd *extra;

	if (perform(post))
		return;
	extra = ff_xcalloc(fds_len + 1, sizeof(*extra));
	for (unsigned i = 0; i < fds_len; i++)
		extra[i] = (struct curl_waitfd){.fd = fds[i].fd, .events = CURL_WAIT_POLLIN};
	/* Its own deadlines are heeded. */
	post->api->multi_poll(post->multi, extra, fds_len, wait_ms, NULL);
	ff_free(extra);
	(void)perform(post);
}
