#include "web/folder.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/glance.h"
#include "event/going.h"
#include "event/json.h"
#include "web/document.h"
#include "web/opened.h"

enum { OPEN_MAX_RUNS = 4 }; /* that are kept; of more the one not seen longest goes */

struct place {
	char *id;
	struct ff_opened *run; /* NULL: the place is free */
	unsigned users;	       /* that look at it right now */
	uint64_t used;	       /* when it was asked for last, in calls */
};

struct ff_web_folder {
	char *path, *links;
	pthread_mutex_t lock; /* of what follows, never held while a run is waited for */
	struct place places[OPEN_MAX_RUNS];
	uint64_t calls;
};

struct ff_web_folder *ff_web_folder_new(const char *path, const char *links)
{
	struct ff_web_folder *folder = ff_xcalloc(1, sizeof(*folder));

	folder->path = ff_xstrdup(path);
	folder->links = links ? ff_xstrdup(links) : NULL;
	pthread_mutex_init(&folder->lock, NULL);
	return folder;
}

void ff_web_folder_free(struct ff_web_folder *folder)
{
	if (!folder)
		return;
	for (int i = 0; i < OPEN_MAX_RUNS; i++) {
		ff_opened_free(folder->places[i].run);
		ff_free(folder->places[i].id);
	}
	pthread_mutex_destroy(&folder->lock);
	ff_free(folder->path);
	ff_free(folder->links);
	ff_free(folder);
}

/* --- one run --- */

/* What an address may name: nothing that leads out of the folder. */
static bool is_id(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= 64 && strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz-") == len;
}

char *ff_web_folder_journal(const struct ff_web_folder *folder, const char *id, struct ff_err *err)
{
	char *journal = is_id(id) ? ff_xasprintf("%s/%s/journal.jsonl", folder->path, id) : NULL;

	if (journal && (access(journal, F_OK) == 0 || errno != ENOENT))
		return journal;
	ff_free(journal);
	ff_err_set(err, FF_ENOTFOUND, "there is no such run");
	return NULL;
}

/* A place that has the run, or can have it; NULL: all are in use. */
static struct place *find_place(struct ff_web_folder *folder, const char *id)
{
	struct place *best = NULL;

	for (int i = 0; i < OPEN_MAX_RUNS; i++) {
		struct place *at = &folder->places[i];

		if (at->run && strcmp(at->id, id) == 0)
			return at;
		if (at->users == 0 && (!best || at->used < best->used))
			best = at;
	}
	return best;
}

static int open_at(const struct ff_web_folder *folder, struct place *place, const char *id,
		   struct ff_err *err)
{
	char *journal = ff_web_folder_journal(folder, id, err);
	struct ff_opened *run = journal ? ff_opened_new(journal, err) : NULL;

	ff_free(journal);
	if (!run)
		return err->code;
	ff_opened_free(place->run);
	ff_free(place->id);
	place->run = run;
	place->id = ff_xstrdup(id);
	return 0;
}

static void give_back(struct ff_web_folder *folder, struct place *place)
{
	pthread_mutex_lock(&folder->lock);
	place->users--;
	pthread_mutex_unlock(&folder->lock);
}

/* The run, which is kept until give_back. */
static struct place *borrow(struct ff_web_folder *folder, const char *id, struct ff_err *err)
{
	struct place *place;
	int rc = 0;

	pthread_mutex_lock(&folder->lock);
	place = find_place(folder, id);
	if (!place)
		rc = ff_err_set(err, FF_EBUSY, "too many runs are looked at");
	else if (!place->run || strcmp(place->id, id) != 0)
		rc = open_at(folder, place, id, err);
	if (rc == 0) {
		place->users++;
		place->used = ++folder->calls;
	}
	pthread_mutex_unlock(&folder->lock);
	return rc == 0 ? place : NULL;
}

static int answer_row(struct ff_opened *run, uint32_t row, struct ff_buf *out, struct ff_err *err)
{
	const struct ff_model *model = ff_opened_model(run);
	struct ff_buf attempts = FF_BUF_INIT;
	int rc;

	if (row >= model->rows_len)
		return ff_err_set(err, FF_ENOTFOUND, "there is no row %u", row);
	rc = ff_details_of(ff_opened_details(run), row, &attempts);
	rc = rc ? rc : ff_document_row(out, model, row, ff_buf_str(&attempts));
	ff_buf_release(&attempts);
	return rc;
}

int ff_web_folder_ask(struct ff_web_folder *folder, const char *id,
		      const struct ff_web_question *question, struct ff_buf *out,
		      struct ff_err *err)
{
	struct ff_err own = {0};
	struct place *place = borrow(folder, id, err = err ? err : &own);
	const struct ff_model *model;
	int64_t to_us = question->to_us;
	int rc = 0;

	if (!place)
		return err->code;
	if (ff_opened_lock(place->run, err) < 0) {
		give_back(folder, place);
		return err->code;
	}
	model = ff_opened_model(place->run);
	switch (question->part) {
	case FF_WEB_RUN:
		rc = ff_document_run_linked(out, model,
					    folder->links ? folder->links : model->links);
		break;
	case FF_WEB_ROWS:
		rc = ff_document_found(out, model,
				       ff_opened_find(place->run, &question->query, question->key),
				       question->from, question->count);
		break;
	case FF_WEB_ROW:
		rc = answer_row(place->run, question->row, out, err);
		break;
	case FF_WEB_TIMELINE:
		to_us = to_us ? to_us : model->last_us - model->began_us;
		to_us = to_us > question->from_us ? to_us : question->from_us + 1;
		rc = ff_document_timeline(out, model, question->from_us, to_us, question->pixels);
		break;
	case FF_WEB_CRITICAL:
		rc = ff_document_critical(out, model);
		break;
	}
	ff_opened_unlock(place->run);
	give_back(folder, place);
	return rc;
}

int ff_web_folder_peek(struct ff_web_folder *folder, const char *id, bool now,
		       struct ff_opened_place *place, struct ff_err *err)
{
	struct ff_err own = {0};
	struct place *borrowed = borrow(folder, id, err = err ? err : &own);
	int rc;

	if (!borrowed)
		return err->code;
	rc = ff_opened_peek(borrowed->run, now, place, err);
	give_back(folder, borrowed);
	return rc;
}

int ff_web_folder_left(struct ff_web_folder *folder, const char *run, uint32_t left, char **path,
		       int64_t *told_us, struct ff_err *err)
{
	struct place *place = borrow(folder, run, err);
	const struct ff_model *model;
	int rc = 0;

	if (!place)
		return err->code;
	model = ff_opened_model(place->run);
	if (left < model->left_len && model->left[left].folder) {
		*path = ff_xstrdup(model->left[left].folder);
		*told_us = model->left[left].told_us;
	} else {
		rc = ff_err_set(err, FF_ENOTFOUND, "nothing was brought");
	}
	give_back(folder, place);
	return rc;
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

/* One of those whose names have the same second: only their journals know which began first. */
struct twin {
	struct dirent *entry;
	int64_t began_us; /* 0: it has no beginning yet, or is damaged */
};

static int later_twin_first(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;

	if (x->began_us != y->began_us)
		return x->began_us < y->began_us ? 1 : -1;
	return strcmp(y->entry->d_name, x->entry->d_name);
}

static void sort_twins(const char *path, struct dirent **entries, size_t len)
{
	struct twin *twins = ff_xcalloc(len, sizeof(*twins));

	for (size_t i = 0; i < len; i++) {
		char *journal = ff_xasprintf("%s/%s/journal.jsonl", path, entries[i]->d_name);
		struct ff_arena arena = {0};
		struct ff_event first;
		struct ff_err err;

		twins[i].entry = entries[i];
		if (ff_journal_beginning(journal, &arena, &first, &err) == 0)
			twins[i].began_us = first.time_us;
		ff_arena_release(&arena);
		ff_free(journal);
	}
	qsort(twins, len, sizeof(*twins), later_twin_first);
	for (size_t i = 0; i < len; i++)
		entries[i] = twins[i].entry;
	ff_free(twins);
}

int ff_web_scan(const char *path, struct dirent ***entries)
{
	static const size_t stamp = sizeof("20261120-080000") - 1;
	int n = scandir(path, entries, is_run, later_first);

	for (int i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && strncmp((*entries)[i]->d_name, (*entries)[end]->d_name,
						     stamp) == 0;)
			end++;
		if (end > i + 1)
			sort_twins(path, *entries + i, (size_t)(end - i));
	}
	return n;
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
	int n = ff_web_scan(folder->path, &entries);
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
