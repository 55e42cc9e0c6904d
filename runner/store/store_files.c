/* What the store knows of files that units come from, and of suites. */
#include "store/private.h"

/* Not of the first version: made when there is something to put. Others pass over it. */
static const char sql_create_files[] =
	"CREATE TABLE IF NOT EXISTS files (kind TEXT NOT NULL, name TEXT NOT NULL,"
	" content INTEGER NOT NULL, collect_us INTEGER NOT NULL, seen_s INTEGER NOT NULL,"
	" PRIMARY KEY (kind, name)) WITHOUT ROWID";
static const char sql_has_files[] = "SELECT count(*) FROM sqlite_master WHERE name = 'files'";
static const char sql_files[] = "SELECT kind, name, content, collect_us FROM files";
static const char sql_put_file[] =
	"INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET"
	" content = excluded.content, seen_s = excluded.seen_s, collect_us ="
	" CASE WHEN content = excluded.content THEN (collect_us + excluded.collect_us) / 2"
	" ELSE excluded.collect_us END";
static const char sql_sharded[] = "SELECT substr(key, 9) FROM notes WHERE key GLOB 'sharded:*'";
static const char sql_put_sharded[] = "INSERT OR REPLACE INTO notes VALUES ('sharded:' || ?1, ?2)";

int ff_store_make_files(struct ff_store *store, struct ff_err *err)
{
	return ff_store_execute(store, sql_create_files, err);
}

int ff_store_files(struct ff_store *store,
		   void (*each)(void *ctx, const struct ff_store_file *file), void *ctx,
		   struct ff_err *err)
{
	int64_t there = 0;
	int rc = ff_store_number(store, sql_has_files, 0, &there, err);
	sqlite3_stmt *row = rc == 0 && there ? ff_store_prepare(store, sql_files, err) : NULL;

	if (!row)
		return rc == 0 && there ? err->code : rc;
	while ((rc = sqlite3_step(row)) == SQLITE_ROW) {
		struct ff_store_file file = {ff_store_text(row, 0), ff_store_text(row, 1),
					     sqlite3_column_int64(row, 2),
					     sqlite3_column_int64(row, 3)};

		if (file.kind && file.name && file.collect_us >= 0)
			each(ctx, &file);
	}
	return ff_store_read_over(store, row, rc, err);
}

int ff_store_sharded(struct ff_store *store, void (*each)(void *ctx, const char *suite), void *ctx,
		     struct ff_err *err)
{
	sqlite3_stmt *row = ff_store_prepare(store, sql_sharded, err);
	int rc;

	if (!row)
		return err->code;
	while ((rc = sqlite3_step(row)) == SQLITE_ROW)
		if (ff_store_text(row, 0))
			each(ctx, ff_store_text(row, 0));
	return ff_store_read_over(store, row, rc, err);
}

int ff_store_put_file(struct ff_store *store, const struct ff_store_file *file, int64_t now_s,
		      struct ff_err *err)
{
	sqlite3_stmt *put = ff_store_prepare(store, sql_put_file, err);

	if (!put)
		return err->code;
	sqlite3_bind_text(put, 1, file->kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(put, 2, file->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(put, 3, file->content);
	sqlite3_bind_int64(put, 4, file->collect_us);
	sqlite3_bind_int64(put, 5, now_s);
	return ff_store_run_once(store, put, err);
}

int ff_store_put_sharded(struct ff_store *store, const char *suite, int64_t now_s,
			 struct ff_err *err)
{
	sqlite3_stmt *put = ff_store_prepare(store, sql_put_sharded, err);

	if (!put)
		return err->code;
	sqlite3_bind_text(put, 1, suite, -1, SQLITE_STATIC);
	sqlite3_bind_int64(put, 2, now_s);
	return ff_store_run_once(store, put, err);
}
