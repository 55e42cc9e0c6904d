/* Temporary files that killed syncs left behind. A sync that is at work has a share of its root
 * (a flock on the directory itself); whoever gets the root alone knows that nobody else is. */
#include "rsync/receiver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	STALE_AFTER_S = 600, /* where nothing can be locked, or somebody else is at work */
	TRIES = 200,	     /* a millisecond apart: another sync cleans up */
	TRY_NS = 1000000,
};

void ff_receive_share(struct ff_rsync_receive *r)
{
	const struct timespec pause = {.tv_nsec = TRY_NS};

	for (int tries = 0; tries < TRIES; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		if (!flock(r->place.root_fd, LOCK_SH | LOCK_NB) || errno != EWOULDBLOCK)
			return;
	}
}

static bool is_stale(int dir_fd, const char *name, bool alone)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) || S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid())
		return false;
	return alone || st.st_mtim.tv_sec < ff_clock_wall_us() / FF_SECOND_US - STALE_AFTER_S;
}

/* Nothing is deleted while a directory is read: a name could be passed over. */
static int gather(int dir_fd, struct ff_strv *found)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *one;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return FF_ESYS;
	}
	while (!rc && (one = readdir(stream)))
		if (ff_rsync_is_temp(one->d_name))
			rc = ff_strv_add(found, one->d_name);
	closedir(stream);
	return rc;
}

/* What was there before we had the root alone is nobody's. For a moment only: who comes meanwhile
 * waits for his share. */
bool ff_receive_sweep_fd(struct ff_rsync_receive *r, int dir_fd, bool *left)
{
	struct ff_strv found = FF_STRV_INIT;
	bool went = false, alone;

	*left = false;
	if (!gather(dir_fd, &found) && found.len) {
		alone = !flock(r->place.root_fd, LOCK_EX | LOCK_NB);
		for (size_t i = 0; i < found.len; i++) {
			if (is_stale(dir_fd, found.v[i], alone) && !unlinkat(dir_fd, found.v[i], 0))
				went = true;
			else
				*left = true;
		}
		/* Also an attempt that failed has cost us our share. */
		ff_receive_share(r);
	}
	ff_strv_release(&found);
	return went;
}

int ff_receive_sweep(struct ff_rsync_receive *r, uint32_t dir, struct ff_err *err)
{
	int fd = ff_receive_dirty_dir(r, dir, err);
	bool left;

	if (fd < 0)
		return fd;
	ff_receive_sweep_fd(r, fd, &left);
	if (left)
		r->known[dir] |= FF_RECEIVE_LEFT;
	return 0;
}
