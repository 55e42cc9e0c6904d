/* farflung web: pages of the runs of a folder. */
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "dispatch/dispatch.h"
#include "web/server.h"

#define PORT_DEFAULT "8765"
enum { TOKEN_BYTES = 16 };

struct options {
	const char *listen;
	bool token;
};

static const struct ff_option options[] = {
	FF_OPTION("listen", 'l', TEXT, "ADDRESS",
		  "where: PORT, ADDRESS or ADDRESS:PORT (default: 127.0.0.1:" PORT_DEFAULT
		  "; port 0: a free one)",
		  listen),
	FF_OPTION("token", 0, FLAG, NULL,
		  "ask for a token on this machine, too; elsewhere it is always asked for", token),
	FF_OPTIONS_END,
};

/* "8080", "0.0.0.0", "0.0.0.0:8080", "[::1]:8080", "::1" */
static void split(const char *text, char **address, const char **port)
{
	const char *colon = text ? strrchr(text, ':') : NULL;

	*port = PORT_DEFAULT;
	*address = NULL;
	if (!text)
		return;
	if (text[strspn(text, "0123456789")] == '\0') {
		*port = text;
	} else if (*text == '[' && strchr(text, ']')) {
		*address = ff_xstrndup(text + 1, strcspn(text + 1, "]"));
		if (strchr(text, ']')[1] == ':')
			*port = strchr(text, ']') + 2;
	} else if (colon && strchr(text, ':') == colon) {
		*address = ff_xstrndup(text, (size_t)(colon - text));
		*port = colon + 1;
	} else {
		*address = ff_xstrdup(text);
	}
}

static char *new_token(void)
{
	unsigned char bytes[TOKEN_BYTES];
	struct ff_buf text = FF_BUF_INIT;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return NULL;
	for (size_t i = 0; i < sizeof(bytes); i++)
		ff_buf_addf(&text, "%02x", bytes[i]);
	return ff_buf_take(&text);
}

static int serve(const struct ff_web_opts *opts)
{
	struct ff_err err = {0};
	struct ff_web *web;
	sigset_t ends;
	int number = 0;

	/* Before threads are there, so that none of them takes one. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	web = ff_web_start(opts, &err);
	if (!web) {
		ff_complain("web: %s", err.text);
		return FF_EXIT_USAGE;
	}
	printf("%s\n", ff_web_url(web));
	fflush(stdout);
	sigwait(&ends, &number);
	ff_web_stop(web);
	return FF_EXIT_OK;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv words = FF_STRV_INIT;
	struct ff_web_opts opts = {0};
	char *address = NULL, *token = NULL, *runs = NULL;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc == 0 && words.len > 1) {
		ff_complain("web: one DIR is enough, got '%s' as well", words.v[1]);
		rc = -1;
	}
	if (rc == 0) {
		split(o.listen, &address, &opts.port);
		opts.address = address ? address : "127.0.0.1";
		runs = ff_xasprintf("%s/.farflung/runs",
				    words.len ? words.v[0] : ff_runs_home("."));
		opts.runs = runs;
		if (o.token || !ff_web_is_loopback(opts.address))
			opts.token = token = new_token();
		code = serve(&opts);
	} else if (rc > 0) {
		code = FF_EXIT_OK;
	}
	ff_free(address);
	ff_free(token);
	ff_free(runs);
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
		"It only reads.\n"
		"On other addresses than this machine's own, and with --token, the address has a "
		"token, which a browser\n"
		"keeps in a cookie. Exit codes: 0, 2 usage, or the address can't be had.\n",
	.options = options,
	.run = run,
};
