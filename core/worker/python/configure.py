# The built-in `configure` for python workers: working directory, niceness and environment of the
# worker itself, and so of all that it starts from then on. Sent by remote_exec.
import os


class Refused(Exception):
    """Its text alone becomes the channel's error."""

    def __init__(self, text):
        Exception.__init__(self, text)
        self.ff_text = text


def configure(channel, chdir=None, nice=0, env=None):
    if chdir:
        if chdir == "~" or chdir.startswith("~/"):
            chdir = os.path.expanduser(chdir)
        what = "create"
        try:
            os.makedirs(chdir, exist_ok=True)
            what = "change to"
            os.chdir(chdir)
        except OSError as exc:
            raise Refused("cannot %s '%s': %s" % (what, chdir, exc.strerror)) from None
    for name, value in (env or {}).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if nice:
        try:
            os.nice(nice)
        except OSError as exc:
            raise Refused("cannot set nice %d: %s" % (nice, exc.strerror)) from None
    channel.send({"cwd": os.getcwd()})
