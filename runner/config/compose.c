/* Includes, profiles and overrides: mappings laid over each other. Nodes may be shared by aliases,
 * so none is changed: what differs is a new one. */
#include "config/compose.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "config/private.h"
#include "config/vars.h"

enum {
	INCLUDE_DEPTH_MAX = 16,
	INCLUDES_MAX = 256, /* files, counting one as often as it is read */
};

struct compose {
	struct ff_reader *r;
	size_t pairs; /* that merging made */
	size_t files, bytes;
};

/* A file that is being read, and those that include it. */
struct including {
	const struct ff_yaml_source *source;
	dev_t dev;
	ino_t ino;
	bool known; /* the two are */
	const struct including *outer;
	unsigned depth;
};

bool ff_compose_hidden(const char *key)
{
	return *key == '.' || !strncmp(key, "x-", 2);
}

static void *take(struct compose *c, size_t size)
{
	void *memory = ff_arena_alloc(c->r->nodes, size ? size : 1);

	return memory ? memory : ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
}

static void complain(struct compose *c, const struct ff_yaml_node *node, const char *what,
		     const char *word)
{
	struct ff_place place = ff_read_place(c->r, node);

	ff_mistakes_add(c->r->problems, &place, what, word);
}

/* --- mappings --- */

static struct ff_yaml_node *new_mapping(struct compose *c, const struct ff_yaml_node *like,
					size_t room)
{
	struct ff_yaml_node *node = take(c, sizeof(*node));

	c->pairs += room;
	if (c->pairs > FF_YAML_NODES_MAX) {
		complain(c, like, "%s", "too many values, counting those that overrides repeat");
		room = 0;
	}
	*node = *like;
	node->len = 0;
	node->pairs = take(c, room * sizeof(*node->pairs));
	return room ? node : NULL;
}

static const struct ff_yaml_pair *find_pair(const struct ff_yaml_node *node, const char *key)
{
	for (size_t i = 0; node && node->kind == FF_YAML_MAPPING && i < node->len; i++)
		if (!strcmp(node->pairs[i].key->text, key))
			return &node->pairs[i];
	return NULL;
}

/* `over` laid over `under`, mapping by mapping: lists and texts take the place of others. */
static struct ff_yaml_node *merge(struct compose *c, struct ff_yaml_node *under,
				  struct ff_yaml_node *over, unsigned depth)
{
	struct ff_map places = FF_MAP_INIT;
	struct ff_yaml_node *merged;

	if (under->kind != FF_YAML_MAPPING || over->kind != FF_YAML_MAPPING || !under->len ||
	    !over->len || depth > FF_YAML_DEPTH_MAX || ff_vars_is_secret(over))
		return over->kind == FF_YAML_MAPPING && !over->len ? under : over;
	merged = new_mapping(c, over, under->len + over->len);
	if (!merged)
		return over;
	for (size_t i = 0; i < under->len; i++) {
		merged->pairs[merged->len++] = under->pairs[i];
		if (ff_map_set(&places, under->pairs[i].key->text, &merged->pairs[i]))
			take(c, SIZE_MAX);
	}
	for (size_t i = 0; i < over->len; i++) {
		struct ff_yaml_pair *pair = ff_map_get(&places, over->pairs[i].key->text);

		if (!pair) {
			merged->pairs[merged->len++] = over->pairs[i];
			continue;
		}
		pair->key = over->pairs[i].key;
		pair->value = merge(c, pair->value, over->pairs[i].value, depth + 1);
	}
	ff_map_release(&places);
	return merged;
}

static struct ff_yaml_node *without(struct compose *c, struct ff_yaml_node *node, const char *key)
{
	struct ff_yaml_node *rest;

	if (!find_pair(node, key))
		return node;
	rest = new_mapping(c, node, node->len);
	for (size_t i = 0; rest && i < node->len; i++)
		if (strcmp(node->pairs[i].key->text, key) != 0)
			rest->pairs[rest->len++] = node->pairs[i];
	return rest ? rest : node;
}

/* Says why the values stand there. */
static void mark(struct ff_yaml_node *node, const char *via, unsigned depth)
{
	if (!node->via)
		node->via = via;
	for (size_t i = 0;
	     depth <= FF_YAML_DEPTH_MAX && node->kind != FF_YAML_SCALAR && i < node->len; i++)
		mark(node->kind == FF_YAML_LIST ? node->items[i] : node->pairs[i].value, via,
		     depth + 1);
}

/* --- files --- */

static struct ff_yaml_node *parse_file(struct compose *c, const char *name, const char *path,
				       int fd)
{
	struct ff_yaml_source *source = take(c, sizeof(*source));
	struct ff_yaml_node *root = NULL;
	struct ff_buf text = FF_BUF_INIT;
	struct ff_err err = {0};

	source->name = ff_config_keep(c->r->config, name);
	source->directory = ff_config_directory_of(c->r->config, path);
	if (ff_config_read_fd(&text, fd, name, &err)) {
		ff_mistakes_add(c->r->problems, &(struct ff_place){.file = ""}, "%s", err.text);
	} else {
		c->bytes += text.len;
		root = ff_yaml_parse(c->r->nodes, source, ff_buf_str(&text), text.len,
				     c->r->problems);
	}
	ff_buf_release(&text);
	return root;
}

struct ff_yaml_node *ff_compose_read(struct ff_reader *r, const char *path)
{
	struct compose c = {.r = r};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct ff_yaml_node *root;

	if (fd < 0) {
		ff_mistakes_add(r->problems, &(struct ff_place){.file = ""}, "-e @%s: %s", path,
				strerror(errno));
		return NULL;
	}
	root = parse_file(&c, path, path, fd);
	close(fd);
	return root;
}

/* "a.yaml -> b.yaml -> a.yaml" */
static void complain_cycle(struct compose *c, const struct ff_yaml_node *node,
			   const struct including *from, const struct including *first)
{
	struct ff_buf chain = FF_BUF_INIT;

	ff_buf_addstr(&chain, first->source->name);
	for (; from; from = from->outer) {
		char *text = ff_xasprintf("%s -> %s", from->source->name, ff_buf_str(&chain));

		ff_buf_clear(&chain);
		ff_buf_addstr(&chain, text);
		ff_free(text);
		if (from == first)
			break;
	}
	complain(c, node, "files include each other: %s", ff_buf_str(&chain));
	ff_buf_release(&chain);
}

/* Opens it if it may be read; -1: it was said why not. */
static int open_included(struct compose *c, const struct ff_yaml_node *node, const char *path,
			 struct including *file)
{
	/* Not to wait for whoever writes into a pipe of that name. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *wrong = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		wrong = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		wrong = "it is no file";
	else if (file->depth > INCLUDE_DEPTH_MAX || ++c->files > INCLUDES_MAX ||
		 c->bytes > FF_CONFIG_FILE_MAX)
		wrong = "too many files that include each other";
	if (wrong) {
		char *text = ff_xasprintf("'%s' can't be included: %s", node->text, wrong);

		complain(c, node, "%s", text);
		ff_free(text);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	file->known = true;
	return fd;
}

static struct ff_yaml_node *with_includes(struct compose *c, struct ff_yaml_node *root,
					  const struct including *file);

static char *beside(const char *name, const char *path)
{
	const char *slash = strrchr(name, '/');

	if (*path == '/' || !slash)
		return ff_xstrdup(path);
	return ff_xasprintf("%.*s/%s", (int)(slash - name), name, path);
}

static struct ff_yaml_node *include(struct compose *c, const struct ff_yaml_node *node,
				    const struct including *from)
{
	struct including file = {.outer = from, .depth = from->depth + 1};
	struct ff_yaml_node *root = NULL;
	char *path, *name;
	int fd;

	if (node->kind != FF_YAML_SCALAR || ff_yaml_is_null(node) || !node->len) {
		complain(c, node, "%s", "'include' wants paths of files");
		return NULL;
	}
	node = ff_vars_replace(c->r, node);
	path = *node->text == '/' ? ff_xstrdup(node->text)
				  : ff_xasprintf("%s/%s", from->source->directory, node->text);
	name = beside(from->source->name, node->text);
	fd = open_included(c, node, path, &file);
	for (const struct including *outer = from; fd >= 0 && outer; outer = outer->outer) {
		if (!outer->known || outer->dev != file.dev || outer->ino != file.ino)
			continue;
		complain_cycle(c, node, from, outer);
		close(fd);
		fd = -1;
	}
	if (fd >= 0) {
		root = parse_file(c, name, path, fd);
		close(fd);
	}
	if (root && root->kind == FF_YAML_MAPPING) {
		file.source = root->source;
		root = with_includes(c, root, &file);
	} else if (root && !ff_yaml_is_null(root)) {
		complain(c, root, "%s", "the file wants a mapping of keys to values");
		root = NULL;
	} else {
		root = NULL;
	}
	ff_free(path);
	ff_free(name);
	return root;
}

static struct ff_yaml_node *with_includes(struct compose *c, struct ff_yaml_node *root,
					  const struct including *file)
{
	const struct ff_yaml_pair *pair = find_pair(root, "include");
	struct ff_yaml_node *under = NULL;
	struct ff_yaml_node *const *items;
	size_t len = 1;

	if (!pair)
		return root;
	items = &pair->value;
	if (pair->value->kind == FF_YAML_LIST) {
		items = pair->value->items;
		len = pair->value->len;
	}
	for (size_t i = 0; i < len; i++) {
		struct ff_yaml_node *one = include(c, items[i], file);

		under = under && one ? merge(c, under, one, 0) : one ? one : under;
	}
	root = without(c, root, "include");
	return under ? merge(c, under, root, 0) : root;
}

/* --- profiles --- */

static void complain_profile(struct compose *c, const struct ff_yaml_pair *pair, const char *name)
{
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, name);
	for (size_t i = 0; pair && i < pair->value->len; i++)
		ff_suggest_offer(&suggest, pair->value->pairs[i].key->text);
	ff_mistakes_add(c->r->problems, NULL,
			"--profile %s: the file has no profile of that name%s", name,
			ff_suggest_text(&suggest, hint));
}

static void check_profiles(struct compose *c, const struct ff_yaml_node *profiles)
{
	static const char *const others[] = {"include", "profiles", "version"};
	struct ff_config *config = c->r->config;

	config->profiles = ff_config_take(config, profiles->len * sizeof(*config->profiles));
	for (size_t i = 0; i < profiles->len; i++) {
		const struct ff_yaml_pair *profile = &profiles->pairs[i];

		config->profiles[config->profiles_len++] =
			ff_config_keep(config, profile->key->text);
		if (profile->value->kind != FF_YAML_MAPPING)
			complain(c, profile->value,
				 "profile '%s' wants a mapping of keys to values",
				 profile->key->text);
		for (size_t j = 0; j < sizeof(others) / sizeof(*others); j++)
			if (find_pair(profile->value, others[j]))
				complain(c, find_pair(profile->value, others[j])->key,
					 "'%s' can't stand in a profile", others[j]);
	}
}

static struct ff_yaml_node *with_profiles(struct compose *c, struct ff_yaml_node *root)
{
	const struct ff_yaml_pair *pair = find_pair(root, "profiles");
	const struct ff_strv *wanted = c->r->opts ? c->r->opts->profiles : NULL;

	if (pair && pair->value->kind != FF_YAML_MAPPING) {
		ff_read_complain(c->r, ff_config_option_find(FF_SECTION_TOP, "profiles"),
				 pair->value);
		return root;
	}
	if (pair)
		check_profiles(c, pair->value);
	for (size_t i = 0; wanted && i < wanted->len; i++) {
		const struct ff_yaml_pair *profile =
			pair ? find_pair(pair->value, wanted->v[i]) : NULL;
		char *via;

		if (!profile) {
			complain_profile(c, pair, wanted->v[i]);
			continue;
		}
		if (c->r->problems->total)
			continue;
		via = ff_xasprintf("profile %s", wanted->v[i]);
		mark(profile->value, ff_config_keep(c->r->config, via), 0);
		ff_free(via);
		root = merge(c, root, profile->value, 0);
	}
	return without(c, root, "profiles");
}

/* --- overrides --- */

static struct ff_yaml_node *override_jobs(struct compose *c, struct ff_yaml_node *jobs,
					  const struct ff_yaml_pair *override)
{
	const char *pattern = override->key->text;
	struct ff_yaml_node *changed;
	char *via;
	bool matched = false;

	if (override->value->kind != FF_YAML_MAPPING) {
		complain(c, override->value, "override '%s' wants a mapping of keys of jobs",
			 pattern);
		return jobs;
	}
	via = ff_xasprintf("override '%s'", pattern);
	mark(override->value, ff_config_keep(c->r->config, via), 0);
	ff_free(via);
	changed = new_mapping(c, jobs, jobs->len);
	for (size_t i = 0; changed && i < jobs->len; i++) {
		struct ff_yaml_pair pair = jobs->pairs[i];

		if (!ff_compose_hidden(pair.key->text) && !fnmatch(pattern, pair.key->text, 0)) {
			matched = true;
			if (pair.value->kind == FF_YAML_MAPPING)
				pair.value = merge(c, pair.value, override->value, 0);
		}
		changed->pairs[changed->len++] = pair;
	}
	if (changed && !matched) {
		char hint[FF_SUGGEST_TEXT_MAX];
		struct ff_suggest suggest;
		struct ff_place place = ff_read_place(c->r, override->key);

		ff_suggest_init(&suggest, pattern);
		for (size_t i = 0; i < jobs->len; i++)
			ff_suggest_offer(&suggest, jobs->pairs[i].key->text);
		ff_mistakes_add(c->r->problems, &place, "override '%s' matches no job%s", pattern,
				ff_suggest_text(&suggest, hint));
	}
	return changed ? changed : jobs;
}

static struct ff_yaml_node *with_overrides(struct compose *c, struct ff_yaml_node *root)
{
	const struct ff_yaml_pair *pair = find_pair(root, "overrides");
	const struct ff_yaml_pair *jobs = find_pair(root, "jobs");
	struct ff_yaml_node *changed;

	if (!pair)
		return root;
	if (pair->value->kind != FF_YAML_MAPPING) {
		ff_read_complain(c->r, ff_config_option_find(FF_SECTION_TOP, "overrides"),
				 pair->value);
		return root;
	}
	changed = jobs ? jobs->value : NULL;
	for (size_t i = 0; changed && changed->kind == FF_YAML_MAPPING && changed->len > 0 &&
			   i < pair->value->len && !c->r->problems->total;
	     i++)
		changed = override_jobs(c, changed, &pair->value->pairs[i]);
	root = without(c, root, "overrides");
	for (size_t i = 0; changed && i < root->len; i++)
		if (!strcmp(root->pairs[i].key->text, "jobs"))
			root->pairs[i].value = changed;
	return root;
}

struct ff_yaml_node *ff_compose(struct ff_reader *r, struct ff_yaml_node *root)
{
	struct compose c = {.r = r};
	struct including file = {.source = root ? root->source : NULL};
	struct stat st;

	if (!root || root->kind != FF_YAML_MAPPING) {
		for (size_t i = 0; r->opts && r->opts->profiles && i < r->opts->profiles->len; i++)
			complain_profile(&c, NULL, r->opts->profiles->v[i]);
		return root;
	}
	if (!stat(root->source->name, &st)) {
		file.known = true;
		file.dev = st.st_dev;
		file.ino = st.st_ino;
	}
	root = with_includes(&c, root, &file);
	root = with_profiles(&c, root);
	return with_overrides(&c, root);
}
