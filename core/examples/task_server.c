/* A queue of tasks over one worker per CPU, each with the next task at hand, so that none waits.
 * The tasks of a worker that dies go to others: the first one does so here, and nothing is lost. */
#include <stdio.h>
#include <unistd.h>

#include "farflung.h"

static const char work[] = "import os\nmortal = channel.receive()\n"
			   "for done, number in enumerate(channel):\n"
			   "    if mortal and done == 20: os._exit(1)\n"
			   "    channel.send(sum(range(number)))\n";

enum { TASKS = 500, AHEAD = 2, WORKERS_MAX = 64, END_MS = 5000, WAIT_MS = 30000 };

static struct worker {
	int tasks[AHEAD], count; /* under way */
} workers[WORKERS_MAX];
static struct ff_channel *channels[WORKERS_MAX]; /* to the workers */
static int workers_count, todo[TASKS], left = TASKS, results[TASKS], done;

static void feed(int i)
{
	while (workers[i].count < AHEAD && left > 0) {
		struct ff_value value = ff_int(todo[left - 1]);

		if (ff_channel_send(channels[i], &value, NULL) != 0)
			break; /* it is dead */
		workers[i].tasks[workers[i].count++] = todo[--left];
	}
}

static void take(const struct ff_queue_entry *entry)
{
	int i = 0;

	while (channels[i] != entry->channel)
		i++;
	if (!entry->end) { /* a worker answers in the order of its tasks */
		done += results[workers[i].tasks[0]]++ == 0;
		workers[i].tasks[0] = workers[i].tasks[1];
		workers[i].count--;
	} else {
		printf("worker %d is gone, %d tasks go to others\n", i, workers[i].count);
		while (workers[i].count > 0)
			todo[left++] = workers[i].tasks[--workers[i].count];
	}
	for (i = 0; i < workers_count; i++)
		feed(i);
}

static int serve(struct ff_group *group, struct ff_err *err)
{
	int rc = 0;

	for (int i = 0; i < workers_count; i++) {
		struct ff_gateway *gateway = ff_makegateway(group, "popen", err);
		struct ff_task task = {.source = work};
		struct ff_value mortal = ff_bool(i == 0);

		channels[i] = gateway ? ff_gateway_remote_exec(gateway, &task, err) : NULL;
		if (!channels[i] || ff_channel_send(channels[i], &mortal, err) != 0)
			return err->code;
		feed(i);
	}
	struct ff_multichannel *multi = ff_multichannel_new(channels, (size_t)workers_count);
	struct ff_queue *queue = ff_multichannel_queue(multi, true);
	while (rc == 0 && done < TASKS) {
		struct ff_queue_entry entry = {.item = FF_ITEM_INIT};

		rc = ff_queue_get(queue, WAIT_MS, &entry, err);
		if (rc == 0)
			take(&entry);
		ff_item_release(&entry.item);
	}
	ff_multichannel_free(multi);
	return rc;
}

int main(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct ff_group *group;
	struct ff_loop *loop;
	struct ff_err err = {0};

	workers_count = cpus < 2 ? 2 : cpus > WORKERS_MAX ? WORKERS_MAX : (int)cpus;
	for (int i = 0; i < TASKS; i++)
		todo[i] = i;
	loop = ff_loop_new(&err);
	if (!loop)
		return 1;
	group = ff_open_group(loop, &err);
	serve(group, &err);
	for (int i = 0; i < workers_count; i++)
		ff_channel_unref(channels[i]);
	ff_group_terminate(group, END_MS);
	ff_group_free(group);
	ff_loop_free(loop);
	printf("%d tasks, %d results %s\n", TASKS, done, err.text);
	return done != TASKS;
}
