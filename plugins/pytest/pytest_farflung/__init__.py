"""`pytest --farflung`: the tests of a session are spread over workers by the program farflung. The
session itself is the front of that run (see front.py beside this folder), which the program sends."""
import sys

import pytest

__version__ = "0.1.0"
import_path = list(sys.path)  # before conftests change it


def pytest_addoption(parser, pluginmanager):
    if not pluginmanager.hasplugin("farflung-side"):  # that has them: we are a worker, or a front
        from .stand_in import add_own_options

        add_own_options(parser)


def is_wanted(config, option):
    if config.pluginmanager.hasplugin("farflung-side"):
        return False
    return option.farflung or config.getini("farflung")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config, parser, args):
    if is_wanted(early_config, early_config.known_args_namespace):
        from .run import join

        join(early_config, parser, args)


def pytest_configure(config):
    from .stand_in import add_own_markers

    add_own_markers(config)
    if not config.pluginmanager.hasplugin("farflung-side"):
        from . import once

        config.pluginmanager.register(once.plugin(), "farflung-once")
    if is_wanted(config, config.option) and not config.pluginmanager.hasplugin("farflung-run"):
        raise pytest.UsageError(
            "--farflung: a conftest is too late for the plugin pytest_farflung: install it, or name it by -p"
        )
