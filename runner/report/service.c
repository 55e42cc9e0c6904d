/* --ci: what a service that runs builds is told of a run, beside the text for people: what can be
 * folded, failures with file and line, GitHub's summary of the step. On by itself where a service's
 * variable is set. */
#include "report/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "report/reporter.h"
#include "report/summary.h"
#include "report/text.h"

enum {
	HELD_MAX = 64, /* complaints kept of each of three sorts; more are counted */
	MESSAGE_COLUMNS = 400,
};

/* Sorts, in the order in which they are told. */
enum { NEW_CAUSE, SAME_CAUSE, WARNING, SORTS };

struct held {
	char *file, *title, *message;
	int line;
};

struct service {
	struct ff_reporter base;
	struct ff_reporter *terminal;
	const struct ff_service_words *words; /* NULL: there is nobody to tell */
	struct held held[SORTS][HELD_MAX];
	uint32_t seen[SORTS];
	struct ff_summary summary;
	char *step;    /* the path of the step's summary; NULL: none is wanted */
	bool annotate; /* the summary goes to Buildkite's agent */
	volatile bool hurry;
	char *cwd;  /* its folder in the service's tree, with '/'; NULL: not there */
	bool front; /* the terminal is another's: only the end is ours to say there */
	bool begun, over;
};

/* --- complaints --- */

static void complain(struct service *s, int sort, const char *file, int line, const char *title,
		     const char *message)
{
	struct ff_buf text = FF_BUF_INIT;
	uint32_t i = s->seen[sort]++;

	if (!s->words->complain || i >= HELD_MAX)
		return;
	s->held[sort][i].file = ff_service_place(s->cwd, file);
	s->held[sort][i].line = line;
	ff_text_line(&text, title, MESSAGE_COLUMNS, "...");
	s->held[sort][i].title = ff_xstrdup(ff_buf_str(&text));
	ff_buf_clear(&text);
	ff_text_lines(&text, message, strnlen(message, FF_SERVICE_TEXT_MAX), "", false);
	if (text.len > 0)
		text.len--; /* the last newline */
	s->held[sort][i].message =
		ff_xstrdup(text.len ? ff_buf_str(&text) : s->held[sort][i].title);
	ff_buf_release(&text);
}

static void tell(struct service *s, struct ff_buf *out, int sort, uint32_t *room)
{
	for (uint32_t i = 0; i < HELD_MAX && i < s->seen[sort] && *room > 0; i++, --*room) {
		const struct held *held = &s->held[sort][i];
		const struct ff_service_complaint complaint = {.error = sort != WARNING,
							       .file = held->file,
							       .line = held->line,
							       .title = held->title,
							       .message = held->message};

		s->words->complain(out, &complaint);
	}
}

/* One of the few that are shown says how many are not. */
static void tell_all(struct service *s, struct ff_buf *out, int from, int to, const char *what)
{
	uint32_t max = s->words->complaints_max ? s->words->complaints_max : HELD_MAX;
	uint32_t all = 0, room;
	char message[96];

	for (int sort = from; sort < to; sort++)
		all += s->seen[sort];
	room = all > max ? max - 1 : max;
	for (int sort = from; sort < to; sort++)
		tell(s, out, sort, &room);
	if (all <= max)
		return;
	snprintf(message, sizeof(message), "%u more %s, %u in all: see the end of the log",
		 all - (max - 1), what, all);
	s->words->complain(out, &(struct ff_service_complaint){.error = to != SORTS,
							       .title = "farflung",
							       .message = message});
}

/* --- what happens --- */

static void say(struct service *s, struct ff_buf *out)
{
	if (out->len > 0)
		ff_report_terminal_command(s->terminal, out);
	ff_buf_release(out);
}

static void on_failure(struct service *s, const struct ff_result *result, const char *name)
{
	const char *message = result->message ? result->message : ff_outcome_word(result->outcome);
	struct ff_buf frame = FF_BUF_INIT, text = FF_BUF_INIT;

	/* Where each test is told, it is no problem of the build besides. */
	if (s->words->unit && !s->front)
		return;
	ff_alike_frame(&frame, result->longrepr);
	ff_buf_addstr(&text, message);
	if (frame.len > 0)
		ff_buf_addf(&text, "\nat %s", ff_buf_str(&frame));
	complain(s, s->summary.alike > 1 ? SAME_CAUSE : NEW_CAUSE, result->file,
		 ff_service_line(result), name, ff_buf_str(&text));
	ff_buf_release(&frame);
	ff_buf_release(&text);
}

static void on_unit(struct service *s, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_buf out = FF_BUF_INIT, shown = FF_BUF_INIT;
	char *name;

	if (!result || !event->u.unit_finished.final)
		return;
	name = ff_summary_name(&s->summary, event->job, event->unit);
	if (ff_outcome_bad(result->outcome))
		on_failure(s, result, name);
	if (s->words->unit && !s->front) {
		ff_text_line(&shown, name, MESSAGE_COLUMNS, "...");
		s->words->unit(&out, ff_buf_str(&shown), result);
	}
	say(s, &out);
	ff_buf_release(&shown);
	ff_free(name);
}

static void on_fault(struct service *s, int sort, const char *what, const char *name,
		     const char *reason)
{
	char *title = ff_xasprintf("%s %s", what, name ? name : "?");

	complain(s, sort, NULL, 0, title, reason ? reason : title);
	ff_free(title);
}

static void on_problem(struct service *s, const struct ff_event *event)
{
	const char *nodeid = event->u.collect_problem.nodeid ? event->u.collect_problem.nodeid : "";
	const char *message = event->u.collect_problem.message;
	char *file;

	if (event->u.collect_problem.skipped)
		return;
	file = ff_xstrndup(nodeid, strcspn(nodeid, ":"));
	complain(s, NEW_CAUSE, file, 0, nodeid, message ? message : "it can't be collected");
	ff_free(file);
}

static void on_started(struct service *s, const struct ff_event *event)
{
	struct ff_buf out = FF_BUF_INIT, title = FF_BUF_INIT;

	if (s->front)
		return;
	s->begun = true;
	ff_buf_addstr(&title, "farflung run ");
	ff_text_line(&title, event->u.run_started.run_id, MESSAGE_COLUMNS, "...");
	s->words->begin(&out, event->time_us, "farflung", ff_buf_str(&title));
	ff_buf_release(&title);
	say(s, &out);
}

static void on_finished(struct service *s, const struct ff_event *event)
{
	struct ff_buf out = FF_BUF_INIT, newline = FF_BUF_INIT;

	ff_buf_addch(&newline, '\n');
	s->over = true;
	if (s->begun)
		s->words->end(&out, event->time_us, "farflung");
	if (s->words->complain) {
		tell_all(s, &out, NEW_CAUSE, WARNING, "failures");
		tell_all(s, &out, WARNING, SORTS, "warnings");
	}
	if (s->words->totals && s->summary.totals.len > 0)
		s->words->totals(&out, ff_buf_str(&s->summary.totals));
	/* What stands before may be a line that has not ended. */
	if (s->front && out.len > 0)
		ff_report_terminal_command(s->terminal, &newline);
	ff_buf_release(&newline);
	say(s, &out);
}

static void service_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct service *s = (struct service *)reporter;

	if (!s->words)
		return;
	ff_summary_event(&s->summary, event);
	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		on_started(s, event);
		break;
	case FF_EVENT_COLLECT_PROBLEM:
		on_problem(s, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_BEFORE:
		on_unit(s, event);
		break;
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
		on_fault(s, WARNING, "host", event->host, event->u.host_lost.error);
		break;
	case FF_EVENT_JOB_FINISHED:
		if (event->u.job_finished.result == FF_JOB_ERROR)
			on_fault(s, NEW_CAUSE, "job", event->job, event->u.job_finished.reason);
		break;
	case FF_EVENT_RUN_FINISHED:
		on_finished(s, event);
		break;
	default:
		break;
	}
}

/* --- the end --- */

/* Behind what others of the step wrote there. */
static int write_summary(struct service *s)
{
	int fd = open(s->step, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666), errnum;
	struct ff_buf text = FF_BUF_INIT;
	struct stat st;

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) == 0 && st.st_size < FF_SERVICE_SUMMARY_MAX)
		ff_summary_write(&text, &s->summary, FF_SERVICE_SUMMARY_MAX - (size_t)st.st_size);
	errnum = ff_write_all(fd, ff_buf_data(&text), text.len);
	if (close(fd) < 0 && errnum == 0)
		errnum = errno;
	ff_buf_release(&text);
	return errnum;
}

/* Whatever comes in its way is said, and is no failure of the run. */
static void annotate(struct service *s)
{
	struct ff_buf text = FF_BUF_INIT, why = FF_BUF_INIT, line = FF_BUF_INIT;

	ff_summary_write(&text, &s->summary, FF_SERVICE_SUMMARY_MAX);
	ff_service_annotate(&text, s->summary.good, &s->hurry, &why);
	if (why.len > 0) {
		ff_buf_addf(&line, "%sno annotation: %s\n", s->front ? "\n" : "", ff_buf_str(&why));
		say(s, &line);
	}
	ff_buf_release(&text);
	ff_buf_release(&why);
	ff_buf_release(&line);
}

static int service_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct service *s = (struct service *)reporter;
	int errnum = s->step && s->over ? write_summary(s) : 0;

	if (s->annotate && s->over)
		annotate(s);
	return errnum ? ff_err_sys(err, errnum, "cannot write the step's summary '%s'", s->step)
		      : 0;
}

static void service_abandon(struct ff_reporter *reporter)
{
	((struct service *)reporter)->hurry = true;
}

static void service_free(struct ff_reporter *reporter)
{
	struct service *s = (struct service *)reporter;

	for (int sort = 0; sort < SORTS; sort++)
		for (int i = 0; i < HELD_MAX; i++) {
			ff_free(s->held[sort][i].file);
			ff_free(s->held[sort][i].title);
			ff_free(s->held[sort][i].message);
		}
	ff_summary_release(&s->summary);
	ff_free(s->step);
	ff_free(s->cwd);
	ff_free(s);
}

static const struct ff_reporter_class service_class = {
	.name = "ci",
	.event = service_event,
	.finish = service_finish,
	.abandon = service_abandon,
	.free = service_free,
};

/* --- which one --- */

static const struct {
	const char *word, *variable;
} services[] = {
#define X(name, word, variable) [FF_SERVICE_##name] = {word, variable},
	FF_SERVICE_MAP(X)
#undef X
};

static const char *service_here(void)
{
	for (int i = 0; i < FF_SERVICES; i++) {
		const char *value = services[i].variable ? getenv(services[i].variable) : NULL;

		if (value && *value && strcmp(value, "false") != 0)
			return services[i].word;
	}
	return NULL;
}

static struct ff_reporter *service_open(const struct ff_reporter_opts *opts, const char *value,
					struct ff_err *err)
{
	struct service *s = ff_xcalloc(1, sizeof(*s));
	const char *summary = getenv("GITHUB_STEP_SUMMARY");
	int service = FF_SERVICE_NONE;

	(void)err;
	for (int i = 0; i < FF_SERVICES; i++)
		if (opts->terminal && strcmp(services[i].word, value) == 0)
			service = i;
	ff_summary_init(&s->summary);
	s->base.class = &service_class;
	s->terminal = opts->terminal;
	s->front = opts->front;
	s->words = ff_service_words((enum ff_service)service);
	if (!s->words)
		return &s->base;
	ff_report_terminal_guard(s->terminal, service);
	if (service == FF_SERVICE_GITHUB) {
		s->step = summary && *summary ? ff_xstrdup(summary) : NULL;
	}
	s->annotate = service == FF_SERVICE_BUILDKITE;
	s->cwd = ff_service_below();
	return &s->base;
}

const struct ff_reporter_kind ff_report_ci = {
	.name = "ci",
	.arg = "SERVICE",
	.help = "words for a CI service: none, github, gitlab, buildkite or teamcity",
	.choices = "none, github, gitlab, buildkite or teamcity",
	.by_itself = service_here,
	.first = true,
	.open = service_open,
};
