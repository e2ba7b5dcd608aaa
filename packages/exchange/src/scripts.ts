/** Replaces the view if it still is the one that was read; ARGV: life, number, id ('' = absent), new view, seconds. */
export const casView = `
local held = redis.call('GET', KEYS[1])
if ARGV[3] == '' then
  if held then return 0 end
else
  if not held then return 0 end
  local view = cjson.decode(held)
  if view.id ~= ARGV[3] or tostring(view.life) ~= ARGV[1] or tostring(view.number) ~= ARGV[2] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[4], 'EX', ARGV[5])
return 1`;

/** After a server came back empty or old: puts a view back unless a later one is there. ARGV: life, number, view, seconds. */
export const restoreView = `
local held = redis.call('GET', KEYS[1])
if held then
  local view = cjson.decode(held)
  local life, number = tonumber(ARGV[1]), tonumber(ARGV[2])
  if view.life > life or (view.life == life and view.number >= number) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
return 1`;

/** The highest committed step of a life only grows. ARGV: step, seconds. */
export const raiseHead = `
local held = tonumber(redis.call('GET', KEYS[1]) or '-1')
if tonumber(ARGV[1]) > held then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return held`;
