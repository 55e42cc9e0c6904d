/* farflung web: pages of the runs of a folder. */
#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "dispatch/dispatch.h"
#include "cli/serve.h"
#include "config/config.h"

struct options {
	const char *listen, *links, *cert, *key;
	bool token;
};

static const struct ff_option options[] = {
	FF_OPTION("listen", 'l', TEXT, "ADDRESS",
		  "where: PORT, ADDRESS or ADDRESS:PORT (default: 127.0.0.1:" FF_SERVE_PORT
		  "; port 0: a free one)",
		  listen),
	FF_OPTION("links", 0, TEXT, "TEMPLATE",
		  "where a file's line is shown, whatever runs say: vscode://file{path}:{line}",
		  links),
	FF_OPTION("token", 0, FLAG, NULL,
		  "ask for a token on this machine, too; elsewhere it is always asked for", token),
	FF_OPTION("cert", 0, TEXT, "FILE",
		  "serve over TLS (https) with the certificate of this file, PEM, its chain behind "
		  "it",
		  cert),
	FF_OPTION("key", 0, TEXT, "FILE", "the certificate's private key, PEM, without a password",
		  key),
	FF_OPTIONS_END,
};

static int serve(const char *home, const struct options *o)
{
	const struct ff_serve_opts how = {.listen = o->listen,
					  .links = o->links,
					  .token = o->token,
					  .cert = o->cert,
					  .key = o->key};
	struct ff_err err = {0};
	struct ff_web *web;
	char *url;
	sigset_t ends;
	int number = 0;

	/* Before threads are there, so that none of them takes one. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	web = ff_serve(home, &how, &err);
	if (!web) {
		ff_complain("web: %s", err.text);
		return FF_EXIT_USAGE;
	}
	url = ff_web_url(web, "/");
	printf("%s\n", url);
	ff_free(url);
	fflush(stdout);
	sigwait(&ends, &number);
	ff_web_stop(web);
	return FF_EXIT_OK;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc == 0 && words.len > 1) {
		ff_complain("web: one DIR is enough, got '%s' as well", words.v[1]);
		rc = -1;
	}
	if (rc == 0 && o.links && ff_config_links_fault(o.links)) {
		ff_complain("web: --links '%s' %s", o.links, ff_config_links_fault(o.links));
		rc = -1;
	}
	if (rc == 0)
		code = serve(words.len ? words.v[0] : ff_runs_home("."), &o);
	else if (rc > 0)
		code = FF_EXIT_OK;
	ff_strv_release(&words);
	return code;
}

const struct ff_command ff_command_web = {
	.name = "web",
	.summary = "Show runs in a browser: live ones, and those that are over.",
	.synopsis = "[OPTIONS] [DIR]",
	.details =
		"Serves the runs of DIR (default: where we are) until Ctrl-C, and prints its "
		"address. "
		"With --token runs can be ended there, and what failed run again; else it only "
		"reads.\n"
		"On other addresses than this machine's own, and with --token, the address has a "
		"token, which a browser\n"
		"keeps in a cookie. Exit codes: 0, 2 usage, or address or certificate can't be "
		"had.\n",
	.options = options,
	.run = run,
};
