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

/* Its exit code; negative: it was another one's, or came to no end of its own. */
static int look_at(const char *journal, const char *file, const struct ff_strv *jobs,
		   const char *shard)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_strv its = FF_STRV_INIT;
	struct ff_event event;
	int code = -1;

	if (ff_journal_beginning(journal, &arena, &event, NULL) == 0) {
		char *its_file = ff_earlier_file(event.u.run_started.directory,
						 event.u.run_started.config_file);
		char *its_shard = ff_earlier_shard(event.u.run_started.command_line);

		if (strcmp(its_file, file) == 0 && strcmp(its_shard, shard) == 0 &&
		    ff_journal_end(journal, &arena, &event))
			code = event.u.run_finished.exit_code;
		ff_free(its_shard);
		ff_free(its_file);
	}
	if (code >= 0) {
		read_jobs(journal, &its);
		if (!same(&its, jobs) || code == 130)
			code = -1;
	}
	ff_strv_release(&its);
	ff_arena_release(&arena);
	return code;
}

bool ff_earlier_failed(const char *home, const char *run_id, const char *file,
		       const struct ff_strv *jobs, const char *shard, char **id)
{
	char *folder = ff_xasprintf("%s/.farflung/runs", home);
	struct dirent **entries = NULL;
	int len = scandir(folder, &entries, NULL, alphasort), code = -1;

	/* Their names begin with the time. */
	for (int i = len - 1; i >= 0 && i >= len - LOOK_BACK && code < 0; i--) {
		const char *name = entries[i]->d_name;
		char *journal;

		if (*name == '.' || !strcmp(name, "last") || strcmp(name, run_id) >= 0)
			continue;
		journal = ff_xasprintf("%s/%s/journal.jsonl", folder, name);
		code = look_at(journal, file, jobs, shard);
		if (code > 0)
			*id = ff_xstrdup(name);
		ff_free(journal);
	}
	for (int i = 0; i < len; i++)
		free(entries[i]);
	free(entries);
	ff_free(folder);
	return code > 0;
}
