#include "config/combine.h"

#include <string.h>

#include "config/private.h"

enum { CELLS_MAX = 50000000 }; /* of all combinations */

struct combine {
	struct ff_reader *r;
	const struct ff_axes *axes;
	struct ff_config_table *table;
	uint32_t *columns; /* of the pairs of the mapping under way */
};

static const struct ff_place *at(struct ff_reader *r, const struct ff_yaml_node *node)
{
	r->at = ff_read_place(r, node);
	return &r->at;
}

bool ff_combine_is_mapping(struct ff_reader *r, const char *key, const struct ff_yaml_node *node)
{
	size_t before = r->problems->total;
	char have[FF_READ_GOT_MAX];

	if (node->kind != FF_YAML_MAPPING || !node->len) {
		ff_mistakes_add(r->problems, at(r, node), "'%s' wants mappings in its list, got %s",
				key, node->len ? ff_read_got(node, have) : "nothing");
		return false;
	}
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *name = node->pairs[i].key, *value = node->pairs[i].value;

		if (!ff_rows_is_name(name->text) || !strcmp(name->text, "index"))
			ff_mistakes_add(r->problems, at(r, name), "'%s' can't have an axis '%s'",
					key, name->text);
		if (!ff_read_is_text(value))
			ff_mistakes_add(r->problems, at(r, value), "axis '%s' wants text, got %s",
					name->text, ff_read_got(value, have));
	}
	return r->problems->total == before;
}

static void put(struct ff_reader *r, struct ff_config_table *table, uint32_t row, uint32_t column,
		const struct ff_yaml_node *value)
{
	if (ff_config_table_set(table, row, column, value->text, value->len))
		ff_mistakes_add(r->problems, at(r, value), "more than %d MiB of values",
				FF_CONFIG_TABLE_TEXT_MAX >> 20);
}

void ff_combine_put(struct ff_reader *r, struct ff_config_table *table, uint32_t row,
		    const struct ff_yaml_node *node)
{
	for (size_t i = 0; i < node->len; i++) {
		uint32_t column = ff_config_table_find(table, node->pairs[i].key->text);

		if (column == table->columns && column == FF_CONFIG_AXES_MAX) {
			ff_mistakes_add(r->problems, at(r, node->pairs[i].key), "more than %d axes",
					FF_CONFIG_AXES_MAX);
			return;
		}
		if (column == table->columns)
			ff_config_table_add_column(r->config, table, node->pairs[i].key->text);
		put(r, table, row, column, node->pairs[i].value);
	}
}

/* Each an axis that there is; false: it is told which is none. */
static bool check_axes(const struct combine *c, const struct ff_yaml_node *exclude)
{
	bool good = true;

	for (size_t i = 0; i < exclude->len; i++) {
		const struct ff_yaml_node *key = exclude->pairs[i].key;
		char hint[FF_SUGGEST_TEXT_MAX];
		struct ff_suggest suggest;

		if (ff_config_table_find(c->table, key->text) < c->table->columns)
			continue;
		ff_suggest_init(&suggest, key->text);
		for (uint32_t j = 0; j < c->table->columns; j++)
			ff_suggest_offer(&suggest, c->table->names[j]);
		ff_mistakes_add(c->r->problems, at(c->r, key),
				"'exclude' has '%s', which is no "
				"axis%s",
				key->text, ff_suggest_text(&suggest, hint));
		good = false;
	}
	return good;
}

/* Whether a row has all these values, of the columns below `columns`. */
static bool agrees(const struct ff_config_table *table, uint32_t row, uint32_t columns,
		   const struct ff_yaml_node *mapping)
{
	for (size_t i = 0; i < mapping->len; i++) {
		uint32_t column = ff_config_table_find(table, mapping->pairs[i].key->text);
		const char *value =
			column < columns ? ff_config_table_get(table, row, column) : NULL;

		if (column < columns &&
		    (!value || strcmp(value, mapping->pairs[i].value->text) != 0))
			return false;
	}
	return true;
}

/* 0: too many. */
static uint32_t count(const struct ff_axes *axes)
{
	uint64_t all = axes->len ? 1 : 0;

	for (size_t i = 0; i < axes->len; i++) {
		if (axes->v[i].table && axes->v[i].column)
			continue;
		all *= ff_config_axis_len(&axes->v[i]);
		if (all * axes->len > CELLS_MAX)
			return 0;
	}
	return (uint32_t)all;
}

static void add_combination(const struct combine *c, uint32_t index)
{
	int64_t row = ff_config_table_add_row(c->table);

	for (size_t i = c->axes->len; row >= 0 && i-- > 0;) {
		const struct ff_config_axis *axis = &c->axes->v[i];
		uint32_t len = ff_config_axis_len(axis);
		char room[FF_CONFIG_NUMBER_MAX];
		const char *value = ff_config_axis_value(axis, index % len, room);

		if (value &&
		    ff_config_table_set(c->table, (uint32_t)row, (uint32_t)i, value, strlen(value)))
			c->table->rows--; /* the number of cells is limited: so is this */
		if (!axis->table || !axis->column)
			index /= len;
	}
}

static bool is_list(struct ff_reader *r, const char *key, const struct ff_yaml_node *node)
{
	char have[FF_READ_GOT_MAX];
	bool good = true;

	if (node && node->kind != FF_YAML_LIST) {
		ff_mistakes_add(r->problems, at(r, node), "'%s' wants a list of mappings, got %s",
				key, ff_read_got(node, have));
		return false;
	}
	for (size_t i = 0; node && i < node->len; i++)
		good &= ff_combine_is_mapping(r, key, node->items[i]);
	return good;
}

static void take_out(const struct combine *c, const struct ff_yaml_node *exclude)
{
	const uint32_t columns = c->table->columns;
	uint32_t kept = 0;

	for (uint32_t row = 0; row < c->table->rows; row++) {
		bool out = false;

		for (size_t i = 0; i < exclude->len && !out; i++)
			out = agrees(c->table, row, columns, exclude->items[i]);
		if (out)
			continue;
		memmove(&c->table->cells[(size_t)kept * columns],
			&c->table->cells[(size_t)row * columns], columns * sizeof(uint32_t));
		kept++;
	}
	c->table->rows = kept;
}

/* Its values are added to each of the first `rows` with which it agrees; to none: it is one more.
 */
static void bring_in(const struct combine *c, const struct ff_yaml_node *one, uint32_t rows,
		     uint32_t columns)
{
	bool added = false;
	int64_t row;

	for (uint32_t i = 0; i < rows; i++) {
		if (!agrees(c->table, i, columns, one))
			continue;
		ff_combine_put(c->r, c->table, i, one);
		added = true;
	}
	if (added)
		return;
	row = ff_config_table_add_row(c->table);
	if (row >= 0)
		ff_combine_put(c->r, c->table, (uint32_t)row, one);
}

void ff_combine(struct ff_reader *r, struct ff_axes *axes, const struct ff_yaml_node *include,
		const struct ff_yaml_node *exclude, const struct ff_yaml_node *matrix)
{
	struct combine c = {.r = r, .axes = axes, .table = ff_config_table_new(r->config)};
	uint32_t combinations = count(axes), rows, columns;
	size_t before = r->problems->total;

	if (!is_list(r, "include", include) || !is_list(r, "exclude", exclude))
		return;
	if (axes->len && !combinations) {
		ff_mistakes_add(r->problems, at(r, matrix),
				"too many combinations for 'include' and 'exclude'");
		return;
	}
	for (size_t i = 0; i < axes->len; i++)
		ff_config_table_add_column(r->config, c.table, axes->v[i].name);
	columns = c.table->columns;
	for (size_t i = 0; exclude && i < exclude->len; i++)
		check_axes(&c, exclude->items[i]);
	if (r->problems->total > before)
		return;
	for (uint32_t i = 0; i < combinations; i++)
		add_combination(&c, i);
	if (exclude)
		take_out(&c, exclude);
	rows = c.table->rows;
	for (size_t i = 0; include && i < include->len; i++)
		bring_in(&c, include->items[i], rows, columns);
	if (!c.table->rows)
		ff_mistakes_add(r->problems, at(r, matrix), "'exclude' leaves nothing to run");
	ff_config_table_finish(c.table);
	for (size_t i = 0; i < axes->len; i++)
		ff_strv_release(&axes->v[i].values);
	axes->len = 0;
	ff_axes_add_table(r, axes, c.table, matrix);
}
