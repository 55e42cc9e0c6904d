# Part of the pytest payload: reads the source of a pytest_collection_modifyitems and tells whether it
# looks at one test at a time: marks it, chooses or leaves it by what it is alone. Then nothing changes
# when the hook is given the tests of one file after those of another. What isn't known to be so is not.
import sys

# Methods that change nothing, of texts, paths, nodes, marks, dicts, sets, configurations.
LOOKS = frozenset(
    "get get_closest_marker iter_markers startswith endswith split rsplit splitlines partition rpartition lower "
    "upper casefold strip lstrip rstrip replace join format removeprefix removesuffix isdigit count index find "
    "rfind match search fullmatch findall group groups keys values relative_to is_relative_to as_posix exists "
    "is_file is_dir with_suffix joinpath issubset issuperset isdisjoint union intersection difference copy".split()
)
CHANGES = frozenset("append insert extend remove clear add update discard pop".split())
OWN_OF_ITEM = frozenset("user_properties fixturenames own_markers keywords extra_keyword_matches".split())
OF_CONFIG = frozenset("option rootdir rootpath inipath inifile invocation_params args".split())
ASKS_CONFIG = frozenset("getoption getini getvalue".split())
OF_OTHERS = frozenset("session items stash _store cache pluginmanager hook testscollected listchain _request".split())
DUNDERS = frozenset("__name__ __module__ __doc__ __file__ __class__ __qualname__ __version__".split())
BUILTINS = frozenset(
    "any all isinstance issubclass str int bool float len set list tuple dict frozenset sorted min max repr type "
    "hasattr getattr callable abs sum next iter zip enumerate range".split()
)
PURE_MODULES = frozenset("re platform fnmatch posixpath ntpath genericpath pathlib inspect".split())
PURE_CALLS = frozenset([("os", "getenv"), ("shutil", "which"), ("importlib.util", "find_spec")])
DEEP = 4  # functions that call functions


class Unsure(Exception):
    """Something that isn't known to be harmless."""


def looks_at_one(impl):
    """Whether this hook, a HookImpl of pluggy's, is sure to look at one test at a time."""
    if impl.hookwrapper or getattr(impl, "wrapper", False):
        return False
    function = getattr(impl.function, "__func__", impl.function)
    kinds = {"items": "items", "config": "config"}
    try:
        Reader(function, kinds, 0).read()
    except (Unsure, OSError, SyntaxError, ValueError, RecursionError, AttributeError, TypeError):
        return False
    return True


def of_marks(thing):
    return type(thing).__module__ == "_pytest.mark.structures"


def tree_of(path, trees={}):
    import ast

    if path not in trees:
        with open(path, "rb") as file:
            text = file.read(SOURCE_MAX + 1)
        if len(text) > SOURCE_MAX:
            raise Unsure
        trees[path] = ast.parse(text)
    return trees[path]


def definition_of(function):
    """The one definition that this function's code was made of; decorators but pytest's may do anything."""
    import ast

    code = function.__code__
    if code.co_freevars or getattr(function, "__wrapped__", None):
        raise Unsure
    tree = tree_of(code.co_filename)
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.name == code.co_name
        and code.co_firstlineno in (node.lineno, *(one.lineno for one in node.decorator_list))
    ]
    (node,) = found
    for decorator in node.decorator_list:
        root = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not (isinstance(root, ast.Attribute) and isinstance(root.value, ast.Name) and root.value.id == "pytest"):
            raise Unsure
    return tree, node


class Reader:
    """Reads one function. The kinds of its names: "items" all tests, "some" chosen ones of them, "item" one,
    "config", "plain" anything that the others say nothing in."""

    def __init__(self, function, kinds, depth):
        import ast

        if depth > DEEP:
            raise Unsure
        self.ast, self.depth, self.globals = ast, depth, function.__globals__
        self.tree, self.node = definition_of(function)
        args = self.node.args
        names = [arg.arg for arg in getattr(args, "posonlyargs", []) + args.args + args.kwonlyargs]
        if args.vararg or args.kwarg:
            raise Unsure
        self.names = {name: kinds[name] for name in names if name in kinds}
        # Python's rule of what is local
        self.local = set(names) | {one.id for one in ast.walk(self.node) if isinstance(one, ast.Name) and self.stores(one)}
        self.modules = {}
        self.frozen = set()  # names from before a loop over tests: what is said in it would reach the next one
        self.in_loop = False

    def stores(self, name):
        return not isinstance(name.ctx, self.ast.Load)

    def read(self):
        self.block(self.node.body)

    # statements; True: what follows in the block isn't reached

    def block(self, body):
        for statement in body:
            if self.statement(statement):
                return True
        return False

    def statement(self, node):
        method = getattr(self, "on_" + type(node).__name__.lower(), None)
        if method is None:
            raise Unsure
        return method(node)

    def on_pass(self, node):
        return False

    def on_continue(self, node):
        return True

    def on_break(self, node):
        if self.in_loop == "items":
            raise Unsure  # the tests behind this one would be another's
        return True

    def on_return(self, node):
        if self.in_loop and "items" in self.kinds_above:
            raise Unsure
        if node.value is not None:
            self.value(node.value)
        return True

    def on_import(self, node):
        for one in node.names:
            if one.name not in sys.modules or "." in one.name and not one.asname:
                raise Unsure
            self.modules[one.asname or one.name] = sys.modules[one.name]
        return False

    def on_expr(self, node):
        ast, value = self.ast, node.value
        if isinstance(value, ast.Constant):
            return False
        if not isinstance(value, ast.Call):
            raise Unsure
        if self.is_deselected(value) or self.chooses(value) or self.changes_item(value):
            return False
        self.value(value)
        return False

    def on_assign(self, node):
        ast = self.ast
        (target,) = node.targets
        kind = self.kind(node.value)
        if isinstance(target, ast.Name):
            if kind in ("items", "config"):
                raise Unsure
            self.bind(target.id, kind)
        elif isinstance(target, ast.Subscript) and self.kind_of_name(target.value) == "items":
            whole = isinstance(target.slice, ast.Slice) and not (target.slice.lower or target.slice.upper or target.slice.step)
            if not whole or kind != "some" or self.in_loop:
                raise Unsure
        elif isinstance(target, ast.Attribute) and self.kind_of_name(target.value) == "item":
            if kind == "some" or target.attr in OF_OTHERS:
                raise Unsure
        else:
            raise Unsure
        return False

    def on_if(self, node):
        if not self.asks_for_any(node.test):
            self.value(node.test)
        before = dict(self.names)
        ends = self.block(node.body)
        after, self.names = self.names, dict(before)
        other = self.block(node.orelse)
        if other:
            self.names = after
        elif not ends:
            self.names = {name: kind for name, kind in self.names.items() if after.get(name) == kind}
        return ends and other

    def on_for(self, node):
        if node.orelse or not isinstance(node.target, (self.ast.Name, self.ast.Tuple)):
            raise Unsure
        over = self.over(node.iter)
        before, frozen, loop, above = dict(self.names), self.frozen, self.in_loop, self.kinds_above
        if over == "items":
            if loop:
                raise Unsure  # each test beside each other one
            self.frozen = set(before)
        else:
            self.value(node.iter)
        self.in_loop, self.kinds_above = over, above | {over}
        for target in self.targets(node.target):
            self.bind(target, "item" if over == "items" else "plain")
        self.block(node.body)
        self.names, self.frozen, self.in_loop, self.kinds_above = before, frozen, loop, above
        return False

    kinds_above = frozenset()

    def targets(self, node):
        parts = node.elts if isinstance(node, self.ast.Tuple) else [node]
        if not all(isinstance(part, self.ast.Name) for part in parts):
            raise Unsure
        return [part.id for part in parts]

    def bind(self, name, kind):
        if name in self.frozen or name not in self.local:
            raise Unsure
        self.names[name] = kind

    # what is done with tests

    def over(self, node):
        """"items" if these are tests: items, items[:], list(items)"""
        ast = self.ast
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple"):
            if self.is_builtin(node.func.id) and len(node.args) == 1 and not node.keywords:
                node = node.args[0]
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            if not (node.slice.lower or node.slice.upper or node.slice.step):
                node = node.value
        return "items" if self.kind_of_name(node) in ("items", "some") else "plain"

    def asks_for_any(self, node):
        if isinstance(node, self.ast.UnaryOp) and isinstance(node.op, self.ast.Not):
            node = node.operand
        return not self.in_loop and self.kind_of_name(node) in ("items", "some")

    def is_deselected(self, call):
        """config.hook.pytest_deselected(items=some)"""
        ast, func = self.ast, call.func
        if not (isinstance(func, ast.Attribute) and func.attr == "pytest_deselected"):
            return False
        hook = func.value
        named = isinstance(hook, ast.Attribute) and hook.attr == "hook" and self.kind_of_name(hook.value) == "config"
        good = len(call.keywords) == 1 and call.keywords[0].arg == "items" and not call.args
        if self.in_loop or not named or not good or self.kind(call.keywords[0].value) != "some":
            raise Unsure
        return True

    def chooses(self, call):
        """some.append(item)"""
        func = call.func
        if not (isinstance(func, self.ast.Attribute) and self.kind_of_name(func.value) == "some"):
            return False
        if func.attr != "append" or len(call.args) != 1 or call.keywords or self.kind_of_name(call.args[0]) != "item":
            raise Unsure
        return True

    def changes_item(self, call):
        """item.add_marker(…), item.user_properties.append(…) and the like"""
        ast, func = self.ast, call.func
        if not isinstance(func, ast.Attribute):
            return False
        of = func.value
        if func.attr == "add_marker":
            if self.kind_of_name(of) != "item":
                raise Unsure
        elif func.attr not in CHANGES or not isinstance(of, ast.Attribute):
            return False
        elif of.attr not in OWN_OF_ITEM or self.kind_of_name(of.value) != "item":
            raise Unsure
        self.arguments(call)
        return True

    # expressions

    def kind_of_name(self, node):
        return self.names.get(node.id) if isinstance(node, self.ast.Name) else None

    def kind(self, node):
        """Of a value that is given a name."""
        ast = self.ast
        if isinstance(node, ast.List) and not node.elts:
            return "some"
        if isinstance(node, ast.ListComp) and len(node.generators) == 1 and self.over(node.generators[0].iter) == "items":
            (loop,) = node.generators
            if self.in_loop or loop.is_async or not isinstance(loop.target, ast.Name):
                raise Unsure
            if not (isinstance(node.elt, ast.Name) and node.elt.id == loop.target.id):
                raise Unsure
            before = dict(self.names)
            self.names[loop.target.id] = "item"
            for test in loop.ifs:
                self.value(test)
            self.names = before
            return "some"
        kind = self.kind_of_name(node)
        if kind:
            return kind
        self.value(node)
        return "plain"

    def value(self, node):
        """Looks through an expression that must change nothing, nor know other tests."""
        ast = self.ast
        if isinstance(node, ast.Name):
            self.name(node.id)
        elif isinstance(node, ast.Attribute):
            self.attribute(node)
        elif isinstance(node, ast.Call):
            self.call(node)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            self.comprehension(node)
        elif isinstance(node, (
            ast.Constant, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Tuple, ast.List, ast.Set,
            ast.Dict, ast.JoinedStr, ast.FormattedValue, ast.Subscript, ast.Slice, ast.Starred,
        )):  # fmt: skip
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.value(child)
        elif type(node).__name__ == "Index":  # Python 3.8
            self.value(node.value)
        else:
            raise Unsure

    def name(self, name):
        if name in self.modules:
            return
        if name in self.local:
            if self.names.get(name) not in ("item", "plain", "config"):
                raise Unsure
        elif not self.is_builtin(name):
            self.settled(name, self.globals[name] if name in self.globals else None)

    def is_builtin(self, name):
        return name in BUILTINS and name not in self.local and name not in self.globals

    def settled(self, name, value):
        """A global name may be read if it can't be what tests were counted in."""
        import re
        import types

        if isinstance(value, (types.ModuleType, type, re.Pattern)):
            return
        ast = self.ast
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Global) and name in node.names:
                raise Unsure
        if of_marks(value) or type(value).__module__ in ("pathlib", "pathlib._local"):
            return
        if not isinstance(value, (str, bytes, int, float, type(None), tuple, frozenset)):
            if type(value) not in (list, set, dict) or not self.only_read(name):
                raise Unsure

    def only_read(self, name):
        """Whether nothing in this file changes what a global name stands for."""
        ast = self.ast
        looked_at = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Compare):
                looked_at.update(map(id, node.comparators))
            elif isinstance(node, ast.Attribute) and (node.attr in LOOKS or node.attr == "items"):
                looked_at.add(id(node.value))
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                looked_at.add(id(node.value))
            elif isinstance(node, (ast.For, ast.comprehension)):
                looked_at.add(id(node.iter))
        at_top = {id(target) for node in self.tree.body if isinstance(node, ast.Assign) for target in node.targets}
        uses = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name) and node.id == name]
        return all(id(node) in (at_top if self.stores(node) else looked_at) for node in uses)

    def attribute(self, node):
        if node.attr in OF_OTHERS or node.attr.startswith("__") and node.attr not in DUNDERS:
            raise Unsure
        if self.is_config(node.value):
            if node.attr not in OF_CONFIG:
                raise Unsure
            return
        thing = self.resolved(node)
        if thing is not None:
            import types

            if not isinstance(thing[0], (types.ModuleType, type, str, bool, type(None), tuple)):
                if thing[1] not in ("sys", "os", "pytest"):
                    raise Unsure
            return
        self.value(node.value)

    def is_config(self, node):
        """config, or x.config"""
        if isinstance(node, self.ast.Attribute) and node.attr == "config":
            self.value(node.value)
            return True
        return self.kind_of_name(node) == "config"

    def resolved(self, node):
        """(what this names, its module's name), if it is a module's; None: it is not."""
        import types

        path = []
        while isinstance(node, self.ast.Attribute):
            path.append(node.attr)
            node = node.value
        if not isinstance(node, self.ast.Name) or node.id in self.local:
            return None
        thing = self.modules.get(node.id, self.globals.get(node.id))
        if not isinstance(thing, types.ModuleType):
            return (thing, getattr(thing, "__module__", None)) if not path and thing is not None else None
        module = thing.__name__
        for name in reversed(path):
            if isinstance(thing, types.ModuleType):
                module = thing.__name__
            elif of_marks(thing):
                break  # its attributes are marks, and unknown ones an error
            thing = getattr(thing, name)
        return thing, module

    def arguments(self, call):
        for argument in call.args:
            self.value(argument)
        for keyword in call.keywords:
            self.value(keyword.value)

    def call(self, call):
        ast, func = self.ast, call.func
        if isinstance(func, ast.Name) and self.is_builtin(func.id):
            self.builtin(func.id, call)
            return
        thing = self.resolved(func)
        if thing is not None:
            self.call_of(thing[0], call)
            return
        if not isinstance(func, ast.Attribute):
            raise Unsure
        if self.is_config(func.value):
            if func.attr not in ASKS_CONFIG:
                raise Unsure
        elif func.attr == "items" and not call.args and not call.keywords or func.attr in LOOKS:
            self.value(func.value)
        elif not self.makes_mark(func):
            raise Unsure
        self.arguments(call)

    def makes_mark(self, func):
        """mark.skip(…), where mark was imported from pytest"""
        node = func.value
        return isinstance(node, self.ast.Name) and node.id not in self.local and of_marks(self.globals.get(node.id))

    def builtin(self, name, call):
        if name in ("getattr", "hasattr"):
            if len(call.args) < 2 or not isinstance(call.args[1], self.ast.Constant) or call.args[1].value in OF_OTHERS:
                raise Unsure
            if call.args[1].value == "config" or self.is_config(call.args[0]):
                raise Unsure
        self.arguments(call)

    def call_of(self, thing, call):
        import types

        module, name = getattr(thing, "__module__", None) or "", getattr(thing, "__name__", "")
        if isinstance(thing, types.FunctionType) and module not in PURE_MODULES and (module, name) not in PURE_CALLS:
            self.enter(thing, call)
            return
        pure = module in PURE_MODULES or (module, name) in PURE_CALLS or of_marks(thing)
        if not pure and not self.of_pure_object(call.func):
            raise Unsure
        self.arguments(call)

    def of_pure_object(self, func):
        """os.environ.get, sys.platform.startswith: what looks at a module's own things"""
        if not isinstance(func, self.ast.Attribute) or func.attr not in LOOKS:
            return False
        thing = self.resolved(func.value)
        return thing is not None and thing[1] in ("sys", "os")

    def enter(self, function, call):
        """A function of the suite's: it is read with what it is given here."""
        if call.keywords or any(isinstance(one, self.ast.Starred) for one in call.args):
            raise Unsure
        code = function.__code__
        if function.__kwdefaults__ or any(type(one) in (list, dict, set) for one in function.__defaults__ or ()):
            raise Unsure
        kinds = dict.fromkeys(code.co_varnames[: code.co_argcount], "plain")
        for name, argument in zip(code.co_varnames, call.args):
            kinds[name] = self.kind_of_name(argument) or "plain"
            if kinds[name] == "some" or kinds[name] == "items" and self.in_loop:
                raise Unsure
            if kinds[name] == "plain":
                self.value(argument)
        Reader(function, kinds, self.depth + 1).read()

    def comprehension(self, node):
        before, local = dict(self.names), set(self.local)
        for loop in node.generators:
            if loop.is_async or self.over(loop.iter) == "items":
                raise Unsure
            self.value(loop.iter)
            for target in self.targets(loop.target):
                self.local.add(target)
                self.names[target] = "plain"
            for test in loop.ifs:
                self.value(test)
        for part in (node.key, node.value) if isinstance(node, self.ast.DictComp) else (node.elt,):
            self.value(part)
        self.names, self.local = before, local
