-- accounts.sql: the demo's deleted accounts, which SNS at :aws tells a queue of.
-- Requests are signed with :key_id and :secret, and checked.

\echo
\echo '== 7. Accounts that were deleted: SNS tells SQS, and each is kept'
\echo
\echo 'Messages of the topic' :topic_arn 'wait in the queue "accounts"'
\echo
CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
  OPTIONS (region 'us-east-1', endpoint_url :'aws');
CREATE USER MAPPING FOR ingest SERVER aws
  OPTIONS (access_key_id :'key_id', secret_access_key :'secret');
GRANT USAGE ON FOREIGN SERVER aws TO ingest;
GRANT INSERT ON evaudit.events TO ingest;
SET ROLE ingest;
SELECT check_name, ok, detail FROM evaudit.check_server('aws');
RESET ROLE;

SELECT evaudit.create_topic('account_deleted',
  schema => '{"type": "object", "required": ["email"]}',
  options => '{"keep": true}')
  \g /dev/null
-- what makes one of them fail in the database
ALTER TABLE evaudit.events ADD CONSTRAINT too_long
  CHECK (length(payload->>'email') < 40);
SET ROLE ingest;
SELECT evaudit.create_source('accounts', 'aws', 'account_deleted',
  jsonb_build_object('queue', 'accounts', 'envelope', 'sns',
                     'topic_arns', :'topic_arn'::text, 'max_attempts', 3))
  \g /dev/null
RESET ROLE;

SELECT set_config('demo.accounts', :'accounts', false) \g /dev/null
DO $$
DECLARE
	deadline timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
	WHILE (SELECT count(*) FROM evaudit.events)
		+ (SELECT count(*) FROM evaudit.dead_letters WHERE source = 'accounts')
		< current_setting('demo.accounts')::bigint
	LOOP
		IF clock_timestamp() > deadline THEN
			RAISE EXCEPTION 'the events did not arrive: %',
				(SELECT to_json(s) FROM evaudit.stat_sources s
				 WHERE name = 'accounts');
		END IF;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;

SELECT payload, source_position->>'queue' AS queue, received_at
  FROM evaudit.events WHERE topic = 'account_deleted' ORDER BY payload->>'email';
\echo 'One is not as the topic''s schema says, and one was refused by the database'
\echo 'three times.  Both are kept with what is wrong:'
\echo
SELECT reason, sqlstate, source_position->'receive_count' AS received,
       convert_from(payload, 'UTF8') AS payload
  FROM evaudit.dead_letters WHERE source = 'accounts' ORDER BY id;
\echo 'What was wrong with the database can be repaired, and the message redriven:'
\echo
ALTER TABLE evaudit.events DROP CONSTRAINT too_long;
SELECT evaudit.redrive('accounts');
SELECT count(*) AS accounts_deleted FROM evaudit.events
 WHERE topic = 'account_deleted';
