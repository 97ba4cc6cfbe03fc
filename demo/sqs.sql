-- sqs.sql: the demo's logins from a queue of SQS, at :queue_server.

\echo '== 3. Login events come from SQS'
\echo
\echo :events 'login events wait in a queue at' :queue_server
\echo
CREATE SERVER queues FOREIGN DATA WRAPPER evaudit_aws
  OPTIONS (region 'us-east-1', endpoint_url :'queue_server');
-- a source runs as the role that makes it, which needs these and no other rights
CREATE ROLE ingest LOGIN;
GRANT SELECT, INSERT, UPDATE ON user_services TO ingest;
GRANT USAGE ON FOREIGN SERVER queues TO ingest;
CREATE USER MAPPING FOR ingest SERVER queues
  OPTIONS (access_key_id 'AKIADEMO', secret_access_key 'demo');
SET ROLE ingest;
SELECT evaudit.create_source('logins', 'queues',
  options => '{"queue": "logins", "envelope": "raw"}')
  \g /dev/null
RESET ROLE;
\ir wait.sql
