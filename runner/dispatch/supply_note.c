/* Notes of what units have got, and what has changed since then. Lines of a note:
 *   u DIGEST JOB<tab>UNIT    all that the unit has got
 *   f DIGEST PATH            a file of these
 * A later line holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "dispatch/supply.h"

#define NAME "inputs"

enum { NAMED = 5 }; /* files that are named */

static char *beside(const char *journal)
{
	const char *slash = strrchr(journal, '/');

	return ff_xasprintf("%.*s" NAME, slash ? (int)(slash - journal) + 1 : 0, journal);
}

struct ff_supply_note {
	FILE *file; /* NULL: it can't be written */
	struct ff_map files;
};

struct ff_supply_note *ff_supply_note_new(const char *journal)
{
	struct ff_supply_note *note = ff_xcalloc(1, sizeof(*note));
	char *path = beside(journal);

	note->file = fopen(path, "ae");
	ff_free(path);
	return note;
}

static void copy(const char *journal, FILE **to, const char *to_path)
{
	char *path = beside(journal), part[8192];
	FILE *from = fopen(path, "re");
	size_t len;

	if (from && !*to)
		*to = fopen(to_path, "we");
	while (from && *to && (len = fread(part, 1, sizeof(part), from)) > 0)
		fwrite(part, 1, len, *to);
	if (from && *to)
		fputc('\n', *to); /* the last line may have been cut off */
	if (from)
		fclose(from);
	ff_free(path);
}

void ff_supply_note_carry(const char *journal, const struct ff_before *before)
{
	char *path = beside(journal);
	FILE *to = NULL;

	for (size_t i = before->len; i-- > 0;)
		copy(before->v[i].path, &to, path);
	if (to)
		fclose(to);
	ff_free(path);
}

static void set(struct ff_map *map, const char *key, const char *text)
{
	void *old = ff_map_del(map, key);

	ff_free(old);
	if (ff_map_set(map, key, ff_xstrdup(text)))
		abort();
}

static void release(struct ff_map *map)
{
	size_t cursor = 0;
	void *text;

	while (ff_map_next(map, &cursor, NULL, &text))
		ff_free(text);
	ff_map_release(map);
}

/* Those that are found have no name before they are: their number stands for them, which counts
 * only together with the digest of what was found. */
char *ff_supply_unit_name(const struct ff_plan_job *job, uint32_t unit, const char *name)
{
	return job->payload->discover ? ff_xasprintf("#%u", unit) : ff_xstrdup(name);
}

void ff_supply_note_add(struct ff_supply_note *note, const char *job, const char *unit,
			const struct ff_supply *inputs)
{
	if (!note->file)
		return;
	for (size_t i = 0; i < inputs->find.paths.len; i++) {
		const char *path = inputs->find.paths.v[i], *known = ff_map_get(&note->files, path);
		char text[FF_HASH_TEXT];

		ff_hash_text(inputs->files[i].xxh3, text);
		if (strchr(path, '\n') || (known && !strcmp(known, text)))
			continue;
		set(&note->files, path, text);
		fprintf(note->file, "f %s %s\n", text, path);
	}
	if (!strchr(unit, '\n'))
		fprintf(note->file, "u %s %s\t%s\n", inputs->digest, job, unit);
	fflush(note->file);
}

void ff_supply_note_free(struct ff_supply_note *note)
{
	if (!note)
		return;
	if (note->file)
		fclose(note->file);
	release(&note->files);
	ff_free(note);
}

/* --- what has changed --- */

struct comparison {
	struct ff_before *before;
	const struct ff_plan *plan;
	const char *root;
	struct ff_supply_cache *cache;
	struct ff_map units, files; /* of all notes: the latest holds */
	struct ff_map named;	    /* paths */
	struct ff_buf names;	    /* the first of them */
	uint32_t again;
};

static void read_note(struct comparison *c, const char *journal)
{
	enum { AT = 2 + FF_HASH_TEXT }; /* behind the digest and a blank */
	char *path = beside(journal), *line = NULL;
	FILE *file = fopen(path, "re");
	size_t cap = 0;
	ssize_t len;

	while (file && (len = getline(&line, &cap, file)) > 0) {
		if (len <= AT || line[len - 1] != '\n' || line[AT - 1] != ' ')
			continue;
		line[len - 1] = line[AT - 1] = '\0';
		set(*line == 'u' ? &c->units : &c->files, line + AT, line + 2);
	}
	if (file)
		fclose(file);
	free(line);
	ff_free(path);
}

static void add_name(struct comparison *c, const char *word, const char *path)
{
	if (ff_map_get(&c->named, path))
		return;
	ff_map_set(&c->named, path, c);
	if (c->named.len <= NAMED)
		ff_buf_addf(&c->names, "%s%s%s", c->names.len ? ", " : "", path, word);
}

static void name_changes(struct comparison *c, const struct ff_supply *now)
{
	for (size_t i = 0; i < now->find.paths.len; i++) {
		const char *path = now->find.paths.v[i], *then = ff_map_get(&c->files, path);
		char text[FF_HASH_TEXT];

		ff_hash_text(now->files[i].xxh3, text);
		if (!then)
			add_name(c, " (new)", path);
		else if (strcmp(then, text) != 0)
			add_name(c, "", path);
	}
}

/* Whether it would get what it has got. */
static bool unit_is_same(struct comparison *c, const struct ff_plan_job *job, uint32_t unit)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_plan_instance instance;
	struct ff_supply now = {0};
	struct ff_err err = {0};
	const char *then;
	char *key, *name;
	bool same = false;

	if (ff_plan_instance(job, job->payload->discover ? 0 : unit, &arena, &instance)) {
		ff_arena_release(&arena);
		return false;
	}
	name = ff_supply_unit_name(job, unit, instance.name);
	key = ff_xasprintf("%s\t%s", job->config->name, name);
	ff_free(name);
	then = ff_map_get(&c->units, key);
	if (ff_supply_look(&now, c->root, instance.sent, false, c->cache, &err) < 0)
		add_name(c, "", err.text);
	else if (then && strcmp(then, now.digest) == 0)
		same = true;
	else
		name_changes(c, &now);
	ff_supply_release(&now);
	ff_arena_release(&arena);
	ff_free(key);
	return same;
}

static bool is_done(const struct ff_before_run *run, uint32_t job, uint32_t unit)
{
	return run->state.jobs[job].units[unit].state == FF_UNIT_DONE &&
	       !(run->again[job] && (run->again[job][unit / 64] >> unit % 64 & 1));
}

/* In all runs, since none tells of it any more. */
static void run_again(struct comparison *c, const char *name, uint32_t units_len, uint32_t unit)
{
	for (size_t i = 0; i < c->before->len; i++) {
		struct ff_before_run *run = &c->before->v[i];
		uint32_t job = ff_state_find_job(&run->state, name);

		if (job != FF_NOBODY && run->state.jobs[job].units_len == units_len &&
		    (unit < units_len))
			ff_before_run_again(run, job, unit);
	}
}

/* The unit was done in one of the runs. */
static bool was_done(struct comparison *c, const char *name, uint32_t units_len, uint32_t unit)
{
	for (size_t i = 0; i < c->before->len; i++) {
		const struct ff_before_run *run = &c->before->v[i];
		uint32_t job = ff_state_find_job(&run->state, name);

		if (job != FF_NOBODY && run->state.jobs[job].units_len == units_len &&
		    is_done(run, job, unit))
			return true;
	}
	return false;
}

/* Of the first run that knows its units as they are now. */
static const struct ff_job_record *find_record(struct comparison *c, const char *name,
					       const char *content)
{
	for (size_t i = 0; i < c->before->len; i++) {
		const struct ff_state *state = &c->before->v[i].state;
		uint32_t job = ff_state_find_job(state, name);

		if (job != FF_NOBODY && state->jobs[job].units_len && state->jobs[job].content &&
		    strcmp(state->jobs[job].content, content) == 0)
			return &state->jobs[job];
	}
	return NULL;
}

/* Whether some of the job is run again. */
static bool compare_job(struct comparison *c, const struct ff_plan_job *job, const char *content,
			bool all)
{
	const char *name = job->config->name;
	const struct ff_job_record *then = find_record(c, name, content);
	bool any = all;

	for (uint32_t unit = 0; then && unit < then->units_len; unit++) {
		if (!was_done(c, name, then->units_len, unit) ||
		    (!all && unit_is_same(c, job, unit)))
			continue;
		run_again(c, name, then->units_len, unit);
		c->again++;
		any = true;
	}
	return any;
}

static void say(struct comparison *c, struct ff_buf *words)
{
	if (c->again == 0)
		return;
	ff_buf_addf(words, "%u unit%s run again, for inputs have changed: %s", c->again,
		    c->again == 1 ? " is" : "s are",
		    c->names.len ? ff_buf_str(&c->names) : "fewer files than before");
	if (c->named.len > NAMED)
		ff_buf_addf(words, " and %zu more", c->named.len - NAMED);
	ff_buf_addch(words, '\n');
}

void ff_supply_compare(struct ff_before *before, const struct ff_plan *plan, const char *root,
		       char (*contents)[FF_HASH_TEXT], struct ff_buf *words)
{
	struct comparison c = {
		.before = before, .plan = plan, .root = root, .cache = ff_supply_cache_new()};
	bool *changed = ff_xcalloc(plan->len + 1, sizeof(*changed));

	for (size_t i = before->len; i-- > 0;)
		read_note(&c, before->v[i].path);
	for (size_t i = 0; i < plan->len; i++) {
		const struct ff_plan_job *job = &plan->jobs[i];
		bool all = false;

		for (size_t j = 0; j < job->needs_len; j++)
			all = all || changed[job->needs[j]];
		if (all || job->config->inputs.paths.len > 0)
			changed[i] = compare_job(&c, job, contents[i], all);
	}
	say(&c, words);
	ff_supply_cache_free(c.cache);
	release(&c.units);
	release(&c.files);
	ff_map_release(&c.named);
	ff_buf_release(&c.names);
	ff_free(changed);
}
