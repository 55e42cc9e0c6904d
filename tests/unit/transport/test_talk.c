/* Talks and modules with Python at the other end: our worker, and execnet's own. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "farflung.h"

#define SPEC "popen//python=/usr/bin/python3"

enum { TIMEOUT_MS = 20000, SHORT_MS = 20 };

struct rig {
	struct ff_loop *loop;
	struct ff_group *group;
	struct ff_gateway *gateway;
	char told[512];
	struct ff_talk_sub *sub; /* ended by a callback */
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct ff_err err = {0};

	rig->loop = ff_loop_new(&err);
	rig->group = ff_open_group(rig->loop, &err);
	rig->gateway = ff_makegateway(rig->group, SPEC, &err);
	*state = rig;
	return rig->gateway ? 0 : -1;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	int rc = ff_group_terminate(rig->group, TIMEOUT_MS);

	ff_group_free(rig->group);
	rc |= ff_loop_free(rig->loop);
	free(rig);
	return rc;
}

static struct ff_talk *begin(struct rig *rig, const char *source)
{
	struct ff_err err = {0};
	struct ff_talk *talk =
		ff_talk_exec(rig->gateway, &(struct ff_task){.source = source}, &err);

	if (!talk)
		fail_msg("%s", err.text);
	return talk;
}

static void set_int(struct ff_talk *talk, const char *name, int64_t number)
{
	struct ff_value pair[] = {ff_str(name), ff_int(number)};
	struct ff_value dict = ff_collection(FF_DICT, pair, 1);
	struct ff_err err = {0};

	assert_int_equal(ff_talk_set(talk, &dict, &err), 0);
}

static int64_t get_int(struct ff_talk *talk, const char *name, const struct ff_value *ignore)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {0};
	int64_t number;

	if (ff_talk_get(talk, name, ignore, TIMEOUT_MS, &item, &err))
		fail_msg("%s", err.text);
	number = ff_as_int(&item.value, -1);
	ff_item_release(&item);
	return number;
}

static void expect(struct ff_talk *talk, const struct ff_value *want)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {0};

	if (ff_talk_receive(talk, TIMEOUT_MS, &item, &err))
		fail_msg("%s", err.text);
	assert_true(ff_value_equal(&item.value, want));
	ff_item_release(&item);
}

static void items_and_names_mix(void **state)
{
	struct ff_talk *talk = begin(*state, "talk.set(a=1, b=2)\n"
					     "talk.send(*[talk.receive() for i in range(3)])\n"
					     "talk.set(c=talk.get('go') + 1)\n");
	struct ff_value looks_special[] = {ff_strn("\0names", 6), ff_int(1)};
	struct ff_value items[] = {ff_int(1), ff_collection(FF_TUPLE, looks_special, 2),
				   ff_str("x")};
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {0};
	size_t sent = 0;

	assert_int_equal(ff_talk_send(talk, items, 3, TIMEOUT_MS, &sent, &err), 0);
	assert_int_equal(sent, 3);
	assert_int_equal(get_int(talk, "b", NULL), 2);
	set_int(talk, "go", 6);
	assert_int_equal(get_int(talk, "c", NULL), 7);
	for (int i = 0; i < 3; i++)
		expect(talk, &items[i]);
	assert_int_equal(ff_talk_receive(talk, TIMEOUT_MS, &item, &err), FF_EEOF);
	/* What was set stays; what was not will not come. */
	assert_int_equal(get_int(talk, "a", NULL), 1);
	assert_int_equal(ff_talk_get(talk, "x", NULL, TIMEOUT_MS, &item, &err), FF_EEOF);
	ff_talk_free(talk);
}

static void get_ignores_what_is_known(void **state)
{
	struct ff_talk *talk = begin(*state, "for i in range(3): talk.set(n=i); talk.receive()\n"
					     "raise ValueError('over')\n");
	struct ff_value none = ff_none(), seen = ff_int(-1);
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {0};

	for (int64_t i = 0; i < 3; i++) {
		assert_int_equal(get_int(talk, "n", &seen), i);
		seen = ff_int(i);
		assert_int_equal(ff_talk_get(talk, "n", &seen, SHORT_MS, &item, &err), FF_ETIMEOUT);
		assert_int_equal(ff_talk_send(talk, &none, 1, TIMEOUT_MS, NULL, &err), 0);
	}
	assert_int_equal(ff_talk_get(talk, "n", &seen, TIMEOUT_MS, &item, &err), FF_EREMOTE);
	assert_non_null(strstr(err.text, "ValueError: over"));
	assert_int_equal(ff_talk_get(talk, "", NULL, 0, &item, &err), FF_EINVAL);
	ff_talk_free(talk);
}

static void tell(struct rig *rig, const char *who, const char *name, const struct ff_value *value)
{
	size_t len = strlen(rig->told);

	snprintf(rig->told + len, sizeof(rig->told) - len, "%s%s%s=%d ", who, name ? ":" : "",
		 name ? name : "", value ? (int)ff_as_int(value, -1) : -2);
}

static void first(const char *name, const struct ff_value *value, void *ctx)
{
	tell(ctx, "first", name, value);
}

static void second(const char *name, const struct ff_value *value, void *ctx)
{
	tell(ctx, "second", name, value);
}

static void once(const char *name, const struct ff_value *value, void *ctx)
{
	struct rig *rig = ctx;

	tell(rig, "once", name, value);
	ff_talk_unsubscribe(rig->sub);
	rig->sub = NULL;
}

/* Several each, in the order of subscribing; what has come is told first; the end once. */
static void subscriptions(void **state)
{
	struct rig *rig = *state;
	struct ff_talk *talk = begin(rig, "talk.send(1); talk.set(a=1); talk.receive()\n"
					  "talk.set(a=2, b=7); talk.send(2); talk.set(a=3)\n");
	struct ff_item item = FF_ITEM_INIT;
	struct ff_value none = ff_none();
	struct ff_talk_sub *left;
	struct ff_err err = {0};

	assert_int_equal(get_int(talk, "a", NULL), 1);
	ff_talk_subscribe(talk, NULL, first, rig, &err);
	left = ff_talk_subscribe(talk, NULL, second, rig, &err);
	rig->sub = ff_talk_subscribe(talk, "b", once, rig, &err);
	ff_talk_subscribe(talk, "a", first, rig, &err);
	ff_talk_subscribe(talk, "a", second, rig, &err);
	assert_null(ff_talk_subscribe(talk, "", second, rig, &err));
	assert_string_equal(rig->told, "first=1 first:a=1 second:a=1 ");
	assert_int_equal(ff_talk_receive(talk, 0, &item, &err), FF_EINVAL);
	ff_talk_unsubscribe(left);
	ff_talk_unsubscribe(NULL);
	rig->told[0] = '\0';
	assert_int_equal(ff_talk_send(talk, &none, 1, TIMEOUT_MS, NULL, &err), 0);
	assert_int_equal(ff_channel_waitclose(ff_talk_channel(talk), TIMEOUT_MS, &err), 0);
	assert_string_equal(rig->told, "first:a=2 second:a=2 once:b=7 first=2 first:a=3 "
				       "second:a=3 first=-2 first:a=-2 second:a=-2 ");
	assert_null(rig->sub);
	/* Who comes late hears what is there, and the end. */
	rig->told[0] = '\0';
	ff_talk_subscribe(talk, "b", second, rig, &err);
	assert_string_equal(rig->told, "second:b=7 second:b=-2 ");
	ff_talk_free(talk);
}

/* More than the window: the call waits, and ends in time if nobody reads. */
static void sending_waits(void **state)
{
	struct ff_talk *talk = begin(*state, "talk.get('go')\n"
					     "talk.send(sum(len(talk.receive()) "
					     "for i in range(6)))\n");
	static char bytes[1 << 20];
	struct ff_value items[6], want = ff_int(6 << 20);
	struct ff_err err = {0};
	size_t sent = 0;

	for (int i = 0; i < 6; i++)
		items[i] = ff_bytes(bytes, sizeof(bytes));
	/* A talk of Python keeps what comes, so all of it is taken. */
	assert_int_equal(ff_talk_send(talk, items, 6, TIMEOUT_MS, &sent, &err), 0);
	assert_int_equal(sent, 6);
	set_int(talk, "go", 1);
	expect(talk, &want);
	ff_talk_free(talk);
}

static void no_names(void **state)
{
	struct ff_talk *talk = begin(*state, "channel.send(('\\0names', {'a' * 300: 1}))\n"
					     "talk.get('never')\n");
	struct ff_value pair[] = {ff_str(""), ff_int(1)}, dict = ff_collection(FF_DICT, pair, 1);
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {0};

	assert_int_equal(ff_talk_set(talk, &dict, &err), FF_EINVAL);
	dict.len = 0;
	assert_int_equal(ff_talk_set(talk, &dict, &err), FF_EINVAL);
	assert_int_equal(ff_talk_set(talk, &pair[1], &err), FF_EINVAL);
	/* The peer breaks the rules: the channel is closed. */
	assert_int_equal(ff_talk_receive(talk, TIMEOUT_MS, &item, &err), FF_EEOF);
	assert_true(ff_channel_isclosed(ff_talk_channel(talk)));
	assert_null(ff_talk_new(ff_talk_channel(talk), &err));
	assert_int_equal(err.code, FF_EEXISTS);
	ff_talk_free(talk);
	assert_null(ff_talk_exec(((struct rig *)*state)->gateway, &(struct ff_task){0}, &err));
	assert_int_equal(err.code, FF_EINVAL);
}

static void modules(void **state)
{
	static const char text[] = "import os\n"
				   "def add(a, b=1): return a + b\n"
				   "def fails():\n"
				   "    raise ValueError('not today')\n"
				   "class Deep:\n"
				   "    word = 'deep'\n"
				   "def slow():\n"
				   "    import time; time.sleep(60)\n";
	struct ff_value one[] = {ff_int(1)}, two[] = {ff_str("b"), ff_int(5)};
	struct ff_module_args args = {.args = ff_collection(FF_LIST, one, 1)};
	char path[] = "/tmp/ff-module-XXXXXX.py";
	struct ff_item item = FF_ITEM_INIT;
	struct rig *rig = *state;
	struct ff_module *module;
	struct ff_err err = {0};
	int fd = mkstemps(path, 3);

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	module = ff_remote_import(rig->gateway, path, TIMEOUT_MS, &err);
	if (!module)
		fail_msg("%s", err.text);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ff_module_call(module, "add", &args, TIMEOUT_MS, &item, &err), 0);
		assert_int_equal(ff_as_int(&item.value, -1), i ? 6 : 2);
		ff_item_release(&item);
		args.kwargs = ff_collection(FF_DICT, two, 1);
	}
	assert_int_equal(ff_module_call(module, "fails", NULL, TIMEOUT_MS, &item, &err),
			 FF_EREMOTE);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "line 4"));
	assert_non_null(strstr(err.text, "ValueError: not today"));
	assert_int_equal(ff_module_call(module, "nothing", NULL, TIMEOUT_MS, &item, &err),
			 FF_EREMOTE);
	assert_int_equal(ff_module_call(module, "Deep.word", NULL, TIMEOUT_MS, &item, &err), 0);
	assert_true(ff_is_str(&item.value, "deep"));
	ff_item_release(&item);
	assert_int_equal(ff_module_call(module, "__name__", NULL, TIMEOUT_MS, &item, &err), 0);
	assert_int_equal(item.value.len, strlen("ff-module-XXXXXX"));
	assert_int_equal(strncmp(item.value.text, path + strlen("/tmp/"), item.value.len), 0);
	ff_item_release(&item);
	args.args = ff_int(1);
	assert_int_equal(ff_module_call(module, "add", &args, 0, &item, &err), FF_EINVAL);
	assert_int_equal(ff_module_call(module, "slow", NULL, SHORT_MS, &item, &err), FF_ETIMEOUT);
	assert_int_equal(ff_module_call(module, "slow", NULL, SHORT_MS, &item, &err), FF_EBUSY);
	ff_module_free(module);
	ff_module_free(NULL);
	assert_int_equal(truncate(path, 0), 0);
	assert_null(ff_remote_import(rig->gateway, "/nowhere.py", TIMEOUT_MS, &err));
	assert_int_equal(err.code, FF_ESYS);
	fd = open(path, O_WRONLY);
	assert_int_equal(write(fd, "1 / 0", 5), 5);
	close(fd);
	assert_null(ff_remote_import(rig->gateway, path, TIMEOUT_MS, &err));
	assert_int_equal(err.code, FF_EREMOTE);
	assert_non_null(strstr(err.text, "ZeroDivisionError"));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(items_and_names_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(get_ignores_what_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(subscriptions, setup, teardown),
		cmocka_unit_test_setup_teardown(sending_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(no_names, setup, teardown),
		cmocka_unit_test_setup_teardown(modules, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
