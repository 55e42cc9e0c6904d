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


def own_names(scheduler, base):
    """What it has in the place of what `base` brings."""
    own = set(vars(scheduler))
    for one in type(scheduler).__mro__[: type(scheduler).__mro__.index(base)]:
        own.update(vars(one))
    return own & set(dir(base)) - {"collection_is_completed"}


def base_of(scheduler):
    return next((one for one in type(scheduler).__mro__ if of_xdist(one)), None)


def methods_of(scheduler, base):
    """The same, of which the runner knows nothing."""
    splits = {"_split_scope"} if callable(getattr(scheduler, "_split_scope", None)) else set()
    return sorted(name for name in own_names(scheduler, base) - splits if not (
        name.startswith("__") and name.endswith("__")))  # fmt: skip


def scheduler_kind(scheduler):
    """The runner's own name of it; "scopes": by its _split_scope alone; "driven": only it knows."""
    splits = callable(getattr(scheduler, "_split_scope", None))
    base = base_of(scheduler)
    if base is None:
        return "scopes" if splits and not hasattr(scheduler, "schedule") else "driven"
    native = NATIVE.get(base.__name__, "driven")
    if native == "each" and not splits:
        return native  # whatever it changes: a front gives each test to one worker
    changed = methods_of(scheduler, base)
    if splits:
        return "driven" if changed else "scopes"
    return "driven" if changed or "__init__" in own_names(scheduler, base) else native


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
    name = clean(type(scheduler).__qualname__)
    if settings["dist"] == "each" and kind != "each":
        settings["notes"].append("the scheduler %s that pytest_xdist_make_scheduler gives has no effect: "
                                 "--dist each runs all on every worker" % name)
    elif kind != "driven":
        changed = methods_of(scheduler, base_of(scheduler)) if kind == "each" else []
        if changed:
            settings["notes"].append("what the scheduler %s changes has no effect, as it runs all on every "
                                     "worker: %s" % (name, ", ".join(changed)))
        settings["dist"] = kind
    elif settings["dist"] != "no":
        settings["notes"].append(
            "the scheduler %s that pytest_xdist_make_scheduler gives has no effect without a front: "
            "only _split_scope is used then" % name)
    return None


def wants_driver(config, settings, workercount):
    """Whether it takes a front to do what the hook says; as far as that can be seen before the
    session is configured."""
    if settings["dist"] in ("no", "each") or not scheduler_hooks(config):
        return False
    try:
        scheduler = made_scheduler(config, workercount)
        return scheduler is not None and scheduler_kind(scheduler) == "driven"
    except Exception:
        return True  # it needs what is not there yet, in a worker
