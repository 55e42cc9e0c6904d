"""How interpreters are started. libfarflung does it; here is what others look at."""
import shlex
import sys

from farflung import _native
from farflung.execnet._errors import HostNotFound  # noqa: F401

popen_bootstrapline = "import sys;exec(eval(sys.stdin.readline()))"


class LineIO:
    """The connection of a gateway."""

    def __init__(self, line, name, spec, execmodel):
        self.line = line
        self.name = name  # in the library's group
        self.execmodel = execmodel
        self.remoteaddress = spec.ssh or spec.vagrant_ssh or spec.socket

    def wait(self):
        """Waits until what carries it has ended."""
        _native.line_wait(self.line, True, -1.0)

    def kill(self):
        _native.line_kill(self.line)


def shell_split_path(path):
    return shlex.split(path)


def popen_args(spec):
    """The words of a popen gateway's command."""
    args = shlex.split(spec.python) if spec.python else [sys.executable]
    args.append("-u")
    if spec.dont_write_bytecode:
        args.append("-B")
    return args + ["-c", popen_bootstrapline]


def _remote_command(spec):
    return '%s -c "%s"' % (spec.python or "python", popen_bootstrapline)


def ssh_args(spec):
    """The words of an ssh gateway's command, as execnet runs it."""
    assert spec.ssh is not None
    args = ["ssh", "-C"]
    if spec.ssh_config is not None:
        args += ["-F", spec.ssh_config]
    return args + spec.ssh.split() + [_remote_command(spec)]


def vagrant_ssh_args(spec):
    """The same through ``vagrant ssh``."""
    assert spec.vagrant_ssh is not None
    args = ["vagrant", "ssh", spec.vagrant_ssh, "--", "-C"]
    if spec.ssh_config is not None:
        args += ["-F", spec.ssh_config]
    return args + [_remote_command(spec)]
