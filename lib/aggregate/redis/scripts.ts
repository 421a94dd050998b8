/**
 * What Redis does in one step, as Lua: each script is a compare and set, so that a process that was cut off, stopped or
 * replaced cannot write over what came after it. All keys of a script are in one slot of a cluster (keys.ts).
 */
import type { RedisClient } from './client.js';

/**
 * KEYS owners, beats. ARGV node, process, life of a heartbeat in ms.
 * Takes the name of a node for a process, unless another process that is alive has it. Returns whose it is now ('' with
 * the claim refused), and Redis's time.
 */
const CLAIM = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local owner = redis.call('HGET', KEYS[1], ARGV[1])
if owner and owner ~= ARGV[2] then
  local beat = redis.call('ZSCORE', KEYS[2], ARGV[1])
  if beat and tonumber(beat) > now - tonumber(ARGV[3]) then return {'', tostring(now)} end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now, ARGV[1])
return {ARGV[2], tostring(now)}`;

/**
 * KEYS owners, beats. ARGV node, process, life of a heartbeat, since, when to forget the dead, pause between beats.
 * Returns Redis's time, the time of the last beat before ('' without one), the owner, up to when hearts were looked at, then
 * the nodes whose hearts stopped beating between 'since' and then. By as much as this beat is late, others may be: whatever
 * has stood still (Redis, the network, this process), nobody is taken for dead by it who could not beat meanwhile either.
 */
const BEAT = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local owner = redis.call('HGET', KEYS[1], ARGV[1]) or ''
local before = redis.call('ZSCORE', KEYS[2], ARGV[1]) or ''
if owner == ARGV[2] then redis.call('ZADD', KEYS[2], now, ARGV[1]) end
local late = before == '' and 0 or math.max(0, now - tonumber(before) - tonumber(ARGV[6]))
local limit = now - tonumber(ARGV[3]) - late
local answer = {tostring(now), before, owner, tostring(limit)}
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[4], limit)
for i = 1, #gone do answer[#answer + 1] = gone[i] end
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[5]))
for i = 1, #old do
  redis.call('ZREM', KEYS[2], old[i])
  redis.call('HDEL', KEYS[1], old[i])
end
return answer`;

/** KEYS owners, beats. ARGV node, process. Gives the name up. */
const LEAVE = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1`;

/** KEYS directory. ARGV node, its line as it should be ('' for none), the new line. */
const ENTER = `
local line = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if line ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1`;

/**
 * KEYS directory, entries, log. ARGV node, its line as it should be, the new line, life of the entries, flags,
 * Redis's time as the writer knows it, longest log, entries.
 * Writes entries and tells of them. With the flags 'f' (learned of others) and 'b' (written
 * back for a node that is away) entries are only filled in where there are none. Returns the number
 * of entries there are now, or the line that stands instead.
 */
const WRITE = `
local line = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if line ~= ARGV[2] then return line end
local fills = ARGV[5] == 'f' or ARGV[5] == 'b'
local batch = {}
for key, value in string.gmatch(ARGV[8], '(%S+) (%S+)') do
  if fills then
    redis.call('HSETNX', KEYS[2], key, value)
  else
    batch[#batch + 1] = key
    batch[#batch + 1] = value
    if #batch == 1000 then
      redis.call('HSET', KEYS[2], unpack(batch))
      batch = {}
    end
  end
end
if #batch > 0 then redis.call('HSET', KEYS[2], unpack(batch)) end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 'n', ARGV[1], 'l', ARGV[3], 'f', ARGV[5], 't', ARGV[6], 'e', ARGV[8])
return redis.call('HLEN', KEYS[2])`;

/** KEYS entries. ARGV pairs of field and value. Removes what has not changed since it was read; returns how many. */
const SWEEP = `
local removed = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then removed = removed + redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return removed`;

export function defineScripts(client: RedisClient): void {
	client.defineCommand('holdfastClaim', { numberOfKeys: 2, lua: CLAIM });
	client.defineCommand('holdfastBeat', { numberOfKeys: 2, lua: BEAT });
	client.defineCommand('holdfastLeave', { numberOfKeys: 2, lua: LEAVE });
	client.defineCommand('holdfastEnter', { numberOfKeys: 1, lua: ENTER });
	client.defineCommand('holdfastWrite', { numberOfKeys: 3, lua: WRITE });
	client.defineCommand('holdfastSweep', { numberOfKeys: 1, lua: SWEEP });
}
