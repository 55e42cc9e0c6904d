/* Payloads for tests, which speak in lines of text and run nothing: `fake-run` has the parts
 * discover and run, `fake-session` has probe and session.
 *
 * An item is one str. Its words, in the order of struct ff_payload_sink ([…]: may be left out; TEXT
 * is the rest of the line, blanks included):
 *
 *	missing TEXT
 *	started TEXT                    further lines: "key=value" is a fact, "#…" a header line
 *	only-collects
 *	collected DIGEST COUNT [DESELECTED [ROOTDIR]]
 *	ids NAME…
 *	problem NODEID TEXT             skipped NODEID TEXT
 *	start INDEX
 *	wants
 *	returned INDEX…
 *	out INDEX STREAM TEXT
 *	done INDEX OUTCOME [MICROSECONDS [TEXT]]
 *	notice LEVEL TEXT
 *	finished STATUS [TEXT]          TEXT: why it stopped
 *	bad STATUS TEXT                 finished, and bad
 *	error REASON TEXT               REASON: usage or payload
 *	needs WORD…                     asks for the front, with these reasons
 *	without WORD…
 *	to-front TEXT
 *
 * Its front's items are one str as well:
 *
 *	ready ROOTDIR
 *	to WORKER TEXT                  its word to that
 *	again NAME, settled NAME, stop TEXT, text TEXT, notice LEVEL TEXT, error REASON TEXT
 *	finished STATUS [TEXT]          bad STATUS TEXT
 *
 * and so is what that is told: "worker gw0 HOST", "from gw0 VALUE", "unit gw0 3 VALUE [again]",
 * "crash gw0 3 NAME TEXT", "lost 3 NAME TEXT", "down gw0 [TEXT]", "line TEXT", "stop TEXT", "end
 * [interrupted]"; a session hears "front VALUE". A VALUE is a packed str.
 *
 * Orders are one str, too: "ids", "run 3 4", "take 5", "end", "stop", "idle", "kill". Tasks have no
 * source; call_name is "discover", "run" or "session", and kwargs holds job, args (joined by
 * blanks, or the shell's text), worker, host.
 *
 * The probe looks on hosts whose spec has python=, and its command is "probe " and that. It reads
 * "found PATH [NOTE]", or "nothing TEXT". */
#ifndef FF_FAKE_PAYLOAD_H
#define FF_FAKE_PAYLOAD_H

#include "payload.h"

extern const struct ff_payload ff_fake_payload_run;
extern const struct ff_payload ff_fake_payload_session;

/* Reads an order, as packed by a part, into `text`; false: it is none. */
bool ff_fake_payload_order(const void *packed, size_t len, char *text, size_t size);

#endif
