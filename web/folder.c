#include "web/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/glance.h"
#include "event/going.h"
#include "event/json.h"
#include "event/reader.h"
#include "report/file.h"
#include "web/details.h"
#include "web/document.h"

enum { OPEN_MAX_RUNS = 4 }; /* models that are kept; of more the one not seen longest goes */

struct open_run {
	char *id, *journal;
	struct ff_reader *reader;
	struct ff_model model;
	struct ff_details details;
	uint64_t used; /* when it was asked for last, in calls */
};

struct ff_web_folder {
	char *path;
	pthread_mutex_t lock;
	struct open_run *runs[OPEN_MAX_RUNS];
	uint64_t calls;
};

struct ff_web_folder *ff_web_folder_new(const char *path)
{
	struct ff_web_folder *folder = ff_xcalloc(1, sizeof(*folder));

	folder->path = ff_xstrdup(path);
	pthread_mutex_init(&folder->lock, NULL);
	return folder;
}

static void close_run(struct open_run *run)
{
	if (!run)
		return;
	ff_reader_free(run->reader);
	ff_model_release(&run->model);
	ff_details_release(&run->details);
	ff_free(run->id);
	ff_free(run->journal);
	ff_free(run);
}

void ff_web_folder_free(struct ff_web_folder *folder)
{
	if (!folder)
		return;
	for (int i = 0; i < OPEN_MAX_RUNS; i++)
		close_run(folder->runs[i]);
	pthread_mutex_destroy(&folder->lock);
	ff_free(folder->path);
	ff_free(folder);
}

/* --- one run --- */

/* What an address may name: nothing that leads out of the folder. */
static bool is_id(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= 64 && strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz-") == len;
}

static void told(void *ctx, uint32_t row, const struct ff_case *c)
{
	ff_details_add(&((struct open_run *)ctx)->details, row, c);
}

/* Not beside the journal: nothing is written there. */
static int scratch(struct ff_err *err)
{
	const char *tmp = getenv("TMPDIR");
	char *path = ff_xasprintf("%s/farflung", tmp && *tmp ? tmp : "/tmp");
	int fd = ff_report_scratch(path, err);

	ff_free(path);
	return fd;
}

static struct open_run *open_run(const struct ff_web_folder *folder, const char *id,
				 struct ff_err *err)
{
	struct open_run *run = ff_xcalloc(1, sizeof(*run));
	struct ff_writer_opts writer = {.fd = scratch(err)};

	run->id = ff_xstrdup(id);
	run->journal = ff_xasprintf("%s/%s/journal.jsonl", folder->path, id);
	ff_model_init(&run->model);
	run->model.told = told;
	run->model.ctx = run;
	ff_details_init(&run->details, &writer);
	if (access(run->journal, F_OK) < 0 && errno == ENOENT)
		ff_err_set(err, FF_ENOTFOUND, "there is no run %s", id);
	else if (writer.fd >= 0)
		run->reader = ff_reader_new(run->journal, err);
	if (run->reader)
		return run;
	close_run(run);
	return NULL;
}

/* All that its journal has by now. */
static int follow(struct open_run *run, struct ff_err *err)
{
	const struct ff_event *event;
	int rc;

	while ((rc = ff_reader_next(run->reader, &event, err)) == 1)
		ff_model_take(&run->model, event, NULL);
	return rc;
}

static struct open_run *find(struct ff_web_folder *folder, const char *id, struct ff_err *err)
{
	struct open_run **place = &folder->runs[0];

	if (!is_id(id)) {
		ff_err_set(err, FF_ENOTFOUND, "there is no run of that name");
		return NULL;
	}
	for (int i = 0; i < OPEN_MAX_RUNS; i++) {
		struct open_run **at = &folder->runs[i];

		if (*at && strcmp((*at)->id, id) == 0) {
			place = at;
			break;
		}
		if (!*at || (*place && (*at)->used < (*place)->used))
			place = at;
	}
	if (!*place || strcmp((*place)->id, id) != 0) {
		struct open_run *run = open_run(folder, id, err);

		if (!run) {
			return NULL;
		}
		close_run(*place);
		*place = run;
	}
	(*place)->used = ++folder->calls;
	return follow(*place, err) < 0 ? NULL : *place;
}

int ff_web_folder_part(struct ff_web_folder *folder, const char *id, enum ff_web_part part,
		       uint32_t row, struct ff_buf *out, struct ff_err *err)
{
	struct ff_err own = {0};
	struct open_run *run;
	int rc;

	err = err ? err : &own;
	pthread_mutex_lock(&folder->lock);
	run = find(folder, id, err);
	if (!run)
		rc = err->code;
	else if (part == FF_WEB_RUN)
		rc = ff_document_run(out, &run->model);
	else if (part == FF_WEB_ROWS)
		rc = ff_document_rows(out, &run->model);
	else if (part == FF_WEB_SPANS)
		rc = ff_document_spans(out, &run->model);
	else if (row >= run->model.rows_len)
		rc = ff_err_set(err, FF_ENOTFOUND, "there is no row %u", row);
	else
		rc = ff_details_of(&run->details, row, out);
	pthread_mutex_unlock(&folder->lock);
	return rc;
}

int ff_web_folder_seq(struct ff_web_folder *folder, const char *id, uint64_t *seq, bool *over,
		      struct ff_err *err)
{
	struct ff_err own = {0};
	struct open_run *run;

	err = err ? err : &own;
	pthread_mutex_lock(&folder->lock);
	run = find(folder, id, err);
	if (run) {
		*seq = run->model.seq;
		*over = run->model.over || !ff_run_is_going(run->journal);
	}
	pthread_mutex_unlock(&folder->lock);
	return run ? 0 : err->code;
}

/* --- all runs --- */

static int later_first(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*b)->d_name, (*a)->d_name);
}

static int is_run(const struct dirent *entry)
{
	return entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && is_id(entry->d_name);
}

static const char *state_of(const char *journal, bool ended, int exit_code)
{
	if (ended)
		return exit_code == 0 ? "passed" : "failed";
	return ff_run_is_going(journal) ? "running" : "cut off";
}

static void add_run(struct ff_json *json, const char *folder, const char *id)
{
	char *journal = ff_xasprintf("%s/%s/journal.jsonl", folder, id);
	struct ff_arena arena = {0};
	struct ff_event first, last;
	struct ff_err err = {0};
	bool ended = ff_journal_end(journal, &arena, &last);
	bool begun = ff_journal_beginning(journal, &arena, &first, &err) == 0;

	ff_json_open(json, NULL, '{');
	ff_json_str(json, "id", id);
	ff_json_str(json, "command", begun ? first.u.run_started.command_line : "");
	ff_json_int(json, "began_us", begun ? first.time_us : 0);
	ff_json_str(json, "state",
		    begun ? state_of(journal, ended, ended ? last.u.run_finished.exit_code : 0)
			  : "damaged");
	if (begun && ended) {
		ff_json_int(json, "took_us", last.time_us - first.time_us);
		ff_json_int(json, "exit_code", last.u.run_finished.exit_code);
	}
	ff_json_str(json, "reason", !begun ? err.text : ended ? last.u.run_finished.reason : NULL);
	ff_json_close(json, '}');
	ff_arena_release(&arena);
	ff_free(journal);
}

int ff_web_folder_list(struct ff_web_folder *folder, size_t max, struct ff_buf *out,
		       struct ff_err *err)
{
	struct dirent **entries = NULL;
	int n = scandir(folder->path, &entries, is_run, later_first);
	struct ff_json json;

	if (n < 0 && errno != ENOENT)
		return ff_err_sys(err, errno, "%s", folder->path);
	ff_json_begin(&json, out);
	ff_json_open(&json, "runs", '[');
	for (int i = 0; i < n; i++) {
		if ((size_t)i < max)
			add_run(&json, folder->path, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	ff_json_close(&json, ']');
	ff_json_end(&json);
	return json.error;
}
