/* Where the journals of earlier runs are. */
#ifndef FF_CLI_RUNS_H
#define FF_CLI_RUNS_H

#include <stdbool.h>

/* The folder that holds `.farflung`: FARFLUNG_RUNS, or `otherwise`. */
const char *ff_runs_home(const char *otherwise);

/* The journal in `dir`: a run's folder, or one that holds runs, then of the latest; `dir` may be
 * the journal itself (*.jsonl). The caller's to free; NULL: there is none. */
char *ff_run_journal_in(const char *dir);

/* The journal of the run with that id below ff_runs_home("."), or in that place; NULL: the last
 * one. The caller's to free; NULL: there is none. */
char *ff_run_journal(const char *run);

/* Whether a word means a run: last, one that is there, or what can be nothing else (the id of one
 * that is gone). */
bool ff_runs_is_run(const char *word);

#endif
