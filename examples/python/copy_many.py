#!/usr/bin/python3
"""Makes images of several volumes at once and shows how far each one is; Ctrl-C undoes them all.

    copy_many.py POOL VOLUME...        POOL: of Glance's images; LIBSIPHON names another file than libsiphon.so.0
"""
import asyncio
import os
import signal
import sys

import siphon


async def copy(engine, pool, volume):
    def tell(event):
        if event["event"] == "progress" and event["total"]:
            print("%s: %d%%" % (volume, 100 * event["done"] // event["total"]), flush=True)

    name = volume.partition("/")[2]
    return await engine.run("copy", {"source": volume, "target": "glance:" + name, "pool": pool}, on_event=tell)


async def main(pool, volumes):
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asyncio.current_task().cancel)
    async with siphon.AsyncEngine(os.environ.get("LIBSIPHON", "libsiphon.so.0")) as engine:
        results = await asyncio.gather(*[copy(engine, pool, volume) for volume in volumes], return_exceptions=True)
    failed = 0
    for volume, result in zip(volumes, results):
        if isinstance(result, siphon.SiphonError):
            failed += 1
            print("%s: %s" % (volume, result))
        elif isinstance(result, BaseException):
            raise result
        else:
            print("%s: %s in %.1f s" % (volume, result["image_id"], result["seconds"]))
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))
    except asyncio.CancelledError:
        sys.exit(130)
