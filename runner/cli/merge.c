/* The journals of shards: what each tells of itself, and whether they are parts of one whole. */
#include "cli/merge.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "cli/shard.h"
#include "event/going.h"
#include "event/reader.h"

void ff_merge_complain(struct ff_merge *merge, const char *fmt, ...)
{
	struct ff_buf text = FF_BUF_INIT;
	va_list args;

	va_start(args, fmt);
	ff_buf_vaddf(&text, fmt, args);
	va_end(args);
	if (merge->complaints < FF_MERGE_COMPLAINTS_MAX)
		ff_complain("%s: %s", merge->command ? merge->command : "merge", ff_buf_str(&text));
	if (merge->complaints++ == 0)
		merge->first = ff_xstrdup(ff_buf_str(&text));
	ff_buf_release(&text);
}

/* --- one journal --- */

struct ff_merge_part *ff_merge_part(const struct ff_merge_source *source, const char *job)
{
	for (size_t i = 0; job && i < source->parts_len; i++)
		if (strcmp(source->parts[i].name, job) == 0)
			return &source->parts[i];
	return NULL;
}

static void keep(char **kept, const char *text)
{
	ff_free(*kept);
	*kept = ff_xstrdup(text);
}

static void add_part(struct ff_merge_source *source, const struct ff_event *event)
{
	if (!event->job || ff_merge_part(source, event->job) ||
	    source->parts_len == FF_MERGE_JOBS_MAX)
		return;
	if (source->parts_len == source->parts_cap) {
		source->parts_cap = source->parts_cap ? 2 * source->parts_cap : 4;
		source->parts =
			ff_xrealloc(source->parts, source->parts_cap * sizeof(*source->parts));
	}
	source->parts[source->parts_len++] = (struct ff_merge_part){
		.name = ff_xstrdup(event->job),
		.payload = ff_xstrdup(event->u.job_added.payload ? event->u.job_added.payload : ""),
		.timeout_us = event->u.job_added.timeout_us,
		.addopts_read = event->u.job_added.addopts_read,
	};
	if (event->u.job_added.args)
		ff_strv_add_all(&source->parts[source->parts_len - 1].args,
				(char *const *)event->u.job_added.args);
}

static uint32_t number_of(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && number < INT32_MAX ? (uint32_t)number : 0;
}

/* "farflung.shard.left=12" */
static void on_property(struct ff_merge_part *part, const char *text)
{
	static const char prefix[] = "farflung.shard";
	const char *equals = strchr(text, '='), *key = text + sizeof(prefix) - 1;
	size_t len;

	if (!equals || strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return;
	len = (size_t)(equals - key);
	if (len == 0) {
		keep(&part->which, equals + 1);
		part->shard = part->shards = 0;
		ff_shard_parse(equals + 1, &part->shard, &part->shards, NULL);
	} else if (len == 5 && strncmp(key, ".plan", len) == 0) {
		keep(&part->plan, equals + 1);
	} else if (len == 6 && strncmp(key, ".tests", len) == 0) {
		part->tests = number_of(equals + 1);
	} else if (len == 5 && strncmp(key, ".left", len) == 0) {
		part->left = number_of(equals + 1);
	}
}

static void on_run(struct ff_merge_source *source, const struct ff_event *event)
{
	if (event->kind == FF_EVENT_RUN_STARTED) {
		keep(&source->run_id, event->u.run_started.run_id);
		keep(&source->links, event->u.run_started.links);
		keep(&source->commit, event->u.run_started.commit);
		keep(&source->below, event->u.run_started.below);
		source->began_us = event->time_us;
		source->hosts = event->u.run_started.hosts;
		source->slots = event->u.run_started.slots;
		return;
	}
	source->over = true;
	source->exit_code = event->u.run_finished.exit_code;
	source->took_us = event->u.run_finished.took_us;
	keep(&source->words, event->u.run_finished.reason);
}

static void on_job(struct ff_merge_part *part, const struct ff_event *event)
{
	switch (event->kind) {
	case FF_EVENT_JOB_STARTED:
		part->started = true;
		break;
	case FF_EVENT_COLLECTED:
		if (event->u.collected.again)
			break;
		part->units = event->u.collected.count;
		part->deselected = event->u.collected.deselected;
		break;
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_BEFORE:
		part->ended += event->u.unit_finished.final;
		break;
	case FF_EVENT_UNITS_NOT_RUN:
		part->ended += event->u.units_not_run.count;
		break;
	case FF_EVENT_NOTICE:
		if (event->u.notice.level && strcmp(event->u.notice.level, "property") == 0)
			on_property(part, event->u.notice.text ? event->u.notice.text : "");
		break;
	case FF_EVENT_JOB_FINISHED:
		part->over = true;
		part->result = event->u.job_finished.result;
		part->why = event->u.job_finished.why;
		part->took_us = event->u.job_finished.took_us;
		keep(&part->reason, event->u.job_finished.reason);
		break;
	default:
		break;
	}
}

/* Each unit is one shard's: `ran` has who had it first. */
static void on_unit(struct ff_merge *merge, struct ff_merge_source *source, struct ff_map *ran,
		    const struct ff_event *event)
{
	const struct ff_merge_source *first;
	char *key;

	if ((event->kind != FF_EVENT_UNIT_FINISHED && event->kind != FF_EVENT_UNIT_BEFORE) ||
	    !event->u.unit_finished.final || !event->unit || !event->job)
		return;
	key = ff_xasprintf("%s\n%s", event->job, event->unit);
	first = ff_map_get(ran, key);
	if (!first)
		ff_map_set(ran, key, source);
	else if (first != source)
		ff_merge_complain(merge, "'%s' ran in %s and in %s", event->unit, first->dir,
				  source->dir);
	ff_free(key);
}

static void leave_out(struct ff_merge_source *source)
{
	source->left_out = true;
}

/* Whether the whole of it could be read. */
static void read_one(struct ff_merge *merge, struct ff_merge_source *source)
{
	const struct ff_event *event;
	struct ff_reader *reader;
	struct ff_err err = {0};
	int rc = 0;

	source->path = ff_run_journal_in(source->dir);
	if (!source->path)
		source->path = ff_run_journal(strcmp(source->dir, "last") ? source->dir : NULL);
	if (!source->path) {
		ff_merge_complain(merge,
				  "%s: no journal there: a run's id or folder was expected, "
				  "as .farflung/runs/ID, with journal.jsonl in it",
				  source->dir);
		leave_out(source);
		return;
	}
	source->going = ff_run_is_going(source->path);
	reader = ff_reader_new(source->path, &err);
	while (reader && (rc = ff_reader_next(reader, &event, &err)) == 1) {
		struct ff_merge_part *part = ff_merge_part(source, event->job);

		if (event->kind == FF_EVENT_RUN_STARTED || event->kind == FF_EVENT_RUN_FINISHED)
			on_run(source, event);
		else if (event->kind == FF_EVENT_JOB_ADDED)
			add_part(source, event);
		else if (part)
			on_job(part, event);
	}
	if (!reader || rc < 0) {
		ff_merge_complain(merge, "%s", err.text);
		leave_out(source);
	} else if (ff_reader_missing(reader)) {
		ff_merge_complain(merge, "%s", ff_reader_missing(reader));
	}
	ff_reader_free(reader);
	if (!source->left_out && !source->run_id) {
		ff_merge_complain(merge, "%s: it has no beginning of a run", source->path);
		leave_out(source);
	} else if (!source->left_out && !source->over) {
		ff_merge_complain(merge, "%s: the journal of run %s ends before the run does: %s",
				  source->path, source->run_id,
				  source->going ? "it still goes on"
						: "it is cut off, or the run was killed");
	}
}

/* --- all of them --- */

static bool any_is_shard(const struct ff_merge *merge)
{
	for (size_t i = 0; i < merge->len; i++)
		for (size_t p = 0; p < merge->v[i].parts_len; p++)
			if (!merge->v[i].left_out && merge->v[i].parts[p].which)
				return true;
	return false;
}

static bool is_shared(const struct ff_merge *merge, const struct ff_merge_source *source,
		      const char *job)
{
	for (size_t i = 0; i < merge->len; i++)
		if (&merge->v[i] != source && !merge->v[i].left_out &&
		    ff_merge_part(&merge->v[i], job))
			return true;
	return false;
}

/* No two of one name, whatever they are called. */
static void name_parts(struct ff_merge *merge)
{
	for (size_t i = 0; i < merge->len; i++) {
		struct ff_merge_source *source = &merge->v[i];

		if (merge->apart)
			source->number = (uint32_t)i + 1;
		else if (source->parts_len > 0)
			source->number = source->parts[0].shard;
		for (size_t p = 0; p < source->parts_len; p++) {
			struct ff_merge_part *part = &source->parts[p];

			if (merge->apart && is_shared(merge, source, part->name))
				part->as = ff_xasprintf("%s@%s", part->name, source->run_id);
			else
				part->as = ff_xstrdup(part->name);
		}
	}
}

static const struct ff_merge_source *first_of(const struct ff_merge *merge)
{
	for (size_t i = 0; i < merge->len; i++)
		if (!merge->v[i].left_out)
			return &merge->v[i];
	return NULL;
}

/* Whether it is of the same run as `first`, job by job. */
static bool belongs(struct ff_merge *merge, const struct ff_merge_source *first,
		    const struct ff_merge_source *source)
{
	for (size_t i = 0; i < source->parts_len; i++) {
		const struct ff_merge_part *part = &source->parts[i];
		const struct ff_merge_part *other = ff_merge_part(first, part->name);

		if (!part->which || part->shard == 0 || !part->plan) {
			ff_merge_complain(merge,
					  "%s: job '%s' of run %s does not tell which shard it is: "
					  "it was run without --shard, or ended before it had "
					  "collected",
					  source->dir, part->name, source->run_id);
			return false;
		}
		if (other && (part->shards != other->shards || !other->plan ||
			      strcmp(part->plan, other->plan) != 0)) {
			ff_merge_complain(merge,
					  "%s and %s are shards of different runs: job '%s' is "
					  "shard %s of plan %s there, %s of plan %s here (other "
					  "tests, or another history)",
					  first->dir, source->dir, part->name, other->which,
					  other->plan ? other->plan : "?", part->which, part->plan);
			return false;
		}
	}
	for (size_t i = 0; i < first->parts_len || i < source->parts_len; i++)
		if (first->parts_len != source->parts_len ||
		    !ff_merge_part(source, first->parts[i].name)) {
			ff_merge_complain(merge, "%s and %s are runs of different jobs", first->dir,
					  source->dir);
			return false;
		}
	if (source->parts_len == 0)
		ff_merge_complain(merge, "%s: run %s has no jobs", source->dir, source->run_id);
	return source->parts_len > 0;
}

static bool is_double(struct ff_merge *merge, size_t at)
{
	const struct ff_merge_source *source = &merge->v[at];

	for (size_t i = 0; i < at; i++) {
		const struct ff_merge_source *other = &merge->v[i];

		if (other->left_out)
			continue;
		if (strcmp(other->run_id, source->run_id) == 0) {
			ff_merge_complain(merge, "%s and %s are the same run, %s", other->dir,
					  source->dir, source->run_id);
			return true;
		}
		if (!merge->apart && other->parts[0].shard == source->parts[0].shard) {
			ff_merge_complain(merge, "shard %s is there twice: %s and %s",
					  source->parts[0].which, other->dir, source->dir);
			return true;
		}
	}
	return false;
}

static void check_missing(struct ff_merge *merge, const struct ff_merge_part *any)
{
	for (uint32_t shard = 1; shard <= any->shards; shard++) {
		bool there = false;

		for (size_t i = 0; i < merge->len; i++)
			there |= !merge->v[i].left_out && merge->v[i].parts[0].shard == shard;
		if (!there)
			ff_merge_complain(merge, "shard %u/%u is missing", shard, any->shards);
	}
}

/* Numbers its units behind those of the shards before it. */
static void place(struct ff_merge *merge, const char *job)
{
	uint32_t first = 0;

	for (size_t i = 0; i < merge->len; i++) {
		struct ff_merge_part *part =
			merge->v[i].left_out ? NULL : ff_merge_part(&merge->v[i], job);

		if (!part)
			continue;
		part->first = first;
		first += part->units;
		if (part->units != part->tests || part->ended != part->units)
			ff_merge_complain(merge,
					  "%s: job '%s', shard %s: %u tests were its own, %u were "
					  "collected, %u came to an end",
					  merge->v[i].dir, job, part->which, part->tests,
					  part->units, part->ended);
	}
}

static void check_units(struct ff_merge *merge)
{
	struct ff_map ran;

	ff_map_init(&ran);
	for (size_t i = 0; i < merge->len; i++) {
		struct ff_merge_source *source = &merge->v[i];
		struct ff_reader *reader;
		const struct ff_event *event;
		struct ff_err err;

		reader = source->left_out ? NULL : ff_reader_new(source->path, &err);
		while (reader && ff_reader_next(reader, &event, &err) == 1)
			on_unit(merge, source, &ran, event);
		ff_reader_free(reader);
	}
	ff_map_release(&ran);
}

void ff_merge_read(struct ff_merge *merge, char *const *dirs, bool may_be_apart)
{
	const struct ff_merge_source *first;

	while (dirs[merge->len])
		merge->len++;
	merge->v = ff_xcalloc(merge->len ? merge->len : 1, sizeof(*merge->v));
	for (size_t i = 0; i < merge->len; i++) {
		merge->v[i].dir = ff_xstrdup(dirs[i]);
		read_one(merge, &merge->v[i]);
	}
	merge->apart = may_be_apart && !any_is_shard(merge);
	for (size_t i = 0; i < merge->len; i++) {
		first = first_of(merge);
		if (!merge->v[i].left_out &&
		    ((!merge->apart && !belongs(merge, first, &merge->v[i])) ||
		     is_double(merge, i)))
			leave_out(&merge->v[i]);
	}
	first = first_of(merge);
	name_parts(merge);
	if (!first || merge->apart)
		return;
	check_missing(merge, &first->parts[0]);
	for (size_t i = 0; i < first->parts_len; i++)
		place(merge, first->parts[i].name);
	check_units(merge);
}

void ff_merge_release(struct ff_merge *merge)
{
	for (size_t i = 0; i < merge->len; i++) {
		struct ff_merge_source *source = &merge->v[i];

		for (size_t p = 0; p < source->parts_len; p++) {
			ff_free(source->parts[p].name);
			ff_free(source->parts[p].as);
			ff_free(source->parts[p].payload);
			ff_strv_release(&source->parts[p].args);
			ff_free(source->parts[p].which);
			ff_free(source->parts[p].plan);
			ff_free(source->parts[p].reason);
		}
		ff_free(source->parts);
		ff_free(source->dir);
		ff_free(source->path);
		ff_free(source->run_id);
		ff_free(source->links);
		ff_free(source->commit);
		ff_free(source->below);
		ff_free(source->words);
	}
	ff_free(merge->v);
	ff_free(merge->first);
	*merge = (struct ff_merge){0};
}
