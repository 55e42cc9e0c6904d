/* Tree sync between two processes over a socketpair, without a loop library: how long the protocol
 * halves themselves take. Prints sync_first_s and sync_unchanged_s.
 *
 *     bench_sync DIRECTORY    makes DIRECTORY/src (unless it is there) and DIRECTORY/dst
 *
 * On ext4, creating files is many times slower for some seconds after others were deleted (it does
 * not reuse their inodes at once): take a fresh directory, or tmpfs, for each run that counts. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/gateway.h"
#include "rsync/receive.h"
#include "rsync/send.h"

enum { DIRS = 100, FILES = 100, READ_MAX = 1 << 18 };

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void make_file(const char *path, size_t len, unsigned seed)
{
	static unsigned char bytes[20000];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		bytes[i] = (unsigned char)(seed >> 16);
	}
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd))
		die(path);
}

static void make_tree(const char *root)
{
	static const size_t sizes[] = {200, 2000, 8000, 20000};
	char path[PATH_MAX + 64];

	if (mkdir(root, 0755)) {
		if (errno != EEXIST)
			die(root);
		return;
	}
	for (unsigned d = 0; d < DIRS; d++) {
		snprintf(path, sizeof(path), "%s/dir%03u", root, d);
		if (mkdir(path, 0755))
			die(path);
		for (unsigned f = 0; f < FILES; f++) {
			snprintf(path, sizeof(path), "%s/dir%03u/file%03u", root, d, f);
			make_file(path, sizes[f % 4], d * FILES + f);
		}
	}
}

/* Carries bytes until *done, or the other end is gone. */
static void carry(struct ff_gateway *gateway, int fd, const bool *done)
{
	static unsigned char bytes[READ_MAX];
	struct ff_buf *out = ff_gateway_output(gateway);
	struct ff_err err;
	ssize_t len;

	while (!*done || out->len) {
		struct pollfd one = {.fd = fd, .events = POLLIN};

		if (out->len)
			one.events |= POLLOUT;
		if (poll(&one, 1, -1) < 0)
			die("poll");
		if (one.revents & POLLOUT) {
			len = send(fd, ff_buf_data(out), out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (len > 0) {
				ff_buf_consume(out, (size_t)len);
				ff_gateway_sent(gateway);
			} else if (errno != EAGAIN) {
				return;
			}
		}
		if (one.revents & (POLLIN | POLLHUP)) {
			len = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
			if (!len || (len < 0 && errno != EAGAIN))
				return;
			if (len > 0 &&
			    ff_gateway_feed(gateway, bytes, (size_t)len, ff_clock_us(), &err)) {
				fprintf(stderr, "%s\n", err.text);
				exit(2);
			}
		}
	}
}

static void received(struct ff_channel *channel, const char *error, void *ctx)
{
	ff_channel_close(channel, error);
	ff_channel_unref(channel);
}

static void on_exec(struct ff_gateway *gateway, struct ff_channel *channel,
		    const struct ff_value *task, void *ctx)
{
	struct ff_err err;

	if (ff_rsync_receive_start(channel, ff_at(task, 3), received, NULL, &err)) {
		ff_channel_close(channel, err.text);
		ff_channel_unref(channel);
	}
}

static void serve(int fd)
{
	static const struct ff_gateway_ops ops = {.exec = on_exec};
	struct ff_gateway *gateway =
		ff_gateway_new(&(struct ff_gateway_opts){.id = "bench", .ops = &ops});
	bool never = false;

	ff_gateway_opened(gateway);
	carry(gateway, fd, &never);
	ff_gateway_free(gateway);
}

struct result {
	bool done;
	struct ff_rsync_stats stats;
};

static void sent(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
		 const struct ff_err *err, void *ctx)
{
	struct result *result = ctx;

	if (err->code) {
		fprintf(stderr, "%s\n", err->text);
		exit(2);
	}
	result->stats = *stats;
	result->done = true;
}

static void sync_once(struct ff_gateway *gateway, int fd, const char *source, const char *dest,
		      const char *label)
{
	static const struct ff_rsync_events events = {.finished = sent};
	struct result result = {.done = false};
	struct ff_rsync_target_opts opts = {
		.dest = dest,
		.remove = true,
		.task = &(const struct ff_task){.call_name = "rsync"},
		.events = &events,
		.ctx = &result,
	};
	int64_t began = ff_clock_us();
	struct ff_rsync *rsync;
	struct ff_tree tree;
	struct ff_err err;

	if (ff_tree_scan(&tree, source, NULL, &err) || !(rsync = ff_rsync_new(&tree)) ||
	    !ff_rsync_add_target(rsync, gateway, &opts, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(2);
	}
	carry(gateway, fd, &result.done);
	printf("%s %.3f\n", label, (double)(ff_clock_us() - began) / 1e6);
	fprintf(stderr, "  %llu of %llu files sent, %llu bytes, manifest %llu bytes\n",
		(unsigned long long)result.stats.sent_files, (unsigned long long)result.stats.files,
		(unsigned long long)result.stats.sent_bytes,
		(unsigned long long)result.stats.manifest_bytes);
	ff_rsync_free(rsync);
}

int main(int argc, char **argv)
{
	char source[PATH_MAX], dest[PATH_MAX];
	struct ff_gateway *gateway;
	int pair[2];
	pid_t child;

	if (argc != 2 || strlen(argv[1]) > PATH_MAX - 8) {
		fprintf(stderr, "usage: bench_sync DIRECTORY\n");
		return 2;
	}
	snprintf(source, sizeof(source), "%s/src", argv[1]);
	snprintf(dest, sizeof(dest), "%s/dst", argv[1]);
	make_tree(source);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		die("socketpair");
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		close(pair[0]);
		serve(pair[1]);
		return 0;
	}
	close(pair[1]);
	gateway = ff_gateway_new(&(struct ff_gateway_opts){.id = "bench", .initiator = true});
	ff_gateway_opened(gateway);
	if (ff_gateway_hello(gateway, 0, 0, ff_clock_us()))
		return 2;
	sync_once(gateway, pair[0], source, dest, "sync_first_s");
	sync_once(gateway, pair[0], source, dest, "sync_unchanged_s");
	close(pair[0]);
	waitpid(child, NULL, 0);
	ff_gateway_free(gateway);
	return 0;
}
