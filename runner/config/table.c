/* Rows in memory. */
#include "config/table.h"

#include <string.h>

#include "base/alloc.h"
#include "config/private.h"

struct ff_config_table *ff_config_table_new(struct ff_config *config)
{
	struct ff_config_table *table = ff_xcalloc(1, sizeof(*table));

	table->next = config->tables;
	config->tables = table;
	return table;
}

void ff_config_table_free_all(struct ff_config_table *first)
{
	while (first) {
		struct ff_config_table *next = first->next;

		ff_free(first->cells);
		ff_free(first->text);
		ff_free(first->again);
		ff_free(first);
		first = next;
	}
}

uint32_t ff_config_table_find(const struct ff_config_table *table, const char *name)
{
	uint32_t i = 0;

	while (i < table->columns && strcmp(table->names[i], name) != 0)
		i++;
	return i;
}

static uint32_t *cell(const struct ff_config_table *table, uint32_t row, uint32_t column)
{
	return &table->cells[(size_t)row * table->columns + column];
}

static void reserve_cells(struct ff_config_table *table, size_t cells)
{
	if (cells <= table->cells_cap)
		return;
	table->cells_cap = cells > 2 * table->cells_cap ? cells : 2 * table->cells_cap;
	table->cells = ff_xrealloc(table->cells, table->cells_cap * sizeof(*table->cells));
}

uint32_t ff_config_table_add_column(struct ff_config *config, struct ff_config_table *table,
				    const char *name)
{
	uint32_t old = table->columns;
	char **names = ff_config_take(config, (old + 1) * sizeof(*names));

	if (old)
		memcpy(names, table->names, old * sizeof(*names));
	names[old] = ff_config_keep(config, name);
	table->names = names;
	reserve_cells(table, (size_t)table->rows * (old + 1));
	table->columns = old + 1;
	/* Rows grow in place, from the last on. */
	for (uint32_t row = table->rows; row-- > 0;) {
		memmove(cell(table, row, 0), &table->cells[(size_t)row * old],
			old * sizeof(*table->cells));
		*cell(table, row, old) = 0;
	}
	return old;
}

int64_t ff_config_table_add_row(struct ff_config_table *table)
{
	if (table->rows >= FF_CONFIG_TABLE_ROWS_MAX)
		return FF_ETOOBIG;
	reserve_cells(table, ((size_t)table->rows + 1) * table->columns);
	if (table->columns)
		memset(cell(table, table->rows, 0), 0, table->columns * sizeof(*table->cells));
	return table->rows++;
}

int ff_config_table_set(struct ff_config_table *table, uint32_t row, uint32_t column,
			const char *text, size_t len)
{
	if (len >= FF_CONFIG_TABLE_TEXT_MAX - table->text_len)
		return FF_ETOOBIG;
	if (table->text_len + len + 1 > table->text_cap) {
		table->text_cap = 2 * table->text_cap + len + 4096;
		table->text = ff_xrealloc(table->text, table->text_cap);
	}
	*cell(table, row, column) = (uint32_t)table->text_len + 1;
	memcpy(table->text + table->text_len, text, len);
	table->text[table->text_len + len] = '\0';
	table->text_len += len + 1;
	return 0;
}

const char *ff_config_table_get(const struct ff_config_table *table, uint32_t row, uint32_t column)
{
	uint32_t at = *cell(table, row, column);

	return at ? table->text + at - 1 : NULL;
}

/* --- rows that are equal --- */

static uint64_t hash_row(const struct ff_config_table *table, uint32_t row)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (uint32_t i = 0; i < table->columns; i++) {
		const char *text = ff_config_table_get(table, row, i);

		for (; text && *text; text++)
			hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
		hash = (hash ^ (text ? 0x100 : 0x101)) * UINT64_C(0x100000001b3);
	}
	return hash ^ hash >> 29;
}

static bool equal(const struct ff_config_table *table, uint32_t a, uint32_t b)
{
	for (uint32_t i = 0; i < table->columns; i++) {
		const char *x = ff_config_table_get(table, a, i),
			   *y = ff_config_table_get(table, b, i);

		if (!x != !y || (x && strcmp(x, y) != 0))
			return false;
	}
	return true;
}

void ff_config_table_finish(struct ff_config_table *table)
{
	size_t size = 64;
	uint32_t *slots;

	while (size < 2 * (size_t)table->rows)
		size *= 2;
	slots = ff_xcalloc(size, sizeof(*slots));
	for (uint32_t row = 0; row < table->rows; row++) {
		size_t at = hash_row(table, row) & (size - 1);

		while (slots[at] && !equal(table, slots[at] - 1, row))
			at = (at + 1) & (size - 1);
		if (!slots[at]) {
			slots[at] = row + 1;
			continue;
		}
		if (!table->again)
			table->again = ff_xcalloc(table->rows / 64 + 1, sizeof(*table->again));
		table->again[row / 64] |= UINT64_C(1) << row % 64;
	}
	ff_free(slots);
}
