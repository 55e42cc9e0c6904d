#include "dispatch/keys.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/watch.h"

struct ff_keys {
	struct ff_watch watch;
	void (*pressed)(void *ctx, char key);
	void *ctx;
	bool begun, watched;
};

/* What a signal's handler can give back. */
static struct termios before;
static volatile sig_atomic_t taken;

static void give_back(void)
{
	int errnum = errno;

	if (taken)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	taken = 0;
	errno = errnum;
}

/* Ctrl-\ ends us where we stand: a shell that does not look after its terminal would be left
 * without echo. */
static void on_quit(int number)
{
	give_back();
	signal(number, SIG_DFL);
	raise(number);
}

static bool in_foreground(void)
{
	return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static bool take(void)
{
	struct termios mode;

	if (!in_foreground() || tcgetattr(STDIN_FILENO, &before) < 0)
		return false;
	mode = before;
	mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	taken = 1;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &mode) == 0)
		return true;
	taken = 0;
	return false;
}

static void unwatch(struct ff_keys *keys)
{
	if (keys->watched)
		ff_watch_close(&keys->watch);
	keys->watched = false;
}

static void on_readable(struct ff_watch *watch, int events)
{
	struct ff_keys *keys = ff_container_of(watch, struct ff_keys, watch);
	char bytes[64];
	ssize_t n;

	(void)events;
	/* In the background keys are for somebody else, and reading them would stop us. */
	n = in_foreground() ? read(STDIN_FILENO, bytes, sizeof(bytes)) : 0;
	if (n <= 0 && !(n < 0 && (errno == EINTR || errno == EAGAIN)))
		unwatch(keys);
	for (ssize_t i = 0; i < n; i++)
		keys->pressed(keys->ctx, bytes[i]);
}

void ff_keys_begin(struct ff_keys *keys)
{
	if (!keys || keys->begun)
		return;
	keys->begun = true;
	ff_keys_resume(keys);
}

void ff_keys_resume(struct ff_keys *keys)
{
	if (!keys || !keys->begun || !take() || keys->watched)
		return;
	keys->watched = ff_watch_open(&keys->watch, keys->watch.loop, STDIN_FILENO, FF_WATCH_READ,
				      on_readable) == 0;
}

void ff_keys_suspend(struct ff_keys *keys)
{
	if (!keys)
		return;
	unwatch(keys);
	give_back();
}

struct ff_keys *ff_keys_new(struct ff_loop *loop, void (*pressed)(void *ctx, char key), void *ctx)
{
	static bool at_exit;
	struct sigaction quit = {.sa_handler = on_quit}, now;
	struct ff_keys *keys;

	if (!isatty(STDIN_FILENO) || !(isatty(STDOUT_FILENO) || isatty(STDERR_FILENO)) ||
	    !in_foreground())
		return NULL;
	keys = ff_xcalloc(1, sizeof(*keys));
	keys->watch.loop = loop;
	keys->pressed = pressed;
	keys->ctx = ctx;
	if (!at_exit)
		atexit(give_back);
	at_exit = true;
	if (sigaction(SIGQUIT, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		sigaction(SIGQUIT, &quit, NULL);
	return keys;
}

void ff_keys_free(struct ff_keys *keys)
{
	ff_keys_suspend(keys);
	ff_free(keys);
}
