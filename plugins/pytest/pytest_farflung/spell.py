# Part of the pytest payload and of the plugin: the fixture farflung_once, and how values are written that
# it gives to other processes. That is a text that Python's own reader of literals reads, and no more than that.
import ast

SPELLED_MAX = 8 << 20  # characters


def spelled(value):
    """The value as a text; ValueError: it can't be told to another process."""
    text = spell(value, 0)
    if len(text) > SPELLED_MAX:
        raise ValueError("it takes %d characters, and at most %d can be" % (len(text), SPELLED_MAX))
    return text


def spell(value, depth):
    kind = type(value)  # others would come out as something else
    if depth > 50:
        raise ValueError("it is nested too deeply, or holds itself")
    if value is None or kind in (bool, int, bytes):
        return repr(value)
    if kind is str:
        return ascii(value)
    if kind is float:
        if value != value:
            raise ValueError("it holds a float that is not a number")
        return {float("inf"): "1e999", -float("inf"): "-1e999"}.get(value) or repr(value)
    if kind is dict:
        return "{%s}" % ", ".join(
            "%s: %s" % (spell(key, depth + 1), spell(one, depth + 1)) for key, one in value.items()
        )
    if kind in (list, tuple, set) and (value or kind is not set):
        parts = ", ".join(spell(one, depth + 1) for one in value)
        if kind is list:
            return "[%s]" % parts
        return "(%s%s)" % (parts, "," * (len(value) == 1)) if kind is tuple else "{%s}" % parts
    raise ValueError(
        "it holds %s %s; expected None, numbers, texts, bytes, and lists, tuples, dicts and sets of these"
        % ("an empty" if kind is set else "a", kind.__name__)
    )


def read_spelled(text):
    return ast.literal_eval(text)


def check_once(name, setup, teardown, scope):
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise TypeError("farflung_once: its name is %r; expected a text" % (name,))
    if not callable(setup):
        raise TypeError("farflung_once(%r): setup is %r; expected something to be called" % (name, setup))
    if teardown is not None and not callable(teardown):
        raise TypeError("farflung_once(%r): teardown is %r; expected something to be called" % (name, teardown))
    if scope not in ("host", "run"):
        raise ValueError("farflung_once(%r): scope=%r; expected 'host' or 'run'" % (name, scope))


def once_plugin(once, told):
    """A plugin with the fixture, as a module: fixtures of an instance are deprecated. `told` is called with
    the session's config and what went wrong in the end."""
    import types

    import pytest

    @pytest.fixture(scope="session")
    def farflung_once():
        """Calls setup once per host, or run, and gives its value to all: farflung_once(name, setup,
        teardown, scope="host")."""
        return once

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(session):
        problems = once.finish()
        for text in problems:
            told(session.config, text)
        if problems and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    plugin = types.ModuleType("farflung-once")
    plugin.farflung_once, plugin.pytest_sessionfinish = farflung_once, pytest_sessionfinish
    return plugin
