--- The target of a copy: siphon.target.glance for glance:NAME, siphon.target.rbd for pool/image.
--
-- Both answer to the same calls:
--   kind, fsid, pool_name, namespace, image_name   facts that never wait (see siphon.facts)
--   order(source), writable(), quota(), free()     facts that may
--   check(facts)        nil and an error when the copy cannot work, found before anything is changed
--   steps(route)        { before = {...}, after = {...} }: texts for `siphon plan`
--   prepare(job)        the first effects, before the source's snapshot is taken
--   place               where the routes make the copy (see siphon.target.place); nil: out of reach
--   seal(job), verify(job), register(job)          what a policy's `after` calls
--   result()            { image_id, location } for job.done

local target = {}

--- The target that the request names, looked at; nothing is changed.
function target.open(connections, request, source)
  return require("siphon.target." .. request.target.kind).open(connections, request, source)
end

return target
