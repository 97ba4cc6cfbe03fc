-- kafka.sql: the demo's logins from Kafka, at :servers.

\echo '== 3. Login events come from Kafka'
\echo
\echo :events 'login events wait at' :servers
\echo
CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
  OPTIONS ("bootstrap.servers" :'servers');
SELECT evaudit.create_source('logins', 'kafka',
  options => '{"topics": "logins", "start": "earliest"}')
  \g /dev/null
\ir wait.sql
