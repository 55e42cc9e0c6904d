def environ_now():
    """What modules may look at while they are imported; pytest's own entries and ours are no setting of anybody's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def installed_folders():
    """Where modules lie that are no part of any project."""
    import site
    import sysconfig

    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    if hasattr(site, "getsitepackages"):  # not in environments of old virtualenvs
        paths += site.getsitepackages()
    if site.ENABLE_USER_SITE:
        paths.append(site.getusersitepackages())
    return {os.path.realpath(path) for path in paths if path and os.path.isdir(path)}


class RealPaths(dict):
    """os.path.realpath of many files in few folders, each of which is looked at once."""

    def __missing__(self, folder):
        self[folder] = os.path.realpath(folder)
        return self[folder]

    def of(self, path):
        folder, name = os.path.split(path)
        path = os.path.join(self[folder], name)
        return os.path.realpath(path) if os.path.islink(path) else path


def stamp_of(path):
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


LOCKS = (
    "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "requirements.txt", "environment.yml",
)  # fmt: skip
OURS = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging")


def time_used():
    """(s on a CPU, s of waiting for one) of this thread; None where that can't be had."""
    try:
        with open("/proc/thread-self/schedstat") as file:
            return [int(word) / 1e9 for word in file.read().split()[:2]]
    except (OSError, ValueError):
        return None


class Imports:
    """What a session imports from outside of its project, for the template of the next run (template.py)."""

    turn_us = None

    def __init__(self):
        self.began = time.monotonic(), time_used()
        self.before = environ_now()
        self.finders = list(sys.meta_path)
        self.real = RealPaths()
        self.only_ours = False  # what others need may be imported in a way that is this project's own

    def first_test(self):
        """How long the beginning took a CPU; nothing, if it was something else that took the time."""
        if self.turn_us is not None:
            return
        took, now = time.monotonic() - self.began[0], time_used()
        if not now or not self.began[1]:
            return
        on_cpu, waited = (b - a for a, b in zip(self.began[1], now))
        self.turn_us = int(on_cpu * 1e6) if took - on_cpu - waited < on_cpu / 4 else 0

    def look(self, config):
        """After collection: has anything changed how modules are imported?"""
        hook = config.pluginmanager.rewrite_hook
        finders = [finder for finder in sys.meta_path if finder is not hook and finder not in self.finders]
        known = ("_SixMetaPathImporter", "DistutilsMetaFinder", "_Finder", "_EditableFinder", "_EditableNamespaceFinder")
        strange = [f for f in finders if getattr(f, "__name__", type(f).__name__) not in known]
        covered = config.pluginmanager.getplugin("_cov")
        self.only_ours = bool(strange or covered or environ_now() != self.before)

    def belongs(self, name, module, folders, project, hook):
        """Whether a template may import it: by its name, from where nothing is the project's, as it is."""
        spec = getattr(module, "__spec__", None)
        origin = getattr(spec, "origin", None)
        if not origin or spec.name != name or name.startswith("_farflung") or spec.loader is hook:
            return False
        if origin in ("built-in", "frozen"):
            return True
        path = self.real.of(origin)
        if path.startswith(project) or not path.startswith(folders):
            return False
        return not self.only_ours or name.split(".")[0] in OURS or not path.startswith(self.sites)

    def text(self, config, session):
        import json

        folders = installed_folders()
        self.sites = tuple(
            path + os.sep for path in folders if path.endswith(("site-packages", "dist-packages"))
        )
        paths = {item.path for item in getattr(session, "items", ())}
        project = tuple({project_of(self.real.of(str(path)), folders) + os.sep for path in paths})
        hook = config.pluginmanager.rewrite_hook
        modules, below = list(sys.modules.items()), tuple(path + os.sep for path in folders)
        names = {name for name, module in modules if self.belongs(name, module, below, project, hook)}
        template = sys.modules.get("_farflung_template")
        root = str(getattr(config, "rootpath", None) or config.rootdir)
        paths = [sys.executable, *sorted(folders), *(os.path.join(root, name) for name in LOCKS)]
        return json.dumps({
            "version": sys.version,
            "turn_us": self.turn_us or 0,
            "paths": [[path, stamp_of(path)] for path in paths],
            "modules": [name for name, _ in modules if all(parent in names for parent in parents_of(name))],
            # pytest changes these while it imports them, and so has to do that itself
            "rewritten": [name for name, module in modules if getattr(module, "__loader__", None) is hook],
            "fit": sorted(getattr(template, "fit", ())),
            "unfit": sorted(getattr(template, "unfit", ())),
        })  # fmt: skip


def parents_of(name):
    """a.b.c: a.b.c, a.b, a"""
    while name:
        yield name
        name = name.rpartition(".")[0]


def project_of(path, folders):
    """The folder that a test file's project is in: below site-packages, the package."""
    for folder in folders:
        if path.startswith(folder + os.sep):
            return os.path.join(folder, path[len(folder) + 1 :].split(os.sep)[0])
    return os.path.dirname(path)
