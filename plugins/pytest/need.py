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
    "pytest_xdist_auto_num_workers", "pytest_xdist_rsyncstart", "pytest_xdist_rsyncfinish",
    "pytest_xdist_getremotemodule", "pytest_report_header", "pytest_report_collectionfinish",
    "pytest_report_teststatus", "pytest_terminal_summary",
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
    "typeguard": (), "xdist": (),
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

# Of these, what goes by the cache, which is kept without a front, too.
KEPT_ANYWAY = ("--lf", "--ff", "--nf")

# With these pytest shows something and ends; there is no run that could have two sides.
ONLY_SHOWS = (
    "help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow", "setupplan",
    "collectonly", "usepdb", "trace",
)  # fmt: skip


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


def only_shows(option):
    return any(getattr(option, name, False) for name in ONLY_SHOWS)


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


class Dismissed(Exception):
    """The session was ended while it waited for the front."""


def ask_front(channel, config, front):
    """What the front says to this session; None: it has none."""
    if not front or only_shows(config.option):
        return None
    reasons = needs_front(config)
    if front == "always":
        reasons = ["--front always"] + reasons
    if not reasons:
        return None
    if front == "never":
        reasons = [reason for reason in reasons if reason not in KEPT_ANYWAY]
        if reasons:
            channel.send(("without", reasons))
        return None
    channel.send(("need", reasons, about_interpreter()))
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
