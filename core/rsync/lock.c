/* The lock of a folder: a file that the process has flocked for as long as it lives, and in which
 * it says who it is. Only this room's receivers take it, and never let go of it. */
#include "rsync/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"

enum {
	WORD_MAX = 256, /* of one thing that is said of a holder */
	CONTENT_MAX = 2048,
	TRIES = 500, /* a millisecond apart: somebody is writing who he is */
	TRY_NS = 1000000,
};

static const char first_line[] = "farflung sync lock 1\n", last_line[] = "end\n";

/* Those of this process; they end with it. */
struct held {
	struct ff_list node;
	dev_t dev;
	ino_t ino;
	int fd;
	char owner[WORD_MAX];
};
static struct ff_list all_held = {&all_held, &all_held};
static pthread_mutex_t all_held_lock = PTHREAD_MUTEX_INITIALIZER;

/* Who holds a lock, as the file says. */
struct who {
	char owner[WORD_MAX], holder[WORD_MAX], worker[WORD_MAX], from[WORD_MAX], since[WORD_MAX];
};

/* Lines of a file: nothing that could end one, or play with a terminal. */
static void set_word(char word[WORD_MAX], const char *text)
{
	snprintf(word, WORD_MAX, "%s", text ? text : "");
	for (char *at = word; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
}

static void say_who(struct who *who, const char *owner, const char *holder)
{
	const char *user = getenv("USER"), *from = getenv("SSH_CONNECTION");
	char host[WORD_MAX / 4] = "?", text[WORD_MAX];
	time_t now = (time_t)(ff_clock_wall_us() / FF_SECOND_US);
	struct tm tm;

	if (!user || !*user)
		user = getenv("LOGNAME");
	(void)gethostname(host, sizeof(host) - 1);
	set_word(who->owner, owner);
	set_word(who->holder, holder);
	if (user && *user)
		snprintf(text, sizeof(text), "%.100s@%s pid %ld", user, host, (long)getpid());
	else
		snprintf(text, sizeof(text), "uid %ld at %s pid %ld", (long)geteuid(), host,
			 (long)getpid());
	set_word(who->worker, text);
	snprintf(text, sizeof(text), "%.*s", from ? (int)strcspn(from, " ") : 0, from ? from : "");
	set_word(who->from, text);
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	set_word(who->since, text);
}

static bool write_who(int fd, const struct who *who)
{
	char content[CONTENT_MAX];
	int len = snprintf(content, sizeof(content),
			   "%sowner %s\nholder %s\nworker %s\nfrom %s\nsince %s\n%s", first_line,
			   who->owner, who->holder, who->worker, who->from, who->since, last_line);

	return !ftruncate(fd, 0) && pwrite(fd, content, (size_t)len, 0) == len;
}

static const char *take_word(const char *at, const char *key, char word[WORD_MAX])
{
	size_t key_len = strlen(key), len;

	if (!at || strncmp(at, key, key_len) != 0)
		return NULL;
	at += key_len;
	len = strcspn(at, "\n");
	if (!at[len] || len >= WORD_MAX)
		return NULL;
	memcpy(word, at, len);
	word[len] = 0;
	return at + len + 1;
}

/* False: it is being written, or is nothing of ours. */
static bool read_who(int fd, struct who *who)
{
	char content[CONTENT_MAX];
	ssize_t len = pread(fd, content, sizeof(content) - 1, 0);
	const char *at = content;

	content[len > 0 ? len : 0] = 0;
	if (strncmp(at, first_line, sizeof(first_line) - 1) != 0)
		return false;
	at = take_word(at + sizeof(first_line) - 1, "owner ", who->owner);
	at = take_word(at, "holder ", who->holder);
	at = take_word(at, "worker ", who->worker);
	at = take_word(at, "from ", who->from);
	at = take_word(at, "since ", who->since);
	return at && !strcmp(at, last_line);
}

static int busy(const char *root, const struct who *who, struct ff_err *err)
{
	return ff_err_set(err, FF_EBUSY,
			  "%s: in use by another run: %s (run %s), worker %s%s%s, since %s", root,
			  *who->holder ? who->holder : "somebody", who->owner, who->worker,
			  *who->from ? ", from " : "", who->from, who->since);
}

static int open_lock(const struct ff_dest *dest)
{
	int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(dest->dir_fd, dest->lock, O_RDWR | flags);

	if (fd < 0 && errno == ENOENT)
		fd = openat(dest->dir_fd, dest->lock, O_RDWR | O_CREAT | O_EXCL | flags, 0644);
	/* Another user's: it can be looked at. */
	if (fd < 0 && errno == EACCES)
		fd = openat(dest->dir_fd, dest->lock, O_RDONLY | flags);
	return fd;
}

static struct held *find_held(const struct ff_dest *dest)
{
	struct ff_list *node;
	struct stat st;

	if (fstatat(dest->dir_fd, dest->lock, &st, AT_SYMLINK_NOFOLLOW))
		return NULL;
	ff_list_for_each(node, &all_held) {
		struct held *held = ff_container_of(node, struct held, node);

		if (held->dev == st.st_dev && held->ino == st.st_ino)
			return held;
	}
	return NULL;
}

static void drop(struct held *held)
{
	ff_list_del(&held->node);
	close(held->fd);
	ff_free(held);
}

static bool same_file(const struct ff_dest *dest, int fd, struct stat *st)
{
	struct stat there;

	return !fstat(fd, st) && S_ISREG(st->st_mode) &&
	       !fstatat(dest->dir_fd, dest->lock, &there, AT_SYMLINK_NOFOLLOW) &&
	       there.st_dev == st->st_dev && there.st_ino == st->st_ino;
}

enum { TAKEN = 1, AGAIN = 2 };

/* Tries once with an open lock file: TAKEN, AGAIN, FF_EBUSY, FF_EUNSUPPORTED. The file can only be
 * written to by who has it alone; then he shares it, and those join who have the same owner. */
static int try_lock(int fd, const struct who *me, struct who *other)
{
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		if (!write_who(fd, me))
			return FF_EUNSUPPORTED;
		/* The kernel lets go for a moment: look who has it then. */
		if (flock(fd, LOCK_SH | LOCK_NB) || !read_who(fd, other) ||
		    strcmp(other->owner, me->owner) != 0)
			return AGAIN;
		return TAKEN;
	}
	if (errno != EWOULDBLOCK)
		return errno == EINTR ? AGAIN : FF_EUNSUPPORTED;
	if (!read_who(fd, other))
		return AGAIN;
	if (strcmp(other->owner, me->owner) != 0)
		return FF_EBUSY;
	if (flock(fd, LOCK_SH | LOCK_NB) || !read_who(fd, other) ||
	    strcmp(other->owner, me->owner) != 0)
		return AGAIN;
	return TAKEN;
}

static int keep(int fd, const struct stat *st, const struct who *me)
{
	struct held *held = ff_calloc(1, sizeof(*held));

	if (!held)
		return FF_ENOMEM;
	held->dev = st->st_dev;
	held->ino = st->st_ino;
	held->fd = fd;
	memcpy(held->owner, me->owner, sizeof(held->owner));
	ff_list_add_tail(&all_held, &held->node);
	return TAKEN;
}

/* One attempt: TAKEN, AGAIN or a code. */
static int attempt(const struct ff_dest *dest, const struct who *me, struct who *other,
		   struct ff_err *err)
{
	struct held *held = find_held(dest);
	struct stat st;
	int fd, rc;

	if (held && !strcmp(held->owner, me->owner))
		return TAKEN;
	/* The same connection under another name: the old name's lock goes, unless it is shared. */
	if (held)
		drop(held);
	fd = open_lock(dest);
	if (fd < 0)
		return errno == EEXIST ? AGAIN : ff_err_sys(err, errno, "%s", dest->lock);
	if (!same_file(dest, fd, &st)) {
		close(fd);
		return S_ISREG(st.st_mode) ? AGAIN
					   : ff_err_set(err, FF_ESYS, "%s: is no file", dest->lock);
	}
	rc = try_lock(fd, me, other);
	/* Somebody may have removed it meanwhile. */
	if (rc == TAKEN && !same_file(dest, fd, &st))
		rc = AGAIN;
	if (rc == TAKEN)
		rc = keep(fd, &st, me);
	if (rc != TAKEN)
		close(fd);
	return rc;
}

int ff_dest_lock(const struct ff_dest *dest, const char *root, const char *owner,
		 const char *holder, struct ff_err *err)
{
	const struct timespec pause = {.tv_nsec = TRY_NS};
	struct who me, other = {.owner = "unknown", .worker = "unknown", .since = "unknown"};
	int rc = AGAIN;

	if (!*owner || strlen(owner) >= WORD_MAX)
		return ff_err_set(err, FF_EINVAL, "sync: bad owner");
	say_who(&me, owner, holder);
	for (int tries = 0; rc == AGAIN && tries < TRIES; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		pthread_mutex_lock(&all_held_lock);
		rc = attempt(dest, &me, &other, err);
		pthread_mutex_unlock(&all_held_lock);
	}
	switch (rc) {
	case TAKEN:
		return 0;
	case AGAIN:
	case FF_EBUSY:
		return busy(root, &other, err);
	case FF_ESYS:
		return ff_err_prefix(err, "%s: lock: ", root);
	default:
		return ff_err_set(err, rc, "%s: lock: %s", root, ff_err_text(rc));
	}
}
