/* farflung history [PATTERN]: what earlier runs tell of tests and commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "dispatch/dispatch.h"
#include "event/json.h"
#include "report/text.h"
#include "store/store.h"

enum { NAME_COLUMNS = 400, KIB_SHOWN = 1024 };

struct options {
	const char *history, *sharded;
	int64_t slowest, largest;
	bool flaky, json;
};

static const struct ff_option options[] = {
	FF_OPTION("slowest", 0, NUMBER, "N", "the N that take longest; 0: all (default: 20)",
		  slowest),
	FF_OPTION("largest", 0, NUMBER, "N",
		  "the N that take most memory (what --memory auto records); 0: all", largest),
	FF_OPTION("flaky", 0, FLAG, NULL,
		  "only what passed when tried again, or keeps changing from run to run", flaky),
	FF_OPTION("json", 0, FLAG, NULL, "a JSON object per line on stdout", json),
	FF_OPTION("sharded", 0, TEXT, "SUITE",
		  "note that each file of this suite may be collected once, as farflung try does",
		  sharded),
	FF_OPTION_OF("history", SETTINGS, "history", history, "PATH"),
	FF_OPTIONS_END,
};

enum { SLOWEST_DEFAULT = 20, NOT_SAID = -1 };

struct table {
	struct ff_buf text;
	bool json;
	size_t len;
};

static void add_json(struct table *table, const struct ff_store_unit *unit)
{
	struct ff_json w;

	ff_json_begin(&w, &table->text);
	ff_json_str(&w, "unit", unit->name);
	ff_json_str(&w, "kind", unit->kind);
	ff_json_int(&w, "duration_us", unit->us);
	ff_json_int(&w, "setup_us", unit->setup_us);
	if (unit->memory_kib > 0)
		ff_json_int(&w, "memory_kib", unit->memory_kib);
	ff_json_str(&w, "outcome", ff_outcome_word(unit->outcome));
	ff_json_str(&w, "since", unit->since);
	ff_json_str(&w, "failed_in", unit->failed_in);
	ff_json_uint(&w, "failures", unit->failures);
	ff_json_uint(&w, "flips", unit->flips);
	ff_json_uint(&w, "flaky", unit->flaky);
	ff_json_int(&w, "seen_s", unit->seen_s);
	ff_json_end(&w);
	ff_buf_addch(&table->text, '\n');
}

static void add_words(struct table *table, const struct ff_store_unit *unit)
{
	struct ff_buf took = FF_BUF_INIT, *out = &table->text;

	if (unit->us > 0)
		ff_text_seconds(&took, unit->us);
	else
		ff_buf_addstr(&took, "?");
	ff_buf_addf(out, "%8s  %-8s ", ff_buf_str(&took), ff_outcome_word(unit->outcome));
	ff_text_line(out, unit->name, NAME_COLUMNS, "...");
	if (ff_outcome_bad(unit->outcome)) {
		ff_buf_addstr(out, "  failing since ");
		ff_text_line(out, unit->since, NAME_COLUMNS, "...");
	} else if (unit->failed_in) {
		ff_buf_addstr(out, "  last failed in ");
		ff_text_line(out, unit->failed_in, NAME_COLUMNS, "...");
	}
	if (unit->memory_kib >= KIB_SHOWN) {
		ff_buf_addstr(out, "  takes ");
		ff_text_size(out, (uint64_t)unit->memory_kib << 10);
	}
	if (unit->flaky > 0)
		ff_buf_addf(out, "  flaky in %u run%s", unit->flaky, unit->flaky == 1 ? "" : "s");
	if (unit->flips > 1)
		ff_buf_addf(out, "  changed %u times", unit->flips);
	ff_buf_addch(out, '\n');
	ff_buf_release(&took);
}

static void add(void *ctx, const struct ff_store_unit *unit)
{
	struct table *table = ctx;

	if (table->json)
		add_json(table, unit);
	else
		add_words(table, unit);
	table->len++;
}

/* As runs find it: `history` is a path from the working directory. */
static char *path_of(const struct options *o)
{
	if (o->history)
		return ff_xstrdup(o->history);
	return ff_xasprintf("%s/.farflung/history.db", ff_runs_home("."));
}

static int complain(const struct ff_err *err, int rc)
{
	ff_complain("history: %s%s", err->text,
		    rc == FF_ENOTFOUND ? " (runs of farflung pytest and farflung run make it)"
				       : "");
	return rc == FF_ENOTFOUND ? FF_EXIT_USAGE : FF_EXIT_INFRA;
}

static int show(const struct options *o, const char *pattern)
{
	const struct ff_store_query query = {
		.pattern = pattern,
		.flaky = o->flaky,
		.order = o->largest != NOT_SAID		      ? FF_STORE_LARGEST
			 : o->flaky && o->slowest == NOT_SAID ? FF_STORE_FLAKIEST
							      : FF_STORE_SLOWEST,
		.limit = o->largest != NOT_SAID	  ? o->largest
			 : o->slowest != NOT_SAID ? o->slowest
			 : o->flaky || pattern	  ? 0
						  : SLOWEST_DEFAULT,
	};
	struct table table = {.json = o->json};
	struct ff_err err = {0};
	struct ff_store *store;
	char *path = path_of(o);
	int rc = ff_store_open(&store, path, FF_STORE_READ, &err), code = FF_EXIT_OK;

	if (!rc) {
		rc = ff_store_units(store, &query, add, &table, &err);
		ff_store_close(store);
	}
	if (rc)
		code = complain(&err, rc);
	else if (table.len == 0 && !o->json)
		printf("nothing in %s%s%s%s%s\n", path, o->flaky ? " is flaky" : "",
		       pattern ? " and like " : "", pattern ? pattern : "",
		       o->largest != NOT_SAID ? " whose memory is known (see --memory auto)" : "");
	else
		fwrite(ff_buf_str(&table.text), 1, table.text.len, stdout);
	ff_buf_release(&table.text);
	ff_free(path);
	return code;
}

static int note_sharded(const struct options *o)
{
	char *path = path_of(o);
	struct ff_err err = {0};
	struct ff_store *store;
	int64_t now_s = (int64_t)time(NULL);
	int rc = ff_store_open(&store, path, FF_STORE_UPDATE, &err);

	ff_free(path);
	if (rc)
		return complain(&err, rc);
	rc = ff_store_begin(store, &err);
	if (!rc)
		rc = ff_store_put_sharded(store, o->sharded, now_s, &err);
	if (!rc)
		rc = ff_store_commit(store, &err);
	ff_store_close(store);
	return rc ? complain(&err, rc) : FF_EXIT_OK;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.slowest = NOT_SAID, .largest = NOT_SAID};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && words.len > 1)
		ff_complain("history: one PATTERN is enough, got '%s' as well", words.v[1]);
	else if (rc == 0 && o.sharded && (words.len || o.flaky || o.json))
		ff_complain("history: --sharded shows nothing: it goes with --history alone");
	else if (rc == 0 && o.sharded)
		code = note_sharded(&o);
	else if (rc == 0 && o.slowest != NOT_SAID && o.largest != NOT_SAID)
		ff_complain("history: --slowest and --largest are two orders, of which one is "
			    "expected");
	else if (rc == 0)
		code = show(&o, words.len ? words.v[0] : NULL);
	ff_strv_release(&words);
	return code;
}

const struct ff_command ff_command_history = {
	.name = "history",
	.summary = "Show what earlier runs tell of tests: how long, since when, how reliably.",
	.synopsis = "[OPTIONS] [PATTERN]",
	.details =
		"PATTERN is a part of the name, or a shell pattern for all of it. Times are those "
		"of "
		"the runs, later ones\n"
		"weighing more, as on a host of ordinary speed. It is read from "
		".farflung/history.db of the working\n"
		"directory (or of FARFLUNG_RUNS). Exit codes: 0, 2 usage or no history, 3 it can't "
		"be read.\n",
	.options = options,
	.run = run,
};
