/* What Ansible's inventories answer to --list, as hosts and groups: the variables that say how a
 * host is reached become an xspec. A variable counts from where it is nearest: the host's own, its
 * groups', the groups' that have those as children, that of "all". */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "config/private.h"
#include "config/read.h"

#define META "_meta"

struct indexes {
	size_t *v, len, cap;
};

struct member {
	const char *name;
	const struct ff_yaml_node *place;
	const struct ff_yaml_node *vars; /* its own; NULL */
	struct indexes groups;		 /* that list it */
};

struct reading {
	struct ff_reader *r;
	const struct ff_yaml_node *root;
	struct ff_map numbers; /* of members: index + 1 */
	struct member *members;
	size_t len, cap;
	struct ff_map groups;	 /* index of the root's pair + 1 */
	struct indexes *parents; /* of each of the root's pairs */
};

static void give_up_on(int rc)
{
	if (rc == FF_ENOMEM)
		abort();
}

static void add_index(struct indexes *indexes, size_t index)
{
	if (indexes->len == indexes->cap) {
		indexes->cap = indexes->cap ? indexes->cap * 2 : 2;
		indexes->v = ff_xrealloc(indexes->v, indexes->cap * sizeof(*indexes->v));
	}
	indexes->v[indexes->len++] = index;
}

static void complain(struct reading *reading, const struct ff_yaml_node *node, const char *key,
		     const char *want)
{
	struct ff_place place = ff_read_place(reading->r, node);

	ff_mistakes_add(reading->r->problems, &place, "'%s' wants %s", key, want);
}

static bool is_text(const struct ff_yaml_node *node)
{
	return node && node->kind == FF_YAML_SCALAR && !ff_yaml_is_null(node) && node->len;
}

/* --- who there is --- */

static struct member *member_named(struct reading *reading, const struct ff_yaml_node *name)
{
	uintptr_t number = (uintptr_t)ff_map_get(&reading->numbers, name->text);

	if (number)
		return &reading->members[number - 1];
	if (reading->len == reading->cap) {
		reading->cap = reading->cap ? reading->cap * 2 : 16;
		reading->members =
			ff_xrealloc(reading->members, reading->cap * sizeof(*reading->members));
	}
	reading->members[reading->len++] = (struct member){.name = name->text, .place = name};
	give_up_on(ff_map_set(&reading->numbers, name->text, (void *)(uintptr_t)reading->len));
	return &reading->members[reading->len - 1];
}

static const struct ff_yaml_node *hosts_of(const struct ff_yaml_node *group)
{
	return group->kind == FF_YAML_LIST ? group : ff_read_find(group, "hosts");
}

static void add_member(struct reading *reading, const struct ff_yaml_node *name, size_t group)
{
	if (is_text(name))
		add_index(&member_named(reading, name)->groups, group);
	else
		complain(reading, name, "hosts", "names of hosts");
}

/* A group's hosts are a list; as YAML they may be a mapping to their variables, too. */
static void gather(struct reading *reading, size_t group)
{
	const struct ff_yaml_node *hosts = hosts_of(reading->root->pairs[group].value);

	if (!hosts || ff_yaml_is_null(hosts))
		return;
	if (hosts->kind != FF_YAML_LIST && hosts->kind != FF_YAML_MAPPING) {
		complain(reading, hosts, "hosts", "a list of names");
		return;
	}
	for (size_t i = 0; i < hosts->len; i++) {
		bool listed = hosts->kind == FF_YAML_LIST;
		const struct ff_yaml_node *name = listed ? hosts->items[i] : hosts->pairs[i].key;

		add_member(reading, name, group);
		if (!listed && hosts->pairs[i].value->kind == FF_YAML_MAPPING)
			member_named(reading, name)->vars = hosts->pairs[i].value;
	}
}

static void take_own_vars(struct reading *reading)
{
	const struct ff_yaml_node *meta = ff_read_find(reading->root, META);
	const struct ff_yaml_node *vars = meta ? ff_read_find(meta, "hostvars") : NULL;

	for (size_t i = 0; vars && vars->kind == FF_YAML_MAPPING && i < vars->len; i++)
		if (vars->pairs[i].value->kind == FF_YAML_MAPPING)
			member_named(reading, vars->pairs[i].key)->vars = vars->pairs[i].value;
}

/* --- variables --- */

static const struct ff_yaml_node *group_var(const struct reading *reading, size_t group,
					    const char *key)
{
	const struct ff_yaml_node *vars = ff_read_find(reading->root->pairs[group].value, "vars");

	return vars ? ff_read_find(vars, key) : NULL;
}

static void add_parent(struct reading *reading, const struct ff_yaml_node *child, size_t parent)
{
	uintptr_t group = is_text(child) ? (uintptr_t)ff_map_get(&reading->groups, child->text) : 0;

	if (group)
		add_index(&reading->parents[group - 1], parent);
}

static void find_parents(struct reading *reading)
{
	const struct ff_yaml_node *root = reading->root;

	reading->parents = ff_xcalloc(root->len + 1, sizeof(*reading->parents));
	for (size_t i = 0; i < root->len; i++) {
		const struct ff_yaml_node *children =
			ff_read_find(root->pairs[i].value, "children");
		bool listed = children && children->kind == FF_YAML_LIST;

		if (!children || children->kind == FF_YAML_SCALAR)
			continue;
		for (size_t j = 0; j < children->len; j++)
			add_parent(reading, listed ? children->items[j] : children->pairs[j].key,
				   i);
	}
}

/* From the host's groups up: breadth first, each once. */
static const struct ff_yaml_node *look_up(const struct reading *reading,
					  const struct member *member, const char *key)
{
	size_t groups = reading->root->len, len = 0;
	size_t *queue = ff_xcalloc(groups + 1, sizeof(*queue));
	bool *seen = ff_xcalloc(groups + 1, sizeof(*seen));
	const struct ff_yaml_node *found = NULL;
	const struct indexes *more = &member->groups;

	for (size_t at = 0; more && !found; more = at < len ? &reading->parents[queue[at++]] : NULL)
		for (size_t i = 0; i < more->len && !found; i++) {
			if (seen[more->v[i]])
				continue;
			seen[more->v[i]] = true;
			found = group_var(reading, more->v[i], key);
			queue[len++] = more->v[i];
		}
	ff_free(queue);
	ff_free(seen);
	return found;
}

/* Text or number; NULL: it is not set. */
static const char *var(const struct reading *reading, const struct member *member, const char *key)
{
	const struct ff_yaml_node *found = member->vars ? ff_read_find(member->vars, key) : NULL;
	uintptr_t all = (uintptr_t)ff_map_get(&reading->groups, "all");

	if (!found)
		found = look_up(reading, member, key);
	if (!found && all)
		found = group_var(reading, all - 1, key);
	return is_text(found) ? found->text : NULL;
}

/* --- hosts --- */

/* `text` as one of the words that ssh is given. */
static void add_word(struct ff_buf *spec, const char *option, const char *text)
{
	ff_buf_addf(spec, "%s ", option);
	ff_shell_quote(spec, text);
	ff_buf_addch(spec, ' ');
}

static void make_ssh(struct reading *reading, const struct member *member, struct ff_buf *spec)
{
	const char *port = var(reading, member, "ansible_port");
	const char *user = var(reading, member, "ansible_user");
	const char *key = var(reading, member, "ansible_ssh_private_key_file");
	const char *args = var(reading, member, "ansible_ssh_common_args");
	const char *address = var(reading, member, "ansible_host");

	ff_buf_addstr(spec, "ssh=");
	if (args)
		ff_buf_addf(spec, "%s ", args);
	if (port)
		add_word(spec, "-p", port);
	if (key)
		add_word(spec, "-i", key);
	ff_buf_addf(spec, "%s%s%s", user ? user : "", user ? "@" : "",
		    address ? address : member->name);
}

static void make_spec(struct reading *reading, const struct member *member, struct ff_buf *spec)
{
	static const char *const containers[] = {"docker", "podman", "kubectl"};
	const char *own = var(reading, member, "farflung_spec");
	const char *connection = var(reading, member, "ansible_connection");
	const char *address = var(reading, member, "ansible_host");
	struct ff_place place = ff_read_place(reading->r, member->place);

	if (own) {
		ff_buf_addstr(spec, own);
		return;
	}
	for (size_t i = 0; connection && i < 3; i++) {
		const char *name = strrchr(connection, '.');

		/* "community.docker.docker" */
		if (strcmp(name ? name + 1 : connection, containers[i]) == 0) {
			ff_buf_addf(spec, "%s=%s", containers[i], address ? address : member->name);
			return;
		}
	}
	if (connection && !strcmp(connection, "local"))
		ff_buf_addstr(spec, "popen");
	else if (!connection || !strcmp(connection, "ssh") || !strcmp(connection, "smart") ||
		 !strcmp(connection, "paramiko"))
		make_ssh(reading, member, spec);
	else
		ff_mistakes_add(
			reading->r->problems, &place,
			"host '%s': ansible_connection '%s' is not known here; farflung_spec "
			"may name an xspec",
			member->name, connection);
}

static void make_host(struct reading *reading, const struct member *member,
		      struct ff_config_host *host)
{
	const char *python = var(reading, member, "ansible_python_interpreter");
	const char *slots = var(reading, member, "farflung_slots");
	struct ff_place place = ff_read_place(reading->r, member->place);
	struct ff_buf spec = FF_BUF_INIT;

	host->place = place;
	host->name = ff_config_keep(reading->r->config, member->name);
	make_spec(reading, member, &spec);
	host->spec = ff_config_keep(reading->r->config, spec.len ? ff_buf_str(&spec) : "popen");
	if (python && strncmp(python, "auto", 4) != 0)
		host->python = ff_config_keep(reading->r->config, python);
	if (slots && ff_config_number(slots, 1, 100000, &host->slots))
		ff_mistakes_add(
			reading->r->problems, &place,
			"host '%s': farflung_slots wants a number from 1 to 100000, got '%s'",
			member->name, slots);
	ff_buf_release(&spec);
}

/* --- groups --- */

static void add_term(struct ff_buf *pattern, const char *sign, const char *name)
{
	ff_buf_addf(pattern, "%s%s%s", pattern->len ? "," : "", sign, name);
}

static void add_terms(struct ff_buf *pattern, const struct ff_yaml_node *names, const char *sign)
{
	for (size_t i = 0; names && names->kind != FF_YAML_SCALAR && i < names->len; i++) {
		const struct ff_yaml_node *name =
			names->kind == FF_YAML_LIST ? names->items[i] : names->pairs[i].key;

		if (is_text(name))
			add_term(pattern, sign, name->text);
	}
}

/* All hosts, and those in no group, have names already, or none. */
static bool is_group(const struct ff_yaml_node *key)
{
	return strcmp(key->text, META) != 0 && strcmp(key->text, "all") != 0 &&
	       strcmp(key->text, "ungrouped") != 0;
}

static void make_group(struct reading *reading, const struct ff_yaml_pair *pair,
		       struct ff_config_group *group)
{
	struct ff_config *config = reading->r->config;
	struct ff_buf pattern = FF_BUF_INIT;

	add_terms(&pattern, hosts_of(pair->value), "");
	add_terms(&pattern, ff_read_find(pair->value, "children"), "@");
	group->name = ff_config_keep(config, pair->key->text);
	group->place = ff_read_place(reading->r, pair->key);
	group->pattern = ff_config_keep(config, pattern.len ? ff_buf_str(&pattern) : "");
	ff_buf_release(&pattern);
}

static void make_groups(struct reading *reading)
{
	const struct ff_yaml_node *root = reading->root;
	struct ff_config_group *groups;
	size_t len = 0;

	for (size_t i = 0; i < root->len; i++)
		len += is_group(root->pairs[i].key);
	if (len > FF_CONFIG_GROUPS_MAX - reading->r->config->groups_len) {
		complain(reading, root, "groups", "to be no more than 10000");
		return;
	}
	groups = ff_read_more_groups(reading->r, len);
	for (size_t i = 0; i < root->len; i++)
		if (is_group(root->pairs[i].key))
			make_group(reading, &root->pairs[i], groups++);
}

static void release(struct reading *reading)
{
	for (size_t i = 0; i < reading->len; i++)
		ff_free(reading->members[i].groups.v);
	for (size_t i = 0; i < reading->root->len; i++)
		ff_free(reading->parents[i].v);
	ff_free(reading->parents);
	ff_free(reading->members);
	ff_map_release(&reading->numbers);
	ff_map_release(&reading->groups);
}

void ff_read_ansible(struct ff_reader *r, const struct ff_yaml_node *root)
{
	struct reading reading = {.r = r, .root = root};
	struct ff_config_host *hosts;

	for (size_t i = 0; i < root->len; i++) {
		const struct ff_yaml_node *value = root->pairs[i].value;
		const struct ff_yaml_node *key = root->pairs[i].key;

		if (value->kind == FF_YAML_SCALAR && !ff_yaml_is_null(value))
			complain(&reading, value, key->text,
				 "a group: a list of hosts, or a mapping with 'hosts'");
		else if (strcmp(key->text, META) != 0)
			gather(&reading, i);
		give_up_on(ff_map_set(&reading.groups, key->text, (void *)(uintptr_t)(i + 1)));
	}
	take_own_vars(&reading);
	find_parents(&reading);
	hosts = ff_read_more_hosts(r, reading.len);
	for (size_t i = 0; i < reading.len; i++)
		make_host(&reading, &reading.members[i], &hosts[i]);
	make_groups(&reading);
	release(&reading);
}
