#!/usr/bin/python3
"""Cinder's API, scheduler and volume service in one process, so that they need no message broker: with transport_url =
fake:// what they tell each other stays in it. What Debian's cinder-api, cinder-scheduler and cinder-volume do, at once.

    cinder_all.py --config-file FILE [--config-dir DIR]
"""
import eventlet
eventlet.monkey_patch()

import __original_module_threading as original_threading  # noqa: E402  made by eventlet
import threading  # noqa: E402

# As Cinder's own programs do: threading of before the patch counts the threads of after it.
original_threading.current_thread.__globals__["_active"] = threading._active

import sys  # noqa: E402

from oslo_config import cfg  # noqa: E402
from oslo_log import log as logging  # noqa: E402
from oslo_service import service as oslo_service  # noqa: E402

from cinder import i18n  # noqa: E402

i18n.enable_lazy()

from cinder import coordination, objects, rpc, service, utils, version  # noqa: E402
from cinder.common import config  # noqa: E402

CONF = cfg.CONF


def main():
    objects.register_all()
    CONF(sys.argv[1:], project="cinder", version=version.version_string())
    config.set_middleware_defaults()
    logging.setup(CONF, "cinder")
    utils.monkey_patch()
    coordination.COORDINATOR.start()
    rpc.init(CONF)
    launcher = oslo_service.ServiceLauncher(CONF)
    launcher.launch_service(service.Service.create(binary="cinder-scheduler"))
    for backend in CONF.enabled_backends:
        launcher.launch_service(service.Service.create(
            host="%s@%s" % (CONF.host, backend), service_name=backend, binary="cinder-volume"))
    launcher.launch_service(service.WSGIService("osapi_volume"))
    launcher.wait()


main()
