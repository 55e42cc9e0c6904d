/* What one worker sets up for others (farflung_once): who does so, who waits, who has it, and who,
 * as the last, tears it down. One setup at a time per name, and host or job; what was set up stays
 * when its worker dies, for those that have it, and those that come. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

enum once_state {
	ONCE_NONE,
	ONCE_SETTING_UP, /* by `owner` */
	ONCE_THERE,
	ONCE_FAILED, /* for good */
	ONCE_ENDING, /* `owner` tears it down */
};

struct names {
	uint32_t *v; /* workers' records */
	uint32_t len;
};

struct once {
	enum once_state state;
	uint32_t host; /* FF_NOBODY: it is the whole job's */
	char *name;
	char *text; /* its value, or why it failed */
	uint32_t owner;
	uint32_t leaver; /* of the users: it stays to tear it down; FF_NOBODY */
	struct names users, waiting;
};

/* Once. */
static void add(struct names *names, uint32_t worker)
{
	for (uint32_t i = 0; i < names->len; i++)
		if (names->v[i] == worker)
			return;
	names->v = ff_xrealloc(names->v, ((size_t)names->len + 1) * sizeof(*names->v));
	names->v[names->len++] = worker;
}

static bool del(struct names *names, uint32_t worker)
{
	uint32_t at = 0;

	while (at < names->len && names->v[at] != worker)
		at++;
	if (at == names->len)
		return false;
	memmove(names->v + at, names->v + at + 1, (names->len - at - 1) * sizeof(*names->v));
	names->len--;
	return true;
}

static struct once *find(struct engine_job *job, const char *name, uint32_t host)
{
	struct once *once;

	for (uint32_t i = 0; i < job->onces_len; i++)
		if (job->onces[i]->host == host && strcmp(job->onces[i]->name, name) == 0)
			return job->onces[i];
	once = ff_xcalloc(1, sizeof(*once));
	once->name = ff_xstrdup(name);
	once->host = host;
	once->owner = once->leaver = FF_NOBODY;
	job->onces = ff_xrealloc(job->onces, ((size_t)job->onces_len + 1) * sizeof(*job->onces));
	job->onces[job->onces_len++] = once;
	return once;
}

static void answer(struct ff_engine *e, uint32_t worker, const struct once *once, const char *word)
{
	struct ff_order order = {.kind = FF_ORDER_ONCE, .worker = worker};

	order.host = e->state->workers[worker].host;
	order.job = e->state->workers[worker].job;
	order.name = ff_engine_text(e, "%s", once->name);
	order.all = once->host == FF_NOBODY;
	order.word = word;
	if (once->text)
		order.digest = ff_engine_text(e, "%s", once->text);
	ff_engine_order(e, &order);
}

static void set_text(struct once *once, const char *text)
{
	ff_free(once->text);
	once->text = ff_xstrdup(text);
}

/* The first of those that wait is to set it up. */
static void begin(struct ff_engine *e, struct once *once)
{
	set_text(once, NULL);
	once->owner = FF_NOBODY;
	once->state = ONCE_NONE;
	if (once->waiting.len == 0)
		return;
	once->owner = once->waiting.v[0];
	once->state = ONCE_SETTING_UP;
	del(&once->waiting, once->owner);
	answer(e, once->owner, once, "setup");
}

static void answer_all(struct ff_engine *e, struct once *once, const char *word)
{
	while (once->waiting.len > 0) {
		uint32_t worker = once->waiting.v[0];

		del(&once->waiting, worker);
		if (once->state == ONCE_THERE)
			add(&once->users, worker);
		answer(e, worker, once, word);
	}
}

/* Whether a session other than `gone` and the leaver may yet ask for it. */
static bool may_be_asked_for(const struct engine_job *job, const struct once *once,
			     const struct session *gone)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &job->sessions) {
		const struct session *session = ff_container_of(pos, struct session, in_job);

		if (session != gone && session->record != once->leaver && !session->finished &&
		    !session->held && !session->let_go && !session->leaves_onces &&
		    (once->host == FF_NOBODY || once->host == session->placement.host))
			return true;
	}
	return false;
}

/* It is torn down when nobody can ask for it any more; at once where everything stops, for there is
 * little time. */
static void look(struct ff_engine *e, uint32_t number, const struct session *gone)
{
	struct engine_job *job = &e->jobs[number];

	for (uint32_t i = 0; i < job->onces_len; i++) {
		struct once *once = job->onces[i];

		if (once->leaver == FF_NOBODY || once->users.len > 1 ||
		    (!ff_engine_stopping(e) && may_be_asked_for(job, once, gone)))
			continue;
		once->owner = once->leaver;
		once->leaver = FF_NOBODY;
		once->state = ONCE_ENDING;
		once->users.len = 0;
		answer(e, once->owner, once, "teardown");
	}
}

void ff_once_look(struct ff_engine *e, uint32_t job)
{
	look(e, job, NULL);
}

static void asks(struct ff_engine *e, struct once *once, uint32_t worker)
{
	/* It did not hear the answer: the test was broken off. */
	if (once->state == ONCE_SETTING_UP && once->owner == worker) {
		answer(e, worker, once, "setup");
		return;
	}
	add(&once->waiting, worker);
	if (once->state == ONCE_NONE)
		begin(e, once);
	else if (once->state == ONCE_THERE)
		answer_all(e, once, "value");
	else if (once->state == ONCE_FAILED)
		answer_all(e, once, "error");
}

static void leaves(struct ff_engine *e, struct once *once, uint32_t worker)
{
	bool had = del(&once->users, worker);

	/* The others may die, or be killed: one stays that knows how it is torn down. */
	if (!had || once->state != ONCE_THERE || once->leaver != FF_NOBODY) {
		answer(e, worker, once, "bye");
		return;
	}
	add(&once->users, worker);
	once->leaver = worker;
}

void ff_once_said(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t host = input->u.once.run ? FF_NOBODY : session->placement.host;
	struct once *once = find(ff_run_session_job(e, session), input->u.once.name, host);
	const char *word = input->u.once.word;
	uint32_t worker = session->record;

	if (strcmp(word, "ask") == 0) {
		asks(e, once, worker);
	} else if (strcmp(word, "leave") == 0) {
		session->leaves_onces = true;
		leaves(e, once, worker);
		look(e, session->placement.job, NULL);
	} else if (worker != once->owner) {
		return; /* of one that was given up */
	} else if (once->state == ONCE_SETTING_UP && strcmp(word, "have") == 0) {
		set_text(once, input->u.once.text ? input->u.once.text : "None");
		once->state = ONCE_THERE;
		add(&once->users, worker);
		answer_all(e, once, "value");
	} else if (once->state == ONCE_SETTING_UP && strcmp(word, "failed") == 0) {
		set_text(once, ff_engine_text(e, "%s (on %s)", input->u.once.text,
					      ff_run_session_record(e, session)->name));
		once->state = ONCE_FAILED;
		answer_all(e, once, "error");
	} else if (once->state == ONCE_ENDING && strcmp(word, "done") == 0) {
		begin(e, once);
	}
}

void ff_once_gone(struct ff_engine *e, struct session *session)
{
	struct engine_job *job = ff_run_session_job(e, session);

	for (uint32_t i = 0; i < job->onces_len; i++) {
		struct once *once = job->onces[i];

		del(&once->users, session->record);
		del(&once->waiting, session->record);
		if (once->leaver == session->record)
			once->leaver = FF_NOBODY;
		if (once->owner != session->record)
			continue;
		if (once->state == ONCE_ENDING && !session->finished)
			ff_engine_notice(e, NULL, "warning",
					 ff_engine_text(e,
							"farflung_once('%s'): %s ended while it "
							"was to tear it down",
							once->name,
							ff_run_session_record(e, session)->name));
		if (once->state == ONCE_SETTING_UP || once->state == ONCE_ENDING)
			begin(e, once);
		once->owner = once->owner == session->record ? FF_NOBODY : once->owner;
	}
	look(e, session->placement.job, session);
}

bool ff_once_tears_down(const struct ff_engine *e, const struct session *session)
{
	const struct engine_job *job = &e->jobs[session->placement.job];

	for (uint32_t i = 0; i < job->onces_len; i++)
		if (job->onces[i]->leaver == session->record ||
		    (job->onces[i]->owner == session->record &&
		     job->onces[i]->state == ONCE_ENDING))
			return true;
	return false;
}

void ff_once_end(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];

	for (uint32_t i = 0; i < job->onces_len; i++)
		if (job->onces[i]->state == ONCE_THERE)
			ff_engine_notice(
				e, NULL, "warning",
				ff_engine_text(e,
					       "farflung_once('%s'): nobody tore it down: the last "
					       "worker that had it did not come to its end",
					       job->onces[i]->name));
	ff_once_free(job);
}

void ff_once_free(struct engine_job *job)
{
	for (uint32_t i = 0; i < job->onces_len; i++) {
		ff_free(job->onces[i]->users.v);
		ff_free(job->onces[i]->waiting.v);
		ff_free(job->onces[i]->name);
		ff_free(job->onces[i]->text);
		ff_free(job->onces[i]);
	}
	ff_free(job->onces);
	job->onces = NULL;
	job->onces_len = 0;
}
