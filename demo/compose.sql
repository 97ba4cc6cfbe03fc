-- compose.sql: what compose.yaml's database begins with.

CREATE EXTENSION evaudit;

-- The front's role; its password is worth as much as the network it is
-- reached by, which is compose.yaml's own.
CREATE ROLE front LOGIN PASSWORD 'front';
GRANT EXECUTE ON FUNCTION evaudit.http(text, text, jsonb, bytea) TO front;
ALTER ROLE front SET log_parameter_max_length = 0;
ALTER ROLE front SET log_parameter_max_length_on_error = 0;

-- SELECT evaudit.create_source('logins', 'kafka',
--   options => '{"topics": "logins", "start": "earliest"}');
CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
	OPTIONS ("bootstrap.servers" 'broker:9092');
