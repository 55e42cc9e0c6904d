/* Configurations: loading a file, and building one by hand. */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/map.h"
#include "config/compose.h"
#include "config/explain.h"
#include "config/private.h"
#include "config/read.h"
#include "config/table.h"
#include "config/vars.h"

/* As the ff_x… allocators do. */
static _Noreturn void give_up(void)
{
	fputs("farflung: out of memory\n", stderr);
	abort();
}

void *ff_config_take(struct ff_config *config, size_t size)
{
	void *memory = ff_arena_alloc(&config->arena, size ? size : 1);

	if (!memory)
		give_up();
	return memset(memory, 0, size);
}

char *ff_config_keep(struct ff_config *config, const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(ff_config_take(config, size), text, size);
}

void ff_config_add_text(struct ff_strv *strv, const char *text)
{
	if (ff_strv_add(strv, text))
		give_up();
}

void ff_config_merge(struct ff_strv *to, const struct ff_strv *from, char separator)
{
	const struct ff_strv *lists[] = {to, from};
	struct ff_map seen = FF_MAP_INIT;
	size_t own = to->len;

	for (size_t list = 0; from->len && list < 2; list++) {
		for (size_t i = 0; i < (list ? from->len : own); i++) {
			const char *text = lists[list]->v[i], *end = strchr(text, separator);
			char *key = ff_xstrndup(text, end ? (size_t)(end - text) : strlen(text));

			if (list && !ff_map_get(&seen, key))
				ff_config_add_text(to, text);
			if (ff_map_set(&seen, key, to))
				give_up();
			ff_free(key);
		}
	}
	ff_map_release(&seen);
}

void ff_config_init(struct ff_config *config)
{
	char here[PATH_MAX];

	*config = (struct ff_config){0};
	ff_read_defaults(FF_SECTION_INVENTORY, config);
	ff_read_defaults(FF_SECTION_SETTINGS, config);
	ff_read_defaults(FF_SECTION_HALT, config);
	ff_read_defaults(FF_SECTION_KEEP, config);
	ff_read_defaults(FF_SECTION_CONCURRENCY, config);
	ff_read_defaults(FF_SECTION_SETUP, config);
	ff_read_defaults(FF_SECTION_TEARDOWN, config);
	config->path = ff_config_keep(config, "");
	config->directory = ff_config_keep(config, getcwd(here, sizeof(here)) ? here : ".");
}

void ff_config_host_release(struct ff_config_host *host)
{
	ff_strv_release(&host->tags);
	ff_strv_release(&host->env);
}

static void job_release(struct ff_config_job *job)
{
	ff_strv_release(&job->args);
	ff_strv_release(&job->env);
	ff_strv_release(&job->needs);
	ff_strv_release(&job->sequence);
	for (size_t i = 0; i < job->steps_len; i++) {
		ff_strv_release(&job->steps[i].args);
		ff_strv_release(&job->steps[i].env);
	}
	ff_strv_release(&job->artifacts.paths);
	ff_strv_release(&job->inputs.paths);
	ff_strv_release(&job->fresh.inputs);
	ff_strv_release(&job->fresh.outputs);
	for (size_t i = 0; i < job->axes_len; i++)
		ff_strv_release(&job->axes[i].values);
}

void ff_config_release(struct ff_config *config)
{
	for (size_t i = 0; i < config->hosts_len; i++)
		ff_config_host_release(&config->hosts[i]);
	for (size_t i = 0; i < config->jobs_len; i++)
		job_release(&config->jobs[i]);
	ff_config_host_release(&config->defaults);
	ff_strv_release(&config->outside.cmd);
	for (size_t i = 0; i < config->receivers_len; i++)
		ff_strv_release(&config->receivers[i].to);
	ff_config_table_free_all(config->tables);
	ff_strv_release(&config->setup.inputs);
	ff_strv_release(&config->tree.exclude);
	ff_strv_release(&config->tree.exclude_from);
	ff_arena_release(&config->arena);
	*config = (struct ff_config){0};
}

bool ff_config_job_memory(const struct ff_config_job *job)
{
	return job->memory && strcmp(job->memory, "auto") == 0;
}

static struct ff_config_amount amount_of(const char *key, const char *text)
{
	struct ff_config_amount amount = {0};

	if (text)
		ff_option_amount(ff_config_option_find(FF_SECTION_JOB, key), text, &amount);
	return amount;
}

struct ff_config_amount ff_config_memory(const struct ff_config_job *job)
{
	return amount_of("memory", job->memory);
}

struct ff_config_amount ff_config_cpu(const struct ff_config_job *job)
{
	return amount_of("cpu", job->cpu);
}

const char *ff_config_home(const struct ff_config *config)
{
	return config->tree.given ? config->tree.source : config->directory;
}

/* Room for one more element of an array in the arena; when it is full, it is replaced by a longer
 * copy, and the old one stays there unused. */
static void *grow(struct ff_config *config, void *array, size_t len, size_t *cap, size_t size)
{
	void *longer;

	if (len < *cap)
		return array;
	*cap = len ? len * 2 : 1;
	longer = ff_config_take(config, *cap * size);
	if (len)
		memcpy(longer, array, len * size);
	return longer;
}

struct ff_config_host *ff_config_add_host(struct ff_config *config, const char *spec)
{
	struct ff_config_host *host;

	config->hosts =
		grow(config, config->hosts, config->hosts_len, &config->hosts_cap, sizeof(*host));
	host = &config->hosts[config->hosts_len++];
	host->spec = ff_config_keep(config, spec);
	return host;
}

struct ff_config_job *ff_config_add_job(struct ff_config *config, const char *name,
					const char *payload)
{
	struct ff_config_job *job;

	config->jobs =
		grow(config, config->jobs, config->jobs_len, &config->jobs_cap, sizeof(*job));
	job = &config->jobs[config->jobs_len++];
	job->session_timeout_us = job->retry_delay_us = -1;
	ff_read_defaults(FF_SECTION_JOB, job);
	ff_read_defaults(FF_SECTION_RETRY, job);
	ff_read_defaults(FF_SECTION_ARTIFACTS, job);
	ff_read_defaults(FF_SECTION_INPUTS, job);
	job->grace_us = config->settings.grace_us;
	job->name = ff_config_keep(config, name);
	job->payload = ff_config_keep(config, payload);
	return job;
}

char *ff_config_directory_of(struct ff_config *config, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder, *resolved;

	if (!slash || !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6))
		return config->directory;
	folder = ff_xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	resolved = realpath(folder, NULL);
	if (resolved) {
		ff_free(folder);
		folder = resolved;
	}
	resolved = ff_config_keep(config, folder);
	ff_free(folder);
	return resolved;
}

static int parse(struct ff_config *config, const char *path, const char *text, size_t len,
		 const struct ff_config_opts *opts, bool sources, struct ff_err *err)
{
	struct ff_mistakes problems;
	struct ff_config parsed;
	struct ff_arena nodes = FF_ARENA_INIT;
	struct ff_reader r = {.config = &parsed,
			      .problems = &problems,
			      .opts = opts,
			      .sources = sources,
			      .nodes = &nodes};
	struct ff_yaml_source source;
	struct ff_yaml_node *root;
	int rc;

	ff_config_init(&parsed);
	parsed.path = ff_config_keep(&parsed, path);
	parsed.directory = ff_config_directory_of(&parsed, path);
	source = (struct ff_yaml_source){parsed.path, parsed.directory};
	ff_mistakes_init(&problems, path);
	root = ff_yaml_parse(&nodes, &source, text, len, &problems);
	if (!problems.total)
		ff_vars_outside(&r);
	if (!problems.total)
		root = ff_compose(&r, root);
	if (!problems.total)
		ff_read_file(&r, root);
	if (!problems.total && opts && opts->explain)
		ff_config_explain(&r, root, opts->explain);
	ff_arena_release(&nodes);
	rc = ff_mistakes_finish(&problems, err);
	if (rc)
		ff_config_release(&parsed);
	else
		*config = parsed;
	return rc;
}

int ff_config_parse_with(struct ff_config *config, const char *path, const char *text, size_t len,
			 const struct ff_config_opts *opts, struct ff_err *err)
{
	return parse(config, path, text, len, opts, false, err);
}

int ff_config_read_fd(struct ff_buf *text, int fd, const char *path, struct ff_err *err)
{
	int errnum = ff_read_all(fd, FF_CONFIG_FILE_MAX, text);

	if (errnum == ENOMEM)
		return ff_err_set(err, FF_ENOMEM, "%s: %s", path, ff_err_text(FF_ENOMEM));
	if (errnum)
		return ff_err_sys(err, errnum, "%s", path);
	if (text->len > FF_CONFIG_FILE_MAX)
		return ff_err_set(err, FF_ECONFIG, "%s: larger than %d MiB", path,
				  FF_CONFIG_FILE_MAX >> 20);
	return 0;
}

int ff_config_parse(struct ff_config *config, const char *path, const char *text, size_t len,
		    struct ff_err *err)
{
	return ff_config_parse_with(config, path, text, len, NULL, err);
}

int ff_config_load(struct ff_config *config, const char *path, struct ff_err *err)
{
	return ff_config_load_with(config, path, NULL, err);
}

int ff_config_load_with(struct ff_config *config, const char *path,
			const struct ff_config_opts *opts, struct ff_err *err)
{
	bool is_stdin = !strcmp(path, "-") || !strcmp(path, "/dev/stdin");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), rc;
	struct ff_buf text = FF_BUF_INIT;

	if (fd < 0)
		return ff_err_sys(err, errno, "%s", path);
	if (!strcmp(path, "-"))
		path = "<stdin>";
	rc = ff_config_read_fd(&text, fd, path, err);
	if (!is_stdin)
		close(fd);
	/* As where a run is gone on with whose file came from there. */
	if (!rc && is_stdin && text.len == 0)
		rc = ff_err_set(err, FF_EINVAL, "%s: the file is read from there, and nothing came",
				path);
	if (!rc)
		rc = parse(config, path, ff_buf_str(&text), text.len, opts, true, err);
	ff_buf_release(&text);
	if (!rc) {
		rc = ff_config_read_outside(config, opts ? opts->stop : NULL, err);
		if (rc)
			ff_config_release(config);
	}
	return rc;
}
