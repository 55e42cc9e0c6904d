/* A YAML document as a tree of nodes that know where they stand. Made by yaml.c, the only place
 * that knows libyaml; readers of the tree know neither. */
#ifndef FF_CONFIG_YAML_TREE_H
#define FF_CONFIG_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "config/mistakes.h"

enum ff_yaml_kind {
	FF_YAML_SCALAR,
	FF_YAML_LIST,
	FF_YAML_MAPPING,
};

/* The file that a node stands in. */
struct ff_yaml_source {
	const char *name;      /* for messages */
	const char *directory; /* absolute: relative paths are meant from here */
};

struct ff_yaml_pair {
	struct ff_yaml_node *key; /* always a scalar */
	struct ff_yaml_node *value;
};

/* Aliases share the node that they stand for, so a tree is a graph without cycles, and a walk over
 * it visits at most FF_YAML_NODES_MAX nodes. */
struct ff_yaml_node {
	enum ff_yaml_kind kind;
	bool plain; /* a scalar without quotes: may be read as a number, a boolean or null */
	int line, column;
	const struct ff_yaml_source *source;
	const char *via; /* why it stands there: "profile ci"; NULL: it was written there */
	size_t weight;	 /* nodes in it, aliased ones as often as they occur */
	size_t len;	 /* bytes of text, elements or pairs */
	union {
		char *text; /* holds no NUL but the one at its end */
		struct ff_yaml_node **items;
		struct ff_yaml_pair *pairs;
	};
};

enum {
	FF_YAML_DEPTH_MAX = 32,
	FF_YAML_NODES_MAX = 4 << 20,
};

/* The root of the one document in `text`, in `arena`, from `source`; NULL for an empty one. What is
 * wrong goes to `problems` (and then the result means nothing): syntax, duplicate keys, keys that
 * are no scalars, unknown anchors, a second document, limits. Merge keys ("<<") are resolved. */
struct ff_yaml_node *ff_yaml_parse(struct ff_arena *arena, const struct ff_yaml_source *source,
				   const char *text, size_t len, struct ff_mistakes *problems);

/* null, ~ or nothing. */
bool ff_yaml_is_null(const struct ff_yaml_node *node);

#endif
