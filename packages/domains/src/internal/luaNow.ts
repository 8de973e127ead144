/**
 * The time in a Lua body: what is given as an argument, in tests, or else what the server's clock shows, in microseconds.
 *
 * The argument is the one at an index of ARGV, or the last.
 */
export const luaNow = (argument: number | "#ARGV"): string => `
local now = ARGV[${argument}]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = now + 0
end
`
