/* The store, and what a run's history makes of it: durations, two at once, files that are not as
 * they should be, and a disk that is full. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "store/history.h"
#include "store/store.h"

#define DAY_S INT64_C(86400)
#define NOW_S INT64_C(1800000000)

static char folder[64], path[96];
static char said[4096]; /* by histories, since the test began */

static int set_up(void **state)
{
	strcpy(folder, "/tmp/farflung-store-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/in/history.db", folder);
	*said = '\0';
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void complain(const char *text)
{
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", text);
}

static struct ff_store *opened(enum ff_store_mode mode)
{
	struct ff_err err = {0};
	struct ff_store *store = NULL;

	if (ff_store_open(&store, path, mode, &err))
		fail_msg("%s", err.text);
	return store;
}

static void put(struct ff_store *store, const char *name, const char *run, int64_t us,
		enum ff_outcome outcome, int64_t now_s)
{
	const struct ff_store_seen seen = {.kind = "pytest",
					   .name = name,
					   .run = run,
					   .us = us,
					   .outcome = outcome,
					   .now_s = now_s};
	struct ff_err err = {0};

	if (ff_store_put_unit(store, &seen, &err))
		fail_msg("%s", err.text);
}

static void begin(struct ff_store *store)
{
	struct ff_err err = {0};

	if (ff_store_begin(store, &err))
		fail_msg("%s", err.text);
}

static void commit(struct ff_store *store)
{
	struct ff_err err = {0};

	if (ff_store_commit(store, &err))
		fail_msg("%s", err.text);
}

static void put_once(const char *name, const char *run, int64_t us, enum ff_outcome outcome)
{
	struct ff_store *store = opened(FF_STORE_UPDATE);

	begin(store);
	put(store, name, run, us, outcome, NOW_S);
	commit(store);
	ff_store_close(store);
}

/* "name us outcome since failed_in failures flips flaky;" for each. */
static void tell(void *ctx, const struct ff_store_unit *unit)
{
	char *text = ctx;

	sprintf(text + strlen(text), "%s %lld %s %s %s %u %u %u;", unit->name, (long long)unit->us,
		ff_outcome_word(unit->outcome), unit->since,
		unit->failed_in ? unit->failed_in : "-", unit->failures, unit->flips, unit->flaky);
}

static void assert_units(const struct ff_store_query *query, const char *expected)
{
	struct ff_store *store = opened(FF_STORE_READ);
	struct ff_err err = {0};
	char text[4096] = "";

	assert_int_equal(ff_store_units(store, query, tell, text, &err), 0);
	assert_string_equal(text, expected);
	ff_store_close(store);
}

static void count(void *ctx, const struct ff_store_unit *unit)
{
	++*(int *)ctx;
}

static int units_len(void)
{
	const struct ff_store_query all = {0};
	struct ff_store *store = opened(FF_STORE_READ);
	struct ff_err err = {0};
	int len = 0;

	assert_int_equal(ff_store_units(store, &all, count, &len, &err), 0);
	ff_store_close(store);
	return len;
}

/* Overwrites bytes of the file: those of its header have their places (sqlite.org/fileformat2). */
static void overwrite(long offset, const void *bytes, size_t len)
{
	FILE *file = fopen(path, "r+b");

	assert_non_null(file);
	fseek(file, offset, SEEK_SET);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

enum { USER_VERSION_AT = 60, APPLICATION_AT = 68 };

/* --- what is kept --- */

static void test_later_runs_weigh_more(void **state)
{
	const struct ff_store_query all = {0};

	put_once("a", "r1", 1000, FF_OUTCOME_PASSED);
	put_once("a", "r2", 2000, FF_OUTCOME_PASSED);
	assert_units(&all, "a 1300 passed r1 - 0 0 0;");
	/* One that was cut off tells nothing of how long it takes. */
	put_once("a", "r3", 0, FF_OUTCOME_TIMEOUT);
	assert_units(&all, "a 1300 timeout r3 r3 1 1 0;");
	put_once("a", "r4", 1300, FF_OUTCOME_FAILED);
	assert_units(&all, "a 1300 failed r3 r4 2 1 0;");
	put_once("a", "r5", 1300, FF_OUTCOME_SKIPPED);
	assert_units(&all, "a 1300 skipped r5 r4 2 2 0;");
}

static void test_queries(void **state)
{
	struct ff_store_query query = {.order = FF_STORE_SLOWEST};

	put_once("t.py::slow[1]", "r1", 900, FF_OUTCOME_PASSED);
	put_once("t.py::quick[1]", "r1", 100, FF_OUTCOME_FAILED);
	put_once("u.py::other", "r1", 500, FF_OUTCOME_PASSED);
	assert_units(&query,
		     "t.py::slow[1] 900 passed r1 - 0 0 0;u.py::other 500 passed r1 - 0 0 0;"
		     "t.py::quick[1] 100 failed r1 r1 1 0 0;");
	query.limit = 1;
	assert_units(&query, "t.py::slow[1] 900 passed r1 - 0 0 0;");
	query = (struct ff_store_query){.pattern = "quick[1]"};
	assert_units(&query, "t.py::quick[1] 100 failed r1 r1 1 0 0;");
	query.pattern = "u.*";
	assert_units(&query, "u.py::other 500 passed r1 - 0 0 0;");
	query.pattern = "' OR 1; --";
	assert_units(&query, "");
	/* Failing once is no flakiness, going there and back is. */
	query = (struct ff_store_query){.flaky = true};
	assert_units(&query, "");
	put_once("t.py::quick[1]", "r2", 100, FF_OUTCOME_PASSED);
	assert_units(&query, "");
	put_once("t.py::quick[1]", "r3", 100, FF_OUTCOME_FAILED);
	assert_units(&query, "t.py::quick[1] 100 failed r3 r3 2 2 0;");
}

/* --- memory --- */

static void run_history(int64_t us);

static void put_memory(const char *name, int64_t kib)
{
	struct ff_store *store = opened(FF_STORE_UPDATE);
	const struct ff_store_seen seen = {.kind = "pytest",
					   .name = name,
					   .run = "r1",
					   .memory_kib = kib,
					   .outcome = FF_OUTCOME_PASSED,
					   .now_s = NOW_S};
	struct ff_err err = {0};

	begin(store);
	assert_int_equal(ff_store_put_unit(store, &seen, &err), 0);
	commit(store);
	ff_store_close(store);
}

static void tell_memory(void *ctx, const struct ff_store_unit *unit)
{
	sprintf((char *)ctx + strlen(ctx), "%s %lld;", unit->name, (long long)unit->memory_kib);
}

static void assert_memory(enum ff_store_order order, int64_t limit, const char *expected)
{
	const struct ff_store_query query = {.order = order, .limit = limit};
	struct ff_store *store = opened(FF_STORE_READ);
	struct ff_err err = {0};
	char text[256] = "";

	assert_int_equal(ff_store_units(store, &query, tell_memory, text, &err), 0);
	assert_string_equal(text, expected);
	ff_store_close(store);
}

static void test_memory_rises_at_once(void **state)
{
	put_memory("a", 0);
	assert_memory(FF_STORE_ANY_ORDER, 0, "a 0;");
	assert_memory(FF_STORE_LARGEST, 0, "");
	put_memory("a", 1000);
	put_memory("a", 2000);
	assert_memory(FF_STORE_ANY_ORDER, 0, "a 2000;");
	put_memory("a", 1000); /* three tenths less */
	assert_memory(FF_STORE_ANY_ORDER, 0, "a 1700;");
	put_memory("a", 0); /* it was not seen */
	put_memory("b", 5000);
	put_memory("c", 10);
	assert_memory(FF_STORE_LARGEST, 0, "b 5000;a 1700;c 10;");
	assert_memory(FF_STORE_LARGEST, 1, "b 5000;");
}

static void execute(const char *sql)
{
	char *command = ff_xasprintf("python3 -c 'import sqlite3, sys; c = "
				     "sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])' "
				     "%s \"%s\"",
				     path, sql);

	assert_int_equal(system(command), 0);
	ff_free(command);
}

/* As a program before this one has made it, and goes on writing there. */
static void test_without_a_column_for_memory(void **state)
{
	put_once("a", "r1", 5, FF_OUTCOME_PASSED);
	execute("ALTER TABLE units DROP COLUMN memory_kib");
	assert_units(&(struct ff_store_query){0}, "a 5 passed r1 - 0 0 0;");
	assert_memory(FF_STORE_ANY_ORDER, 0, "a 0;");
	assert_memory(FF_STORE_LARGEST, 0, "");
	put_memory("a", 70);
	assert_memory(FF_STORE_LARGEST, 0, "a 70;");
	execute("INSERT INTO units (kind, name, us, setup_us, outcome, bad, since, failures, flips,"
		" flaky, seen_s) VALUES ('pytest', 'b', 1, 0, 'passed', 0, 'r1', 0, 0, 0, "
		"1800000000)");
	assert_memory(FF_STORE_ANY_ORDER, 0, "a 70;b 0;");
	execute("ALTER TABLE units DROP COLUMN memory_kib");
	run_history(4999);
	assert_string_equal(said, "");
	assert_memory(FF_STORE_ANY_ORDER, 0, "a 0;b 0;t.py::a 0;");
}

static void tell_file(void *ctx, const struct ff_store_file *file)
{
	ff_buf_addf(ctx, "%s %s %lld %lld;", file->kind, file->name, (long long)file->content,
		    (long long)file->collect_us);
}

static void tell_suite(void *ctx, const char *suite)
{
	ff_buf_addf(ctx, "suite %s;", suite);
}

static void assert_files(const char *want)
{
	struct ff_store *store = opened(FF_STORE_READ);
	struct ff_buf told = FF_BUF_INIT;
	struct ff_err err = {0};

	assert_int_equal(ff_store_files(store, tell_file, &told, &err), 0);
	assert_int_equal(ff_store_sharded(store, tell_suite, &told, &err), 0);
	assert_string_equal(ff_buf_str(&told), want);
	ff_buf_release(&told);
	ff_store_close(store);
}

static void put_file(int64_t content, int64_t us)
{
	const struct ff_store_file file = {"pytest", "a.py", content, us};
	struct ff_store *store = opened(FF_STORE_UPDATE);
	struct ff_err err = {0};

	assert_int_equal(ff_store_begin(store, &err), 0);
	assert_int_equal(ff_store_put_file(store, &file, 1000, &err), 0);
	assert_int_equal(ff_store_put_sharded(store, "s1", 1000, &err), 0);
	assert_int_equal(ff_store_commit(store, &err), 0);
	ff_store_close(store);
}

static void test_files_and_suites(void **state)
{
	put_once("a", "r1", 1000, FF_OUTCOME_PASSED);
	assert_files("");
	put_file(7, 100);
	put_file(7, 300);
	assert_files("pytest a.py 7 200;suite s1;");
	put_file(8, 900); /* another content takes another time */
	assert_files("pytest a.py 8 900;suite s1;");
}

static void test_old_units_are_forgotten(void **state)
{
	const struct ff_store_query all = {0};
	struct ff_store *store = opened(FF_STORE_UPDATE);
	struct ff_err err = {0};

	begin(store);
	put(store, "old", "r1", 1, FF_OUTCOME_PASSED, NOW_S - (FF_STORE_UNIT_DAYS + 1) * DAY_S);
	put(store, "new", "r2", 1, FF_OUTCOME_PASSED, NOW_S - (FF_STORE_UNIT_DAYS - 1) * DAY_S);
	for (int i = 0; i < FF_STORE_RUNS_MAX + 5; i++) {
		char id[16];

		snprintf(id, sizeof(id), "r%d", i);
		assert_int_equal(ff_store_put_run(store,
						  &(struct ff_store_run){.id = id, .began_s = i},
						  &err),
				 0);
	}
	assert_int_equal(ff_store_prune(store, NOW_S, &err), 0);
	/* Once a day is often enough. */
	put(store, "older", "r0", 1, FF_OUTCOME_PASSED, 1);
	assert_int_equal(ff_store_prune(store, NOW_S + 60, &err), 0);
	commit(store);
	ff_store_close(store);
	assert_units(&all, "new 1 passed r2 - 0 0 0;older 1 passed r0 - 0 0 0;");

	store = opened(FF_STORE_UPDATE);
	begin(store);
	assert_int_equal(ff_store_prune(store, NOW_S + DAY_S, &err), 0);
	commit(store);
	ff_store_close(store);
	assert_units(&all, "new 1 passed r2 - 0 0 0;");
}

static void count_run(void *ctx, const struct ff_store_run *run)
{
	int *len = ctx;

	if (++*len == 1)
		assert_string_equal(run->id, "r1004");
}

static void test_runs_are_forgotten(void **state)
{
	struct ff_store *store;
	struct ff_err err = {0};
	int len = 0;

	test_old_units_are_forgotten(state);
	store = opened(FF_STORE_READ);
	assert_int_equal(ff_store_runs(store, 0, count_run, &len, &err), 0);
	assert_int_equal(len, FF_STORE_RUNS_MAX);
	ff_store_close(store);
}

static void test_what_is_not_committed_never_was(void **state)
{
	const struct ff_store_query all = {0};
	struct ff_store *store;

	put_once("a", "r1", 5, FF_OUTCOME_PASSED);
	store = opened(FF_STORE_UPDATE);
	begin(store);
	put(store, "b", "r2", 5, FF_OUTCOME_PASSED, NOW_S);
	ff_store_close(store);
	assert_units(&all, "a 5 passed r1 - 0 0 0;");
}

/* --- two at once --- */

enum { WRITERS = 4, ROUNDS = 25 };

static void test_many_writers(void **state)
{
	struct ff_store *reader;
	pid_t pids[WRITERS];

	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] > 0)
			continue;
		for (int round = 0; round < ROUNDS; round++) {
			char name[32];

			put_once("shared", "r1", 1000, FF_OUTCOME_FAILED);
			snprintf(name, sizeof(name), "own-%d-%d", i, round);
			put_once(name, "r1", 1000, FF_OUTCOME_PASSED);
		}
		_exit(0);
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(units_len(), WRITERS * ROUNDS + 1);
	reader = opened(FF_STORE_READ);
	ff_store_close(reader);
	assert_units(&(struct ff_store_query){.pattern = "shared"},
		     "shared 1000 failed r1 r1 100 0 0;");
}

/* --- files that are not as they should be --- */

static void test_not_there(void **state)
{
	struct ff_store *store;
	struct ff_err err = {0};

	assert_int_equal(ff_store_open(&store, path, FF_STORE_READ, &err), FF_ENOTFOUND);
	assert_non_null(strstr(err.text, path));
}

static int entries_like(const char *part)
{
	char inside[96];
	DIR *dir;
	int len = 0;

	snprintf(inside, sizeof(inside), "%s/in", folder);
	dir = opendir(inside);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		len += strstr(entry->d_name, part) != NULL;
	closedir(dir);
	return len;
}

struct ran {
	const char *unit, *host;
	int64_t us, memory_kib;
	bool command; /* the memory is its process's */
	enum ff_outcome outcome;
};

static void finish_unit(struct ff_reporter *history, const struct ran *ran)
{
	const struct ff_result result = {.outcome = ran->outcome,
					 .duration_us = ran->us,
					 .has_status = ran->command,
					 .max_rss_kib = ran->command ? ran->memory_kib : 0,
					 .memory_kib = ran->command ? 0 : ran->memory_kib};
	struct ff_event event = {
		.kind = FF_EVENT_UNIT_FINISHED, .job = "j", .unit = ran->unit, .host = ran->host};

	event.u.unit_finished.attempt = 1;
	event.u.unit_finished.final = true;
	event.u.unit_finished.result = &result;
	history->class->event(history, &event);
}

/* A run over it, in which these ran. */
static void run_all(const struct ran *ran, size_t len)
{
	struct ff_reporter *history = ff_history_new(path, complain);
	struct ff_event event = {.kind = FF_EVENT_RUN_STARTED,
				 .time_us = (int64_t)time(NULL) * 1000000};
	struct ff_err err = {0};

	event.u.run_started.run_id = "r1";
	history->class->event(history, &event);
	event = (struct ff_event){.kind = FF_EVENT_JOB_ADDED, .job = "j"};
	event.u.job_added.payload = "pytest";
	history->class->event(history, &event);
	for (size_t i = 0; i < len; i++)
		finish_unit(history, &ran[i]);
	event = (struct ff_event){.kind = FF_EVENT_RUN_FINISHED};
	event.u.run_finished.counts.by_outcome[FF_OUTCOME_PASSED] = (uint32_t)len;
	history->class->event(history, &event);
	assert_int_equal(history->class->finish(history, &err), 0);
	history->class->free(history);
}

static void run_history(int64_t us)
{
	run_all(&(struct ran){.unit = "t.py::a", .host = "h", .us = us}, 1);
}

static void assert_remembered(struct ran ran, int64_t kib)
{
	struct ff_reporter *history;
	const struct ff_expect_unit *known;

	run_all(&ran, 1);
	history = ff_history_new(path, complain);
	known = ff_expect_find(ff_history_expect(history), "pytest", ran.unit);
	assert_non_null(known);
	assert_int_equal(known->memory_kib, kib);
	history->class->free(history);
}

static void test_runs_remember_memory(void **state)
{
	const struct ran a = {.unit = "a", .host = "h", .us = 5000, .memory_kib = 100000};
	struct ran now = a;

	assert_remembered(now, 100000);
	now.memory_kib = 90000; /* about the same: not worth a write */
	assert_remembered(now, 100000);
	now.memory_kib = 200000;
	assert_remembered(now, 200000);
	now.memory_kib = 0; /* without the option */
	assert_remembered(now, 200000);
	now.outcome = FF_OUTCOME_CRASHED;
	now.memory_kib = 100000; /* so far */
	assert_remembered(now, 200000);
	now.memory_kib = 300000;
	assert_remembered(now, 300000);
	now = (struct ran){.unit = "b", .host = "h", .us = 5000, .memory_kib = 7, .command = true};
	assert_remembered(now, 7);
	now.memory_kib = INT64_MAX;
	assert_remembered(now, INT64_C(1) << 40);
}

static void assert_set_aside(void)
{
	run_history(4999);
	assert_non_null(strstr(said, "broken"));
	assert_non_null(strstr(said, "history.db.broken-"));
	assert_int_equal(entries_like("broken"), 1);
	assert_units(&(struct ff_store_query){0}, "t.py::a 5000 passed r1 - 0 0 0;");
	/* It is said once. */
	*said = '\0';
	run_history(4999);
	assert_string_equal(said, "");
}

static void test_no_database(void **state)
{
	char junk[4096];

	put_once("a", "r1", 5, FF_OUTCOME_PASSED);
	memset(junk, 'x', sizeof(junk));
	overwrite(0, junk, sizeof(junk));
	assert_set_aside();
}

static void test_broken_inside(void **state)
{
	char junk[4096];
	struct stat st;

	for (int i = 0; i < 3; i++)
		put_once(i ? i > 1 ? "a" : "b" : "c", "r1", 5, FF_OUTCOME_PASSED);
	memset(junk, 0xee, sizeof(junk));
	assert_int_equal(stat(path, &st), 0);
	/* All but the first page, which says that it is a database. */
	for (long at = 4096; at + 4096 <= st.st_size; at += 4096)
		overwrite(at, junk, sizeof(junk));
	assert_set_aside();
}

static void test_newer(void **state)
{
	const unsigned char version[] = {0, 0, 0, FF_STORE_VERSION + 1};
	const unsigned char ours[] = {0, 0, 0, FF_STORE_VERSION};

	put_once("a", "r1", 5, FF_OUTCOME_PASSED);
	overwrite(USER_VERSION_AT, version, sizeof(version));
	run_history(4999);
	assert_non_null(strstr(said, "newer"));
	assert_non_null(strstr(said, path));
	assert_int_equal(entries_like("broken"), 0);
	overwrite(USER_VERSION_AT, ours, sizeof(ours));
	assert_units(&(struct ff_store_query){0}, "a 5 passed r1 - 0 0 0;");
}

static void test_of_another_program(void **state)
{
	const unsigned char theirs[] = {1, 2, 3, 4};

	put_once("a", "r1", 5, FF_OUTCOME_PASSED);
	overwrite(APPLICATION_AT, theirs, sizeof(theirs));
	run_history(4999);
	assert_non_null(strstr(said, "is not farflung's"));
	assert_int_equal(entries_like("broken"), 0);
}

static void test_empty_file(void **state)
{
	put_once("a", "r1", 5, FF_OUTCOME_PASSED);
	assert_int_equal(truncate(path, 0), 0);
	run_history(4999);
	assert_string_equal(said, "");
	assert_units(&(struct ff_store_query){0}, "t.py::a 5000 passed r1 - 0 0 0;");
}

/* Root may write anywhere: somebody else tries. */
static void as_nobody(void (*what)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
			_exit(99);
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void read_only(void)
{
	struct ff_reporter *history = ff_history_new(path, complain);
	const struct ff_expect_unit *known =
		ff_expect_find(ff_history_expect(history), "pytest", "a");

	if (!known || known->us != 5)
		_exit(1);
	history->class->free(history);
	run_history(4999);
	if (!strstr(said, path))
		_exit(2);
}

static void test_read_only(void **state)
{
	char inside[96];

	put_once("a", "r1", 5, FF_OUTCOME_PASSED);
	snprintf(inside, sizeof(inside), "%s/in", folder);
	chmod(folder, 0755);
	chmod(path, 0444);
	chmod(inside, 0555);
	as_nobody(read_only);
	chmod(inside, 0755);
	assert_units(&(struct ff_store_query){0}, "a 5 passed r1 - 0 0 0;");
}

static void no_folder(void)
{
	run_history(4999);
	if (!strstr(said, path))
		_exit(1);
}

static void test_no_folder(void **state)
{
	chmod(folder, 0555);
	as_nobody(no_folder);
	chmod(folder, 0755);
}

static void disk_is_full(void)
{
	const struct rlimit limit = {1000, 1000}; /* a file that is larger can't be written */

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	run_history(4999);
	if (!strstr(said, path))
		_exit(1);
}

static void test_full_disk(void **state)
{
	put_once("a", "r1", 5, FF_OUTCOME_PASSED);
	chmod(folder, 0777);
	snprintf(said, sizeof(said), "%s/in", folder);
	chmod(said, 0777);
	chmod(path, 0666);
	*said = '\0';
	as_nobody(disk_is_full);
	assert_units(&(struct ff_store_query){0}, "a 5 passed r1 - 0 0 0;");
}

/* --- what a run tells --- */

static void test_hardly_a_change_is_none(void **state)
{
	run_history(4999);
	run_history(6000);
	assert_units(&(struct ff_store_query){0}, "t.py::a 5000 passed r1 - 0 0 0;");
	run_history(8999);
	assert_units(&(struct ff_store_query){0}, "t.py::a 6200 passed r1 - 0 0 0;");
}

static void tell_host(void *ctx, const char *name, double speed)
{
	sprintf((char *)ctx + strlen(ctx), "%s %.2f;", name, speed);
}

static void assert_hosts(const char *expected)
{
	struct ff_store *store = opened(FF_STORE_READ);
	struct ff_err err = {0};
	char text[256] = "";

	assert_int_equal(ff_store_hosts(store, tell_host, text, &err), 0);
	assert_string_equal(text, expected);
	ff_store_close(store);
}

/* [0] of "fast", [1] of the other. */
static void take_speed(void *ctx, const char *name, double speed)
{
	((double *)ctx)[strcmp(name, "fast") != 0] = speed;
}

static void test_hosts_are_compared_within_a_run(void **state)
{
	static const struct ran alone[] = {{.unit = "a", .host = "fast", .us = 999999},
					   {.unit = "b", .host = "fast", .us = 999999}};
	static const struct ran all_slower[] = {{.unit = "a", .host = "fast", .us = 1999999},
						{.unit = "b", .host = "fast", .us = 1999999}};
	static const struct ran both[] = {{.unit = "a", .host = "fast", .us = 1300000},
					  {.unit = "b", .host = "slow", .us = 2600000}};
	static const struct ran swapped[] = {{.unit = "b", .host = "fast", .us = 1300000},
					     {.unit = "a", .host = "slow", .us = 2600000}};
	struct ff_store *store;
	struct ff_err err = {0};
	double speeds[2] = {0, 1};

	run_all(alone, 2);
	/* The code may be what has become slower. */
	run_all(all_slower, 2);
	assert_hosts("");
	assert_units(&(struct ff_store_query){0},
		     "a 1300000 passed r1 - 0 0 0;b 1300000 passed r1 - 0 0 0;");
	/* 3.9 s for 2.6: of that the one is 1.5 times as fast, the other 0.75. */
	run_all(both, 2);
	assert_hosts("fast 1.15;slow 0.93;");
	/* Whoever runs what: the one is twice as fast. */
	for (int i = 0; i < 20; i++)
		run_all(i % 2 ? both : swapped, 2);
	store = opened(FF_STORE_READ);
	assert_int_equal(ff_store_hosts(store, take_speed, speeds, &err), 0);
	ff_store_close(store);
	assert_true(speeds[0] / speeds[1] > 1.5 && speeds[0] / speeds[1] < 2.5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_later_runs_weigh_more),
		TEST(test_queries),
		TEST(test_memory_rises_at_once),
		TEST(test_without_a_column_for_memory),
		TEST(test_runs_remember_memory),
		TEST(test_files_and_suites),
		TEST(test_old_units_are_forgotten),
		TEST(test_runs_are_forgotten),
		TEST(test_what_is_not_committed_never_was),
		TEST(test_many_writers),
		TEST(test_not_there),
		TEST(test_no_database),
		TEST(test_broken_inside),
		TEST(test_newer),
		TEST(test_of_another_program),
		TEST(test_empty_file),
		TEST(test_read_only),
		TEST(test_no_folder),
		TEST(test_full_disk),
		TEST(test_hardly_a_change_is_none),
		TEST(test_hosts_are_compared_within_a_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
