/* How the run before came out, by the journals beside its own. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "event/glance.h"
#include "event/reader.h"
#include "notify/private.h"

enum { LOOK_BACK = 200 }; /* runs */

char *ff_earlier_shard(const char *command_line)
{
	const char *at = command_line ? strstr(command_line, " --shard") : NULL;

	if (!at || !strchr(" =", at[8]))
		return ff_xstrdup("");
	return ff_xstrndup(at + 9, strcspn(at + 9, " "));
}

char *ff_earlier_file(const char *directory, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return ff_xasprintf("%s/%s", directory ? directory : "",
			    slash  ? slash + 1
			    : path ? path
				   : "");
}

char *ff_earlier_what(const struct ff_event *started)
{
	const char *directory = started->u.run_started.directory;
	const char *file = started->u.run_started.config_file;
	const char *command = started->u.run_started.command_line;

	if (file && *file)
		return ff_earlier_file(directory, file);
	return ff_xasprintf("%s: %s", directory ? directory : "", command ? command : "");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void ff_earlier_sort(struct ff_strv *names)
{
	if (names->len)
		qsort(names->v, names->len, sizeof(*names->v), by_name);
}

/* Its jobs are told before anything is run. */
static void read_jobs(const char *journal, struct ff_strv *jobs)
{
	struct ff_reader *reader = ff_reader_new(journal, NULL);
	const struct ff_event *event;

	while (reader && ff_reader_next(reader, &event, NULL) == 1) {
		if (event->kind == FF_EVENT_JOB_ADDED && event->job)
			(void)ff_strv_add(jobs, event->job);
		if (event->kind == FF_EVENT_JOB_STARTED || event->kind == FF_EVENT_RUN_FINISHED)
			break;
	}
	ff_reader_free(reader);
	ff_earlier_sort(jobs);
}

static bool same(const struct ff_strv *a, const struct ff_strv *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

/* A run that is there. */
struct there {
	char *journal, *id;
	int64_t began_us;
};

/* False: it is none that this one could be compared with. */
static bool is_alike(struct there *there, const struct ff_earlier *own)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_event event;
	bool alike = false;

	if (ff_journal_beginning(there->journal, &arena, &event, NULL) == 0) {
		char *file = ff_earlier_what(&event);
		char *shard = ff_earlier_shard(event.u.run_started.command_line);

		there->began_us = event.time_us;
		alike = strcmp(file, own->file) == 0 && strcmp(shard, own->shard) == 0 &&
			event.time_us <= own->began_us;
		ff_free(file);
		ff_free(shard);
	}
	ff_arena_release(&arena);
	return alike;
}

/* Its exit code; negative: it had other jobs, or came to no end of its own. */
static int code_of(const struct there *there, const struct ff_earlier *own)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_strv jobs = FF_STRV_INIT;
	struct ff_event event;
	int code = -1;

	if (ff_journal_end(there->journal, &arena, &event) &&
	    event.u.run_finished.exit_code != FF_NOTIFY_INTERRUPTED) {
		read_jobs(there->journal, &jobs);
		if (same(&jobs, own->jobs))
			code = event.u.run_finished.exit_code;
	}
	ff_strv_release(&jobs);
	ff_arena_release(&arena);
	return code;
}

static int latest_first(const void *a, const void *b)
{
	int64_t left = ((const struct there *)a)->began_us;
	int64_t right = ((const struct there *)b)->began_us;

	return (left < right) - (left > right);
}

/* Those of the last so many runs that are alike; how many. */
static size_t find_alike(const char *home, const struct ff_earlier *own, struct there *there)
{
	char *folder = ff_xasprintf("%s/.farflung/runs", home);
	struct dirent **entries = NULL;
	int len = scandir(folder, &entries, NULL, alphasort);
	size_t found = 0;

	/* Their names begin with the time, in seconds. */
	for (int i = len - 1; i >= 0 && i >= len - LOOK_BACK; i--) {
		const char *name = entries[i]->d_name;
		struct there one = {.id = ff_xstrdup(name)};

		one.journal = ff_xasprintf("%s/%s/journal.jsonl", folder, name);
		if (*name != '.' && strcmp(name, "last") != 0 && strcmp(name, own->run_id) != 0 &&
		    is_alike(&one, own)) {
			there[found++] = one;
			continue;
		}
		ff_free(one.id);
		ff_free(one.journal);
	}
	for (int i = 0; i < len; i++)
		free(entries[i]);
	free(entries);
	ff_free(folder);
	return found;
}

bool ff_earlier_failed(const char *home, const struct ff_earlier *own, char **id)
{
	struct there there[LOOK_BACK];
	size_t len = find_alike(home, own, there);
	int code = -1;

	qsort(there, len, sizeof(*there), latest_first);
	for (size_t i = 0; i < len; i++) {
		if (code < 0)
			code = code_of(&there[i], own);
		if (code > 0 && !*id)
			*id = ff_xstrdup(there[i].id);
		ff_free(there[i].id);
		ff_free(there[i].journal);
	}
	return code > 0;
}
