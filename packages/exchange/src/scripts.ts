/**
 * Every change on the tensor server that must be one: as Lua for a Redis, and as a name by which a server in
 * memory knows what to do.
 */
export interface Script {
  name: 'replaceView' | 'retryStep' | 'restoreView' | 'commitStep' | 'raiseHead' | 'sayChecked';
  lua: string;
}

/** Gives the head; nil and what is there instead where a stranger wrote over it. */
const headOf = `
local function headOf(key)
  local held = redis.pcall('GET', key)
  if not held then return -1 end
  if type(held) == 'table' then return nil, held.err end
  if not string.match(held, '^%d+$') then return nil, held end
  return tonumber(held)
end`;

/** Replaces the view if it still is the one that was read; ARGV: life, number, id ('' = absent), new view, seconds. */
export const replaceView: Script = {
  name: 'replaceView',
  lua: `
local held = redis.call('GET', KEYS[1])
if ARGV[3] == '' then
  if held then return 0 end
else
  if not held then return 0 end
  local view = cjson.decode(held)
  if view.id ~= ARGV[3] or tostring(view.life) ~= ARGV[1] or tostring(view.number) ~= ARGV[2] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[4], 'EX', ARGV[5])
return 1`,
};

/** After a server came back empty or old, or a stranger wrote: puts a view back unless one as late is there. ARGV: life, number, view, seconds. */
export const restoreView: Script = {
  name: 'restoreView',
  lua: `
local held = redis.pcall('GET', KEYS[1])
local isView, view = false, nil
if type(held) == 'string' then isView, view = pcall(cjson.decode, held) end
if isView and type(view) == 'table' and view.life and view.number then
  local life, number = tonumber(ARGV[1]), tonumber(ARGV[2])
  if view.life > life or (view.life == life and view.number >= number) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
return 1`,
};

/**
 * Replaces the view by one that does a step again, unless the step is committed already. KEYS: view, head;
 * ARGV: life, number, id, new view, seconds, step. 2: committed; a text: no head is there, but this, and nothing
 * was done.
 */
export const retryStep: Script = {
  name: 'retryStep',
  lua: `${headOf}
local head, strange = headOf(KEYS[2])
if strange then return strange end
if head >= tonumber(ARGV[6]) then return 2 end
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local view = cjson.decode(held)
if view.id ~= ARGV[3] or tostring(view.life) ~= ARGV[1] or tostring(view.number) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[4], 'EX', ARGV[5])
return 1`,
};

/**
 * Commits an attempt of a step, unless the members do it again or did: whoever comes late must not keep what was
 * given up. Once committed it stays so: the head of a life only grows. KEYS: view, head; ARGV: life, step, attempt,
 * seconds. A text: no head is there, but this, and nothing was done.
 */
export const commitStep: Script = {
  name: 'commitStep',
  lua: `${headOf}
local life, step, attempt = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local head, strange = headOf(KEYS[2])
if strange then return strange end
local isNew = head < step
local held = redis.call('GET', KEYS[1])
local view = held and cjson.decode(held)
if view and view.life > life and isNew then return 0 end
if view and view.life == life then
  local retries = view.earlier or {}
  if view.retry ~= cjson.null and view.retry ~= nil then table.insert(retries, view.retry) end
  for _, retry in ipairs(retries) do
    if retry.step == step and retry.attempt > attempt then return 0 end
  end
end
if isNew then redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4]) end
return 1`,
};

/** The highest committed step of a life only grows. ARGV: step, seconds. A text: what was there in place of a head. */
export const raiseHead: Script = {
  name: 'raiseHead',
  lua: `${headOf}
local head, strange = headOf(KEYS[1])
local step = tonumber(ARGV[1])
if head and step < head then step = head end
redis.call('SET', KEYS[1], step, 'EX', ARGV[2])
return strange or step`,
};

/**
 * Adds what a member says of a checked shard, unless it has said it; gives all that was said. ARGV: who and for
 * which time, hash, seconds.
 */
export const sayChecked: Script = {
  name: 'sayChecked',
  lua: `
local held = redis.call('GET', KEYS[1]) or ''
if not string.find('\\n' .. held, '\\n' .. ARGV[1] .. ' ', 1, true) then
  held = held .. ARGV[1] .. ' ' .. ARGV[2] .. '\\n'
  redis.call('SET', KEYS[1], held, 'EX', ARGV[3])
end
return held`,
};
