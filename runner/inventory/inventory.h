/* The inventory: config's hosts with ranges expanded, names made unique, xspecs parsed; and the
 * choice of hosts by pattern. */
#ifndef FF_INVENTORY_INVENTORY_H
#define FF_INVENTORY_INVENTORY_H

#include <stdint.h>

#include "base/map.h"
#include "config/config.h"
#include "config/mistakes.h"
#include "wire/xspec.h"

struct ff_host {
	struct ff_place place;
	char *name;	      /* unique; "popen", "build01", the spec's id= … */
	struct ff_xspec spec; /* of the host's foreman; without id */
	uint32_t slots;	      /* at least 1 */
	int64_t memory;	      /* bytes that units may use there; 0: what it has */
	struct ff_strv tags;
	bool local; /* popen without via */
	uint32_t index;
};

struct ff_inventory {
	struct ff_host *hosts;
	size_t len;
	size_t room; /* see ff_inventory_reserve; else 0 */
	/* Of each name and each tag, the (first) host that has it: its index + 1 as a pointer. */
	struct ff_map names, tags;
};

enum { FF_INVENTORY_MAX = 100000 };

/* FF_ECONFIG: `file:line:column: …` for a bad range, a bad xspec, a duplicate name, too many hosts,
 * no host at all, a group that is nothing or leads back to itself. "N*spec" is one host with N
 * slots (times `slots:`). "ssh=n[01-10,12],m1!n03" is many hosts, zero padded: the set that the
 * pattern of that text chooses; so are `id=` and `name`, alone they give as many hosts with the
 * same spec. A group is a tag of its hosts from here on. */
int ff_inventory_build(struct ff_inventory *inventory, const struct ff_config *config,
		       struct ff_err *err);
void ff_inventory_release(struct ff_inventory *inventory);

/* Puts the secrets of the environments of hosts that match in, which looks them up (as
 * ff_config_reveal). Before that they are no environments to open hosts with. */
int ff_inventory_reveal(struct ff_inventory *inventory, struct ff_config *config, const char *on,
			struct ff_err *err);

/* --- hosts that come while a run goes on --- */

/* So many further hosts may come: the array is not moved by them. To be called before anybody
 * borrows from the inventory. */
void ff_inventory_reserve(struct ff_inventory *inventory, size_t more);
/* How many hosts there can be. */
size_t ff_inventory_room(const struct ff_inventory *inventory);
/* Whether both are the same host in the same way: spec, slots, tags and all else but the place. */
bool ff_host_equal(const struct ff_host *a, const struct ff_host *b);
/* Puts a copy of a host of another inventory in the place of the one with its name, or behind all;
 * the host it `via`s must be there. Its number, or FF_ETOOBIG: there is no room. */
int64_t ff_inventory_admit(struct ff_inventory *inventory, const struct ff_host *host);
/* The host of this name; NULL. */
const struct ff_host *ff_inventory_find(const struct ff_inventory *inventory, const char *name);

/* Whether a host is meant by a pattern: comma or blank separated terms, each of which stands for
 * the hosts whose name, or one of whose tags and groups, it is ("@term": tags and groups only);
 * "!term" takes out, "&term" intersects, and need no separator: "a[1-3]!a2&big". As in Ansible the
 * order does not matter: all plain terms together, of these what is in each "&", without what is in
 * any "!". "all" and "*" mean every host; NULL matches all. In a term, '*' is any text and '?' any
 * character; brackets are ranges as in the inventory: "n[01-12]", "n[a,b]". ff_inventory_check:
 * FF_ECONFIG when the pattern is malformed or matches no host. */
bool ff_host_matches(const struct ff_host *host, const char *pattern);
int ff_inventory_check(const struct ff_inventory *inventory, const char *pattern,
		       struct ff_err *err);
/* "; did you mean 'linux'?" or "", for a pattern that matches no host. Looks at all hosts. */
const char *ff_inventory_suggest(const struct ff_inventory *inventory, const char *pattern,
				 char text[FF_SUGGEST_TEXT_MAX]);

/* Appends the hosts that "build[01-10]x" stands for; FF_EINVAL with words for a bad range. */
int ff_range_expand(struct ff_strv *out, const char *text, struct ff_err *err);
/* The other way round: appends names as ranges, "node[01-08,10],m1". Each is there once; groups of
 * names have the order of their first, numbers their own. A list of ranges of that text is the same
 * names again. */
struct ff_buf;
void ff_range_fold(struct ff_buf *out, const char *const *names, size_t len);

#endif
