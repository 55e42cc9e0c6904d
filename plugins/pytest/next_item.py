# Part of the pytest payload: the item that runs next, as hooks are told of it.


class NextItem:
    """Stands for the item that runs next, which is asked for when something wants to know."""

    def __init__(self, resolve):
        self._resolve = resolve

    def __bool__(self):
        return self._resolve() is not None

    def __eq__(self, other):
        return self._resolve() == other

    def __hash__(self):
        return hash(self._resolve())

    @property
    def __class__(self):
        return type(self._resolve())

    def __getattr__(self, name):
        return getattr(self._resolve(), name)

    def listchain(self):
        item = self._resolve()
        return [] if item is None else item.listchain()


def looks_ahead(config):
    """Whether somebody but pytest itself is told of the item that runs next, and might compare it
    with None: that no stand-in can bear."""
    for name in ("pytest_runtest_protocol", "pytest_runtest_teardown"):
        for impl in getattr(config.hook, name).get_hookimpls():
            package = str(module_of(impl.plugin)).split(".")[0]
            if "nextitem" in impl.argnames and (package != "_pytest" or is_conftest(impl.plugin)):
                return True
    return False


