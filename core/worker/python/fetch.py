# The built-in `fetch` for python workers: files to the controller; core/rsync/README.md describes the
# items.


def send_file(channel, find, path):
    try:
        fd = os.open(find.whole(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        channel.send(("gone", path, reason(exc)))
        return
    try:
        st = os.fstat(fd)
        if not stat.S_ISREG(st.st_mode):
            raise OSError(errno.EINVAL, "")
        digest, left = hashlib.md5(), st.st_size
        channel.send(("file", path, left, st.st_mode & 0o777, "md5"))
        while left:  # what is written to the file meanwhile is not waited for
            part = os.read(fd, min(left, PART_MAX))
            if not part:
                break
            left -= len(part)
            digest.update(part)
            channel.send(("data", part))
        channel.send(("end", digest.digest()))
    except OSError as exc:
        if channel.isclosed():
            raise
        channel.send(("gone", path, reason(exc)))
    finally:
        os.close(fd)


def fetch(channel, root, paths):
    find, missing = look_for(root, paths)
    for path in sorted(find.paths):
        send_file(channel, find, path)
    channel.send(("done", missing, find.refused))
