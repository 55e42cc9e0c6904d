/* Rows of texts under named columns: what `matrix` and `foreach` take from files, programs, lists
 * and combinations. Kept compactly: four bytes a cell beside the text itself, for there may be
 * millions of rows. */
#ifndef FF_CONFIG_TABLE_H
#define FF_CONFIG_TABLE_H

#include "config/config.h"

enum {
	FF_CONFIG_TABLE_ROWS_MAX = 100000000,
	FF_CONFIG_TABLE_TEXT_MAX = 1 << 30, /* bytes, of all cells */
};

struct ff_config_table {
	struct ff_config_table *next; /* of the configuration's, which frees them */
	char **names;		      /* of columns, in the configuration's arena */
	uint32_t columns, rows;
	uint32_t *cells; /* row by row: where in `text`, + 1; 0: not there */
	size_t cells_cap;
	char *text;
	size_t text_len, text_cap;
	uint64_t *again; /* bits: rows that an earlier one is equal to; NULL: none */
};

struct ff_config_table *ff_config_table_new(struct ff_config *config);
void ff_config_table_free_all(struct ff_config_table *first);

/* The column's number; `columns` if there is none. */
uint32_t ff_config_table_find(const struct ff_config_table *table, const char *name);
/* One column more, of which no row has a value yet: its number. */
uint32_t ff_config_table_add_column(struct ff_config *config, struct ff_config_table *table,
				    const char *name);
/* One row more, without values: its number; FF_ETOOBIG. */
int64_t ff_config_table_add_row(struct ff_config_table *table);
/* Sets a value, which has no NUL. 0 or FF_ETOOBIG. */
int ff_config_table_set(struct ff_config_table *table, uint32_t row, uint32_t column,
			const char *text, size_t len);
/* NULL: it has none. */
const char *ff_config_table_get(const struct ff_config_table *table, uint32_t row, uint32_t column);
/* All rows are there: finds those that are equal. */
void ff_config_table_finish(struct ff_config_table *table);

/* --- where rows come from: rows.c --- */

enum ff_rows_format {
	FF_ROWS_GUESS, /* by the file's name, or by its first character */
	FF_ROWS_CSV,
	FF_ROWS_TSV,
	FF_ROWS_JSON,  /* a list of objects */
	FF_ROWS_JSONL, /* an object a line */
	FF_ROWS_LINES, /* one column, `item` */
};

struct ff_mistakes;
/* The rows of `text`, which is overwritten; what is wrong is noted under `name` and the line. */
void ff_rows_parse(struct ff_config *config, struct ff_config_table *table,
		   enum ff_rows_format format, const char *name, char *text, size_t len,
		   struct ff_mistakes *problems);
/* Whether it can stand in braces. */
bool ff_rows_is_name(const char *name);

/* --- reading: source.c --- */

/* All of a file ("-": standard input), or of what a program prints on its standard output, run by
 * /bin/sh in `directory`; FF_ECONFIG or FF_ESYS with words. `text` is malloc'd. */
int ff_source_file(const char *path, char **text, size_t *len, struct ff_err *err);
int ff_source_program(const char *directory, const char *command, char **text, size_t *len,
		      struct ff_err *err);

#endif
