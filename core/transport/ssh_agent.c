/* The agent's side of publickey authentication. Whatever goes wrong here only means that there are
 * fewer keys to try. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/ssh_agent.h"

enum {
	MESSAGE_MAX = 256 * 1024, /* the agent's own limit */
	REQUEST_IDENTITIES = 11,
	IDENTITIES_ANSWER = 12,
	SIGN_REQUEST = 13,
	SIGN_RESPONSE = 14,
	LENGTH_SIZE = 4,
};

static void fail(struct ff_ssh_agent *agent)
{
	if (agent->failed)
		return;
	agent->failed = true;
	agent->expect = 0;
	agent->answered(agent);
}

static void take_message(struct ff_ssh_agent *agent, struct ff_ssh_reader message)
{
	if (message.left == 0 || agent->expect == 0) {
		fail(agent);
		return;
	}
	/* A refusal has another type: an empty answer. */
	if (message.at[0] == agent->expect)
		agent->answer = (struct ff_ssh_reader){message.at + 1, message.left - 1};
	else
		agent->answer = (struct ff_ssh_reader){message.at, 0};
	agent->expect = 0;
	agent->answered(agent);
}

static void agent_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	struct ff_ssh_agent *agent = ctx;
	struct ff_ssh_reader reader;
	const uint8_t *message;
	size_t size;
	uint32_t announced = 0;

	if (ff_buf_add(&agent->in, bytes, len) < 0) {
		fail(agent);
		return;
	}
	reader = (struct ff_ssh_reader){ff_buf_data(&agent->in), agent->in.len};
	if (ff_ssh_get_string(&reader, &message, &size)) {
		struct ff_buf taken = agent->in;

		/* The answer may lead to the next question. */
		ff_buf_init(&agent->in, MESSAGE_MAX);
		take_message(agent, (struct ff_ssh_reader){message, size});
		ff_buf_release(&taken);
	} else if (ff_ssh_get_u32(&reader, &announced) && announced > MESSAGE_MAX - LENGTH_SIZE) {
		fail(agent);
	}
}

static void agent_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	fail(ctx);
}

static void agent_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	if (err)
		fail(ctx);
}

static const struct ff_stream_ops stream_ops = {
	.data = agent_data,
	.eof = agent_eof,
	.drained = agent_drained,
};

int ff_ssh_agent_open(struct ff_ssh_agent *agent, struct ff_loop *loop, const char *path,
		      struct ff_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, rc;

	agent->open = agent->failed = false;
	agent->expect = 0;
	if (strlen(path) >= sizeof(address.sun_path))
		return ff_err_set(err, FF_EINVAL, "%s: too long for a socket", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ff_err_sys(err, errno, "socket");
	/* For local sockets this succeeds or fails at once. */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = ff_err_sys(err, errno, "%s", path);
		close(fd);
		return rc;
	}
	ff_buf_init(&agent->out, MESSAGE_MAX);
	ff_buf_init(&agent->in, MESSAGE_MAX);
	rc = ff_stream_open(&agent->stream, loop, fd, &agent->out, &stream_ops, agent, err);
	if (rc < 0)
		return rc;
	agent->open = true;
	ff_stream_read(&agent->stream, true);
	return 0;
}

static void stream_closed(struct ff_stream *stream, void *ctx)
{
	struct ff_ssh_agent *agent = ctx;

	ff_buf_release(&agent->out);
	ff_buf_release(&agent->in);
	agent->closed(agent);
}

void ff_ssh_agent_close(struct ff_ssh_agent *agent)
{
	agent->open = false;
	agent->failed = true;
	ff_stream_close(&agent->stream, stream_closed);
}

static int add_u32(struct ff_buf *buf, size_t number)
{
	uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
			    (uint8_t)(number >> 8), (uint8_t)number};

	return ff_buf_add(buf, bytes, sizeof(bytes));
}

static int add_string(struct ff_buf *buf, const uint8_t *bytes, size_t len)
{
	int rc = add_u32(buf, len);

	return rc < 0 ? rc : ff_buf_add(buf, bytes, len);
}

int ff_ssh_agent_list(struct ff_ssh_agent *agent)
{
	int rc = add_u32(&agent->out, 1);

	if (rc == 0)
		rc = ff_buf_addch(&agent->out, REQUEST_IDENTITIES);
	if (rc < 0)
		return rc;
	agent->expect = IDENTITIES_ANSWER;
	ff_stream_flush(&agent->stream);
	return 0;
}

int ff_ssh_agent_sign(struct ff_ssh_agent *agent, const struct ff_ssh_key *key, const uint8_t *data,
		      size_t len)
{
	int rc = add_u32(&agent->out, 1 + 4 + key->blob_len + 4 + len + 4);

	if (rc == 0)
		rc = ff_buf_addch(&agent->out, SIGN_REQUEST);
	if (rc == 0)
		rc = add_string(&agent->out, key->blob, key->blob_len);
	if (rc == 0)
		rc = add_string(&agent->out, data, len);
	if (rc == 0)
		rc = add_u32(&agent->out, 0); /* flags */
	if (rc < 0)
		return rc;
	agent->expect = SIGN_RESPONSE;
	ff_stream_flush(&agent->stream);
	return 0;
}

bool ff_ssh_agent_next_key(struct ff_ssh_reader *answer, const uint8_t **blob, size_t *len)
{
	const uint8_t *comment;
	size_t comment_len;

	return ff_ssh_get_string(answer, blob, len) &&
	       ff_ssh_get_string(answer, &comment, &comment_len);
}

bool ff_ssh_agent_signature(struct ff_ssh_reader answer, const uint8_t **bytes, size_t *len)
{
	struct ff_ssh_reader inner;
	const uint8_t *type;
	size_t type_len;

	if (!ff_ssh_get_string(&answer, &inner.at, &inner.left))
		return false;
	return ff_ssh_get_string(&inner, &type, &type_len) && ff_ssh_get_string(&inner, bytes, len);
}
