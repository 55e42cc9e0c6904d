/* What `include` and `exclude` make of a matrix, as GitHub Actions has it: combinations are taken
 * out; others get values more, or come on top. */
#ifndef FF_CONFIG_COMBINE_H
#define FF_CONFIG_COMBINE_H

#include "config/read.h"
#include "config/table.h"

/* A job's axes, while they are read. */
struct ff_axes {
	struct ff_config_axis v[FF_CONFIG_AXES_MAX];
	size_t len;
};

/* NULL: there is one of that name, or there are too many: it is told, at `node`. */
struct ff_config_axis *ff_axis_add(struct ff_reader *r, struct ff_axes *axes, const char *name,
				   const struct ff_yaml_node *node);
void ff_axes_add_table(struct ff_reader *r, struct ff_axes *axes,
		       const struct ff_config_table *table, const struct ff_yaml_node *node);

/* Puts one table of all combinations in the place of the axes. NULL: there is no such key. */
void ff_combine(struct ff_reader *r, struct ff_axes *axes, const struct ff_yaml_node *include,
		const struct ff_yaml_node *exclude, const struct ff_yaml_node *matrix);

/* Whether it is a mapping of names to texts; otherwise it is told. */
bool ff_combine_is_mapping(struct ff_reader *r, const char *key, const struct ff_yaml_node *node);
/* Puts its values into the row, with the columns that they need. */
void ff_combine_put(struct ff_reader *r, struct ff_config_table *table, uint32_t row,
		    const struct ff_yaml_node *node);

#endif
