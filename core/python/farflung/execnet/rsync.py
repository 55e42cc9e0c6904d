"""One folder to many targets, through their gateways."""
import hashlib
import os
import queue
import stat

from farflung.execnet import rsync_remote


class RSync:
    """Sends a folder (or a file) to any number of targets; what is there already is not sent.

    Symbolic links that point into the folder do so at the target, too; others are as they are here.
    """

    def __init__(self, sourcedir, callback=None, verbose=True):
        assert callback is None or callable(callback)
        self._sourcedir = str(sourcedir)
        self._callback = callback
        self._verbose = verbose
        self._channels = {}  # channel: what to call when it is done
        self._received = queue.Queue()

    def filter(self, path):
        """Whether `path`, below the source, is sent. To be overridden."""
        return True

    def add_target(self, gateway, destdir, finishedcallback=None, **options):
        """One more target for the next `send`; with ``delete=True`` what is not in the source goes."""
        for name in options:
            assert name in ("delete",)
        channel = gateway.remote_exec(rsync_remote)
        received = self._received
        channel.setcallback(lambda item: received.put((channel, item)), endmarker=None)
        channel.send((str(destdir), options))
        self._channels[channel] = finishedcallback

    def send(self, raises=True):
        """Sends to all targets and waits until they are done. Without one: OSError if `raises`."""
        if not self._channels:
            if raises:
                raise OSError("no targets available, maybe you are trying call send() twice?")
            return
        self._sourcedir = os.path.dirname(os.path.join(self._sourcedir, "x"))
        self._entries = []
        self._scan(self._sourcedir, "")
        for channel in self._channels:
            channel.send(self._entries)
        while self._channels:
            channel, item = self._received.get()
            if item is None:
                self._lost(channel)
            else:
                kind, value = item
                {"want": self._wanted, "ack": self._acknowledged, "done": self._done}[kind](channel, value)

    # --- the source ---

    def _scan(self, path, relative):
        """Adds an entry (path below the source, kind, mode, time, size or link), and all below it."""
        try:
            info = os.lstat(path)
        except OSError:  # it was there a moment ago: whatever the target has stays
            self._entries.append((relative, "?", 0, 0, 0))
            return
        if stat.S_ISREG(info.st_mode):
            self._entries.append((relative, "file", info.st_mode, info.st_mtime, info.st_size))
        elif stat.S_ISLNK(info.st_mode):
            self._entries.append((relative,) + self._link(path))
        elif stat.S_ISDIR(info.st_mode):
            self._entries.append((relative, "folder", info.st_mode, 0, 0))
            below = [name for name in os.listdir(path) if self.filter(os.path.join(path, name))]
            for name in below:
                self._scan(os.path.join(path, name), relative + "/" + name if relative else name)
        else:
            raise ValueError("cannot sync %r" % path)

    def _link(self, path):
        target = os.readlink(path)
        inside = os.path.relpath(target, self._sourcedir)
        if inside in (os.curdir, os.pardir) or inside.startswith(os.pardir + os.sep):
            return "link", 0, 0, target
        return "inner link", 0, 0, inside

    # --- what targets say ---

    def _wanted(self, channel, wanted):
        """Files that differ there by size or time, and the digests of those of equal size."""
        contents = [(relative, digest, self._read(relative)) for relative, digest in wanted]
        if self._callback:
            self._callback("list", sum(len(data or b"") for _, _, data in contents), channel)
        self._sizes = getattr(self, "_sizes", {})
        for relative, digest, data in contents:
            self._sizes[relative] = len(data or b"")
            if data is not None and digest == hashlib.md5(data).digest():
                data = None
            elif data is not None:
                self._report_send_file(channel.gateway, relative)
            channel.send(data)

    def _read(self, relative):
        try:
            with open(os.path.join(self._sourcedir, relative) if relative else self._sourcedir, "rb") as file:
                return file.read()
        except OSError:
            return None

    def _report_send_file(self, gateway, modified_rel_path):
        if self._verbose:
            print("%s <= %s" % (gateway, modified_rel_path))

    def _acknowledged(self, channel, relative):
        if self._callback:
            self._callback("ack", self._sizes[relative], channel)

    def _done(self, channel, _):
        finished = self._channels.pop(channel)
        if finished:
            finished()
        channel.waitclose()

    def _lost(self, channel):
        if channel in self._channels:
            channel.waitclose()  # raises the error, if there was one
            raise OSError("connection unexpectedly closed: %s " % (channel.gateway,))
