/* Config's host entries to hosts: ranges expanded, xspecs parsed, defaults filled in, names made
 * unique, references checked. */
#include "inventory/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "inventory/private.h"

enum { SLOTS_MAX = 100000 };

/* X(key, member, needs a value): the keys that say how to reach a host, as far as they are xspec's.
 */
#define TRANSPORT_MAP(X)                                                                           \
	X("popen", popen, false)                                                                   \
	X("ssh=", ssh, true)                                                                       \
	X("socket=", socket, true)                                                                 \
	X("vagrant_ssh=", vagrant_ssh, true)                                                       \
	X("docker=", docker, true)                                                                 \
	X("podman=", podman, true)                                                                 \
	X("kubectl=", kubectl, true)                                                               \
	X("srun=", srun, false)

struct builder {
	struct ff_inventory *inventory;
	size_t cap;
	struct ff_mistakes problems;
	bool full;
};

static void give_up_on(int rc)
{
	if (rc == FF_ENOMEM)
		abort();
}

/* --- one host --- */

static bool check_transport(struct builder *b, const struct ff_place *place,
			    const struct ff_xspec *spec)
{
	static const char names[] = ""
#define X(key, member, valued) key ", "
		TRANSPORT_MAP(X)
#undef X
		;
	const char *first = NULL, *second = NULL, *empty = NULL;

#define X(key, member, valued)                                                                     \
	if (spec->member) {                                                                        \
		second = first && !second ? key : second;                                          \
		first = first ? first : key;                                                       \
		empty = (valued) && !*spec->member && !empty ? key : empty;                        \
	}
	TRANSPORT_MAP(X)
#undef X
	if (!first)
		ff_mistakes_add(&b->problems, place,
				"xspec '%s': no transport key: one of %.*s is needed", spec->text,
				(int)sizeof(names) - 3, names);
	else if (second)
		ff_mistakes_add(&b->problems, place,
				"xspec '%s': two transport keys, %.*s and %.*s", spec->text,
				(int)strcspn(first, "="), first, (int)strcspn(second, "="), second);
	else if (empty && !(spec->socket && spec->installvia))
		ff_mistakes_add(&b->problems, place, "xspec '%s': '%.*s' names no host", spec->text,
				(int)strcspn(empty, "="), empty);
	else
		return true;
	return false;
}

static bool check_socket(struct builder *b, const struct ff_place *place,
			 const struct ff_xspec *spec)
{
	const char *colon;
	long port;

	if (!spec->socket || spec->installvia)
		return true;
	colon = strrchr(spec->socket, ':');
	port = colon && colon[1] && !colon[1 + strspn(colon + 1, "0123456789")]
		       ? strtol(colon + 1, NULL, 10)
		       : 0;
	if (port >= 1 && port <= 65535 && colon > spec->socket)
		return true;
	ff_mistakes_add(&b->problems, place, "xspec '%s': 'socket' wants HOST:PORT, got '%s'",
			spec->text, spec->socket);
	return false;
}

/* execnet keeps keys that it does not know; near misses are refused here. */
static bool check_unknown(struct builder *b, const struct ff_place *place,
			  const struct ff_xspec *spec)
{
	for (size_t i = 0; i < spec->unknown.len; i++) {
		const char *entry = spec->unknown.v[i];
		char *key = ff_xstrndup(entry, strcspn(entry, "="));
		char hint[FF_SUGGEST_TEXT_MAX];
		struct ff_suggest suggest;

		ff_suggest_init(&suggest, key);
#define X(known, member) ff_suggest_offer(&suggest, known);
		FF_XSPEC_KEYS(X)
#undef X
		if (suggest.best)
			ff_mistakes_add(&b->problems, place, "xspec '%s': unknown key '%s'%s",
					spec->text, key, ff_suggest_text(&suggest, hint));
		ff_free(key);
		if (suggest.best)
			return false;
	}
	return true;
}

bool ff_is_word(const char *text)
{
	return *text && *text != '@' && !text[strcspn(text, ", \t\r\n!&")];
}

/* "ssh=-p 22 jo@build1" is build1, "socket=h:8888" is h:8888, "popen" is popen. */
static char *host_of(const struct ff_xspec *spec)
{
	struct ff_buf label = FF_BUF_INIT;
	const char *text, *equals, *at;
	char *host;

	give_up_on(ff_xspec_label(&label, spec));
	text = ff_buf_str(&label);
	equals = strchr(text, '=');
	if (equals && equals[1])
		text = equals + 1;
	at = strrchr(text, '@');
	if (at && at[1])
		text = at + 1;
	host = ff_xstrdup(text);
	ff_buf_release(&label);
	return host;
}

static bool check_name(struct builder *b, const struct ff_place *place, const struct ff_xspec *spec)
{
	char *name = host_of(spec);
	const char *fault = ff_host_fault(spec, name);

	if (fault)
		ff_mistakes_add(&b->problems, place, "xspec '%s': '%s' can't be a host%s",
				spec->text, name, fault);
	ff_free(name);
	return !fault;
}

static bool add_tags(struct builder *b, struct ff_host *host, const struct ff_config_host *config)
{
	char *copy = ff_xstrdup(host->spec.tags), *rest = copy, *tag;
	struct ff_strv tags = FF_STRV_INIT;
	bool ok = true;

	if (config->tags.len)
		give_up_on(ff_strv_add_all(&tags, config->tags.v));
	while ((tag = strsep(&rest, ",")))
		give_up_on(ff_strv_add(&tags, tag));
	for (size_t i = 0; i < tags.len && ok; i++) {
		ok = ff_is_word(tags.v[i]);
		if (!ok)
			ff_mistakes_add(&b->problems, &host->place,
					"'%s' can't be a tag: no blanks, commas, '!', '&' or '@'",
					tags.v[i]);
	}
	ff_config_merge(&host->tags, &tags, '\0');
	ff_strv_release(&tags);
	ff_free(copy);
	return ok;
}

static void fill_in(struct ff_xspec *spec, const char *key, const char *own, const char *value)
{
	/* Values were checked by config; the spec's own key wins. */
	if (!own && value)
		give_up_on(ff_xspec_set(spec, key, value));
}

static void merge(struct ff_host *host, const struct ff_config_host *config)
{
	struct ff_xspec *spec = &host->spec;

	fill_in(spec, "python", spec->python, config->python);
	fill_in(spec, "chdir", spec->chdir, config->chdir);
	fill_in(spec, "nice", spec->nice, config->nice);
	fill_in(spec, "worker", spec->worker, config->worker);
	ff_config_merge(&spec->env, &config->env, '=');
}

static bool set_slots(struct builder *b, struct ff_host *host, const struct ff_config_host *config,
		      int64_t times)
{
	int64_t each = host->spec.slots ? strtoll(host->spec.slots, NULL, 10) : config->slots;

	each = (each ? each : 1) * times;
	if (each > SLOTS_MAX) {
		ff_mistakes_add(&b->problems, &host->place, "xspec '%s': more than %d slots",
				config->spec, SLOTS_MAX);
		return false;
	}
	host->slots = (uint32_t)each;
	return true;
}

void ff_host_release(struct ff_host *host)
{
	ff_free(host->name);
	ff_xspec_release(&host->spec);
	ff_strv_release(&host->tags);
}

/* `spec` has no range and no "N*" any more. False: something was wrong with it. */
static bool add_host(struct builder *b, const struct ff_config_host *config, const char *spec,
		     int64_t times, const char *name)
{
	struct ff_host host = {.place = config->place, .memory = config->memory};
	struct ff_inventory *inventory = b->inventory;
	struct ff_err err;
	int rc = ff_xspec_parse(&host.spec, spec, &err);

	if (rc) {
		ff_mistakes_add(&b->problems, &host.place, "%s", err.text);
		return false;
	}
	merge(&host, config);
	if (!check_unknown(b, &host.place, &host.spec) ||
	    !check_transport(b, &host.place, &host.spec) ||
	    !check_socket(b, &host.place, &host.spec) || !check_name(b, &host.place, &host.spec) ||
	    !add_tags(b, &host, config) || !set_slots(b, &host, config, times)) {
		ff_host_release(&host);
		return false;
	}
	if (!name && host.spec.id && *host.spec.id && !ff_is_word(host.spec.id)) {
		ff_mistakes_add(&b->problems, &host.place,
				"'%s' can't name a host: no blanks, commas, '!', '&' or '@'",
				host.spec.id);
		ff_host_release(&host);
		return false;
	}
	if (name || (host.spec.id && *host.spec.id))
		host.name = ff_xstrdup(name ? name : host.spec.id);
	give_up_on(ff_xspec_set(&host.spec, "id", NULL));
	host.local = host.spec.popen && !host.spec.via;
	host.index = (uint32_t)inventory->len;
	if (inventory->len == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 16;
		inventory->hosts =
			ff_xrealloc(inventory->hosts, b->cap * sizeof(*inventory->hosts));
	}
	inventory->hosts[inventory->len++] = host;
	return true;
}

/* --- one entry: N*, ranges --- */

/* How much of a part is in front of what may be a set of hosts: "ssh=" in "ssh=n[1-3],m1". What ssh
 * or srun take beside a host has commas of its own. 0: it is none. */
static size_t before_set(const char *part)
{
	size_t len = strcspn(part, "=");
	bool known = !strncmp(part, "id=", 3);

#define X(key, member, valued) known = known || (!strncmp(part, key, len + 1) && part[len] == '=');
	TRANSPORT_MAP(X)
#undef X
	if (!known || !ff_is_set(part + len + 1) || part[len + 1] == '-' ||
	    strpbrk(part, " @\"'\\^"))
		return 0;
	return len + 1;
}

static int expand_part(struct ff_strv *values, char *part, struct ff_err *err)
{
	struct ff_strv names = FF_STRV_INIT;
	size_t before = before_set(part), len = strlen(part);
	const char *tail = "";
	int rc;

	if (!before)
		return ff_range_expand(values, part, err);
	if (len >= 2 && !strcmp(part + len - 2, "//")) {
		part[len - 2] = '\0';
		tail = "//";
	}
	rc = ff_set_expand(&names, part + before, err);
	if (rc)
		rc = ff_err_set(err, rc, "xspec '%s': %s", part, err->text);
	for (size_t i = 0; i < names.len && !rc; i++)
		give_up_on(ff_strv_addf(values, "%.*s%s%s", (int)before, part, names.v[i], tail));
	ff_strv_release(&names);
	return rc;
}

/* Ranges are looked for in all parts but env:NAME=value. */
static int expand_spec(struct ff_strv *out, const char *spec, struct ff_err *err)
{
	struct ff_strv done = FF_STRV_INIT;
	int rc = 0;

	give_up_on(ff_strv_add(&done, ""));
	while (spec && !rc) {
		const char *next = strstr(spec, "//");
		char *part = ff_xstrndup(spec, next ? (size_t)(next - spec) + 2 : strlen(spec));
		struct ff_strv values = FF_STRV_INIT, longer = FF_STRV_INIT;

		if (!strncmp(part, "env:", 4))
			give_up_on(ff_strv_add(&values, part));
		else
			rc = expand_part(&values, part, err);
		if (!rc && done.len * values.len > FF_INVENTORY_MAX)
			rc = ff_err_set(err, FF_EINVAL, "more than %d hosts", FF_INVENTORY_MAX);
		for (size_t i = 0; i < done.len && !rc; i++)
			for (size_t j = 0; j < values.len; j++)
				give_up_on(ff_strv_addf(&longer, "%s%s", done.v[i], values.v[j]));
		ff_strv_release(&values);
		ff_strv_release(&done);
		ff_free(part);
		done = longer;
		spec = next ? next + 2 : NULL;
	}
	if (!rc)
		give_up_on(ff_strv_add_all(out, done.v));
	ff_strv_release(&done);
	return rc;
}

static int expand_entry(const struct ff_config_host *config, const char *spec,
			struct ff_strv *specs, struct ff_strv *names, struct ff_err *err)
{
	struct ff_strv same = FF_STRV_INIT;
	int rc = expand_spec(specs, spec, err);

	if (rc || !config->name)
		return rc;
	rc = ff_set_expand(names, config->name, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < names->len; i++)
		if (!ff_is_word(names->v[i]))
			return ff_err_set(
				err, FF_EINVAL,
				"'%s' can't name a host: no blanks, commas, '!', '&' or '@'",
				names->v[i]);
	/* Several hosts of the same kind: "popen" named "m[01-20]". */
	for (size_t i = 1; specs->len == 1 && i < names->len; i++)
		give_up_on(ff_strv_add(&same, specs->v[0]));
	if (same.len)
		give_up_on(ff_strv_add_all(specs, same.v));
	ff_strv_release(&same);
	if (names->len != specs->len)
		return ff_err_set(err, FF_EINVAL, "name '%s' gives %zu name%s for %zu host%s",
				  config->name, names->len, names->len == 1 ? "" : "s", specs->len,
				  specs->len == 1 ? "" : "s");
	return 0;
}

static void add_entry(struct builder *b, const struct ff_config_host *config)
{
	struct ff_strv specs = FF_STRV_INIT, names = FF_STRV_INIT;
	size_t digits = strspn(config->spec, "0123456789");
	const char *spec = config->spec;
	int64_t times = 1;
	struct ff_err err;
	bool ok = true;

	if (digits && spec[digits] == '*') {
		times = digits <= 6 ? strtoll(spec, NULL, 10) : 0;
		spec += digits + 1;
		if (times < 1 || times > SLOTS_MAX) {
			ff_mistakes_add(&b->problems, &config->place,
					"xspec '%s': N* wants a number from 1 to %d", config->spec,
					SLOTS_MAX);
			return;
		}
	}
	if (expand_entry(config, spec, &specs, &names, &err)) {
		ff_mistakes_add(&b->problems, &config->place, "%s", err.text);
	} else if (specs.len > FF_INVENTORY_MAX - b->inventory->len) {
		if (!b->full)
			ff_mistakes_add(&b->problems, &config->place, "more than %d hosts",
					FF_INVENTORY_MAX);
		b->full = true;
	} else {
		for (size_t i = 0; i < specs.len && ok; i++)
			ok = add_host(b, config, specs.v[i], times, names.len ? names.v[i] : NULL);
	}
	ff_strv_release(&specs);
	ff_strv_release(&names);
}

/* --- all of them --- */

static char *name_from_spec(const struct ff_xspec *spec)
{
	char *name = host_of(spec);

	for (char *p = name; *p; p++)
		if (strchr(", \t\r\n!&", *p))
			*p = '_';
	return name;
}

static void *number_of(const struct ff_host *host)
{
	return (void *)((uintptr_t)host->index + 1);
}

static void name_given(struct builder *b, struct ff_host *host)
{
	uintptr_t taken = (uintptr_t)ff_map_get(&b->inventory->names, host->name);

	if (taken) {
		const struct ff_place *first = &b->inventory->hosts[taken - 1].place;

		if (first->line)
			ff_mistakes_add(&b->problems, &host->place,
					"duplicate host name '%s' (first at %s:%d:%d)", host->name,
					first->file, first->line, first->column);
		else
			ff_mistakes_add(&b->problems, &host->place, "duplicate host name '%s'",
					host->name);
		return;
	}
	give_up_on(ff_map_set(&b->inventory->names, host->name, number_of(host)));
}

/* `repeats` remembers for each name the last suffix that was given. */
static void name_unnamed(struct builder *b, struct ff_host *host, struct ff_map *repeats)
{
	char *base = name_from_spec(&host->spec), *name = ff_xstrdup(base);
	uintptr_t n = (uintptr_t)ff_map_get(repeats, base);

	if (!n)
		n = 1;
	while (ff_map_get(&b->inventory->names, name)) {
		ff_free(name);
		name = ff_xasprintf("%s-%zu", base, (size_t)++n);
	}
	give_up_on(ff_map_set(repeats, base, (void *)n));
	give_up_on(ff_map_set(&b->inventory->names, name, number_of(host)));
	ff_free(base);
	host->name = name;
}

static void name_hosts(struct builder *b)
{
	struct ff_inventory *inventory = b->inventory;
	struct ff_map repeats = FF_MAP_INIT;

	for (size_t i = 0; i < inventory->len; i++)
		if (inventory->hosts[i].name)
			name_given(b, &inventory->hosts[i]);
	for (size_t i = 0; i < inventory->len; i++)
		if (!inventory->hosts[i].name)
			name_unnamed(b, &inventory->hosts[i], &repeats);
	ff_map_release(&repeats);
}

/* Behind the groups, which are tags from then on. */
static void note_tags(struct ff_inventory *inventory)
{
	for (size_t i = 0; i < inventory->len; i++) {
		const struct ff_host *host = &inventory->hosts[i];

		for (size_t j = 0; j < host->tags.len; j++)
			if (!ff_map_get(&inventory->tags, host->tags.v[j]))
				give_up_on(ff_map_set(&inventory->tags, host->tags.v[j],
						      number_of(host)));
	}
}

static const struct ff_host *host_named(const struct builder *b, const char *name)
{
	uintptr_t number = (uintptr_t)ff_map_get(&b->inventory->names, name);

	return number ? &b->inventory->hosts[number - 1] : NULL;
}

static void complain_via(struct builder *b, const struct ff_host *host, const char *key,
			 const char *via)
{
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, via);
	for (size_t i = 0; i < b->inventory->len && !ff_mistakes_full(&b->problems); i++)
		ff_suggest_offer(&suggest, b->inventory->hosts[i].name);
	ff_mistakes_add(&b->problems, &host->place, "xspec '%s': %s names '%s', which is no host%s",
			host->spec.text, key, via, ff_suggest_text(&suggest, hint));
}

/* What is known of the way to a host over others. */
enum way { UNKNOWN, ON_IT, KNOWN };

/* Follows the way of one host until it ends or meets one that is known. True: something was wrong
 * with this host. */
static bool check_via(struct builder *b, const struct ff_host *host, unsigned char *ways)
{
	const char *key = host->spec.via ? "via" : "installvia";
	const char *via = host->spec.via ? host->spec.via : host->spec.installvia;
	const struct ff_host *at = via ? host_named(b, via) : NULL;
	bool wrong = via && !at, circle;

	if (wrong)
		complain_via(b, host, key, via);
	ways[host->index] = ways[host->index] == KNOWN ? KNOWN : ON_IT;
	while (at && ways[at->index] == UNKNOWN) {
		ways[at->index] = ON_IT;
		at = at->spec.via ? host_named(b, at->spec.via) : NULL;
	}
	circle = at && ways[at->index] == ON_IT;
	if (circle)
		ff_mistakes_add(&b->problems, &host->place, "xspec '%s': %s leads back to itself",
				host->spec.text, key);
	/* All that was passed need not be passed again. */
	for (at = host; at && ways[at->index] == ON_IT;) {
		ways[at->index] = KNOWN;
		via = at == host && !at->spec.via ? at->spec.installvia : at->spec.via;
		at = via ? host_named(b, via) : NULL;
	}
	return wrong || circle;
}

/* With hosts missing, references to them would be complained about, too; and the hosts of one entry
 * have the same fault. */
static void check_vias(struct builder *b)
{
	const struct ff_inventory *inventory = b->inventory;
	const struct ff_place *told = NULL;
	unsigned char *ways;

	if (b->problems.total)
		return;
	ways = ff_xcalloc(inventory->len + 1, sizeof(*ways));
	for (size_t i = 0; i < inventory->len; i++) {
		const struct ff_place *place = &inventory->hosts[i].place;

		if (told && told->line == place->line && told->column == place->column)
			continue;
		if (check_via(b, &inventory->hosts[i], ways))
			told = place;
	}
	ff_free(ways);
}

int ff_inventory_build(struct ff_inventory *inventory, const struct ff_config *config,
		       struct ff_err *err)
{
	struct ff_inventory built = {0};
	struct builder b = {.inventory = &built};
	int rc;

	ff_mistakes_init(&b.problems, config->path);
	for (size_t i = 0; i < config->hosts_len; i++)
		add_entry(&b, &config->hosts[i]);
	if (!built.len && !b.problems.total)
		ff_mistakes_add(&b.problems, &config->hosts_place, "the inventory has no hosts");
	name_hosts(&b);
	check_vias(&b);
	ff_groups_resolve(&built, config, &b.problems);
	note_tags(&built);
	rc = ff_mistakes_finish(&b.problems, err);
	if (rc)
		ff_inventory_release(&built);
	else
		*inventory = built;
	return rc;
}

void ff_inventory_release(struct ff_inventory *inventory)
{
	for (size_t i = 0; i < inventory->len; i++)
		ff_host_release(&inventory->hosts[i]);
	ff_free(inventory->hosts);
	ff_map_release(&inventory->names);
	ff_map_release(&inventory->tags);
	*inventory = (struct ff_inventory){0};
}
