"""EXECNET_DEBUG=1 traces into a file per process, EXECNET_DEBUG=2 to stderr."""
import os
import sys
import tempfile

DEBUG = os.environ.get("EXECNET_DEBUG")
pid = os.getpid()
fn = None


def notrace(*words):
    """Traces nothing."""


trace = notrace

if DEBUG == "2":

    def trace(*words):  # noqa: F811
        try:
            sys.stderr.write("[%d] %s\n" % (pid, " ".join(map(str, words))))
            sys.stderr.flush()
        except Exception:
            pass

elif DEBUG:
    fn = os.path.join(tempfile.gettempdir(), "execnet-debug-%d" % pid)
    _file = open(fn, "a", encoding="utf-8", errors="replace")

    def trace(*words):  # noqa: F811
        try:
            _file.write(" ".join(map(str, words)) + "\n")
            _file.flush()
        except Exception:
            pass
