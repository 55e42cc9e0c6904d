/* YAML text to a tree, by libyaml's events. Knows no option: what keys mean is for read.c. */
#include "config/yaml_tree.h"

#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/map.h"

#define YAML_TAGS "tag:yaml.org,2002:"

enum { TEXT_PER_NODE = 16 }; /* bytes of text that weigh as much as a node */

/* A list or mapping that is being read. */
struct level {
	struct ff_yaml_node *node;
	struct ff_yaml_node **children; /* elements; for mappings keys and values in turn */
	size_t len, cap;
	char *anchor;
};

struct build {
	struct ff_arena *arena;
	const struct ff_yaml_source *source;
	struct ff_mistakes *problems;
	struct ff_map anchors; /* name -> finished node */
	struct ff_yaml_node *root;
	struct level levels[FF_YAML_DEPTH_MAX];
	size_t depth;
	size_t nodes;
	bool failed; /* no use in reading on */
};

static struct ff_place place_of(const struct build *b, yaml_mark_t mark)
{
	return (struct ff_place){.file = b->source->name,
				 .line = (int)mark.line + 1,
				 .column = (int)mark.column + 1};
}

static void fail(struct build *b, yaml_mark_t mark, const char *text)
{
	struct ff_place place = place_of(b, mark);

	b->failed = true;
	ff_mistakes_add(b->problems, &place, "%s", text);
}

static void complain(struct build *b, const struct ff_yaml_node *node, const char *what,
		     const char *text)
{
	struct ff_place place = {
		.file = b->source->name, .line = node->line, .column = node->column};

	ff_mistakes_add(b->problems, &place, what, text);
}

static void *take(struct build *b, size_t size)
{
	void *memory = ff_arena_alloc(b->arena, size ? size : 1);

	if (!memory)
		b->failed = true;
	return memory;
}

static struct ff_yaml_node *new_node(struct build *b, enum ff_yaml_kind kind, yaml_mark_t mark)
{
	struct ff_yaml_node *node;

	if (++b->nodes > FF_YAML_NODES_MAX) {
		fail(b, mark, "too many values");
		return NULL;
	}
	node = take(b, sizeof(*node));
	if (node)
		*node = (struct ff_yaml_node){.kind = kind,
					      .line = (int)mark.line + 1,
					      .column = (int)mark.column + 1,
					      .source = b->source,
					      .weight = 1};
	return node;
}

/* Puts a finished or new node where it belongs. */
static void place_node(struct build *b, struct ff_yaml_node *node)
{
	struct level *level;

	if (!b->depth) {
		b->root = node;
		return;
	}
	level = &b->levels[b->depth - 1];
	if (level->len == level->cap) {
		level->cap = level->cap ? level->cap * 2 : 8;
		level->children =
			ff_xrealloc(level->children, level->cap * sizeof(*level->children));
	}
	level->children[level->len++] = node;
}

/* Tags that say no more than what a node is anyway are taken; others would change what it means, so
 * they are refused rather than ignored. */
static void check_tag(struct build *b, const yaml_char_t *tag, const char *own, yaml_mark_t mark)
{
	struct ff_place place = place_of(b, mark);
	const char *text = (const char *)tag;
	size_t prefix = strlen(YAML_TAGS);

	if (!tag || !strcmp(text, "!") || !strcmp(text, own))
		return;
	if (strncmp(text, YAML_TAGS, prefix))
		ff_mistakes_add(b->problems, &place, "tags are not supported: '%s'", text);
	else
		ff_mistakes_add(b->problems, &place, "tags are not supported: '!!%s'",
				text + prefix);
}

static void remember_anchor(struct build *b, const char *anchor, struct ff_yaml_node *node)
{
	if (anchor && ff_map_set(&b->anchors, anchor, node))
		b->failed = true;
}

static void on_scalar(struct build *b, const yaml_event_t *event)
{
	struct ff_yaml_node *node = new_node(b, FF_YAML_SCALAR, event->start_mark);
	const char *text = (const char *)event->data.scalar.value;

	if (!node)
		return;
	check_tag(b, event->data.scalar.tag, YAML_STR_TAG, event->start_mark);
	node->plain =
		event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !event->data.scalar.tag;
	node->len = event->data.scalar.length;
	node->text = ff_arena_copy(b->arena, text, node->len);
	if (!node->text) {
		b->failed = true;
		return;
	}
	node->weight += node->len / TEXT_PER_NODE;
	if (memchr(text, '\0', node->len))
		complain(b, node, "%s", "text with a NUL character");
	remember_anchor(b, (const char *)event->data.scalar.anchor, node);
	place_node(b, node);
}

static void on_alias(struct build *b, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct ff_yaml_node *node = ff_map_get(&b->anchors, name);

	if (!node) {
		struct ff_place place = place_of(b, event->start_mark);

		ff_mistakes_add(b->problems, &place, "unknown anchor '%s'", name);
		b->failed = true;
		return;
	}
	place_node(b, node);
}

static void on_open(struct build *b, enum ff_yaml_kind kind, const yaml_char_t *anchor,
		    yaml_mark_t mark)
{
	struct ff_yaml_node *node = new_node(b, kind, mark);

	if (!node)
		return;
	if (b->depth == FF_YAML_DEPTH_MAX) {
		fail(b, mark, "nested too deeply");
		return;
	}
	place_node(b, node);
	b->levels[b->depth++] = (struct level){
		.node = node, .anchor = anchor ? ff_xstrdup((const char *)anchor) : NULL};
}

static bool is_merge(const struct ff_yaml_node *key)
{
	return key->kind == FF_YAML_SCALAR && key->plain && !strcmp(key->text, "<<");
}

/* Room for the pairs of a mapping, those that "<<" brings included. */
static size_t count_pairs(const struct level *level)
{
	size_t count = 0;

	for (size_t i = 0; i + 1 < level->len; i += 2) {
		const struct ff_yaml_node *value = level->children[i + 1];

		if (!is_merge(level->children[i])) {
			count++;
		} else if (value->kind == FF_YAML_MAPPING) {
			count += value->len;
		} else if (value->kind == FF_YAML_LIST) {
			for (size_t j = 0; j < value->len; j++)
				if (value->items[j]->kind == FF_YAML_MAPPING)
					count += value->items[j]->len;
		}
	}
	return count;
}

static void add_own_pairs(struct build *b, struct level *level, struct ff_map *seen)
{
	struct ff_yaml_node *node = level->node;

	for (size_t i = 0; i + 1 < level->len; i += 2) {
		struct ff_yaml_node *key = level->children[i], *first;

		if (is_merge(key))
			continue;
		if (key->kind != FF_YAML_SCALAR) {
			complain(b, key, "%s", "a key must be text");
			continue;
		}
		first = ff_map_get(seen, key->text);
		if (first) {
			struct ff_place place = {
				.file = b->source->name, .line = key->line, .column = key->column};

			ff_mistakes_add(b->problems, &place, "duplicate key '%s' (first at %d:%d)",
					key->text, first->line, first->column);
			continue;
		}
		if (ff_map_set(seen, key->text, key))
			b->failed = true;
		node->pairs[node->len++] =
			(struct ff_yaml_pair){.key = key, .value = level->children[i + 1]};
	}
}

static void merge_mapping(struct build *b, struct ff_yaml_node *node,
			  const struct ff_yaml_node *from, struct ff_map *seen)
{
	if (from->kind != FF_YAML_MAPPING) {
		complain(b, from, "%s", "'<<' wants a mapping or a list of mappings");
		return;
	}
	for (size_t i = 0; i < from->len; i++) {
		if (ff_map_get(seen, from->pairs[i].key->text))
			continue;
		if (ff_map_set(seen, from->pairs[i].key->text, from->pairs[i].key))
			b->failed = true;
		node->pairs[node->len++] = from->pairs[i];
	}
}

/* Own keys win over merged ones, wherever they stand; earlier merged ones over later ones. */
static void close_mapping(struct build *b, struct level *level, yaml_mark_t mark)
{
	struct ff_yaml_node *node = level->node;
	struct ff_map seen = FF_MAP_INIT;
	size_t room = count_pairs(level);

	/* Merging copies pairs: they count as if they had been written again. */
	b->nodes += room;
	if (b->nodes > FF_YAML_NODES_MAX) {
		fail(b, mark, "too many values");
		return;
	}
	node->pairs = take(b, room * sizeof(*node->pairs));
	if (!node->pairs)
		return;
	add_own_pairs(b, level, &seen);
	for (size_t i = 0; i + 1 < level->len; i += 2) {
		const struct ff_yaml_node *value = level->children[i + 1];

		if (!is_merge(level->children[i]))
			continue;
		if (value->kind != FF_YAML_LIST) {
			merge_mapping(b, node, value, &seen);
			continue;
		}
		for (size_t j = 0; j < value->len; j++)
			merge_mapping(b, node, value->items[j], &seen);
	}
	ff_map_release(&seen);
	for (size_t i = 0; i < node->len; i++)
		node->weight += 1 + node->pairs[i].value->weight;
}

static void close_list(struct build *b, struct level *level)
{
	struct ff_yaml_node *node = level->node;

	node->items = take(b, level->len * sizeof(*node->items));
	if (!node->items)
		return;
	for (size_t i = 0; i < level->len; i++) {
		node->items[i] = level->children[i];
		node->weight += level->children[i]->weight;
	}
	node->len = level->len;
}

static void release_level(struct level *level)
{
	ff_free(level->children);
	ff_free(level->anchor);
}

static void on_close(struct build *b, yaml_mark_t mark)
{
	struct level *level = &b->levels[b->depth - 1];

	if (level->node->kind == FF_YAML_MAPPING)
		close_mapping(b, level, mark);
	else
		close_list(b, level);
	/* Only a finished node may be referred to, so that none can contain itself; and aliases of
	 * aliases can't multiply without end. */
	if (level->node->weight > FF_YAML_NODES_MAX)
		fail(b, mark, "too many values, counting those that aliases repeat");
	remember_anchor(b, level->anchor, level->node);
	release_level(level);
	b->depth--;
}

static void on_event(struct build *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->root)
			fail(b, event->start_mark, "a second document");
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(b, event);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(b, event);
		break;
	case YAML_SEQUENCE_START_EVENT:
		check_tag(b, event->data.sequence_start.tag, YAML_SEQ_TAG, event->start_mark);
		on_open(b, FF_YAML_LIST, event->data.sequence_start.anchor, event->start_mark);
		break;
	case YAML_MAPPING_START_EVENT:
		check_tag(b, event->data.mapping_start.tag, YAML_MAP_TAG, event->start_mark);
		on_open(b, FF_YAML_MAPPING, event->data.mapping_start.anchor, event->start_mark);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(b, event->end_mark);
		break;
	default:
		break;
	}
}

/* For errors of libyaml's reader, which have an offset in bytes only. */
static yaml_mark_t mark_at(const char *text, size_t len, size_t offset)
{
	yaml_mark_t mark = {0};

	for (size_t i = 0; i < offset && i < len; i++) {
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

/* Where in the line of `mark` a tab stands that libyaml stumbled over: there, or in the line's
 * indentation. NULL: none. */
static const char *find_tab(const char *text, size_t len, yaml_mark_t *mark)
{
	const char *end = text + len, *line = text, *at;
	size_t column = 0;

	for (size_t i = 0; i < mark->line && line; i++) {
		line = memchr(line, '\n', (size_t)(end - line));
		line = line ? line + 1 : NULL;
	}
	for (at = line; at && at < end && *at != '\n'; at++, column++) {
		/* Columns are characters. */
		while (at + 1 < end && ((unsigned char)at[1] & 0xc0) == 0x80)
			at++;
		if (*at == '\t' && (column == mark->column || strspn(line, " ") == column)) {
			mark->column = column;
			return at;
		}
	}
	return NULL;
}

static void on_syntax_error(struct build *b, const yaml_parser_t *parser, const char *text,
			    size_t len)
{
	const char *problem = parser->problem ? parser->problem : "cannot be read";
	yaml_mark_t mark = parser->problem_mark;
	char *words;

	if (parser->error == YAML_READER_ERROR) {
		fail(b, mark_at(text, len, parser->problem_offset), problem);
		return;
	}
	if (find_tab(text, len, &mark)) {
		fail(b, mark, "a tab, where YAML wants spaces: indent with spaces only");
		return;
	}
	if (parser->error == YAML_MEMORY_ERROR)
		problem = ff_err_text(FF_ENOMEM);
	words = parser->context ? ff_xasprintf("%s %s", problem, parser->context)
				: ff_xstrdup(problem);
	fail(b, parser->problem_mark, words);
	ff_free(words);
}

struct ff_yaml_node *ff_yaml_parse(struct ff_arena *arena, const struct ff_yaml_source *source,
				   const char *text, size_t len, struct ff_mistakes *problems)
{
	struct build b = {
		.arena = arena, .source = source, .problems = problems, .anchors = FF_MAP_INIT};
	size_t before = problems->total;
	yaml_parser_t parser;
	yaml_event_t event;
	bool done = false;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	if (!yaml_parser_initialize(&parser)) {
		ff_mistakes_add(problems, NULL, "%s", ff_err_text(FF_ENOMEM));
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (!done && !b.failed) {
		if (!yaml_parser_parse(&parser, &event)) {
			on_syntax_error(&b, &parser, text, len);
			break;
		}
		on_event(&b, &event);
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	if (b.failed && problems->total == before)
		ff_mistakes_add(problems, NULL, "%s", ff_err_text(FF_ENOMEM));
	while (b.depth)
		release_level(&b.levels[--b.depth]);
	ff_map_release(&b.anchors);
	yaml_parser_delete(&parser);
	return b.root;
}

bool ff_yaml_is_null(const struct ff_yaml_node *node)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (node->kind != FF_YAML_SCALAR || !node->plain)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(node->text, words[i]))
			return true;
	return false;
}
