/* What the files of act share. */
#ifndef FF_DISPATCH_ACT_PRIVATE_H
#define FF_DISPATCH_ACT_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "dispatch/act.h"
#include "dispatch/tree_note.h"
#include "event/output.h"
#include "rsync/send.h"
#include "transport/open.h"

struct act_host {
	struct ff_act *act;
	uint32_t number, tries;
	const struct ff_host *host;
	struct ff_gateway *foreman; /* NULL unless open or opening */
	struct ff_channel *probe;   /* of the probe under way */
	uint32_t probing;	    /* for this payload */
	uint32_t removal;	    /* the channel that removes inputs there, the latest; 0 */
	struct ff_output probe_output;
	int64_t opened_us, open_us; /* when its opening began, and how long it took */
	char *workdir;		    /* absolute; where payloads run */
	size_t amiss;		    /* with tree.strict: what could not be brought as it is, */
	char *amiss_text;	    /* and the first of it; NULL */
	struct ff_arena arena;
	struct ff_fact *facts; /* of the latest probe */
	size_t facts_len;
	struct ff_list templates; /* act_template.c's */
	struct act_turns *turns;  /* act_turns.c's; NULL */
	struct act_setup *setup;  /* act_setup.c's; NULL */
	struct ff_strv vars;	  /* NAME=value, that its setup has exported */
};

/* All that it has, as far as its worker knows; 0: unknown. */
struct ff_capacity ff_act_capacity(const struct act_host *host);

/* A session's worker. */
struct act_worker {
	struct ff_list node; /* in act->all_workers */
	struct act_host *host;
	uint32_t number, job, tries; /* of the host when it started */
	uint32_t count;
	char id[32];
	struct ff_gateway *gateway;
	struct ff_channel *channel;
	struct ff_output said; /* on its stderr */
	/* The same since the running unit began, and between that and the beginning before: it may
	 * be here sooner than the word that the unit has begun, which comes by another pipe. */
	struct ff_output lately, before;
	bool finished; /* it has said its last */
	bool ended;    /* WORKER_ENDED was put */
	bool waits_turn, has_turn;
};

enum act_stage {
	ACT_RUNS,   /* its command; of most that is all */
	ACT_SENDS,  /* files of ours that it needs */
	ACT_ASKS,   /* whether that need be run */
	ACT_STAMPS, /* it has succeeded: that is noted */
};

struct act_execution {
	struct ff_list node; /* in act->all_executions */
	struct ff_act *act;
	struct act_host *host;
	uint32_t number, job;
	uint32_t slot; /* from 1: no other that runs has it, but who follows it; 0: none */
	struct ff_channel *channel;
	struct ff_output out[2]; /* stdout, stderr; free of secrets */
	struct ff_mask_stream masked[2];
	void *reader; /* its payload's; NULL: that has none */
	bool discovers;
	enum act_stage stage;
	bool answered;		   /* the stage's question */
	bool guarded;		   /* with up_to_date */
	struct act_supply *inputs; /* act_supply.c's; NULL */
	/* With stages: */
	uint32_t unit, attempt, count, tries; /* tries: of the host */
	int64_t timeout_us;
	char *name, *detail;   /* of the unit */
	char digest[64];       /* of what it depends on */
	struct ff_input *held; /* how its command ended, until that is noted; NULL */
	bool over;	       /* EXEC_FINISHED or EXEC_ENDED was put, or nobody waits for it */
};

/* What is known of files that units have got, act_supply.c's. */
struct act_supply_known;

/* What a unit has left on its host is brought here. */
struct act_fetch {
	struct ff_list node; /* in act->all_fetches */
	struct act_host *host;
	uint32_t execution, job;
	struct ff_channel *channel; /* NULL: it is no more */
	char *root;		    /* the folder there */
	struct ff_fetch *files;
	char *folder;
	bool over; /* EXEC_FETCHED was put, or nobody waits for it */
};

/* A job's front. */
struct ff_process;
struct act_front {
	struct ff_list node; /* in act->all_fronts */
	struct ff_act *act;
	uint32_t job;
	struct ff_gateway *gateway;
	struct ff_channel *channel;
	struct ff_process *probe; /* that looks for an interpreter, NULL */
	struct ff_buf found;	  /* what that has written */
	const char *named;	  /* what it looks for; NULL: any */
	uint32_t tried;		  /* of those who may have named one */
	bool vainly;		  /* one that was named is not here */
	struct ff_order_worker *planned;
	uint32_t planned_len;
	struct ff_arena arena;
	struct ff_list queue; /* what it is told, until its channel takes it */
	size_t queued;	      /* bytes of that */
	struct ff_timer held; /* looks at its terminal */
	bool full;	      /* FRONT_FULL was put */
	bool finished;	      /* it has said its last */
	bool ended;	      /* FRONT_ENDED was put, or nobody waits for it */
};

struct ff_act {
	struct ff_act_opts opts;
	const struct ff_config *config;
	const struct ff_strv *reports; /* of the command line; NULL */
	const struct ff_plan *plan;
	const struct ff_inventory *inventory;
	struct ff_group *group;
	struct act_host *hosts;
	uint32_t room;		  /* of these: further ones may come to the inventory */
	struct ff_map workers;	  /* number + 1 -> act_worker */
	struct ff_map executions; /* number -> act_execution */
	struct ff_map fronts;	  /* job + 1 -> act_front */
	struct ff_list all_workers, all_executions, all_fronts, all_fetches;
	uint8_t *slots; /* how many executions have each; the first is none */
	uint32_t slots_len;
	uint64_t *paused_jobs; /* bits: their fronts are full */
	struct ff_rsync *rsync;
	struct act_own_setup *own_setup; /* act_setup_run.c's; NULL */
	struct ff_strv vars;		 /* NAME=value, that the run's setup has exported */
	struct ff_tree_note *note;	 /* of the tree; NULL */
	struct act_supply_known *inputs; /* NULL: nobody has got any */
	struct ff_map told;		 /* problems of the tree */
	char *holder;			 /* who we are, for those who find a folder locked */
	uint32_t crowd;			 /* see crowd_of; 0: unknown yet */
	bool paused;
};

void ff_act_put(struct ff_act *act, struct ff_input *input);
const char *ff_act_run_id(const struct ff_act *act);
/* The host's connection is there. */
bool ff_act_host_open(const struct act_host *host);

/* --- act_host.c --- */
void ff_act_open_host(struct ff_act *act, const struct ff_order *order);
void ff_act_close_host(struct ff_act *act, const struct ff_order *order);
void ff_act_host_release(struct act_host *host);
/* A local host's own directory, an absolute path; NULL: it names none. Malloc'd. */
char *ff_act_local_dir(const struct ff_config *config, const struct ff_host *host);

/* What its sessions are started with. */
const char *ff_act_interpreter(const struct act_host *host);
/* Whether nothing is read from the job's workers for the moment. */
bool ff_act_job_paused(const struct ff_act *act, uint32_t job);

/* --- act_prepare.c --- */
void ff_act_sync_host(struct ff_act *act, const struct ff_order *order);
void ff_act_probe_host(struct ff_act *act, const struct ff_order *order);

/* --- act_worker.c --- */
void ff_act_open_worker(struct ff_act *act, const struct ff_order *order);
void ff_act_worker_order(struct ff_act *act, const struct ff_order *order);
/* Its task, when it has its turn. */
void ff_act_start_session(struct act_worker *worker);
void ff_act_worker_free(struct ff_act *act, struct act_worker *worker);
/* A unit begins on it. */
void ff_act_worker_begins(struct act_worker *worker);
/* Its session has said its last: it may take its time to end. */
void ff_act_worker_finished(struct act_worker *worker);

/* --- act_template.c: what workers on a host may be forked from --- */
void ff_act_templates_init(struct act_host *host);
void ff_act_templates_release(struct act_host *host);
/* The text for it, which stays until the host's release; NULL: none. */
const char *ff_act_template(struct act_worker *worker);
/* Whether this worker is the one of its job on its host that tells what it imports. */
bool ff_act_template_asks(struct act_worker *worker);
/* It is gone: if it was to tell and has not, another one is. */
void ff_act_template_gone(const struct act_worker *worker);
/* It tells; and a template could not be had, so what was told before is out of date. */
void ff_act_template_told(struct act_worker *worker, const char *text);
void ff_act_template_failed(struct act_worker *worker, const char *why);

/* How long a session of its job keeps a CPU of its host busy before its first unit; 0: unknown. */
int64_t ff_act_template_turn_us(struct act_worker *worker);

/* --- act_turns.c: sessions that begin one after the other --- */
/* Whether it may begin now; else ff_act_start_session is called when it may. */
bool ff_act_turn_take(struct act_worker *worker);
/* Its first unit begins, or none will; it waits no more, either. */
void ff_act_turn_over(struct act_worker *worker);
void ff_act_turns_release(struct act_host *host);

/* --- act_execution.c --- */
void ff_act_execute(struct ff_act *act, const struct ff_order *order);
void ff_act_drop(struct ff_act *act, const struct ff_order *order);
void ff_act_rest(struct ff_act *act, const struct ff_order *order);
void ff_act_withdraw(struct ff_act *act, const struct ff_order *order);
void ff_act_execution_free(struct act_execution *execution);

/* The folder below the host's working directory, or absolute; NULL: that one. Malloc'd. */
char *ff_act_absolute(const struct act_host *host, const char *cwd);

/* --- act_fresh.c --- */
/* Whether it has to be run; or (write) it has been. NULL and err. */
struct ff_channel *ff_act_fresh_ask(struct act_execution *execution, bool write,
				    struct ff_err *err);
/* The answer; FF_EPROTO. */
int ff_act_fresh_item(struct act_execution *execution, const struct ff_value *item, bool *fresh);

/* --- act_supply.c --- */
/* Looks for the files in a thread; then calls ff_act_supply_found, unless it was freed before. */
void ff_act_supply_begin(struct act_execution *execution);
/* In the file of executions: they are known (error NULL), or can't be sent. */
void ff_act_supply_found(struct act_execution *execution, const char *error);
/* The channel on which they are sent; NULL and err. */
struct ff_channel *ff_act_supply_send(struct act_execution *execution, struct ff_err *err);
/* The host's answer; FF_EPROTO. */
int ff_act_supply_item(struct act_execution *execution, const struct ff_value *item);
/* The channel's end marker came: whether, if that is no error, all is there. */
bool ff_act_supply_sent(struct act_execution *execution);
/* It is, for who goes on with this run. */
void ff_act_supply_note(struct act_execution *execution);
/* The unit has ended: what was sent for it, and no other unit has got or found there, is removed.
 */
void ff_act_supply_clean(struct ff_act *act, const struct ff_order *order);
/* What was brought from there is to go with it. */
void ff_act_supply_brought(struct ff_act *act, uint32_t execution, uint32_t host, const char *to,
			   const struct ff_map *paths);
/* NULL is fine. */
void ff_act_supply_free(struct act_supply *inputs);
/* Waits for the threads. */
void ff_act_supply_end(struct ff_act *act);

/* --- act_setup.c --- */
/* SET_UP, TEAR_DOWN, DROP_SETUP. */
void ff_act_setup(struct ff_act *act, const struct ff_order *order);
void ff_act_setup_drop(struct act_host *host);
/* Lines NAME=VALUE; later ones win. False: `error` says which line is none. */
bool ff_act_read_vars(struct ff_strv *vars, const struct ff_value *bytes, char error[120]);
/* As a list. */
struct ff_value ff_act_texts(const struct ff_strv *texts, struct ff_arena *arena);
/* --- act_setup_run.c: the same orders, for host FF_NOBODY --- */
void ff_act_own_setup(struct ff_act *act, const struct ff_order *order);
void ff_act_own_setup_drop(struct ff_act *act);
/* What the run's setup exports, and the host's, comes before the job's own variables. */
void ff_act_add_vars(const struct act_host *host, struct ff_payload_job *job,
		     struct ff_arena *arena);

/* --- act_fetch.c --- */
void ff_act_fetch(struct ff_act *act, const struct ff_order *order);
/* Nobody waits for what this execution has left any more. */
void ff_act_fetch_drop(struct ff_act *act, uint32_t execution);
/* Where all of it is brought to. Malloc'd. */
char *ff_act_collect_folder(const struct ff_act *act);
void ff_act_fetch_free(struct act_fetch *fetch);

/* --- act_front.c --- */
void ff_act_open_front(struct ff_act *act, const struct ff_order *order);
void ff_act_tell_front(struct ff_act *act, const struct ff_order *order);
void ff_act_pass_on(struct ff_act *act, const struct ff_order *order);
void ff_act_end_front(struct ff_act *act, const struct ff_order *order);
void ff_act_front_free(struct ff_act *act, struct act_front *front);

/* --- act_sink.c: what payloads say, as inputs --- */
/* ctx is one of these. */
struct act_speaker {
	struct ff_act *act;
	uint32_t worker, execution; /* one of them holds */
	struct act_worker *session;
};
extern const struct ff_payload_sink ff_act_session_sink;
/* ctx is a struct act_front. */
extern const struct ff_front_sink ff_act_front_sink;

#endif
