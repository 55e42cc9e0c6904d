/* Peers that break the rules, each in its own way: before the first byte, instead of HELLO, or once
 * they have been given something to execute. */
#include "limits_peers.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "wire/frame.h"

enum { PIECE = 64 << 10, NESTING = 10000 };

static void put(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t count = write(fd, at, len);

		if (count <= 0)
			exit(0);
		at += count;
		len -= (size_t)count;
	}
}

static void __attribute__((noreturn)) put_for_ever(int fd, const void *bytes, size_t len)
{
	for (;;)
		put(fd, bytes, len);
}

static void __attribute__((noreturn)) rest(void)
{
	for (;;)
		pause();
}

static void put_header(int code, uint32_t channel, uint32_t len)
{
	const uint8_t bytes[FF_FRAME_HEADER] = {
		(uint8_t)code,		 (uint8_t)(channel >> 24), (uint8_t)(channel >> 16),
		(uint8_t)(channel >> 8), (uint8_t)channel,	   (uint8_t)(len >> 24),
		(uint8_t)(len >> 16),	 (uint8_t)(len >> 8),	   (uint8_t)len};

	put(STDOUT_FILENO, bytes, sizeof(bytes));
}

/* --- before the first byte --- */

static void noise(void)
{
	static const char zeros[PIECE];

	put_for_ever(STDOUT_FILENO, zeros, sizeof(zeros));
}

static void lines(void)
{
	put_for_ever(STDOUT_FILENO, "Welcome to this host!\n", 22);
}

static void complaints(void)
{
	put_for_ever(STDERR_FILENO, "It does not work. ", 18);
}

static void nothing(void)
{
	rest();
}

/* --- instead of HELLO --- */

static void silent(void)
{
	put(STDOUT_FILENO, "1", 1);
	rest();
}

static void garbage(void)
{
	static char bytes[PIECE];

	memset(bytes, 0xa5, sizeof(bytes));
	put(STDOUT_FILENO, "1", 1);
	put_for_ever(STDOUT_FILENO, bytes, sizeof(bytes));
}

static void unknown_code(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_header(77, 0, 0);
	rest();
}

static void long_frame(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_header(FF_FRAME_CHANNEL_DATA, 1, INT32_MAX);
	noise();
}

static void negative_frame(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_header(FF_FRAME_CHANNEL_DATA, 1, UINT32_MAX);
	noise();
}

/* As much as a frame may have, for a channel that nobody has opened. */
static void promise(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_header(FF_FRAME_CHANNEL_DATA, 1, FF_FRAME_PAYLOAD_MAX);
	put(STDOUT_FILENO, "K", 1);
	rest();
}

static void long_hello(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_header(FF_FRAME_HELLO, 0, FF_FRAME_PAYLOAD_MAX);
	noise();
}

/* None in a tuple of one, in a tuple of one, … */
static void put_nested(int code, uint32_t channel)
{
	put_header(code, channel, 1 + 5 * NESTING + 1);
	put(STDOUT_FILENO, "L", 1);
	for (int i = 0; i < NESTING; i++)
		put(STDOUT_FILENO, "@\0\0\0\1", 5);
	put(STDOUT_FILENO, "Q", 1);
}

static void nested_hello(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_nested(FF_FRAME_HELLO, 0);
	rest();
}

/* A list of two thousand million elements in ten bytes. */
static void long_list(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_header(FF_FRAME_HELLO, 0, 6);
	put(STDOUT_FILENO, "K\x7f\xff\xff\xffQ", 6);
	rest();
}

static void no_hello(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_header(FF_FRAME_HEARTBEAT, 0, 0);
	rest();
}

/* --- a worker that turns bad once it is to execute something --- */

static struct ff_channel *task;

static void on_exec(struct ff_gateway *gateway, struct ff_channel *channel,
		    const struct ff_value *what, void *ctx)
{
	task = channel;
}

/* Serves until there is a task: the channel's number. */
static uint32_t serve(struct ff_gateway *gateway)
{
	struct ff_buf *out = ff_gateway_output(gateway);
	char bytes[4096];
	ssize_t len;

	put(STDOUT_FILENO, "1", 1);
	ff_gateway_opened(gateway);
	while (!task) {
		len = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (len <= 0 || ff_gateway_feed(gateway, bytes, (size_t)len, 1, NULL) != 0)
			exit(0);
		put(STDOUT_FILENO, ff_buf_data(out), out->len);
		ff_buf_consume(out, out->len);
	}
	return ff_channel_id(task);
}

static uint32_t begin(void)
{
	static const struct ff_gateway_ops ops = {.exec = on_exec};
	const struct ff_gateway_opts opts = {.id = "peer", .ops = &ops};

	return serve(ff_gateway_new(&opts));
}

static void mute(void)
{
	begin();
	rest();
}

/* Takes no notice of credit. */
static void flood(void)
{
	static char zeros[PIECE];
	uint32_t channel = begin();

	memcpy(zeros, "A\0\0\xff\xf0", 5);
	zeros[5 + 0xfff0] = 'Q';
	for (;;) {
		put_header(FF_FRAME_CHANNEL_DATA, channel, 5 + 0xfff0 + 1);
		put(STDOUT_FILENO, zeros, 5 + 0xfff0 + 1);
	}
}

static void nested_data(void)
{
	put_nested(FF_FRAME_CHANNEL_DATA, begin());
	rest();
}

/* More of a list than there are bytes. */
static void long_data(void)
{
	put_header(FF_FRAME_CHANNEL_DATA, begin(), 6);
	put(STDOUT_FILENO, "K\x7f\xff\xff\xffQ", 6);
	rest();
}

/* For its own channel, which it has closed itself, and then garbage. */
static void closed_data(void)
{
	uint32_t channel = begin();

	put_header(FF_FRAME_CHANNEL_CLOSE, channel, 0);
	for (int i = 0; i < 100000; i++) {
		put_header(FF_FRAME_CHANNEL_DATA, channel, 2);
		put(STDOUT_FILENO, "LQ", 2);
	}
	put_header(-1, 0, 0);
	rest();
}

static void credit_before_hello(void)
{
	put(STDOUT_FILENO, "1", 1);
	put_header(FF_FRAME_CHANNEL_CREDIT, 1, 4);
	put(STDOUT_FILENO, "\0\0\0\1", 4);
	rest();
}

static void bad_credit(void)
{
	put_header(FF_FRAME_CHANNEL_CREDIT, begin(), 1);
	put(STDOUT_FILENO, "x", 1);
	rest();
}

static void second_hello(void)
{
	begin();
	put_header(FF_FRAME_HELLO, 0, 6);
	put(STDOUT_FILENO, "J\0\0\0\0Q", 6);
	rest();
}

/* It is we who execute. */
static void tasks(void)
{
	begin();
	for (uint32_t channel = 2;; channel += 2) {
		put_header(FF_FRAME_CHANNEL_EXEC, channel, 2);
		put(STDOUT_FILENO, "LQ", 2);
	}
}

static void questions(void)
{
	begin();
	for (;;)
		put_header(FF_FRAME_STATUS, 2, 0);
}

static void unopened(void)
{
	begin();
	put_header(FF_FRAME_CHANNEL_DATA, 99, 2);
	put(STDOUT_FILENO, "LQ", 2);
	rest();
}

int limits_peer(const char *name)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} peers[] = {
		{"noise", noise},
		{"lines", lines},
		{"complaints", complaints},
		{"nothing", nothing},
		{"silent", silent},
		{"garbage", garbage},
		{"unknown_code", unknown_code},
		{"long_frame", long_frame},
		{"negative_frame", negative_frame},
		{"promise", promise},
		{"nested_hello", nested_hello},
		{"long_list", long_list},
		{"no_hello", no_hello},
		{"credit_before_hello", credit_before_hello},
		{"mute", mute},
		{"flood", flood},
		{"nested_data", nested_data},
		{"long_data", long_data},
		{"closed_data", closed_data},
		{"bad_credit", bad_credit},
		{"second_hello", second_hello},
		{"tasks", tasks},
		{"questions", questions},
		{"unopened", unopened},
		{"long_hello", long_hello},
	};
	char byte = 0;

	/* The line that is meant for an interpreter. */
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		if (strcmp(peers[i].name, name) == 0)
			peers[i].run();
	}
	fprintf(stderr, "no peer '%s'\n", name);
	return 2;
}
