# Part of the pytest payload and of the front: what somebody's pytest_xdist_make_scheduler gives, and who
# can do what it says: the runner by itself, or the front, which drives it (driver.py).

# pytest-xdist's own, which the runner has too.
NATIVE = {
    "LoadScheduling": "load",
    "WorkStealingScheduling": "worksteal",
    "EachScheduling": "each",
}


class Quiet:
    """A log for schedulers."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args, **kwargs):
        return self


def scheduler_hooks(config):
    hook = getattr(config.hook, "pytest_xdist_make_scheduler", None)
    return hook.get_hookimpls() if hook is not None else []


def made_scheduler(config, workercount):
    """What the hook gives, as if so many workers had been asked for; None: nothing."""
    option = config.option
    before = option.tx
    option.tx = ["popen"] * workercount  # schedulers count them
    try:
        made = config.hook.pytest_xdist_make_scheduler(config=config, log=Quiet())
        if isinstance(made, list):  # before xdist's hooks are declared each of them is asked
            return made[0] if made else None
        return made
    finally:
        option.tx = before


def of_xdist(kind):
    return kind.__module__.split(".")[0] == "xdist"


def scheduler_kind(scheduler):
    """The runner's own name of it; "scopes": by its _split_scope alone; "driven": only it knows."""
    kind = type(scheduler)
    splits = callable(getattr(scheduler, "_split_scope", None))
    base = next((one for one in kind.__mro__ if of_xdist(one)), None)
    if base is None:
        return "scopes" if splits and not hasattr(scheduler, "schedule") else "driven"
    own = set(vars(scheduler))
    for one in kind.__mro__[: kind.__mro__.index(base)]:
        own.update(vars(one))
    may_differ = {"_split_scope", "__init__"} if splits else {"__init__"}
    changed = {name for name in own & set(dir(base)) - may_differ if not (
        name.startswith("__") and name.endswith("__"))}  # fmt: skip
    if splits:
        return "driven" if changed else "scopes"
    native = NATIVE.get(base.__name__, "driven")
    made_otherwise = "__init__" in own and native != "each"
    return "driven" if changed - {"collection_is_completed"} or made_otherwise else native


def own_scheduler(config, settings, workercount):
    """What the hook gives, as far as it can be honoured in a worker: a function of ids, or None."""
    if not scheduler_hooks(config):
        return None
    scheduler = made_scheduler(config, workercount)
    if scheduler is None:
        return None
    kind = scheduler_kind(scheduler)
    if kind == "scopes":
        settings["scopes"] = True
        return scheduler._split_scope
    if kind != "driven":
        settings["dist"] = kind
    elif settings["dist"] != "no":
        settings["notes"].append(
            "the scheduler %s that pytest_xdist_make_scheduler gives has no effect without a front: "
            "only _split_scope is used then" % clean(type(scheduler).__qualname__))
    return None


def wants_driver(config, settings, workercount):
    """Whether it takes a front to do what the hook says; as far as that can be seen before the
    session is configured."""
    if settings["dist"] == "no" or not scheduler_hooks(config):
        return False
    try:
        scheduler = made_scheduler(config, workercount)
        return scheduler is not None and scheduler_kind(scheduler) == "driven"
    except Exception:
        return True  # it needs what is not there yet, in a worker
