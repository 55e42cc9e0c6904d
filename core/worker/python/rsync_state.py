# What a host keeps of a folder that is synced, as core/rsync/state.c, lock.c and temp.c have it: the
# record of what was brought, the lock, and the share that says that a sync is at work.
import errno
import os
import sys
import time

NAME_MAX = 200
WORD_MAX = 255
RECORD_MAX = 1 << 30
TRIES, SHARE_TRIES, TRY_S = 500, 200, 0.001
KEYS = ("owner", "holder", "worker", "from", "since")


class Refused(Exception):
    """Its text alone becomes the channel's error."""

    def __init__(self, text):
        Exception.__init__(self, text)
        self.ff_text = text


class Busy(Refused):
    pass


class Unlockable(Exception):
    pass


def flock(fd, exclusive=False):
    """Whether it is ours now; Unlockable where nothing can be locked."""
    try:
        import fcntl

        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        return True
    except ImportError:
        raise Unlockable from None
    except OSError as exc:
        if exc.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
            return False
        raise Unlockable from None


class Share:
    """A lock on the root itself: whoever has it alone knows that no other sync is at work."""

    def __init__(self, fd):
        self.fd = fd
        self.take()

    def take(self):
        for attempt in range(SHARE_TRIES):  # another sync cleans up
            if attempt:
                time.sleep(TRY_S)
            try:
                if flock(self.fd):
                    return
            except Unlockable:
                return

    def alone(self):
        """For a moment, until `take`: who comes meanwhile waits."""
        try:
            return flock(self.fd, True)
        except Unlockable:
            return False


class State:
    def __init__(self, root, root_fd):
        above, _, name = root.rpartition(b"/")
        self.fd = None
        if name and len(name) <= NAME_MAX:
            try:
                flags = getattr(os, "O_PATH", os.O_RDONLY)
                self.fd = os.open(above or b"/", flags | os.O_DIRECTORY | os.O_CLOEXEC)
                effective = os.access in os.supports_effective_ids
                if not os.access(".", os.W_OK | os.X_OK, dir_fd=self.fd, effective_ids=effective):
                    os.close(self.fd)
                    self.fd = None
            except OSError:
                self.fd = None
        if self.fd is None:
            name = b""
            self.fd = os.dup(root_fd)
        self.names = {what: b".ff-" + name + b".sync-" + what.encode() for what in ("record", "lock", "new")}

    def close(self):
        os.close(self.fd)

    def open(self, what, flags, mode=0o600):
        return os.open(self.names[what], flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=self.fd)

    def read(self):
        """The record, b"" if there is none, None if it is damaged or somebody else's."""
        import binascii
        import stat

        try:
            with open(self.open("record", os.O_RDONLY), "rb", 0) as fp:
                there = os.fstat(fp.fileno())
                good = stat.S_ISREG(there.st_mode) and there.st_uid == os.geteuid()
                if not good or not 4 < there.st_size <= RECORD_MAX:
                    return None
                data = fp.read()
        except FileNotFoundError:
            return b""
        except OSError:
            return None
        if binascii.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
            return None
        return data[:-4]

    def unlink(self, what):
        try:
            os.unlink(self.names[what], dir_fd=self.fd)
        except OSError:
            pass

    def write(self, record):
        """Replace it at once. One that can't be replaced is removed: better none than a wrong one."""
        import binascii

        self.unlink("new")  # of one that was killed
        try:
            with open(self.open("new", os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as fp:
                fp.write(record + binascii.crc32(record).to_bytes(4, "big"))
            try:
                os.rename(self.names["new"], self.names["record"], src_dir_fd=self.fd, dst_dir_fd=self.fd)
            except FileNotFoundError:  # another sync was faster, and did the same
                pass
        except OSError:
            self.unlink("new")
            self.unlink("record")
            raise

    # the lock

    def lock(self, root, owner, holder):
        """Shared with those who say the same owner, for as long as this process lives."""
        if type(owner) is not str or not 0 < len(owner.encode()) <= WORD_MAX:
            raise Refused("sync: bad owner")
        me = [word(one) for one in (owner, holder, worker_words(), came_from())]
        me.append(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))
        other = None
        for attempt in range(TRIES):
            if attempt:
                time.sleep(TRY_S)
            taken, other = self.try_lock(me)
            if taken:
                return
            if taken is False:
                break
        owner, holder, worker, came, since = other or ("unknown", "", "unknown", "", "unknown")
        raise Busy("%s: in use by another run: %s (run %s), worker %s%s, since %s" % (
            root, holder or "somebody", owner, worker, came and ", from " + came, since))

    def try_lock(self, me):
        """(True: taken, False: another owner's, None: again; what the file says)"""
        held = sys.__dict__.setdefault("_farflung_sync_locks", {})  # lives as long as the process
        try:
            there = os.stat(self.names["lock"], dir_fd=self.fd, follow_symlinks=False)
            key = there.st_dev, there.st_ino
            if key in held:
                if held[key][1] == me[0]:
                    return True, None
                os.close(held.pop(key)[0])
        except FileNotFoundError:
            pass
        fd = self.open_lock()
        if fd is None:
            return None, None
        taken, other = None, None
        try:
            taken, other = self.try_file(fd, me)
            there = os.fstat(fd)
            now = os.stat(self.names["lock"], dir_fd=self.fd, follow_symlinks=False)
            if taken and (now.st_dev, now.st_ino) != (there.st_dev, there.st_ino):
                taken = None  # somebody removed it meanwhile
        except FileNotFoundError:
            taken = None
        finally:
            if taken:
                held[there.st_dev, there.st_ino] = fd, me[0]
                if hasattr(os, "register_at_fork"):  # a child must not keep it
                    os.register_at_fork(after_in_child=lambda: close_quietly(fd))
            else:
                os.close(fd)
        return taken, other

    def open_lock(self):
        try:
            return self.open("lock", os.O_RDWR)
        except FileNotFoundError:
            pass
        except PermissionError:  # another user's: it can be looked at
            return self.open("lock", os.O_RDONLY)
        try:
            return self.open("lock", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return None

    def try_file(self, fd, me):
        """Only who has the file alone writes to it; then he shares it."""
        if flock(fd, True):
            lines = "".join("%s %s\n" % pair for pair in zip(KEYS, me))
            try:
                os.ftruncate(fd, 0)
                os.pwrite(fd, ("farflung sync lock 1\n%send\n" % lines).encode("utf-8", "surrogateescape"), 0)
            except OSError:
                raise Unlockable from None
        else:
            other = read_who(fd)
            if other is None or other[0] != me[0]:
                return (None if other is None else False), other
        # the kernel lets go for a moment: look who has it then
        if not flock(fd):
            return None, read_who(fd)
        other = read_who(fd)
        return (True if other and other[0] == me[0] else None), other


def close_quietly(fd):
    try:
        os.close(fd)
    except OSError:
        pass


def read_who(fd):
    """None: it is being written, or is nothing of ours."""
    lines = os.pread(fd, 2048, 0).decode("utf-8", "surrogateescape").split("\n")
    if len(lines) != 8 or lines[0] != "farflung sync lock 1" or lines[6:] != ["end", ""]:
        return None
    pairs = [line.partition(" ") for line in lines[1:6]]
    return [pair[2] for pair in pairs] if tuple(pair[0] for pair in pairs) == KEYS else None


def word(text):
    """One line, which can't play with a terminal."""
    clean = "".join("?" if ord(c) < 32 or ord(c) == 127 else c for c in str(text or ""))
    return clean.encode("utf-8", "surrogateescape")[:WORD_MAX].decode("utf-8", "surrogateescape")


def worker_words():
    import socket

    user = os.environ.get("USER") or os.environ.get("LOGNAME")
    who = user + "@" if user else "uid %d at " % os.geteuid()
    return "%s%s pid %d" % (who, socket.gethostname(), os.getpid())


def came_from():
    return os.environ.get("SSH_CONNECTION", "").split(" ")[0]


