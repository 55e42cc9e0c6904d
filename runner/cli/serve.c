#include "cli/serve.h"

#include <openssl/rand.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { TOKEN_BYTES = 16 };

/* "8080", "0.0.0.0", "0.0.0.0:8080", "[::1]:8080", "::1" */
static void split(const char *text, char **address, const char **port)
{
	const char *colon = text ? strrchr(text, ':') : NULL;

	*port = FF_SERVE_PORT;
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

struct ff_web *ff_serve(const char *home, const struct ff_serve_opts *how, struct ff_err *err)
{
	bool named = how->listen && *how->listen;
	char *runs = ff_xasprintf("%s/.farflung/runs", home), *address = NULL, *secret = NULL;
	struct ff_web_opts opts = {
		.runs = runs, .links = how->links, .cert = how->cert, .key = how->key};
	struct ff_web *web;
	sigset_t all, before;

	split(named ? how->listen : NULL, &address, &opts.port);
	opts.address = address ? address : "127.0.0.1";
	if (how->token || !ff_web_is_loopback(opts.address))
		opts.token = secret = new_token();
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	web = ff_web_start(&opts, err);
	if (!web && how->any_port && !named && err->code == FF_ESYS) {
		opts.port = "0";
		web = ff_web_start(&opts, err);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	ff_free(address);
	ff_free(secret);
	ff_free(runs);
	return web;
}
