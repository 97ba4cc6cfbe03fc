# http.sh: the demo's HTTP front and the requests that it is asked; sourced by
# scripts/demo, beside its server.

# base64 as tokens have it; RFC 7515.
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# A token of the demo's issuer, signed with the key in $1, for the subject $2.
make_token() {
	local head body
	head=$(printf '{"alg":"RS256","typ":"JWT"}' | base64url)
	body=$(printf '{"iss":"https://demo.example","aud":"demo","sub":"%s","exp":%d}' \
		"$2" $(($(date +%s) + 600)) | base64url)
	printf '%s.%s.%s' "$head" "$body" "$(printf '%s.%s' "$head" "$body" |
		openssl dgst -sha256 -sign "$1" -binary | base64url)"
}

# The first port from 8080 on where nobody listens.
free_port() {
	local port=8080
	while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}

# Start the front and wait until it is ready.
start_front() {
	port=$(free_port)
	as_server sh -c 'echo $$ >"$0" && exec "$@"' "$work/tmp/front.pid" \
		front/evaudit-http --listen "127.0.0.1:$port" \
		--admin "unix:$work/socket/admin" "host=$PGHOST dbname=postgres user=front" \
		2>"$work/front.log" {broker_input}>&- &
	front=$!
	until curl -sf --unix-socket "$work/socket/admin" http://front/ready \
		>"$work/ready"; do
		kill -0 "$front" 2>/dev/null ||
			{ tail -20 "$work/front.log" >&2; fail "the front did not start"; }
		sleep 0.05
	done
}

# Show a request and its response; $1 is the status that it must have.
show_request() {
	local expected=$1 response argument
	shift
	printf curl
	for argument in "${@//$token/\$TOKEN}"; do
		case $argument in
		*' '*\"*) printf " '%s'" "$argument" ;;
		*' '*) printf ' "%s"' "$argument" ;;
		*) printf ' %s' "$argument" ;;
		esac
	done
	echo
	response=$(curl -s -w '\n  -> %{http_code}' "$@")
	printf '  %s\n\n' "$response"
	[ "${response##* }" = "$expected" ] ||
		fail "the response should have had status $expected"
}

# Ask the front as a client would.
ask_front() {
	local root=http://127.0.0.1:$port authorization="Authorization: Bearer $token"
	local json='Content-Type: application/json'
	show_request 202 -H "$authorization" -H "$json" \
		-d '{"id": "o-1", "amount": 12.5}' "$root/topics/orders"
	show_request 400 -H "$authorization" -H "$json" \
		-d '{"id": "o-2", "amount": -1}' "$root/topics/orders"
	show_request 401 -H "$json" -d '{"id": "o-3", "amount": 1}' "$root/topics/orders"
	show_request 200 -H "$authorization" "$root/users/user-00000003/services"
}

# Make what the front serves, start it, ask it, and end it.
run_http_demo() {
	local key=$work/tmp/issuer.pem pem token front port status=0
	openssl genrsa -out "$key" 2048 2>"$work/openssl.log"
	pem=$(openssl rsa -in "$key" -pubout 2>"$work/openssl.log")
	as_server "$("$PG_CONFIG" --bindir)/psql" -X -q -P pager=off -v ON_ERROR_STOP=1 \
		-v pem="$pem" -f demo/http.sql
	token=$(make_token "$key" shop)
	start_front
	ask_front
	as_server "$("$PG_CONFIG" --bindir)/psql" -X -q -P pager=off -c \
		"SELECT topic, event_id, payload, subject FROM evaudit.events WHERE topic = 'orders'"
	kill "$(cat "$work/tmp/front.pid")"
	wait "$front" || status=$?
	return "$status"
}
