/* What sessions on a host import is kept from run to run, one small file per job and host below
 * .farflung: from it workers of the next run are forked. It is a cache: whatever goes wrong with it
 * makes a run slower, and no more. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "dispatch/act_private.h"

enum { TOLD_MAX = 4 << 20 };

struct act_template {
	struct ff_list node; /* in host->templates */
	uint32_t job;
	char *path;
	struct ff_arena arena;
	const char *text;		/* NULL: none */
	int64_t turn_us;		/* 0: unknown */
	const struct act_worker *asked; /* who is to tell; NULL: nobody yet */
	bool told;
};

void ff_act_templates_init(struct act_host *host)
{
	ff_list_init(&host->templates);
}

void ff_act_templates_release(struct act_host *host)
{
	while (!ff_list_empty(&host->templates)) {
		struct act_template *template =
			ff_container_of(host->templates.next, struct act_template, node);

		ff_list_del(&template->node);
		ff_arena_release(&template->arena);
		ff_free(template->path);
		ff_free(template);
	}
}

/* --- the file --- */

static bool up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
	return slash != NULL;
}

/* A file's name for any text. */
static char *name_of(const struct act_host *host, const char *job)
{
	const char *interpreter = ff_act_interpreter(host);
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	char *text = ff_xasprintf("%s\n%s\n%s", host->host->spec.text, job,
				  interpreter ? interpreter : "");

	for (const char *c = text; *c; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
	ff_free(text);
	return ff_xasprintf("%016llx.json", (unsigned long long)hash);
}

/* <directory>/.farflung/imports/NAME, beside the folder of runs. NULL: there is no such folder. */
static char *path_of(const struct act_host *host, const char *job)
{
	const struct ff_journal *journal = host->act->opts.run->journal;
	char *path, *name, *whole = NULL;

	if (!journal)
		return NULL;
	path = ff_xstrdup(ff_journal_path(journal));
	name = name_of(host, job);
	if (up(path) && up(path) && up(path))
		whole = ff_xasprintf("%s/imports/%s", path, name);
	ff_free(name);
	ff_free(path);
	return whole;
}

static char *read_whole(const char *path)
{
	struct ff_buf text = FF_BUF_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t len = -1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= TOLD_MAX &&
	    ff_buf_reserve(&text, (size_t)st.st_size + 1))
		len = read(fd, ff_buf_data(&text), (size_t)st.st_size);
	close(fd);
	if (len > 0)
		ff_buf_added(&text, (size_t)len);
	return len > 0 ? ff_buf_take(&text) : (ff_buf_release(&text), NULL);
}

static bool write_whole(const char *path, const char *text)
{
	char *temporary = ff_xasprintf("%s.%ld", path, (long)getpid());
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	size_t len = strlen(text);
	bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;

	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(temporary, path) == 0;
	if (fd >= 0 && !ok)
		unlink(temporary);
	ff_free(temporary);
	return ok;
}

/* --- of a job on a host --- */

static struct act_template *template_of(struct act_worker *worker)
{
	struct act_host *host = worker->host;
	const struct ff_plan_job *job = &host->act->plan->jobs[worker->job];
	struct act_template *template;
	struct ff_list *pos;
	char *told;

	ff_list_for_each(pos, &host->templates) {
		template = ff_container_of(pos, struct act_template, node);
		if (template->job == worker->job)
			return template;
	}
	template = ff_xcalloc(1, sizeof(*template));
	template->job = worker->job;
	template->path = path_of(host, job->config->name);
	told = template->path ? read_whole(template->path) : NULL;
	if (told)
		template->text =
			job->payload->session->template(told, &template->arena, &template->turn_us);
	ff_free(told);
	ff_list_add_tail(&host->templates, &template->node);
	return template;
}

/* One that is forked for a single worker would only be on its way. */
static bool wanted(const struct act_worker *worker)
{
	const struct ff_plan_job *job = &worker->host->act->plan->jobs[worker->job];
	const char *model = worker->host->host->spec.execmodel;

	return job->payload->session->template && strcmp(job->config->template, "off") != 0 &&
	       worker->host->host->slots > 1 && (!model || strcmp(model, "thread") == 0);
}

const char *ff_act_template(struct act_worker *worker)
{
	return wanted(worker) ? template_of(worker)->text : NULL;
}

int64_t ff_act_template_turn_us(struct act_worker *worker)
{
	return wanted(worker) ? template_of(worker)->turn_us : 0;
}

bool ff_act_template_asks(struct act_worker *worker)
{
	struct act_template *template = wanted(worker) ? template_of(worker) : NULL;

	if (!template || template->asked || !template->path)
		return false;
	template->asked = worker;
	return true;
}

void ff_act_template_gone(const struct act_worker *worker)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &worker->host->templates) {
		struct act_template *template = ff_container_of(pos, struct act_template, node);

		if (template->asked == worker && !template->told)
			template->asked = NULL;
	}
}

void ff_act_template_told(struct act_worker *worker, const char *text)
{
	struct act_template *template = template_of(worker);
	char *folder = ff_xstrdup(template->path);

	template->told = true;
	if (folder && up(folder) && (mkdir(folder, 0777) == 0 || errno == EEXIST) &&
	    !write_whole(template->path, text))
		ff_log("%s: not written", template->path);
	ff_free(folder);
}

void ff_act_template_failed(struct act_worker *worker, const char *why)
{
	struct act_template *template = template_of(worker);

	if (!template->text)
		return;
	ff_log("job %s on %s: no template: %s",
	       worker->host->act->plan->jobs[worker->job].config->name, worker->host->host->name,
	       why);
	if (template->path)
		unlink(template->path);
}
