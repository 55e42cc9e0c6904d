#include "report/junit_suites.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "report/xml.h"

struct suite *ff_junit_suite_of(struct junit *junit, const char *job)
{
	struct suite *suite;

	job = job ? job : "";
	suite = ff_map_get(&junit->by_name, job);
	if (suite)
		return suite;
	suite = ff_xcalloc(1, sizeof(*suite));
	suite->name = ff_xstrdup(job);
	if (junit->last)
		junit->last->next = suite;
	else
		junit->suites = suite;
	junit->last = suite;
	ff_map_set(&junit->by_name, job, suite);
	return suite;
}

/* --- pieces --- */

void ff_junit_suite_add(struct suite *suite, const struct ff_spool_piece *piece)
{
	struct ff_spool_piece *last =
		suite->pieces_len ? &suite->pieces[suite->pieces_len - 1] : NULL;

	if (piece->len == 0)
		return;
	if (last && last->offset + last->len == piece->offset) {
		last->len += piece->len;
		return;
	}
	if (suite->pieces_len == suite->pieces_cap) {
		suite->pieces_cap += suite->pieces_cap / 2 + 1;
		suite->pieces =
			ff_xrealloc(suite->pieces, suite->pieces_cap * sizeof(*suite->pieces));
	}
	suite->pieces[suite->pieces_len++] = *piece;
}

struct ff_spool_piece ff_junit_piece_end(struct junit *junit)
{
	uint64_t from = junit->from;

	junit->from = ff_spool_at(&junit->spool);
	ff_spool_flush(&junit->spool);
	return (struct ff_spool_piece){from, junit->from - from};
}

/* --- the file --- */

static void add_suite_head(struct ff_buf *out, const struct suite *suite, const char *host)
{
	time_t seconds = (time_t)(suite->started_us / 1000000);
	char stamp[40];
	struct tm tm;

	ff_buf_addstr(out, "<testsuite");
	ff_xml_attribute(out, "name", suite->name);
	ff_buf_addf(out, " errors=\"%u\" failures=\"%u\" skipped=\"%u\" tests=\"%u\"",
		    suite->errors, suite->failures, suite->skipped, suite->tests);
	ff_xml_seconds(out, "time", suite->took_us);
	/* A job that did not start has none. */
	if (suite->started_us > 0 && localtime_r(&seconds, &tm)) {
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		ff_xml_attribute(out, "timestamp", stamp);
	}
	ff_xml_attribute(out, "hostname", host);
	ff_buf_addch(out, '>');
	if (suite->properties.len == 0)
		return;
	ff_buf_addstr(out, "<properties>");
	ff_buf_add(out, ff_buf_data(&suite->properties), suite->properties.len);
	ff_buf_addstr(out, "</properties>");
}

static void add_head(struct ff_buf *out, const struct junit *junit)
{
	uint32_t tests = 0, failures = 0, errors = 0;
	int64_t from_us = 0, to_us = 0;

	ff_buf_addstr(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites");
	for (const struct suite *suite = junit->suites; suite; suite = suite->next) {
		tests += suite->tests;
		failures += suite->failures;
		errors += suite->errors;
		if (suite->started_us > 0 && (from_us == 0 || suite->started_us < from_us))
			from_us = suite->started_us;
		if (suite->started_us + suite->took_us > to_us)
			to_us = suite->started_us + suite->took_us;
	}
	if (junit->form.dialect->full) {
		ff_buf_addf(out, " name=\"farflung\" tests=\"%u\" failures=\"%u\" errors=\"%u\"",
			    tests, failures, errors);
		ff_xml_seconds(out, "time", from_us > 0 ? to_us - from_us : 0);
	}
	ff_buf_addch(out, '>');
}

int ff_junit_write(const struct junit *junit, FILE *out)
{
	struct ff_buf head = FF_BUF_INIT;
	char host[256] = "";
	int errnum = 0;

	gethostname(host, sizeof(host) - 1);
	add_head(&head, junit);
	fwrite(ff_buf_data(&head), 1, head.len, out);
	for (const struct suite *suite = junit->suites; suite && errnum == 0; suite = suite->next) {
		ff_buf_clear(&head);
		add_suite_head(&head, suite, host);
		fwrite(ff_buf_data(&head), 1, head.len, out);
		for (size_t i = 0; i < suite->pieces_len && errnum == 0; i++)
			errnum = ff_spool_copy(&junit->spool, &suite->pieces[i], out);
		fputs("</testsuite>", out);
	}
	fputs("</testsuites>\n", out);
	ff_buf_release(&head);
	return errnum;
}

/* --- the end --- */

void ff_junit_suite_free(struct suite *suite)
{
	size_t cursor = 0;
	void *value;

	while (ff_map_next(&suite->attempts, &cursor, NULL, &value)) {
		for (struct attempt *attempt = value, *next; attempt; attempt = next) {
			next = attempt->next;
			ff_free(attempt);
		}
	}
	ff_map_release(&suite->attempts);
	ff_map_release(&suite->hosts);
	cursor = 0;
	while (ff_map_next(&suite->folders, &cursor, NULL, &value))
		ff_free(value);
	ff_map_release(&suite->folders);
	ff_buf_release(&suite->properties);
	ff_free(suite->pieces);
	ff_free(suite->name);
	ff_free(suite->payload);
	ff_free(suite);
}
