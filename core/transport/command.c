/* Lines through a local program that carries stdin and stdout elsewhere. One row per program; what
 * the row says is all that differs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/command.h"
#include "transport/popen.h"

enum { SSH_UNREACHED = 255 };

struct row {
	const char *key;
	size_t member;		   /* offset of the key's value in struct ff_xspec */
	const char *const *before; /* the argv in front of the value's words */
	const char *const *after;  /* and behind them */
	size_t option_member;	   /* a value that goes behind `option`, 0: none */
	const char *option;
	bool option_last; /* after `after`, not after `before` */
	bool shell;	  /* the command is one word for a remote shell; else /bin/sh -c is put
			   * in front */
	int unreached_status;
};

#define WORDS(...)   ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define MEMBER(name) offsetof(struct ff_xspec, name)

enum { ROW_SSH, ROW_VAGRANT, ROW_DOCKER, ROW_KUBECTL, ROW_PODMAN, ROW_SRUN, ROWS };

static const struct row rows[ROWS] = {
	[ROW_SSH] =
		{
			.key = "ssh",
			.member = MEMBER(ssh),
			.before = WORDS("ssh", "-C", "-T", "-o", "BatchMode=yes"),
			.after = WORDS(),
			.option = "-F",
			.option_member = MEMBER(ssh_config),
			.shell = true,
			.unreached_status = SSH_UNREACHED,
		},
	[ROW_VAGRANT] =
		{
			.key = "vagrant_ssh",
			.member = MEMBER(vagrant_ssh),
			.before = WORDS("vagrant", "ssh"),
			.after = WORDS("--", "-C", "-T"),
			.option = "-F",
			.option_member = MEMBER(ssh_config),
			.option_last = true,
			.shell = true,
			.unreached_status = SSH_UNREACHED,
		},
	[ROW_DOCKER] =
		{
			.key = "docker",
			.member = MEMBER(docker),
			.before = WORDS("docker", "exec", "-i"),
			.after = WORDS(),
			.unreached_status = -1,
		},
	[ROW_KUBECTL] =
		{
			.key = "kubectl",
			.member = MEMBER(kubectl),
			.before = WORDS("kubectl", "exec", "-i"),
			.after = WORDS("--"),
			.option = "-n",
			.option_member = MEMBER(k8s_namespace),
			.unreached_status = -1,
		},
	[ROW_PODMAN] =
		{
			.key = "podman",
			.member = MEMBER(podman),
			.before = WORDS("podman", "exec", "-i"),
			.after = WORDS(),
			.unreached_status = -1,
		},
	[ROW_SRUN] =
		{
			.key = "srun",
			.member = MEMBER(srun),
			.before = WORDS("srun", "--ntasks=1", "--unbuffered"),
			.after = WORDS(),
			.unreached_status = -1,
		},
};

static const char *value_at(const struct ff_xspec *spec, size_t member)
{
	const char *value;

	memcpy(&value, (const char *)spec + member, sizeof(value));
	return value;
}

static int add_words(struct ff_strv *argv, const char *const *words)
{
	int rc = 0;

	for (; rc == 0 && *words; words++)
		rc = ff_strv_add(argv, *words);
	return rc;
}

static int add_option(struct ff_strv *argv, const struct row *row, const struct ff_xspec *spec)
{
	const char *value = row->option ? value_at(spec, row->option_member) : NULL;
	int rc;

	if (!value)
		return 0;
	rc = ff_strv_add(argv, row->option);
	return rc == 0 ? ff_strv_add(argv, value) : rc;
}

static int build(struct ff_strv *argv, const struct row *row, const struct ff_xspec *spec,
		 const char *command, struct ff_err *err)
{
	int rc = add_words(argv, row->before);

	if (rc == 0 && !row->option_last)
		rc = add_option(argv, row, spec);
	if (rc == 0)
		rc = ff_strv_split_blanks(argv, value_at(spec, row->member));
	if (rc == 0)
		rc = add_words(argv, row->after);
	if (rc == 0 && row->option_last)
		rc = add_option(argv, row, spec);
	if (rc == 0 && !row->shell)
		rc = add_words(argv, WORDS("/bin/sh", "-c"));
	if (rc == 0)
		rc = ff_strv_add(argv, command);
	return rc == 0 ? 0 : ff_err_set(err, rc, "%s", ff_err_text(rc));
}

static const struct row *find_row(const struct ff_xspec *spec)
{
	for (int i = 0; i < ROWS; i++) {
		if (value_at(spec, rows[i].member))
			return &rows[i];
	}
	return NULL;
}

int ff_command_argv(struct ff_strv *argv, const struct ff_xspec *spec, const char *command,
		    struct ff_err *err)
{
	const struct row *row = find_row(spec);

	if (!row)
		return ff_err_set(err, FF_EINVAL, "no program is known that reaches '%s'",
				  spec->text);
	return build(argv, row, spec, command, err);
}

bool ff_command_have_ssh(void)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path && *path) {
		size_t len = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/ssh", (int)len, path);
		if (access(file, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

static int open_row(struct ff_conn *conn, const struct row *row, const struct ff_launch *launch,
		    struct ff_err *err)
{
	struct ff_popen popen = {
		.exec_fd = -1,
		.new_session = true,
		.unreached_status = row->unreached_status,
	};
	struct ff_strv argv = FF_STRV_INIT;
	int rc = build(&argv, row, conn->spec, launch->command, err);

	if (rc == 0) {
		popen.argv = argv.v;
		snprintf(conn->peer, sizeof(conn->peer), "%s %s", row->key,
			 value_at(conn->spec, row->member));
		rc = ff_popen_start(conn, &popen, err);
	}
	ff_strv_release(&argv);
	return rc;
}

int ff_command_open_ssh(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err)
{
	const struct ff_transport *before = conn->transport;
	int rc;

	conn->transport = &ff_transport_ssh_program;
	rc = open_row(conn, &rows[ROW_SSH], launch, err);
	if (rc != 0)
		conn->transport = before;
	return rc;
}

#define DRIVER(symbol, row, text, member)                                                          \
	static bool handles_##symbol(const struct ff_xspec *spec)                                  \
	{                                                                                          \
		return spec->member && !spec->via;                                                 \
	}                                                                                          \
	static int open_##symbol(struct ff_conn *conn, const struct ff_launch *launch,             \
				 struct ff_err *err)                                               \
	{                                                                                          \
		return open_row(conn, &rows[row], launch, err);                                    \
	}                                                                                          \
	const struct ff_transport ff_transport_##symbol = {                                        \
		.name = text,                                                                      \
		.handles = handles_##symbol,                                                       \
		.launches = true,                                                                  \
		.open = open_##symbol,                                                             \
		.flush = ff_popen_flush,                                                           \
		.read = ff_popen_read,                                                             \
		.close_write = ff_popen_close_write,                                               \
		.kill = ff_popen_kill,                                                             \
		.release = ff_popen_release,                                                       \
	}

DRIVER(ssh_program, ROW_SSH, "ssh", ssh);
DRIVER(vagrant_ssh, ROW_VAGRANT, "vagrant_ssh", vagrant_ssh);
DRIVER(docker, ROW_DOCKER, "docker", docker);
DRIVER(kubectl, ROW_KUBECTL, "kubectl", kubectl);
DRIVER(podman, ROW_PODMAN, "podman", podman);
DRIVER(srun, ROW_SRUN, "srun", srun);
