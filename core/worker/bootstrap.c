/* What is sent to start a worker: the python source line and the native worker's image. Knows no
 * transport and no loop. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "worker/bootstrap.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static const char bootstrap_code[] = "import sys;exec(eval(sys.stdin.readline()))";

/* Embedded by the build; each has a NUL behind it. */
#define SOURCES(X)                                                                                 \
	X(start)                                                                                   \
	X(green)                                                                                   \
	X(worker)                                                                                  \
	X(rsync)                                                                                   \
	X(command) X(proxy) X(configure) X(socketserver) X(fetch) X(stamp) X(talk) X(import)       \
		X(put)
#define X(name)                                                                                    \
	extern const unsigned char ff_source_##name[];                                             \
	extern const size_t ff_source_##name##_len;
SOURCES(X)
#undef X
extern const unsigned char ff_image_worker[];
extern const size_t ff_image_worker_len;

static int split_argv(struct ff_strv *argv, const struct ff_xspec *spec, const char *fallback,
		      struct ff_err *err)
{
	const char *python = spec->python && *spec->python ? spec->python : fallback;
	size_t before = argv->len;
	int rc = ff_strv_split(argv, python ? python : "python3", err);

	if (rc != 0)
		return ff_err_prefix(err, "python=%s: ", python);
	if (argv->len == before)
		return ff_err_set(err, FF_EINVAL, "python= names no program");
	if (ff_strv_add(argv, "-u") != 0 ||
	    (spec->dont_write_bytecode && ff_strv_add(argv, "-B") != 0) ||
	    ff_strv_add(argv, "-c") != 0 || ff_strv_add(argv, bootstrap_code) != 0)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	return 0;
}

static bool is_in_home(const char *word)
{
	return word[0] == '~' && (word[1] == '\0' || word[1] == '/');
}

int ff_bootstrap_python_argv(struct ff_strv *argv, const struct ff_xspec *spec,
			     const char *fallback, struct ff_err *err)
{
	const char *home = getenv("HOME");
	size_t before = argv->len;
	int rc = split_argv(argv, spec, fallback, err);

	for (size_t i = before; rc == 0 && i < argv->len; i++) {
		char *path;

		if (!is_in_home(argv->v[i]))
			continue;
		if (!home || !*home)
			return ff_err_set(err, FF_EINVAL, "python=%s: '~': HOME is not set",
					  spec->python);
		path = ff_asprintf("%s%s", home, argv->v[i] + 1);
		if (!path)
			return ff_err_set(err, FF_ENOMEM, "out of memory");
		ff_free(argv->v[i]);
		argv->v[i] = path;
	}
	return rc;
}

int ff_bootstrap_python_home_command(struct ff_buf *out, const struct ff_xspec *spec,
				     struct ff_err *err)
{
	struct ff_strv argv = FF_STRV_INIT;
	int rc = split_argv(&argv, spec, NULL, err);
	int added = ff_buf_addstr(out, "exec");

	for (size_t i = 0; rc == 0 && added == 0 && i < argv.len; i++) {
		const char *word = argv.v[i];

		added = ff_buf_addch(out, ' ');
		/* What a shell is to expand may not be quoted. */
		if (added == 0 && is_in_home(word)) {
			size_t plain = word[1] == '/' ? 2 : 1;

			added = ff_buf_add(out, word, plain);
			word += plain;
			if (!*word)
				continue;
		}
		if (added == 0)
			added = ff_shell_quote(out, word);
	}
	ff_strv_release(&argv);
	return rc == 0 && added != 0 ? ff_err_set(err, FF_ENOMEM, "out of memory") : rc;
}

int ff_bootstrap_python_command(struct ff_buf *out, const struct ff_xspec *spec,
				const char *fallback)
{
	const char *python = spec->python && *spec->python ? spec->python : fallback;

	return ff_buf_addf(out, "%s -u%s -c \"%s\"", python ? python : "python3",
			   spec->dont_write_bytecode ? " -B" : "", bootstrap_code);
}

/* One character of UTF-8 (the sources are well-formed) as the escape of a Python literal: the line
 * must survive any locale at the other end. */
static int add_escape(struct ff_buf *out, const unsigned char *text, size_t *used)
{
	unsigned int code = text[0];
	size_t more = code >= 0xf0 ? 3 : code >= 0xe0 ? 2 : code >= 0xc0 ? 1 : 0;

	if (more > 0)
		code &= 0x3fu >> more;
	for (size_t i = 1; i <= more; i++)
		code = code << 6 | (text[i] & 0x3fu);
	*used = more + 1;
	if (code <= 0xff)
		return ff_buf_addf(out, "\\x%02x", code);
	return ff_buf_addf(out, code <= 0xffff ? "\\u%04x" : "\\U%08x", code);
}

static int add_literal(struct ff_buf *out, const unsigned char *text, size_t len)
{
	int rc = 0;

	for (size_t i = 0, used; rc == 0 && i < len; i += used) {
		size_t plain = i;

		used = 1;
		while (plain < len && text[plain] >= ' ' && text[plain] < 0x7f &&
		       text[plain] != '\\' && text[plain] != '\'')
			plain++;
		if (plain > i) {
			rc = ff_buf_add(out, text + i, plain - i);
			used = plain - i;
		} else if (text[i] == '\n') {
			rc = ff_buf_addstr(out, "\\n");
		} else if (text[i] == '\\' || text[i] == '\'') {
			rc = ff_buf_addf(out, "\\%c", text[i]);
		} else {
			rc = add_escape(out, text + i, &used);
		}
	}
	return rc;
}

int ff_bootstrap_text_line(struct ff_buf *out, const char *text, size_t len)
{
	int rc = ff_buf_addch(out, '\'');

	if (rc == 0)
		rc = add_literal(out, (const unsigned char *)text, len);
	return rc == 0 ? ff_buf_addstr(out, "'\n") : rc;
}

int ff_bootstrap_python_line(struct ff_buf *out, const char *id, const char *execmodel, bool socket,
			     struct ff_err *err)
{
	bool green = execmodel &&
		     (strcmp(execmodel, "gevent") == 0 || strcmp(execmodel, "eventlet") == 0);
	struct ff_buf head = FF_BUF_INIT;
	int rc = socket ? 0 : ff_buf_addf(&head, "%s\n", &FF_BOOTSTRAP_MARK[1]);

	if (rc == 0)
		rc = ff_buf_addstr(&head, "FF_ID = '");
	if (rc == 0)
		rc = add_literal(&head, (const unsigned char *)id, strlen(id));
	if (rc == 0)
		rc = ff_buf_addf(&head, "'\nFF_EXECMODEL = '%s'\n%sFF_TEXT = '",
				 execmodel && *execmodel ? execmodel : "thread",
				 socket ? "FF_SOCKET = True\n" : "");
	if (rc == 0 && green)
		rc = add_literal(&head, ff_source_green, ff_source_green_len);
	if (rc == 0)
		rc = add_literal(&head, ff_source_worker, ff_source_worker_len);
	if (rc == 0)
		rc = ff_buf_addstr(&head, "'\n");
	if (rc == 0)
		rc = ff_buf_add(&head, ff_source_start, ff_source_start_len);
	if (rc == 0)
		rc = ff_bootstrap_text_line(out, (const char *)ff_buf_data(&head), head.len);
	ff_buf_release(&head);
	return rc == 0 ? 0 : ff_err_set(err, rc, "%s", ff_err_text(rc));
}

const char *ff_bootstrap_source(const char *name)
{
#define X(source)                                                                                  \
	if (strcmp(name, #source) == 0)                                                            \
		return (const char *)ff_source_##source;
	SOURCES(X)
#undef X
	return NULL;
}

void ff_bootstrap_image(const void **bytes, size_t *len)
{
	*bytes = ff_image_worker;
	*len = ff_image_worker_len;
}

static char image_hash[2 * EVP_MAX_MD_SIZE + 1];

static void compute_image_hash(void)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (EVP_Digest(ff_image_worker, ff_image_worker_len, digest, &len, EVP_sha256(), NULL) != 1)
		return;
	for (unsigned int i = 0; i < len; i++) {
		image_hash[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		image_hash[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
}

const char *ff_bootstrap_image_hash(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, compute_image_hash);
	return image_hash;
}

static int make_image_fd(struct ff_err *err)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

	fd = memfd_create("farflung-worker", flags | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* a kernel that does not know MFD_EXEC */
		fd = memfd_create("farflung-worker", flags);
	if (fd < 0)
		return ff_err_sys(err, errno, "cannot make a memory file");
	if (ff_write_all(fd, ff_image_worker, ff_image_worker_len)) {
		int errnum = errno;

		close(fd);
		return ff_err_sys(err, errnum, "cannot fill a memory file");
	}
	fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return fd;
}

int ff_bootstrap_image_fd(struct ff_err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int kept = -1;
	int fd;

	pthread_mutex_lock(&lock);
	if (kept < 0)
		kept = make_image_fd(err);
	fd = kept;
	pthread_mutex_unlock(&lock);
	return fd;
}
