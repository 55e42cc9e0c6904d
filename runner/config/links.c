/* `links`: where a file and a line of it can be looked at. Which commit of what these are. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config/private.h"
#include "config/read.h"

/* What begins no script, wherever it is clicked: pages (dom.js) know the same ones. */
static const char *const schemes[] = {
	"http",	   "https", "vscode", "vscode-insiders", "vscodium", "cursor", "zed",  "idea",
	"pycharm", "clion", "goland", "jetbrains",	 "subl",     "txmt",   "mvim", "emacs"};
static const char *const placeholders[] = {"path", "file", "line", "run", "commit"};

static bool is_one_of(const char *const *words, size_t n, const char *text, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(words[i]) == len && strncmp(words[i], text, len) == 0)
			return true;
	return false;
}

static const char *braces_fault(const char *text)
{
	bool place = false;

	for (; *text; text++) {
		size_t len = strcspn(text + 1, "{}");

		if (*text == '}')
			return "has '}' without '{'";
		if (*text != '{')
			continue;
		if (text[len + 1] != '}')
			return "has '{' without '}'";
		if (!is_one_of(placeholders, sizeof(placeholders) / sizeof(*placeholders), text + 1,
			       len))
			return "has a placeholder that is not one of {path}, {file}, {line}, {run} "
			       "and {commit}";
		place |= strncmp(text, "{path}", 6) == 0 || strncmp(text, "{file}", 6) == 0;
		text += len + 1;
	}
	return place ? NULL : "has neither {path} nor {file}";
}

const char *ff_config_links_fault(const char *links)
{
	size_t scheme = strcspn(links, ":"), host;

	if (!links[scheme] ||
	    !is_one_of(schemes, sizeof(schemes) / sizeof(*schemes), links, scheme))
		return "does not begin with http:, https:, or the scheme of an editor such as "
		       "vscode:, idea:, pycharm:, zed: or subl:";
	for (const char *p = links; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("\"'<>\\^`|", *p))
			return "has a character that no address has; a blank is %20";
	if (strncmp(links + scheme, "://", 3) != 0)
		return "has no '//' behind its scheme";
	host = strcspn(links + scheme + 3, "/?#{");
	/* No file's name says whom a browser asks. */
	if (strncmp(links, "http", 4) == 0 && (host == 0 || links[scheme + 3 + host] != '/'))
		return "has no '/' behind its host";
	return braces_fault(links);
}

bool ff_read_links(struct ff_reader *r, const struct ff_config_option *option,
		   const struct ff_yaml_node *node, void *member)
{
	const char *why;

	if (!ff_read_is_text(node) || !node->len)
		return false;
	why = ff_config_links_fault(node->text);
	if (why) {
		r->at = ff_read_place(r, node);
		ff_mistakes_add(r->problems, &r->at, "'%s': '%s' %s", option->key, node->text, why);
		return true;
	}
	*(const char **)member = ff_config_keep(r->config, node->text);
	return true;
}

bool ff_config_head(const char *directory, char **commit, char **below)
{
	struct ff_buf out = FF_BUF_INIT;
	int status = 0;
	int errnum = ff_config_shell(directory, "exec git rev-parse HEAD --show-prefix 2>/dev/null",
				     FF_CONFIG_HEAD_MAX, &out, &status);
	char *text = ff_buf_take(&out), *end = text ? strchr(text, '\n') : NULL;

	if (errnum || status || !end || end == text) {
		ff_free(text);
		return false;
	}
	*commit = ff_xstrndup(text, (size_t)(end - text));
	if (below)
		*below = ff_xstrndup(end + 1, strcspn(end + 1, "\n"));
	ff_free(text);
	return true;
}
