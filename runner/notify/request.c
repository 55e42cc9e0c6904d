/* From what there is to tell to what is sent. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "config/private.h"
#include "notify/private.h"

#define GITHUB_API "https://api.github.com"
#define GITLAB_API "https://gitlab.com/api/v4"

enum { SHA_MAX = 128 };

/* --- which repository, which commit --- */

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static bool is_github(const struct ff_config_receiver *receiver)
{
	return !strcmp(receiver->form, "github_status");
}

static bool is_hex(const char *text)
{
	size_t len = strlen(text);

	return len >= 7 && len <= SHA_MAX && strspn(text, "0123456789abcdefABCDEF") == len;
}

/* git's HEAD there; the caller's to free. */
static char *head_of(const char *directory)
{
	char *commit = NULL;

	ff_config_head(directory, &commit, NULL);
	return commit;
}

json_t *ff_request_target(const struct ff_config_receiver *receiver, const char *directory,
			  struct ff_err *err)
{
	const char *ci = NULL, *variable, *repository = receiver->repository;
	json_t *target = json_object();
	char *sha;

	if (!repository)
		return target;
	variable = is_github(receiver) ? "GITHUB_REPOSITORY" : "CI_PROJECT_ID";
	if (!strcmp(repository, "auto"))
		repository = environment(variable);
	ci = environment(is_github(receiver) ? "GITHUB_SHA" : "CI_COMMIT_SHA");
	sha = receiver->sha ? ff_xstrdup(receiver->sha) : ci ? ff_xstrdup(ci) : head_of(directory);
	if (!repository)
		ff_err_set(err, FF_ECONFIG, "'auto': the environment has no %s", variable);
	else if (!sha || !is_hex(sha))
		ff_err_set(err, FF_ECONFIG, "which commit it is about is not known: 'sha' says it");
	else
		json_object_set_new(target, "sha", json_string(sha));
	if (!json_object_size(target) ||
	    json_object_set_new(target, "repository", json_string(repository))) {
		if (json_object_size(target))
			ff_err_set(err, FF_ECONFIG, "the repository's name is not UTF-8");
		json_decref(target);
		target = NULL;
	}
	ff_free(sha);
	return target;
}

/* --- the parts of a request --- */

static void add_json(struct ff_buf *out, json_t *json)
{
	char *text =
		json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12))
		     : NULL;

	ff_buf_addstr(out, text ? text : "null");
	free(text);
	json_decref(json);
}

static void sign(struct ff_request *request, const char *key)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct ff_buf header = FF_BUF_INIT;

	HMAC(EVP_sha256(), key, (int)strlen(key), ff_buf_data(&request->body), request->body.len,
	     digest, &len);
	ff_buf_addstr(&header, "X-Hub-Signature-256: sha256=");
	for (unsigned i = 0; i < len; i++)
		ff_buf_addf(&header, "%02x", digest[i]);
	(void)ff_strv_add(&request->headers, ff_buf_str(&header));
	ff_buf_release(&header);
}

static json_t *webhook_body(const struct ff_config_receiver *receiver, const json_t *document,
			    struct ff_err *err)
{
	json_t *template, *body;

	if (!receiver->template)
		return json_deep_copy(document);
	template = ff_template_read(receiver->template, document, err);
	if (!template)
		return NULL;
	body = ff_template_fill(template, document);
	json_decref(template);
	return body;
}

static json_t *body_of(const struct ff_config_receiver *receiver, const json_t *document,
		       struct ff_err *err)
{
	static const struct {
		const char *form;
		json_t *(*make)(const json_t *document);
	} forms[] = {{"slack", ff_form_slack},
		     {"mattermost", ff_form_mattermost},
		     {"discord", ff_form_discord},
		     {"teams", ff_form_teams}};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (!strcmp(receiver->form, forms[i].form))
			return forms[i].make(document);
	return webhook_body(receiver, document, err);
}

static void add_headers(struct ff_request *request, const struct ff_config_receiver *receiver,
			const json_t *document)
{
	(void)ff_strv_add(&request->headers, "Content-Type: application/json");
	(void)ff_strv_addf(&request->headers, "X-Farflung-Delivery: %s",
			   ff_notify_get(document, "id"));
	(void)ff_strv_addf(&request->headers, "X-Farflung-Event: %s",
			   ff_notify_get(document, "event"));
	for (size_t i = 0; i < receiver->headers_len; i++)
		(void)ff_strv_addf(&request->headers, "%s: %s", receiver->headers[i].name,
				   ff_config_text_value(&receiver->headers[i].value));
}

static int make_http(struct ff_request *request, const struct ff_config_receiver *receiver,
		     const json_t *document, struct ff_err *err)
{
	const char *key = ff_config_text_value(&receiver->hmac_key);
	json_t *body = body_of(receiver, document, err);

	if (!body)
		return FF_ECONFIG;
	request->url = ff_xstrdup(ff_config_text_value(&receiver->url));
	request->method = receiver->method ? receiver->method : "POST";
	add_json(&request->body, body);
	add_headers(request, receiver, document);
	if (key)
		sign(request, key);
	return 0;
}

/* As a part of a path. */
static void add_escaped(struct ff_buf *out, const char *text, bool slashes)
{
	for (const char *at = text; *at; at++) {
		bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
			     (*at >= '0' && *at <= '9') || strchr("-._", *at) ||
			     (slashes && *at == '/');

		if (plain)
			ff_buf_addch(out, *at);
		else
			ff_buf_addf(out, "%%%02X", (unsigned char)*at);
	}
}

static int make_status(struct ff_request *request, const struct ff_config_receiver *receiver,
		       const json_t *document, const json_t *target)
{
	const char *token = ff_config_text_value(&receiver->token);
	const char *api = ff_config_text_value(&receiver->api);
	bool github = is_github(receiver);
	struct ff_buf url = FF_BUF_INIT;
	size_t len;

	if (!api)
		api = environment(github ? "GITHUB_API_URL" : "CI_API_V4_URL");
	if (!api)
		api = github ? GITHUB_API : GITLAB_API;
	for (len = strlen(api); len && api[len - 1] == '/'; len--)
		;
	ff_buf_add(&url, api, len);
	ff_buf_addstr(&url, github ? "/repos/" : "/projects/");
	add_escaped(&url, ff_notify_get(target, "repository"), github);
	ff_buf_addf(&url, "/statuses/%s", ff_notify_get(target, "sha"));
	request->url = ff_buf_take(&url);
	request->method = "POST";
	add_json(&request->body, github ? ff_form_github(document, receiver->context)
					: ff_form_gitlab(document, receiver->context));
	(void)ff_strv_add(&request->headers, "Content-Type: application/json");
	if (github) {
		(void)ff_strv_add(&request->headers, "Accept: application/vnd.github+json");
		(void)ff_strv_add(&request->headers, "X-GitHub-Api-Version: 2022-11-28");
		(void)ff_strv_addf(&request->headers, "Authorization: Bearer %s", token);
	} else {
		(void)ff_strv_addf(&request->headers, "PRIVATE-TOKEN: %s", token);
	}
	return 0;
}

static void make_command(struct ff_request *request, const struct ff_config_receiver *receiver,
			 const json_t *document)
{
	static const char *const keys[] = {"event", "title", "text", "run", "result", "name"};
	static const char *const names[] = {"EVENT", "TITLE", "TEXT", "RUN", "RESULT", "NAME"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		(void)ff_strv_addf(&request->headers, "FARFLUNG_%s=%s", names[i],
				   ff_notify_get(document, keys[i]));
	for (size_t i = 0; i < receiver->env_len; i++)
		(void)ff_strv_addf(&request->headers, "%s=%s", receiver->env[i].name,
				   ff_config_text_value(&receiver->env[i].value));
	add_json(&request->body, json_deep_copy(document));
}

int ff_request_make(struct ff_request *request, const struct ff_config_receiver *receiver,
		    const json_t *document, const json_t *target, struct ff_err *err)
{
	*request = (struct ff_request){.receiver = receiver, .kind = FF_REQUEST_HTTP};
	if (!strcmp(receiver->form, "command")) {
		request->kind = FF_REQUEST_COMMAND;
		make_command(request, receiver, document);
		return 0;
	}
	if (!strcmp(receiver->form, "email")) {
		request->kind = FF_REQUEST_MAIL;
		request->url = ff_xstrdup(ff_config_text_value(&receiver->smtp));
		request->user = receiver->user;
		request->password = ff_config_text_value(&receiver->password);
		ff_mail_write(&request->body, receiver, document);
		return 0;
	}
	if (receiver->repository)
		return make_status(request, receiver, document, target);
	return make_http(request, receiver, document, err);
}

void ff_request_release(struct ff_request *request)
{
	ff_free(request->url);
	ff_strv_release(&request->headers);
	ff_buf_release(&request->body);
	*request = (struct ff_request){0};
}

void ff_notify_whereto(struct ff_buf *out, const struct ff_config_receiver *receiver)
{
	const char *url = ff_config_text_value(&receiver->smtp), *host, *end, *at;

	if (!url)
		url = ff_config_text_value(&receiver->url);
	if (!url)
		url = ff_config_text_value(&receiver->api);
	host = url ? strstr(url, "://") : NULL;
	if (!host) {
		ff_buf_addstr(out, receiver->form);
		return;
	}
	host += 3;
	end = host + strcspn(host, "/?#");
	/* A name and a password may stand before it. */
	at = memrchr(host, '@', (size_t)(end - host));
	ff_buf_add(out, url, (size_t)(host - url));
	host = at ? at + 1 : host;
	ff_buf_add(out, host, (size_t)(end - host));
}

char *ff_notify_file(const struct ff_config *config)
{
	return ff_earlier_file(config->directory, config->path);
}
