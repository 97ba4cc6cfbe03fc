-- webhook.sql: endpoints of HTTP that events are sent to.

CREATE FUNCTION evaudit.webhook_validator(options text[], catalog oid)
RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'evaudit_webhook_validator';
COMMENT ON FUNCTION evaudit.webhook_validator(text[], oid) IS
	'internal: validates options of servers and user mappings of evaudit_webhook';

CREATE FOREIGN DATA WRAPPER evaudit_webhook
	NO HANDLER VALIDATOR evaudit.webhook_validator;
COMMENT ON FOREIGN DATA WRAPPER evaudit_webhook IS
	'endpoints of HTTP that take events as Standard Webhooks: url, secret, ...';
