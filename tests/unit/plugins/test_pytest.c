/* The payload `pytest`: the task, what is sent, and what is made of payload.py's items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "base/buf.h"
#include "payload.h"

#define TUPLE(...)                                                                                 \
	ff_collection(FF_TUPLE, (const struct ff_value[]){__VA_ARGS__},                            \
		      sizeof((const struct ff_value[]){__VA_ARGS__}) / sizeof(struct ff_value))
#define LIST(...)                                                                                  \
	ff_collection(FF_LIST, (const struct ff_value[]){__VA_ARGS__},                             \
		      sizeof((const struct ff_value[]){__VA_ARGS__}) / sizeof(struct ff_value))
#define DICT(...)                                                                                  \
	ff_collection(FF_DICT, (const struct ff_value[]){__VA_ARGS__},                             \
		      sizeof((const struct ff_value[]){__VA_ARGS__}) / sizeof(struct ff_value) /   \
			      2)
#define S	  ff_str
#define I	  ff_int
#define F	  ff_float
#define NONE	  ff_none()
#define EMPTY	  ff_collection(FF_LIST, NULL, 0)
#define B(x)	  ff_bool(x)
#define MARK(...) LIST(__VA_ARGS__)

enum { FIELDS = 10 }; /* of a done item */

/* What the sink was told, as text. */
static char told[2048];

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	size_t len = strlen(told);
	va_list args;

	va_start(args, fmt);
	vsnprintf(told + len, sizeof(told) - len, fmt, args);
	va_end(args);
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void on_missing(void *ctx, const char *text)
{
	tell("missing %s;", text);
}

static void on_started(void *ctx, const char *words, const struct ff_fact *facts, size_t facts_len,
		       const char *const *header)
{
	tell("started %s", words);
	for (size_t i = 0; i < facts_len; i++)
		tell(" %s=%s", facts[i].key, facts[i].value);
	for (; *header; header++)
		tell(" <%s>", *header);
	tell(";");
}

static void on_collected(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			 const char *rootdir)
{
	tell("collected %s %u-%u in %s;", digest, count, deselected, or_dash(rootdir));
}

static void on_settings(void *ctx, const struct ff_payload_settings *settings)
{
	tell("settings %s %lld%s", or_dash(settings->dist), (long long)settings->workers,
	     settings->scopes ? " scopes" : "");
	for (const char *const *note = settings->notes; *note; note++)
		tell(" <%s>", *note);
	for (const char *const *vain = settings->vain; *vain; vain++)
		tell(" [%s]", *vain);
	tell(";");
}

static void on_in_parts(void *ctx, uint32_t parts, bool go_on)
{
	tell("in %u parts%s;", parts, go_on ? ", goes on" : "");
}

static void on_sources(void *ctx, const struct ff_value *names, const struct ff_value *contents,
		       const struct ff_value *us)
{
	for (size_t i = 0; i < names->len; i++)
		tell("source %s %lld %lld;", names->items[i].text,
		     (long long)contents->items[i].integer, (long long)us->items[i].integer);
}

static void on_costs(void *ctx, const struct ff_value *list)
{
	for (size_t i = 0; i < list->len; i++)
		tell("cost %lld;", (long long)list->items[i].integer);
}

static void on_marks(void *ctx, uint32_t part, const struct ff_payload_mark *marks, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		tell("mark %d %u%s%s g=%s h=%s r=", (int)part, marks[i].unit,
		     marks[i].bound ? " bound" : "", marks[i].serial ? " serial" : "",
		     marks[i].group ? marks[i].group : "-", marks[i].host ? marks[i].host : "-");
		for (size_t j = 0; marks[i].resources[j]; j++)
			tell("%s,", marks[i].resources[j]);
		tell(" %lld %lld %lld %lld;", (long long)marks[i].timeout_us,
		     (long long)marks[i].retries, (long long)marks[i].weight,
		     (long long)marks[i].memory);
	}
}

static void on_once(void *ctx, const char *word, const char *name, bool run, const char *text)
{
	tell("once %s %s %s %s;", word, name, run ? "run" : "host", text ? text : "-");
}

static void on_part(void *ctx, uint32_t part, const char *digest, const struct ff_value *names,
		    uint32_t count, uint32_t deselected)
{
	tell("part %u %s %s %u-%u;", part, digest, names ? "named" : "as told", count, deselected);
}

static void on_scopes(void *ctx, const struct ff_value *list)
{
	tell("scopes %u;", list->len);
}

static void on_ids(void *ctx, const struct ff_value *list)
{
	tell("ids %u;", list->len);
}

static void on_collect_problem(void *ctx, const char *nodeid, const char *message,
			       const char *longrepr, bool skipped)
{
	tell("problem %s %s %s%s;", nodeid, or_dash(message), or_dash(longrepr),
	     skipped ? " skipped" : "");
}

static void on_unit_started(void *ctx, uint32_t index)
{
	tell("start %u;", index);
}

static void on_unit_said(void *ctx, uint32_t index, const char *line)
{
	tell("said %u %s;", index, line);
}

static void on_wants(void *ctx)
{
	tell("wants;");
}

static void on_doing(void *ctx, const char *words)
{
	tell("doing %s;", words ? words : "nothing");
}

static void on_unit_finished(void *ctx, uint32_t index, const struct ff_result *r)
{
	tell("done %u %s %lld us (%s) at %s:%d\n", index, ff_outcome_word(r->outcome),
	     (long long)r->duration_us, or_dash(r->message), or_dash(r->file), r->line);
	for (size_t i = 0; i < r->phases_len; i++)
		tell("  %s %s%s %lld (%s)\n", r->phases[i].when,
		     ff_outcome_word(r->phases[i].outcome), r->phases[i].rerun ? ", again" : "",
		     (long long)r->phases[i].duration_us, or_dash(r->phases[i].message));
	for (size_t i = 0; i < r->sections_len; i++)
		tell("  [%s] %.*s\n", r->sections[i].title, (int)r->sections[i].len,
		     r->sections[i].text);
	for (size_t i = 0; i < r->properties_len; i++)
		tell("  %s=%s\n", r->properties[i].name, r->properties[i].value);
	if (r->output_bytes || r->output_cut)
		tell("  output %llu%s\n", (unsigned long long)r->output_bytes,
		     r->output_cut ? " cut" : "");
	if (r->memory_kib)
		tell("  memory %lld\n", (long long)r->memory_kib);
	if (r->longrepr)
		tell("  long: %s\n", r->longrepr);
	assert_false(r->has_status);
}

static void on_notice(void *ctx, const struct ff_payload_notice *notice)
{
	tell("%s %s %s %s:%d %s %s %u;", notice->level, notice->text, or_dash(notice->category),
	     or_dash(notice->file), notice->line, or_dash(notice->source), or_dash(notice->unit),
	     notice->nth);
}

static void on_session_finished(void *ctx, int exitstatus, bool bad, const char *stop)
{
	tell("finished %d%s %s;", exitstatus, bad ? " bad" : "", or_dash(stop));
}

static void on_session_error(void *ctx, enum ff_reason why, const char *text)
{
	tell("%s error %s;", ff_reason_word(why), text);
}

static const struct ff_payload_sink sink = {
	.missing = on_missing,
	.started = on_started,
	.collected = on_collected,
	.settings = on_settings,
	.scopes = on_scopes,
	.ids = on_ids,
	.in_parts = on_in_parts,
	.costs = on_costs,
	.sources = on_sources,
	.marks = on_marks,
	.once = on_once,
	.part = on_part,
	.collect_problem = on_collect_problem,
	.unit_started = on_unit_started,
	.unit_said = on_unit_said,
	.wants = on_wants,
	.doing = on_doing,
	.unit_finished = on_unit_finished,
	.notice = on_notice,
	.session_finished = on_session_finished,
	.session_error = on_session_error,
};

static void give(struct ff_value item, const char *expected)
{
	struct ff_err err = {0};

	*told = '\0';
	if (ff_payload_find("pytest")->item(&item, &sink, NULL, &err))
		fail_msg("%s", err.text);
	assert_string_equal(told, expected);
}

static void refuse(struct ff_value item, const char *message)
{
	struct ff_err err = {0};

	*told = '\0';
	assert_int_equal(ff_payload_find("pytest")->item(&item, &sink, NULL, &err), FF_EPROTO);
	assert_string_equal(err.text, message);
	assert_string_equal(told, "");
}

/* A result with the usual rest. */
static struct ff_value done(struct ff_value fields[FIELDS], const char *outcome,
			    struct ff_value phases)
{
	static const struct ff_value times[] = {
		{.kind = FF_FLOAT}, {.kind = FF_FLOAT}, {.kind = FF_FLOAT}};
	static struct ff_value place[2];

	place[0] = S("test_a.py");
	place[1] = I(4);
	fields[0] = S("done");
	fields[1] = I(7);
	fields[2] = S(outcome);
	fields[3] = F(0.5);
	fields[4] = F(1e9);
	fields[5] = phases;
	fields[6] = ff_collection(FF_TUPLE, times, 3);
	fields[7] = ff_collection(FF_TUPLE, place, 2);
	fields[8] = NONE;
	fields[9] = NONE;
	return ff_collection(FF_TUPLE, fields, FIELDS);
}

static void test_session_items(void **state)
{
	give(TUPLE(S("missing"), DICT(S("module"), S("pytest"), S("executable"), S("py"),
				      S("python"), S("3"), S("error"), S("none"))),
	     "missing py cannot import pytest: none;");
	give(TUPLE(S("collected"),
		   DICT(S("digest"), S("d1"), S("count"), I(3), S("deselected"), I(1), S("rootdir"),
			S("/r"), S("pytest"), S("7.2"), S("python"), S("3.11"), S("executable"),
			S("py"), S("implementation"), S("PyPy"), S("platform"), S("linux"),
			S("pid"), S("42"), S("plugins"), LIST(S("a-1"), S("b-2")), S("header"),
			LIST(S("h1"), I(3), S("h2")))),
	     "started PyPy 3.11, pytest 7.2 python=3.11 executable=py implementation=PyPy "
	     "pytest=7.2 platform=linux pid=42 <h1> <h2> <plugins: a-1, b-2>;"
	     "collected d1 3-1 in /r;");
	give(TUPLE(S("collected"), DICT(S("digest"), S("d1"), S("count"), I(0), S("deselected"),
					I(0), S("python"), I(3), S("header"), I(3))),
	     "started Python ?, pytest ?;collected d1 0-0 in -;");
	give(TUPLE(S("collected"),
		   DICT(S("digest"), S("d1"), S("count"), I(0), S("deselected"), I(0), S("spread"),
			DICT(S("dist"), S("loadfile"), S("workers"), I(2), S("scopes"),
			     ff_bool(true), S("notes"), LIST(S("n1"), I(3), S("n2")), S("vain"),
			     LIST(S("v1"), NONE)))),
	     "started Python ?, pytest ?;settings loadfile 2 scopes <n1> <n2> [v1];collected d1 "
	     "0-0 in "
	     "-;");
	give(TUPLE(S("collected"),
		   DICT(S("digest"), S("d1"), S("count"), I(0), S("deselected"), I(0), S("spread"),
			DICT(S("dist"), NONE, S("workers"), I(-1), S("notes"), NONE))),
	     "started Python ?, pytest ?;settings - -1;collected d1 0-0 in -;");
	give(TUPLE(S("ids"), LIST(S("a"), S("b"))), "ids 2;");
	give(TUPLE(S("collected"), DICT(S("digest"), S("d1"), S("count"), I(0), S("deselected"),
					I(0), S("files"), I(2), S("go_on"), ff_bool(true))),
	     "started Python ?, pytest ?;in 2 parts, goes on;collected d1 0-0 in -;");
	give(TUPLE(S("files"), LIST(S("a.py"), S("b.py")), LIST(I(7), I(0))),
	     "cost 7;cost 0;ids 2;");
	give(TUPLE(S("sources"), LIST(S("a.py"), S("b.py")), LIST(I(7), I(0)), LIST(I(5), I(6))),
	     "source a.py 7 5;source b.py 0 6;");
	give(TUPLE(S("tests"), I(1), S("d2"), LIST(S("a"), S("b")), I(2), I(3)),
	     "part 1 d2 named 2-3;");
	give(TUPLE(S("tests"), I(1), S("d2"), NONE, I(2), I(0)), "part 1 d2 as told 2-0;");
	give(TUPLE(S("marks"), NONE,
		   LIST(MARK(I(0), B(true), S("g"), B(false), EMPTY, NONE, I(-1), I(-1), I(1),
			     I(0)),
			MARK(I(3), B(false), NONE, B(true), LIST(S("a"), S("b")), S("h"), I(5),
			     I(2), I(4), I(9)))),
	     "mark -1 0 bound g=g h=- r= -1 -1 1 0;mark -1 3 serial g=- h=h r=a,b, 5 2 4 9;");
	give(TUPLE(S("marks"), I(7),
		   LIST(MARK(I(1), B(true), NONE, B(true), EMPTY, NONE, I(-1), I(-1), I(1), I(0)))),
	     "mark 7 1 bound serial g=- h=- r= -1 -1 1 0;");
	give(TUPLE(S("once"), S("ask"), S("db"), B(false), NONE), "once ask db host -;");
	give(TUPLE(S("once"), S("have"), S("db"), B(true), S("1")), "once have db run 1;");
	give(TUPLE(S("ids"), LIST(S("a"), S("b")), NONE), "ids 2;");
	give(TUPLE(S("ids"), LIST(S("a"), S("b")), LIST(S("x"), S("x"))), "scopes 2;ids 2;");
	give(TUPLE(S("ids"), EMPTY), "ids 0;");
	give(TUPLE(S("dropped"), LIST(I(1))), "");
	give(TUPLE(S("start"), I(5)), "start 5;");
	give(TUPLE(S("want"), I(5)), "wants;");
	give(TUPLE(S("doing"), S("collecting a")), "doing collecting a;");
	give(TUPLE(S("doing"), ff_none()), "doing nothing;");
	give(TUPLE(S("said"), I(5), I(1), S("hello")), "said 5 hello;");
	give(TUPLE(S("collect_report"), DICT(S("nodeid"), S("t.py"), S("outcome"), S("failed"),
					     S("longrepr"), S("L"), S("message"), S("M"))),
	     "problem t.py M L;");
	give(TUPLE(S("collect_report"), DICT(S("nodeid"), S("t.py"), S("outcome"), S("skipped"),
					     S("longrepr"), NONE, S("message"), S("why"))),
	     "problem t.py why - skipped;");
	give(TUPLE(S("warning"), DICT(S("message"), S("old"), S("category"), S("UserWarning"),
				      S("filename"), S("f.py"), S("lineno"), I(9))),
	     "warning old UserWarning f.py:9 - - 0;");
	give(TUPLE(S("warning"),
		   DICT(S("message"), S("old"), S("category"), S("UserWarning"), S("source"),
			S("warn(1)"), S("nodeid"), S("t.py::t"), S("nth"), I(2))),
	     "warning old UserWarning -:0 warn(1) t.py::t 2;");
	give(TUPLE(S("internal_error"), S("boom")), "payload error boom;");
	give(TUPLE(S("usage_error"), S("what?")), "usage error what?;");
	give(TUPLE(S("trouble"), S("in f:\ntrace")), "error in f:\ntrace - -:0 - - 0;");
}

static void test_finished(void **state)
{
	static const struct {
		int status;
		bool bad;
		const char *stop, *told;
	} cases[] = {
		{0, false, "", "finished 0 -;"},
		{1, false, "", "finished 1 -;"},
		{1, false, "-x", "finished 1 -x;"},
		{5, false, "", "finished 5 -;"},
		{1, true, "leak found", "finished 1 bad leak found;"},
		{1, true, "", "finished 1 bad pytest's exit status is 1;"},
		/* Whatever it says of itself. */
		{2, false, "-x", "finished 2 bad -x;"},
		{3, false, "", "finished 3 bad pytest's exit status is 3;"},
		{INT32_MAX, false, "",
		 "finished 2147483647 bad pytest's exit status is 2147483647;"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		give(TUPLE(S("finished"), DICT(S("exitstatus"), I(cases[i].status), S("bad"),
					       ff_bool(cases[i].bad), S("stop"), S(cases[i].stop))),
		     cases[i].told);
	give(TUPLE(S("finished"), DICT(S("exitstatus"), I(0))), "finished 0 -;");
}

static void test_plain_pass(void **state)
{
	struct ff_value fields[FIELDS];

	give(done(fields, "passed", NONE), "done 7 passed 500000 us (-) at test_a.py:5\n");
	give(TUPLE(S("next"), done(fields, "passed", NONE), I(8)),
	     "done 7 passed 500000 us (-) at test_a.py:5\nstart 8;");
	/* pytest knows no line for some items. */
	fields[7] = TUPLE(S("x.txt"), NONE);
	give(ff_collection(FF_TUPLE, fields, FIELDS), "done 7 passed 500000 us (-) at x.txt:0\n");
	/* A clock that was set back. */
	fields[3] = F(-0.25);
	give(ff_collection(FF_TUPLE, fields, FIELDS), "done 7 passed 0 us (-) at x.txt:0\n");
	fields[8] = LIST(LIST(S("n"), S("v")), LIST(S("m"), LIST(I(1), NONE)));
	give(ff_collection(FF_TUPLE, fields, FIELDS),
	     "done 7 passed 0 us (-) at x.txt:0\n  n=v\n  m=[1, None]\n");
	fields[8] = NONE;
	fields[9] = TUPLE(I(3000000000), ff_bool(true));
	give(ff_collection(FF_TUPLE, fields, FIELDS),
	     "done 7 passed 0 us (-) at x.txt:0\n  output 3000000000 cut\n");
	done(fields, "passed", NONE);
	fields[6] = TUPLE(F(0), F(0), F(0), I(204800));
	give(ff_collection(FF_TUPLE, fields, FIELDS),
	     "done 7 passed 500000 us (-) at test_a.py:5\n  memory 204800\n");
}

#define PHASE(when, outcome, message, longrepr, xfail, sections)                                   \
	DICT(S("when"), S(when), S("outcome"), S(outcome), S("duration"), F(0.25), S("longrepr"),  \
	     longrepr, S("message"), message, S("location"), NONE, S("wasxfail"), xfail,           \
	     S("sections"), sections)

static void test_phases(void **state)
{
	struct ff_value fields[FIELDS];

	give(done(fields, "failed",
		  LIST(PHASE("setup", "passed", NONE, NONE, NONE, EMPTY),
		       PHASE("call", "failed", S("assert 1"), S("trace"), NONE,
			     LIST(LIST(S("Captured stdout call"), S("out")))),
		       PHASE("teardown", "passed", NONE, NONE, NONE, EMPTY))),
	     "done 7 failed 500000 us (assert 1) at test_a.py:5\n"
	     "  setup passed 250000 (-)\n"
	     "  call failed 250000 (assert 1)\n"
	     "  teardown passed 250000 (-)\n"
	     "  [Captured stdout call] out\n"
	     "  long: trace\n");
	/* Two phases went wrong: both texts, and the message of the one that decides. */
	give(done(fields, "failed",
		  LIST(PHASE("call", "failed", S("c"), S("call text"), NONE, EMPTY),
		       PHASE("teardown", "error", S("t"), S("teardown text"), NONE, EMPTY))),
	     "done 7 failed 500000 us (c) at test_a.py:5\n"
	     "  call failed 250000 (c)\n"
	     "  teardown error 250000 (t)\n"
	     "  long: call text\nteardown text\n");
	give(done(fields, "xfailed",
		  LIST(PHASE("call", "xfailed", S("assert 0"), NONE, S("known"), EMPTY))),
	     "done 7 xfailed 500000 us (known) at test_a.py:5\n"
	     "  call xfailed 250000 (known)\n");
	give(done(fields, "skipped",
		  LIST(PHASE("setup", "skipped", S("no net"), NONE, NONE, EMPTY))),
	     "done 7 skipped 500000 us (no net) at test_a.py:5\n"
	     "  setup skipped 250000 (no net)\n");
	/* A passed test that wrote something; and a plugin's own word. */
	give(done(fields, "passed",
		  LIST(PHASE("call", "rerun", S("flaky"), S("t"), NONE, EMPTY),
		       PHASE("call", "passed", NONE, NONE, NONE, LIST(LIST(S("o"), S("x")))))),
	     "done 7 passed 500000 us (-) at test_a.py:5\n"
	     "  call failed, again 250000 (flaky)\n"
	     "  call passed 250000 (-)\n"
	     "  [o] x\n"
	     "  long: t\n");
	/* What was run again is not why it failed. */
	give(done(fields, "failed",
		  LIST(PHASE("call", "rerun", S("first"), S("t1"), NONE, EMPTY),
		       PHASE("call", "failed", S("second"), S("t2"), NONE, EMPTY))),
	     "done 7 failed 500000 us (second) at test_a.py:5\n"
	     "  call failed, again 250000 (first)\n"
	     "  call failed 250000 (second)\n"
	     "  long: t2\n");
}

static void test_cause(void **state)
{
	const char *(*cause)(const char *) = ff_payload_find("pytest")->session->cause;
	static const char said[] =
		"noise\nFatal Python error: one\nFatal Python error: two\nThread\n";

	assert_string_equal(cause(said), "Fatal Python error: two\nThread\n");
	assert_string_equal(cause("Fatal Python error: x"), "Fatal Python error: x");
	assert_null(cause("said: Fatal Python error: x\n"));
	assert_null(cause(""));
}

static void test_bad_results(void **state)
{
	struct ff_value fields[FIELDS], good[FIELDS];

	done(good, "passed", NONE);
#define REFUSE(field, value, message)                                                              \
	do {                                                                                       \
		memcpy(fields, good, sizeof(fields));                                              \
		fields[field] = (value);                                                           \
		refuse(ff_collection(FF_TUPLE, fields, FIELDS), "pytest: " message);               \
	} while (0)
	REFUSE(1, I(-1), "a result that is none");
	REFUSE(1, I(UINT32_MAX), "a result that is none");
	REFUSE(1, F(1), "a result that is none");
	REFUSE(2, S("crashed"), "an unknown outcome");
	REFUSE(2, S("good"), "an unknown outcome");
	REFUSE(2, NONE, "an unknown outcome");
	REFUSE(3, S("1"), "a duration that is none");
	REFUSE(3, F(NAN), "a duration that is none");
	REFUSE(3, F(INFINITY), "a duration that is none");
	REFUSE(3, F(1e300), "a duration that is none");
	REFUSE(5, S("x"), "phases that are no list");
	REFUSE(5, LIST(I(1)), "a phase that is no dict");
	REFUSE(5, LIST(PHASE("call", "failed", I(3), NONE, NONE, EMPTY)),
	       "something else where text belongs");
	REFUSE(5, LIST(PHASE("call", "failed", NONE, NONE, NONE, NONE)),
	       "a phase without a list of sections");
	REFUSE(5, LIST(PHASE("call", "failed", NONE, NONE, NONE, LIST(LIST(S("a"))))),
	       "a section that is no pair of texts");
	REFUSE(5, LIST(ff_collection(FF_DICT, NULL, 0)), "something else where text belongs");
	REFUSE(6, TUPLE(F(0), F(0), F(0), I(-1)), "a size that is none");
	REFUSE(6, TUPLE(F(0), F(0), F(0), I(INT64_MAX)), "a size that is none");
	REFUSE(6, TUPLE(F(0), F(0), F(0), S("1")), "a size that is none");
	REFUSE(7, NONE, "a place that is no file and line");
	REFUSE(7, TUPLE(S("f")), "a place that is no file and line");
	REFUSE(7, TUPLE(I(1), I(1)), "something else where text belongs");
	REFUSE(8, I(1), "properties that are no list");
	REFUSE(8, LIST(LIST(I(1), I(2))), "a property that is no pair");
	REFUSE(9, I(1), "an output that is no size and flag");
	REFUSE(9, TUPLE(I(1)), "an output that is no size and flag");
	REFUSE(9, TUPLE(I(-1), ff_bool(true)), "an output that is no size and flag");
	REFUSE(9, TUPLE(I(1), I(1)), "an output that is no size and flag");
	refuse(ff_collection(FF_TUPLE, good, FIELDS - 1), "pytest: a result that is none");
	refuse(TUPLE(S("next"), NONE, I(1)), "pytest: a result that is none");
	refuse(TUPLE(S("next"), ff_collection(FF_TUPLE, good, FIELDS)),
	       "pytest: next without an index");
}

static void test_bad_items(void **state)
{
	refuse(NONE, "pytest: an unknown item");
	refuse(S("start"), "pytest: an unknown item");
	refuse(EMPTY, "pytest: an unknown item");
	refuse(TUPLE(I(1)), "pytest: an unknown item");
	refuse(TUPLE(S("begin")), "pytest: an unknown item");
	refuse(TUPLE(S("start")), "pytest: start without an index");
	refuse(TUPLE(S("start"), S("1")), "pytest: start without an index");
	refuse(TUPLE(S("want"), I(-1)), "pytest: want without an index");
	refuse(TUPLE(S("doing"), I(1)), "pytest: doing without words");
	refuse(TUPLE(S("missing"), NONE), "pytest: missing without a dict");
	refuse(TUPLE(S("collected"), NONE), "pytest: collected without a digest");
	refuse(TUPLE(S("files"), LIST(I(1)), LIST(I(1))),
	       "pytest: files that are no list of texts");
	refuse(TUPLE(S("files"), LIST(S("a")), LIST(I(1), I(2))),
	       "pytest: files without as many sizes");
	refuse(TUPLE(S("files"), LIST(S("a")), LIST(S("1"))),
	       "pytest: files without as many sizes");
	refuse(TUPLE(S("sources"), NONE), "pytest: sources that are no list of texts");
	refuse(TUPLE(S("sources"), LIST(S("a")), LIST(I(1)), EMPTY),
	       "pytest: sources without as many numbers");
	refuse(TUPLE(S("sources"), LIST(S("a")), LIST(S("1")), LIST(I(1))),
	       "pytest: sources without as many numbers");
	static const char no_marks[] = "pytest: marks that can't be read";

	refuse(TUPLE(S("marks")), no_marks);
	refuse(TUPLE(S("marks"), NONE, S("x")), no_marks);
	refuse(TUPLE(S("marks"), I(-1), EMPTY), no_marks);
	refuse(TUPLE(S("marks"), NONE, LIST(I(3))), no_marks);
	refuse(TUPLE(S("marks"), NONE, LIST(MARK(I(0), B(true)))), no_marks);
	for (int i = 0; i < 10; i++) {
		struct ff_value good[] = {I(0), B(true), NONE,	B(true), EMPTY,
					  NONE, I(-1),	 I(-1), I(1),	 I(0)};
		struct ff_value bad[] = {I(-1), I(1),  I(3),  NONE, LIST(I(4)),
					 I(3),	I(-2), I(-2), I(0), I(-1)};

		good[i] = bad[i];
		refuse(TUPLE(S("marks"), NONE, LIST(ff_collection(FF_LIST, good, 10))), no_marks);
	}
	refuse(TUPLE(S("marks"), NONE, /* not ascending */
		     LIST(MARK(I(2), B(true), NONE, B(true), EMPTY, NONE, I(-1), I(-1), I(1), I(0)),
			  MARK(I(2), B(true), NONE, B(true), EMPTY, NONE, I(-1), I(-1), I(1),
			       I(0)))),
	       no_marks);
	refuse(TUPLE(S("once"), S("steal"), S("db"), B(true), NONE),
	       "pytest: a word about farflung_once that can't be read");
	refuse(TUPLE(S("once"), S("ask"), I(1), B(true), NONE),
	       "pytest: a word about farflung_once that can't be read");
	refuse(TUPLE(S("once"), S("ask"), S("db"), NONE, NONE),
	       "pytest: a word about farflung_once that can't be read");
	refuse(TUPLE(S("once"), S("have"), S("db"), B(true)),
	       "pytest: a word about farflung_once that can't be read");
	refuse(TUPLE(S("tests"), I(-1), S("d"), NONE, I(1), I(0)),
	       "pytest: tests of no file, or without a digest");
	refuse(TUPLE(S("tests"), I(1), S("d"), LIST(S("a")), I(2), I(0)),
	       "pytest: tests that are not as many texts");
	refuse(TUPLE(S("tests"), I(1), S("d"), NONE, I(1)), "pytest: tests without their number");
	refuse(TUPLE(S("collected"), DICT(S("digest"), S("d"))),
	       "pytest: collected without a number");
	refuse(TUPLE(S("collected"),
		     DICT(S("digest"), S("d"), S("count"), I(1 << 30), S("deselected"), I(0))),
	       "pytest: collected without a number");
	refuse(TUPLE(S("said"), I(5), I(1), NONE), "pytest: said without an index and a text");
	refuse(TUPLE(S("said"), S("x"), I(1), S("hello")),
	       "pytest: said without an index and a text");
	refuse(TUPLE(S("ids"), NONE), "pytest: ids that are no list of texts");
	refuse(TUPLE(S("ids"), LIST(I(1))), "pytest: ids that are no list of texts");
	refuse(TUPLE(S("ids"), LIST(S("a")), LIST(I(1))),
	       "pytest: scopes that are not as many texts as ids");
	refuse(TUPLE(S("ids"), LIST(S("a")), EMPTY),
	       "pytest: scopes that are not as many texts as ids");
	refuse(TUPLE(S("dropped")), "pytest: dropped what is no list of indexes");
	refuse(TUPLE(S("collect_report"), DICT(S("a"), S("b"))),
	       "pytest: collect_report without a node id");
	refuse(TUPLE(S("warning"), NONE), "pytest: warning without a message");
	refuse(TUPLE(S("usage_error")), "pytest: an error without a text");
	refuse(TUPLE(S("trouble"), NONE), "pytest: trouble without a text");
	refuse(TUPLE(S("finished"), DICT(S("exitstatus"), I(-1))),
	       "pytest: finished without an exit status");
	refuse(TUPLE(S("finished"), DICT(S("exitstatus"), S("0"))),
	       "pytest: finished without an exit status");
}

static void assert_packs(int (*pack)(struct ff_pack *p), const char *expected)
{
	struct ff_buf buf = FF_BUF_INIT, repr = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &buf);
	assert_int_equal(pack(&p), 0);
	assert_int_equal(ff_load_item(&item, ff_buf_data(&buf), buf.len, NULL, 0, NULL), 0);
	ff_value_repr(&repr, &item.value, 0);
	assert_string_equal(ff_buf_str(&repr), expected);
	ff_item_release(&item);
	ff_buf_release(&buf);
	ff_buf_release(&repr);
}

static int run_some(struct ff_pack *p)
{
	const uint32_t indexes[] = {3, 4, 1000000};

	return ff_payload_find("pytest")->session->run(p, indexes, 3);
}

static int take_some(struct ff_pack *p)
{
	const uint32_t indexes[] = {5};

	return ff_payload_find("pytest")->session->take_back(p, indexes, 1);
}

static void test_orders(void **state)
{
	const struct ff_payload_session *payload = ff_payload_find("pytest")->session;

	assert_packs(take_some, "('drop', [5])");
	assert_packs(payload->ask_ids, "('list',)");
	assert_packs(run_some, "('run', [3, 4, 1000000])");
	assert_packs(payload->end, "('end',)");
	assert_packs(payload->stop, "('drop', None)");
	assert_packs(payload->idle, "('idle',)");
}

static void test_task(void **state)
{
	char *args[] = {"tests", "-x", NULL};
	const struct ff_payload_job job = {.args = args, .output_cap = 1 << 20, .collect = "shard"};
	char *units[] = {"a.py::b", "a.py::a", "a.py::b", NULL};
	const struct ff_payload_job part = {.args = args,
					    .shard = 2,
					    .shards = 3,
					    .known = "known",
					    .known_len = 5,
					    .repeat = -1};
	const struct ff_payload_job again = {.args = args,
					     .sequence = units,
					     .sequence_apart = true,
					     .sequence_worker = "gw7",
					     .sequence_workers = 9};
	const struct ff_payload_job measured = {.args = args, .collect = "auto", .memory = true};
	char *sharded[] = {"s1", NULL};
	struct ff_payload_worker worker = {
		.id = "gw3", .count = 8, .run_id = "r1", .sharded = sharded};
	const struct ff_payload_session *payload = ff_payload_find("pytest")->session;
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_buf repr = FF_BUF_INIT;
	struct ff_task task;
	struct ff_err err;

	assert_int_equal(payload->task(&job, &worker, &arena, &task, &err), 0);
	assert_non_null(strstr(task.source, "\ndef done_item("));
	assert_non_null(strstr(task.source, "\ndef main("));
	assert_string_equal(task.call_name, "main");
	ff_value_repr(&repr, &task.kwargs, 0);
	assert_string_equal(ff_buf_str(&repr),
			    "{'args': ['tests', '-x'], 'workerid': 'gw3', 'workercount': 8, "
			    "'testrunuid': 'r1', 'mainargv': ['pytest', 'tests', '-x'], "
			    "'dist': None, 'front': None, 'output_cap': 1048576, "
			    "'columns': 0, 'addopts': True, 'collect': 'shard', 'run': 'r1', "
			    "'imports': False, 'sharded': ['s1'], 'slice': None, 'repeat': 0, "
			    "'sequence': None, 'memory': False}");
	ff_buf_clear(&repr);
	assert_int_equal(payload->task(&part, &worker, &arena, &task, &err), 0);
	ff_value_repr(&repr, &task.kwargs, 0);
	assert_non_null(strstr(ff_buf_str(&repr), "'slice': (2, 3, b'known'), 'repeat': -1"));
	ff_buf_clear(&repr);
	assert_int_equal(payload->task(&again, &worker, &arena, &task, &err), 0);
	ff_value_repr(&repr, &task.kwargs, 0);
	assert_non_null(strstr(ff_buf_str(&repr), "'workerid': 'gw7', 'workercount': 9"));
	assert_non_null(strstr(ff_buf_str(&repr),
			       "'sequence': (['a.py::b', 'a.py::a', 'a.py::b'], True), "));
	ff_buf_clear(&repr);
	worker.hungry = true; /* which of all are kept apart is known when all are */
	assert_int_equal(payload->task(&measured, &worker, &arena, &task, &err), 0);
	ff_value_repr(&repr, &task.kwargs, 0);
	assert_non_null(strstr(ff_buf_str(&repr), "'collect': 'every'"));
	assert_non_null(strstr(ff_buf_str(&repr), "'memory': True}"));
	worker.native = true;
	assert_int_equal(payload->task(&job, &worker, &arena, &task, &err), FF_EUNSUPPORTED);
	ff_buf_release(&repr);
	ff_arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_items), cmocka_unit_test(test_finished),
		cmocka_unit_test(test_plain_pass),    cmocka_unit_test(test_phases),
		cmocka_unit_test(test_cause),	      cmocka_unit_test(test_bad_results),
		cmocka_unit_test(test_bad_items),     cmocka_unit_test(test_orders),
		cmocka_unit_test(test_task),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
