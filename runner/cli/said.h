/* What hosts said, and how each came out: what several say alike is shown once, under their names
 * as ranges. */
#ifndef FF_CLI_SAID_H
#define FF_CLI_SAID_H

#include "base/map.h"
#include "dispatch/dispatch.h"

struct ff_said_group;

struct ff_said {
	struct ff_said_group *groups;
	size_t len, cap;
	struct ff_map by_key; /* index + 1 */
	size_t hosts;
};

/* Texts are copied; the host is borrowed. */
void ff_said_add(struct ff_said *said, const struct ff_exec_result *result);
/* To stdout: groups in the order of their first hosts; with `diff` what most hosts say, and how
 * others differ from it. */
void ff_said_print(struct ff_said *said, bool diff);
/* The last words on stderr: "9 passed, 1 failed (n4), 1 not reachable (n5) (exit 3)". */
void ff_said_complain_last(const struct ff_said *said, int code);
void ff_said_release(struct ff_said *said);

#endif
