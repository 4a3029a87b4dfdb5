"""The binding's own tests: no cluster. LIBSIPHON names the library."""
import asyncio
import os
import select
import threading
import unittest

import siphon

LIBRARY = os.environ.get("LIBSIPHON", "libsiphon.so.0")
SLEEP = "siphon.task.sleep(...) return 'slept'"
UNDOES = """local undo <close> = setmetatable({}, { __close = function()
    siphon.task.shield(siphon.task.sleep, 0.01) print "undone" end })
  siphon.task.sleep(3600)"""


class Blocking(unittest.TestCase):
    def setUp(self):
        self.events = []
        self.engine = siphon.Engine(LIBRARY, on_event=self.events.append)
        self.addCleanup(self.engine.close)

    def wait(self, call):
        while not call.done:
            self.engine.step(None)
        return call.result()

    def test_values_in_and_out(self):
        self.assertEqual(7200, self.engine.run("units.parse_duration", "2h"))
        echo = "return { ... }"
        for value in ([], ["ä", 1.5, True, {"a": [1, 2]}], [2 ** 53 - 1, -1]):
            self.assertEqual(value, self.wait(self.engine.start_lua(echo, *value)) or [])

    def test_errors(self):
        with self.assertRaises(siphon.SiphonError) as caught:
            self.engine.run("copy", {"source": "vm1", "target": "glance:golden"})
        self.assertEqual("spec.syntax", caught.exception.code)
        self.assertFalse(caught.exception.retryable)
        call = self.engine.start_lua("return nil, siphon.error { code = 'a', message = 'b', errno = 5, where = { pool = 'p' },"
                                     " http = { status = 409 }, cause = siphon.error { code = 'c' } }")
        with self.assertRaises(siphon.SiphonError) as caught:
            self.wait(call)
        error = caught.exception
        self.assertEqual(("a", "b", 5, {"pool": "p"}, 409, "c"),
                         (error.code, error.message, error.errno, error.where, error.http["status"], error.cause.code))
        with self.assertRaises(siphon.SiphonError):
            siphon.Engine(LIBRARY, lua_directory="/nowhere")

    def test_events(self):
        own = []
        self.wait(self.engine.start_lua("print 'hello'", on_event=own.append))
        self.assertEqual(["hello"], [event["message"] for event in own])
        self.assertEqual([], self.events)

    def test_cancel_from_another_thread(self):
        call = self.engine.start_lua(UNDOES)
        self.engine.step(0)
        threading.Timer(0.01, call.cancel).start()
        with self.assertRaises(siphon.Cancelled):
            self.wait(call)
        self.assertEqual("undone", self.events[0]["message"])

    def test_any_loop(self):
        call = self.engine.start_lua(SLEEP, 0.01)
        while not call.done:
            select.select([self.engine], [], [], self.engine.timeout())
            self.engine.step()
        self.assertEqual("slept", call.result())

    def test_an_exception_in_a_callback_is_the_callers(self):
        def fail(_):
            raise KeyError("mine")
        with self.assertRaises(KeyError):
            self.wait(self.engine.start_lua("print '1'", on_event=fail))

    def test_version(self):
        self.assertRegex(siphon.version(LIBRARY), r"^\d+\.\d+\.\d+$")


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def test_side_by_side(self):
        async with siphon.AsyncEngine(LIBRARY) as engine, siphon.AsyncEngine(LIBRARY) as other:
            calls = [e.run_lua(SLEEP, 0.01) for e in (engine, other) for _ in range(20)]
            self.assertEqual(["slept"] * 40, await asyncio.gather(*calls))

    async def test_a_cancelled_task_undoes(self):
        events = []
        async with siphon.AsyncEngine(LIBRARY) as engine:
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(engine.run_lua(UNDOES, on_event=events.append), 0.05)
        self.assertEqual(["undone"], [event["message"] for event in events])

    async def test_closing_undoes(self):
        events = []
        async with siphon.AsyncEngine(LIBRARY) as engine:
            task = asyncio.ensure_future(engine.run_lua(UNDOES, on_event=events.append))
            await asyncio.sleep(0.01)
        with self.assertRaises(siphon.Cancelled):
            await task
        self.assertEqual(["undone"], [event["message"] for event in events])


if __name__ == "__main__":
    unittest.main()
