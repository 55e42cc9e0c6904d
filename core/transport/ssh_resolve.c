/* Runs `ssh -G` once for each distinct ssh= value, and gives the answer to all who wait for it. */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "io/process.h"
#include "transport/command.h"
#include "transport/ssh_config.h"

enum {
	ANSWER_MAX = 1 << 20,
	COMPLAINT_MAX = 4096,
	ENTRIES_MAX = 1024, /* answers kept */
};

struct ff_ssh_entry {
	struct ff_list node;
	char *key; /* the configuration file, a newline, the words */
	struct ff_loop *loop;
	struct ff_process *process;   /* while it runs */
	struct ff_ssh_config *config; /* the answer */
	struct ff_list waiters;
	struct ff_buf out, complaint;
};

/* Of all loops, each of which knows its own ones only: those are its thread's, and the lock is for
 * the list. */
static struct ff_list entries = {&entries, &entries};
static size_t entry_count;
static pthread_mutex_t entries_lock = PTHREAD_MUTEX_INITIALIZER;

static void entry_free(struct ff_ssh_entry *entry)
{
	pthread_mutex_lock(&entries_lock);
	ff_list_del(&entry->node);
	entry_count--;
	pthread_mutex_unlock(&entries_lock);
	if (entry->process)
		ff_process_free(entry->process);
	ff_ssh_config_unref(entry->config);
	ff_buf_release(&entry->out);
	ff_buf_release(&entry->complaint);
	ff_free(entry->key);
	ff_free(entry);
}

static struct ff_ssh_entry *entry_new(char *key, struct ff_loop *loop)
{
	struct ff_ssh_entry *entry = ff_calloc(1, sizeof(*entry));

	if (!entry) {
		ff_free(key);
		return NULL;
	}
	entry->key = key;
	entry->loop = loop;
	ff_list_init(&entry->waiters);
	ff_buf_init(&entry->out, ANSWER_MAX);
	ff_buf_init(&entry->complaint, COMPLAINT_MAX);
	pthread_mutex_lock(&entries_lock);
	ff_list_add_tail(&entries, &entry->node);
	entry_count++;
	pthread_mutex_unlock(&entries_lock);
	return entry;
}

/* An answer, or a question under way, on the same loop. */
static struct ff_ssh_entry *entry_find(const char *key, const struct ff_loop *loop)
{
	struct ff_ssh_entry *found = NULL;
	struct ff_list *pos;

	pthread_mutex_lock(&entries_lock);
	ff_list_for_each(pos, &entries) {
		struct ff_ssh_entry *entry = ff_container_of(pos, struct ff_ssh_entry, node);

		if (entry->loop == loop && !strcmp(entry->key, key)) {
			found = entry;
			break;
		}
	}
	pthread_mutex_unlock(&entries_lock);
	return found;
}

static void collect_out(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	struct ff_ssh_entry *entry = ctx;

	if (ff_buf_add(&entry->out, bytes, len) < 0)
		ff_process_kill(process, SIGKILL);
}

static void collect_complaint(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	struct ff_ssh_entry *entry = ctx;
	size_t room = COMPLAINT_MAX - entry->complaint.len;

	ff_buf_add(&entry->complaint, bytes, len < room ? len : room);
}

static char *join_prefix(const struct ff_strv *words, size_t rest)
{
	struct ff_buf out = FF_BUF_INIT;
	int rc = ff_buf_addstr(&out, "");

	for (size_t i = rest; i < words->len && rc == 0; i++) {
		rc = ff_buf_addstr(&out, words->v[i]);
		if (rc == 0)
			rc = ff_buf_addch(&out, ' ');
	}
	return ff_buf_take(&out);
}

static int add_prefix(struct ff_ssh_config *config, const struct ff_strv *words, struct ff_err *err)
{
	size_t host, rest;

	/* ssh has accepted the words; if we can't read them, it has learned new options. */
	if (ff_ssh_words(words, NULL, NULL, &host, &rest, NULL) < 0) {
		ff_ssh_config_need_program(config, "an option we don't know");
		rest = words->len;
	}
	config->prefix = join_prefix(words, rest);
	return config->prefix ? 0 : ff_err_set(err, FF_ENOMEM, "out of memory");
}

static int split_words(struct ff_strv *words, const char *text, struct ff_err *err)
{
	if (ff_strv_split_blanks(words, text) < 0)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	return 0;
}

static struct ff_ssh_config *read_answer(struct ff_ssh_entry *entry, struct ff_err *err)
{
	struct ff_ssh_config *config = ff_ssh_config_new();
	struct ff_strv words = FF_STRV_INIT;
	const char *text = ff_buf_str(&entry->out);
	int rc = split_words(&words, strchr(entry->key, '\n') + 1, err);

	if (!config || !text)
		rc = ff_err_set(err, FF_ENOMEM, "out of memory");
	if (rc == 0)
		rc = ff_ssh_config_parse(config, text, err);
	if (rc == 0)
		rc = add_prefix(config, &words, err);
	if (rc == 0)
		rc = ff_ssh_config_finish(config, err);
	ff_strv_release(&words);
	if (rc == 0)
		return config;
	ff_ssh_config_unref(config);
	return NULL;
}

static void explain_failure(struct ff_ssh_entry *entry, int status, struct ff_err *err)
{
	const char *text = ff_buf_str(&entry->complaint);
	char how[64];

	ff_process_status_text(status, how, sizeof(how));
	if (text && *text)
		ff_err_set(err, FF_ECONFIG, "ssh does not accept the options: %.*s",
			   (int)strcspn(text, "\r\n"), text);
	else
		ff_err_set(err, FF_ECONFIG, "ssh -G: %s", how);
}

static bool have_too_many(void)
{
	bool too_many;

	pthread_mutex_lock(&entries_lock);
	too_many = entry_count > ENTRIES_MAX;
	pthread_mutex_unlock(&entries_lock);
	return too_many;
}

static void process_finished(struct ff_process *process, void *ctx)
{
	struct ff_ssh_entry *entry = ctx;
	struct ff_list waiters;
	struct ff_err err = {0};
	int status = ff_process_status(process);

	if (status != 0)
		explain_failure(entry, status, &err);
	else
		entry->config = read_answer(entry, &err);
	ff_process_free(process);
	entry->process = NULL;
	ff_buf_release(&entry->out);
	ff_buf_release(&entry->complaint);

	/* Those who wait may cancel each other, or ask again, while they are told. */
	ff_list_init(&waiters);
	while (!ff_list_empty(&entry->waiters)) {
		struct ff_list *node = entry->waiters.next;

		ff_list_del(node);
		ff_list_add_tail(&waiters, node);
	}
	for (struct ff_list *pos = waiters.next; pos != &waiters; pos = pos->next) {
		struct ff_ssh_waiter *waiter = ff_container_of(pos, struct ff_ssh_waiter, node);

		waiter->entry = NULL;
		if (entry->config)
			waiter->config = ff_ssh_config_ref(entry->config);
	}
	if (!entry->config || have_too_many())
		entry_free(entry);
	while (!ff_list_empty(&waiters)) {
		struct ff_ssh_waiter *waiter =
			ff_container_of(waiters.next, struct ff_ssh_waiter, node);

		ff_list_del(&waiter->node);
		waiter->done(waiter, waiter->config ? NULL : &err);
	}
}

static const struct ff_process_ops process_ops = {
	.out = collect_out,
	.err = collect_complaint,
	.finished = process_finished,
};

static int start(struct ff_ssh_entry *entry, const struct ff_xspec *spec, struct ff_err *err)
{
	struct ff_strv argv = FF_STRV_INIT;
	struct ff_spawn spawn = {.exec_fd = -1, .stdin_null = true, .die_with_parent = true};
	int rc = ff_strv_add(&argv, "ssh");

	if (rc == 0)
		rc = ff_strv_add(&argv, "-GT"); /* T: or it grumbles about the missing terminal */
	if (rc == 0 && spec->ssh_config && *spec->ssh_config) {
		rc = ff_strv_add(&argv, "-F");
		if (rc == 0)
			rc = ff_strv_add(&argv, spec->ssh_config);
	}
	if (rc == 0)
		rc = ff_strv_split_blanks(&argv, spec->ssh);
	if (rc < 0) {
		ff_err_set(err, rc, "out of memory");
	} else {
		spawn.argv = argv.v;
		entry->process = ff_process_spawn(entry->loop, &spawn, &process_ops, entry, err);
		rc = entry->process ? 0 : err->code;
	}
	ff_strv_release(&argv);
	return rc;
}

/* Without an ssh program there is nobody to ask. */
static int from_words(struct ff_ssh_waiter *waiter, const struct ff_xspec *spec, struct ff_err *err)
{
	struct ff_ssh_config *config = ff_ssh_config_new();
	struct ff_strv words = FF_STRV_INIT;
	int rc = split_words(&words, spec->ssh, err);

	if (!config)
		rc = ff_err_set(err, FF_ENOMEM, "out of memory");
	if (rc == 0 && spec->ssh_config && *spec->ssh_config)
		rc = ff_err_set(err, FF_ECONFIG, "ssh_config needs the ssh program");
	if (rc == 0)
		rc = ff_ssh_config_from_words(config, &words, err);
	if (rc == 0)
		rc = add_prefix(config, &words, err);
	if (rc == 0)
		rc = ff_ssh_config_finish(config, err);
	ff_strv_release(&words);
	if (rc < 0) {
		ff_ssh_config_unref(config);
		return rc;
	}
	waiter->config = config;
	return 1;
}

int ff_ssh_resolve(struct ff_ssh_waiter *waiter, struct ff_loop *loop, const struct ff_xspec *spec,
		   struct ff_err *err)
{
	struct ff_err local;
	struct ff_ssh_entry *entry;
	char *key;
	int rc;

	waiter->entry = NULL;
	waiter->config = NULL;
	ff_list_init(&waiter->node);
	if (!ff_command_have_ssh())
		return from_words(waiter, spec, err);
	key = ff_asprintf("%s\n%s", spec->ssh_config ? spec->ssh_config : "", spec->ssh);
	if (!key)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	entry = entry_find(key, loop);
	if (entry && entry->config) {
		ff_free(key);
		waiter->config = ff_ssh_config_ref(entry->config);
		return 1;
	}
	if (entry) {
		ff_free(key);
	} else {
		entry = entry_new(key, loop);
		if (!entry)
			return ff_err_set(err, FF_ENOMEM, "out of memory");
		rc = start(entry, spec, err ? err : &local);
		if (rc < 0) {
			entry_free(entry);
			return rc;
		}
	}
	waiter->entry = entry;
	ff_list_add_tail(&entry->waiters, &waiter->node);
	return 0;
}

void ff_ssh_resolve_cancel(struct ff_ssh_waiter *waiter)
{
	struct ff_ssh_entry *entry = waiter->entry;

	if (!waiter->node.next)
		return;
	ff_list_del(&waiter->node);
	waiter->entry = NULL;
	if (entry && ff_list_empty(&entry->waiters))
		entry_free(entry);
}

void ff_ssh_resolve_clear(void)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &entries) {
		struct ff_ssh_entry *entry = ff_container_of(pos, struct ff_ssh_entry, node);

		if (entry->config)
			entry_free(entry);
	}
}
