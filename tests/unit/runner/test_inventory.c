/* The inventory: entries to hosts, and the choice of hosts by pattern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

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
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_slots),
		cmocka_unit_test(test_merging),	 cmocka_unit_test(test_via),
		cmocka_unit_test(test_patterns), cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
