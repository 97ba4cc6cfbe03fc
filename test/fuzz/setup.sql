CREATE EXTENSION evaudit;
CREATE FUNCTION fuzz(target text, arguments text) RETURNS int AS '$libdir/evaudit', 'evaudit_fuzz' LANGUAGE c STRICT;
SELECT evaudit.register_schema('https://example.com/name', '{"type": "string", "minLength": 1}');
SELECT evaudit.create_topic('checked', '{"type": "object", "required": ["id"], "properties": {"id": {"format": "uuid"}}}', '{"event_id": "/id", "keep": true}');
