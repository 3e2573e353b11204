"""Plain values of a board's configuration; a module of its own, so that the reader of the file can be forgotten."""


class Settings:
    """Attributes by name; what each section holds is written where it is read (``config``)."""

    def __init__(self, **values):
        for name in values:
            setattr(self, name, values[name])
