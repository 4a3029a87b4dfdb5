"""Cinder's RBD driver, with siphon for uploads to Glance: inside the cluster where that is possible, as ever elsewhere.

    [ceph]
    volume_driver = siphon_rbd.SiphonRBDDriver
    siphon_image_pool = images
    ...                          all that the RBD driver has

Python has to find this file and examples/python/siphon.py. Everything but `copy_volume_to_image` is the RBD driver's, and so
is that, where siphon is not used: for a container that is not bare, and (siphon_fallback) after a failure that only means
that siphon's way is not open here. Whatever siphon had begun is undone by then.

The image's record is Cinder's: siphon gives it the data as the user whose request it is, or as the cloud that
siphon_os_cloud names. The user's token may expire meanwhile, where Cinder sends the token of its [service_user] along.
Deleting the image while it is queued cancels the upload.
"""
import json
import time

from cinder import exception
from cinder import service_auth
from cinder.image import glance
from cinder.volume import configuration
from cinder.volume.drivers import rbd
from eventlet import hubs
from eventlet import timeout
from keystoneauth1 import loading
from oslo_config import cfg
from oslo_log import log as logging

import siphon

LOG = logging.getLogger(__name__)

OPTIONS = [
    cfg.StrOpt("siphon_library", default="libsiphon.so.0", help="The library to load."),
    cfg.StrOpt("siphon_image_pool", help="Pool of Glance's images. Without it Glance is asked, which admins may."),
    cfg.StrOpt("siphon_policy", help="The policy that picks the route: a name or a file (default: siphon's)."),
    cfg.StrOpt("siphon_route", help="Take this route, whatever the policy says."),
    cfg.StrOpt("siphon_rbd_user", help="Ceph user of siphon's, who needs the images' pool too (default: rbd_user)."),
    cfg.StrOpt("siphon_os_cloud", help="Cloud of clouds.yaml whose user registers the data (default: who asked)."),
    cfg.IntOpt("siphon_look_interval", default=5, min=1, help="Seconds between two looks whether the image still is there."),
    cfg.BoolOpt("siphon_fallback", default=True, help="Upload as the RBD driver does where siphon's way is not open."),
]
cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)

# siphon's way is not open: no permission in the images' pool or in Glance, no route, nothing to connect with.
NOT_OPEN = ("EACCES", "EPERM", "EROFS", "rados.auth", "rados.conf", "policy.no_route", "policy.not_found", "glance.forbidden",
            "glance.unsupported", "glance.pool", "glance.endpoint", "glance.bad_request", "usage", "source.format",
            "clouds.config", "lua.error", "misuse", "ENOENT")
NO_ROOM = ("ENOSPC", "EDQUOT", "EFBIG", "glance.too_large")


class Progress:
    """The events of an upload, in the log: steps and every tenth of the data."""

    def __init__(self, volume):
        self.volume, self.tenth = volume, 0

    def __call__(self, event):
        kind = event["event"]
        if kind == "progress" and event["total"]:
            tenth = 10 * event["done"] // event["total"]
            if tenth > self.tenth:
                self.tenth = tenth
                LOG.info("siphon: %d%% of the data copied, %.0f MiB/s", 10 * tenth, event["rate"] / 2 ** 20,
                         resource=self.volume)
        elif kind == "step" and event["state"] in ("done", "chosen", "skipped", "unsuitable", "undone", "kept", "released"):
            LOG.info("siphon: %s: %s%s", event["state"], event.get("detail") or event["step"],
                     ": " + event["reason"] if event.get("reason") else "", resource=self.volume)
        elif kind in ("warning", "log"):
            LOG.warning("siphon: %s", event["message"], resource=self.volume)


# Both as they would stand in clouds.yaml.
def _user(context):
    """Who asked, with the token that Cinder has of them, at the Glance that Cinder knows."""
    place, tls = next(iter(glance.get_api_servers(context)))
    auth = {"endpoint": ("https://" if tls else "http://") + place, "token": context.auth_token}
    return {"auth_type": "admin_token" if context.auth_token else "none", "auth": _given(auth),
            "cacert": cfg.CONF.glance_ca_certificates_file or "", "insecure": cfg.CONF.glance_api_insecure}


def _service_user():
    """Cinder itself, when its [service_user] is to vouch for users: their tokens may have expired then."""
    if service_auth.get_service_auth_plugin() is None:  # which makes the options of its auth_type known, too
        return None
    section = cfg.CONF[cfg.CONF.service_user.auth_section or "service_user"]
    names = [option.dest for option in loading.get_plugin_loader(section.auth_type).get_options()]
    return {"auth_type": section.auth_type, "auth": _given({name: section[name] for name in names}),
            "cacert": section.cafile or "", "insecure": section.insecure}


def _given(values):
    return {name: value for name, value in values.items() if value is not None}


class SiphonRBDDriver(rbd.RBDDriver):
    """The RBD driver, uploading by siphon."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)

    @classmethod
    def get_driver_options(cls):
        return super().get_driver_options() + OPTIONS

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        reason = self._why_not(image_meta)
        if not reason:
            try:
                return self._copy_by_siphon(context, volume, image_service, image_meta)
            except OSError as error:  # no such library
                reason = str(error)
            except siphon.SiphonError as error:
                if error.code not in NOT_OPEN:
                    raise self._exception(error, image_meta)
                reason = str(error)
        if not self.configuration.siphon_fallback:
            raise exception.VolumeBackendAPIException(data="siphon: " + reason)
        LOG.warning("siphon is not used for image %s, but the RBD driver's own upload: %s", image_meta["id"], reason,
                    resource=volume)
        return super().copy_volume_to_image(context, volume, image_service, image_meta)

    # --- by siphon --------------------------------------------------------------------------------------------

    @staticmethod
    def _why_not(image_meta):
        container = image_meta.get("container_format") or "bare"
        return None if container == "bare" else "the container is %s, not bare" % container

    def _options(self, context, volume, image_meta):
        conf = self.configuration
        options = {
            "source": "%s/%s" % (conf.rbd_pool, volume.name), "existing_image": image_meta["id"],
            "conf": conf.rbd_ceph_conf or None, "cluster": conf.rbd_cluster_name,
            "id": conf.siphon_rbd_user or conf.rbd_user, "pool": conf.siphon_image_pool or None,
            "policy": conf.siphon_policy, "route": conf.siphon_route,
            "os_cloud": conf.siphon_os_cloud or _user(context), "os_service_cloud": _service_user(),
            # Cinder has put the key's id into the image's properties, and made a key of its own for it.
            "allow_encrypted": True if volume.encryption_key_id else None,
        }
        if options["conf"]:
            del options["cluster"]
        return _given(options)

    def _copy_by_siphon(self, context, volume, image_service, image_meta):
        with siphon.Engine(self.configuration.siphon_library) as engine:
            call = engine.start("copy", self._options(context, volume, image_meta), on_event=Progress(volume))
            self._wait(engine, call, lambda: self._is_wanted(context, image_service, image_meta["id"]))
            result = call.result()
        LOG.info("siphon: image %s is active: route %s, %d bytes copied, %d through this host, %.1f s", image_meta["id"],
                 result["route"], result["bytes"]["copied"], result["bytes"]["through_host"], result["seconds"],
                 resource=volume)

    def _wait(self, engine, call, is_wanted):
        """Until the call is done. The engine is mounted in eventlet's hub: other greenthreads run meanwhile."""
        interval = self.configuration.siphon_look_interval
        look = time.monotonic() + interval
        try:
            while engine.step() and not call.done:
                due = look - time.monotonic()
                if engine.timeout() is not None:
                    due = min(due, engine.timeout())
                try:
                    hubs.trampoline(engine.fileno(), read=True, timeout=max(due, 0), timeout_exc=timeout.Timeout)
                except timeout.Timeout:
                    pass
                if time.monotonic() >= look:
                    if not is_wanted():
                        LOG.info("siphon: the image is gone, so the upload is cancelled")
                        call.cancel()
                        interval = 3600
                    look = time.monotonic() + interval
        except BaseException:
            # A greenthread that is killed, say: undone before it goes on.
            call.cancel()
            while not call.done:
                engine.step(None)
            raise

    @staticmethod
    def _is_wanted(context, image_service, image_id):
        try:
            return image_service.show(context, image_id)["status"] in ("queued", "saving", "active")
        except exception.ImageNotFound:
            return False
        except Exception as error:  # Glance is away: that is for siphon to judge
            LOG.debug("cannot look at image %s: %s", image_id, error)
            return True

    @staticmethod
    def _exception(error, image_meta):
        """The Cinder exception that gives the user the right message (cinder.message.message_field)."""
        LOG.error("siphon: image %s: %s; %s", image_meta["id"], error, json.dumps(error.where))
        if error.code in NO_ROOM:
            return exception.ImageTooBig(image_id=image_meta["id"], reason=error.message)
        if error.code == "glance.not_found":
            return exception.ImageNotFound(image_id=image_meta["id"])
        return exception.VolumeBackendAPIException(data="siphon: %s" % error)
