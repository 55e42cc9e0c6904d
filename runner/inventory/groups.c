/* Groups: names for sets of hosts. A group becomes a tag of its hosts, so that whatever chooses by
 * tags chooses by groups. Those that others are made of come first. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "inventory/private.h"

enum state { UNKNOWN, ON_IT, KNOWN };

struct resolver {
	struct ff_inventory *inventory;
	const struct ff_config *config;
	struct ff_mistakes *problems;
	struct ff_map numbers; /* of groups by name: index + 1 */
	unsigned char *states; /* enum state, of each group */
	size_t *way; /* of groups that are being looked at, each of which names the next */
	size_t way_len;
	/* Tags that hosts had before: index + 1 of the first host as a pointer. */
	struct ff_map tags;
};

static void give_up_on(int rc)
{
	if (rc == FF_ENOMEM)
		abort();
}

/* "a -> b -> a" */
static void complain_circle(struct resolver *r, size_t back)
{
	const struct ff_config_group *groups = r->config->groups;
	struct ff_buf way = FF_BUF_INIT;
	size_t at = 0;

	while (r->way[at] != back)
		at++;
	for (; at < r->way_len; at++)
		give_up_on(ff_buf_addf(&way, "%s -> ", groups[r->way[at]].name));
	ff_mistakes_add(r->problems, &groups[back].place, "group '%s' leads back to itself: %s%s",
			groups[back].name, ff_buf_str(&way), groups[back].name);
	ff_buf_release(&way);
}

static void resolve(struct resolver *r, size_t number);

/* A pattern's term may be a group, or with wildcards several; of itself it need not be told. */
static void resolve_term(struct resolver *r, size_t number, const struct ff_term *term)
{
	const struct ff_config *config = r->config;

	for (size_t i = 0; i < config->groups_len; i++) {
		if (!ff_term_names(term, config->groups[i].name))
			continue;
		if (i == number && !ff_term_is_literal(term))
			continue;
		if (r->states[i] == ON_IT)
			complain_circle(r, i);
		else if (r->states[i] == UNKNOWN)
			resolve(r, i);
	}
}

static bool is_everything(const struct ff_term *term)
{
	return !term->group && ((term->len == 1 && *term->text == '*') ||
				(term->len == 3 && !strncmp(term->text, "all", 3)));
}

static void resolve_terms(struct resolver *r, size_t number)
{
	const char *at = r->config->groups[number].pattern;
	struct ff_term term;

	while (ff_term_next(&at, &term)) {
		char *word;
		uintptr_t group;

		if (is_everything(&term))
			continue;
		if (!ff_term_is_literal(&term)) {
			resolve_term(r, number, &term);
			continue;
		}
		word = ff_xstrndup(term.text, term.len);
		group = (uintptr_t)ff_map_get(&r->numbers, word);
		ff_free(word);
		if (group && r->states[group - 1] == ON_IT)
			complain_circle(r, group - 1);
		else if (group && r->states[group - 1] == UNKNOWN)
			resolve(r, group - 1);
	}
}

/* A plain term that is nothing at all is a slip of the pen, whatever the others give. */
static void check_terms(struct resolver *r, const struct ff_config_group *group)
{
	const char *at = group->pattern;
	struct ff_term term;

	while (ff_term_next(&at, &term)) {
		char hint[FF_SUGGEST_TEXT_MAX];
		bool known = is_everything(&term) || term.sign;
		char *word =
			ff_xasprintf("%s%.*s", term.group ? "@" : "", (int)term.len, term.text);

		known = known || ff_map_get(&r->numbers, word + term.group) ||
			(ff_term_is_literal(&term) &&
			 ((!term.group && ff_map_get(&r->inventory->names, word)) ||
			  ff_map_get(&r->tags, word + term.group)));
		for (size_t i = 0; i < r->inventory->len && !known; i++)
			known = ff_host_matches(&r->inventory->hosts[i], word);
		if (!known)
			ff_mistakes_add(r->problems, &group->place,
					"group '%s': no host matches '%s'%s", group->name, word,
					ff_inventory_suggest(r->inventory, word, hint));
		ff_free(word);
	}
}

static void give_tag(struct resolver *r, const struct ff_config_group *group)
{
	for (size_t i = 0; i < r->inventory->len; i++) {
		struct ff_host *host = &r->inventory->hosts[i];

		if (*group->pattern && ff_host_matches(host, group->pattern))
			give_up_on(ff_strv_add(&host->tags, group->name));
	}
}

/* The depth is bounded by FF_CONFIG_GROUPS_MAX. */
static void resolve(struct resolver *r, size_t number)
{
	const struct ff_config_group *group = &r->config->groups[number];

	r->states[number] = ON_IT;
	r->way[r->way_len++] = number;
	resolve_terms(r, number);
	r->way_len--;
	r->states[number] = KNOWN;
	check_terms(r, group);
	give_tag(r, group);
}

static bool check_group(struct resolver *r, size_t number)
{
	const struct ff_config_group *group = &r->config->groups[number];
	size_t had = r->problems->total;
	struct ff_err err;

	if (!ff_is_word(group->name) || strpbrk(group->name, "*?[]\\"))
		ff_mistakes_add(r->problems, &group->place,
				"'%s' can't name a group: no blanks, commas, nor any of !&@*?[]\\",
				group->name);
	else if (!strcmp(group->name, "all"))
		ff_mistakes_add(r->problems, &group->place, "'all' is every host anyway");
	else if (ff_map_get(&r->inventory->names, group->name))
		ff_mistakes_add(r->problems, &group->place, "group '%s' is a host, too",
				group->name);
	else if (ff_map_get(&r->tags, group->name))
		ff_mistakes_add(
			r->problems, &group->place, "group '%s' is a tag of host '%s', too",
			group->name,
			r->inventory->hosts[(uintptr_t)ff_map_get(&r->tags, group->name) - 1].name);
	else if (ff_map_get(&r->numbers, group->name))
		ff_mistakes_add(r->problems, &group->place, "group '%s' is there twice",
				group->name);
	if (*group->pattern && ff_pattern_check(group->pattern, &err))
		ff_mistakes_add(r->problems, &group->place, "group '%s': %s", group->name,
				err.text);
	give_up_on(ff_map_set(&r->numbers, group->name, (void *)(uintptr_t)(number + 1)));
	return r->problems->total == had;
}

void ff_groups_resolve(struct ff_inventory *inventory, const struct ff_config *config,
		       struct ff_mistakes *problems)
{
	struct resolver r = {.inventory = inventory, .config = config, .problems = problems};
	bool ok = true;

	/* With hosts missing, groups would be complained about, too. */
	if (!config->groups_len || problems->total)
		return;
	for (size_t i = 0; i < inventory->len; i++)
		for (size_t j = 0; j < inventory->hosts[i].tags.len; j++)
			give_up_on(ff_map_set(&r.tags, inventory->hosts[i].tags.v[j],
					      (void *)(uintptr_t)(i + 1)));
	for (size_t i = 0; i < config->groups_len; i++)
		ok = check_group(&r, i) && ok;
	r.states = ff_xcalloc(config->groups_len, sizeof(*r.states));
	r.way = ff_xcalloc(config->groups_len, sizeof(*r.way));
	for (size_t i = 0; i < config->groups_len && ok; i++)
		if (r.states[i] == UNKNOWN)
			resolve(&r, i);
	ff_map_release(&r.numbers);
	ff_map_release(&r.tags);
	ff_free(r.states);
	ff_free(r.way);
}
