/* Named values: a table at the worker's end, asked by plain items and by clients. */
#include "pair.h"

#include "gateway/names.h"
#include "gateway/names_client.h"

struct rig {
	struct pair pair;
	struct ff_names *names;
};

static void serve(struct pair *pair, struct ff_channel *channel, const struct ff_value *task)
{
	struct rig *rig = (struct rig *)pair;

	assert_int_equal(ff_names_attach(rig->names, channel, NULL), 0);
}

static void rig_init(struct rig *rig, size_t chunk)
{
	pair_init(&rig->pair, chunk);
	rig->names = ff_names_new();
	rig->pair.perform = serve;
}

static void rig_release(struct rig *rig)
{
	ff_names_free(rig->names);
	pair_release(&rig->pair);
}

static struct ff_channel *ask(struct rig *rig)
{
	const struct ff_task task = {.source = "names"};
	struct ff_channel *channel = ff_gateway_remote_exec(rig->pair.a, &task, NULL);

	assert_non_null(channel);
	return channel;
}

static struct ff_names_client *new_client(struct rig *rig)
{
	struct ff_channel *channel = ask(rig);
	struct ff_names_client *client = ff_names_client_new(channel, NULL);

	assert_non_null(client);
	assert_null(ff_names_client_new(channel, NULL));
	ff_channel_unref(channel);
	return client;
}

static void request(struct ff_channel *channel, const char *tag, const char *name, int64_t n)
{
	struct ff_value parts[] = {ff_str(tag), ff_str(name), ff_int(n)};
	struct ff_value value = ff_collection(FF_TUPLE, parts, n >= 0 ? 3 : 2);

	assert_int_equal(ff_channel_send(channel, &value, NULL), 0);
}

static void expect(struct rig *rig, struct ff_channel *channel, const char *tag, const char *name,
		   int64_t n)
{
	struct ff_item item = FF_ITEM_INIT;

	pair_run(&rig->pair);
	assert_int_equal(ff_channel_poll(channel, &item, NULL), 0);
	assert_int_equal(item.value.kind, FF_TUPLE);
	assert_true(ff_is_str(ff_at(&item.value, 0), tag));
	assert_true(ff_is_str(ff_at(&item.value, 1), name));
	assert_int_equal(ff_as_int(ff_at(&item.value, 2), -1), n);
	ff_item_release(&item);
}

static void expect_nothing(struct rig *rig, struct ff_channel *channel)
{
	struct ff_item item = FF_ITEM_INIT;

	pair_run(&rig->pair);
	assert_int_equal(ff_channel_poll(channel, &item, NULL), FF_EAGAIN);
}

static void set(struct ff_names *names, const char *name, int64_t n)
{
	const struct ff_value value = ff_int(n);

	assert_int_equal(ff_names_set(names, name, &value, NULL), 0);
}

static void by_items(void **state)
{
	struct ff_channel *one, *two;
	struct rig rig;

	rig_init(&rig, 7);
	one = ask(&rig);
	two = ask(&rig);
	request(one, "get", "x", -1);
	request(one, "get", "x", -1);
	expect_nothing(&rig, one);
	request(two, "set", "x", 1);
	expect(&rig, one, "value", "x", 1);
	expect(&rig, one, "value", "x", 1);
	expect_nothing(&rig, one);
	request(two, "get", "x", -1);
	expect(&rig, two, "value", "x", 1);
	assert_int_equal(ff_as_int(ff_names_value(rig.names, "x"), -1), 1);
	assert_null(ff_names_value(rig.names, "y"));

	request(one, "subscribe", "x", -1);
	expect(&rig, one, "changed", "x", 1);
	request(two, "subscribe", "y", -1);
	request(one, "set", "x", 2); /* whoever sets it hears of it, too */
	expect(&rig, one, "changed", "x", 2);
	set(rig.names, "y", 3);
	expect(&rig, two, "changed", "y", 3);
	request(one, "unsubscribe", "x", -1);
	request(one, "unsubscribe", "never", -1);
	request(two, "set", "x", 4);
	expect_nothing(&rig, one);
	expect_nothing(&rig, two);

	/* Twice is one subscription, but tells the value again. */
	request(two, "subscribe", "x", -1);
	request(two, "subscribe", "x", -1);
	expect(&rig, two, "changed", "x", 4);
	expect(&rig, two, "changed", "x", 4);
	set(rig.names, "x", 5);
	expect(&rig, two, "changed", "x", 5);
	expect_nothing(&rig, two);
	ff_channel_unref(one);
	ff_channel_unref(two);
	rig_release(&rig);
}

static void expect_refused(struct rig *rig, const struct ff_value *value)
{
	struct ff_channel *channel = ask(rig);

	assert_int_equal(ff_channel_send(channel, value, NULL), 0);
	pair_run(&rig->pair);
	assert_true(ff_channel_isclosed(channel));
	assert_non_null(strstr(ff_channel_error(channel), "named values"));
	ff_channel_unref(channel);
}

static void nonsense_is_refused(void **state)
{
	static char long_name[FF_NAME_MAX + 2];
	struct ff_value channel = {.kind = FF_CHANNEL, .channel = 1};
	struct ff_value inner[] = {ff_int(1), channel};
	struct ff_value parts[] = {ff_str("set"), ff_str("x"), ff_int(1), ff_int(2)};
	struct ff_value value;
	struct rig rig;

	rig_init(&rig, 64);
	memset(long_name, 'n', sizeof(long_name) - 1);
	value = ff_int(1);
	expect_refused(&rig, &value);
	value = ff_collection(FF_TUPLE, parts, 0);
	expect_refused(&rig, &value);
	value = ff_collection(FF_TUPLE, parts, 2);
	expect_refused(&rig, &value);
	value = ff_collection(FF_TUPLE, parts, 4);
	expect_refused(&rig, &value);
	value = ff_collection(FF_TUPLE, parts, 3);
	parts[1] = ff_str("");
	expect_refused(&rig, &value);
	parts[1] = ff_strn("a\0b", 3);
	expect_refused(&rig, &value);
	parts[1] = ff_str(long_name);
	expect_refused(&rig, &value);
	parts[1] = ff_int(7);
	expect_refused(&rig, &value);
	parts[1] = ff_str("x");
	parts[2] = ff_collection(FF_LIST, inner, 2);
	expect_refused(&rig, &value);
	parts[0] = ff_str("steal");
	expect_refused(&rig, &value);
	assert_null(ff_names_value(rig.names, "x"));
	assert_int_equal(ff_names_set(rig.names, "x", &parts[2], NULL), FF_EINVAL);
	assert_int_equal(ff_names_set(rig.names, "", &parts[0], NULL), FF_EINVAL);
	rig_release(&rig);
}

static void too_many_waits(void **state)
{
	struct ff_channel *channel;
	char name[16];
	struct rig rig;

	rig_init(&rig, 4096);
	channel = ask(&rig);
	for (int i = 0; i < FF_NAMES_WATCHES_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		request(channel, "get", name, -1);
	}
	pair_run(&rig.pair);
	assert_false(ff_channel_isclosed(channel));
	request(channel, "get", "one more", -1);
	pair_run(&rig.pair);
	assert_true(ff_channel_isclosed(channel));
	assert_non_null(ff_channel_error(channel));
	ff_channel_unref(channel);
	rig_release(&rig);
}

struct heard {
	char text[128];
	struct ff_names_watch *watch; /* to end when it hears 9 */
	struct ff_names_sub *sub, *other;
};

static void hear(const char *name, const struct ff_value *value, void *ctx)
{
	struct heard *heard = ctx;
	size_t len = strlen(heard->text);
	int64_t n = ff_as_int(value, -1);

	if (n == 9) {
		ff_names_unsubscribe(heard->watch);
		ff_names_client_unsubscribe(heard->sub);
		ff_names_client_unsubscribe(heard->other);
		heard->watch = NULL;
		heard->sub = heard->other = NULL;
	}
	snprintf(heard->text + len, sizeof(heard->text) - len, "%s=%d ", name,
		 (int)ff_as_int(value, -1));
}

static void local_use(void **state)
{
	struct heard first = {.text = ""}, second = {.text = ""};
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	struct rig rig;
	struct ff_err err;

	rig_init(&rig, 64);
	first.watch = ff_names_subscribe(rig.names, "x", hear, &first, &err);
	set(rig.names, "x", 1);
	second.watch = ff_names_subscribe(rig.names, "x", hear, &second, &err);
	set(rig.names, "x", 2);
	set(rig.names, "y", 3);
	assert_string_equal(first.text, "x=1 x=2 ");
	assert_string_equal(second.text, "x=1 x=2 ");
	set(rig.names, "x", 9); /* both end themselves */
	set(rig.names, "x", 4);
	assert_string_equal(first.text, "x=1 x=2 x=9 ");
	assert_string_equal(second.text, "x=1 x=2 x=9 ");
	assert_null(ff_names_subscribe(rig.names, "", hear, &first, &err));
	assert_int_equal(err.code, FF_EINVAL);
	assert_non_null(ff_names_subscribe(rig.names, "left over", hear, &first, &err));

	assert_int_equal(ff_names_get(rig.names, "x", -1, &item, &err), 0);
	assert_int_equal(ff_as_int(&item.value, -1), 4);
	ff_item_release(&item);
	assert_int_equal(ff_names_get(rig.names, "z", -1, &item, &err), FF_EUNSUPPORTED);
	channel = ask(&rig);
	pair_run(&rig.pair);
	assert_int_equal(ff_names_get(rig.names, "z", 20, &item, &err), FF_ETIMEOUT);
	request(channel, "set", "z", 6);
	assert_int_equal(ff_names_get(rig.names, "z", -1, &item, &err), 0);
	assert_int_equal(ff_as_int(&item.value, -1), 6);
	ff_item_release(&item);
	ff_channel_unref(channel);
	rig_release(&rig);
}

static void peers_that_leave(void **state)
{
	struct ff_channel *one, *two;
	struct rig rig;

	rig_init(&rig, 64);
	one = ask(&rig);
	two = ask(&rig);
	request(one, "subscribe", "x", -1);
	request(one, "get", "x", -1);
	request(two, "subscribe", "x", -1);
	pair_run(&rig.pair);
	ff_channel_close(one, NULL);
	pair_run(&rig.pair);
	set(rig.names, "x", 1);
	expect(&rig, two, "changed", "x", 1);
	assert_int_equal(ff_gateway_num_channels(rig.pair.b), 1);
	rig.pair.budget = 0; /* the line is cut */
	request(two, "get", "x", -1);
	pair_run(&rig.pair);
	set(rig.names, "x", 2);
	ff_channel_unref(one);
	ff_channel_unref(two);
	rig_release(&rig);
}

static void clients(void **state)
{
	struct ff_names_client *one, *two;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_value value = ff_str("hello");
	struct rig rig;
	struct ff_err err;

	rig_init(&rig, 9);
	one = new_client(&rig);
	two = new_client(&rig);
	assert_int_equal(ff_names_client_get(one, "x", 20, &item, &err), FF_ETIMEOUT);
	assert_int_equal(ff_names_client_set(two, "x", &value, &err), 0);
	/* The late answer to the first get must not be taken for that to the second. */
	assert_int_equal(ff_names_client_get(two, "x", -1, &item, &err), 0);
	assert_true(ff_is_str(&item.value, "hello"));
	ff_item_release(&item);
	value = ff_int(2);
	assert_int_equal(ff_names_client_set(one, "x", &value, &err), 0);
	assert_int_equal(ff_names_client_get(one, "x", -1, &item, &err), 0);
	assert_int_equal(ff_as_int(&item.value, -1), 2);
	ff_item_release(&item);
	assert_int_equal(ff_names_client_get(one, "", -1, &item, &err), FF_EINVAL);
	ff_names_free(rig.names);
	rig.names = NULL;
	assert_int_equal(ff_names_client_get(one, "x", -1, &item, &err), FF_EEOF);
	assert_int_equal(ff_names_client_get(one, "x", -1, &item, &err), FF_EEOF);
	ff_names_client_free(one);
	ff_names_client_free(two);
	rig_release(&rig);
}

static void client_subscriptions(void **state)
{
	struct heard first = {.text = ""}, second = {.text = ""}, third = {.text = ""};
	struct ff_names_client *client;
	struct rig rig;

	rig_init(&rig, 64);
	client = new_client(&rig);
	set(rig.names, "x", 1);
	first.sub = ff_names_client_subscribe(client, "x", hear, &first, NULL);
	pair_run(&rig.pair);
	assert_string_equal(first.text, "x=1 ");
	second.sub = ff_names_client_subscribe(client, "x", hear, &second, NULL);
	assert_string_equal(second.text, "x=1 ");
	third.sub = ff_names_client_subscribe(client, "y", hear, &third, NULL);
	set(rig.names, "x", 2);
	pair_run(&rig.pair);
	assert_string_equal(first.text, "x=1 x=2 ");
	assert_string_equal(second.text, "x=1 x=2 ");
	assert_string_equal(third.text, "");
	ff_names_client_unsubscribe(first.sub);
	set(rig.names, "x", 3);
	set(rig.names, "y", 4);
	pair_run(&rig.pair);
	assert_string_equal(first.text, "x=1 x=2 ");
	assert_string_equal(second.text, "x=1 x=2 x=3 ");
	assert_string_equal(third.text, "y=4 ");

	/* One ends both from inside: the other, whose turn is still to come, hears nothing. */
	second.other = ff_names_client_subscribe(client, "x", hear, &third, NULL);
	assert_string_equal(third.text, "y=4 x=3 ");
	set(rig.names, "x", 9);
	pair_run(&rig.pair);
	assert_string_equal(second.text, "x=1 x=2 x=3 x=9 ");
	assert_string_equal(third.text, "y=4 x=3 ");
	set(rig.names, "x", 5);
	pair_run(&rig.pair);
	assert_string_equal(second.text, "x=1 x=2 x=3 x=9 ");
	ff_names_client_free(client);
	rig_release(&rig);
}

static void without_memory(void **state)
{
	struct ff_value value = ff_str("some text");
	bool done = false;

	for (size_t nth = 1; !done; nth++) {
		struct ff_names_client *client = NULL;
		struct ff_item item = FF_ITEM_INIT;
		struct heard heard = {.text = ""};
		struct ff_channel *channel;
		struct rig rig;

		rig_init(&rig, 4096);
		channel = ask(&rig);
		pair_run(&rig.pair);
		ff_alloc_fail_at(nth);
		client = ff_names_client_new(channel, NULL);
		if (client) {
			done = ff_names_client_subscribe(client, "x", hear, &heard, NULL) &&
			       !ff_names_client_set(client, "x", &value, NULL) &&
			       !ff_names_client_get(client, "x", 100, &item, NULL) &&
			       !ff_names_set(rig.names, "x", &value, NULL);
		}
		ff_alloc_fail_at(0);
		ff_item_release(&item);
		ff_names_client_free(client);
		ff_channel_unref(channel);
		rig_release(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_items),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(too_many_waits),
		cmocka_unit_test(local_use),
		cmocka_unit_test(peers_that_leave),
		cmocka_unit_test(clients),
		cmocka_unit_test(client_subscriptions),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
