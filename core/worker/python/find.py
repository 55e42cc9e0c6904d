# Files below a folder, by patterns, as core/rsync/find.h has them: the first part of what the built-ins
# `fetch` and `stamp` of python workers are. Sent by remote_exec.
import errno
import fnmatch
import hashlib
import os
import re
import stat

PART_MAX = 256 << 10
FILES_MAX = 100000
PATH_MAX = 4096
REFUSED_MAX = 100
is_ours = re.compile(rb"\.ff-([0-9a-f]{16,40}\.tmp|.*\.sync-(record|lock|new))\Z", re.S).match


class Refused(Exception):
    """Its text alone becomes the channel's error."""

    def __init__(self, text):
        Exception.__init__(self, text)
        self.ff_text = text


def reason(exc):
    return os.strerror(exc.errno) if exc.errno else str(exc)


def unescape(part):
    """A backslash takes the next byte as it is, which fnmatch writes as a set."""
    return re.sub(rb"\\(.)", lambda m: b"[" + m[1] + b"]" if m[1] in b"*?[\\" else m[1], part, flags=re.S)


class Find:
    def __init__(self, root):
        self.root = os.path.realpath(root)
        self.paths, self.refused, self.met = set(), [], False

    def whole(self, path):
        return os.path.join(self.root, path) if path else self.root

    def refuse(self, path, why):
        self.met = True
        if len(self.refused) < REFUSED_MAX:
            self.refused.append((path or b".") + b": " + why.encode())

    def stays(self, path):
        real = os.path.realpath(self.whole(path))
        return real.startswith(self.root.rstrip(b"/") + b"/")

    def names(self, path):
        try:
            names = os.listdir(self.whole(path))
        except OSError as exc:
            if not path:
                raise Refused("%s: %s" % (os.fsdecode(self.root), reason(exc))) from None
            if exc.errno not in (errno.ENOTDIR, errno.ENOENT):
                self.refuse(path, reason(exc))
            return
        for name in names:
            below = path + b"/" + name if path else name
            if is_ours(name):
                continue
            if len(below) >= PATH_MAX:
                self.refuse(path, "a path below it is too long")
            else:
                yield name, below

    def is_folder(self, path, links):
        try:
            mode = os.lstat(self.whole(path)).st_mode
            if stat.S_ISLNK(mode) and links:
                return self.stays(path) and os.path.isdir(self.whole(path))
            return stat.S_ISDIR(mode)
        except OSError:
            return False

    def add_file(self, path):
        self.met = True
        if path not in self.paths and len(self.paths) == FILES_MAX:
            raise Refused("%s: more than %d files match" % (os.fsdecode(self.root), FILES_MAX))
        self.paths.add(path)

    def add(self, path, through):
        try:
            mode = os.lstat(self.whole(path)).st_mode
        except OSError as exc:
            if exc.errno != errno.ENOENT:
                self.refuse(path, reason(exc))
            return
        if stat.S_ISREG(mode):
            self.add_file(path)
        elif stat.S_ISDIR(mode):
            self.add_all(path)
        elif not stat.S_ISLNK(mode):
            self.refuse(path, "neither a file nor a folder")
        elif not os.path.exists(self.whole(path)):
            self.refuse(path, "a link to what is not there")
        elif not self.stays(path):
            self.refuse(path, "a link that leads out of the folder")
        elif os.path.isfile(self.whole(path)):
            self.add_file(path)
        elif os.path.isdir(self.whole(path)) and through:
            self.add_all(path)
        else:
            self.refuse(path, "a link to a folder" if os.path.isdir(self.whole(path)) else "neither a file nor a folder")

    def was_fetched_into(self, path):
        return os.path.lexists(self.whole(path + b"/.farflung.sums"))

    def add_all(self, path):
        if path and self.was_fetched_into(path):
            return
        for _, below in self.names(path):
            self.add(below, False)

    def match(self, path, parts):
        while parts and parts[0] in (b"", b"."):
            parts = parts[1:]
        if not parts:
            self.add(path, True)
            return
        part, rest = parts[0], parts[1:]
        if part == b"**" and rest:
            self.match(path, rest)
            for name, below in self.names(path):
                if not name.startswith(b".") and self.is_folder(below, False) and not self.was_fetched_into(below):
                    self.match(below, parts)
        elif any(c in part for c in b"*?[\\"):
            wanted = re.compile(fnmatch.translate(os.fsdecode(b"*" if part == b"**" else unescape(part))))
            for name, below in self.names(path):
                if name.startswith(b".") and not part.startswith(b"."):
                    continue
                if wanted.match(os.fsdecode(name)):
                    self.go_on(below, rest)
        else:
            self.go_on(path + b"/" + part if path else part, rest)

    def go_on(self, below, rest):
        if not any(rest):
            self.add(below, True)
        elif self.is_folder(below, True):
            self.match(below, rest)
        elif os.path.islink(self.whole(below)) and not self.stays(below):
            self.refuse(below, "a link that leads out of the folder")


def look_for(root, patterns):
    """What is found; and the patterns that nothing matched."""
    find, missing = Find(os.fsencode(root)), []
    for pattern in patterns:
        parts = os.fsencode(pattern).split(b"/")
        if not pattern or pattern.startswith("/") or b".." in parts:
            raise Refused("'%s' is no path below the folder" % pattern)
        find.met = False
        find.match(b"", parts)
        if not find.met:
            missing.append(os.fsencode(pattern))
    return find, missing
