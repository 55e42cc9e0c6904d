"""Execution specifications: where and how an interpreter is to run, as one line of text."""


class XSpec:
    """``key1=value1//key2=value2``; a key without a value is True, ``env:NAME=value`` goes to `env`.

    Keys may not repeat, begin with an underscore or contain "=". Unknown keys are kept, and every
    key that was not given is None.
    """

    def __init__(self, string):
        self._spec = string
        self.env = {}
        for part in string.split("//"):
            key, equals, value = part.partition("=")
            if not equals:
                value = True
            if key[0] == "_":
                raise AttributeError("%r not a valid XSpec key" % key)
            if key.startswith("env:"):
                self.env[key[4:]] = value
                continue
            if key in self.__dict__:
                raise ValueError("duplicate key: %r in %r" % (key, string))
            setattr(self, key, value)

    def __getattr__(self, name):
        if name[0] == "_":
            raise AttributeError(name)
        return None

    def __repr__(self):
        return "<XSpec %r>" % self._spec

    def __str__(self):
        return self._spec

    def __hash__(self):
        return hash(self._spec)

    def __eq__(self, other):
        return self._spec == getattr(other, "_spec", None)

    def __ne__(self, other):
        return not self == other

    def _samefilesystem(self):
        return self.popen is not None and self.chdir is None

    def _parts(self):
        """(text that libfarflung reads, fields and variables that such a text can't hold)."""
        text, fields, env = [], [], []
        for key, value in vars(self).items():
            if key in ("_spec", "env") or value is None or value is False:
                continue
            if value is True:
                text.append(key)
            elif "//" in str(value):
                fields.append((key, str(value)))
            else:
                text.append("%s=%s" % (key, value))
        for name, value in self.env.items():
            value = "True" if value is True else str(value)
            if "//" in value:
                env.append((name, value))
            else:
                text.append("env:%s=%s" % (name, value))
        return "//".join(text), fields, env
