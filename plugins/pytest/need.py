# Part of the pytest payload: which parts of a session have a half on the controlling machine, and so
# need the front, which is asked for then. Read from what plugins and conftests registered, before any
# of it has run.
#
# It must be cheap, and a plain suite must come out with nothing: fixtures, markers, and hooks that
# only concern collecting and running are at home in workers.
import os

# Called where the session is controlled, and only there.
CONTROLLER_HOOKS = (
    "pytest_configure_node", "pytest_testnodeready", "pytest_testnodedown", "pytest_handlecrashitem",
    "pytest_xdist_setupnodes", "pytest_xdist_newgateway", "pytest_xdist_node_collection_finished",
    "pytest_report_header", "pytest_report_collectionfinish", "pytest_report_teststatus",
    "pytest_terminal_summary",
)  # fmt: skip

# Called by pytest-xdist alone, and why not here.
VAIN_HOOKS = (
    ("pytest_xdist_rsyncstart", "farflung brings trees along by itself, before any worker starts"),
    ("pytest_xdist_rsyncfinish", "farflung brings trees along by itself, before any worker starts"),
    ("pytest_xdist_getremotemodule", "workers run farflung's own module"),
)  # fmt: skip

# Called on both sides; a plugin or a conftest may do its work on either.
SHARED_HOOKS = (
    "pytest_cmdline_main", "pytest_configure", "pytest_unconfigure", "pytest_sessionstart",
    "pytest_sessionfinish", "pytest_runtest_logstart", "pytest_runtest_logreport",
    "pytest_runtest_logfinish", "pytest_collectreport", "pytest_warning_recorded",
    "pytest_internalerror", "pytest_keyboard_interrupt",
)  # fmt: skip

# Plugins that do their work in workers, and the options with which they don't.
WORKERS_PLUGINS = {
    "_hypothesis_ftz_detector": (), "_hypothesis_pytestplugin": ("hypothesis_show_statistics",),
    "anyio": (), "faker": (), "freezegun": (),
    "hypothesis": ("hypothesis_show_statistics",), "pyfakefs": (), "pytest_aiohttp": (),
    "pytest_asyncio": (), "pytest_cov": ("cov_source",), "pytest_datadir": (), "pytest_django": (),
    "pytest_dotenv": (), "pytest_env": (), "pytest_factoryboy": (), "pytest_flask": (),
    "pytest_forked": (), "pytest_freezer": (), "pytest_html": ("htmlpath",),
    "pytest_httpserver": (), "pytest_httpx": (), "pytest_instafail": ("instafail",),
    "pytest_jsonreport": ("json_report", "json_report_file"), "pytest_lazyfixture": (),
    "pytest_mock": (), "pytest_order": (), "pytest_ordering": (), "pytest_regressions": (),
    "pytest_repeat": (), "pytest_reportlog": ("report_log",), "pytest_socket": (),
    "pytest_timeout": (), "pytest_trio": (), "requests_mock": (), "respx": (), "time_machine": (),
    "pytest_farflung": (), "typeguard": (), "xdist": (),
}  # fmt: skip

# What a pytest_configure may use without anybody on the controlling machine noticing: markers,
# options that are read, the process's own environment, paths and filters of warnings.
QUIET_NAMES = frozenset(
    "addinivalue_line getoption getini getvalue option rootpath rootdir inipath invocation_params "
    "os environ get setdefault putenv sys path append insert join dirname abspath realpath Path "
    "parent resolve str int bool len __file__ warnings filterwarnings simplefilter "
    "DeprecationWarning PendingDeprecationWarning FutureWarning UserWarning RuntimeWarning "
    "ImportWarning ResourceWarning format".split()
)

# Options that decide what the controlling side shows or keeps: (dest, as it is given, without it).
REPORTING = (
    ("reportchars", "-r", "fE"), ("tbstyle", "--tb", "auto"), ("durations", "--durations", None),
    ("showcapture", "--show-capture", "all"), ("xmlpath", "--junitxml", None), ("lf", "--lf", False),
    ("failedfirst", "--ff", False), ("newfirst", "--nf", False), ("stepwise", "--sw", False),
    ("pastebin", "--pastebin", None), ("disable_warnings", "--disable-warnings", False),
    ("no_summary", "--no-summary", False), ("no_header", "--no-header", False),
    ("xfail_tb", "--xfail-tb", False), ("fold_skipped", "--no-fold-skipped", True),
)  # fmt: skip

# Of these, what has its effect without a front, too: by the cache, and in the runner's own reporter.
KEPT_ANYWAY = (
    "--lf", "--ff", "--nf", "-r", "--tb", "--show-capture", "--disable-warnings", "--durations", "--no-header",
    "--no-summary",
)  # fmt: skip


def asked_of_reporter(config):
    """Of these, what the runner's reporter does; None where it is pytest's default."""
    option = config.option
    reporter = config.pluginmanager.getplugin("terminalreporter")
    chars, tb = getattr(reporter, "reportchars", None), getattr(option, "tbstyle", "auto")
    capture = getattr(option, "showcapture", "all")
    slowest, least = getattr(option, "durations", None), getattr(option, "durations_min", None)
    return {
        "tb": clean(tb) if tb != "auto" else None,
        "show_capture": clean(capture) if capture != "all" else None,
        "durations": "%d" % max(0, slowest) if type(slowest) is int else None,
        "durations_min": "%r" % float(least) if type(least) in (int, float) else None,
        "no_header": "yes" if getattr(option, "no_header", False) else None,
        "no_summary": "yes" if getattr(option, "no_summary", False) else None,
        "chars": (clean(chars) or "N") if type(chars) is str and set(chars) != set("wfE") else None,
    }


def module_of(plugin):
    return getattr(plugin, "__name__", None) or type(plugin).__module__


def is_conftest(plugin):
    return os.path.basename(str(getattr(plugin, "__file__", ""))) == "conftest.py"


def is_quiet(function):
    """Whether a pytest_configure only does what nobody else notices."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None or not QUIET_NAMES.issuperset(code.co_names):
        return False
    return not any(
        hasattr(const, "co_code") or isinstance(const, str) and "worker" in const.lower()
        for const in code.co_consts
    )


def matters(impl, name, option):
    """Whether an implementation of a hook has something to do on the controlling machine."""
    module = module_of(impl.plugin)
    package = str(module).split(".")[0]
    if package in ("_pytest", "pytest", "builtins") and not is_conftest(impl.plugin):
        return False
    if not is_conftest(impl.plugin) and WORKERS_PLUGINS.get(package) is not None:
        return any(getattr(option, dest, None) for dest in WORKERS_PLUGINS[package])
    return name not in ("pytest_configure", "pytest_unconfigure") or not is_quiet(impl.function)


def label_of(plugin, plugin_name, root):
    if is_conftest(plugin):
        path = str(plugin.__file__)
        return os.path.relpath(path, root) if path.startswith(root + os.sep) else path
    package = str(module_of(plugin)).split(".")[0]
    return package.replace("_", "-") if package.startswith("pytest") else package or plugin_name


def needs_front(config):
    """Why the session needs a front, a line each; none: it doesn't."""
    option = config.option
    root = str(getattr(config, "rootpath", None) or config.rootdir)
    found = {}
    for name in CONTROLLER_HOOKS + SHARED_HOOKS:
        caller = getattr(config.pluginmanager.hook, name, None)
        for impl in caller.get_hookimpls() if caller is not None else ():
            if matters(impl, name, option):
                label = label_of(impl.plugin, impl.plugin_name, root)
                names = found.setdefault(label, [])
                if name not in names:
                    names.append(name)
    reasons = ["%s: %s" % (clean(label), ", ".join(names)) for label, names in found.items()]
    for dest, shown_as, without in REPORTING:
        if getattr(option, dest, without) != without:
            reasons.append(shown_as)
    return reasons


class WithoutFront(dict):
    """The workerinput of a session that has no front. Who wants what only a front gives is told so, as a
    KeyError, which some expect; from a session's hooks it is a usage error, and ends it."""

    def __init__(self, front):
        dict.__init__(self)
        self.front = front

    def __missing__(self, key):
        import sys

        import pytest

        class Missing(KeyError, pytest.UsageError):
            pass

        who = sys._getframe(1).f_globals.get("__name__")
        why = "--front never" if self.front == "never" else "--front always gives one"
        raise Missing(
            "%s wants workerinput[%s], which only a front can give, and there is none (%s)"
            % (clean(who), shown(key), why)
        )

    def __reduce__(self):
        return dict, (dict(self),)


def scheduler_reasons(config):
    root = str(getattr(config, "rootpath", None) or config.rootdir)
    labels = [label_of(impl.plugin, impl.plugin_name, root) for impl in scheduler_hooks(config)]
    return ["%s: pytest_xdist_make_scheduler" % clean(label) for label in labels]


def vain_hooks(config):
    """A line for each hook that somebody has and that nobody calls."""
    root = str(getattr(config, "rootpath", None) or config.rootdir)
    words = [str(word) for word in config.invocation_params.args]
    lines = []
    for name, why in VAIN_HOOKS + (("pytest_xdist_auto_num_workers", None),):
        caller = getattr(config.pluginmanager.hook, name, None)
        for impl in caller.get_hookimpls() if caller is not None else ():
            module = str(module_of(impl.plugin))
            if module.split(".")[0] == "xdist":
                continue
            if why is None:  # it is asked before, where a conftest.py has it or a word names it
                if is_conftest(impl.plugin) or any(module in word for word in words):
                    continue
                reason = "-n auto asks a plugin that is named: -p %s" % module
            else:
                reason = why
            lines.append("%s (%s) has no effect: %s" % (
                name, clean(label_of(impl.plugin, impl.plugin_name, root)), reason))  # fmt: skip
    return lines


class Dismissed(Exception):
    """The session was ended while it waited for the front."""


def ask_front(channel, config, front, driven):
    """What the front says to this session; None: it has none. `driven`: a scheduler that is there may
    say who runs what."""
    if not front or only_shows(config.option):
        return None
    reasons = needs_front(config) + (driven and front != "never" and scheduler_reasons(config) or [])
    if front == "always":
        reasons = ["--front always"] + reasons
    if not reasons:
        return None
    if front == "never":
        reasons = [reason for reason in reasons if reason not in KEPT_ANYWAY]
        if reasons:
            channel.send(("without", reasons))
        return None
    channel.send(("need", reasons, dict(about_interpreter(), driven=driven)))
    while 1:
        try:
            order = channel.receive()
        except EOFError:
            raise Dismissed() from None
        if order[0] == "front":
            return order[1]
        if order[0] == "end":
            raise Dismissed()
        if order[0] != "drop":
            raise ValueError("unexpected order %r" % (order,))
