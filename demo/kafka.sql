-- kafka.sql: the demo's logins from Kafka, at :servers.

\echo '== 3. Login events come from Kafka'
\echo
\echo :events 'login events wait at' :servers
\echo
CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
  OPTIONS ("bootstrap.servers" :'servers');
-- a source runs as the role that makes it, which needs these and no other rights
CREATE ROLE ingest LOGIN;
GRANT SELECT, INSERT, UPDATE ON user_services TO ingest;
GRANT USAGE ON FOREIGN SERVER kafka TO ingest;
SET ROLE ingest;
SELECT evaudit.create_source('logins', 'kafka',
  options => '{"topics": "logins", "start": "earliest"}')
  \g /dev/null
RESET ROLE;
\ir wait.sql
