--- The parsers of the commands, on lua-argparse: one way to complain, and the options that several commands
-- share.

local argparse = require "argparse"

local errors = require "siphon.errors"
local nearest = require "siphon.nearest"
local openstack = require "siphon.cli.openstack"

local options = {}

local WIDTH = 90

-- Every option name that the parser knows, for the hint.
local function option_names(parser)
  local names = {}
  for _, option in ipairs(parser._options) do
    for _, name in ipairs(option._aliases) do names[#names + 1] = name end
  end
  return names
end

-- lua-argparse suggests names that are one letter off, on a second line; an error here is one line and names
-- the nearest.
local function complain(parser, message)
  message = message:gsub("\n.*", "")
  local unknown = message:match("^unknown option '(.-)'$")
  if unknown then message = message .. nearest.hint(unknown, option_names(parser)) end
  errors.raise("usage", nil, ("%s (`%s --help` lists what there is)"):format(message, parser._name))
end

--- A parser for `siphon COMMAND` whose errors are raised as error objects of code "usage".
function options.parser(command, summary)
  local parser = argparse("siphon " .. command, summary):add_help(false)
    :help_max_width(WIDTH):usage_max_width(WIDTH):help_description_margin(25)
  parser:flag("-h --help", "Show this text."):action(function() error({ helped = parser }, 0) end)
  parser.error = complain
  return parser
end

--- Where the cluster is, in the words of the `rbd` command. CEPH_CONF, CEPH_ARGS and CEPH_KEYRING count too.
function options.ceph(parser)
  parser:group("Ceph, as the ceph tools have it",
    parser:option("--conf", "Path to the cluster's configuration file (also -c)."):argname "FILE":hidden_name "-c",
    parser:option("--cluster", "Name of the cluster."):argname "NAME",
    parser:option("--id", "Client id, without \"client.\"."):argname "ID",
    parser:option("--name", "Client name, \"client.ID\" (also -n)."):argname "NAME":hidden_name "-n",
    parser:option("--keyring", "Path to the keyring (also -k)."):argname "FILE":hidden_name "-k")
end

local function whole(text)
  return math.tointeger(tonumber(text)) or nil, ("'%s' is not a whole number"):format(text)
end

local function seconds(text)
  return require("siphon.units").parse_duration(text)
end

--- Where the records of jobs are.
function options.journal_pool(parser)
  return parser:option("--journal-pool", "Pool, or POOL/NAMESPACE, of the jobs' records (default: the source's).")
    :argname "POOL"
end

--- What a copy does about its record.
function options.journal(parser)
  parser:group("The job's record",
    parser:flag("--resume", "Go on with the unfinished job of the same source and target, if there is one."),
    options.journal_pool(parser),
    parser:flag("--no-journal", "Keep no record in the cluster: nobody can go on when this process is cut off."))
end

--- What `submit` and `batch` ask of the queue.
function options.queue(parser)
  parser:group("The queue",
    parser:option("--priority", "From -1000 to 1000 (default: 0); higher ones are taken first."):argname "N"
      :convert(whole),
    parser:option("--not-before", "Not begun before: +30m, 22:00, 2026-01-31 22:00."):argname "TIME"
      :convert(function(text)
        return require("siphon.units").parse_time(text, require("siphon.core").system.time())
      end),
    parser:option("--attempts", "Tries, at most, when the error may go away (default: 3)."):argname "N":convert(whole))
end

--- What `copy` and `plan` have in common. is_queued: it is put into the queue, and not begun.
function options.copy(parser, is_queued)
  parser:argument("source", "The volume: POOL/[NAMESPACE/]IMAGE[@SNAPSHOT].")
  parser:argument("target", "glance:NAME, or POOL/[NAMESPACE/]IMAGE; none with --existing-image."):args "?"
  parser:group("The way",
    parser:option("--policy", "Policy that decides the route: a name or a file (default: \"default\").")
      :argname "NAME|FILE",
    parser:option("--route", "Take this route, whatever the policy says."):argname "NAME",
    parser:option("--pool", "Pool of Glance's images (default: what Glance tells)."):argname "POOL",
    parser:option("--image-id", "UUID for the Glance image (default: a new one)."):argname "UUID",
    parser:option("--timeout", "Give up, and undo, after this time: seconds, or 30s, 5m, 2h."):argname "TIME"
      :convert(seconds),
    parser:flag("--no-space-check", "Begin even when the pool may run full."))
  options.osd_copy(parser)
  if is_queued then
    parser:group("The job's record", options.journal_pool(parser))
  else
    options.journal(parser)
  end
  options.ways(parser)
  openstack.image(parser)
  openstack.cloud(parser)
end

local function rate(text)
  return require("siphon.units").parse_rate(text)
end

--- The options of the copy that the OSDs make.
function options.osd_copy(parser)
  parser:group("How the OSDs copy",
    parser:option("--verify", "How each object is compared: checksum (default; the OSDs compute them), read (both "
      .. "sides through this host), none."):argname "HOW",
    parser:option("--max-in-flight", "Objects at once, at most: 1 to 64 (default: 32, fewer when the cluster is busy; "
      .. "route copy: 16).")
      :argname "N":convert(whole),
    parser:option("--max-rate", "Bytes a second, at most, of routes osd_copy and copy: 200M, 1G (default: no limit).")
      :argname "RATE":convert(rate),
    parser:flag("--fence-dead-owner", "Take the snapshot though the host that has the volume open does not answer, "
      .. "which bars it from the cluster."))
end

-- A number that is more than 0.
local function positive(convert)
  return function(text)
    local value, problem = convert(text)
    if value and value <= 0 then return nil, ("'%s' has to be more than 0"):format(text) end
    return value, problem
  end
end

--- How much a worker does at once, and how often it looks.
function options.limits(parser)
  parser:group("How much",
    parser:option("--concurrency", "Jobs at once (default: 1)."):argname "N":convert(positive(whole)),
    parser:option("--per-pool", "Of those, with one source pool."):argname "N":convert(positive(whole)),
    parser:option("--max-rate", "Bytes a second of all jobs together: 200M, 1G; each gets its share.")
      :argname "RATE":convert(positive(rate)),
    parser:option("--max-in-flight", "Objects at once of each job: 1 to 64."):argname "N":convert(positive(whole)),
    parser:option("--poll", "Time between two looks at the queue when nobody says a word (default: 10 s).")
      :argname "TIME":convert(positive(seconds)))
end

--- The options of the ways themselves: of single routes, of the source's state, of a second cluster.
function options.ways(parser)
  parser:group("How it goes that way",
    parser:option("--disk-format", "Format of the Glance image: raw (default), qcow2, vmdk, vdi, vhd, vhdx.")
      :argname "FORMAT",
    parser:flag("--compress", "Compress a qcow2 image."),
    parser:option("--format-options", "More options of the format, for `qemu-img convert -o`."):argname "OPTIONS",
    parser:option("--scratch", "Directory for the file that a conversion makes (default: TMPDIR or /var/tmp).")
      :argname "DIR",
    parser:option("--hash", "Register this hash of the data, and its MD5: sha512 or sha256 (default: none).")
      :argname "ALGORITHM",
    parser:option("--flatten", "Who flattens clones: \"host\" (default) or \"mgr\", ceph-mgr."):argname "WHO",
    parser:option("--allow-format", "Copy a volume that begins with the header of this format."):argname "FORMAT",
    parser:flag("--allow-encrypted", "Copy the bytes of a LUKS volume as they are."),
    parser:option("--freeze-command", "Run this just before the snapshot is taken..."):argname "COMMAND",
    parser:option("--thaw-command", "... and this right after it, whatever happens."):argname "COMMAND",
    options.second_cluster(parser))
end

--- The options of siphon.copy from parsed arguments.
function options.request(arguments)
  return openstack.request(arguments, {
    disk_format = arguments.disk_format, compress = arguments.compress, format_options = arguments.format_options,
    scratch = arguments.scratch, hash = arguments.hash, flatten = arguments.flatten,
    allow_format = arguments.allow_format,
    verify = arguments.verify, max_in_flight = arguments.max_in_flight, max_rate = arguments.max_rate,
    fence_dead_owner = arguments.fence_dead_owner,
    allow_encrypted = arguments.allow_encrypted, freeze_command = arguments.freeze_command,
    thaw_command = arguments.thaw_command, target_conf = arguments.target_conf, target_id = arguments.target_id,
    target_keyring = arguments.target_keyring,
    source = arguments.source, target = arguments.target, policy = arguments.policy, route = arguments.route,
    pool = arguments.pool, image_id = arguments.image_id, timeout = arguments.timeout,
    check_space = not arguments.no_space_check,
    journal_pool = arguments.journal_pool, no_journal = arguments.no_journal, resume = arguments.resume,
    conf = arguments.conf, cluster = arguments.cluster, id = arguments.id, name = arguments.name,
    keyring = arguments.keyring,
  })
end

--- What a command that looks at jobs, or takes one over, says of its caller: the options of siphon.jobs.
function options.caller(arguments)
  local asked = {}
  for _, name in ipairs {
    "conf", "cluster", "id", "name", "keyring", "journal_pool", "os_cloud", "os_region_name", "os_interface",
    "os_service_cloud", "target_conf", "target_id", "target_keyring",
  } do
    asked[name] = arguments[name]
  end
  return asked
end

--- The options of a second cluster.
function options.second_cluster(parser)
  return parser:option("--target-conf", "Configuration file of the target's cluster, when it is another one.")
      :argname "FILE",
    parser:option("--target-id", "Client id there."):argname "ID",
    parser:option("--target-keyring", "Path to the keyring for it."):argname "FILE"
end

local function show_help(parser)
  io.write(parser:get_help(), "\n")
end

local on_help = show_help

--- Calls fn; when --help was asked for, prints it and returns 0.
function options.guard(fn)
  local results = table.pack(xpcall(fn, function(value)
    if type(value) == "table" and value.helped then return value end
    return errors.handler(value)
  end))
  if results[1] then return table.unpack(results, 2, results.n) end
  if results[2].helped then
    on_help(results[2].helped)
    return 0
  end
  error(results[2], 0)
end

--- The parser whose help fn asks for: of a command that is called with --help. Nil when it asks for none.
function options.parser_of(fn)
  local parser
  on_help = function(asked) parser = asked end
  pcall(fn)
  on_help = show_help
  return parser
end

--- Parses the arguments and calls fn with the result; returns what fn returns.
function options.run(parser, arguments, leading, fn)
  return options.guard(function()
    return fn(parser:parse(table.move(arguments, 1, #arguments, #leading + 1, leading)))
  end)
end

return options
