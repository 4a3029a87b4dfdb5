"""libsiphon for Python: a copy, a plan, any function of siphon's, with Python values in and out.

    with siphon.Engine() as engine:
        image = engine.run("copy", {"source": "volumes/vm1", "target": "glance:golden"}, on_event=print)

Inside asyncio, beside whatever else the loop does:

    async with siphon.AsyncEngine() as engine:
        one, two = await asyncio.gather(engine.run("copy", {...}), engine.run("copy", {...}))

Inside any other loop: watch `engine` for reading (it has a fileno), wait `engine.timeout()` seconds at most, then
`engine.step()`. Nothing here starts a thread; an engine belongs to the thread that uses it, and only Call.cancel and
Engine.wake may be called from others. No fork while there is one, save for exec.
"""
import asyncio
import collections
import ctypes
import json

_EVENT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_END = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class _Options(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t), ("memory_limit", ctypes.c_size_t), ("lua_directory", ctypes.c_char_p),
        ("lua_path", ctypes.c_char_p), ("on_event", _EVENT), ("on_end", _END), ("user", ctypes.c_void_p),
    ]


def _load(path):
    library = ctypes.CDLL(path)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    out = ctypes.POINTER(ctypes.c_void_p)
    for name, result, arguments in (
            ("siphon_engine_new", number, (out, ctypes.POINTER(_Options), out)),
            ("siphon_engine_free", number, (pointer,)),
            ("siphon_call_start", number, (out, pointer, text, text, pointer, out)),
            ("siphon_call_start_lua", number, (out, pointer, text, text, pointer, out)),
            ("siphon_call_state", number, (pointer,)),
            ("siphon_call_result", text, (pointer,)),
            ("siphon_call_error", pointer, (pointer,)),
            ("siphon_call_free", None, (pointer,)),
            ("siphon_cancel", None, (pointer,)),
            ("siphon_error_json", pointer, (pointer,)),
            ("siphon_error_free", None, (pointer,)),
            ("siphon_string_free", None, (pointer,)),
            ("siphon_fd", number, (pointer,)),
            ("siphon_timeout_ms", number, (pointer,)),
            ("siphon_step", number, (pointer, number)),
            ("siphon_wake", None, (pointer,)),
            ("siphon_version", text, ())):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class SiphonError(Exception):
    """What siphon says of a failure; str() is its one line for people.

    code, op, message, errno, retryable, where (dict), http (dict or None), cause (SiphonError or None)
    """

    def __init__(self, fields):
        super().__init__("%s (%s)" % (fields["message"], fields["code"]))
        self.code, self.op, self.message = fields["code"], fields.get("op", ""), fields["message"]
        self.errno, self.retryable = fields.get("errno"), fields["retryable"]
        self.where, self.http = fields.get("where", {}), fields.get("http")
        self.cause = SiphonError(fields["cause"]) if "cause" in fields else None


class Cancelled(SiphonError):
    """The call was cancelled, and what it had begun has been undone."""


class Call:
    """A function that runs in an engine. done: it has ended."""

    def __init__(self, engine, handle, on_event, on_end):
        self._engine, self._handle, self._on_event, self._on_end = engine, handle, on_event, on_end
        self._result = self._error = None
        self.done = False

    def cancel(self):
        """Asks it to end: it undoes what it did, and then is done. Any thread."""
        if not self.done:
            self._engine._library.siphon_cancel(self._handle)

    def result(self):
        """What the function returned, once it is done; raises the SiphonError of one that failed."""
        if not self.done:
            raise RuntimeError("the call has not ended yet")
        if self._error:
            raise self._error
        return self._result

    def _end(self):
        library = self._engine._library
        text = library.siphon_call_result(self._handle)
        if text is not None:
            self._result = json.loads(text)
        else:
            cancelled = library.siphon_call_state(self._handle) == 3  # SIPHON_CANCELLED
            fields = self._engine._fields(library.siphon_call_error(self._handle))
            self._error = (Cancelled if cancelled else SiphonError)(fields)
        self.done = True
        library.siphon_call_free(self._handle)
        self._handle = None
        if self._on_end:
            self._on_end(self)


class Engine:
    """An engine to wait for, or to mount in a loop.

    library: the file to load; memory_limit: bytes for its Lua; lua_directory, lua_path: see siphon.h. on_event: a function
    for the events of calls that have none of their own (warnings, among others).
    """

    def __init__(self, library="libsiphon.so.0", memory_limit=0, lua_directory=None, lua_path=None, on_event=None):
        self._library = _load(library)
        self._calls, self._told, self._on_event = {}, collections.deque(), on_event
        # Python's functions run after the step, not in it: they may raise, and switch greenlets.
        self._callbacks = _EVENT(self._event), _END(lambda handle, user: self._told.append((handle, None)))
        options = _Options(ctypes.sizeof(_Options), memory_limit, _bytes(lua_directory), _bytes(lua_path), *self._callbacks)
        handle, error = ctypes.c_void_p(), ctypes.c_void_p()
        if self._library.siphon_engine_new(ctypes.byref(handle), ctypes.byref(options), ctypes.byref(error)) < 0:
            raise self._failure(error)
        self._handle = handle

    def start(self, function, *arguments, on_event=None, on_end=None):
        """Starts a function of siphon's ("copy") and returns its Call. It goes on whenever the engine steps.

        on_event(dict): its events; on_end(call): it has ended.
        """
        return self._start(self._library.siphon_call_start, function, arguments, on_event, on_end)

    def start_lua(self, text, *arguments, on_event=None, on_end=None):
        """The same for a piece of Lua."""
        return self._start(self._library.siphon_call_start_lua, text, arguments, on_event, on_end)

    def run(self, function, *arguments, on_event=None):
        """Starts a function, waits for it, and returns its result. An exception (Ctrl-C) cancels it first."""
        call = self.start(function, *arguments, on_event=on_event)
        try:
            while not call.done:
                self.step(None)
        except BaseException:
            call.cancel()
            while not call.done:
                self.step(None)
            raise
        return call.result()

    def fileno(self):
        """Readable when there is something to do."""
        return self._library.siphon_fd(self._handle)

    def timeout(self):
        """Seconds after which a step is due in any case; None: there is no such time."""
        ms = self._library.siphon_timeout_ms(self._handle)
        return None if ms < 0 else ms / 1000

    def step(self, timeout=0):
        """Waits up to `timeout` seconds (None: for ever) for something to do, and does it. How many calls run."""
        running = self._library.siphon_step(self._handle, -1 if timeout is None else int(timeout * 1000))
        if running < 0:
            raise RuntimeError("the engine cannot step here: inside of a step, or after a fork")
        self._tell()
        return running

    def wake(self):
        """Ends the step under way, or the next one. Any thread."""
        self._library.siphon_wake(self._handle)

    def close(self):
        """Cancels what runs, waits until it is undone, and frees the engine."""
        if self._handle is None:
            return
        for call in list(self._calls.values()):
            call.cancel()
        while self._calls:
            self.step(None)
        if self._library.siphon_engine_free(self._handle) < 0:
            raise RuntimeError("the engine cannot be closed here: inside of a step, or after a fork")
        self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- within ---------------------------------------------------------------------------------------------

    def _event(self, handle, text, _user):
        self._told.append((handle, text))
        return 0

    def _tell(self):
        while self._told:
            handle, text = self._told.popleft()
            call = self._calls.get(handle)
            if text is None:
                del self._calls[handle]
                call._end()
                continue
            on_event = call and call._on_event or self._on_event
            if on_event:
                on_event(json.loads(text))

    def _start(self, function, what, arguments, on_event, on_end):
        handle, error = ctypes.c_void_p(), ctypes.c_void_p()
        arguments = json.dumps(arguments, allow_nan=False).encode()
        if function(ctypes.byref(handle), self._handle, what.encode(), arguments, None, ctypes.byref(error)) < 0:
            raise self._failure(error)
        call = self._calls[handle.value] = Call(self, handle.value, on_event, on_end)
        return call

    def _fields(self, error):
        text = self._library.siphon_error_json(error)
        if not text:
            raise MemoryError
        try:
            return json.loads(ctypes.string_at(text))
        finally:
            self._library.siphon_string_free(text)

    def _failure(self, error):
        try:
            return SiphonError(self._fields(error))
        finally:
            self._library.siphon_error_free(error)


class AsyncEngine(Engine):
    """An engine that steps by itself in the running asyncio loop."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._loop, self._timer = asyncio.get_running_loop(), None
        self._loop.add_reader(self.fileno(), self._due)

    async def run(self, function, *arguments, on_event=None):
        """Awaits a function of siphon's. Cancelling the task cancels the call, and waits until it is undone."""
        return await self._wait(self.start, function, arguments, on_event)

    async def run_lua(self, text, *arguments, on_event=None):
        """The same for a piece of Lua."""
        return await self._wait(self.start_lua, text, arguments, on_event)

    async def aclose(self):
        """close(), without holding up the loop."""
        for call in list(self._calls.values()):
            call.cancel()
        while self._calls:
            await asyncio.sleep(0.01)
        self._loop.remove_reader(self.fileno())
        if self._timer:
            self._timer.cancel()
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.aclose()

    async def _wait(self, start, what, arguments, on_event):
        ended = asyncio.Event()
        call = start(what, *arguments, on_event=on_event, on_end=lambda _: ended.set())
        try:
            await ended.wait()
        except asyncio.CancelledError:
            call.cancel()
            await ended.wait()
            raise
        return call.result()

    def _due(self):
        if self._timer:
            self._timer.cancel()
            self._timer = None
        try:
            self.step()
        finally:
            seconds = self.timeout()
            if seconds is not None:
                self._timer = self._loop.call_later(seconds, self._due)


def version(library="libsiphon.so.0"):
    """The version of the library, as text."""
    return _load(library).siphon_version().decode()


def _bytes(text):
    return None if text is None else str(text).encode()
