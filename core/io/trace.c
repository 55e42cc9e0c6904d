/* The sink for trace lines that the environment chooses: a file of this process, or stderr. The
 * only place of the library that writes what nobody asked it for by a call. */
#include "io/trace.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { LINE_MAX_BYTES = 4096 };

static struct {
	pthread_once_t once;
	const char *word;     /* NULL: no tracing */
	const char *variable; /* it stood in this one */
	bool to_stderr;
	int fd; /* of the file */
} trace = {.once = PTHREAD_ONCE_INIT, .fd = -1};

/* A whole line in one write: lines of several processes do not mix. */
static void put(const char *line, int len)
{
	int fd = trace.to_stderr ? STDERR_FILENO : trace.fd;
	ssize_t done;

	if (len >= LINE_MAX_BYTES)
		len = LINE_MAX_BYTES - 1;
	do
		done = write(fd, line, (size_t)len);
	while (done < 0 && errno == EINTR);
}

static void on_line(void *ctx, const char *text)
{
	char line[LINE_MAX_BYTES];
	int64_t now = ff_clock_us();
	int saved = errno, len;

	if (trace.to_stderr)
		len = snprintf(line, sizeof(line), "[%d] %.*s\n", (int)getpid(),
			       LINE_MAX_BYTES - 32, text);
	else
		len = snprintf(line, sizeof(line), "%lld.%06lld %.*s\n",
			       (long long)(now / FF_SECOND_US), (long long)(now % FF_SECOND_US),
			       LINE_MAX_BYTES - 32, text);
	put(line, len);
	errno = saved;
}

void ff_trace_pass(const char *line)
{
	char copy[LINE_MAX_BYTES];

	if (trace.to_stderr || trace.fd >= 0)
		put(copy, snprintf(copy, sizeof(copy), "%.*s\n", LINE_MAX_BYTES - 2, line));
}

/* The name is easy to guess and the folder may be everybody's: only a file that we make. One that
 * an earlier process of ours left can be removed, somebody else's can't. */
static int open_file(void)
{
	static const char *const variables[] = {"TMPDIR", "TEMP", "TMP"};
	bool execnets = !strcmp(trace.variable, "EXECNET_DEBUG");
	const char *folder = NULL;
	char path[PATH_MAX];

	for (int i = 0; i < 3 && (!folder || !*folder); i++)
		folder = getenv(variables[i]);
	if (!folder || !*folder)
		folder = "/tmp";
	if (snprintf(path, sizeof(path), "%s/%s-debug-%d", folder,
		     execnets ? "execnet" : "farflung", (int)getpid()) >= (int)sizeof(path))
		return -1;
	unlink(path);
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_CLOEXEC, 0600);
}

static const char *read_word(void)
{
	const char *word = getenv("FARFLUNG_DEBUG");

	trace.variable = word ? "FARFLUNG_DEBUG" : "EXECNET_DEBUG";
	if (!word)
		word = getenv("EXECNET_DEBUG");
	return word && *word && strcmp(word, "0") != 0 ? word : NULL;
}

static void look(void)
{
	const char *word = read_word();

	if (!word || ff_log_on())
		return;
	trace.to_stderr = strcmp(word, "2") == 0;
	if (!trace.to_stderr) {
		trace.fd = open_file();
		if (trace.fd < 0)
			return;
	}
	trace.word = trace.to_stderr ? "2" : "1";
	ff_log_set(on_line, NULL);
}

void ff_trace_from_env(void)
{
	pthread_once(&trace.once, look);
}

const char *ff_trace_word(void)
{
	return trace.word;
}

const char *ff_trace_variable(void)
{
	return trace.variable;
}

bool ff_trace_is_line(const char *line)
{
	const char *end = line + 1;

	if (!trace.to_stderr || *line != '[' || !isdigit((unsigned char)*end))
		return false;
	while (isdigit((unsigned char)*end))
		end++;
	return end[0] == ']' && end[1] == ' ';
}
