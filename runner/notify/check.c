/* What can be wrong with those that are told, beyond their keys. */
#include <string.h>

#include "config/mistakes.h"
#include "notify/private.h"

static bool begins(const char *text, const char *with)
{
	return !strncasecmp(text, with, strlen(with));
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* A secret URL is no part of a message. */
static void check_url(struct ff_mistakes *problems, const char *key,
		      const struct ff_config_text *text, bool mail)
{
	const char *url = ff_config_text_value(text), *host;
	const char *want = mail ? "smtp:// or smtps://" : "http:// or https://";

	if (!url)
		return;
	host = strstr(url, "://");
	if (!(mail ? begins(url, "smtp://") || begins(url, "smtps://")
		   : begins(url, "http://") || begins(url, "https://")))
		ff_mistakes_add(problems, &text->place, "'%s' wants an URL with %s%s%s%s", key,
				want, text->secret ? "" : ", got '", text->secret ? "" : url,
				text->secret ? "" : "'");
	else if (!host[3] || strchr("/?#:@", host[3]) || strpbrk(url, " \t") || has_control(url))
		ff_mistakes_add(problems, &text->place, "'%s' is no URL%s%s%s", key,
				text->secret ? "" : ": '", text->secret ? "" : url,
				text->secret ? "" : "'");
}

static void check_named(struct ff_mistakes *problems, const struct ff_config_named *named,
			size_t len, const char *bad, const char *what)
{
	for (size_t i = 0; i < len; i++) {
		const char *value = ff_config_text_value(&named[i].value);

		if (!*named[i].name || strpbrk(named[i].name, bad) || has_control(named[i].name))
			ff_mistakes_add(problems, &named[i].value.place, "'%s' can't name %s",
					named[i].name, what);
		else if (value && *bad == ':' && has_control(value))
			ff_mistakes_add(problems, &named[i].value.place,
					"the value of '%s' has control characters", named[i].name);
	}
}

static void want(struct ff_mistakes *problems, const struct ff_config_receiver *receiver,
		 bool given, const char *key)
{
	if (!given)
		ff_mistakes_add(problems, &receiver->place, "'%s' wants '%s', too", receiver->form,
				key);
}

static bool is_given(const struct ff_config_text *text)
{
	return text->text || text->secret;
}

static void check_address(struct ff_mistakes *problems, const struct ff_place *place,
			  const char *address)
{
	const char *why = ff_mail_fault(address);

	if (why)
		ff_mistakes_add(problems, place, "'%s' is no mail address: %s", address, why);
}

static void check_mail(struct ff_mistakes *problems, const struct ff_config_receiver *receiver)
{
	const char *url = ff_config_text_value(&receiver->smtp);
	bool login = receiver->user || is_given(&receiver->password);

	want(problems, receiver, is_given(&receiver->smtp), "smtp");
	want(problems, receiver, receiver->from, "from");
	if (!receiver->to.len)
		ff_mistakes_add(problems, &receiver->place, "'email' has no address");
	for (size_t i = 0; i < receiver->to.len; i++)
		check_address(problems,
			      receiver->to_places ? &receiver->to_places[i] : &receiver->place,
			      receiver->to.v[i]);
	if (receiver->from)
		check_address(problems, &receiver->from_place, receiver->from);
	if (login) {
		want(problems, receiver, receiver->user, "user");
		want(problems, receiver, is_given(&receiver->password), "password");
	}
	if (login && url && !begins(url, "smtps://") && strcmp(receiver->tls, "always") != 0)
		ff_mistakes_add(
			problems, &receiver->password.place,
			"a password wants 'tls: always', so that nobody reads it on the way");
}

static void check_status(struct ff_mistakes *problems, const struct ff_config_receiver *receiver)
{
	const char *name = receiver->repository, *slash = strchr(name, '/');
	bool github = !strcmp(receiver->form, "github_status");

	want(problems, receiver, is_given(&receiver->token), "token");
	if (ff_config_text_value(&receiver->token) &&
	    has_control(ff_config_text_value(&receiver->token)))
		ff_mistakes_add(problems, &receiver->token.place, "'token' has control characters");
	check_url(problems, "api", &receiver->api, false);
	if (github && strcmp(name, "auto") != 0 &&
	    (!slash || slash == name || !slash[1] || strchr(slash + 1, '/')))
		ff_mistakes_add(problems, &receiver->repository_place,
				"'github_status' wants OWNER/NAME or auto, got '%s'", name);
}

static void check_template(struct ff_mistakes *problems, const json_t *sample,
			   const struct ff_config_receiver *receiver)
{
	struct ff_err err = {0};
	json_t *template = ff_template_read(receiver->template, sample, &err);

	if (!template)
		ff_mistakes_add(problems, &receiver->template_place, "'template': %s", err.text);
	json_decref(template);
}

static void check_link(struct ff_mistakes *problems, const json_t *sample,
		       const struct ff_config_receiver *receiver)
{
	const struct ff_config_text link = {.text = receiver->link, .place = receiver->link_place};
	struct ff_err err = {0};

	check_url(problems, "link", &link, false);
	if (ff_template_check(receiver->link, sample, &err))
		ff_mistakes_add(problems, &link.place, "'link': %s", err.text);
}

static void check(struct ff_mistakes *problems, const json_t *sample,
		  const struct ff_config_receiver *receiver)
{
	check_url(problems, receiver->form, &receiver->url, false);
	check_url(problems, "smtp", &receiver->smtp, true);
	check_named(problems, receiver->headers, receiver->headers_len, ": \t", "a header");
	check_named(problems, receiver->env, receiver->env_len, "=", "a variable");
	if (!strcmp(receiver->form, "email"))
		check_mail(problems, receiver);
	if (receiver->repository)
		check_status(problems, receiver);
	if (receiver->template)
		check_template(problems, sample, receiver);
	if (receiver->link)
		check_link(problems, sample, receiver);
}

int ff_notify_check(const struct ff_config *config, struct ff_err *err)
{
	struct ff_mistakes problems;
	json_t *sample;

	if (!config->receivers_len)
		return 0;
	sample = ff_facts_sample(config);
	json_object_set_new(sample, "id", json_string(""));
	ff_mistakes_init(&problems, config->path);
	for (size_t i = 0; i < config->receivers_len; i++)
		check(&problems, sample, &config->receivers[i]);
	json_decref(sample);
	return ff_mistakes_finish(&problems, err);
}
