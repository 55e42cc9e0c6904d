# The receiver of tree sync for python workers; core/rsync/README.md describes the protocol. Sent by
# remote_exec, so all of it is in this file; needs directory descriptors (POSIX). It never touches
# anything outside its root: each name is resolved from its directory's descriptor, symbolic links are
# not followed.
import errno
import os
import re
import stat
import struct
import sys
import time

PART_MAX = 256 << 10
MANIFEST_MAX = 1 << 30
ENTRIES_MAX = 1 << 24
PATH_MAX = 4095
PROBLEMS_MAX = 100
OPEN_MAX = 16  # directories held open on the way to the current one
DEPTH_MAX = 400  # of what is removed
HOLE_STEP = 64 << 10  # a run of zeros this long becomes a hole
ZEROS = bytes(HOLE_STEP)
STALE = 600  # seconds until a temporary file is nobody's any more
FIRST, LAST, TOUCH, GONE, META, HOLE = 1, 2, 4, 8, 16, 32
FLAGS = FIRST | LAST | TOUCH | GONE | META | HOLE
SIZE_MAX = (1 << 63) - 1
NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)
DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
is_temp = re.compile(rb"\.ff-[0-9a-f]{16,40}\.tmp\Z").match
is_state = re.compile(rb"\.ff-.*\.sync-(record|lock|new)\Z", re.S).match
entry_head = struct.Struct(">BHqHH")
record_head = struct.Struct(">IBI")
meta_body = struct.Struct(">qH")
NAME_MAX = 200
WORD_MAX = 255
TRIES, SHARE_TRIES, TRY_S = 500, 200, 0.001
KEYS = ("owner", "holder", "worker", "from", "since")


# What a host keeps of a folder that is synced, as core/rsync/dest.c, lock.c and temp.c have it: the
# record of what was brought, the lock, and the share that says that a sync is at work.


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

        try:
            with open(self.open("record", os.O_RDONLY), "rb", 0) as fp:
                there = os.fstat(fp.fileno())
                good = stat.S_ISREG(there.st_mode) and there.st_uid == os.geteuid()
                if not good or not 4 < there.st_size <= MANIFEST_MAX:
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


# the sync itself


class Entry:
    __slots__ = ("kind", "mode", "mtime", "path", "name", "parent", "size", "target", "inside", "fresh",
                 "same_as")


class Temp:
    """The file that is being written."""

    __slots__ = ("index", "name", "file", "size", "hole")


def bad(why, *args):
    return Refused("sync: " + why % args)


class Manifest:
    """Checks while it reads: nothing in the entries can lead out of the root."""

    def __init__(self, data):
        self.data = data
        self.at = 4
        self.path = b""
        self.entries = []
        self.stack = []  # open directories: [index, path with slash, last name in it]
        if data[:4] != b"FFT1":
            raise Refused("manifest: not a manifest")
        try:
            while not self.entries or self.at < len(data):
                self.entries.append(self.entry())
        except struct.error:
            raise self.bad("truncated") from None

    def bad(self, why):
        path = os.fsdecode(self.path)
        return Refused("manifest, entry %d (%s): %s" % (len(self.entries), path, why))

    def take(self, length):
        self.at += length
        if self.at > len(self.data):
            raise self.bad("truncated")
        return self.data[self.at - length : self.at]

    def entry(self):
        one = Entry()
        kind, one.mode, one.mtime, shared, rest = entry_head.unpack(self.take(entry_head.size))
        one.kind, one.size, one.target, one.fresh = chr(kind), 0, b"", False
        hard, one.same_as = one.kind == "h", 0
        if hard:
            one.kind = "f"
        one.inside = one.kind == "i"  # an absolute link into the tree: leads into ours here
        if one.inside:
            one.kind = "l"
        if one.kind not in ("d", "f", "l"):
            raise self.bad("unknown kind of entry")
        if one.mode > 0o7777:
            raise self.bad("bad mode")
        if shared > len(self.path) or shared + rest > PATH_MAX:
            raise self.bad("path too long")
        if len(self.entries) >= ENTRIES_MAX:
            raise self.bad("over a size limit")
        self.path = one.path = self.path[:shared] + self.take(rest)
        if b"\0" in one.path:
            raise self.bad("NUL in a path")
        self.place(one)
        if hard:
            self.same(one)
        elif one.kind == "f":
            (one.size,) = struct.unpack(">Q", self.take(8))
        elif one.kind == "l":
            self.target(one)
        return one

    def same(self, one):
        """Another name of a file that came before."""
        one.same_as = int.from_bytes(self.take(4), "big")
        first = self.entries[one.same_as] if one.same_as < len(self.entries) else None
        if first is None or first.kind != "f" or first.same_as:
            raise self.bad("hard link to what is no file before it")
        one.size = first.size

    def target(self, one):
        one.target = target = self.take(int.from_bytes(self.take(2), "big"))
        if one.inside:
            good = target[:1] != b"/" and b".." not in target.split(b"/")
        else:
            good = len(target) > 0
        if not good or len(target) > PATH_MAX or b"\0" in target:
            raise self.bad("bad link target")

    def place(self, one):
        """Find the parent of an entry among the open directories."""
        path = one.path
        if not self.entries:
            if one.kind != "d" or path:
                raise self.bad("does not begin with the root")
            one.name, one.parent = b"", -1
            self.stack.append([0, b"", b""])
            return
        above, slash, name = path.rpartition(b"/")
        if path[:1] == b"/":
            raise self.bad("absolute path")
        if name in (b"", b".", b".."):
            raise self.bad("bad path component")
        if is_temp(name) or is_state(name):
            raise self.bad("name of a temporary file")
        while self.stack and self.stack[-1][1] != above + slash:
            self.stack.pop()
        if not self.stack:
            raise self.bad("not inside a directory of the manifest")
        if name <= self.stack[-1][2]:
            raise self.bad("duplicate or out of order")
        self.stack[-1][2] = name
        one.name, one.parent = name, self.stack[-1][0]
        if one.kind == "d":
            self.stack.append([len(self.entries), path + b"/", b""])


def set_mode(fd, name, mode):
    """chmod of what may be unreadable, without following a link that was put there meanwhile."""
    if os.chmod in os.supports_follow_symlinks:
        os.chmod(name, mode, dir_fd=fd, follow_symlinks=False)
        return
    there = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        if stat.S_ISLNK(os.fstat(there).st_mode):
            raise OSError(errno.ELOOP, "a symbolic link")
        os.chmod("/proc/self/fd/%d" % there, mode)
    finally:
        os.close(there)


class Receiver:
    def __init__(self, channel, root, delete, asks, single=None):
        self.channel = channel
        self.root = root
        self.single = single  # the name in root of the one file that is brought; None: a folder is
        self.root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.share = Share(self.root_fd)
        self.state = State(root, self.root_fd)
        self.delete = delete
        self.asks = asks  # what is to stay: the sender knows what that is, and of holes
        self.stack = []  # (index, descriptor) of the directories that lead to the current one
        self.wanted = set()
        self.meta = {}
        self.links = []
        self.changed = set()
        self.readonly = set()  # directories that cannot be written to as they are
        self.temp = None
        self.problems = []
        self.files = self.bytes = self.deleted = 0
        self.left = set()  # directories with a temporary file that may be somebody's
        self.there = set()  # files of which there is an older copy
        self.gone = set()  # files that the source could not give
        self.stale = []
        self.inodes = set()  # of files with several names that stay as they are
        self.out = {"need": [], "hash": [], "sparse": []}

    def release(self):
        self.drop_temp()
        while self.stack:
            os.close(self.stack.pop()[1])
        os.close(self.root_fd)
        self.state.close()

    def path_of(self, index):
        path = self.entries[index].path
        return os.fsdecode(self.root + (b"/" + path if path else b""))

    def folder(self, index):
        """The descriptor of a directory of the manifest, valid until the next call."""
        stack = self.stack
        if stack and stack[-1][0] == index:
            return stack[-1][1]
        chain = []
        keep = len(stack)
        while index > 0:
            # what holds others has the smaller index
            while keep and stack[keep - 1][0] > index:
                keep -= 1
            if keep and stack[keep - 1][0] == index:
                break
            chain.append(index)
            index = self.entries[index].parent
        else:
            keep = 0
        while len(stack) > keep:
            os.close(stack.pop()[1])
        fd = stack[-1][1] if stack else self.root_fd
        for index in reversed(chain):
            try:
                fd = os.open(self.entries[index].name, DIR, dir_fd=fd)
            except OSError as exc:
                raise Refused("%s: %s" % (self.path_of(index), reason(exc))) from None
            if len(stack) == OPEN_MAX:
                os.close(stack.pop()[1])
            stack.append((index, fd))
        return fd

    def writable(self, index):
        """The same, of a directory in which something is to change."""
        fd = self.folder(index)
        if index in self.readonly:
            os.fchmod(fd, self.entries[index].mode & 0o777 | 0o700)
            self.readonly.remove(index)
        self.changed.add(index)
        return fd

    def each(self, indexes, function):
        for index in indexes:
            try:
                function(index, self.entries[index])
            except OSError as exc:
                raise Refused("%s: %s" % (self.path_of(index), reason(exc))) from None

    # what is there

    def look(self, index, one):
        if index == 0:
            if os.fstat(self.root_fd).st_mode & 0o700 != 0o700:
                self.readonly.add(0)
            return
        fd = self.folder(one.parent)
        there = None
        if not self.entries[one.parent].fresh:
            try:
                there = os.stat(one.name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                pass
        if one.kind == "d":
            self.look_dir(index, one, fd, there)
        elif one.kind == "l":
            if there is None or not stat.S_ISLNK(there.st_mode) or (
                os.readlink(one.name, dir_fd=fd) != self.link_target(one)
            ):
                self.links.append(index)
        else:
            self.look_file(index, one, fd, there)

    def look_file(self, index, one, fd, there):
        if there is not None and stat.S_ISREG(there.st_mode):
            self.there.add(index)
        if one.same_as:  # another name of a file: made at the end
            return
        if index not in self.there or there.st_size != one.size:
            self.want("need", index)
        elif there.st_mtime_ns == one.mtime and there.st_mode & 0o7777 == one.mode:
            if there.st_nlink > 1:
                inode = (there.st_dev, there.st_ino)
                if inode in self.inodes:  # one file here, but two at the source
                    self.want("need", index)
                self.inodes.add(inode)
        elif there.st_nlink > 1:  # touched, its other names would change too, whose ever they are
            self.want("need", index)
        elif there.st_mtime_ns == one.mtime or one.size == 0:
            self.touch(fd, one.name, one.mtime, one.mode)
        else:
            sparse = one.size >= HOLE_STEP and self.asks
            digest = self.digest(fd, one.name, sparse)
            if digest is None:
                self.want("need", index)
            else:
                self.want("sparse" if sparse else "hash", index, digest)

    def look_dir(self, index, one, fd, there):
        if there is not None and not stat.S_ISDIR(there.st_mode):
            os.unlink(one.name, dir_fd=self.writable(one.parent))
            there = None
        if there is None:
            one.fresh = True
            try:
                os.mkdir(one.name, 0o700, dir_fd=self.writable(one.parent))
            except FileExistsError:  # another sync was faster; the open tells if it is no directory
                pass
            return
        if there.st_mtime_ns != one.mtime:
            self.changed.add(index)
        if there.st_mode & 0o500 != 0o500:  # not even to be looked into
            set_mode(fd, one.name, there.st_mode & 0o7777 | 0o700)
        elif not there.st_mode & 0o200:
            self.readonly.add(index)

    def link_target(self, one):
        if not one.inside:
            return one.target
        return self.root.rstrip(b"/") + b"/" + one.target if one.target else self.root

    def digest(self, fd, name, sparse):
        import hashlib

        try:
            md5 = hashlib.md5()
            with open(os.open(name, FILE, dir_fd=fd), "rb", 0) as fp:
                if sparse:
                    hash_sparse(fp.fileno(), md5.update)
                    return md5.digest()
                while 1:
                    data = fp.read(1 << 20)
                    if not data:
                        return md5.digest()
                    md5.update(data)
        except (OSError, ValueError):  # unreadable; or md5 is not allowed here
            return None

    def touch(self, fd, name, mtime, mode):
        there = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if not stat.S_ISREG(there.st_mode):
            raise OSError(None, "was replaced meanwhile")
        if there.st_mtime_ns != mtime:
            os.utime(name, ns=(there.st_atime_ns, mtime), dir_fd=fd, follow_symlinks=False)
        if there.st_mode & 0o7777 != mode:
            set_mode(fd, name, mode)

    def want(self, name, index, digest=b""):
        self.wanted.add(index)
        records = self.out[name]
        records.append(index.to_bytes(4, "big") + digest)
        if len(records) >= 4096:
            self.flush(name)

    def flush(self, name):
        data = b"".join(self.out[name])
        del self.out[name][:]
        if data:
            if name == "need":
                self.channel.send((name, data))
            else:
                self.channel.send(("hash", "md5" if name == "hash" else "md5-sparse", data))

    # what arrives

    def next_item(self, *names):
        item = self.channel.receive()
        if type(item) is tuple and len(item) == 2 and item[0] in names:
            if type(item[1]) is bytes or item[1] is None and item[0] in ("m", "end"):
                return item
        raise bad("unexpected item")

    def receive_manifest(self):
        parts, size = [], 0
        while 1:
            _, data = self.next_item("m")
            if data is None:
                return Manifest(b"".join(parts)).entries
            size += len(data)
            if size > MANIFEST_MAX:
                raise Refused("manifest: over a size limit")
            parts.append(data)

    def receive_data(self):
        while 1:
            name, data = self.next_item("d", "keep", "end")
            if name == "end":
                break
            if name == "keep":
                self.keep(data)
                continue
            at = 0
            while at < len(data):
                body_at = at + record_head.size
                if body_at > len(data):
                    raise bad("truncated data record")
                index, flags, size = record_head.unpack_from(data, at)
                at = body_at + size
                if at > len(data):
                    raise bad("truncated data record")
                if index >= len(self.entries):
                    raise bad("bad data record")
                body = data[body_at:at]
                self.each([index], lambda index, one: self.record(index, one, flags, body))
        if self.wanted:
            raise bad("ended with %d files unanswered", len(self.wanted))

    def record(self, index, one, flags, body):
        if flags & ~FLAGS:
            raise bad("bad data record")
        if flags == META:
            if len(body) != meta_body.size:
                raise bad("bad META record")
            if index in self.wanted:
                self.meta[index] = meta_body.unpack(body)
            return
        if index not in self.wanted:
            raise bad("data for %s, which was not asked for", os.fsdecode(one.path))
        if flags & HOLE and len(body) != 8:
            raise bad("bad data record")
        if flags & ~(FIRST | LAST | HOLE) and (body or flags not in (TOUCH | LAST, GONE | LAST)):
            raise bad("bad data record")
        mtime, mode = self.meta.get(index, (one.mtime, one.mode))
        mode &= 0o7777
        if flags & (TOUCH | GONE):
            self.drop_temp()
            if flags & TOUCH:
                self.touch(self.folder(one.parent), one.name, mtime, mode)
            else:
                self.gone.add(index)
                if index in self.there:
                    self.stale.append(index)
        else:
            self.content(index, one, flags, body)
            if flags & LAST:
                self.commit(one, mtime, mode)
        if flags & LAST:
            self.wanted.discard(index)
            self.meta.pop(index, None)

    def content(self, index, one, flags, body):
        if flags & FIRST:
            self.drop_temp()
            fd = self.writable(one.parent)
            temp = Temp()
            temp.index, temp.size, temp.hole, temp.name = index, 0, False, self.temp_name()
            temp.file = os.open(temp.name, NEW, 0o600, dir_fd=fd)
            self.temp = temp
        elif self.temp is None or self.temp.index != index:
            raise bad("content without a beginning")
        if flags & HOLE:
            self.temp.size += int.from_bytes(body, "big")
            self.temp.hole = True
            if self.temp.size > SIZE_MAX:
                raise bad("bad data record")
            return
        self.bytes += len(body)
        if len(body) < HOLE_STEP and not self.temp.hole:
            self.write(body)
        else:
            self.write_steps(body)

    def write(self, view):
        while view:
            put = os.pwrite(self.temp.file, view, self.temp.size)
            self.temp.size += put
            view = view[put:]

    def write_steps(self, body):
        """Zeros are left out: a hole begins with a whole step of them, and goes on with any."""
        temp, view = self.temp, memoryview(body)
        while view:
            step = view[: HOLE_STEP - temp.size % HOLE_STEP]
            view = view[len(step) :]
            temp.hole = temp.hole or len(step) == HOLE_STEP
            temp.hole = temp.hole and not step[0] and bytes(step) == ZEROS[: len(step)]
            if temp.hole:
                temp.size += len(step)
            else:
                self.write(step)

    def commit(self, one, mtime, mode):
        temp = self.temp
        if temp.hole:
            os.ftruncate(temp.file, temp.size)
        os.fchmod(temp.file, mode)
        os.utime(temp.file, ns=(time.time_ns(), mtime))
        self.replace(self.folder(one.parent), temp.name, one.name)
        self.temp = None
        self.files += 1
        os.close(temp.file)

    def temp_name(self):
        return b".ff-" + os.urandom(12).hex().encode() + b".tmp"

    def drop_temp(self):
        if self.temp:
            temp = self.temp
            self.temp = None
            os.close(temp.file)
            try:
                os.unlink(temp.name, dir_fd=self.folder(self.entries[temp.index].parent))
            except (OSError, Refused):
                pass

    def replace(self, fd, source, name):
        try:
            os.rename(source, name, src_dir_fd=fd, dst_dir_fd=fd)
        except OSError as exc:
            if exc.errno not in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                raise
            self.remove(fd, name)
            os.rename(source, name, src_dir_fd=fd, dst_dir_fd=fd)

    def remove(self, fd, name, depth=0):
        """Remove whatever it is; gives how many entries that were."""
        try:
            os.unlink(name, dir_fd=fd)
            return 1
        except FileNotFoundError:
            return 0
        except OSError as exc:
            if exc.errno not in (errno.EISDIR, errno.EPERM):
                raise
        if depth == DEPTH_MAX:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        count = 1
        try:
            below = os.open(name, DIR, dir_fd=fd)
        except PermissionError:
            set_mode(fd, name, 0o700)
            below = os.open(name, DIR, dir_fd=fd)
        try:
            if os.fstat(below).st_mode & 0o300 != 0o300:
                os.fchmod(below, 0o700)
            for found in os.listdir(below):
                count += self.remove(below, os.fsencode(found), depth + 1)
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=fd)
        return count

    # the end

    def put_link(self, index, one):
        fd = self.writable(one.parent)
        name = self.temp_name()
        os.symlink(self.link_target(one), name, dir_fd=fd)
        try:
            os.utime(name, ns=(time.time_ns(), one.mtime), dir_fd=fd, follow_symlinks=False)
            self.replace(fd, name, one.name)
        except OSError:
            os.unlink(name, dir_fd=fd)
            raise

    def put_name(self, index, one):
        """Make a further name of a file one of the first, where it is not."""
        if one.same_as in self.gone:  # what is there stays
            if index in self.there:
                self.stale.append(index)
            return
        first = self.entries[one.same_as]
        first_fd = os.dup(self.folder(first.parent))
        try:
            there = os.stat(first.name, dir_fd=first_fd, follow_symlinks=False)
            if not stat.S_ISREG(there.st_mode):
                raise Refused("%s: was replaced meanwhile" % self.path_of(one.same_as))
            self.put_same(one, first, first_fd, there)
        finally:
            os.close(first_fd)

    def put_same(self, one, first, first_fd, there):
        try:
            old = os.stat(one.name, dir_fd=self.folder(one.parent), follow_symlinks=False)
        except FileNotFoundError:
            old = None
        if old and (old.st_dev, old.st_ino) == (there.st_dev, there.st_ino):
            return
        fd = self.writable(one.parent)
        name = self.temp_name()
        try:
            try:
                os.link(first.name, name, src_dir_fd=first_fd, dst_dir_fd=fd, follow_symlinks=False)
            except OSError as exc:
                if exc.errno not in NO_LINKS:
                    raise
                if old and stat.S_ISREG(old.st_mode) and old.st_size == there.st_size and (
                    old.st_mtime_ns == there.st_mtime_ns and old.st_mode == there.st_mode
                ):
                    return
                self.copy(first.name, first_fd, name, fd, there)
            self.replace(fd, name, one.name)
        except OSError:
            try:
                os.unlink(name, dir_fd=fd)
            except FileNotFoundError:
                pass
            raise

    def copy(self, source, source_fd, name, fd, there):
        """For file systems without hard links."""
        with open(os.open(source, FILE, dir_fd=source_fd), "rb", 0) as reader:
            with open(os.open(name, NEW, 0o600, dir_fd=fd), "wb", 0) as writer:
                while 1:
                    data = memoryview(reader.read(1 << 20))
                    if not data:
                        break
                    while data:
                        data = data[writer.write(data) :]
                os.fchmod(writer.fileno(), there.st_mode & 0o7777)
                os.utime(writer.fileno(), ns=(there.st_atime_ns, there.st_mtime_ns))

    def note(self, path, why):
        path = os.fsdecode(self.root + (b"/" + path if path else b""))
        self.problems.append("%s: %s" % (path, why))

    # what earlier syncs brought

    def read_record(self):
        """Find what earlier syncs brought and is in the manifest no more; write down what will be."""
        self.candidates, self.kept = [], set()
        self.kinds = {one.path: one.kind for one in self.entries}
        self.written = self.state.read()
        if self.written and self.written != self.make_record():
            try:
                self.compare_record(Manifest(self.written).entries)
            except Refused:
                self.written = None
        if self.written is None:
            self.written = b""
            more = ", nothing is deleted" if self.delete else ""
            self.note(b"", "the record of what was brought is damaged" + more)
        self.write_record()  # before anything changes: what a killed sync brings is known as well

    def compare_record(self, old):
        dead = set()
        for one in old[1:]:
            above = one.path.rpartition(b"/")[0]
            if one.path in self.kinds:
                continue
            if above in dead or self.kinds.get(above, "d") != "d":
                dead.add(one.path)  # below what is no directory any more
            else:
                self.candidates.append(one)

    def make_record(self):
        pairs = [(one.path, one.kind) for one in self.entries]
        if self.candidates:
            pairs += [(one.path, one.kind) for one in self.candidates]
            pairs.sort(key=lambda pair: pair[0].split(b"/") if pair[0] else [])
        parts, last = [b"FFT1"], b""
        for path, kind in pairs:
            shared = len(os.path.commonprefix((last, path)))
            parts.append(entry_head.pack(ord(kind), 0, 0, shared, len(path) - shared) + path[shared:])
            parts.append({"d": b"", "f": bytes(8), "l": b"\0\1-"}[kind])
            last = path
        return b"".join(parts)

    def write_record(self):
        record = self.make_record()
        if record != self.written:
            self.written = record
            try:
                self.state.write(record)
            except OSError as exc:
                self.note(b"", reason(exc))

    def begin_single(self):
        """One file: of the folder it is in nothing else is touched, no record is kept."""
        if len(self.entries) != 2 or self.entries[1].kind != "f":
            raise bad("the manifest is not that of one file")
        one = self.entries[1]
        one.path = one.name = self.single
        try:
            there = os.stat(self.single, dir_fd=self.root_fd, follow_symlinks=False)
            if stat.S_ISDIR(there.st_mode):
                raise Refused("%s: %s" % (self.path_of(1), os.strerror(errno.EISDIR)))
        except FileNotFoundError:
            pass
        there = os.fstat(self.root_fd)
        self.entries[0].mode, self.entries[0].mtime = there.st_mode & 0o7777, there.st_mtime_ns
        self.left.add(0)  # its time is when the file came
        self.candidates, self.kept = [], set()

    def whole(self):
        return self.root if self.single is None else self.root.rstrip(b"/") + b"/" + self.single

    def send_candidates(self):
        part = []
        size = 0
        for one in self.candidates if self.delete and self.asks else ():
            name = one.kind.encode() + one.path + b"\0"
            if size + len(name) > PART_MAX:
                self.channel.send(("old", b"".join(part)))
                part, size = [], 0
            part.append(name)
            size += len(name)
        if part:
            self.channel.send(("old", b"".join(part)))

    def keep(self, data):
        for at in range(0, len(data), 4):
            number = int.from_bytes(data[at : at + 4], "big")
            if not self.delete or number >= len(self.candidates) or len(data) - at < 4:
                raise bad("bad list of what to keep")
            self.kept.add(number)

    def prune(self):
        """Delete what was brought and is in the manifest no more; what the host made stays."""
        remain = []
        index_of = {one.path: i for i, one in enumerate(self.entries) if one.kind == "d"}
        for number in reversed(range(len(self.candidates))):
            one = self.candidates[number]
            if number in self.kept or not self.delete or self.prune_one(one, index_of):
                remain.append(one)
        self.candidates = remain[::-1]
        self.write_record()

    def open_above(self, path, index_of):
        """(descriptor, whether to close it, index) of the directory that holds a path."""
        above = path.rpartition(b"/")[0]
        names = []
        while above not in index_of:
            above, _, name = above.rpartition(b"/")
            names.append(name)
        fd, own = self.folder(index_of[above]), False
        for name in reversed(names):
            try:
                below = open_dir(fd, name)
            finally:
                if own:
                    os.close(fd)
            fd, own = below, True
        return fd, own, index_of[above]

    def prune_one(self, one, index_of):
        """Whether it stays in the record."""
        try:
            fd, own, index = self.open_above(one.path, index_of)
        except OSError as exc:
            return exc.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
        try:
            there = os.stat(one.name, dir_fd=fd, follow_symlinks=False)
            kinds = {"d": stat.S_ISDIR, "f": stat.S_ISREG, "l": stat.S_ISLNK}
            if not kinds[one.kind](there.st_mode):
                return False  # the host's own by now
            if not own:
                fd = self.writable(index)
            elif os.fstat(fd).st_mode & 0o300 != 0o300:
                os.fchmod(fd, 0o700)
            if one.kind == "d":
                self.remove_dir(fd, one.name)
            else:
                os.unlink(one.name, dir_fd=fd)
            self.deleted += 1
            return False
        except FileNotFoundError:
            return False
        except OSError as exc:
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                self.note(one.path, reason(exc))
            return True
        finally:
            if own:
                os.close(fd)

    def remove_dir(self, fd, name):
        """An empty directory, or one in which only a killed sync's temporary files are."""
        try:
            os.rmdir(name, dir_fd=fd)
        except OSError as exc:
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            below = open_dir(fd, name)
            try:
                went = self.sweep(below)[0]
            finally:
                os.close(below)
            if not went:
                raise
            os.rmdir(name, dir_fd=fd)

    # temporary files that killed syncs left behind

    def sweep(self, fd):
        """(whether some went, whether some are left)"""
        went = left = False
        found = [name for name in map(os.fsencode, os.listdir(fd)) if is_temp(name)]
        if not found:
            return False, False
        alone = self.share.alone()  # what was there before is nobody's then
        for name in found:
            try:
                there = os.stat(name, dir_fd=fd, follow_symlinks=False)
                mine = not stat.S_ISDIR(there.st_mode) and there.st_uid == os.geteuid()
                if mine and (alone or there.st_mtime < time.time() - STALE):
                    os.unlink(name, dir_fd=fd)
                    went = True
                else:
                    left = True
            except OSError:
                left = True
        self.share.take()  # also an attempt that failed has cost it
        return went, left

    def clean(self):
        folders = [i for i in sorted(self.changed) if not self.entries[i].fresh]
        self.each(folders, self.clean_dir)

    def clean_dir(self, index, one):
        if self.sweep(self.writable(index))[1]:
            self.left.add(index)

    def set_dir(self, index, one):
        fd = self.folder(index)
        there = os.fstat(fd)
        if there.st_mode & 0o7777 != one.mode:
            os.fchmod(fd, one.mode)
        if index in self.left:  # with another time the next sync looks into it again
            os.utime(fd)
        elif there.st_mtime_ns != one.mtime:
            os.utime(fd, ns=(one.mtime, one.mtime))

    def run(self):
        self.entries = self.receive_manifest()
        if self.single is None:
            self.read_record()
        else:
            self.begin_single()
        self.each(range(len(self.entries)), self.look)
        for name in self.out:
            self.flush(name)
        self.send_candidates()
        self.channel.send(("need", None))
        self.receive_data()
        self.each(self.links, self.put_link)
        self.each([i for i, one in enumerate(self.entries) if one.same_as], self.put_name)
        if self.single is None:
            self.prune()
        self.clean()
        folders = [i for i, one in enumerate(self.entries) if one.kind == "d"]
        self.each(reversed(folders), self.set_dir)
        done = {
            "files": self.files,
            "bytes": self.bytes,
            "deleted": self.deleted,
            "root": readable(os.fsdecode(self.whole())),
            "stale": b"".join(index.to_bytes(4, "big") for index in self.stale),
            "problems": [readable(line) for line in self.problems[:PROBLEMS_MAX]],
        }
        self.channel.send(("done", done))


def open_dir(fd, name):
    try:
        return os.open(name, DIR, dir_fd=fd)
    except PermissionError:
        set_mode(fd, name, 0o700)
        return os.open(name, DIR, dir_fd=fd)


def hash_sparse(fd, update):
    """Content with zeros counted, which need not be read where they are a hole."""
    at = data = run = 0
    zeros = False

    def add(kind, length, bytes_):
        nonlocal at, run, zeros
        if kind != zeros:
            end_run()
            zeros = kind
        run += length
        at += length
        if not kind:
            update(bytes_)

    def end_run():
        nonlocal run
        if run:
            update((b"Z" if zeros else b"D") + run.to_bytes(8, "big"))
        run = 0

    while 1:
        if at >= data:
            data, hole = next_data(fd, at)
            if hole >= HOLE_STEP:
                add(True, hole // HOLE_STEP * HOLE_STEP, b"")
        part = b""
        while len(part) < PART_MAX:
            more = os.pread(fd, PART_MAX - len(part), at + len(part))
            if not more:
                break
            part += more
        for start in range(0, len(part), HOLE_STEP):
            step = part[start : start + HOLE_STEP]
            add(step == ZEROS, len(step), step)
        if len(part) < PART_MAX:
            break
    end_run()


def next_data(fd, at):
    """(up to where no hole needs to be looked for, length of the hole that is at `at`)"""
    if not hasattr(os, "SEEK_DATA"):
        return SIZE_MAX, 0
    try:
        begin = os.lseek(fd, at, os.SEEK_DATA)
    except OSError as exc:
        if exc.errno != errno.ENXIO:
            return SIZE_MAX, 0
        return SIZE_MAX, max(0, os.lseek(fd, 0, os.SEEK_END) - at)
    end = os.lseek(fd, begin, os.SEEK_HOLE)
    return (end if end > begin else SIZE_MAX), begin - at


def reason(exc):
    return os.strerror(exc.errno) if exc.errno else exc.strerror or str(exc)


def readable(text):
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def refuse_precious(root, dest):
    """Deleting what is not in the tree must never empty a home directory, or what holds it."""
    home = os.path.realpath(os.fsencode(os.path.expanduser("~")))
    if (home + b"/").startswith(root.rstrip(b"/") + b"/"):
        raise Refused("%s: delete is refused for a home directory, or what holds it" % dest)


def take_lock(receiver, owner, holder):
    try:
        receiver.state.lock(os.fsdecode(receiver.root), owner, holder)
    except Busy as exc:
        exc.ff_text = readable(exc.ff_text)
        receiver.channel.send(("busy", exc.ff_text))
        raise
    except Unlockable:
        receiver.note(b"", "cannot be locked on this file system")
    except OSError as exc:
        raise Refused("%s: lock: %s" % (os.fsdecode(receiver.root), reason(exc))) from None


def split_single(dest):
    folder, _, name = dest.rpartition("/")
    if name in ("", ".", ".."):
        raise bad("dest '%s' is no file's name", dest)
    name = os.fsencode(name)
    if is_temp(name) or is_state(name):
        raise bad("dest '%s' is a name of our own", dest)
    return folder or ("/" if dest.startswith("/") else "."), name


def rsync(channel, dest, delete=False, version=1, owner=None, holder="", single=False):
    if version not in (1, 2):
        raise bad("version %r of the protocol is not known", version)
    if type(dest) is not str or not dest or "\0" in dest:
        raise bad("bad dest")
    if os.open not in os.supports_dir_fd or os.utime not in os.supports_fd:
        raise bad("this host has no directory descriptors")
    name = None
    if single:
        dest, name = split_single(dest)
        delete, owner = False, None
    try:
        os.makedirs(dest, exist_ok=True)
        root = os.path.realpath(os.fsencode(dest))
        if delete:
            refuse_precious(root, dest)
        receiver = Receiver(channel, root, delete, version >= 2, name)
    except OSError as exc:
        raise Refused("%s: %s" % (dest, reason(exc))) from None
    try:
        if owner is not None:
            take_lock(receiver, owner, holder)
        receiver.run()
    except Refused as exc:
        exc.ff_text = readable(exc.ff_text)
        raise
    finally:
        receiver.release()
