/* What bindings use that can't know sizes: all on the heap, options of older programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "farflung.h"

#define PYTHON "popen//python=/usr/bin/python3"

enum { TIMEOUT_MS = 20000 };

static void objects(void **state)
{
	struct ff_buf *buf = ff_buf_new(0);
	struct ff_pack *pack = ff_pack_new(buf);
	struct ff_item *item = ff_item_new();
	struct ff_strv *words = ff_strv_new();
	struct ff_err err = {0};
	struct ff_xspec *spec;

	ff_pack_int(pack, 42);
	assert_int_equal(ff_pack_done(pack), 0);
	assert_int_equal(ff_load_item(item, ff_buf_data(buf), buf->len, NULL, 0, &err), 0);
	assert_int_equal(ff_as_int(ff_item_value(item), 0), 42);
	assert_int_equal(ff_strv_add(words, "a"), 0);
	assert_true(ff_strv_contains(words, "a"));
	spec = ff_xspec_new("popen//id=a//plain//x=1", &err);
	assert_string_equal(ff_xspec_get(spec, "id"), "a");
	assert_string_equal(ff_xspec_get(spec, "plain"), "");
	assert_null(ff_xspec_get(spec, "python"));
	assert_null(ff_xspec_get(spec, "x"));
	ff_xspec_free(spec);
	assert_null(ff_xspec_new("popen//popen", &err));
	assert_int_equal(err.code, FF_EINVAL);
	assert_null(ff_exec_source_new("/nowhere", NULL, &err));
	assert_int_equal(err.code, FF_ESYS);
	ff_pack_free(pack);
	ff_buf_free(buf);
	ff_item_free(item);
	ff_strv_free(words);
	ff_pack_free(NULL);
	ff_strv_free(NULL);
	ff_xspec_free(NULL);
	ff_exec_source_free(NULL);
	ff_queue_entry_free(NULL);
	ff_queue_entry_release(NULL);
}

/* A gateway, a task from a file and a queue, by pointers alone. */
static void a_whole_use(void **state)
{
	static const char text[] = "def f(channel):\n    channel.send(7)\n";
	char path[] = "/tmp/ff-heap-XXXXXX";
	struct ff_loop *loop = ff_loop_new(NULL);
	struct ff_group *group = ff_open_group(loop, NULL);
	struct ff_gateway *gateway = ff_makegateway(group, PYTHON, NULL);
	struct ff_queue_entry *entry = ff_queue_entry_new();
	struct ff_exec_source *source;
	struct ff_multichannel *multi;
	struct ff_channel *channel;
	struct ff_queue *queue;
	struct ff_err err = {0};
	int fd = mkstemp(path);

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	source = ff_exec_source_new(path, "f", &err);
	unlink(path);
	assert_non_null(source);
	channel = ff_gateway_remote_exec(gateway, ff_exec_source_task(source), &err);
	ff_exec_source_free(source);
	multi = ff_multichannel_new(&channel, 1);
	queue = ff_multichannel_queue(multi, true);
	assert_int_equal(ff_queue_get(queue, TIMEOUT_MS, entry, &err), 0);
	assert_false(ff_queue_entry_end(entry));
	assert_ptr_equal(ff_queue_entry_channel(entry), channel);
	assert_int_equal(ff_as_int(ff_queue_entry_value(entry), 0), 7);
	ff_queue_entry_release(entry);
	assert_int_equal(ff_queue_get(queue, TIMEOUT_MS, entry, &err), 0);
	assert_true(ff_queue_entry_end(entry));
	ff_queue_entry_free(entry);
	ff_multichannel_free(multi);
	ff_channel_unref(channel);
	assert_int_equal(ff_group_terminate(group, TIMEOUT_MS), 0);
	ff_group_free(group);
	assert_int_equal(ff_loop_free(loop), 0);
}

static bool leave_out(void *ctx, const char *path, enum ff_tree_kind kind)
{
	return false;
}

/* What lies beyond the size that a program says is not looked at. */
static void options_of_older_programs(void **state)
{
	struct ff_gateway_opts opts = {.size = offsetof(struct ff_gateway_opts, ctx), .ctx = &opts};
	struct ff_tree_filter filter = {.size = offsetof(struct ff_tree_filter, keep),
					.keep = leave_out};
	char dir[] = "/tmp/ff-heap-XXXXXX", path[64];
	static const struct ff_gateway_ops ops;
	struct ff_gateway *gateway;
	struct ff_tree *tree;
	struct ff_err err = {0};

	opts.ops = &ops;
	gateway = ff_gateway_new(&opts);
	assert_null(ff_gateway_ctx(gateway, &ops));
	ff_gateway_free(gateway);
	opts.size = 0;
	gateway = ff_gateway_new(&opts);
	assert_ptr_equal(ff_gateway_ctx(gateway, &ops), &opts);
	ff_gateway_free(gateway);

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/below", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	tree = ff_tree_new(dir, &filter, &err);
	assert_int_equal(tree->len, 2);
	ff_tree_free(tree);
	filter.size = sizeof(filter);
	tree = ff_tree_new(dir, &filter, &err);
	assert_int_equal(tree->len, 1);
	ff_tree_free(tree);
	rmdir(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects),
		cmocka_unit_test(a_whole_use),
		cmocka_unit_test(options_of_older_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
