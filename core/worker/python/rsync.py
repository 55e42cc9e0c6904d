# The receiver of tree sync for python workers; core/rsync/README.md describes the protocol. Sent by
# remote_exec; needs directory descriptors (POSIX). It never touches anything outside its root: each
# name is resolved from its directory's descriptor, symbolic links are not followed.
import errno
import os
import re
import stat
import struct
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
FIRST, LAST, TOUCH, GONE, META = 1, 2, 4, 8, 16
FLAGS = FIRST | LAST | TOUCH | GONE | META
DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
is_temp = re.compile(rb"\.ff-[0-9a-f]{16,40}\.tmp\Z").match
entry_head = struct.Struct(">BHqHH")
record_head = struct.Struct(">IBI")
meta_body = struct.Struct(">qH")


class Refused(Exception):
    """Its text alone becomes the channel's error."""

    def __init__(self, text):
        Exception.__init__(self, text)
        self.ff_text = text


class Entry:
    __slots__ = ("kind", "mode", "mtime", "path", "name", "parent", "size", "target", "inside", "fresh")


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
        if one.kind == "f":
            (one.size,) = struct.unpack(">Q", self.take(8))
        elif one.kind == "l":
            self.target(one)
        return one

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
        if is_temp(name):
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
    def __init__(self, channel, root, delete):
        self.channel = channel
        self.root = root
        self.root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.delete = delete
        self.stack = []  # (index, descriptor) of the directories that lead to the current one
        self.wanted = set()
        self.meta = {}
        self.links = []
        self.changed = set()
        self.readonly = set()  # directories that cannot be written to as they are
        self.temp = None
        self.problems = []
        self.files = self.bytes = self.deleted = 0
        self.out = {"need": [], "hash": []}

    def release(self):
        self.drop_temp()
        while self.stack:
            os.close(self.stack.pop()[1])
        os.close(self.root_fd)

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
        elif there is None or not stat.S_ISREG(there.st_mode) or there.st_size != one.size:
            self.want("need", index)
        elif there.st_mtime_ns != one.mtime:
            digest = self.digest(fd, one.name) if one.size else None
            if one.size == 0:
                self.touch(fd, one.name, one.mtime, one.mode)
            elif digest is None:
                self.want("need", index)
            else:
                self.want("hash", index, digest)
        elif there.st_mode & 0o7777 != one.mode:
            self.touch(fd, one.name, one.mtime, one.mode)

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
        elif there.st_mode & 0o500 != 0o500:  # not even to be looked into
            set_mode(fd, one.name, there.st_mode & 0o7777 | 0o700)
        elif not there.st_mode & 0o200:
            self.readonly.add(index)

    def link_target(self, one):
        if not one.inside:
            return one.target
        return self.root.rstrip(b"/") + b"/" + one.target if one.target else self.root

    def digest(self, fd, name):
        import hashlib

        try:
            md5 = hashlib.md5()
            with open(os.open(name, FILE, dir_fd=fd), "rb", 0) as fp:
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
            self.channel.send((name, data) if name == "need" else (name, "md5", data))

    # what arrives

    def next_item(self, *names):
        item = self.channel.receive()
        if type(item) is tuple and len(item) == 2 and item[0] in names:
            if type(item[1]) is bytes or item[1] is None and item[0] != "d":
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
            name, data = self.next_item("d", "end")
            if name == "end":
                break
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
        if flags & ~(FIRST | LAST) and (body or flags not in (TOUCH | LAST, GONE | LAST)):
            raise bad("bad data record")
        mtime, mode = self.meta.get(index, (one.mtime, one.mode))
        mode &= 0o7777
        if flags & (TOUCH | GONE):
            self.drop_temp()
            if flags & TOUCH:
                self.touch(self.folder(one.parent), one.name, mtime, mode)
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

    def clean(self):
        """Delete what is not in the manifest, and what earlier syncs left behind."""
        known = {}
        if self.delete:
            for one in self.entries[1:]:
                known.setdefault(one.parent, set()).add(one.name)
            folders = [i for i, one in enumerate(self.entries) if one.kind == "d" and not one.fresh]
        else:
            folders = [i for i in sorted(self.changed) if not self.entries[i].fresh]
        self.each(folders, lambda index, one: self.clean_dir(index, known.get(index, ())))

    def clean_dir(self, index, known):
        fd = self.folder(index)
        for name in map(os.fsencode, os.listdir(fd)):
            try:
                if is_temp(name):
                    there = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    if not stat.S_ISDIR(there.st_mode) and there.st_uid == os.geteuid():
                        if there.st_mtime < time.time() - STALE:
                            os.unlink(name, dir_fd=self.writable(index))
                elif self.delete and name not in known:
                    self.deleted += self.remove(self.writable(index), name)
            except OSError as exc:
                path = os.path.join(self.path_of(index), os.fsdecode(name))
                self.problems.append("%s: %s" % (path, reason(exc)))

    def set_dir(self, index, one):
        fd = self.folder(index)
        there = os.fstat(fd)
        if there.st_mode & 0o7777 != one.mode:
            os.fchmod(fd, one.mode)
        if there.st_mtime_ns != one.mtime:
            os.utime(fd, ns=(one.mtime, one.mtime))

    def run(self):
        self.entries = self.receive_manifest()
        self.each(range(len(self.entries)), self.look)
        self.flush("need")
        self.flush("hash")
        self.channel.send(("need", None))
        self.receive_data()
        self.each(self.links, self.put_link)
        self.clean()
        folders = [i for i, one in enumerate(self.entries) if one.kind == "d"]
        self.each(reversed(folders), self.set_dir)
        done = {
            "files": self.files,
            "bytes": self.bytes,
            "deleted": self.deleted,
            "root": readable(os.fsdecode(self.root)),
            "problems": [readable(line) for line in self.problems[:PROBLEMS_MAX]],
        }
        self.channel.send(("done", done))


def reason(exc):
    return os.strerror(exc.errno) if exc.errno else exc.strerror or str(exc)


def readable(text):
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def refuse_precious(root, dest):
    """Deleting what is not in the tree must never empty a home directory, or what holds it."""
    home = os.path.realpath(os.fsencode(os.path.expanduser("~")))
    if (home + b"/").startswith(root.rstrip(b"/") + b"/"):
        raise Refused("%s: delete is refused for a home directory, or what holds it" % dest)


def rsync(channel, dest, delete=False, version=1):
    if version != 1:
        raise bad("version %r of the protocol is not known", version)
    if type(dest) is not str or not dest or "\0" in dest:
        raise bad("bad dest")
    if os.open not in os.supports_dir_fd or os.utime not in os.supports_fd:
        raise bad("this host has no directory descriptors")
    try:
        os.makedirs(dest, exist_ok=True)
        root = os.path.realpath(os.fsencode(dest))
        if delete:
            refuse_precious(root, dest)
        receiver = Receiver(channel, root, delete)
    except OSError as exc:
        raise Refused("%s: %s" % (dest, reason(exc))) from None
    try:
        receiver.run()
    except Refused as exc:
        exc.ff_text = readable(exc.ff_text)
        raise
    finally:
        receiver.release()
