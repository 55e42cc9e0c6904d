/* The ssh driver's own: one connection's state, and the steps that move it on. Only ssh*.c may
 * include this. */
#ifndef FF_TRANSPORT_SSH_SESSION_H
#define FF_TRANSPORT_SSH_SESSION_H

#include <libssh2.h>

#include "io/loop_private.h"
#include "transport/ssh_agent.h"
#include "transport/ssh_config.h"
#include "transport/ssh_key.h"
#include "transport/transport.h"

enum {
	FF_SSH_WRITE_SIZE = 32000,	   /* handed to the library at once */
	FF_SSH_READ_SIZE = 128 * 1024,	   /* taken from it at once */
	FF_SSH_WINDOW = 2 * 1024 * 1024,   /* the peer may send this much unasked */
	FF_SSH_RECV_BUDGET = 1024 * 1024,  /* read from the socket in one turn of the loop */
	FF_SSH_WRITE_BUDGET = 1024 * 1024, /* written in one turn */
	FF_SSH_CONNECT_TIMEOUT_S = 10,	   /* for each address */
	FF_SSH_SETUP_TIMEOUT_S = 30,	   /* for each of: ssh -G and agent, name lookup, key
					    * exchange, from there to the running command */
	FF_SSH_KEYS_MAX = 64,
};

/* X(STATE, step): the steps in their order. Each returns 0: go on with the next; FF_EAGAIN:
 * blocked, call again when the loop has news; FF_EUNSUPPORTED: only the program can do it, err says
 * why; else it failed. */
#define FF_SSH_STATES(X)                                                                           \
	X(RESOLVE, ff_ssh_step_resolve)                                                            \
	X(KEYS, ff_ssh_step_keys)                                                                  \
	X(LOOKUP, ff_ssh_step_lookup)                                                              \
	X(CONNECT, ff_ssh_step_connect)                                                            \
	X(HANDSHAKE, ff_ssh_step_handshake)                                                        \
	X(HOSTKEY, ff_ssh_step_hostkey)                                                            \
	X(AUTH_NONE, ff_ssh_step_auth_none)                                                        \
	X(AUTH_KEYS, ff_ssh_step_auth_keys)                                                        \
	X(CHANNEL, ff_ssh_step_channel)                                                            \
	X(ENVIRONMENT, ff_ssh_step_environment)                                                    \
	X(EXEC, ff_ssh_step_exec)                                                                  \
	X(RUNNING, ff_ssh_step_running)                                                            \
	X(CLOSING, ff_ssh_step_closing)

enum ff_ssh_state {
#define X(name, step) FF_SSH_##name,
	FF_SSH_STATES(X)
#undef X
		FF_SSH_DONE,
};

/* What the library has begun to send and must finish before anything else is asked of it. */
enum ff_ssh_op {
	FF_SSH_OP_NONE,
	FF_SSH_OP_WRITE,
	FF_SSH_OP_EOF,
	FF_SSH_OP_STDOUT,
	FF_SSH_OP_STDERR,
};

/* A socket and its watcher. It outlives the connection until libuv lets go of it. */
struct ff_ssh_socket {
	uv_poll_t poll;
	struct ff_ssh *ssh;
	int fd;
	int events;
	bool ready; /* an event came since the last look */
};

/* A key to try. */
struct ff_ssh_candidate {
	struct ff_ssh_key key;
	const char *path; /* NULL: the agent holds it */
	bool refused;
};

struct ff_ssh_auth {
	struct ff_ssh_agent agent;
	struct ff_ssh_candidate keys[FF_SSH_KEYS_MAX];
	size_t count, at;
	struct ff_ssh_key files[FF_SSH_KEYS_MAX]; /* by the number in config->identity_files */
	size_t file_count;
	size_t agent_keys;   /* candidates that the agent holds */
	char *methods;	     /* what the server allows */
	const char *program; /* what only the program can use, NULL if nothing */
	bool begun, listed, asked, signed_ok;
	uint8_t *signature;
	size_t signature_len;
};

struct ff_ssh {
	struct ff_conn *conn;
	enum ff_ssh_state state;
	/* Copied from ff_launch. */
	bool native;
	char *command; /* with what the words put before it */
	char *given_command;
	struct ff_strv argv;
	int exec_fd;

	struct ff_ssh_waiter waiter;
	struct ff_ssh_config *config;
	char *label; /* "ssh=build1" */
	struct ff_ssh_auth auth;

	uv_getaddrinfo_t lookup;
	struct addrinfo *addresses, *address;
	int lookup_rc;
	bool looked_up, lookup_pending;
	struct ff_err tried; /* what became of the addresses so far */
	struct ff_ssh_socket *socket;

	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;
	size_t recv_budget;
	int socket_errno; /* the last failure of the socket, -1: the peer closed it */
	size_t env_at;	  /* next of set_env, then of environ */

	/* RUNNING */
	enum ff_ssh_op unfinished;
	uint8_t *write_mem, *read_mem;
	size_t write_len;
	size_t held; /* bytes in read_mem that came while reading was off */
	enum ff_ssh_op held_from;
	bool reading, eof_wanted, eof_sent;
	bool opened; /* the owner was told */

	struct ff_deferred kick; /* has ff_ssh_drive called from the loop, soon */
	struct ff_timer timer;
	long limit_s; /* what the timer was set to */
	bool timed_out;
	unsigned handles; /* what the loop still holds of ours */
	bool driving, killed, kick_pending;
	bool hand_over; /* to the program, once all handles are gone */
	bool told;	/* closed was called, or the program has taken over */
	struct ff_err result;
	void (*freed)(struct ff_conn *conn);
};

#define X(name, step) int step(struct ff_ssh *ssh, struct ff_err *err);
FF_SSH_STATES(X)
#undef X

/* Calls steps until one is blocked. */
void ff_ssh_drive(struct ff_ssh *ssh);
/* The same, soon, from the loop. */
void ff_ssh_kick(struct ff_ssh *ssh);
/* One of the handles is gone. */
void ff_ssh_handle_closed(struct ff_ssh *ssh);
/* Limits how long the current and following steps may take together; 0: no limit. */
void ff_ssh_set_timeout(struct ff_ssh *ssh, long seconds);
/* "build1:22" for messages. */
const char *ff_ssh_host_text(struct ff_ssh *ssh, char text[288]);
/* What the library says of its last failure. */
const char *ff_ssh_session_error(struct ff_ssh *ssh);
/* The words for a line that broke: what the socket said, else what the library says. */
const char *ff_ssh_loss_text(struct ff_ssh *ssh);

/* Gives up everything a step has opened; handles count down as they close. */
void ff_ssh_connect_release(struct ff_ssh *ssh);
void ff_ssh_session_release(struct ff_ssh *ssh);
void ff_ssh_auth_release(struct ff_ssh *ssh);
/* Waits for what the library, or else RUNNING, needs of the socket. */
void ff_ssh_watch(struct ff_ssh *ssh);
/* The events RUNNING wants. */
int ff_ssh_running_events(const struct ff_ssh *ssh);

#endif
