/* Finding the journals of earlier runs. */
#include "cli/runs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/journal.h"

const char *ff_runs_home(const char *otherwise)
{
	const char *elsewhere = getenv("FARFLUNG_RUNS");

	return elsewhere && *elsewhere ? elsewhere : otherwise;
}

char *ff_run_journal_in(const char *dir)
{
	static const char *const places[] = {"/journal.jsonl", "/last/journal.jsonl",
					     "/runs/last/journal.jsonl",
					     "/.farflung/runs/last/journal.jsonl", ""};
	size_t len = strlen(dir);

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		char *path = ff_xasprintf("%s%s", dir, places[i]);

		if (access(path, F_OK) == 0 &&
		    (*places[i] || (len > 6 && !strcmp(dir + len - 6, ".jsonl"))))
			return path;
		ff_free(path);
	}
	return NULL;
}

char *ff_run_journal(const char *run)
{
	char *dir, *path = NULL;

	if (!run)
		return ff_run_journal_in(ff_runs_home("."));
	if (!strchr(run, '/')) {
		dir = ff_xasprintf("%s/.farflung/runs/%s", ff_runs_home("."), run);
		path = ff_run_journal_in(dir);
		ff_free(dir);
	}
	return path ? path : ff_run_journal_in(run);
}

bool ff_runs_is_run(const char *word)
{
	const char *slash = strrchr(word, '/');
	int64_t began_s;
	char *journal;
	bool there;

	if (strcmp(word, "last") == 0 || ff_run_id_read(slash ? slash + 1 : word, &began_s))
		return true;
	journal = *word == '-' ? NULL : ff_run_journal(word);
	there = journal != NULL;
	ff_free(journal);
	return there;
}
