/* The cache of pytest (lastfailed, nodeids) after a run: what the controller's half of pytest's
 * cacheprovider writes, where a job had no front to do it. */
#include "pytest/cache.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/strv.h"
#include "report/file.h"

/* What is known of a name: a test, or something that could not be collected. */
static const char failed[] = "failed", fine[] = "fine", above[] = "above";

struct job {
	struct job *next;
	char *name;
	char *folder;	      /* NULL: no worker named one */
	bool suffixed;	      /* names may end with "@group" or "@gw1" */
	bool told;	      /* its front has written it */
	struct ff_map names;  /* node id -> failed or fine */
	struct ff_map places; /* of tests that ended: files, classes -> above */
};

struct cache {
	struct ff_reporter base;
	struct job *jobs;     /* of pytest */
	struct ff_map remote; /* hosts that are not this machine */
	char *here;
	void (*complain)(const char *text);
};

static struct job *job_of(const struct cache *cache, const char *name)
{
	struct job *job = cache->jobs;

	while (job && name && strcmp(job->name, name))
		job = job->next;
	return name ? job : NULL;
}

static void on_job(struct cache *cache, const struct ff_event *event)
{
	struct job *job;

	if (!event->job || strcmp(event->u.job_added.payload, "pytest") ||
	    job_of(cache, event->job))
		return;
	job = ff_xcalloc(1, sizeof(*job));
	job->name = ff_xstrdup(event->job);
	job->next = cache->jobs;
	cache->jobs = job;
}

static void on_host(struct cache *cache, const struct ff_event *event)
{
	const char *spec = event->u.host_added.spec;

	if (event->host && (!spec || strncmp(spec, "popen", 5) || strstr(spec, "via=")))
		ff_map_set(&cache->remote, event->host, cache);
}

/* --- what workers tell --- */

static bool leads_out(const char *path)
{
	return *path == '/' || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 ||
	       strstr(path, "/../") ||
	       (strlen(path) > 3 && !strcmp(path + strlen(path) - 3, "/.."));
}

/* Where a worker would have it is below its working directory, for which ours stands. What is said
 * on another machine is not believed if it leads elsewhere. */
static void on_worker(struct cache *cache, const struct ff_event *event)
{
	struct job *job = job_of(cache, event->job);

	for (size_t i = 0; job && i < event->u.worker_started.facts_len; i++) {
		const struct ff_fact *fact = &event->u.worker_started.facts[i];

		if (strcmp(fact->key, "suffixed") == 0)
			job->suffixed = true;
		if (job->folder || strcmp(fact->key, "cache") || !*fact->value)
			continue;
		if (leads_out(fact->value) &&
		    (!event->host || ff_map_get(&cache->remote, event->host)))
			continue;
		job->folder = *fact->value == '/' ? ff_xstrdup(fact->value)
						  : ff_xasprintf("%s/%s", cache->here, fact->value);
	}
}

/* Without what was put behind it. */
static char *own_name(const struct job *job, const char *name)
{
	const char *at = job->suffixed ? strrchr(name, '@') : NULL, *colons = name, *next;

	while ((next = strstr(colons, "::")))
		colons = next + 2;
	if (at && at > colons && !strchr(at, ']'))
		return ff_xstrndup(name, (size_t)(at - name));
	return ff_xstrdup(name);
}

/* "a/b.py::C::f": of what "a/b.py", "a" and "a/b.py::C" could be collected. */
static void add_places(struct job *job, char *name)
{
	for (char *p = name; *p && *p != '['; p++) {
		char before = *p;

		if (before != '/' && strncmp(p, "::", 2))
			continue;
		*p = '\0';
		if (!ff_map_get(&job->places, name))
			ff_map_set(&job->places, name, (void *)above);
		*p = before;
		p += before == ':';
	}
}

static void on_unit(struct cache *cache, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct job *job = job_of(cache, event->job);
	char *name;

	if (!job || !result || !event->u.unit_finished.final || !event->unit)
		return;
	name = own_name(job, event->unit);
	/* One of several that have this name may have failed before. */
	if (ff_map_get(&job->names, name) != failed)
		ff_map_set(&job->names, name,
			   (void *)(ff_outcome_bad(result->outcome) ? failed : fine));
	add_places(job, name);
	ff_free(name);
}

static void on_problem(struct cache *cache, const struct ff_event *event)
{
	struct job *job = job_of(cache, event->job);
	const char *name = event->u.collect_problem.nodeid;

	if (job && name)
		ff_map_set(&job->places, name,
			   (void *)(event->u.collect_problem.skipped ? fine : failed));
}

static void cache_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct cache *cache = (struct cache *)reporter;
	struct job *job;

	switch (event->kind) {
	case FF_EVENT_HOST_ADDED:
		on_host(cache, event);
		break;
	case FF_EVENT_JOB_ADDED:
		on_job(cache, event);
		break;
	case FF_EVENT_WORKER_STARTED:
		on_worker(cache, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_BEFORE:
		on_unit(cache, event);
		break;
	case FF_EVENT_COLLECT_PROBLEM:
		on_problem(cache, event);
		break;
	case FF_EVENT_FRONT_FINISHED:
		job = job_of(cache, event->job);
		if (job && !event->u.front_finished.error)
			job->told = true;
		break;
	default:
		break;
	}
}

/* --- the files --- */

static int add_file(const char *folder, const char *name, const char *text, struct ff_err *err)
{
	char *path = ff_xasprintf("%s/%s", folder, name);
	struct ff_report_file file;
	int rc = ff_report_begin(&file, path, err);

	if (!rc) {
		fputs(text, file.stream);
		rc = ff_report_commit(&file, 0, err);
	}
	ff_free(path);
	return rc;
}

/* A new folder says what it is, to people, version control and backups (bford.info/cachedir). */
static int make_folder(const char *folder, struct ff_err *err)
{
	char *inside = ff_xasprintf("%s/v/cache/.", folder);
	struct stat st;
	bool is_new = stat(folder, &st) < 0 && errno == ENOENT;
	int rc = ff_report_prepare(inside, err);

	ff_free(inside);
	/* Its last part is the folder itself: whether that can be written shows soon. */
	if (rc && (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)))
		return rc;
	if (!is_new)
		return 0;
	rc = add_file(
		folder, "README.md",
		"# pytest's cache\n\nWhat pytest keeps from one run for the next: `--lf`, `--ff`, "
		"`--nf` and the `cache` fixture\nread it. It need not be kept, and belongs in no "
		"repository.\n",
		err);
	if (!rc)
		rc = add_file(folder, ".gitignore", "*\n", err);
	if (!rc)
		rc = add_file(folder, "CACHEDIR.TAG",
			      "Signature: 8a477f597d28d172789f06886806bc55\n", err);
	return rc;
}

static char *path_of(const struct job *job, const char *name)
{
	return ff_xasprintf("%s/v/cache/%s", job->folder, name);
}

/* What can't be read is as if it were not there, as for pytest. */
static json_t *load(const struct job *job, const char *name, bool object)
{
	char *path = path_of(job, name);
	json_t *value = json_load_file(path, 0, NULL);

	ff_free(path);
	if (value && (object ? json_is_object(value) : json_is_array(value)))
		return value;
	json_decref(value);
	return object ? json_object() : json_array();
}

static int save(const struct job *job, const char *name, const json_t *value, struct ff_err *err)
{
	char *path = path_of(job, name);
	struct ff_report_file file;
	int rc = make_folder(job->folder, err);

	if (!rc)
		rc = ff_report_begin(&file, path, err);
	if (!rc) {
		bool bad = json_dumpf(value, file.stream, JSON_INDENT(2)) < 0;

		rc = ff_report_commit(&file, bad ? EIO : 0, err);
	}
	ff_free(path);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, so that two runs alike write the same. */
static void names_in(const struct ff_map *map, const char *value, struct ff_strv *names)
{
	size_t cursor = 0;
	const char *key;
	void *known;

	while (ff_map_next(map, &cursor, &key, &known))
		if (!value || known == value)
			ff_strv_add(names, key);
	if (names->len > 0)
		qsort(names->v, names->len, sizeof(*names->v), by_name);
}

static bool is_over(const struct job *job, const char *name)
{
	const void *known = ff_map_get(&job->names, name);

	known = known ? known : ff_map_get(&job->places, name);
	return known && known != failed;
}

/* What failed is added, what did not is taken out, what did not run stays. */
static int save_failed(const struct job *job, struct ff_err *err)
{
	struct ff_strv names = FF_STRV_INIT;
	json_t *known = load(job, "lastfailed", true), *value;
	bool changed = false;
	const char *name;
	int rc = 0;
	void *next;

	json_object_foreach_safe(known, next, name, value)
	{
		if (!is_over(job, name))
			continue;
		json_object_del(known, name);
		changed = true;
	}
	names_in(&job->places, failed, &names);
	names_in(&job->names, failed, &names);
	for (size_t i = 0; i < names.len; i++) {
		if (json_object_get(known, names.v[i]))
			continue;
		json_object_set_new(known, names.v[i], json_true());
		changed = true;
	}
	if (changed)
		rc = save(job, "lastfailed", known, err);
	ff_strv_release(&names);
	json_decref(known);
	return rc;
}

/* All tests that were ever run, sorted. */
static int save_names(const struct job *job, struct ff_err *err)
{
	struct ff_strv names = FF_STRV_INIT;
	json_t *known = load(job, "nodeids", false), *all = json_array(), *value;
	size_t i;
	int rc;

	json_array_foreach(known, i, value)
	{
		const char *name = json_string_value(value);

		if (name && !ff_map_get(&job->names, name))
			ff_strv_add(&names, name);
	}
	names_in(&job->names, NULL, &names);
	for (i = 0; i < names.len; i++)
		json_array_append_new(all, json_string(names.v[i]));
	rc = save(job, "nodeids", all, err);
	ff_strv_release(&names);
	json_decref(known);
	json_decref(all);
	return rc;
}

/* That there is none for the next run is no failure of this one. */
static int cache_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct cache *cache = (struct cache *)reporter;
	struct ff_err trouble = {0};

	(void)err;
	for (const struct job *job = cache->jobs; job; job = job->next) {
		char *text;

		if (!job->folder || job->told ||
		    (!save_failed(job, &trouble) && !save_names(job, &trouble)))
			continue;
		text = ff_xasprintf("no cache of pytest for --lf: %s", trouble.text);
		cache->complain(text);
		ff_free(text);
	}
	return 0;
}

static void cache_free(struct ff_reporter *reporter)
{
	struct cache *cache = (struct cache *)reporter;
	struct job *next;

	for (struct job *job = cache->jobs; job; job = next) {
		next = job->next;
		ff_map_release(&job->names);
		ff_map_release(&job->places);
		ff_free(job->folder);
		ff_free(job->name);
		ff_free(job);
	}
	ff_map_release(&cache->remote);
	ff_free(cache->here);
	ff_free(cache);
}

static const struct ff_reporter_class cache_class = {
	.name = "pytest's cache",
	.event = cache_event,
	.finish = cache_finish,
	.free = cache_free,
};

struct ff_reporter *ff_pytest_cache(const char *here, void (*complain)(const char *text))
{
	struct cache *cache = ff_xcalloc(1, sizeof(*cache));

	cache->base.class = &cache_class;
	cache->here = ff_xstrdup(here);
	cache->complain = complain;
	return &cache->base;
}
