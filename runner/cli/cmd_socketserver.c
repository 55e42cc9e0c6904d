/* farflung socketserver: the other end of socket= gateways. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "cli/command.h"
#include "dispatch/dispatch.h"
#include "transport/socketserver.h"
#include "transport/token.h"

/* As execnet's own: every address, which without a token is refused. */
#define DEFAULT_LISTEN ":8888"

struct options {
	const char *listen, *token_file, *python;
	bool make_token, once, anyone;
};

static const struct ff_option options[] = {
	FF_OPTION("listen", 0, TEXT, "HOST:PORT",
		  "where; no HOST: all addresses, port 0: any free one (" DEFAULT_LISTEN ")",
		  listen),
	FF_OPTION("token-file", 0, TEXT, "FILE",
		  "the secret that clients must know (token_file= in their xspec); mode 0600",
		  token_file),
	FF_OPTION("make-token", 0, FLAG, NULL, "make FILE, with a new secret, if it is missing",
		  make_token),
	FF_OPTION("once", 0, FLAG, NULL, "serve one client, then end", once),
	FF_OPTION("python", 0, TEXT, "PROGRAM", "for python workers (python3)", python),
	FF_OPTION("insecure-allow-anyone-to-execute-code", 0, FLAG, NULL,
		  "without a token, listen also where other machines can connect", anyone),
	FF_OPTIONS_END,
};

static void on_listening(void *ctx, const char *address)
{
	(void)ctx;
	printf("listening on %s\n", address);
	fflush(stdout);
}

static void on_log(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "farflung: socketserver: %s\n", line);
}

static int serve(const struct options *o)
{
	const struct ff_socketserver_opts opts = {
		.listen = o->listen ? o->listen : DEFAULT_LISTEN,
		.token_file = o->token_file,
		.allow_anyone_to_execute_code = o->anyone,
		.once = o->once,
		.python = o->python,
		.log = on_log,
		.listening = on_listening,
	};
	struct ff_err err = {0};

	if (o->make_token && ff_token_make_file(o->token_file, &err) < 0) {
		ff_complain("socketserver: %s", err.text);
		return FF_EXIT_USAGE;
	}
	if (!o->token_file)
		ff_complain("socketserver: no token: whoever can connect can execute code here "
			    "as this user");
	if (ff_socketserver_run(&opts, &err) < 0) {
		ff_complain("socketserver: %s", err.text);
		if (err.code == FF_EINVAL && !o->token_file)
			ff_complain("socketserver: see --token-file and --make-token, or listen on "
				    "127.0.0.1");
		return err.code == FF_ESYS ? FF_EXIT_INFRA : FF_EXIT_USAGE;
	}
	return FF_EXIT_OK;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv rest = FF_STRV_INIT;
	int code = FF_EXIT_USAGE;
	int rc = ff_options_parse(command, argc, argv, &o, &rest, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && rest.len > 0)
		ff_complain("socketserver: unexpected '%s'", rest.v[0]);
	else if (rc == 0 && o.make_token && !o.token_file)
		ff_complain("socketserver: --make-token wants --token-file");
	else if (rc == 0 && o.anyone && o.token_file)
		ff_complain("socketserver: a token file, or anyone: not both");
	else if (rc == 0)
		code = serve(&o);
	ff_strv_release(&rest);
	return code;
}

const struct ff_command ff_command_socketserver = {
	.name = "socketserver",
	.summary = "Wait for socket= gateways, and run their workers here.",
	.synopsis = "[--listen HOST:PORT] [--token-file FILE] [--once]",
	.details =
		"With a token file, connections are TLS 1.3 with a key made of the secret, which "
		"both sides must know; clients say\n"
		"socket=HOST:PORT//token_file=FILE. Without one, execnet's protocol is spoken: "
		"whoever connects can execute code,\n"
		"so that is only done on a loopback address. SIGTERM ends the server and its "
		"workers.",
	.options = options,
	.run = run,
};
