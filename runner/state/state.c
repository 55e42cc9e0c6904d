/* Records: their memory, names and comparison. What moves them is in apply.c. */
#include "state/state.h"

#include <string.h>

#include "base/alloc.h"
#include "state/private.h"

#define WORDS(KIND, kind)                                                                          \
	static const char *const kind##_words[] = {FF_##KIND##_STATE_MAP(X)};                      \
	const char *ff_##kind##_state_word(enum ff_##kind##_state state)                           \
	{                                                                                          \
		size_t len = sizeof(kind##_words) / sizeof(*kind##_words);                         \
                                                                                                   \
		return (unsigned)state < len ? kind##_words[state] : "?";                          \
	}
#define X(name, word) word,
WORDS(HOST, host)
WORDS(WORKER, worker)
WORDS(UNIT, unit)
WORDS(JOB, job)
WORDS(FRONT, front)
WORDS(RUN, run)
#undef X

void ff_state_init(struct ff_state *state)
{
	*state = (struct ff_state){0};
}

void ff_state_release(struct ff_state *state)
{
	for (uint32_t i = 0; i < state->hosts_len; i++) {
		ff_free(state->hosts[i].error);
		ff_free(state->hosts[i].unfit);
	}
	for (uint32_t i = 0; i < state->jobs_len; i++) {
		ff_free(state->jobs[i].units);
		ff_free(state->jobs[i].digest);
		ff_free(state->jobs[i].content);
		ff_state_release_parts(&state->jobs[i]);
	}
	ff_free(state->hosts);
	ff_free(state->jobs);
	ff_free(state->workers);
	for (int i = 0; i < 3; i++)
		ff_map_release(&state->names[i]);
	ff_arena_release(&state->texts);
	*state = (struct ff_state){0};
}

static uint32_t find(const struct ff_state *state, enum ff_record_kind kind, const char *name)
{
	uintptr_t found = name ? (uintptr_t)ff_map_get(&state->names[kind], name) : 0;

	return found ? (uint32_t)(found - 1) : FF_NOBODY;
}

uint32_t ff_state_find_host(const struct ff_state *state, const char *name)
{
	return find(state, FF_RECORD_HOST, name);
}

uint32_t ff_state_find_job(const struct ff_state *state, const char *name)
{
	return find(state, FF_RECORD_JOB, name);
}

uint32_t ff_state_find_worker(const struct ff_state *state, const char *name)
{
	return find(state, FF_RECORD_WORKER, name);
}

/* Room for one more of `size` bytes each, cleared. */
static void *grow(void *records, uint32_t len, uint32_t *cap, size_t size)
{
	if (len == *cap) {
		*cap = *cap ? 2 * *cap : 16;
		records = ff_xrealloc(records, *cap * size);
	}
	memset((char *)records + len * size, 0, size);
	return records;
}

static void name_record(struct ff_state *state, enum ff_record_kind kind, const char *name,
			uint32_t number)
{
	if (ff_map_set(&state->names[kind], name, (void *)((uintptr_t)number + 1)) < 0)
		ff_xmalloc(SIZE_MAX); /* out of memory: said as everywhere */
}

/* Names lie side by side: each event of a unit reads its host's. */
static char *keep(struct ff_state *state, const char *name)
{
	char *kept = ff_arena_strdup(&state->texts, name);

	return kept ? kept : ff_xmalloc(SIZE_MAX); /* as above */
}

struct ff_host_record *ff_state_add_host(struct ff_state *state, const char *name)
{
	state->hosts =
		grow(state->hosts, state->hosts_len, &state->hosts_cap, sizeof(*state->hosts));
	name_record(state, FF_RECORD_HOST, name, state->hosts_len);
	state->hosts[state->hosts_len].name = keep(state, name);
	return &state->hosts[state->hosts_len++];
}

struct ff_job_record *ff_state_add_job(struct ff_state *state, const char *name)
{
	state->jobs = grow(state->jobs, state->jobs_len, &state->jobs_cap, sizeof(*state->jobs));
	name_record(state, FF_RECORD_JOB, name, state->jobs_len);
	state->jobs[state->jobs_len].name = keep(state, name);
	return &state->jobs[state->jobs_len++];
}

struct ff_worker_record *ff_state_add_worker(struct ff_state *state, const char *name)
{
	state->workers = grow(state->workers, state->workers_len, &state->workers_cap,
			      sizeof(*state->workers));
	name_record(state, FF_RECORD_WORKER, name, state->workers_len);
	state->workers[state->workers_len].name = keep(state, name);
	return &state->workers[state->workers_len++];
}

/* --- comparison --- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool differ(struct ff_err *err, const char *what, const char *name)
{
	ff_err_set(err, FF_EINVAL, "%s '%s' differs", what, name);
	return false;
}

#define SAME(member) (a->member == b->member)

static bool hosts_equal(const struct ff_host_record *a, const struct ff_host_record *b)
{
	return same_text(a->name, b->name) && SAME(state) && SAME(slots) && SAME(running) &&
	       SAME(workers) && SAME(tries) && SAME(vain) && SAME(was_ready) &&
	       same_text(a->unfit, b->unfit) && same_text(a->error, b->error);
}

static bool counts_equal(const struct ff_counts *a, const struct ff_counts *b)
{
	return memcmp(a, b, sizeof(*a)) == 0; /* has no padding: all are uint32_t */
}

static bool jobs_equal(const struct ff_job_record *a, const struct ff_job_record *b,
		       struct ff_err *err)
{
	if (!(same_text(a->name, b->name) && SAME(state) && SAME(result) && SAME(why) &&
	      SAME(units_len) && SAME(units_done) && SAME(running) && SAME(workers) &&
	      SAME(problems) && SAME(crashes) && SAME(flaky) && SAME(known) &&
	      same_text(a->digest, b->digest) && same_text(a->content, b->content) &&
	      SAME(parts_len) && SAME(parts_left) && SAME(open) && SAME(front.state) &&
	      SAME(front.exit_status) && SAME(front.bad) && counts_equal(&a->counts, &b->counts)))
		return differ(err, "job", a->name);
	for (uint32_t i = 0; i < a->parts_len; i++)
		if (!same_text(a->parts[i].name, b->parts[i].name) ||
		    !same_text(a->parts[i].digest, b->parts[i].digest) ||
		    a->parts[i].first != b->parts[i].first || a->parts[i].len != b->parts[i].len)
			return differ(err, "part", a->parts[i].name);
	for (uint32_t i = 0; a->units && i < a->units_len; i++)
		if (memcmp(&a->units[i], &b->units[i], sizeof(a->units[i])) != 0) {
			ff_err_set(err, FF_EINVAL, "unit %u of job '%s' differs", i, a->name);
			return false;
		}
	return true;
}

static bool workers_equal(const struct ff_worker_record *a, const struct ff_worker_record *b)
{
	return same_text(a->name, b->name) && SAME(state) && SAME(host) && SAME(job) && SAME(unit);
}

static bool runs_equal(const struct ff_run_record *a, const struct ff_run_record *b)
{
	return SAME(state) && SAME(seq) && SAME(interrupts) && SAME(stopped) && SAME(running) &&
	       SAME(workers) && SAME(jobs_finished) && SAME(skipped_modules) && SAME(problems) &&
	       SAME(setups_failed) && SAME(exit_code) && counts_equal(&a->counts, &b->counts);
}

bool ff_state_equal(const struct ff_state *a, const struct ff_state *b, struct ff_err *err)
{
	if (!runs_equal(&a->run, &b->run) || !SAME(hosts_len) || !SAME(jobs_len) ||
	    !SAME(workers_len))
		return differ(err, "run", "");
	for (uint32_t i = 0; i < a->hosts_len; i++)
		if (!hosts_equal(&a->hosts[i], &b->hosts[i]))
			return differ(err, "host", a->hosts[i].name);
	for (uint32_t i = 0; i < a->jobs_len; i++)
		if (!jobs_equal(&a->jobs[i], &b->jobs[i], err))
			return false;
	for (uint32_t i = 0; i < a->workers_len; i++)
		if (!workers_equal(&a->workers[i], &b->workers[i]))
			return differ(err, "worker", a->workers[i].name);
	return true;
}
