/* The workers of a socket server: a python that executes the line it is sent, or the native one. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/spawn.h"
#include "transport/socketserver_session.h"
#include "worker/bootstrap.h"

/* What execnet's socketserver does with a connection, in a process of its own. */
static const char python_code[] =
	"import os, socket\n"
	"clientsock = socket.socket(fileno=os.dup(0))\n"
	"null = os.open(os.devnull, os.O_RDONLY)\n"
	"os.dup2(null, 0)\n"
	"os.close(null)\n"
	"line = b''\n"
	"while line[-1:] != b'\\n':\n"
	"    seen = clientsock.recv(65536, socket.MSG_PEEK)\n"
	"    if not seen:\n"
	"        raise SystemExit(1)\n"
	"    line += clientsock.recv(seen.find(b'\\n') + 1 or len(seen))\n"
	"exec(eval(line), {'__name__': '__main__', 'clientsock': clientsock, 'address': None})\n";

static int make_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	/* Only our end: execnet's worker wants to block. */
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	close(pair[0]);
	close(pair[1]);
	return -1;
}

int ff_session_spawn(struct ff_session *session, bool native, struct ff_err *err)
{
	char *const native_argv[] = {(char *)"farflung-worker", NULL};
	char *const python_argv[] = {
		session->server->python, (char *)"-u", (char *)"-c", (char *)python_code, NULL,
	};
	struct ff_spawn spawn = {
		.argv = native ? native_argv : python_argv,
		.exec_fd = native ? ff_bootstrap_image_fd(err) : -1,
		.new_session = true,
	};
	struct ff_birth birth = {.spawn = &spawn, .out = -1, .err = -1};
	int pair[2], rc;

	if (native && spawn.exec_fd < 0)
		return FF_ESPAWN;
	if (make_pair(pair) != 0)
		return ff_err_sys(err, errno, "no socket pair");
	birth.in = pair[1];
	if (native)
		birth.out = pair[1];
	rc = ff_spawn_run(&birth, err);
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		return rc;
	}
	if (birth.pidfd >= 0)
		close(birth.pidfd);
	session->pid = birth.pid;
	return pair[0];
}
