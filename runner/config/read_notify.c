/* `notify`: who is told, how and when. What URLs, addresses and templates may be the room `notify`
 * knows. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "config/private.h"
#include "config/read.h"
#include "config/vars.h"

const char *ff_config_text_value(const struct ff_config_text *text)
{
	return text->secret ? text->secret->value : text->text;
}

/* False: it is neither. */
static bool read_either(struct ff_reader *r, const struct ff_yaml_node *node,
			struct ff_config_text *text)
{
	text->place = ff_read_place(r, node);
	if (ff_vars_is_secret(node)) {
		text->secret = ff_vars_secret(r, node);
		return true;
	}
	if (!ff_read_is_text(node) || !node->len)
		return false;
	text->text = ff_config_keep(r->config, node->text);
	return true;
}

bool ff_read_secret_text(struct ff_reader *r, const struct ff_config_option *option,
			 const struct ff_yaml_node *node, void *member)
{
	return read_either(r, node, member);
}

/* The pointer, and behind the receiver's lengths which of them: headers or env. */
bool ff_read_named(struct ff_reader *r, const struct ff_config_option *option,
		   const struct ff_yaml_node *node, void *member)
{
	struct ff_config_receiver *receiver = (void *)((char *)member - option->offset);
	struct ff_config_named *named;

	if (node->kind != FF_YAML_MAPPING || ff_vars_is_secret(node))
		return false;
	named = ff_config_take(r->config, node->len * sizeof(*named));
	*(struct ff_config_named **)member = named;
	if (member == &receiver->headers)
		receiver->headers_len = node->len;
	else
		receiver->env_len = node->len;
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_pair *pair = &node->pairs[i];
		char have[FF_READ_GOT_MAX];

		named[i].name = ff_config_keep(r->config, pair->key->text);
		if (read_either(r, pair->value, &named[i].value))
			continue;
		r->at = ff_read_place(r, pair->value);
		ff_mistakes_add(r->problems, &r->at,
				"'%s' of '%s' wants text or {secret: ...}, got %s", pair->key->text,
				option->key, ff_read_got(pair->value, have));
	}
	return true;
}

static int when_from_word(const char *word)
{
	static const char *const words[] = {
#define X(name, text) [FF_NOTIFY_##name] = text,
		FF_NOTIFY_MAP(X)
#undef X
	};

	for (int i = 0; i < FF_NOTIFY_WHENS; i++)
		if (!strcmp(words[i], word))
			return i;
	return -1;
}

bool ff_read_whens(struct ff_reader *r, const struct ff_config_option *option,
		   const struct ff_yaml_node *node, void *member)
{
	struct ff_yaml_node *only = (struct ff_yaml_node *)(uintptr_t)node;
	struct ff_yaml_node *const *items = node->kind == FF_YAML_LIST ? node->items : &only;
	size_t len = node->kind == FF_YAML_LIST ? node->len : 1;

	if (!len || node->kind == FF_YAML_MAPPING)
		return false;
	for (size_t i = 0; i < len; i++) {
		int when = ff_read_is_text(items[i]) ? when_from_word(items[i]->text) : -1;

		if (when >= 0)
			*(unsigned *)member |= 1U << when;
		else
			ff_read_complain(r, option, items[i]);
	}
	return true;
}

/* "'webhook', … and 'command'" */
static void complain_form(struct ff_reader *r, const struct ff_config_receiver *receiver)
{
	const struct ff_config_option *last = NULL;
	struct ff_buf keys = FF_BUF_INIT;

	for (const struct ff_config_option *option = ff_config_options; option->key; option++) {
		if (option->section != FF_SECTION_NOTIFY || !option->payload)
			continue;
		if (last)
			ff_buf_addf(&keys, "%s'%s'", keys.len ? ", " : "", last->key);
		last = option;
	}
	ff_mistakes_add(r->problems, &receiver->place, "it has none of %s and '%s'",
			ff_buf_str(&keys), last->key);
	ff_buf_release(&keys);
}

/* What it is by its keys, and whether all of them are for that. */
static void settle_form(struct ff_reader *r, struct ff_config_receiver *receiver,
			const struct ff_yaml_node *node)
{
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		const struct ff_config_option *option =
			ff_config_option_find(FF_SECTION_NOTIFY, key->text);
		struct ff_place place = ff_read_place(r, key);

		if (!option || !option->payload)
			continue;
		if (receiver->form)
			ff_mistakes_add(r->problems, &place,
					"it has both '%s' and '%s'; it can have one",
					receiver->form, key->text);
		else
			receiver->form = ff_config_keep(r->config, key->text);
	}
	if (!receiver->form) {
		complain_form(r, receiver);
		return;
	}
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		const struct ff_config_option *option =
			ff_config_option_find(FF_SECTION_NOTIFY, key->text);
		struct ff_place place = ff_read_place(r, key);

		if (option && !ff_option_is_for(option, receiver->form))
			ff_mistakes_add(r->problems, &place, "'%s' is for %s, not for '%s'",
					option->key, option->only, receiver->form);
	}
}

static void read_receiver(struct ff_reader *r, const struct ff_yaml_node *node,
			  struct ff_config_receiver *receiver)
{
	unsigned usual = 1U << FF_NOTIFY_FAILURE | 1U << FF_NOTIFY_RECOVERY;
	char have[FF_READ_GOT_MAX];

	receiver->place = ff_read_place(r, node);
	if (node->kind != FF_YAML_MAPPING) {
		ff_mistakes_add(
			r->problems, &receiver->place,
			"who is told is a mapping with 'webhook', 'email' or the like, got %s",
			ff_read_got(node, have));
		return;
	}
	ff_read_defaults(FF_SECTION_NOTIFY, receiver);
	ff_read_section(r, FF_SECTION_NOTIFY, node, receiver);
	settle_form(r, receiver, node);
	if (receiver->form && strstr(receiver->form, "_status"))
		usual = 1U << FF_NOTIFY_START | 1U << FF_NOTIFY_FINISH;
	if (!receiver->on)
		receiver->on = usual;
}

/* "slack", and "slack-2" for a second without a name. */
static void settle_names(struct ff_reader *r)
{
	struct ff_config *config = r->config;
	struct ff_map names = FF_MAP_INIT;

	for (size_t i = 0; i < config->receivers_len; i++) {
		struct ff_config_receiver *receiver = &config->receivers[i];

		if (!receiver->name)
			continue;
		if (ff_map_get(&names, receiver->name))
			ff_mistakes_add(r->problems, &receiver->place,
					"two of 'notify' are named '%s'", receiver->name);
		else if (ff_map_set(&names, receiver->name, receiver))
			ff_mistakes_add(r->problems, NULL, "%s", ff_err_text(FF_ENOMEM));
	}
	for (size_t i = 0; i < config->receivers_len; i++) {
		struct ff_config_receiver *receiver = &config->receivers[i];
		const char *form = receiver->form ? receiver->form : "";
		char name[64];

		if (receiver->name)
			continue;
		snprintf(name, sizeof(name), "%s", form);
		for (int number = 2; ff_map_get(&names, name); number++)
			snprintf(name, sizeof(name), "%s-%d", form, number);
		receiver->name = ff_config_keep(config, name);
		if (ff_map_set(&names, receiver->name, receiver))
			ff_mistakes_add(r->problems, NULL, "%s", ff_err_text(FF_ENOMEM));
	}
	ff_map_release(&names);
}

bool ff_read_receivers(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node, void *member)
{
	struct ff_config *config = r->config;

	if (node->kind != FF_YAML_LIST)
		return false;
	if (node->len > FF_CONFIG_RECEIVERS_MAX) {
		r->at = ff_read_place(r, node);
		ff_mistakes_add(r->problems, &r->at, "more than %d are to be told",
				FF_CONFIG_RECEIVERS_MAX);
		return true;
	}
	config->receivers = ff_config_take(config, node->len * sizeof(*config->receivers));
	config->receivers_len = node->len;
	for (size_t i = 0; i < node->len; i++)
		read_receiver(r, node->items[i], &config->receivers[i]);
	settle_names(r);
	return true;
}

/* --- secrets --- */

static int reveal(struct ff_config *config, struct ff_config_text *text,
		  void (*each)(void *ctx, const char *value), void *ctx, struct ff_err *err)
{
	int rc = text->secret ? ff_config_reveal_secret(config, text->secret, err) : 0;

	if (rc == 0 && text->secret)
		each(ctx, text->secret->value);
	return rc;
}

int ff_config_reveal_receivers(struct ff_config *config, void (*each)(void *ctx, const char *value),
			       void *ctx, struct ff_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < config->receivers_len && !rc; i++) {
		struct ff_config_receiver *receiver = &config->receivers[i];
		struct ff_config_text *const texts[] = {&receiver->url,	     &receiver->hmac_key,
							&receiver->token,    &receiver->smtp,
							&receiver->password, &receiver->api};

		for (size_t j = 0; j < sizeof(texts) / sizeof(*texts) && !rc; j++)
			rc = reveal(config, texts[j], each, ctx, err);
		for (size_t j = 0; j < receiver->headers_len && !rc; j++)
			rc = reveal(config, &receiver->headers[j].value, each, ctx, err);
		for (size_t j = 0; j < receiver->env_len && !rc; j++)
			rc = reveal(config, &receiver->env[j].value, each, ctx, err);
	}
	return rc;
}
