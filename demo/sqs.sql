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
\ir wait.sql
