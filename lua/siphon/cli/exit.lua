--- Exit codes, after sysexits.h. This table is the documentation of them too.

local exit = {}

exit.OK = 0            -- done
exit.USAGE = 64        -- the command line was wrong
exit.DATA = 65         -- what was named is wrong: it is missing, it exists already, it was refused
exit.UNAVAILABLE = 69  -- Ceph or Glance cannot be reached, does not work, or has no room
exit.INTERNAL = 70     -- a bug in siphon, a policy or a script
exit.TRY_AGAIN = 75    -- it may work later: a timeout, something was in use
exit.NO_PERMISSION = 77 -- this user may not
exit.CONFIG = 78       -- a configuration file or setting is missing or wrong
exit.INTERRUPTED = 130 -- Ctrl-C or SIGTERM; what was begun has been undone

local BY_CODE = {
  [exit.USAGE] = { "usage", "spec.syntax", "glance.pool" },
  [exit.DATA] = {
    "ENOENT", "EEXIST", "EINVAL", "EFBIG",
    "target.is_source", "source.empty", "source.changed", "source.format", "source.encrypted", "cluster.unknown",
    "verify.size", "verify.parent", "verify.metadata", "verify.seal", "verify.store", "verify.hash", "verify.differs",
    "source.unprotected", "source.non_primary", "source.map",
    "policy.not_found", "policy.syntax", "policy.failed", "policy.limit", "policy.invalid", "policy.no_route",
    "glance.bad_request", "glance.not_found", "glance.conflict", "glance.gone", "glance.unsupported",
    "glance.failed", "cinder.not_found", "script.syntax", "report.write", "job.not_found", "job.over", "job.resume",
    "batch.line",
  },
  [exit.UNAVAILABLE] = {
    "rados.unreachable", "ENOSPC", "EDQUOT", "ESHUTDOWN", "EIO", "ECONNREFUSED",
    "http.connect", "http.tls", "http.cut", "http.protocol", "http.too_large",
    "http.redirect", "glance.server", "glance.not_json", "glance.too_large", "glance.no_data", "glance.unexpected",
    "keystone.server", "keystone.not_json", "cinder.server", "cinder.not_json", "cinder.unexpected",
    "qemu.failed", "command.failed",
  },
  [exit.INTERNAL] = { "lua.error", "misuse" },
  [exit.TRY_AGAIN] = {
    "timeout", "mgr.task", "source.owner_silent", "http.timeout", "EBUSY", "ETIMEDOUT", "EAGAIN", "job.held",
    "job.undone", "lease.lost", "rados.conflict",
  },
  [exit.NO_PERMISSION] = {
    "EPERM", "EACCES", "EROFS", "rados.auth", "glance.unauthorized", "glance.forbidden",
    "keystone.unauthorized", "keystone.forbidden", "keystone.project",
    "cinder.unauthorized", "cinder.forbidden",
  },
  [exit.CONFIG] = {
    "rados.conf", "clouds.config", "glance.endpoint", "http.url", "keystone.bad_request", "keystone.not_found",
    "keystone.version", "keystone.redirect", "keystone.scope", "keystone.catalog",
    "cinder.bad_request", "cinder.version",
  },
  [exit.INTERRUPTED] = { "cancelled", "job.cancelled" },
}

--- The exit code for an error object.
function exit.code_of(err)
  for code, names in pairs(BY_CODE) do
    if err:is(table.unpack(names)) then return code end
  end
  return err.retryable and exit.TRY_AGAIN or exit.INTERNAL
end

return exit
