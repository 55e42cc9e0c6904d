/* The conformance suite: scenarios on the public API, each runnable over any transport. The rig is
 * what one runs on: a loop, a group, the parents that the xspec goes via, and one open gateway. */
#ifndef FF_CONFORM_SCENARIOS_H
#define FF_CONFORM_SCENARIOS_H

#include <stdbool.h>
#include <stdint.h>

#include "farflung.h"
#include "io/loop_private.h"

enum {
	RIG_SPECS_MAX = 16,
	/* A guard against hanging: whatever is waited for comes much earlier. */
	WAIT_MS = 30000,
	/* Long enough to see that something does not come. */
	SHORT_MS = 50,
};

/* Where the suite runs. */
struct setup {
	const char *parents[RIG_SPECS_MAX]; /* in the order of opening */
	const char *specs[RIG_SPECS_MAX];   /* equal ones: the nth gateway uses the nth */
	unsigned nparents, nspecs;
	bool native;   /* the worker of the specs */
	bool launches; /* the transport runs a program, so it knows how that ended */
	bool via;
	bool fake;
};

struct rig {
	const struct setup *setup;
	struct ff_loop loop;
	struct ff_group *group;
	struct ff_gateway *gw;
	int fds; /* before it was set up */
};

/* What a scenario needs; the others are left out for a transport. */
enum {
	ON_SHARED = 0,
	ON_FRESH = 1 << 0, /* a gateway of its own */
	ON_PYTHON = 1 << 1,
	ON_NATIVE = 1 << 2,
	ON_LAUNCHED = 1 << 3,
	ON_VIA = 1 << 4,
	ON_FAKE = 1 << 5,
	ON_NOTHING = 1 << 6, /* opens what it needs by itself */
};

struct scenario {
	const char *name;
	unsigned needs;
	bool (*run)(struct rig *rig);
};

/* One table per file; each ends with a NULL name. */
extern const struct scenario scenarios_items[], scenarios_channels[], scenarios_many[],
	scenarios_flow[], scenarios_ends[], scenarios_forms[], scenarios_sync[], scenarios_cut[];

/* --- the rig --- */

/* Parents are opened, and with `gateway` the first spec. On failure it says so and closes. */
bool rig_open(struct rig *rig, const struct setup *setup, bool gateway);
/* Ends all, and says what is left over: handles, descriptors, processes. */
bool rig_close(struct rig *rig);
/* The nth spec with one change: "python=x" replaces that part or is added. malloc'd. */
char *rig_spec(const struct setup *setup, unsigned n, const char *part);
/* One more gateway from the nth spec, with that change (NULL: none). NULL: it says why. */
struct ff_gateway *rig_more(struct rig *rig, unsigned n, const char *part);
/* Runs `python` or `script` (the text behind "#!/bin/sh\n"), as the worker wants it. */
struct ff_channel *rig_exec(struct rig *rig, struct ff_gateway *gw, const char *python,
			    const char *script);
/* The process id of the worker at the other end. */
int rig_pid(struct ff_gateway *gw);
/* Runs the loop until *flag: false after WAIT_MS. */
bool rig_until(struct rig *rig, const bool *flag);
/* Waits until the connection is known to be lost. */
bool rig_until_closed(struct rig *rig, struct ff_gateway *gw);
/* Resident memory of this program. */
long rig_memory_bytes(void);

/* --- looking --- */

bool rig_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The next item is `want`. */
bool rig_expect(struct ff_channel *channel, struct ff_value want, const char *file, int line);
/* rc is `want`, else it prints what err says. */
bool rig_rc(int rc, int want, const struct ff_err *err, const char *file, int line);
bool rig_text(const char *text, const char *part, const char *file, int line);
void channel_drop(struct ff_channel **channel);
void text_drop(char **text);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return rig_fail(__FILE__, __LINE__, "%s", #condition);                     \
	} while (0)
#define CHECK_RC(call, want, err)                                                                  \
	do {                                                                                       \
		(err)->text[0] = '\0';                                                             \
		if (!rig_rc(call, want, err, __FILE__, __LINE__))                                  \
			return false;                                                              \
	} while (0)
/* The same for a failure that was reported before. */
#define CHECK_CODE(err, want)                                                                      \
	do {                                                                                       \
		if (!rig_rc((err)->code, want, err, __FILE__, __LINE__))                           \
			return false;                                                              \
	} while (0)
#define CHECK_TEXT(text, part)                                                                     \
	do {                                                                                       \
		if (!rig_text(text, part, __FILE__, __LINE__))                                     \
			return false;                                                              \
	} while (0)
#define EXPECT(channel, want)                                                                      \
	do {                                                                                       \
		if (!rig_expect(channel, want, __FILE__, __LINE__))                                \
			return false;                                                              \
	} while (0)
/* The end of a conversation that went well. */
#define EXPECT_EOF(channel)                                                                        \
	do {                                                                                       \
		struct ff_err end_err_;                                                            \
		ITEM end_item_ = FF_ITEM_INIT;                                                     \
		CHECK_RC(ff_channel_receive(channel, WAIT_MS, &end_item_, &end_err_), FF_EEOF,     \
			 &end_err_);                                                               \
	} while (0)

#define CHANNEL __attribute__((cleanup(channel_drop))) struct ff_channel *
#define ITEM	__attribute__((cleanup(ff_item_release))) struct ff_item
#define TEXT	__attribute__((cleanup(text_drop))) char *

static inline struct ff_value channel_value(const struct ff_channel *channel)
{
	return (struct ff_value){.kind = FF_CHANNEL, .channel = ff_channel_id(channel)};
}

#endif
