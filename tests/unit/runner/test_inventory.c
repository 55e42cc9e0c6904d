/* The inventory: entries to hosts, and the choice of hosts by pattern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/buf.h"
#include "inventory/inventory.h"

struct built {
	struct ff_config config;
	struct ff_inventory inventory;
};

static void build(struct built *b, const char *text)
{
	struct ff_err err = {0};

	if (ff_config_parse(&b->config, "demo.yaml", text, strlen(text), &err) ||
	    ff_inventory_build(&b->inventory, &b->config, &err))
		fail_msg("%s", err.text);
}

static void release(struct built *b)
{
	ff_inventory_release(&b->inventory);
	ff_config_release(&b->config);
}

static const struct ff_host *host(const struct built *b, const char *name)
{
	for (size_t i = 0; i < b->inventory.len; i++)
		if (!strcmp(b->inventory.hosts[i].name, name))
			return &b->inventory.hosts[i];
	fail_msg("no host %s", name);
	return NULL;
}

static void test_names(void **state)
{
	struct built b;

	build(&b, "inventory:\n"
		  "  - popen\n"
		  "  - popen\n"
		  "  - {spec: popen, name: popen-2}\n"
		  "  - ssh=-p 2222 jo@build1\n"
		  "  - ssh=b[1-2]\n"
		  "  - socket=h:8888\n"
		  "  - popen//id=mine\n"
		  "  - {spec: 'ssh=x[1-2]', name: 'n[08-09]'}\n");
	assert_int_equal(b.inventory.len, 10);
	host(&b, "popen");
	/* A given name goes before one that is made up. */
	assert_int_equal(host(&b, "popen-2")->index, 2);
	assert_int_equal(host(&b, "popen-3")->index, 1);
	host(&b, "build1");
	host(&b, "b2");
	host(&b, "h:8888");
	assert_null(host(&b, "mine")->spec.id);
	assert_string_equal(host(&b, "n09")->spec.ssh, "x2");
	release(&b);
}

static void test_slots(void **state)
{
	struct built b;

	build(&b, "inventory:\n"
		  "  defaults: {slots: 3}\n"
		  "  hosts:\n"
		  "    - {spec: popen, name: a}\n"
		  "    - {spec: 4*popen, name: b}\n"
		  "    - {spec: 4*popen, name: c, slots: 2}\n"
		  "    - {spec: popen//slots=5, name: d, slots: 2}\n"
		  "    - {spec: 2*popen//slots=5, name: e}\n");
	assert_int_equal(host(&b, "a")->slots, 3);
	assert_int_equal(host(&b, "b")->slots, 4);
	assert_int_equal(host(&b, "c")->slots, 8);
	assert_int_equal(host(&b, "d")->slots, 5);
	assert_int_equal(host(&b, "e")->slots, 10);
	release(&b);
}

static void test_merging(void **state)
{
	const struct ff_host *h;
	struct built b;

	build(&b, "inventory:\n"
		  "  defaults: {chdir: d, python: p, nice: 3, worker: python, tags: [x],\n"
		  "             env: {A: 1, B: 2}}\n"
		  "  hosts:\n"
		  "    - {spec: popen//chdir=own//env:A=own//tags=y, nice: 4, tags: [z, y]}\n"
		  "    - ssh=h//env:LIST=[1]//python=py[1-2]\n");
	h = host(&b, "popen");
	assert_string_equal(h->spec.chdir, "own");
	assert_string_equal(h->spec.python, "p");
	assert_string_equal(h->spec.nice, "4");
	assert_string_equal(h->spec.worker, "python");
	assert_int_equal(h->spec.env.len, 2);
	assert_string_equal(h->spec.env.v[0], "A=own");
	assert_string_equal(h->spec.env.v[1], "B=2");
	assert_int_equal(h->tags.len, 3);
	assert_true(h->local);
	h = host(&b, "h-2");
	assert_string_equal(h->spec.python, "py2");
	assert_string_equal(h->spec.env.v[0], "LIST=[1]");
	assert_false(h->local);
	release(&b);
}

static void test_via(void **state)
{
	struct built b;

	build(&b, "inventory: [popen//via=gate//id=in, ssh=gate, socket//installvia=gate]\n");
	assert_false(host(&b, "in")->local);
	release(&b);
}

static bool matches(const struct ff_inventory *inventory, const char *pattern, const char *names)
{
	char found[64] = "";

	for (size_t i = 0; i < inventory->len; i++)
		if (ff_host_matches(&inventory->hosts[i], pattern))
			strcat(found, inventory->hosts[i].name);
	return !strcmp(found, names);
}

static void test_patterns(void **state)
{
	struct built b;
	struct ff_err err;

	build(&b, "inventory:\n"
		  "  - {spec: popen, name: a1, tags: [linux, big]}\n"
		  "  - {spec: popen, name: a2, tags: [linux]}\n"
		  "  - {spec: popen, name: b1, tags: [mac, big]}\n");
	assert_true(matches(&b.inventory, NULL, "a1a2b1"));
	assert_true(matches(&b.inventory, "all", "a1a2b1"));
	assert_true(matches(&b.inventory, "*", "a1a2b1"));
	assert_true(matches(&b.inventory, "a1", "a1"));
	assert_true(matches(&b.inventory, "a?", "a1a2"));
	assert_true(matches(&b.inventory, "a2,b1", "a2b1"));
	assert_true(matches(&b.inventory, "a2 b1", "a2b1"));
	assert_true(matches(&b.inventory, "linux", "a1a2"));
	assert_true(matches(&b.inventory, "linux,&big", "a1"));
	assert_true(matches(&b.inventory, "!linux", "b1"));
	assert_true(matches(&b.inventory, "big !mac", "a1"));
	assert_true(matches(&b.inventory, "&big,!a1", "b1"));
	assert_true(matches(&b.inventory, "none", ""));
	assert_int_equal(ff_inventory_check(&b.inventory, NULL, &err), 0);
	assert_int_equal(ff_inventory_check(&b.inventory, "big", &err), 0);
	assert_int_equal(ff_inventory_check(&b.inventory, "none", &err), FF_ECONFIG);
	assert_string_equal(err.text, "no host matches 'none'");
	assert_int_equal(ff_inventory_check(&b.inventory, "a1,!", &err), FF_ECONFIG);
	assert_string_equal(err.text, "bad host pattern 'a1,!'");
	assert_int_equal(ff_inventory_check(&b.inventory, " , ", &err), FF_ECONFIG);
	release(&b);
}

static void refuse(const char *text, const char *message)
{
	struct ff_inventory inventory;
	struct ff_config config;
	struct ff_err err = {0};

	if (ff_config_parse(&config, "demo.yaml", text, strlen(text), &err))
		fail_msg("%s", err.text);
	assert_int_equal(ff_inventory_build(&inventory, &config, &err), FF_ECONFIG);
	assert_string_equal(err.text, message);
	ff_config_release(&config);
}

/* The same text means the same hosts in the inventory and in `on`. */
static void test_range_patterns(void **state)
{
	struct built b;
	struct ff_err err;

	build(&b, "inventory:\n"
		  "  - {spec: popen, name: 'n[8-11]', tags: [t]}\n"
		  "  - {spec: popen, name: 'm[08-10]x'}\n"
		  "  - {spec: popen, name: 'q[red,blue,1]'}\n"
		  "  - 'socket=[::1]:8888'\n");
	assert_true(matches(&b.inventory, "n[8-11]", "n8n9n10n11"));
	assert_true(matches(&b.inventory, "n[1-9]", "n8n9"));
	assert_true(matches(&b.inventory, "n[10-99]", "n10n11"));
	assert_true(matches(&b.inventory, "n[1]", ""));
	assert_true(matches(&b.inventory, "n[8,11]", "n8n11"));
	assert_true(matches(&b.inventory, "n[8,11],q[red]", "n8n11qred"));
	assert_true(matches(&b.inventory, "n[08-11]", "n10n11"));
	assert_true(matches(&b.inventory, "m[08-09]x", "m08xm09x"));
	assert_true(matches(&b.inventory, "m[8-10]x", "m10x"));
	assert_true(matches(&b.inventory, "m[08-10]", ""));
	assert_true(matches(&b.inventory, "?[8-11]*", "n8n9n10n11m10x"));
	assert_true(matches(&b.inventory, "*[09,10]*", "n10m09xm10x"));
	assert_true(matches(&b.inventory, "t,!n[9-10]", "n8n11"));
	assert_true(matches(&b.inventory, "t &*[1]", "n11"));
	assert_true(matches(&b.inventory, "q*e*", "qredqblue"));
	assert_true(matches(&b.inventory, "[::1]:8888", "[::1]:8888"));
	assert_true(matches(&b.inventory, "*:8888", "[::1]:8888"));
	assert_int_equal(ff_inventory_check(&b.inventory, "n[1-12]", &err), 0);
	assert_int_equal(ff_inventory_check(&b.inventory, "n[1-7]", &err), FF_ECONFIG);
	assert_string_equal(err.text, "no host matches 'n[1-7]'");
#define RANGES "; brackets are ranges as in 'hosts': n[1-12], n[a,b]"
	assert_int_equal(ff_inventory_check(&b.inventory, "n8,n[a-c]", &err), FF_ECONFIG);
	assert_string_equal(err.text, "bad range 'a-c' in 'n[a-c]'" RANGES);
	assert_int_equal(ff_inventory_check(&b.inventory, "n[!8]", &err), FF_ECONFIG);
	assert_string_equal(err.text, "bad range '!8' in 'n[!8]'" RANGES);
	assert_int_equal(ff_inventory_check(&b.inventory, "n[1-", &err), FF_ECONFIG);
	assert_string_equal(err.text, "'[' without ']' in 'n[1-'" RANGES);
	assert_int_equal(ff_inventory_check(&b.inventory, "n[9-8]", &err), FF_ECONFIG);
	assert_int_equal(ff_inventory_check(&b.inventory, "n[]", &err), FF_ECONFIG);
	release(&b);
}

static void test_suggestions(void **state)
{
	char text[FF_SUGGEST_TEXT_MAX];
	struct built b;

	build(&b, "inventory: [{spec: popen, name: build, tags: [linux]}]\n");
	assert_string_equal(ff_inventory_suggest(&b.inventory, "linus", text),
			    "; did you mean 'linux'?");
	assert_string_equal(ff_inventory_suggest(&b.inventory, "biuld", text),
			    "; did you mean 'build'?");
	assert_string_equal(ff_inventory_suggest(&b.inventory, "biuld,x", text), "");
	assert_string_equal(ff_inventory_suggest(&b.inventory, "bui*", text), "");
	release(&b);
}

/* A range in the name alone: so many hosts of the same kind. */
static void test_named_range(void **state)
{
	struct built b;

	build(&b, "inventory: [{spec: 2*popen//chdir=x, name: 'm[01-20]', tags: [t]}]\n");
	assert_int_equal(b.inventory.len, 20);
	assert_string_equal(b.inventory.hosts[0].name, "m01");
	assert_string_equal(host(&b, "m20")->spec.chdir, "x");
	assert_int_equal(host(&b, "m20")->slots, 2);
	release(&b);
	refuse("inventory: [{spec: 'ssh=b[1-2]', name: 'm[1-3]'}]\n",
	       "demo.yaml:1:20: name 'm[1-3]' gives 3 names for 2 hosts");
}

static void test_impossible_hosts(void **state)
{
	refuse("inventory: ['ssh=-p 22 n[1-3],m1', 'ssh=-p 22 n[1-5]!n3', 'ssh=n[1-2,^3]']\n",
	       "demo.yaml:1:13: xspec 'ssh=-p 22 n1,m1': 'n1,m1' can't be a host; a list, "
	       "n[1-3],m1, can't have options or a user: list each host by itself\n"
	       "demo.yaml:1:36: xspec 'ssh=-p 22 n1!n3': 'n1!n3' can't be a host; a set, "
	       "n[1-5]!n3, can't have options or a user: list each host by itself\n"
	       "demo.yaml:1:59: bad range '^3' in 'ssh=n[1-2,^3]'");
	refuse("inventory: ['ssh=n{1..3}']\n", "demo.yaml:1:13: xspec 'ssh=n{1..3}': 'n{1..3}' "
					       "can't be a host; only [...] stands for"
					       " several hosts");
	refuse("inventory: ['popen//id=a b,c']\n", "demo.yaml:1:13: 'a b,c' can't name a host: no "
						   "blanks, commas, '!', '&' or '@'");
	refuse("inventory: ['popen//id=@a']\n",
	       "demo.yaml:1:13: '@a' can't name a host: no blanks, commas, '!', '&' or '@'");
	refuse("inventory: ['ssh=n[1-3]!n[1-9]', 'ssh=a,!', 'ssh=a,b[2-1]', 'ssh=a*,b']\n",
	       "demo.yaml:1:13: xspec 'ssh=n[1-3]!n[1-9]': nothing is left of 'n[1-3]!n[1-9]'\n"
	       "demo.yaml:1:34: xspec 'ssh=a,!': bad host pattern 'a,!'\n"
	       "demo.yaml:1:45: xspec 'ssh=a,b[2-1]': range '2-1' in 'b[2-1]' runs backwards; "
	       "brackets are ranges as in 'hosts': n[1-12], n[a,b]\n"
	       "demo.yaml:1:61: xspec 'ssh=a*': 'a*' can't be a host; only [...] stands for "
	       "several hosts");
}

/* What a text lists as hosts, it chooses as a pattern. */
static void test_sets(void **state)
{
	static const struct {
		const char *set, *names;
	} cases[] = {
		{"n[1-3],m1", "n1n2n3m1"},
		{"n[1-5]!n3", "n1n2n4n5"},
		{"n[1-5]!n[2-3],!n5", "n1n4"},
		{"n[08-11],m[a,b]x!*a*", "n08n09n10n11mbx"},
		{"n[1-9]&n[3-20]&*[4,6]", "n4n6"},
		{"n[1-3],n2,n[3-4]", "n1n2n3n4"},
		{"n1, n2", "n1n2"},
		{"n[1-2]n[3-4]!n2n3", "n1n3n1n4n2n4"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[128];
		struct built b;

		if (strchr(cases[i].set, ' '))
			snprintf(text, sizeof(text), "inventory: [{spec: popen, name: '%s'}]\n",
				 cases[i].set);
		else
			snprintf(text, sizeof(text), "inventory: {hosts: 'ssh=%s//python=p'}\n",
				 cases[i].set);
		build(&b, text);
		assert_true(matches(&b.inventory, NULL, cases[i].names));
		assert_true(matches(&b.inventory, cases[i].set, cases[i].names));
		release(&b);
		snprintf(text, sizeof(text), "inventory: ['popen//id=%s', ssh=other]\n",
			 cases[i].set);
		if (strchr(cases[i].set, ' '))
			continue;
		build(&b, text);
		assert_true(matches(&b.inventory, cases[i].set, cases[i].names));
		release(&b);
	}
}

static void test_groups(void **state)
{
	struct built b;
	struct ff_err err;
	char text[FF_SUGGEST_TEXT_MAX];

	build(&b, "inventory:\n"
		  "  groups:\n"
		  "    both: [web, '@db', '!n2']\n"
		  "    web: n[1-3]!n3\n"
		  "    db: [m1, 'm2']\n"
		  "    rest: '!@both'\n"
		  "    nobody: []\n"
		  "    all-web: 'web*,big'\n"
		  "    webs: 'w?b,&n*'\n"
		  "  hosts:\n"
		  "    - {spec: 'ssh=n[1-3]', tags: [t]}\n"
		  "    - {spec: 'ssh=m[1-2]', tags: [big]}\n");
	assert_true(matches(&b.inventory, "web", "n1n2"));
	assert_true(matches(&b.inventory, "@web", "n1n2"));
	assert_true(matches(&b.inventory, "@both", "n1m1m2"));
	assert_true(matches(&b.inventory, "rest", "n2n3"));
	assert_true(matches(&b.inventory, "all-web", "n1n2m1m2"));
	assert_true(matches(&b.inventory, "webs", "n1n2"));
	assert_true(matches(&b.inventory, "@web,m2!n1", "n2m2"));
	assert_true(matches(&b.inventory, "t!@web", "n3"));
	assert_true(matches(&b.inventory, "*&@web", "n1n2"));
	assert_true(matches(&b.inventory, "@t", "n1n2n3"));
	assert_true(matches(&b.inventory, "@n1", ""));
	assert_true(matches(&b.inventory, "@all", ""));
	assert_int_equal(ff_inventory_check(&b.inventory, "@both!m1", &err), 0);
	assert_int_equal(ff_inventory_check(&b.inventory, "@nobody", &err), FF_ECONFIG);
	assert_string_equal(err.text, "no host matches '@nobody'");
	assert_int_equal(ff_inventory_check(&b.inventory, "@n1", &err), FF_ECONFIG);
	assert_int_equal(ff_inventory_check(&b.inventory, "@", &err), FF_ECONFIG);
	assert_string_equal(ff_inventory_suggest(&b.inventory, "@webbs", text),
			    "; did you mean 'webs'?");
	release(&b);
}

static void test_bad_groups(void **state)
{
	refuse("inventory:\n  hosts: popen\n  groups: {a: b, b: '@c,popen', c: [popen, '!a'], d: "
	       "d}\n",
	       "demo.yaml:3:12: group 'a' leads back to itself: a -> b -> c -> a\n"
	       "demo.yaml:3:51: group 'd' leads back to itself: d -> d");
	refuse("inventory:\n  hosts: [{spec: 'ssh=web[1-2]', tags: t}]\n"
	       "  groups: {t: web1, web1: web2, g: [web3], h: 'web1,@web2,wbe1', all: web1,\n"
	       "           'a b': web1, i: 'web[2-1]'}\n",
	       "demo.yaml:3:12: group 't' is a tag of host 'web2', too\n"
	       "demo.yaml:3:21: group 'web1' is a host, too\n"
	       "demo.yaml:3:66: 'all' is every host anyway\n"
	       "demo.yaml:4:12: 'a b' can't name a group: no blanks, commas, nor any of !&@*?[]\\\n"
	       "demo.yaml:4:25: group 'i': range '2-1' in 'web[2-1]' runs backwards; brackets are"
	       " ranges as in 'hosts': n[1-12], n[a,b]");
	refuse("inventory:\n  hosts: [{spec: 'ssh=web[1-2]', tags: t}]\n"
	       "  groups: {g: [web3], h: 'web1,@web2,wbe1', none: 'x*!web1'}\n",
	       "demo.yaml:3:12: group 'g': no host matches 'web3'; did you mean 'web1'?\n"
	       "demo.yaml:3:23: group 'h': no host matches '@web2'\n"
	       "demo.yaml:3:23: group 'h': no host matches 'wbe1'; did you mean 'web1'?\n"
	       "demo.yaml:3:45: group 'none': no host matches 'x*'");
}

/* What ssh takes before the host is its own affair. */
static void test_possible_hosts(void **state)
{
	struct built b;

	build(&b, "inventory: ['ssh=-o ProxyJump=a,b -o \"X=1;2\" jo@c_d.e', 'ssh=fe80::1%eth0',"
		  " 'socket=[::1]:8888',"
		  " 'popen//env:A=a,b!']\n");
	assert_int_equal(b.inventory.len, 4);
	release(&b);
}

/* Each of 20,000 hosts is reached over the one before, has many tags, and is found at once. */
static void test_chain(void **state)
{
	enum { MANY = 20000 };
	struct ff_buf text = FF_BUF_INIT;
	struct timespec start, end;
	struct ff_err err;
	struct built b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	ff_buf_addstr(&text, "inventory:\n  - {spec: ssh=gate, name: h0, tags: [");
	for (int i = 0; i < MANY; i++)
		ff_buf_addf(&text, "t%d,", i);
	ff_buf_addstr(&text, "]}\n");
	for (int i = 1; i < MANY; i++)
		ff_buf_addf(&text, "  - {spec: popen//via=h%d, name: h%d, env: {A: %d}}\n", i - 1,
			    i, i);
	build(&b, ff_buf_str(&text));
	assert_int_equal(b.inventory.len, MANY);
	for (int i = 0; i < MANY; i++) {
		char pattern[32];

		snprintf(pattern, sizeof(pattern), i % 2 ? "h%d,!h9999" : "t%d", i == 9999 ? 1 : i);
		assert_int_equal(ff_inventory_check(&b.inventory, pattern, &err), 0);
		snprintf(pattern, sizeof(pattern), "nobody%d", i);
		assert_int_equal(ff_inventory_check(&b.inventory, pattern, &err), FF_ECONFIG);
	}
	release(&b);
	ff_buf_release(&text);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	assert_true(end.tv_sec - start.tv_sec < 10);
}

static void test_by_hand(void **state)
{
	struct ff_inventory inventory;
	struct ff_config config;
	struct ff_err err;

	ff_config_init(&config);
	ff_config_add_host(&config, "3*popen");
	assert_int_equal(ff_inventory_build(&inventory, &config, &err), 0);
	assert_int_equal(inventory.hosts[0].slots, 3);
	ff_inventory_release(&inventory);
	/* No file, no place. */
	ff_config_add_host(&config, "popen//popen");
	assert_int_equal(ff_inventory_build(&inventory, &config, &err), FF_ECONFIG);
	assert_string_equal(err.text, "xspec 'popen//popen': duplicate key 'popen'");
	ff_config_release(&config);
}

static void test_many(void **state)
{
	struct built b;

	build(&b, "inventory: ['ssh=h[1-50]n[0001-2000]']\n");
	assert_int_equal(b.inventory.len, 100000);
	assert_string_equal(b.inventory.hosts[99999].name, "h50n2000");
	release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_merging),
		cmocka_unit_test(test_via),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_range_patterns),
		cmocka_unit_test(test_suggestions),
		cmocka_unit_test(test_named_range),
		cmocka_unit_test(test_impossible_hosts),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_bad_groups),
		cmocka_unit_test(test_possible_hosts),
		cmocka_unit_test(test_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
