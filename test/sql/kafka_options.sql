-- Options of evaudit_kafka: which librdkafka properties may be set, where,
-- and by whom; what is refused repeats no secret.
\set VERBOSITY default
CREATE ROLE regress_kafka LOGIN;
GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_kafka TO regress_kafka;
SET ROLE regress_kafka;

-- a server must say where its brokers are
CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka;
CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
	OPTIONS ("client.id" 'us');
CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
	OPTIONS ("bootstrap.servers" 'localhost:9092');
ALTER SERVER kafka OPTIONS (DROP "bootstrap.servers");

-- names and values are the library's
ALTER SERVER kafka OPTIONS ("security.protocol" 'SASL_SSL',
	"sasl.mechanism" 'SCRAM-SHA-512', "client.id" 'us',
	"socket.keepalive.enable" 'true', "retry.backoff.ms" '200');
ALTER SERVER kafka OPTIONS (SET "client.id" 'them', DROP "retry.backoff.ms");
\set VERBOSITY terse
ALTER SERVER kafka OPTIONS ("security.protocoll" 'SSL');
ALTER SERVER kafka OPTIONS ("Client.Id" 'us');
ALTER SERVER kafka OPTIONS (host 'localhost');
ALTER SERVER kafka OPTIONS (SET "security.protocol" 'TLS');
ALTER SERVER kafka OPTIONS ("socket.timeout.ms" 'soon');
ALTER SERVER kafka OPTIONS ("socket.timeout.ms" '-1');
ALTER SERVER kafka OPTIONS ("receive.message.max.bytes" '2000000000');
DO $$
BEGIN
	EXECUTE format('ALTER SERVER kafka OPTIONS ("ssl.ca.pem" %L)', repeat('x', 65537));
END
$$;

-- what a source relies on
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['enable.auto.commit', 'auto.commit.enable',
		'auto.commit.interval.ms', 'enable.auto.offset.store',
		'auto.offset.reset', 'isolation.level', 'enable.partition.eof',
		'partition.assignment.strategy', 'group.instance.id',
		'group.protocol', 'allow.auto.create.topics', 'offset.store.path',
		'offset.store.method', 'queued.min.messages', 'fetch.max.bytes',
		'max.poll.interval.ms', 'debug', 'log_level', 'log.queue',
		'test.mock.num.brokers', 'statistics.interval.ms', 'enabled_events',
		'session.timeout.ms', 'topic.blacklist', 'acks', 'error_cb',
		-- what loads code or runs a command
		'plugin.library.paths', 'ssl.engine.location', 'ssl.engine.id',
		'ssl.providers', 'sasl.kerberos.kinit.cmd',
		'sasl.kerberos.min.time.before.relogin',
		'internal.termination.signal',
		-- secrets
		'sasl.password', 'ssl.key.pem', 'ssl.key.password',
		'ssl.keystore.password', 'sasl.oauthbearer.config',
		-- files, for one who may not read them
		'ssl.ca.location', 'ssl.certificate.location', 'ssl.key.location',
		'ssl.crl.location', 'ssl.keystore.location', 'sasl.kerberos.keytab']
	LOOP
		BEGIN
			EXECUTE format('ALTER SERVER kafka OPTIONS (%I %L)', name, 'sesame');
			RAISE WARNING '% was set', name;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
		END;
		BEGIN
			EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER kafka
				OPTIONS (%I %L)', name, 'sesame');
			RAISE NOTICE '% was set for a user', name;
			DROP USER MAPPING FOR CURRENT_USER SERVER kafka;
		EXCEPTION WHEN OTHERS THEN
			IF SQLERRM NOT IN (format('option "%s" cannot be set', name),
				format('permission denied to set option "%s"', name))
			THEN
				RAISE NOTICE 'for a user: %: %', SQLSTATE, SQLERRM;
			END IF;
		END;
	END LOOP;
END
$$;
\set VERBOSITY default
ALTER SERVER kafka OPTIONS ("isolation.level" 'read_uncommitted');
ALTER SERVER kafka OPTIONS ("plugin.library.paths" '/tmp/x.so');
ALTER SERVER kafka OPTIONS ("acks" '1');
ALTER SERVER kafka OPTIONS ("dr_cb" '1');
ALTER SERVER kafka OPTIONS ("property.of.tomorrow" '1');
ALTER SERVER kafka OPTIONS ("sasl.password" 'sesame');
ALTER SERVER kafka OPTIONS ("ssl.ca.location" '/etc/passwd');

-- where the cluster is, and how it is talked to, is the server's to say
CREATE USER MAPPING FOR CURRENT_USER SERVER kafka
	OPTIONS ("bootstrap.servers" 'localhost:22');
CREATE USER MAPPING FOR CURRENT_USER SERVER kafka
	OPTIONS ("metadata.broker.list" 'localhost:22');
CREATE USER MAPPING FOR CURRENT_USER SERVER kafka
	OPTIONS ("sasl.oauthbearer.token.endpoint.url" 'http://localhost:22/');
CREATE USER MAPPING FOR CURRENT_USER SERVER kafka
	OPTIONS ("internal.termination.signal" '15');
-- neither does the wrapper take options
RESET ROLE;
ALTER FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ("bootstrap.servers" 'localhost');

-- members of pg_read_server_files may name files
GRANT pg_read_server_files TO regress_kafka;
SET ROLE regress_kafka;
ALTER SERVER kafka OPTIONS ("ssl.ca.location" '/etc/ssl/certs/ca.pem');

-- a secret is its user's
CREATE USER MAPPING FOR CURRENT_USER SERVER kafka
	OPTIONS ("sasl.username" 'us', "sasl.password" 'sesame');
RESET ROLE;
CREATE ROLE regress_kafka_other;
SET ROLE regress_kafka_other;
SELECT srvname, usename, umoptions FROM pg_user_mappings
	WHERE srvname = 'kafka';
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'kafka';
RESET ROLE;

DROP SERVER kafka CASCADE;
REVOKE USAGE ON FOREIGN DATA WRAPPER evaudit_kafka FROM regress_kafka;
DROP ROLE regress_kafka, regress_kafka_other;
