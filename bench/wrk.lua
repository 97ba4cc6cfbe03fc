-- wrk.lua: requests of wrk: "post" publishes events, each with an id of its
-- own; "get" asks for a user's services.  Counts responses by their status.
local token = os.getenv("TOKEN")
local run = os.getenv("RUN_ID")
local threads = {}

function setup(thread)
	table.insert(threads, thread)
	thread:set("number", #threads)
end

function init(args)
	n = 0
	counts = ""
	by_status = {}
	what = args[1]
	headers = {["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json"}
end

function request()
	n = n + 1
	if what == "get" then
		return wrk.format("GET", "/users/user-" .. (n * 7919 % 1000 + 1) .. "/services", headers)
	end
	return wrk.format("POST", "/topics/bench", headers, string.format(
		'{"event_id":"%s-%d-%d","job_id":"11111111-1111-4111-8111-111111111111","event_type":"JobUpdatedEvent",' ..
		'"status_type":"RUNNING","source_app":"web","timestamp_event":1700000000000}', run, number, n))
end

function response(status, headers, body)
	by_status[status] = (by_status[status] or 0) + 1
	local text = ""
	for s, c in pairs(by_status) do
		text = text .. " " .. s .. ":" .. c
	end
	counts = text
end

function done(summary, latency, requests)
	local total = {}
	for _, thread in ipairs(threads) do
		for s, c in string.gmatch(thread:get("counts"), "(%d+):(%d+)") do
			total[s] = (total[s] or 0) + tonumber(c)
		end
	end
	local good = (total["202"] or 0) + (total["200"] or 0)
	local text = ""
	for s, c in pairs(total) do
		text = text .. " " .. s .. ":" .. c
	end
	io.write(string.format("RESULT %.0f %.2f %.2f%s\n", good / summary.duration * 1e6,
		latency:percentile(50) / 1000, latency:percentile(99) / 1000, text))
end
