"""The target's half of RSync: this text runs there, and needs nothing but Python."""


def receive_tree(channel):
    import hashlib
    import os
    import shutil
    import stat

    dest, options = channel.receive()
    entries = channel.receive()

    def place(relative):
        return os.path.join(dest, *relative.split("/")) if relative else dest

    def info_of(path):
        try:
            return os.lstat(path)
        except OSError:
            return None

    def remove(path):
        info = info_of(path)
        if info and stat.S_ISDIR(info.st_mode):
            shutil.rmtree(path, True)
        elif info:
            os.unlink(path)

    def make_folder(path, mode):
        info = info_of(path)
        if info and not stat.S_ISDIR(info.st_mode) and not os.path.isdir(path):
            os.unlink(path)
            info = None
        if not info:
            os.makedirs(path)
        os.chmod(path, stat.S_IMODE(mode) | 0o700)  # what comes below must be writable

    def differs(path, mode, mtime, size):
        """None: all is in place; else the digest of what is there, b"" if that can't be the same."""
        info = info_of(path)
        if info and not stat.S_ISREG(info.st_mode):
            remove(path)
            info = None
        if not info or info.st_size != size:
            return b""
        if info.st_mtime != mtime:
            with open(path, "rb") as file:
                return hashlib.md5(file.read()).digest()
        if info.st_mode != mode:
            os.chmod(path, stat.S_IMODE(mode))
        return None

    def delete_others():
        names = {}
        for relative, kind, _, _, _ in entries:
            if kind == "folder":
                names.setdefault(relative, set())
            folder, _, name = relative.rpartition("/")
            if relative:
                names.setdefault(folder, set()).add(name)
        for folder, known in names.items():
            for name in os.listdir(place(folder)):
                if name not in known:
                    remove(os.path.join(place(folder), name))

    wanted = []
    for relative, kind, mode, mtime, size in entries:
        path = place(relative)
        if kind == "folder":
            make_folder(path, mode)
        elif kind == "file":
            digest = differs(path, mode, mtime, size)
            if digest is not None:
                wanted.append((relative, digest, mode, mtime))
    if options.get("delete"):
        delete_others()
    channel.send(("want", [(relative, digest or None) for relative, digest, _, _ in wanted]))
    for relative, _, mode, mtime in wanted:
        data = channel.receive()
        path = place(relative)
        channel.send(("ack", relative))
        if data is not None:
            with open(path, "wb") as file:
                file.write(data)
        try:
            os.chmod(path, stat.S_IMODE(mode))
            os.utime(path, (mtime, mtime))
        except OSError:
            pass  # it could not be read at the source, or is not ours
    for relative, kind, _, _, target in entries:
        if kind in ("link", "inner link"):
            path = place(relative)
            target = os.path.join(dest, target) if kind == "inner link" else target
            if not (os.path.islink(path) and os.readlink(path) == target):
                remove(path)
                os.symlink(target, path)
    channel.send(("done", None))


if __name__ == "__channelexec__":
    receive_tree(channel)  # noqa: F821
