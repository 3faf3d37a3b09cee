-- key:N is the SHA-1 of N in hexadecimal digits, 25 times.
for n = 0, 99999 do
  redis.call("SET", "key:" .. n, string.rep(redis.sha1hex(tostring(n)), 25))
end
return "filled"
