/* A few sentences of what might make a run faster, each only where the run's figures support it. */
#include <stdio.h>

#include "report/slow_private.h"
#include "report/text.h"

enum {
	NAME_COLUMNS = 200,
	BOUND = 95,	   /* percent: so close is the longest to all of it */
	MUCH = 30,	   /* percent of the slots' time: worth a word */
	WORTH = 10,	   /* percent of the run's time: worth another worker, or a split */
	WORTH_US = 100000, /* and at least so much */
};

static int percent(int64_t part, int64_t whole)
{
	return whole > 0 ? (int)((double)part * 100.0 / (double)whole + 0.5) : 0;
}

static bool is_worth(const struct ff_slow_answer *answer, int64_t us)
{
	return us >= WORTH_US && percent(us, answer->wall_us) >= WORTH;
}

static const char *word_of(const struct ff_slow_estimate *estimate)
{
	static const char *const words[] = {
		[FF_SLOW_TESTS] = "test",
		[FF_SLOW_FILES] = "file",
		[FF_SLOW_SCOPES] = "scope",
		[FF_SLOW_GROUPS] = "group",
	};

	return words[estimate->whole];
}

/* Whether the run can't end before its longest does. */
static bool is_bound(const struct ff_slow_answer *answer)
{
	const struct ff_slow_estimate *estimate = &answer->estimate;

	return estimate->slots > 0 && estimate->longest &&
	       percent(estimate->longest_us, estimate->now_us) >= BOUND;
}

static void advise_split(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	const struct ff_slow_estimate *estimate = &answer->estimate;

	if (!is_bound(answer) || !is_worth(answer, estimate->now_us - estimate->split_us))
		return;
	ff_buf_addf(out, "The longest %s is %d %% of the run: no more workers will help; split ",
		    word_of(estimate), percent(estimate->longest_us, answer->wall_us));
	ff_text_line(out, estimate->longest, NAME_COLUMNS, "...");
	ff_buf_addf(out, " (%s about ",
		    estimate->whole == FF_SLOW_TESTS ? "in two it would save"
						     : "its tests on their own would save");
	ff_text_seconds(out, estimate->now_us - estimate->split_us);
	ff_buf_addstr(out, ").\n");
}

static bool more_help(const struct ff_slow_answer *answer)
{
	const struct ff_slow_estimate *estimate = &answer->estimate;

	return estimate->slots > 0 && is_worth(answer, estimate->now_us - estimate->more_us);
}

static void advise_more(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	const struct ff_slow_estimate *estimate = &answer->estimate;

	if (!more_help(answer))
		return;
	ff_buf_addstr(out, "Another worker would save about ");
	ff_text_seconds(out, estimate->now_us - estimate->more_us);
	ff_buf_addf(out, " (%d %% of the run), if there is a CPU for it.\n",
		    percent(estimate->now_us - estimate->more_us, answer->wall_us));
}

static int share_of(const struct ff_slow_answer *answer, enum ff_slow_row row)
{
	return answer->rows[row] >= WORTH_US ? percent(answer->rows[row], answer->slot_us) : 0;
}

void ff_slow_advise(struct ff_buf *out, const struct ff_slow_answer *answer)
{
	int hosts = share_of(answer, FF_SLOW_CONNECTING) + share_of(answer, FF_SLOW_SYNC);
	int fixtures = share_of(answer, FF_SLOW_SETUP) + share_of(answer, FF_SLOW_TEARDOWN);
	int idle = share_of(answer, FF_SLOW_IDLE_WORKER) + share_of(answer, FF_SLOW_IDLE_SLOT);
	int setup = share_of(answer, FF_SLOW_HOST_SETUP);
	int start = share_of(answer, FF_SLOW_STARTING), away = share_of(answer, FF_SLOW_AWAY);
	int between = share_of(answer, FF_SLOW_BETWEEN);
	int front = share_of(answer, FF_SLOW_FRONT);
	int collection = share_of(answer, FF_SLOW_COLLECTION);

	advise_split(out, answer);
	advise_more(out, answer);
	if (start >= MUCH)
		ff_buf_addf(out,
			    "%d %% of the slots' time went into starting workers: see what "
			    "conftest files and plugins import (python -X importtime -m pytest).\n",
			    start);
	if (front >= MUCH)
		ff_buf_addf(out,
			    "%d %% of the slots' time went into waiting for the front: the event "
			    "front-started says what needs it; --front never does without.\n",
			    front);
	if (collection >= MUCH)
		ff_buf_addf(out,
			    "%d %% of the slots' time went into collecting tests: see what test "
			    "files import, or try --collect shard.\n",
			    collection);
	if (fixtures >= MUCH)
		ff_buf_addf(out,
			    "%d %% of the slots' time went into fixtures: those of a wider scope "
			    "are set up less often.\n",
			    fixtures);
	if (between >= MUCH)
		ff_buf_addf(out,
			    "For %d %% of the slots' time workers were between two tests: they are "
			    "very short, or wait for what marks ask for.\n",
			    between);
	if (hosts >= MUCH)
		ff_buf_addf(out,
			    "%d %% of the slots' time went into connecting hosts and bringing the "
			    "tree: fewer hosts, or a smaller tree, may be faster.\n",
			    hosts);
	if (setup >= MUCH)
		ff_buf_addf(
			out,
			"%d %% of the slots' time went into setup: with 'inputs' it is run only "
			"where these have changed.\n",
			setup);
	if (away >= MUCH)
		ff_buf_addf(out, "For %d %% of the slots' time their hosts were away or lost.\n",
			    away);
	if (idle >= MUCH && answer->attempts > 0 && !more_help(answer))
		ff_buf_addf(out, "%d %% of the slots' time was idle: fewer slots might do.\n",
			    idle);
}
