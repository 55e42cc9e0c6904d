/* Ids, membership, and the order in which a group ends, with a driver that carries nothing. */
#include "pair.h"

enum { MAX = 64 };

struct fake {
	struct ff_group *group;
	int64_t now_us;
	struct ff_gateway *stubborn; /* does not end by itself */
	char order[512];	     /* what happened to whom */
};

static void mark(struct fake *fake, const char *what, struct ff_gateway *gateway)
{
	size_t len = strlen(fake->order);

	snprintf(fake->order + len, sizeof(fake->order) - len, "%s:%s ", what,
		 ff_gateway_id(gateway));
}

/* One member that was told to exit goes down; else time passes. */
static int fake_run_once(void *ctx, int64_t deadline_us)
{
	struct fake *fake = ctx;
	size_t i;

	for (i = 0; i < ff_group_len(fake->group); i++) {
		struct ff_gateway *gateway = ff_group_at(fake->group, i);

		if (ff_gateway_exiting(gateway) && gateway != fake->stubborn &&
		    ff_gateway_state(gateway) == FF_GATEWAY_OPEN) {
			mark(fake, "down", gateway);
			ff_gateway_lost(gateway, NULL);
			return 0;
		}
	}
	assert_true(deadline_us != FF_NEVER_US);
	fake->now_us = deadline_us;
	return 0;
}

static int64_t fake_now(void *ctx)
{
	return ((struct fake *)ctx)->now_us;
}

static void fake_kill(void *ctx, struct ff_gateway *gateway)
{
	const struct ff_err why = {FF_ELOST, "killed"};

	mark(ctx, "kill", gateway);
	ff_gateway_lost(gateway, &why);
}

static void fake_release(void *ctx, struct ff_gateway *gateway)
{
	assert_null(ff_gateway_group(gateway));
	ff_gateway_free(gateway);
}

static const struct ff_group_driver fake_driver = {
	.run_once = fake_run_once, .now_us = fake_now, .kill = fake_kill, .release = fake_release};

static void fake_init(struct fake *fake)
{
	*fake = (struct fake){.now_us = 1};
	fake->group = ff_group_new(&fake_driver, fake);
	assert_non_null(fake->group);
}

static struct ff_gateway *add(struct fake *fake, const char *text, bool open)
{
	struct ff_gateway_opts opts = {.initiator = true};
	struct ff_gateway *gateway;
	struct ff_xspec spec;

	assert_int_equal(ff_xspec_parse(&spec, text, NULL), 0);
	assert_int_equal(ff_group_allocate_id(fake->group, &spec, NULL), 0);
	opts.id = spec.id;
	gateway = ff_gateway_new(&opts);
	ff_gateway_set_spec(gateway, &spec);
	assert_int_equal(ff_group_add(fake->group, gateway, NULL), 0);
	if (open)
		ff_gateway_opened(gateway);
	return gateway;
}

static void ids(void **state)
{
	struct ff_gateway *first, *other;
	struct ff_gateway_opts opts = {.id = "gw1"};
	struct ff_xspec spec;
	struct fake fake;
	struct ff_err err;

	fake_init(&fake);
	first = add(&fake, "popen", true);
	assert_string_equal(ff_gateway_id(first), "gw0");
	add(&fake, "popen//id=gw1", true);
	add(&fake, "popen//id=build", true);
	assert_string_equal(ff_gateway_id(add(&fake, "popen", true)), "gw2");
	ff_xspec_parse(&spec, "popen//id=build", NULL);
	assert_int_equal(ff_group_allocate_id(fake.group, &spec, &err), FF_EEXISTS);
	assert_string_equal(err.text, "gateway id 'build' is taken");
	ff_xspec_release(&spec);
	other = ff_gateway_new(&opts);
	assert_int_equal(ff_group_add(fake.group, other, &err), FF_EEXISTS);
	ff_gateway_free(other);

	assert_int_equal(ff_group_len(fake.group), 4);
	assert_ptr_equal(ff_group_get(fake.group, "gw0"), first);
	assert_null(ff_group_get(fake.group, "gw9"));
	ff_group_remove(fake.group, first);
	ff_group_remove(fake.group, first);
	assert_null(ff_group_get(fake.group, "gw0"));
	assert_int_equal(ff_group_len(fake.group), 3);
	assert_string_equal(ff_gateway_id(ff_group_at(fake.group, 0)), "gw1");
	assert_string_equal(ff_gateway_id(ff_group_at(fake.group, 2)), "gw2");
	assert_null(ff_group_at(fake.group, 3));
	ff_gateway_free(first);
	ff_gateway_free(ff_group_get(fake.group, "gw1")); /* leaves by itself */
	assert_int_equal(ff_group_len(fake.group), 2);

	assert_string_equal(ff_group_default_spec(fake.group), "popen");
	assert_int_equal(ff_group_set_default_spec(fake.group, "ssh=x"), 0);
	assert_string_equal(ff_group_default_spec(fake.group), "ssh=x");
	ff_group_free(fake.group);
}

static void waves(void **state)
{
	struct fake fake;

	fake_init(&fake);
	add(&fake, "popen//id=root", true);
	add(&fake, "popen//id=mid//via=root", true);
	add(&fake, "popen//id=leaf1//via=mid", true);
	add(&fake, "popen//id=leaf2//via=mid", true);
	add(&fake, "socket//id=sock//installvia=root", true);
	add(&fake, "popen//id=alone", true);
	assert_int_equal(ff_group_terminate(fake.group, 1000), 0);
	assert_string_equal(fake.order,
			    "down:leaf1 down:leaf2 down:mid down:sock down:root down:alone ");
	assert_int_equal(ff_group_len(fake.group), 0);
	assert_int_equal(fake.now_us, 1);
	/* It may be used again. */
	add(&fake, "popen//id=root", true);
	ff_group_terminate(fake.group, -1);
	ff_group_free(fake.group);
}

static void killed_in_time(void **state)
{
	struct fake fake;

	fake_init(&fake);
	add(&fake, "popen//id=root", true);
	fake.stubborn = add(&fake, "popen//id=mule//via=root", true);
	add(&fake, "popen//id=opening", false);
	assert_int_equal(ff_group_terminate(fake.group, 5000), 0);
	assert_string_equal(fake.order, "kill:opening kill:mule kill:root ");
	assert_int_equal(fake.now_us, 1 + 5000 * 1000);
	ff_group_free(fake.group);
}

static int refuse_to_run(void *ctx, int64_t deadline_us)
{
	return FF_EDEADLK;
}

/* As inside a callback: what is refused has not begun. */
static void refused(void **state)
{
	static const struct ff_group_driver driver = {
		.run_once = refuse_to_run, .now_us = fake_now, .release = fake_release};
	struct fake fake = {.now_us = 1};
	struct ff_gateway *gateway;

	fake.group = ff_group_new(&driver, &fake);
	assert_non_null(fake.group);
	gateway = add(&fake, "popen//id=root", true);
	assert_int_equal(ff_group_terminate(fake.group, 1000), FF_EDEADLK);
	assert_false(ff_gateway_exiting(gateway));
	add(&fake, "popen//id=other", true);
	assert_int_equal(ff_group_len(fake.group), 2);
	while (ff_group_len(fake.group)) {
		gateway = ff_group_at(fake.group, 0);
		ff_group_remove(fake.group, gateway);
		ff_gateway_free(gateway);
	}
	ff_group_free(fake.group);
}

static void parent_dies_first(void **state)
{
	const struct ff_err why = {FF_ELOST, "power cut"};
	struct ff_gateway *root;
	struct fake fake;

	fake_init(&fake);
	root = add(&fake, "popen//id=root", true);
	add(&fake, "popen//id=leaf//via=root", true);
	add(&fake, "popen//id=orphan//via=elsewhere", true);
	ff_group_begin_terminate(fake.group, 1000);
	assert_int_equal(ff_group_add(fake.group, root, NULL), FF_ECLOSED);
	ff_gateway_lost(root, &why);
	assert_int_equal(ff_group_deadline(fake.group), 0);
	assert_false(ff_group_tick(fake.group, fake.now_us));
	assert_int_equal(ff_group_deadline(fake.group), 1 + 1000 * 1000);
	assert_int_equal(ff_group_len(fake.group), 2);
	assert_int_equal(ff_group_terminate(fake.group, 1000), 0);
	assert_string_equal(fake.order, "down:leaf down:orphan ");
	ff_group_free(fake.group);
}

/* Closed before the termination: a member until then, released by it. */
static void closed_members_stay(void **state)
{
	struct ff_gateway *gateway;
	struct fake fake;

	fake_init(&fake);
	gateway = add(&fake, "popen", true);
	add(&fake, "popen", true);
	ff_gateway_lost(gateway, NULL);
	assert_ptr_equal(ff_group_get(fake.group, "gw0"), gateway);
	assert_int_equal(ff_group_terminate(fake.group, -1), 0);
	assert_string_equal(fake.order, "down:gw1 ");
	add(&fake, "popen", true);
	ff_group_free(fake.group); /* kills what is left */
	assert_non_null(strstr(fake.order, "kill:gw2"));
}

static void without_a_driver(void **state)
{
	struct ff_gateway_opts opts = {.id = "x", .initiator = true};
	struct ff_group *group = ff_group_new(NULL, NULL);
	struct ff_gateway *gateway = ff_gateway_new(&opts);

	assert_int_equal(ff_group_add(group, gateway, NULL), 0);
	ff_gateway_opened(gateway);
	assert_int_equal(ff_group_terminate(group, 1), FF_EUNSUPPORTED);
	assert_true(ff_gateway_exiting(gateway));
	assert_false(ff_group_tick(group, 999));
	assert_true(ff_group_tick(group, 1000));
	assert_int_equal(ff_gateway_error(gateway)->code, FF_ETIMEOUT);
	assert_null(ff_gateway_group(gateway));
	ff_gateway_free(gateway);
	ff_group_free(group);
}

static void thousands(void **state)
{
	struct fake fake;
	char spec[64];
	int i;

	fake_init(&fake);
	for (i = 0; i < 5000; i++) {
		snprintf(spec, sizeof(spec), i % 50 ? "popen//via=gw%d" : "popen", i - i % 50);
		add(&fake, spec, true);
	}
	ff_group_begin_terminate(fake.group, 1);
	assert_false(ff_group_tick(fake.group, 1));
	assert_true(ff_group_tick(fake.group, 2000));
	ff_group_free(fake.group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(waves),
		cmocka_unit_test(killed_in_time),
		cmocka_unit_test(refused),
		cmocka_unit_test(parent_dies_first),
		cmocka_unit_test(closed_members_stay),
		cmocka_unit_test(without_a_driver),
		cmocka_unit_test(thousands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
