#include "web/action.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strv.h"
#include "report/thread.h"

enum {
	MOMENT_MS = 1500,    /* within which a command says that it won't */
	WORDS_MAX = 4 << 10, /* bytes that are heard of it */
	COMMANDS_MAX = 8,    /* that are going on at once */
};

extern char **environ;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int going; /* under lock */

static bool take_place(void)
{
	bool taken;

	pthread_mutex_lock(&lock);
	taken = going < COMMANDS_MAX;
	going += taken;
	pthread_mutex_unlock(&lock);
	return taken;
}

static void give_place_back(void)
{
	pthread_mutex_lock(&lock);
	going--;
	pthread_mutex_unlock(&lock);
}

/* Its end is waited for by a thread, that no process is left as a zombie. */
static void *reap(void *ctx)
{
	pid_t pid = (pid_t)(intptr_t)ctx;

	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	give_place_back();
	return NULL;
}

static void leave_to_thread(pid_t pid)
{
	pthread_t thread;

	if (ff_thread_start(&thread, reap, (void *)(intptr_t)pid) == 0)
		pthread_detach(thread);
}

static int start(const char *home, char **argv, int err_fd, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attrs;
	sigset_t none, usual;
	int errnum;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGINT);
	sigaddset(&usual, SIGTERM);
	sigaddset(&usual, SIGHUP);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, err_fd, 2);
	posix_spawn_file_actions_addchdir_np(&files, home);
	posix_spawnattr_init(&attrs);
	posix_spawnattr_setsigmask(&attrs, &none);
	posix_spawnattr_setsigdefault(&attrs, &usual);
	/* It goes on when the page's server ends. */
	posix_spawnattr_setflags(&attrs, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						 POSIX_SPAWN_SETSIGDEF);
	errnum = posix_spawn(pid, "/proc/self/exe", &files, &attrs, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attrs);
	return errnum;
}

/* Whether it has ended within a moment. */
static bool ended(pid_t pid, int *status)
{
	const struct timespec nap = {.tv_nsec = 20000000};
	int64_t until = ff_clock_us() + MOMENT_MS * 1000;
	pid_t rc;

	while ((rc = waitpid(pid, status, WNOHANG)) == 0 && ff_clock_us() < until)
		nanosleep(&nap, NULL);
	return rc != 0;
}

/* The last line of what it said, without its own name. */
static void set_refusal(int said, struct ff_err *err)
{
	char text[WORDS_MAX], *line;
	ssize_t n = pread(said, text, sizeof(text) - 1, 0);

	n = n > 0 ? n : 0;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (strncmp(line, "farflung: ", 10) == 0)
		line += 10;
	ff_err_set(err, FF_EINVAL, "%s", *line ? line : "it was refused");
}

static void set_words(struct ff_strv *argv, const char *runs, const char *run,
		      enum ff_web_action action, const char *const *names)
{
	ff_strv_add(argv, "farflung");
	ff_strv_add(argv, action == FF_WEB_CANCEL ? "cancel" : "rerun");
	if (action == FF_WEB_RERUN && !*names)
		ff_strv_add(argv, "--failed");
	ff_strv_add(argv, "--");
	if (action == FF_WEB_CANCEL)
		ff_strv_addf(argv, "%s/%s", runs, run);
	else
		ff_strv_add(argv, run);
	for (; *names; names++)
		ff_strv_add(argv, *names);
}

int ff_web_act(const char *runs, const char *run, enum ff_web_action action,
	       const char *const *names, struct ff_err *err)
{
	char *home = ff_xstrndup(runs, strlen(runs) - strlen("/.farflung/runs"));
	struct ff_strv argv = FF_STRV_INIT;
	/* A pipe would break when nobody listens any more. */
	int said = memfd_create("said", MFD_CLOEXEC), status = 0, rc = 0, errnum;
	pid_t pid = 0;

	set_words(&argv, runs, run, action, names);
	if (!take_place()) {
		rc = ff_err_set(err, FF_EBUSY, "other commands are still going on");
	} else if ((errnum = said < 0 ? errno : start(home, argv.v, said, &pid))) {
		rc = ff_err_sys(err, errnum, "farflung %s", argv.v[1]);
		give_place_back();
	} else if (!ended(pid, &status)) {
		leave_to_thread(pid);
	} else {
		give_place_back();
		/* A run that begins again and fails is no refusal. */
		if (WIFEXITED(status) && WEXITSTATUS(status) >= 2) {
			set_refusal(said, err);
			rc = FF_EINVAL;
		}
	}
	if (said >= 0)
		close(said);
	ff_strv_release(&argv);
	ff_free(home);
	return rc;
}
