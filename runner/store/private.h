/* What the files of the store share: one connection to SQLite, prepared statements, WAL. */
#ifndef FF_STORE_PRIVATE_H
#define FF_STORE_PRIVATE_H

#include <sqlite3.h>

#include "store/store.h"

struct ff_store {
	sqlite3 *db;
	char *path;
	const char *read_only; /* why; NULL */
	sqlite3_stmt *put_unit;
	bool begun;
	bool has_memory; /* its units have a column for that */
};

/* What is wrong with the connection, as an error. */
int ff_store_trouble(const struct ff_store *store, struct ff_err *err);
int ff_store_execute(struct ff_store *store, const char *sql, struct ff_err *err);
/* NULL: an error. */
sqlite3_stmt *ff_store_prepare(struct ff_store *store, const char *sql, struct ff_err *err);
/* Runs a statement that gives no rows, and ends it. */
int ff_store_run_once(struct ff_store *store, sqlite3_stmt *statement, struct ff_err *err);
/* The end of one that gave rows; `rc`: of its last step. */
int ff_store_read_over(struct ff_store *store, sqlite3_stmt *statement, int rc, struct ff_err *err);
/* What a statement that gives one number gives; `otherwise`: no row. */
int ff_store_number(struct ff_store *store, const char *sql, int64_t otherwise, int64_t *number,
		    struct ff_err *err);
const char *ff_store_text(sqlite3_stmt *row, int column);

/* --- store_files.c --- */
/* Its table, if it is not there yet. */
int ff_store_make_files(struct ff_store *store, struct ff_err *err);

#endif
