--- Every event that siphon tells: what siphon-events(7) and the JSON schema (share/siphon/events.schema.json) are made
-- of, and what `make lint-docs` compares the code with. Plain data, so that the makers of the docs can read it too.
--
-- A field: { name, type, meaning, optional = it may be missing, null = it may be null, is = its only value }. Types are
-- in TYPES. What an event may lack is optional; what it may not have at all is not listed.

local kinds = {}

--- Types beside those of JSON: a JSON type, and what else is true of it.
kinds.TYPES = {
  string = { "string" },
  boolean = { "boolean" },
  time = { "number", "seconds since 1970, UTC", minimum = 0 },
  seconds = { "number", "seconds", minimum = 0 },
  bytes = { "integer", "bytes", minimum = 0 },
  rate = { "number", "bytes a second", minimum = 0 },
  integer = { "integer" },
  id = { "string", "a job's id: ids sort by time", pattern = "^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$" },
  uuid = { "string", "a UUID", pattern = "^[0-9a-fA-F-]{32,36}$" },
  data = { "object", "plain data" },
}

--- Objects that fields have, and lists of them ("[NAME]").
kinds.OBJECTS = {
  { "error", "What went wrong, with the fields that every error of siphon has.", {
    { "code", "string", "for programs: an errno (ENOENT), or a word of siphon's (glance.conflict, cancelled)" },
    { "message", "string", "one line for people" },
    { "op", "string", "the operation that failed, as in rbd.snap_create", optional = true },
    { "errno", "integer", "its number, where a system call or Ceph failed", optional = true },
    { "where", "where", "the place", optional = true },
    { "http", "http", "the answer of an HTTP server", optional = true },
    { "retryable", "boolean", "the same may work later", optional = true },
    { "cause", "error", "the error beneath this one", optional = true },
  } },
  { "where", "The place of an error: those parts that say something.", {
    { "cluster", "string", "fsid", optional = true },
    { "pool", "string", "pool", optional = true },
    { "namespace", "string", "namespace of the pool", optional = true },
    { "image", "string", "RBD image", optional = true },
    { "snapshot", "string", "snapshot", optional = true },
    { "object", "string", "RADOS object", optional = true },
    { "image_id", "string", "Glance image", optional = true },
    { "volume_id", "string", "Cinder volume", optional = true },
    { "url", "string", "URL, without credentials", optional = true },
  } },
  { "http", "An answer of an HTTP server.", {
    { "status", "integer", "status" },
    { "request_id", "string", "x-openstack-request-id", optional = true },
  } },
  { "hash", "The hashes of an image's data, as Glance keeps them.", {
    { "checksum", "string", "MD5, hexadecimal" },
    { "os_hash_algo", "string", "sha512 or sha256" },
    { "os_hash_value", "string", "hexadecimal" },
  } },
  { "amounts", "What a copy moved.", {
    { "size", "bytes", "size of the image" },
    { "allocated", "bytes", "what existed of the source" },
    { "copied", "bytes", "what was written into the image" },
    { "through_host", "bytes", "each byte that this host read, and each that it wrote" },
  } },
  { "rest", "Something that could not be undone, or is not the job's any more.", {
    { "step", "string", "the step that made it" },
    { "text", "string", "what it is, for people" },
    { "undo", "string", "the name of the undo" },
    { "data", "data", "what the undo needs" },
    { "reason", "string", "why it is still there", optional = true },
    { "error", "error", "how the undo failed; missing where the thing is somebody else's by now", optional = true },
  } },
}

--- What all events have, and all of a job.
kinds.COMMON = { { "event", "string", "its name" }, { "time", "time", "when" } }
kinds.OF_A_JOB = { { "job", "id", "the job" } }

local ENDS = {
  { "source", "string", "as given: pool/[namespace/]image[@snapshot]" },
  { "target", "string", "as given: glance:NAME, or pool/[namespace/]image" },
}

local function with(list, ...)
  return table.move({ ... }, 1, select("#", ...), #list + 1, table.move(list, 1, #list, 1, {}))
end

local DETAIL = { "detail", "string", "what the step does or did, for people", optional = true }
local DETAIL_OF_UNDO = { "detail", "string", "what became of what, for people" }
local ROUTE = { "route", "string", "the route" }

--- Those that belong to no job.
kinds.OF_NO_JOB = { log = true, warning = true }

--- { name, since, when, fields, states? }: an event `step` has what its state has.
kinds.EVENTS = {
  { "job.start", "0.1.0", "A job begins, or is taken up again.", with(ENDS,
    { "resumed", "boolean", "it was begun by another process", optional = true, is = true }) },
  { "step", "0.1.0", "A step, or something worth telling on the way.", {
    { "step", "string", "its name; see STEPS" }, { "state", "string", "see below" } },
    {
      { "started", "The step is on record, and about to act.", { DETAIL } },
      { "done", "It acted.", { DETAIL,
        { "seconds", "seconds", "how long it took; missing when a process that is gone did it", optional = true } } },
      { "failed", "It failed.", { DETAIL, { "seconds", "seconds", "how long it took" },
        { "error", "error", "why" } } },
      { "undone", "Its undo ran: the effect is gone.", { DETAIL_OF_UNDO } },
      { "kept", "It was not undone.", { DETAIL_OF_UNDO, { "reason", "string", "why" } } },
      { "released", "What was only needed for the time of the job is given back.", { DETAIL_OF_UNDO } },
      { "skipped", "The route does not apply; the next one is asked.", { DETAIL, ROUTE,
        { "reason", "string", "why; a route of your own may give none", optional = true } } },
      { "chosen", "The route is taken.", { DETAIL, ROUTE, { "reason", "string", "why: the policy's words" } } },
      { "unsuitable", "The route was begun and cannot do it here: it is undone, and the next one tried.", {
        DETAIL, ROUTE, { "reason", "string", "why" } } },
      { "note", "Something to know: also what a policy gave to siphon.log.", {
        { "detail", "string", "the text" } } },
    } },
  { "progress", "0.1.0", "How far a step is: ten a second at most, and always the last one.", {
    { "step", "string", "its name" },
    { "detail", "string", "what is going on, for people", optional = true },
    { "done", "bytes", "so much is done" }, { "total", "bytes", "of so much" },
    { "rate", "rate", "smoothed over some seconds" },
    { "through_host", "bytes", "what passed through this host so far, about", optional = true },
    { "seconds_left", "seconds", "at that rate; missing until it is known", optional = true },
  } },
  { "job.done", "0.1.0", "The image is there. The last event of its job.", with(ENDS, ROUTE,
    { "image_id", "uuid", "the Glance image; null for an RBD target", null = true },
    { "location", "string", "its rbd:// location; null where it has none", null = true },
    { "hash", "hash", "null where the image has none", null = true },
    { "bytes", "amounts", "what was moved" }, { "seconds", "seconds", "how long it took; of a job that was "
      .. "resumed, since then" }) },
  { "job.failed", "0.1.0", "It failed, was cancelled, or could not be taken up again. The last event of its job.",
    with(ENDS, { "error", "error", "why" }, { "left_behind", "[rest]", "what could not be undone, or is somebody "
      .. "else's by now" }, { "seconds", "seconds", "how long it took, with the undoing" },
      { "again", "time", "from then on it is tried again: it waits in the queue", optional = true }) },
  { "job.undone", "0.1.0", "What it did before it was cut off has been taken back. The last event of its job.",
    with(ENDS) },
  { "log", "0.1.0", "Something that belongs to no job: what a program that embeds siphon gets instead of a line on "
    .. "standard error.", { { "message", "string", "the text" } } },
  { "warning", "0.1.0", "Something is wrong that stops nothing, such as a handle that was not closed: likewise.",
    { { "message", "string", "the text" } } },
}

--- The steps of siphon's own code, with what is going on while each runs; routes of your own add theirs.
kinds.STEPS = {
  { "job", "keeping the job's record" },
  { "policy", "asking the policy" },
  { "route", "choosing a route" },
  { "glance.create", "creating the Glance record" },
  { "glance.update", "changing the Glance record" },
  { "source.freeze", "freezing the guest" },
  { "source.snapshot", "taking a snapshot of the source" },
  { "source.protect", "protecting the source's snapshot" },
  { "source.hash", "reading the snapshot for its hash" },
  { "target.create", "creating the image" },
  { "target.clone", "cloning the snapshot" },
  { "target.copy", "copying the data" },
  { "target.deep_copy", "copying the image and its snapshots" },
  { "target.flatten", "flattening the clone" },
  { "target.map", "making the object map" },
  { "target.strip", "removing image-meta" },
  { "scratch.convert", "converting the image" },
  { "glance.upload", "sending the data to Glance" },
  { "target.seal", "protecting the image with a snapshot" },
  { "target.verify", "comparing the sizes" },
  { "target.verify_flat", "looking whether a parent is left" },
  { "target.publish", "naming the image" },
  { "glance.register", "registering the location" },
  { "glance.active", "waiting until the image is active" },
  { "glance.stores", "waiting until Glance has copied it to its other stores" },
  { "glance.protect", "protecting the image from being deleted" },
}

return kinds
