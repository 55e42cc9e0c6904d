/* A client of ssh-agent that never blocks: lists its keys and has it sign.
 * Protocol: draft-miller-ssh-agent. Knows no session. */
#ifndef FF_TRANSPORT_SSH_AGENT_H
#define FF_TRANSPORT_SSH_AGENT_H

#include "base/buf.h"
#include "io/stream.h"
#include "transport/ssh_key.h"

struct ff_ssh_agent {
	struct ff_stream stream;
	struct ff_buf out, in;
	/* One question at a time. The answer came (agent->answer, valid during the call), or the
	 * agent is of no more use (agent->failed). */
	void (*answered)(struct ff_ssh_agent *agent);
	void (*closed)(struct ff_ssh_agent *agent);
	void *ctx;
	struct ff_ssh_reader answer; /* behind the type byte */
	int expect;		     /* the type of the answer, 0: no question asked */
	bool open, failed;
};

/* Connects to the socket `path`; 0, FF_ESYS (no agent there), FF_EINVAL (over-long path). `ctx`,
 * `answered` and `closed` are the caller's to set. */
int ff_ssh_agent_open(struct ff_ssh_agent *agent, struct ff_loop *loop, const char *path,
		      struct ff_err *err);
/* `closed` follows. */
void ff_ssh_agent_close(struct ff_ssh_agent *agent);

/* 0 or FF_ENOMEM. */
int ff_ssh_agent_list(struct ff_ssh_agent *agent);
int ff_ssh_agent_sign(struct ff_ssh_agent *agent, const struct ff_ssh_key *key, const uint8_t *data,
		      size_t len);

/* For answers to list: the number of keys, then each key. False: malformed or at the end. */
bool ff_ssh_agent_next_key(struct ff_ssh_reader *answer, const uint8_t **blob, size_t *len);
/* For answers to sign: the signature without its type. */
bool ff_ssh_agent_signature(struct ff_ssh_reader answer, const uint8_t **bytes, size_t *len);

#endif
