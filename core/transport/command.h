/* Transports that are a local program with stdin and stdout as the line: `ssh`, vagrant, docker,
 * kubectl, podman, srun. Each is a row of a table: a key of the xspec and how its argv is built. */
#ifndef FF_TRANSPORT_COMMAND_H
#define FF_TRANSPORT_COMMAND_H

#include "base/strv.h"
#include "transport/transport.h"

/* ssh= through the `ssh` program instead of the library. It is not in ff_transports: the ssh driver
 * hands a connection over from its own open() with
 *
 *	return ff_command_open_ssh(conn, launch, err);
 *
 * which sets conn->transport to ff_transport_ssh_program and starts the program; everything else
 * about the connection is then the program's. On failure nothing is left behind and conn->transport
 * is what it was. conn->state must be unused (NULL) when it is called. */
extern const struct ff_transport ff_transport_ssh_program;
int ff_command_open_ssh(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err);

/* Whether the `ssh` program can be found in PATH. */
bool ff_command_have_ssh(void);

/* The argv of the local program that runs the shell command line `command` where `spec` says; not
 * for popen and socket. FF_EINVAL: the spec has no key of the table. */
int ff_command_argv(struct ff_strv *argv, const struct ff_xspec *spec, const char *command,
		    struct ff_err *err);

/* Drivers, one for each key of the table but ssh. */
extern const struct ff_transport ff_transport_vagrant_ssh, ff_transport_docker,
	ff_transport_kubectl, ff_transport_podman, ff_transport_srun;

#endif
