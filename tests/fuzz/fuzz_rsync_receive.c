/* Anything a controller may tell a receiver. The input is a row of items: a letter, two bytes of
 * length, content. Whatever it says, nothing outside the root may change. */
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "rsync/receive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[PATH_MAX];
static struct stat before;
static int over;

static int wipe(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void clean_up(void)
{
	nftw(base, wipe, 32, FTW_DEPTH | FTW_PHYS);
}

static void check(int condition)
{
	if (!condition)
		abort();
}

static const char *in_base(const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

/* base/root is the receiver's; base/home and base/outside must stay as they are. */
static void set_up(void)
{
	const char *tmp = getenv("TMPDIR");

	if (*base)
		return;
	check(snprintf(base, sizeof(base) - 16, "%s/ff-fuzz-XXXXXX", tmp ? tmp : "/tmp") <
	      PATH_MAX - 16);
	check(mkdtemp(base) && !mkdir(in_base("outside"), 0700) && !mkdir(in_base("home"), 0700));
	setenv("HOME", in_base("home"), 1);
	check(!stat(in_base("outside"), &before));
	atexit(clean_up);
}

static void nothing_changed_outside(void)
{
	struct stat now;

	check(!stat(in_base("outside"), &now) && now.st_mode == before.st_mode &&
	      now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
	      now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	check(!rmdir(in_base("home")) && !mkdir(in_base("home"), 0700));
}

static void finished(struct ff_channel *channel, const char *error, void *ctx)
{
	over++;
	ff_channel_close(channel, error);
	ff_channel_unref(channel);
}

static void on_exec(struct ff_gateway *gateway, struct ff_channel *channel,
		    const struct ff_value *task, void *ctx)
{
	struct ff_err err;

	check(!ff_rsync_receive_start(channel, ff_at(task, 3), finished, NULL, &err));
}

static void pump(struct ff_gateway *a, struct ff_gateway *b)
{
	struct ff_err err;

	for (int round = 0; round < 2; round++) {
		struct ff_gateway *from = round ? b : a, *to = round ? a : b;
		struct ff_buf *out = ff_gateway_output(from);

		if (!out->len)
			continue;
		check(!ff_gateway_feed(to, ff_buf_data(out), out->len, 0, &err));
		ff_buf_consume(out, out->len);
		ff_gateway_sent(from);
	}
}

static void say(struct ff_channel *channel, int letter, const uint8_t *bytes, size_t len)
{
	static const char *const names[] = {"m", "m", "d", "end", "what"};
	size_t which = (size_t)letter % 5;
	struct ff_value pair[] = {ff_str(names[which]),
				  which % 2 ? ff_none() : ff_bytes(bytes, len)};
	struct ff_value item = ff_collection(FF_TUPLE, pair, 2);

	(void)ff_channel_send(channel, &item, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ff_gateway_ops ops = {.exec = on_exec};
	struct ff_value kwargs[] = {ff_str("dest"),    ff_none(),	  ff_str("delete"),
				    ff_bool(size % 2), ff_str("version"), ff_int(2)};
	struct ff_task task = {.kwargs = ff_collection(FF_DICT, kwargs, 3)};
	struct ff_gateway *controller, *worker;
	struct ff_channel *channel;

	set_up();
	check(!mkdir(in_base("root"), 0700) && !symlink("../outside", in_base("root/a")) &&
	      !mkdir(in_base("root/b"), 0700));
	kwargs[1] = ff_str(in_base("root"));
	controller = ff_gateway_new(&(struct ff_gateway_opts){.id = "f", .initiator = true});
	worker = ff_gateway_new(&(struct ff_gateway_opts){.id = "f", .ops = &ops});
	ff_gateway_opened(controller);
	ff_gateway_opened(worker);
	over = 0;
	channel = ff_gateway_remote_exec(controller, &task, NULL);
	while (size >= 3) {
		size_t len = (size_t)data[1] << 8 | data[2];

		if (len > size - 3)
			len = size - 3;
		say(channel, data[0], data + 3, len);
		pump(controller, worker);
		data += 3 + len;
		size -= 3 + len;
	}
	pump(controller, worker);
	ff_channel_unref(channel);
	ff_gateway_free(controller);
	ff_gateway_free(worker);
	check(over == 1);
	nftw(in_base("root"), wipe, 32, FTW_DEPTH | FTW_PHYS);
	nothing_changed_outside();
	return 0;
}
