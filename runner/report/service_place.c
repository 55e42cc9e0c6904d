/* Places of tests as a service knows them: by their path in its checkout. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/event.h"
#include "report/alike.h"
#include "report/service.h"
#include "report/text.h"

/* Each service's variable for where the sources are. */
static const char *const checkouts[] = {"GITHUB_WORKSPACE", "CI_PROJECT_DIR",
					"BUILDKITE_BUILD_CHECKOUT_PATH"};

static char *checkout(void)
{
	const char *top = NULL;

	for (size_t i = 0; i < sizeof(checkouts) / sizeof(*checkouts) && !(top && *top); i++)
		top = getenv(checkouts[i]);
	return top && *top ? realpath(top, NULL) : NULL;
}

char *ff_service_below(void)
{
	char *here = realpath(".", NULL), *root = checkout(), *below = NULL;
	size_t len = root ? strlen(root) : 0;

	if (here && len > 0 && !strncmp(here, root, len) && (here[len] == '/' || !here[len]))
		below = here[len] ? ff_xasprintf("%s/", here + len + 1) : ff_xstrdup("");
	free(here);
	free(root);
	return below;
}

/* `file` is one of a test, mostly from where we are. */
char *ff_service_place(const char *below, const char *file)
{
	struct ff_buf place = FF_BUF_INIT;

	if (!file || !*file)
		return NULL;
	if (below && *file != '/' && access(file, F_OK) == 0)
		ff_text_line(&place, below, 0, "");
	ff_text_line(&place, file, 0, "");
	return ff_buf_take(&place);
}

int ff_service_line(const struct ff_result *result)
{
	size_t len = result->file ? strlen(result->file) : 0;
	struct ff_buf frame = FF_BUF_INIT;
	int line = result->line;

	ff_alike_frame(&frame, result->longrepr);
	if (frame.len > len && len > 0 && !strncmp(ff_buf_str(&frame), result->file, len) &&
	    ff_buf_str(&frame)[len] == ':')
		line = atoi(ff_buf_str(&frame) + len + 1);
	ff_buf_release(&frame);
	return line;
}
