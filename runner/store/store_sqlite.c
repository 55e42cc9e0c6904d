/* The store in SQLite: units, runs and hosts. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "store/private.h"

enum {
	APPLICATION_ID = 0x66666873, /* "ffhs" */
	DAY_S = 86400,
	FLAKY_FLIPS = 2, /* one change from good to bad, or back, is a change of the code's */
};

/* --- SQL --- */

static const char sql_create[] =
	"CREATE TABLE units (kind TEXT NOT NULL, name TEXT NOT NULL, us INTEGER NOT NULL,"
	" setup_us INTEGER NOT NULL, outcome TEXT NOT NULL, bad INTEGER NOT NULL, since TEXT NOT "
	"NULL,"
	" failed_in TEXT, failures INTEGER NOT NULL, flips INTEGER NOT NULL, flaky INTEGER NOT "
	"NULL,"
	" seen_s INTEGER NOT NULL, memory_kib INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (kind, name)) WITHOUT ROWID;"
	"CREATE TABLE runs (id TEXT PRIMARY KEY, began_s INTEGER NOT NULL, took_us INTEGER NOT "
	"NULL,"
	" exit_code INTEGER NOT NULL, total INTEGER NOT NULL, bad INTEGER NOT NULL, command TEXT)"
	" WITHOUT ROWID;"
	"CREATE TABLE hosts (name TEXT PRIMARY KEY, speed REAL NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE notes (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"PRAGMA application_id = 1717987443;" /* APPLICATION_ID */
	"PRAGMA user_version = 1;";	      /* FF_STORE_VERSION */

_Static_assert(APPLICATION_ID == 1717987443 && FF_STORE_VERSION == 1, "as in sql_create");

/* What older files lack; they get it from whoever writes there next. */
static const char sql_has_memory[] =
	"SELECT count(*) FROM pragma_table_info('units') WHERE name = 'memory_kib'";
static const char sql_add_memory[] =
	"ALTER TABLE units ADD COLUMN memory_kib INTEGER NOT NULL DEFAULT 0";
static const char units_now[] = "units";
static const char units_of_old[] = "(SELECT *, 0 AS memory_kib FROM units)";

#define UNIT_COLUMNS                                                                               \
	"kind, name, us, setup_us, outcome, since, failed_in, failures, flips, flaky, seen_s,"     \
	" memory_kib"
#define LIKE_PATTERN "(?1 IS NULL OR instr(name, ?1) > 0 OR name GLOB ?1)"
#define LIKE_FLAKY   "(?2 = 0 OR flaky > 0 OR flips >= ?4)"

static const char sql_units[] =
	"SELECT " UNIT_COLUMNS " FROM %s WHERE " LIKE_PATTERN " AND " LIKE_FLAKY " %s LIMIT ?3";
static const char *const sql_orders[] = {
	[FF_STORE_ANY_ORDER] = "",
	[FF_STORE_SLOWEST] = "ORDER BY us DESC, name",
	[FF_STORE_FLAKIEST] = "ORDER BY flaky + flips DESC, name",
	[FF_STORE_LARGEST] = "AND memory_kib > 0 ORDER BY memory_kib DESC, name",
};
static const char sql_hosts[] = "SELECT name, speed FROM hosts";
static const char sql_runs[] =
	"SELECT id, began_s, took_us, exit_code, total, bad, command FROM runs"
	" ORDER BY began_s DESC, id DESC LIMIT ?1";

/* A later run weighs three tenths of all. */
static const char sql_put_unit[] =
	"INSERT INTO units (kind, name, us, setup_us, outcome, bad, since, failed_in, failures, "
	"flips,"
	" flaky, seen_s, memory_kib)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, iif(?6, ?7, NULL), ?6, 0, ?8, ?9, ?10)"
	" ON CONFLICT (kind, name) DO UPDATE SET"
	" us = iif(excluded.us = 0, us, iif(us = 0, excluded.us, us + (excluded.us - us) * 3 / "
	"10)),"
	" setup_us = iif(excluded.us = 0, setup_us, iif(us = 0, excluded.setup_us,"
	" setup_us + (excluded.setup_us - setup_us) * 3 / 10)),"
	" since = iif(bad = excluded.bad, since, excluded.since),"
	" flips = flips + (bad <> excluded.bad),"
	" failed_in = coalesce(excluded.failed_in, failed_in),"
	" failures = failures + excluded.failures, flaky = flaky + excluded.flaky,"
	" memory_kib = iif(excluded.memory_kib = 0, memory_kib, max(excluded.memory_kib,"
	" memory_kib + (excluded.memory_kib - memory_kib) * 3 / 10)),"
	" outcome = excluded.outcome, bad = excluded.bad, seen_s = excluded.seen_s";
static const char sql_put_run[] = "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
static const char sql_put_host[] = "INSERT OR REPLACE INTO hosts VALUES (?1, ?2)";

static const char sql_pruned[] = "SELECT value FROM notes WHERE key = 'pruned_s'";
static const char sql_put_pruned[] = "INSERT OR REPLACE INTO notes VALUES ('pruned_s', ?1)";
static const char sql_prune_files[] = "DELETE FROM files WHERE seen_s < ?1";

static const char sql_prune_sharded[] =
	"DELETE FROM notes WHERE key GLOB 'sharded:*' AND value < ?1";
static const char sql_prune_units[] = "DELETE FROM units WHERE seen_s < ?1";
static const char sql_prune_more[] =
	"DELETE FROM units WHERE (kind, name) IN (SELECT kind, name FROM units"
	" ORDER BY seen_s DESC LIMIT -1 OFFSET ?1)";
static const char sql_prune_runs[] = "DELETE FROM runs WHERE id IN (SELECT id FROM runs ORDER BY "
				     "began_s DESC LIMIT -1 OFFSET ?1)";

/* --- life --- */

int ff_store_trouble(const struct ff_store *store, struct ff_err *err)
{
	int rc = sqlite3_errcode(store->db) & 0xff;
	const char *text = rc == SQLITE_BUSY ? "another run was writing all the time"
					     : sqlite3_errmsg(store->db);

	return ff_err_set(err,
			  rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? FF_ELOAD
			  : rc == SQLITE_BUSY			      ? FF_EBUSY
								      : FF_ESYS,
			  "%s: %s", store->path, text);
}

int ff_store_execute(struct ff_store *store, const char *sql, struct ff_err *err)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : ff_store_trouble(store, err);
}

sqlite3_stmt *ff_store_prepare(struct ff_store *store, const char *sql, struct ff_err *err)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
		ff_store_trouble(store, err);
	return statement;
}

int ff_store_number(struct ff_store *store, const char *sql, int64_t otherwise, int64_t *number,
		    struct ff_err *err)
{
	sqlite3_stmt *statement = ff_store_prepare(store, sql, err);
	int rc = statement ? sqlite3_step(statement) : SQLITE_ERROR;

	if (rc == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	else if (rc == SQLITE_DONE)
		*number = otherwise;
	else if (statement)
		ff_store_trouble(store, err);
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : err->code;
}

/* Whether its tables are there. An empty file, which a run has yet to fill, has none. */
static int look(struct ff_store *store, bool *made, struct ff_err *err)
{
	int64_t id = 0, version = 0, tables = 0;

	if (ff_store_number(store, "PRAGMA application_id", 0, &id, err) ||
	    ff_store_number(store, "PRAGMA user_version", 0, &version, err) ||
	    ff_store_number(store, "SELECT count(*) FROM sqlite_master", 0, &tables, err))
		return err->code;
	*made = id == APPLICATION_ID;
	if (!*made && (tables > 0 || id != 0 || version != 0))
		return ff_err_set(err, FF_EUNSUPPORTED, "%s is not farflung's, and stays as it is",
				  store->path);
	if (version > FF_STORE_VERSION)
		return ff_err_set(
			err, FF_EUNSUPPORTED,
			"%s was written by a newer farflung (version %lld of it, this one "
			"knows %d), and stays as it is",
			store->path, (long long)version, FF_STORE_VERSION);
	return 0;
}

static int look_for_memory(struct ff_store *store, struct ff_err *err)
{
	int64_t columns = 0;
	int rc = ff_store_number(store, sql_has_memory, 0, &columns, err);

	store->has_memory = columns > 0;
	return rc;
}

/* The same as of one moment: another run may be about to make them. */
static int look_once(struct ff_store *store, bool *made, struct ff_err *err)
{
	int rc = ff_store_execute(store, "BEGIN", err);

	if (!rc)
		rc = look(store, made, err);
	sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
	return rc;
}

/* Makes the tables, or what they lack. Of two that do this at the same time one finds that it is
 * done. */
static int make(struct ff_store *store, struct ff_err *err)
{
	bool made = false;
	int rc;

	sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
	rc = ff_store_execute(store, "BEGIN IMMEDIATE", err);
	if (!rc)
		rc = look(store, &made, err);
	if (!rc && !made)
		rc = ff_store_execute(store, sql_create, err);
	if (!rc)
		rc = look_for_memory(store, err);
	if (!rc && !store->has_memory)
		rc = ff_store_execute(store, sql_add_memory, err);
	if (!rc)
		rc = ff_store_execute(store, "COMMIT", err);
	store->has_memory = rc == 0;
	if (rc)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* In a folder that can't be written even readers lack a place for what they share. */
static int open_frozen(struct ff_store *store)
{
	struct ff_buf uri = FF_BUF_INIT;
	int rc;

	ff_buf_addstr(&uri, "file:");
	for (const char *p = store->path; *p; p++)
		if (strchr("%?#", *p))
			ff_buf_addf(&uri, "%%%02x", (unsigned char)*p);
		else
			ff_buf_addch(&uri, *p);
	ff_buf_addstr(&uri, "?immutable=1");
	sqlite3_close(store->db);
	store->db = NULL;
	rc = sqlite3_open_v2(ff_buf_str(&uri), &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
			     NULL);
	ff_buf_release(&uri);
	return rc;
}

static int open_database(struct ff_store *store, enum ff_store_mode mode, struct ff_err *err)
{
	int flags = SQLITE_OPEN_READWRITE | (mode == FF_STORE_UPDATE ? SQLITE_OPEN_CREATE : 0);
	bool made = false;
	int rc;

	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
		return ff_store_trouble(store, err);
	sqlite3_busy_timeout(store->db, FF_STORE_WAIT_MS);
	rc = look_once(store, &made, err);
	if (rc == FF_ESYS && access(store->path, R_OK) == 0 && open_frozen(store) == SQLITE_OK) {
		store->read_only = "its folder can't be written";
		rc = look_once(store, &made, err);
	} else if (!rc && sqlite3_db_readonly(store->db, "main") == 1) {
		store->read_only = "it can't be written";
	}
	if (rc)
		return rc;
	if (!made && (mode == FF_STORE_READ || store->read_only))
		return ff_err_set(err, FF_ENOTFOUND, "%s is empty", store->path);
	if (made)
		rc = look_for_memory(store, err);
	if (rc || mode == FF_STORE_READ || store->read_only || store->has_memory)
		return rc;
	return make(store, err);
}

int ff_store_open(struct ff_store **out, const char *path, enum ff_store_mode mode,
		  struct ff_err *err)
{
	struct ff_store *store;
	struct ff_err own = {0};
	struct stat st;
	int rc;

	if (stat(path, &st) < 0 && (mode == FF_STORE_READ || errno != ENOENT))
		return ff_err_set(err, errno == ENOENT ? FF_ENOTFOUND : FF_ESYS, "%s: %s", path,
				  strerror(errno));
	if (mode == FF_STORE_UPDATE) {
		char *copy = ff_xstrdup(path);

		mkdir(dirname(copy), 0777); /* if that fails, opening says why */
		ff_free(copy);
	}
	store = ff_xcalloc(1, sizeof(*store));
	store->path = ff_xstrdup(path);
	rc = open_database(store, mode, &own);
	if (!rc && !store->read_only)
		sqlite3_exec(store->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	if (rc) {
		ff_store_close(store);
		return ff_err_set(err, rc, "%s", own.text);
	}
	*out = store;
	return 0;
}

void ff_store_close(struct ff_store *store)
{
	if (!store)
		return;
	sqlite3_finalize(store->put_unit);
	sqlite3_close(store->db);
	ff_free(store->path);
	ff_free(store);
}

const char *ff_store_read_only(const struct ff_store *store)
{
	return store->read_only;
}

static bool is_broken(const char *path)
{
	struct ff_err err = {0};
	struct ff_store *store = NULL;
	int rc = ff_store_open(&store, path, FF_STORE_READ, &err);

	if (!rc)
		rc = ff_store_execute(store, "PRAGMA quick_check(1)", &err);
	if (!rc)
		rc = ff_store_execute(store, "SELECT count(us) FROM units", &err);
	ff_store_close(store);
	return rc == FF_ELOAD;
}

int ff_store_set_aside(const char *path, char *moved, struct ff_err *err)
{
	static const char *const beside[] = {"-wal", "-shm"};
	time_t now = time(NULL);
	struct tm tm;
	char when[32];

	*moved = '\0';
	if (!is_broken(path))
		return 0;
	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	snprintf(moved, FF_STORE_NAME_MAX, "%s.broken-%s", path, when);
	if (rename(path, moved) < 0)
		return ff_err_sys(err, errno, "%s is broken, and can't be set aside", path);
	for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		char *from = ff_xasprintf("%s%s", path, beside[i]);

		unlink(from); /* else it would be taken for the new file's */
		ff_free(from);
	}
	return 0;
}

/* --- reading --- */

const char *ff_store_text(sqlite3_stmt *row, int column)
{
	return (const char *)sqlite3_column_text(row, column);
}

int ff_store_read_over(struct ff_store *store, sqlite3_stmt *statement, int rc, struct ff_err *err)
{
	rc = rc == SQLITE_DONE ? 0 : ff_store_trouble(store, err);
	sqlite3_finalize(statement);
	return rc;
}

/* NULL in what can't be NULL: somebody else has written there. */
static bool read_unit(sqlite3_stmt *row, struct ff_store_unit *unit)
{
	const char *outcome = ff_store_text(row, 4);
	int known = outcome ? ff_outcome_from_word(outcome) : -1;

	*unit = (struct ff_store_unit){
		.kind = ff_store_text(row, 0),
		.name = ff_store_text(row, 1),
		.us = sqlite3_column_int64(row, 2),
		.setup_us = sqlite3_column_int64(row, 3),
		.outcome = known < 0 ? FF_OUTCOME_ERROR : (enum ff_outcome)known,
		.since = ff_store_text(row, 5),
		.failed_in = ff_store_text(row, 6),
		.failures = (uint32_t)sqlite3_column_int64(row, 7),
		.flips = (uint32_t)sqlite3_column_int64(row, 8),
		.flaky = (uint32_t)sqlite3_column_int64(row, 9),
		.seen_s = sqlite3_column_int64(row, 10),
		.memory_kib = sqlite3_column_int64(row, 11),
	};
	return known >= 0 && unit->kind && unit->name && unit->since && unit->us >= 0 &&
	       unit->setup_us >= 0 && unit->memory_kib >= 0;
}

int ff_store_units(struct ff_store *store, const struct ff_store_query *query,
		   void (*each)(void *ctx, const struct ff_store_unit *unit), void *ctx,
		   struct ff_err *err)
{
	char *sql = ff_xasprintf(sql_units, store->has_memory ? units_now : units_of_old,
				 sql_orders[query->order]);
	sqlite3_stmt *statement = ff_store_prepare(store, sql, err);
	struct ff_store_unit unit;
	int rc;

	ff_free(sql);
	if (!statement)
		return err->code;
	if (query->pattern)
		sqlite3_bind_text(statement, 1, query->pattern, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 2, query->flaky);
	sqlite3_bind_int64(statement, 3, query->limit > 0 ? query->limit : -1);
	sqlite3_bind_int(statement, 4, FLAKY_FLIPS);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
		if (read_unit(statement, &unit))
			each(ctx, &unit);
	return ff_store_read_over(store, statement, rc, err);
}

int ff_store_hosts(struct ff_store *store, void (*each)(void *ctx, const char *name, double speed),
		   void *ctx, struct ff_err *err)
{
	sqlite3_stmt *statement = ff_store_prepare(store, sql_hosts, err);
	int rc;

	if (!statement)
		return err->code;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
		if (ff_store_text(statement, 0))
			each(ctx, ff_store_text(statement, 0), sqlite3_column_double(statement, 1));
	return ff_store_read_over(store, statement, rc, err);
}

int ff_store_runs(struct ff_store *store, int64_t limit,
		  void (*each)(void *ctx, const struct ff_store_run *run), void *ctx,
		  struct ff_err *err)
{
	sqlite3_stmt *row = ff_store_prepare(store, sql_runs, err);
	int rc;

	if (!row)
		return err->code;
	sqlite3_bind_int64(row, 1, limit > 0 ? limit : -1);
	while ((rc = sqlite3_step(row)) == SQLITE_ROW) {
		struct ff_store_run run = {ff_store_text(row, 0),
					   sqlite3_column_int64(row, 1),
					   sqlite3_column_int64(row, 2),
					   sqlite3_column_int(row, 3),
					   (uint32_t)sqlite3_column_int64(row, 4),
					   (uint32_t)sqlite3_column_int64(row, 5),
					   ff_store_text(row, 6)};

		if (run.id)
			each(ctx, &run);
	}
	return ff_store_read_over(store, row, rc, err);
}

/* --- writing --- */

int ff_store_begin(struct ff_store *store, struct ff_err *err)
{
	int rc;

	if (store->read_only)
		return ff_err_set(err, FF_ESYS, "%s: %s", store->path, store->read_only);
	rc = ff_store_execute(store, "BEGIN IMMEDIATE", err);
	store->begun = rc == 0;
	return rc ? rc : ff_store_make_files(store, err);
}

int ff_store_run_once(struct ff_store *store, sqlite3_stmt *statement, struct ff_err *err)
{
	int rc = sqlite3_step(statement) == SQLITE_DONE ? 0 : ff_store_trouble(store, err);

	sqlite3_finalize(statement);
	return rc;
}

int ff_store_put_unit(struct ff_store *store, const struct ff_store_seen *seen, struct ff_err *err)
{
	sqlite3_stmt *put = store->put_unit;
	int rc;

	if (!put)
		put = store->put_unit = ff_store_prepare(store, sql_put_unit, err);
	if (!put)
		return err->code;
	sqlite3_bind_text(put, 1, seen->kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(put, 2, seen->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(put, 3, seen->us);
	sqlite3_bind_int64(put, 4, seen->setup_us);
	sqlite3_bind_text(put, 5, ff_outcome_word(seen->outcome), -1, SQLITE_STATIC);
	sqlite3_bind_int(put, 6, ff_outcome_bad(seen->outcome));
	sqlite3_bind_text(put, 7, seen->run, -1, SQLITE_STATIC);
	sqlite3_bind_int(put, 8, seen->flaky);
	sqlite3_bind_int64(put, 9, seen->now_s);
	sqlite3_bind_int64(put, 10, seen->memory_kib);
	rc = sqlite3_step(put) == SQLITE_DONE ? 0 : ff_store_trouble(store, err);
	sqlite3_reset(put);
	return rc;
}

int ff_store_put_run(struct ff_store *store, const struct ff_store_run *run, struct ff_err *err)
{
	sqlite3_stmt *put = ff_store_prepare(store, sql_put_run, err);

	if (!put)
		return err->code;
	sqlite3_bind_text(put, 1, run->id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(put, 2, run->began_s);
	sqlite3_bind_int64(put, 3, run->took_us);
	sqlite3_bind_int(put, 4, run->exit_code);
	sqlite3_bind_int64(put, 5, run->total);
	sqlite3_bind_int64(put, 6, run->bad);
	if (run->command_line)
		sqlite3_bind_text(put, 7, run->command_line, -1, SQLITE_STATIC);
	return ff_store_run_once(store, put, err);
}

int ff_store_put_host(struct ff_store *store, const char *name, double speed, struct ff_err *err)
{
	sqlite3_stmt *put = ff_store_prepare(store, sql_put_host, err);

	if (!put)
		return err->code;
	sqlite3_bind_text(put, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_double(put, 2, speed);
	return ff_store_run_once(store, put, err);
}

static int run_with(struct ff_store *store, const char *sql, int64_t number, struct ff_err *err)
{
	sqlite3_stmt *statement = ff_store_prepare(store, sql, err);

	if (!statement)
		return err->code;
	sqlite3_bind_int64(statement, 1, number);
	return ff_store_run_once(store, statement, err);
}

int ff_store_prune(struct ff_store *store, int64_t now_s, struct ff_err *err)
{
	int64_t pruned_s = 0;
	int rc = ff_store_number(store, sql_pruned, 0, &pruned_s, err);

	/* A clock that was ahead must not put it off for ever. */
	if (rc || (now_s - pruned_s < DAY_S && now_s >= pruned_s))
		return rc;
	rc = run_with(store, sql_prune_units, now_s - (int64_t)FF_STORE_UNIT_DAYS * DAY_S, err);
	if (!rc)
		rc = run_with(store, sql_prune_files, now_s - (int64_t)FF_STORE_UNIT_DAYS * DAY_S,
			      err);
	if (!rc)
		rc = run_with(store, sql_prune_sharded, now_s - (int64_t)FF_STORE_UNIT_DAYS * DAY_S,
			      err);
	if (!rc)
		rc = run_with(store, sql_prune_more, FF_STORE_UNITS_MAX, err);
	if (!rc)
		rc = run_with(store, sql_prune_runs, FF_STORE_RUNS_MAX, err);
	return rc ? rc : run_with(store, sql_put_pruned, now_s, err);
}

int ff_store_commit(struct ff_store *store, struct ff_err *err)
{
	int rc = ff_store_execute(store, "COMMIT", err);

	store->begun = rc != 0;
	return rc;
}
