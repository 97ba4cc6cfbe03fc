-- import.sql: a gateway's configuration, as it is.
--
--   EVENTGATE_CONF=/path/to/conf psql -v ON_ERROR_STOP=1 -f import.sql
--
-- reads config.json, access.json, topic_keys.json and topic_schemas/*.json of
-- that folder (access.json also where config.json names an object of S3, which
-- is to be copied there) and makes of them topics, grants, an issuer of tokens,
-- sinks to Kafka and EventBridge, and tables.  It can be run again.
--
-- AWS is called with the server's own credentials; another endpoint than the
-- region's is taken from AWS_ENDPOINT_URL.

\set ON_ERROR_STOP on
\set config `cat "$EVENTGATE_CONF/config.json"`
\set access `cat "$EVENTGATE_CONF/access.json"`
\set keys `cat "$EVENTGATE_CONF/topic_keys.json"`
\set schemas `cd "$EVENTGATE_CONF/topic_schemas" && c='{'; for f in *.json; do printf '%s"%s": ' "$c" "${f%.json}"; cat "$f"; c=,; done; echo '}'`
\set endpoint `printf %s "${AWS_ENDPOINT_URL:-}"`

SET client_min_messages = warning;
\ir tables.sql
\ir projections.sql

BEGIN;

CREATE TEMP TABLE gateway ON COMMIT DROP AS
SELECT :'config'::jsonb AS config, :'access'::jsonb AS access,
	:'keys'::jsonb AS keys, :'schemas'::jsonb AS schemas,
	NULLIF(:'endpoint', '') AS endpoint;

-- A topic is named as in the access map, its schema's file as the last part of
-- that.  A gateway asserts no formats, takes an event once by its id, and keeps
-- what it has taken.
SELECT evaudit.import_topics(
	jsonb_object_agg(lower(t.topic), jsonb_build_object(
		'schema', s.schema,
		'options', jsonb_build_object(
			'event_id', '/event_id', 'keep', true, 'assert_format', false,
			'project', 'eventgate.take_' || s.file))), g.keys) AS topics
FROM gateway g, jsonb_object_keys(g.access) t(topic),
	jsonb_each(g.schemas) s(file, schema)
WHERE s.file = substring(t.topic from '[^.]*$')
GROUP BY g.keys;

-- The whole map: who is not in it any more may not publish any more.
SELECT evaudit.revoke_publish(p.topic, p.subject) FROM evaudit.publish_grants p;
SELECT evaudit.import_access_map(access) FROM gateway;

-- Tokens.
SELECT evaudit.create_issuer('eventgate', jsonb_strip_nulls(jsonb_build_object(
	'algorithms', '["RS256"]'::jsonb,
	'jwks_url', config->>'token_public_keys_url',
	'ca_file', config->>'ssl_ca_bundle',
	'token_url', config->>'token_provider_url')))
FROM gateway
WHERE config ? 'token_public_keys_url' AND NOT EXISTS
	(SELECT FROM evaudit.issuers WHERE name = 'eventgate');

-- Where Kafka is, and how to log in there.
SELECT format('CREATE SERVER eventgate_kafka FOREIGN DATA WRAPPER evaudit_kafka OPTIONS (%s)',
	string_agg(format('%I %L', o.name, o.value), ', '))
FROM gateway g, LATERAL (VALUES
	('bootstrap.servers', g.config->>'kafka_bootstrap_server'),
	('security.protocol', CASE WHEN g.config ? 'kafka_sasl_kerberos_principal' THEN 'SASL_SSL' END),
	('sasl.mechanism', CASE WHEN g.config ? 'kafka_sasl_kerberos_principal' THEN 'GSSAPI' END),
	('ssl.ca.location', g.config->>'kafka_ssl_ca_path')) o(name, value)
WHERE g.config ? 'kafka_bootstrap_server' AND o.value IS NOT NULL
	AND NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'eventgate_kafka')
GROUP BY g.config
\gexec
SELECT format('CREATE USER MAPPING FOR CURRENT_USER SERVER eventgate_kafka OPTIONS (%s)',
	string_agg(format('%I %L', o.name, g.config->>o.member), ', '))
FROM gateway g, LATERAL (VALUES
	('sasl.kerberos.principal', 'kafka_sasl_kerberos_principal'),
	('sasl.kerberos.keytab', 'kafka_sasl_kerberos_keytab_path'),
	('ssl.certificate.location', 'kafka_ssl_cert_path'),
	('ssl.key.location', 'kafka_ssl_key_path'),
	('ssl.key.password', 'kafka_ssl_key_password')) o(name, member)
WHERE g.config ? 'kafka_sasl_kerberos_principal' AND g.config ? o.member
	AND NOT EXISTS (SELECT FROM pg_user_mappings WHERE srvname = 'eventgate_kafka')
GROUP BY g.config
\gexec

-- The bus is in the region of its ARN.
SELECT format('CREATE SERVER eventgate_aws FOREIGN DATA WRAPPER evaudit_aws OPTIONS (region %L%s)',
	split_part(g.config->>'event_bus_arn', ':', 4),
	', endpoint_url ' || quote_literal(g.endpoint))
FROM gateway g
WHERE g.config->>'event_bus_arn' <> ''
	AND NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'eventgate_aws')
\gexec

-- What the gateway sent to each: the topic's name is that of Kafka's topic, and
-- the source of the bus's events.
SELECT evaudit.create_sink('eventgate_kafka', 'eventgate_kafka', t.topics)
FROM gateway g,
	(SELECT array_agg(lower(k)) FROM gateway, jsonb_object_keys(access) k) t(topics)
WHERE g.config ? 'kafka_bootstrap_server'
	AND NOT EXISTS (SELECT FROM evaudit.sinks WHERE name = 'eventgate_kafka');
SELECT evaudit.create_sink('eventgate_bus', 'eventgate_aws', t.topics,
	jsonb_build_object('service', 'eventbridge', 'event_bus', g.config->>'event_bus_arn'))
FROM gateway g,
	(SELECT array_agg(lower(k)) FROM gateway, jsonb_object_keys(access) k) t(topics)
WHERE g.config->>'event_bus_arn' <> ''
	AND NOT EXISTS (SELECT FROM evaudit.sinks WHERE name = 'eventgate_bus');

COMMIT;
