/* What the files of this room share. */
#ifndef FF_NOTIFY_PRIVATE_H
#define FF_NOTIFY_PRIVATE_H

#include <jansson.h>

#include "base/buf.h"
#include "notify/notify.h"

/* --- facts.c: what is known of a run, and the words for it --- */

enum { FF_NOTIFY_INTERRUPTED = 130 }; /* exit code of a run that was */
enum { FF_FACTS_LISTED_MAX = 20 };    /* units or hosts that are told one by one */

struct ff_facts;
struct ff_facts *ff_facts_new(const struct ff_config *config);
void ff_facts_free(struct ff_facts *facts);
/* What is to be told now, as bits by ff_notify_when; the end is for who calls. */
unsigned ff_facts_event(struct ff_facts *facts, const struct ff_event *event);
/* Which of failure, recovery, flaky and finish hold; `home` is where earlier runs' journals are. */
unsigned ff_facts_end(struct ff_facts *facts, const char *home, int exit_code);
/* The document of README's "notify". `whens` holds; the caller's. */
json_t *ff_facts_document(const struct ff_facts *facts, unsigned whens);
/* One that has all keys, for tests of receivers and templates. */
json_t *ff_facts_sample(const struct ff_config *config);

const char *ff_notify_word(enum ff_notify_when when);
/* A copy that is UTF-8, at most `max` bytes of it. The caller's to free. */
char *ff_notify_text(const char *text, size_t max);
/* A text of the document; "": it has none. */
const char *ff_notify_get(const json_t *document, const char *key);

/* --- notice.c --- */

/* The first of these that the receiver wants; FF_NOTIFY_WHENS: none. */
enum ff_notify_when ff_notice_when(unsigned whens, const struct ff_config_receiver *receiver);
struct ff_notice {
	unsigned whens;	 /* 0: it has its event */
	int number;	 /* of the run's */
	size_t receiver; /* its number */
};
/* A copy with what is the receiver's own: id, event and link. The caller's. */
json_t *ff_notice_for(const json_t *document, const struct ff_config_receiver *receiver,
		      const struct ff_notice *notice);

/* --- earlier.c --- */

/* A run, as far as it has to be the same. */
struct ff_earlier {
	const char *run_id, *file, *shard;
	int64_t began_us;
	const struct ff_strv *jobs; /* names, sorted */
};
/* Whether the run before this one that had the same file, jobs and shard, and came to an end of its
 * own, has failed; then its id in *id (the caller's to free). */
bool ff_earlier_failed(const char *home, const struct ff_earlier *own, char **id);
/* The file's absolute name. The caller's to free. */
char *ff_earlier_file(const char *directory, const char *path);
/* The same of a RUN_STARTED; without a file its whole command line says what it is of. */
char *ff_earlier_what(const struct ff_event *started);
/* "K/N" in a command line, or "". The caller's to free. */
char *ff_earlier_shard(const char *command_line);
void ff_earlier_sort(struct ff_strv *names);

/* --- template.c: JSON whose texts have placeholders --- */

/* NULL: it is no JSON, or has a placeholder that `sample` has not. The caller's. */
json_t *ff_template_read(const char *text, const json_t *sample, struct ff_err *err);
/* A copy with what the placeholders stand for. A text that is nothing but one becomes its value: a
 * number, a list. */
json_t *ff_template_fill(const json_t *template, const json_t *document);
/* The same of one text, which stays a text. */
json_t *ff_template_text(const char *text, const json_t *document);
/* 0, or FF_ECONFIG: it has a placeholder that `sample` has not. */
int ff_template_check(const char *text, const json_t *sample, struct ff_err *err);

/* --- request.c, forms.c, mail.c: how each receiver is told --- */

enum ff_request_kind { FF_REQUEST_HTTP, FF_REQUEST_MAIL, FF_REQUEST_COMMAND };

/* Everything is its own, save the receiver. */
struct ff_request {
	enum ff_request_kind kind;
	const struct ff_config_receiver *receiver;
	char *url;
	const char *method;
	struct ff_strv headers; /* of HTTP; of a command NAME=VALUE */
	struct ff_buf body;	/* JSON, or the whole mail */
	const char *user, *password;
};

/* `target`: of a status, see ff_request_target. FF_ECONFIG: it can't be made. */
int ff_request_make(struct ff_request *request, const struct ff_config_receiver *receiver,
		    const json_t *document, const json_t *target, struct ff_err *err);
void ff_request_release(struct ff_request *request);
/* Which repository and commit a status is for, now and here: NULL: there is none, err says why.
 * Needs none: an empty object. The caller's. */
json_t *ff_request_target(const struct ff_config_receiver *receiver, const char *directory,
			  struct ff_err *err);

/* The body of each form; the caller's. */
json_t *ff_form_slack(const json_t *document);
json_t *ff_form_mattermost(const json_t *document);
json_t *ff_form_discord(const json_t *document);
json_t *ff_form_teams(const json_t *document);
json_t *ff_form_github(const json_t *document, const char *context);
json_t *ff_form_gitlab(const json_t *document, const char *context);

/* The mail as SMTP sends it, lines with CRLF. */
void ff_mail_write(struct ff_buf *out, const struct ff_config_receiver *receiver,
		   const json_t *document);
/* Why it can be no address of a mail; NULL: it can. */
const char *ff_mail_fault(const char *address);

/* --- post.c: HTTP and SMTP by libcurl, as export.c uses it --- */

struct ff_told {
	bool sent;
	bool again;	  /* it may work later */
	int64_t after_us; /* the server asked for that; 0 */
	char words[512];  /* why not, or what came back; one line */
};

struct ff_post;
/* `done` is called from ff_post_work, once for each that was added. NULL: no libcurl. */
struct ff_post *ff_post_new(void (*done)(void *ctx, void *what, const struct ff_told *outcome),
			    void *ctx, struct ff_err *err);
void ff_post_free(struct ff_post *post); /* what is not done is ended; NULL is fine */
/* `request` stays until it is done. */
int ff_post_add(struct ff_post *post, const struct ff_request *request, void *what,
		struct ff_err *err);
/* Waits for bytes, for one of the descriptors, or so long; does what can be done. */
struct pollfd;
void ff_post_work(struct ff_post *post, struct pollfd *fds, unsigned fds_len, int wait_ms);

/* The file of certificates to go by: `given`, or as curl, the program, looks for it; NULL. */
const char *ff_post_authorities(const char *given);
/* For CURLOPT_OPENSOCKETFUNCTION (its purpose is an enum of curl.h): no child that is started
 * meanwhile has the socket, too. */
struct curl_sockaddr;
int ff_post_open_socket(void *ctx, int purpose, struct curl_sockaddr *address);

/* --- command.c --- */

struct ff_told_command;
struct ff_told_command *ff_told_command_start(const struct ff_request *request,
					      const char *directory, struct ff_err *err);
int ff_told_command_fd(const struct ff_told_command *command); /* -1: nothing more comes */
/* False: it still runs. */
bool ff_told_command_done(struct ff_told_command *command, int64_t now_us, struct ff_told *outcome);
void ff_told_command_free(struct ff_told_command *command); /* what runs is killed */

/* --- queue.c: a folder, a file for each that is to be told something --- */

enum {
	FF_QUEUE_MAX = 1000,	     /* entries; no more are added */
	FF_QUEUE_FILE_MAX = 1 << 20, /* bytes */
	FF_QUEUE_DAYS = 7,	     /* what is older is of no use */
};

/* Held by us alone from take or put to close. */
struct ff_queued {
	char *path;
	int fd;
	json_t *root; /* id, receiver, file, queued, tries, error, target, notice */
};

/* The folder, which is made; the caller's to free. */
char *ff_queue_folder(const char *home);
/* It is on the disk, and ours. FF_ESYS, FF_ETOOBIG. Takes over `root`. */
int ff_queue_put(struct ff_queued *queued, const char *folder, json_t *root, struct ff_err *err);
/* Ids of all, the oldest first; 0 or FF_ESYS. No folder: none. */
int ff_queue_scan(const char *folder, struct ff_strv *ids, struct ff_err *err);
/* False: it is gone, somebody else's, or broken (then it is removed). */
bool ff_queue_take(struct ff_queued *queued, const char *folder, const char *id);
/* The same without making it ours: for who only looks. */
json_t *ff_queue_look(const char *folder, const char *id);
bool ff_queue_is_old(const json_t *root);
void ff_queue_remove(struct ff_queued *queued);			 /* it was sent */
void ff_queue_keep(struct ff_queued *queued, const char *error); /* it was not */

/* --- courier.c: the thread --- */

struct ff_courier_opts {
	const struct ff_notify_opts *notify;
	bool once;    /* no further tries */
	bool unkept;  /* nothing is queued */
	bool old_too; /* what is in the queue is sent */
};

struct ff_delivery {
	const struct ff_config_receiver *receiver;
	struct ff_queued queued;
	char *id;
	json_t *notice, *target; /* of queued.root, or its own */
	bool old;		 /* of an earlier run, or given up before: it has one try */
	bool hopeless;		 /* to be tried once more in this run */
	enum { FF_DELIVERY_WAITS, FF_DELIVERY_GOES, FF_DELIVERY_SENT, FF_DELIVERY_FAILED } state;
	int64_t due_us;
	int tries;
	char words[512]; /* of the last try */
	struct ff_request request;
	struct ff_told_command *command;
};

struct ff_courier;
struct ff_courier *ff_courier_new(const struct ff_courier_opts *opts);
/* Tells all receivers that want one of these; takes over `document`. From the thread that made the
 * courier. `only`: this one, whatever it wants; NULL. */
void ff_courier_add(struct ff_courier *courier, json_t *document, unsigned whens,
		    const struct ff_config_receiver *only);
/* What is added from now on is the last: what was given up before goes first, once more. */
void ff_courier_close(struct ff_courier *courier);
/* Returns when all is sent or given up, at the latest then. */
void ff_courier_finish(struct ff_courier *courier, int64_t wait_us);
/* Ends that; also from a signal handler. */
void ff_courier_abandon(struct ff_courier *courier);
/* After finish. */
size_t ff_courier_len(const struct ff_courier *courier);
const struct ff_delivery *ff_courier_at(const struct ff_courier *courier, size_t index);
void ff_courier_free(struct ff_courier *courier);

/* "HOST" of an URL, with its scheme, and nothing that may be secret; or the form. */
void ff_notify_whereto(struct ff_buf *out, const struct ff_config_receiver *receiver);
/* The file that receivers are looked up in, absolute; "-": standard input. The caller's to free. */
char *ff_notify_file(const struct ff_config *config);

#endif
