# The table server on WEBrick, a thread a connection.
require "json"
require "webrick"

ENTRIES = 100_000
MODULUS = 1 << 32
TABLE = Array.new(ENTRIES) { |i| i * 2654435761 % MODULUS }

requests = 0
counting = Mutex.new
common = -> { { program: "ruby", requests: counting.synchronize { requests += 1 } } }
answer = lambda do |response, content|
  response["Content-Type"] = "application/json"
  response.body = JSON.generate(content)
end

server = WEBrick::HTTPServer.new(BindAddress: "0.0.0.0", Port: 8000, AccessLog: [], Logger: WEBrick::Log.new(nil, 0))
server.mount_proc("/value") do |request, response|
  n = request.query["n"].to_s
  if n.match?(/\A\d{1,5}\z/)
    answer.call(response, common.call.merge(n: n.to_i, value: TABLE[n.to_i]))
  else
    response.status = 404
  end
end
server.mount_proc("/check") do |_, response|
  checksum = TABLE.each_with_index.sum { |value, i| value * (i % 7 + 1) } % MODULUS
  answer.call(response, common.call.merge(checksum: checksum))
end
trap("TERM") { server.shutdown }
server.start
