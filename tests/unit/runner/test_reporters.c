/* What holds for all reporters: the registry, lists of any length, events of every kind with
 * nothing in them, and with hostile bytes in everything that came from a host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/terminal.h"

/* C0, DEL, C1 (as UTF-8 and raw), bytes that are no UTF-8, marks of direction, and colours that are
 * not a unit's own. */
#define MARKS                                                                                      \
	"\x1b[2J\x1b]0;t\a\b\x0e\x7f\xc2\x9b"                                                      \
	"31m\x9b\xff\xe2\x80\xae\xd8\x9c\xf3\xa0\x81\x81"
#define EVIL "x\r" MARKS "\x1b[35mp\r\ny\tz"
/* A unit's own text may have colours. */
#define OWN "x\r" MARKS "\x1b[31mred\x1b[0m\r\ny\tz"

/* --- one event of each kind, full of it --- */

static struct ff_fact facts[] = {{EVIL, EVIL}, {NULL, NULL}, {"durations", "0"}};
static const char *const header[] = {EVIL, NULL};
static const struct ff_section sections[] = {{EVIL, OWN "\0" OWN, sizeof OWN "\0" OWN - 1, false},
					     {NULL, NULL, 0, true}};
static const struct ff_phase phases[] = {{EVIL, FF_OUTCOME_FAILED, 0, EVIL, OWN, false, false},
					 {NULL, FF_OUTCOME_FAILED, 0, NULL, NULL, true, false}};
static const struct ff_property properties[] = {{EVIL, EVIL}};
static const struct ff_result results[] = {
	{.outcome = FF_OUTCOME_FAILED,
	 .message = EVIL,
	 .longrepr = OWN,
	 .sections = sections,
	 .sections_len = 2,
	 .properties = properties,
	 .properties_len = 1,
	 .file = EVIL},
	{.outcome = FF_OUTCOME_CRASHED, .message = EVIL, .phases = phases, .phases_len = 2},
};

static struct ff_event evil_event(enum ff_event_kind kind, int round)
{
	struct ff_event e = {.kind = kind,
			     .job = EVIL,
			     .unit = EVIL,
			     .host = EVIL,
			     .worker = EVIL,
			     .time_us = 1};

	switch (kind) {
	case FF_EVENT_RUN_STARTED:
		e.u.run_started.run_id = e.u.run_started.config_file = EVIL;
		e.u.run_started.version = e.u.run_started.command_line = "1";
		e.u.run_started.directory = EVIL;
		e.u.run_started.jobs = 2;
		break;
	case FF_EVENT_HOST_ADDED:
		e.u.host_added.spec = EVIL;
		break;
	case FF_EVENT_JOB_ADDED:
		e.u.job_added.payload = round ? "run" : EVIL;
		break;
	case FF_EVENT_HOST_JOINING:
		e.u.host_joining.tries = 2;
		break;
	case FF_EVENT_HOST_OPENED:
		e.u.host_opened.peer = e.u.host_opened.platform = e.u.host_opened.cwd = EVIL;
		break;
	case FF_EVENT_SYNC_FINISHED:
		e.u.sync_finished.root = EVIL;
		break;
	case FF_EVENT_HOST_READY:
		e.u.host_ready.peer = e.u.host_ready.platform = e.u.host_ready.cwd = EVIL;
		break;
	case FF_EVENT_HOST_UNFIT:
		e.u.host_unfit.payload = e.u.host_unfit.error = EVIL;
		break;
	case FF_EVENT_HOST_AWAY:
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
		e.u.host_lost.error = EVIL;
		break;
	case FF_EVENT_JOB_STARTED:
		e.u.job_started.payload = EVIL;
		e.u.job_started.units = 7;
		break;
	case FF_EVENT_WORKER_STARTED:
		e.u.worker_started.words = round ? EVIL : NULL;
		e.u.worker_started.facts = facts;
		e.u.worker_started.facts_len = 3;
		e.u.worker_started.header = header;
		break;
	case FF_EVENT_WORKER_ENDED:
		e.u.worker_ended.crashed = true;
		e.u.worker_ended.reason = EVIL;
		break;
	case FF_EVENT_COLLECTED:
		e.u.collected.digest = e.u.collected.rootdir = EVIL;
		e.u.collected.count = 9;
		break;
	case FF_EVENT_COLLECT_PROBLEM:
		e.u.collect_problem.nodeid = e.u.collect_problem.message = EVIL;
		e.u.collect_problem.longrepr = round ? OWN : NULL;
		break;
	case FF_EVENT_UNIT_OUTPUT:
		e.u.unit_output.bytes = OWN "\0" OWN;
		e.u.unit_output.len = sizeof OWN "\0" OWN - 1;
		break;
	case FF_EVENT_UNIT_FINISHED:
		e.u.unit_finished.final = round > 0;
		e.u.unit_finished.result = &results[round % 2];
		break;
	case FF_EVENT_UNIT_LOST:
		e.u.unit_lost.reason = EVIL;
		break;
	case FF_EVENT_HOST_SETUP:
		e.u.host_setup.phase = round ? EVIL : "teardown";
		e.u.host_setup.error = round != 1 ? EVIL : NULL;
		e.u.host_setup.output = OWN;
		break;
	case FF_EVENT_UNIT_ARTIFACTS:
		e.u.unit_artifacts.folder = EVIL;
		e.u.unit_artifacts.files = 1 + (uint32_t)round;
		e.u.unit_artifacts.error = round ? EVIL : NULL;
		break;
	case FF_EVENT_JOB_ARTIFACTS:
		e.u.job_artifacts.folder = EVIL;
		e.u.job_artifacts.files = 1 + (uint32_t)round;
		e.u.job_artifacts.error = round ? EVIL : NULL;
		break;
	case FF_EVENT_UNITS_NOT_RUN:
		e.u.units_not_run.count = 1 + (uint32_t)round;
		break;
	case FF_EVENT_PART_NOT_RUN:
		e.u.part_not_run.part = EVIL;
		break;
	case FF_EVENT_NOTICE:
		e.u.notice.level = round == 0 ? "stderr" : round == 1 ? "error" : EVIL;
		e.u.notice.text = EVIL;
		e.u.notice.category = e.u.notice.file = round == 3 ? EVIL : NULL;
		break;
	case FF_EVENT_JOB_FINISHED:
		e.u.job_finished.result = (enum ff_job_result)(round % FF_JOB_RESULTS);
		e.u.job_finished.reason = EVIL;
		break;
	case FF_EVENT_FRONT_STARTED:
		e.u.front_started.reasons = header;
		break;
	case FF_EVENT_FRONT_READY:
		e.u.front_ready.rootdir = EVIL;
		e.u.front_ready.header = header;
		break;
	case FF_EVENT_FRONT_TEXT:
		e.u.front_text.text = OWN;
		break;
	case FF_EVENT_FRONT_FINISHED:
		e.u.front_finished.error = round % 2 ? EVIL : NULL;
		e.u.front_finished.words = EVIL;
		break;
	case FF_EVENT_STOPPING:
		e.u.stopping.reason = EVIL;
		break;
	case FF_EVENT_RUN_FINISHED:
		e.u.run_finished.reason = EVIL;
		break;
	default:
		break;
	}
	return e;
}

enum { ROUNDS = 4 };

static void tell_all(struct ff_reporter *reporter, bool evil)
{
	static const char *const levels[] = {NULL, "list"};

	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned kind = 0; kind < FF_EVENT_KINDS; kind++) {
			struct ff_event event = {.kind = (enum ff_event_kind)kind};

			if (kind == FF_EVENT_RUN_FINISHED && round < ROUNDS - 1)
				continue;
			if (evil)
				event = evil_event((enum ff_event_kind)kind, round);
			else if (kind == FF_EVENT_NOTICE)
				event.u.notice.level = levels[round % 2];
			reporter->class->event(reporter, &event);
			if (reporter->class->tick)
				reporter->class->tick(reporter, 1000000 * (round + 1));
		}
	}
}

/* --- the terminal --- */

static void read_all(const char *path, struct ff_buf *text)
{
	FILE *file = fopen(path, "r");
	int c;

	assert_non_null(file);
	ff_buf_clear(text);
	while ((c = getc(file)) != EOF)
		ff_buf_addch(text, (char)c);
	fclose(file);
}

/* The sequences that the reporter draws with are taken away; what is left has nothing but text. */
static void assert_harmless(const char *text, size_t len, bool colour, bool tty)
{
	const char *end = text + len;

	while (text < end) {
		unsigned char c = (unsigned char)*text;

		if (c == '\033') {
			const char *params = text + 2;
			size_t digits = strspn(params, "0123456789;");

			assert_int_equal(text[1], '[');
			if (params[digits] == 'm')
				assert_true(colour && strncmp(params, "35", 2) != 0);
			else
				assert_true(tty && (params[digits] == 'A' ||
						    (params[digits] == 'J' && digits == 0)));
			text = params + digits + 1;
			continue;
		}
		assert_true(c >= ' ' || c == '\n' || c == '\t' || (c == '\r' && tty));
		if (c == '\r') /* only where a frame takes the block away */
			assert_int_equal(text[1], '\033');
		assert_true(c != 0x7f && c != 0xff && c != 0x9b);
		assert_true(memcmp(text, "\xc2\x9b", 2) != 0);
		assert_true(memcmp(text, "\xe2\x80\xae", 3) != 0);
		assert_true(memcmp(text, "\xd8\x9c", 2) != 0);
		assert_true(memcmp(text, "\xf3\xa0\x81\x81", 4) != 0);
		text += c == 0xc2 || c == 0xd8 ? 2 : 1;
	}
}

static void run_terminal(const struct ff_terminal_setup *setup, bool evil)
{
	char path[] = "/tmp/ff-reporters-XXXXXX";
	struct ff_terminal_setup with = *setup;
	struct ff_buf text = FF_BUF_INIT;
	struct ff_reporter *reporter;

	with.writer.fd = mkstemp(path);
	assert_true(with.writer.fd >= 0);
	reporter = ff_terminal_new(&with);
	tell_all(reporter, evil);
	assert_int_equal(reporter->class->finish(reporter, NULL), 0);
	reporter->class->free(reporter);
	read_all(path, &text);
	assert_harmless((const char *)ff_buf_data(&text), text.len, setup->colour, setup->tty);
	if (evil && setup->verbosity == 2) {
		assert_non_null(strstr(ff_buf_str(&text), "x\\r\\x1b[2J\\x1b]0;t\\x07\\x08\\x0e"
							  "\\x7f\\x9b31m\\x9b\\xff\\u202e\\u061c"
							  "\\U000e0041\\x1b[35mp\\r\\ny\\tz"));
		assert_non_null(strstr(ff_buf_str(&text), "y\tz\\x00x\n"));
		assert_non_null(strstr(ff_buf_str(&text), "where the time went"));
		assert_int_equal(strstr(ff_buf_str(&text), "\033[31mred\033[0m") != NULL,
				 setup->colour);
	}
	close(with.writer.fd);
	unlink(path);
	ff_buf_release(&text);
}

static void test_terminal(void **state)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	for (int i = 0; i < 32; i++) {
		struct ff_terminal_setup setup = {
			.verbosity = i % 4 - 1, .colour = i & 4, .tty = i & 8};

		run_terminal(&setup, i & 16);
	}
}

/* Every event, evil ones too, as services are told of them: no control but their own. */
static void run_service(const char *service, bool front, bool evil)
{
	const struct ff_reporter_kind *ci = ff_reporter_kind_find("ci");
	char path[] = "/tmp/ff-reporters-XXXXXX";
	struct ff_terminal_setup setup = {.writer.fd = mkstemp(path)};
	struct ff_reporter_opts opts = {.terminal = ff_terminal_new(&setup), .front = front};
	struct ff_reporters both = {0};
	struct ff_buf text = FF_BUF_INIT;
	struct ff_err err = {0};

	ff_reporters_add(&both, opts.terminal);
	ff_reporters_add_first(&both, ci->open(&opts, service, &err));
	assert_ptr_equal(both.v[1], opts.terminal);
	tell_all(both.v[0], evil);
	assert_int_equal(ff_reporters_finish(&both, NULL), 0);
	ff_reporters_release(&both);
	read_all(path, &text);
	if (strcmp(service, "none") == 0)
		assert_int_equal(text.len, 0);
	else if (strcmp(service, "gitlab") == 0)
		assert_int_equal(text.len > 0, !front);
	else
		assert_harmless((const char *)ff_buf_data(&text), text.len, false, false);
	if (strcmp(service, "github") == 0)
		assert_non_null(strstr(ff_buf_str(&text), "::error "));
	close(setup.writer.fd);
	unlink(path);
	ff_buf_release(&text);
}

static void test_services(void **state)
{
	static const char *const services[] = {"none", "github", "gitlab", "buildkite", "teamcity"};

	unsetenv("GITHUB_STEP_SUMMARY");
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
		for (int how = 0; how < 4; how++)
			run_service(services[i], how & 1, how & 2);
}

/* --- files --- */

static void test_files(void **state)
{
	facts[0].key = facts[1].key = "python"; /* keys are a payload's own words */
	for (const struct ff_reporter_kind *const *kind = ff_reporter_kinds; *kind; kind++) {
		if (strcmp((*kind)->arg, "FILE") != 0)
			continue;
		for (int evil = 0; evil < 2 && !(*kind)->choices; evil++) {
			char path[] = "/tmp/ff-reporters-XXXXXX";
			struct ff_reporter_opts opts = {0};
			struct ff_buf text = FF_BUF_INIT;
			struct ff_reporter *reporter;
			struct ff_err err = {0};

			close(mkstemp(path));
			reporter = (*kind)->open(&opts, path, &err);
			assert_non_null(reporter);
			tell_all(reporter, evil);
			assert_int_equal(reporter->class->finish(reporter, &err), 0);
			reporter->class->free(reporter);
			read_all(path, &text);
			assert_true(text.len > 0);
			for (size_t i = 0; i < text.len; i++) {
				unsigned char c = ff_buf_data(&text)[i];

				if (!((c >= ' ' && c != 0xff) || c == '\n' || c == '\t'))
					fail_msg("%s: byte %02x behind %.60s", (*kind)->name, c,
						 (const char *)ff_buf_data(&text) +
							 (i > 60 ? i - 60 : 0));
			}
			unlink(path);
			ff_buf_release(&text);
		}
	}
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int look_at(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return 1;
	return 0;
}

/* Names of folders are no way out of them. */
static void test_folders(void **state)
{
	char top[] = "/tmp/ff-reporters-XXXXXX", dir[64], beside[64];
	struct ff_reporter_opts opts = {0};

	assert_non_null(mkdtemp(top));
	snprintf(dir, sizeof(dir), "%s/a/results", top);
	snprintf(beside, sizeof(beside), "%s/a", top);
	for (int evil = 0; evil < 2; evil++) {
		struct ff_err err = {0};
		struct ff_reporter *reporter =
			ff_reporter_kind_find("results")->open(&opts, dir, &err);

		assert_non_null(reporter);
		tell_all(reporter, evil);
		assert_int_equal(reporter->class->finish(reporter, &err), 0);
		reporter->class->free(reporter);
	}
	assert_int_equal(nftw(top, look_at, 16, FTW_PHYS), 0);
	assert_int_not_equal(rmdir(dir), 0); /* there is something in it */
	assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(rmdir(beside), 0);
	assert_int_equal(rmdir(top), 0);
}

/* --- the registry and lists --- */

static void test_kinds(void **state)
{
	size_t count = 0;

	for (; ff_reporter_kinds[count]; count++) {
		const struct ff_reporter_kind *kind = ff_reporter_kinds[count];

		assert_ptr_equal(ff_reporter_kind_find(kind->name), kind);
		assert_true(kind->set ? kind->of && !kind->open : kind->open != NULL);
		assert_ptr_equal(ff_reporter_kind_find(ff_reporter_kind_key(kind)), kind);
		assert_true(kind->arg && kind->help && *kind->help);
	}
	assert_int_equal(count, 11);
	assert_true(ff_reporter_kind_takes(ff_reporter_kind_find("junit"), "or"));
	assert_true(ff_reporter_kind_takes(ff_reporter_kind_find("ci"), "teamcity"));
	assert_false(ff_reporter_kind_takes(ff_reporter_kind_find("ci"), "or"));
	assert_false(ff_reporter_kind_takes(ff_reporter_kind_find("ci"), "git"));
	assert_null(ff_reporter_kind_find("terminal"));
	assert_null(ff_reporter_kind_find(""));
}

struct fake {
	struct ff_reporter base;
	int events, ticks, asked, finished, abandoned;
	bool full;
	int error;
};

static int freed;

static void fake_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	((struct fake *)reporter)->events++;
}

static void fake_tick(struct ff_reporter *reporter, int64_t now_us)
{
	((struct fake *)reporter)->ticks++;
}

static bool fake_full(const struct ff_reporter *reporter)
{
	((struct fake *)(uintptr_t)reporter)->asked++;
	return ((const struct fake *)reporter)->full;
}

static int fake_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct fake *fake = (struct fake *)reporter;

	fake->finished++;
	return fake->error ? ff_err_set(err, fake->error, "error %d", fake->error) : 0;
}

static void fake_abandon(struct ff_reporter *reporter)
{
	((struct fake *)reporter)->abandoned++;
}

static void fake_free(struct ff_reporter *reporter)
{
	freed++;
}

static const struct ff_reporter_class whole = {.name = "whole",
					       .event = fake_event,
					       .tick = fake_tick,
					       .full = fake_full,
					       .finish = fake_finish,
					       .abandon = fake_abandon,
					       .free = fake_free};
static const struct ff_reporter_class bare = {.name = "bare", .event = fake_event};

static struct ff_buf complaints;

static void complain(const char *text)
{
	ff_buf_addf(&complaints, "%s\n", text);
}

static void test_list(void **state)
{
	struct ff_event event = {.kind = FF_EVENT_STOPPING};
	struct ff_reporters list = {0};
	struct fake fakes[10] = {0};

	assert_false(ff_reporters_full(&list));
	assert_int_equal(ff_reporters_finish(&list, complain), 0);
	for (int i = 0; i < 10; i++) {
		fakes[i].base.class = i % 2 ? &bare : &whole;
		ff_reporters_add(&list, &fakes[i].base);
	}
	ff_reporters_event(&list, &event);
	ff_reporters_tick(&list, 1);
	assert_false(ff_reporters_full(&list));
	fakes[2].full = true;
	assert_true(ff_reporters_full(&list));
	fakes[4].error = FF_ESYS;
	fakes[8].error = FF_EINVAL;
	assert_int_equal(ff_reporters_finish(&list, complain), FF_ESYS);
	assert_string_equal(ff_buf_str(&complaints), "error -12\nerror -2\n");
	ff_reporters_abandon(&list);
	assert_false(ff_reporters_deserted(&list));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fakes[i].events, 1);
		assert_int_equal(fakes[i].ticks, !(i % 2));
		assert_int_equal(fakes[i].asked, i % 2 ? 0 : 2); /* each will wake */
		assert_int_equal(fakes[i].finished, !(i % 2));
		assert_int_equal(fakes[i].abandoned, !(i % 2));
	}
	ff_reporters_release(&list);
	assert_int_equal(freed, 5);
	assert_int_equal(list.len, 0);
	ff_buf_release(&complaints);
}

/* --- the terminal's own options --- */

static void test_colours(void **state)
{
	static const struct {
		const char *when, *no, *force;
		bool colour;
	} cases[] = {
		{NULL, NULL, NULL, false},    {"auto", NULL, NULL, false},
		{"always", NULL, NULL, true}, {"always", "1", NULL, true},
		{"never", NULL, "1", false},  {"auto", NULL, "1", true},
		{"auto", "1", "", false},
	};
	int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ff_reporter_opts opts = {.color = cases[i].when};
		struct ff_reporter *reporter;

		unsetenv("NO_COLOR");
		unsetenv("FORCE_COLOR");
		if (cases[i].no)
			setenv("NO_COLOR", cases[i].no, 1);
		if (cases[i].force)
			setenv("FORCE_COLOR", cases[i].force, 1);
		reporter = ff_report_terminal(&opts);
		assert_int_equal(((struct ff_terminal *)reporter)->setup.colour, cases[i].colour);
		assert_int_equal(((struct ff_terminal *)reporter)->setup.writer.fd, STDOUT_FILENO);
		reporter->class->free(reporter);
	}
	dup2(out, STDOUT_FILENO);
	close(out);
	close(null);
	unsetenv("FORCE_COLOR");
	unsetenv("NO_COLOR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terminal), cmocka_unit_test(test_files),
		cmocka_unit_test(test_folders),	 cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_services), cmocka_unit_test(test_list),
		cmocka_unit_test(test_colours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
