-- http.sql: what the demo's HTTP front serves: a topic, who signs tokens (the
-- key in :pem), and what the subject of one may do.

\echo '== 7. The same over HTTP'
\echo
SELECT evaudit.create_topic('orders', '{
  "type": "object",
  "required": ["id", "amount"],
  "properties": {"id": {"type": "string"}, "amount": {"type": "number", "minimum": 0}}
}', '{"event_id": "/id"}') \g /dev/null
SELECT evaudit.create_issuer('demo', jsonb_build_object(
  'issuer', 'https://demo.example', 'audience', 'demo', 'pem', :'pem')) \g /dev/null
SELECT evaudit.grant_publish('orders', 'shop') \g /dev/null
SELECT evaudit.grant_read('services', 'shop') \g /dev/null

-- The front needs EXECUTE on this function and no more; what it shows of users
-- it reads with its own rights.
CREATE ROLE front LOGIN;
GRANT EXECUTE ON FUNCTION evaudit.http(text, text, jsonb, bytea) TO front;
GRANT SELECT ON user_services TO front;
-- tokens are parameters: keep them out of the server's log
ALTER ROLE front SET log_parameter_max_length = 0;
ALTER ROLE front SET log_parameter_max_length_on_error = 0;
