-- front.sql: what bench/front.sh publishes and reads over HTTP.
CREATE EXTENSION evaudit;
SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
	"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
SELECT evaudit.create_topic('bench', '{
	"type": "object",
	"required": ["event_id", "job_id", "event_type", "status_type", "source_app", "timestamp_event"],
	"properties": {
		"event_id": {"type": "string"},
		"job_id": {"type": "string"},
		"event_type": {"type": "string"},
		"status_type": {"enum": ["WAITING", "RUNNING", "SUCCEEDED", "FAILED", "KILLED"]},
		"source_app": {"type": "string"},
		"timestamp_event": {"type": "integer", "minimum": 0}}}',
	'{"event_id": "/event_id", "keep": true}');
SELECT evaudit.grant_publish('bench', 'Alice');
SELECT evaudit.grant_read('services', 'Alice');
INSERT INTO user_services
SELECT 'user-' || u, 'service-' || s, 'Service ' || s, '2026-01-01'::timestamptz - u * interval '1 minute' - s * interval '1 s'
FROM generate_series(1, 1000) u, generate_series(1, 5) s;
-- the peers' own table of events
CREATE TABLE peer_events (event_id text PRIMARY KEY, topic text NOT NULL, payload jsonb NOT NULL,
	subject text, received_at timestamptz NOT NULL DEFAULT now());
SELECT 'CREATE ROLE front LOGIN' WHERE to_regrole('front') IS NULL \gexec
GRANT EXECUTE ON FUNCTION evaudit.http TO front;
GRANT INSERT, SELECT ON evaudit.events TO front;
GRANT SELECT ON user_services TO front;
GRANT INSERT, SELECT ON peer_events TO front;
ALTER ROLE front SET synchronous_commit = on;
ALTER ROLE front SET evaudit.rate_limit = 0;
ALTER ROLE front SET log_parameter_max_length = 0;
ALTER ROLE front SET log_parameter_max_length_on_error = 0;
VACUUM ANALYZE;
