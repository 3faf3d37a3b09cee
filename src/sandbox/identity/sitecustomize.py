"""Renews CPython's random state in a process that thaw restored (docs/identity.md).

Python imports this at start-up because its directory is first in PYTHONPATH. It costs nothing until a module that keeps
random numbers is imported. From then on the generation of the sandbox, a mapped file that shows another content after a
restore, is compared before every number, and when a connection or an event arrives.
"""
import sys

FILE = "/dev/thaw/generation"
HERE = __file__.rpartition("/")[0]


class Generation:
    """The sandbox's generation, and what is to be renewed when it has changed."""

    def __init__(self):
        import mmap
        import os
        import _thread

        fd = os.open(FILE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.page = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
        finally:
            os.close(fd)
        self.seen = self.page[:]
        self.lock = _thread.RLock()
        self.renewals = []

    def check(self):
        """Renews all that is registered, once a generation; who comes meanwhile waits."""
        if self.page[:] == self.seen:
            return
        with self.lock:
            now = self.page[:]
            if now == self.seen:
                return
            for renew in self.renewals:
                renew()
            self.seen = now

    def checked(self, function):
        """The function with a check before it."""
        check = self.check

        def checked(*args, **kwargs):
            check()
            return function(*args, **kwargs)

        return like(checked, function)

    def checked_after(self, function):
        """The function with a check after it: it waits for what a restored process continues with."""
        check = self.check

        def checked(*args, **kwargs):
            result = function(*args, **kwargs)
            check()
            return result

        return like(checked, function)


def like(wrapper, function):
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        try:
            setattr(wrapper, name, getattr(function, name))
        except AttributeError:
            pass
    wrapper.__wrapped__ = function
    return wrapper


_generation = []


def generation():
    if not _generation:
        _generation.append(Generation())
    return _generation[0]


def patch_random(module):
    """Every Random that was seeded by the system is seeded anew; one that was given a seed keeps its sequence."""
    page = generation().page
    kind = module.Random
    draw, bits = kind.random, kind.getrandbits
    seed, setstate = kind.seed, kind.setstate

    def renew(self):
        if not self._thaw_given and self._thaw_seen is not None:
            seed(self)
        self._thaw_seen = page[:]

    def random(self):
        if page[:] != self._thaw_seen:
            renew(self)
        return draw(self)

    def getrandbits(self, k):
        if page[:] != self._thaw_seen:
            renew(self)
        return bits(self, k)

    def checked_seed(self, a=None, *rest, **more):
        seed(self, a, *rest, **more)
        self._thaw_given = a is not None
        self._thaw_seen = page[:]

    def checked_setstate(self, state):
        setstate(self, state)
        self._thaw_given = True
        self._thaw_seen = page[:]

    kind._thaw_seen, kind._thaw_given = None, False
    kind.random, kind.getrandbits = like(random, draw), like(getrandbits, bits)
    kind.seed, kind.setstate = like(checked_seed, seed), like(checked_setstate, setstate)
    shared = module._inst
    shared.seed()
    for name in ("random", "getrandbits", "seed", "setstate"):
        setattr(module, name, getattr(shared, name))
    generation().renewals.append(lambda: renew(shared))


def patch_ssl(module):
    """OpenSSL's generators mix in what is added here before they give the next number."""
    import os

    state = generation()
    add = module.RAND_add
    state.renewals.append(lambda: add(os.urandom(32), 32.0))
    module.RAND_bytes = state.checked(module.RAND_bytes)
    context = module.SSLContext
    context.wrap_socket = state.checked(context.wrap_socket)
    context.wrap_bio = state.checked(context.wrap_bio)
    for kind in (module.SSLSocket, module.SSLObject):
        kind.do_handshake = state.checked(kind.do_handshake)


def patch_numpy(module):
    """The functions of numpy.random itself share one generator; the others are their makers' affair."""
    state = generation()
    shared = module.mtrand._rand
    given = []

    def seed(*args, **kwargs):
        given[:] = [True] if args and args[0] is not None or kwargs.get("seed") is not None else []
        return plain(*args, **kwargs)

    plain = module.seed
    state.renewals.append(lambda: given or plain())
    for name in dir(shared):
        function = getattr(module, name, None)
        if not name.startswith("_") and callable(function) and getattr(function, "__self__", None) is shared:
            setattr(module, name, state.checked(function))
    module.seed = like(seed, plain)


def patch_tempfile(module):
    """The names of temporary files are guessed from a sequence of its own."""

    def renew():
        module._name_sequence = None

    generation().renewals.append(renew)


def patch_socket(module):
    module.socket.accept = generation().checked_after(module.socket.accept)


def patch_selectors(module):
    for name in ("SelectSelector", "PollSelector", "EpollSelector"):
        kind = getattr(module, name, None)
        if kind is not None:
            kind.select = generation().checked_after(kind.select)


PATCHES = {
    "random": patch_random,
    "ssl": patch_ssl,
    "numpy.random": patch_numpy,
    "tempfile": patch_tempfile,
    "socket": patch_socket,
    "selectors": patch_selectors,
}


class Finder:
    """Patches a module when it has been imported. What goes wrong with that leaves the module as it is, and is told."""

    def find_spec(self, name, path=None, target=None):
        patch = PATCHES.pop(name, None)
        if patch is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec is not None and spec.loader is not None:
                attempt(lambda _: self.after(spec.loader, patch), name)
                return spec
        return None

    def after(self, loader, patch):
        run = loader.exec_module

        def exec_module(module):
            run(module)
            attempt(patch, module)

        if isinstance(loader, type):
            raise ImportError("loaders that modules share are left alone")
        loader.exec_module = exec_module


def attempt(patch, module):
    try:
        patch(module)
    except Exception as error:
        name = getattr(module, "__name__", module)
        sys.stderr.write("thaw: %s is not reseeded after a restore: %r\n" % (name, error))


def chain():
    """The image's own sitecustomize, which this one was found in the place of."""
    sys.path[:] = [entry for entry in sys.path if entry != HERE]
    mine = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
        if mine is not None:
            sys.modules["sitecustomize"] = mine


def start():
    import os

    if hasattr(sys, "_thaw"):
        return
    sys._thaw = generation
    if os.path.exists(FILE):
        for name in list(PATCHES):
            if name in sys.modules:
                attempt(PATCHES.pop(name), sys.modules[name])
        sys.meta_path.insert(0, Finder())
    chain()


start()
