-- sqs.sql: the demo's logins from a queue of SQS, at :queue_server.

\echo '== 3. Login events come from SQS'
\echo
\echo :events 'login events wait in a queue at' :queue_server
\echo
CREATE SERVER queues FOREIGN DATA WRAPPER evaudit_aws
  OPTIONS (region 'us-east-1', endpoint_url :'queue_server');
CREATE USER MAPPING FOR CURRENT_USER SERVER queues
  OPTIONS (access_key_id 'AKIADEMO', secret_access_key 'demo');
SELECT evaudit.create_source('logins', 'queues',
  options => '{"queue": "logins", "envelope": "raw"}')
  \g /dev/null

-- wait until the source has seen them all
SELECT set_config('demo.events', :'events', false) \g /dev/null
DO $$
DECLARE
	deadline timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
	WHILE NOT EXISTS (SELECT FROM evaudit.stat_sources
					  WHERE name = 'logins' AND
					  received >= current_setting('demo.events')::bigint)
	LOOP
		IF clock_timestamp() > deadline THEN
			RAISE EXCEPTION 'the events did not arrive: %',
				(SELECT to_json(s) FROM evaudit.stat_sources s);
		END IF;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
