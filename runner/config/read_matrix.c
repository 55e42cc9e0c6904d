/* `matrix` and `foreach`: axes with values of their own, and tables of rows that files, programs
 * and lists give. What `include` and `exclude` make of them is combine.c's. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "config/combine.h"
#include "config/private.h"

static const struct ff_place *at(struct ff_reader *r, const struct ff_yaml_node *node)
{
	r->at = ff_read_place(r, node);
	return &r->at;
}

static const struct ff_yaml_node *find(const struct ff_yaml_node *node, const char *key)
{
	for (size_t i = 0; i < node->len; i++)
		if (!strcmp(node->pairs[i].key->text, key))
			return node->pairs[i].value;
	return NULL;
}

/* --- axes --- */

uint32_t ff_config_axis_len(const struct ff_config_axis *axis)
{
	return axis->table   ? axis->table->rows
	       : axis->range ? axis->range
			     : (uint32_t)axis->values.len;
}

const char *ff_config_axis_value(const struct ff_config_axis *axis, uint32_t index,
				 char room[FF_CONFIG_NUMBER_MAX])
{
	if (axis->table)
		return ff_config_table_get(axis->table, index, axis->column);
	if (!axis->range)
		return axis->values.v[index];
	snprintf(room, FF_CONFIG_NUMBER_MAX, "%0*lld", axis->width,
		 (long long)(axis->from + axis->step * index));
	return room;
}

bool ff_config_axis_again(const struct ff_config_axis *axis, uint32_t index)
{
	return axis->table && axis->table->again &&
	       (axis->table->again[index / 64] >> index % 64 & 1);
}

struct ff_config_axis *ff_axis_add(struct ff_reader *r, struct ff_axes *axes, const char *name,
				   const struct ff_yaml_node *node)
{
	struct ff_config_axis *axis = &axes->v[axes->len];

	for (size_t i = 0; i < axes->len; i++)
		if (!strcmp(axes->v[i].name, name)) {
			ff_mistakes_add(r->problems, at(r, node), "two axes are called '%s'", name);
			return NULL;
		}
	if (axes->len == FF_CONFIG_AXES_MAX) {
		ff_mistakes_add(r->problems, at(r, node), "'%s' has more than %d axes", "matrix",
				FF_CONFIG_AXES_MAX);
		return NULL;
	}
	axes->len++;
	*axis = (struct ff_config_axis){.name = ff_config_keep(r->config, name)};
	return axis;
}

void ff_axes_add_table(struct ff_reader *r, struct ff_axes *axes,
		       const struct ff_config_table *table, const struct ff_yaml_node *node)
{
	for (uint32_t i = 0; i < table->columns; i++) {
		struct ff_config_axis *axis = ff_axis_add(r, axes, table->names[i], node);

		if (!axis)
			return;
		axis->table = table;
		axis->column = i;
	}
}

static void check_axis(struct ff_reader *r, const struct ff_yaml_node *name,
		       const struct ff_yaml_node *values, const struct ff_config_axis *axis)
{
	struct ff_map seen = FF_MAP_INIT;

	if (!values->len)
		ff_mistakes_add(r->problems, at(r, values), "axis '%s' has no values", name->text);
	for (size_t i = 0; i < axis->values.len; i++) {
		if (ff_map_get(&seen, axis->values.v[i])) {
			ff_mistakes_add(r->problems, at(r, values), "axis '%s' has '%s' twice",
					name->text, axis->values.v[i]);
			break;
		}
		if (ff_map_set(&seen, axis->values.v[i], (void *)(uintptr_t)axis))
			break;
	}
	ff_map_release(&seen);
}

static void read_axis(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_pair *pair, struct ff_axes *axes)
{
	const struct ff_yaml_node *name = pair->key, *values = pair->value;
	struct ff_config_axis *axis = ff_axis_add(r, axes, name->text, name);
	char have[FF_READ_GOT_MAX];

	if (!axis)
		return;
	if (!ff_rows_is_name(name->text) || !strcmp(name->text, "index"))
		ff_mistakes_add(r->problems, at(r, name), "'%s' can't have an axis '%s'",
				option->key, name->text);
	if (!ff_read_list(r, option, values, &axis->values))
		ff_mistakes_add(r->problems, at(r, values),
				"axis '%s' wants a list of texts, got %s", name->text,
				ff_read_got(values, have));
	else
		check_axis(r, name, values, axis);
}

/* --- rows --- */

/* As a user would name the file that the text names: from where he named the configuration. */
static char *shown_path(struct ff_reader *r, const char *text)
{
	const char *slash = strrchr(r->config->path, '/');
	char *joined, *kept;

	if (*text == '/' || !slash || !strcmp(text, "-"))
		return ff_config_keep(r->config, strcmp(text, "-") ? text : "standard input");
	joined = ff_xasprintf("%.*s/%s", (int)(slash - r->config->path), r->config->path, text);
	kept = ff_config_keep(r->config, joined);
	ff_free(joined);
	return kept;
}

static void parse(struct ff_reader *r, struct ff_config_table *table, enum ff_rows_format format,
		  const char *name, const struct ff_yaml_node *node, char *text, size_t len)
{
	size_t before = r->problems->total;

	ff_rows_parse(r->config, table, format, name, text, len, r->problems);
	if (!table->rows && r->problems->total == before)
		ff_mistakes_add(r->problems, at(r, node), "there is nothing in %s", name);
}

static void read_file(struct ff_reader *r, struct ff_config_table *table,
		      enum ff_rows_format format, const struct ff_yaml_node *node)
{
	const char *written = node->text;
	bool is_stdin = !strcmp(written, "-") || !strcmp(written, "/dev/stdin");
	struct ff_err err = {0};
	char *text;
	size_t len;

	if (is_stdin &&
	    (!strcmp(r->config->path, "<stdin>") || !strcmp(r->config->path, "/dev/stdin")))
		ff_mistakes_add(r->problems, at(r, node),
				"standard input is this configuration itself");
	else if (is_stdin && r->stdin_read)
		ff_mistakes_add(r->problems, at(r, node), "standard input is read already");
	else if (ff_source_file(ff_read_path(r, node, written), &text, &len, &err))
		ff_mistakes_add(r->problems, at(r, node), "%s", err.text);
	else {
		parse(r, table, format, shown_path(r, written), node, text, len);
		ff_free(text);
	}
	r->stdin_read |= is_stdin;
}

static void read_program(struct ff_reader *r, struct ff_config_table *table,
			 enum ff_rows_format format, const struct ff_yaml_node *node)
{
	struct ff_err err = {0};
	int shown = (int)strcspn(node->text, "\n");
	char *text, *name, *kept;
	size_t len;

	if (ff_source_program(ff_read_directory(r, node), node->text, &text, &len, &err)) {
		ff_mistakes_add(r->problems, at(r, node), "%s", err.text);
		return;
	}
	name = ff_xasprintf("output of '%.*s%s'", shown, node->text,
			    node->text[shown] ? "..." : "");
	kept = ff_config_keep(r->config, name);
	parse(r, table, format, kept, node, text, len);
	ff_free(name);
	ff_free(text);
}

static bool read_format(struct ff_reader *r, const struct ff_yaml_node *node,
			enum ff_rows_format *format)
{
	static const struct {
		const char *word;
		enum ff_rows_format format;
	} formats[] = {{"csv", FF_ROWS_CSV},
		       {"tsv", FF_ROWS_TSV},
		       {"json", FF_ROWS_JSON},
		       {"jsonl", FF_ROWS_JSONL}};
	char have[FF_READ_GOT_MAX];

	for (size_t i = 0; node && i < sizeof(formats) / sizeof(*formats); i++)
		if (ff_read_is_text(node) && !strcmp(node->text, formats[i].word)) {
			*format = formats[i].format;
			return true;
		}
	if (node)
		ff_mistakes_add(r->problems, at(r, node),
				"'format' wants csv, tsv, json or jsonl, got %s",
				ff_read_got(node, have));
	return !node;
}

static void read_source(struct ff_reader *r, struct ff_config_table *table,
			enum ff_rows_format format, const struct ff_yaml_node *node, bool program)
{
	if (!r->sources)
		ff_mistakes_add(r->problems, at(r, node), "nothing is read here but this text");
	else if (program)
		read_program(r, table, format, node);
	else
		read_file(r, table, format, node);
}

/* {file: …} or {cmd: …}, with `key` for the first; NULL: it is neither, or more. */
static const struct ff_yaml_node *the_source(struct ff_reader *r, const struct ff_yaml_node *node,
					     const char *key, bool formats)
{
	const struct ff_yaml_node *file = find(node, key), *cmd = find(node, "cmd");
	const struct ff_yaml_node *source = file ? file : cmd;
	char have[FF_READ_GOT_MAX];

	for (size_t i = 0; i < node->len; i++) {
		const char *name = node->pairs[i].key->text;

		if (strcmp(name, key) && strcmp(name, "cmd") &&
		    (!formats || strcmp(name, "format")))
			ff_mistakes_add(r->problems, at(r, node->pairs[i].key),
					"unknown key '%s'; there is '%s', 'cmd'%s", name, key,
					formats ? " and 'format'" : "");
	}
	if (file && cmd)
		ff_mistakes_add(r->problems, at(r, node), "both '%s' and 'cmd'; one will do", key);
	else if (!source)
		ff_mistakes_add(r->problems, at(r, node), "neither '%s' nor 'cmd'", key);
	else if (!ff_read_is_text(source) || !source->len)
		ff_mistakes_add(r->problems, at(r, source), "'%s' wants %s, got %s",
				file ? key : "cmd", file ? "a path" : "text for the shell",
				ff_read_got(source, have));
	else
		return source;
	return NULL;
}

/* A list of mappings in the file itself. */
static void read_inline_rows(struct ff_reader *r, struct ff_config_table *table,
			     const struct ff_yaml_node *node)
{
	for (size_t i = 0; i < node->len; i++) {
		int64_t row;

		if (!ff_combine_is_mapping(r, "rows", node->items[i]))
			continue;
		row = ff_config_table_add_row(table);
		if (row >= 0)
			ff_combine_put(r, table, (uint32_t)row, node->items[i]);
	}
	if (!node->len)
		ff_mistakes_add(r->problems, at(r, node), "'rows' has none");
	ff_config_table_finish(table);
}

static struct ff_config_table *read_rows(struct ff_reader *r, const struct ff_yaml_node *node)
{
	struct ff_config_table *table = ff_config_table_new(r->config);
	enum ff_rows_format format = FF_ROWS_GUESS;
	char have[FF_READ_GOT_MAX];

	if (node->kind == FF_YAML_LIST) {
		read_inline_rows(r, table, node);
	} else if (node->kind == FF_YAML_MAPPING) {
		const struct ff_yaml_node *source = the_source(r, node, "file", true);

		if (!source || !read_format(r, find(node, "format"), &format))
			return table;
		read_source(r, table, format, source, !find(node, "file"));
	} else if (ff_read_is_text(node) && node->len) {
		read_source(r, table, format, node, false);
	} else {
		ff_mistakes_add(r->problems, at(r, node),
				"'rows' wants a path, {file: PATH}, {cmd: PROGRAM} or a list of "
				"mappings, got %s",
				ff_read_got(node, have));
	}
	return table;
}

/* --- the two --- */

/* What the job has, and these. */
static void keep_axes(struct ff_reader *r, struct ff_config_job *job, const struct ff_axes *axes)
{
	size_t len = job->axes_len + axes->len;
	struct ff_config_axis *all = ff_config_take(r->config, len * sizeof(*all));

	if (job->axes_len)
		memcpy(all, job->axes, job->axes_len * sizeof(*all));
	if (axes->len)
		memcpy(all + job->axes_len, axes->v, axes->len * sizeof(*all));
	job->axes = all;
	job->axes_len = len;
}

bool ff_read_matrix(struct ff_reader *r, const struct ff_config_option *option,
		    const struct ff_yaml_node *node, void *member)
{
	struct ff_config_job *job = member;
	const struct ff_yaml_node *include = NULL, *exclude = NULL;
	size_t before = r->problems->total;
	struct ff_axes axes = {.len = 0};

	if (node->kind != FF_YAML_MAPPING)
		return false;
	if (node->len > FF_CONFIG_AXES_MAX) {
		ff_mistakes_add(r->problems, at(r, node), "'%s' has more than %d axes", option->key,
				FF_CONFIG_AXES_MAX);
		return true;
	}
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;

		if (!strcmp(key->text, "include"))
			include = node->pairs[i].value;
		else if (!strcmp(key->text, "exclude"))
			exclude = node->pairs[i].value;
		else if (!strcmp(key->text, "rows"))
			ff_axes_add_table(r, &axes, read_rows(r, node->pairs[i].value), key);
		else
			read_axis(r, option, &node->pairs[i], &axes);
	}
	if ((include || exclude) && r->problems->total == before)
		ff_combine(r, &axes, include, exclude, node);
	for (size_t i = 0; i < axes.len && job->axes_len; i++)
		if (!strcmp(axes.v[i].name, "item"))
			ff_mistakes_add(r->problems, at(r, node),
					"'item' is the axis of 'foreach'");
	keep_axes(r, job, &axes);
	return true;
}

/* "1..500", "001..100", "10..0..-2": each a number from a text; false: it is none. */
static bool read_end(const char *text, size_t len, int64_t *number, int *width)
{
	char copy[24];
	size_t digits;

	if (!len || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	digits = strspn(copy + (*copy == '-'), "0123456789");
	if (copy[digits + (*copy == '-')] || !digits)
		return false;
	if (copy[*copy == '-'] == '0' && digits > 1 && (int)len > *width)
		*width = (int)len;
	return !ff_config_number(copy, INT64_MIN / 4, INT64_MAX / 4, number);
}

static void set_range(struct ff_reader *r, struct ff_config_axis *axis, int64_t to, int64_t step,
		      const struct ff_yaml_node *node)
{
	int64_t count;

	if (!step || (to - axis->from > 0 && step < 0) || (to - axis->from < 0 && step > 0)) {
		ff_mistakes_add(r->problems, at(r, node),
				"a step of %lld does not lead from %lld to %lld", (long long)step,
				(long long)axis->from, (long long)to);
		return;
	}
	count = (to - axis->from) / step + 1;
	if (count > INT32_MAX - 1) {
		ff_mistakes_add(r->problems, at(r, node), "a range of more than %d numbers",
				INT32_MAX - 1);
		return;
	}
	axis->step = step;
	axis->range = (uint32_t)count;
}

/* False: it is no range. */
static bool read_range(struct ff_reader *r, const struct ff_yaml_node *node,
		       struct ff_config_axis *axis)
{
	const char *first = strstr(node->text, ".."), *second;
	int64_t to, step;
	int width = 0;

	if (!first)
		return false;
	second = strstr(first + 2, "..");
	if (!read_end(node->text, (size_t)(first - node->text), &axis->from, &width) ||
	    !read_end(first + 2, second ? (size_t)(second - first) - 2 : strlen(first + 2), &to,
		      &width))
		return false;
	axis->width = width;
	step = to < axis->from ? -1 : 1;
	width = 0;
	if (second && !read_end(second + 2, strlen(second + 2), &step, &width))
		return false;
	set_range(r, axis, to, step, node);
	return true;
}

static void read_range_mapping(struct ff_reader *r, const struct ff_yaml_node *node,
			       struct ff_config_axis *axis)
{
	static const char *const keys[] = {"from", "to", "step"};
	int64_t numbers[3] = {1, 0, 0};
	char have[FF_READ_GOT_MAX];
	bool good = true, step = false;

	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *value = node->pairs[i].value;
		size_t which = 0;
		int width = 0;

		while (which < 3 && strcmp(node->pairs[i].key->text, keys[which]) != 0)
			which++;
		if (which == 3)
			ff_mistakes_add(r->problems, at(r, node->pairs[i].key),
					"unknown key '%s'; a range has from, to and step",
					node->pairs[i].key->text);
		else if (!ff_read_is_text(value) ||
			 !read_end(value->text, value->len, &numbers[which], &width))
			ff_mistakes_add(r->problems, at(r, value), "'%s' wants a number, got %s",
					keys[which], ff_read_got(value, have));
		else {
			axis->width = width > axis->width ? width : axis->width;
			step |= which == 2;
			continue;
		}
		good = false;
	}
	axis->from = numbers[0];
	if (!find(node, "to"))
		ff_mistakes_add(r->problems, at(r, node), "'to' is missing");
	else if (good)
		set_range(r, axis, numbers[1],
			  step			    ? numbers[2]
			  : numbers[1] < numbers[0] ? -1
						    : 1,
			  node);
}

static void read_lines(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node, struct ff_config_table *table)
{
	const struct ff_yaml_node *source;
	struct ff_strv values = {0};

	if (node->kind == FF_YAML_LIST) {
		ff_read_list(r, option, node, &values);
		ff_config_table_add_column(r->config, table, "item");
		for (size_t i = 0; i < values.len; i++)
			if (ff_config_table_add_row(table) >= 0)
				ff_config_table_set(table, (uint32_t)i, 0, values.v[i],
						    strlen(values.v[i]));
		if (!node->len)
			ff_mistakes_add(r->problems, at(r, node), "'%s' has no items", option->key);
		ff_strv_release(&values);
		ff_config_table_finish(table);
		return;
	}
	source = the_source(r, node, "lines", false);
	if (source)
		read_source(r, table, FF_ROWS_LINES, source, !find(node, "lines"));
}

bool ff_read_foreach(struct ff_reader *r, const struct ff_config_option *option,
		     const struct ff_yaml_node *node, void *member)
{
	struct ff_config_job *job = member;
	bool is_range = node->kind == FF_YAML_MAPPING && (find(node, "from") || find(node, "to"));
	struct ff_axes axes = {.len = 0};

	for (size_t i = 0; i < job->axes_len; i++)
		if (!strcmp(job->axes[i].name, "item"))
			ff_mistakes_add(r->problems, at(r, node),
					"'matrix' has an axis 'item', which '%s' makes",
					option->key);
	if (is_range || node->kind == FF_YAML_SCALAR) {
		struct ff_config_axis *axis = ff_axis_add(r, &axes, "item", node);

		if (is_range)
			read_range_mapping(r, node, axis);
		else if (!ff_read_is_text(node) || !read_range(r, node, axis))
			return false;
	} else {
		struct ff_config_table *table = ff_config_table_new(r->config);

		read_lines(r, option, node, table);
		ff_axes_add_table(r, &axes, table, node);
	}
	keep_axes(r, job, &axes);
	return true;
}
