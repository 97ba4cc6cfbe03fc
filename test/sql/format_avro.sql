-- Avro: what fastavro wrote, and what nobody should.
\set VERBOSITY terse
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION decoded(options jsonb, payload text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	letter bigint;
	result text;
BEGIN
	PERFORM evaudit.create_topic('decoded', options => options || '{"keep": true}');
	INSERT INTO evaudit.dead_letter_store (owner, owner_oid, source, topic, payload, reason, error)
	VALUES (current_user, current_user::regrole, 's', 'decoded', decode(payload, 'hex'), 'x', 'then')
	RETURNING id INTO letter;
	PERFORM evaudit.redrive(ARRAY[letter]);
	SELECT d.reason || ': ' || d.error INTO result FROM evaudit.dead_letters d WHERE id = letter AND redriven_at IS NULL;
	IF NOT FOUND THEN
		SELECT e.payload INTO result FROM evaudit.events e WHERE topic = 'decoded';
	END IF;
	DELETE FROM evaudit.events WHERE topic = 'decoded';
	PERFORM evaudit.drop_topic('decoded');
	RETURN result;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
-- by test/formats/vectors.py: avro
CREATE TEMP TABLE vectors (name text, schema jsonb, payload text, expected jsonb);
INSERT INTO vectors VALUES ('primitives', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": "null"}, {"name": "f1", "type": "boolean"}, {"name": "f2", "type": "int"}, {"name": "f3", "type": "long"}, {"name": "f4", "type": "float"}, {"name": "f5", "type": "double"}, {"name": "f6", "type": "bytes"}, {"name": "f7", "type": "string"}]}', '01ffffffff0ffeffffffffffffffff010000c03f9a9999999999b9bf0600ff1012c3a9225c0af09f9880', '{"f0": null, "f1": true, "f2": -2147483648, "f3": 9223372036854775807, "f4": 1.5, "f5": -0.1, "f6": "AP8Q", "f7": "\u00e9\"\\\n\ud83d\ude00"}');
INSERT INTO vectors VALUES ('zeros', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": "boolean"}, {"name": "f1", "type": "int"}, {"name": "f2", "type": "long"}, {"name": "f3", "type": "float"}, {"name": "f4", "type": "double"}, {"name": "f5", "type": "bytes"}, {"name": "f6", "type": "string"}]}', '0000000000000000000000000000000000', '{"f0": false, "f1": 0, "f2": 0, "f3": 0, "f4": 0, "f5": "", "f6": ""}');
INSERT INTO vectors VALUES ('numbers', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": "long"}, {"name": "f1", "type": "long"}, {"name": "f2", "type": "double"}, {"name": "f3", "type": "double"}, {"name": "f4", "type": "float"}, {"name": "f5", "type": "float"}]}', 'ffffffffffffffffff01808080808080808080019c7500883ce4377e0100000000000000ffff7f7f0000003f', '{"f0": -9223372036854775808, "f1": 4611686018427387904, "f2": 1e+300, "f3": 5e-324, "f4": 3.4028235E+38, "f5": 0.5}');
INSERT INTO vectors VALUES ('specials', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": "double"}, {"name": "f1", "type": "double"}, {"name": "f2", "type": "double"}, {"name": "f3", "type": "float"}]}', '000000000000f87f000000000000f07f000000000000f0ff0000c07f', '{"f0": "NaN", "f1": "Infinity", "f2": "-Infinity", "f3": "NaN"}');
INSERT INTO vectors VALUES ('union', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": ["null", "string", "long"]}, {"name": "f1", "type": ["null", "string", "long"]}, {"name": "f2", "type": ["null", "string", "long"]}]}', '00020278040e', '{"f0": null, "f1": "x", "f2": 7}');
INSERT INTO vectors VALUES ('named', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}}, {"name": "f1", "type": {"type": "fixed", "name": "F4", "size": 4}}, {"name": "f2", "type": "t.Color"}, {"name": "f3", "type": ["null", "t.F4"]}]}', '0201020304000261626364', '{"f0": "GREEN", "f1": "AQIDBA==", "f2": "RED", "f3": "YWJjZA=="}');
INSERT INTO vectors VALUES ('array', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": {"type": "array", "items": "int"}}, {"name": "f1", "type": {"type": "array", "items": {"type": "array", "items": "string"}}}]}', '060204060006000202610004026202630000', '{"f0": [1, 2, 3], "f1": [[], ["a"], ["b", "c"]]}');
INSERT INTO vectors VALUES ('map', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": {"type": "map", "values": "long"}}, {"name": "f1", "type": {"type": "map", "values": {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}}}]}', '0402610204c3bc040000', '{"f0": {"a": 1, "\u00fc": 2}, "f1": {}}');
INSERT INTO vectors VALUES ('recursive', '{"type": "record", "name": "Node", "namespace": "t.list", "fields": [{"name": "value", "type": "int"}, {"name": "next", "type": ["null", "Node"]}]}', '02020400', '{"value": 1, "next": {"value": 2, "next": null}}');
INSERT INTO vectors VALUES ('dates', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": {"type": "int", "logicalType": "date"}}, {"name": "f1", "type": {"type": "int", "logicalType": "date"}}, {"name": "f2", "type": {"type": "int", "logicalType": "time-millis"}}, {"name": "f3", "type": {"type": "long", "logicalType": "time-micros"}}, {"name": "f4", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "f5", "type": {"type": "long", "logicalType": "timestamp-micros"}}, {"name": "f6", "type": {"type": "long", "logicalType": "local-timestamp-millis"}}, {"name": "f7", "type": {"type": "long", "logicalType": "local-timestamp-micros"}}, {"name": "f8", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}', '018cb502feefb25288e3c3de1ba0cee580cd6001b0cce580cd608ed7dc99ced9f205feff9ac79983a28407', '{"f0": "1969-12-31", "f1": "2024-02-29", "f2": "23:59:59.999", "f3": "01:02:03.000004", "f4": "2022-08-04T08:50:39.120Z", "f5": "1969-12-31T23:59:59.999999Z", "f6": "2022-08-04T08:50:39", "f7": "2022-08-04T08:50:39.000007", "f8": "9999-12-31T23:59:59.999999Z"}');
INSERT INTO vectors VALUES ('nanos', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": {"type": "long", "logicalType": "timestamp-nanos"}}, {"name": "f1", "type": {"type": "long", "logicalType": "local-timestamp-nanos"}}]}', 'aa8ce6f1f98a8c882e01', '{"f0": "2022-08-04T08:50:39.123456789Z", "f1": "1969-12-31T23:59:59.999999999"}');
INSERT INTO vectors VALUES ('decimals', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}}, {"name": "f1", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}}, {"name": "f2", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10}}, {"name": "f3", "type": {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 4}}, {"name": "f4", "type": {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 5}}, {"name": "f5", "type": {"type": "fixed", "name": "D", "size": 8, "logicalType": "decimal", "precision": 10, "scale": 3}}]}', '026e02ff04008020f6b64f090ffdccec3bb66faf21c70cb20201fffffffffffe0bff', '{"f0": 1.10, "f1": -0.01, "f2": 128, "f3": -1234567890123456789012345678901234.5678, "f4": 0.00001, "f5": -128.001}');
INSERT INTO vectors VALUES ('others', '{"type": "record", "name": "R", "namespace": "t", "fields": [{"name": "f0", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "f1", "type": {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}}, {"name": "f2", "type": {"type": "fixed", "name": "P", "size": 12, "logicalType": "duration"}}, {"name": "f3", "type": {"type": "fixed", "name": "Q", "size": 12, "logicalType": "duration"}}, {"name": "f4", "type": {"type": "string", "logicalType": "date"}}, {"name": "f5", "type": {"type": "bytes", "logicalType": "decimal"}}, {"name": "f6", "type": {"type": "long", "logicalType": "unheard-of"}}]}', '4830303031303230332d303430352d303630372d303830392d306130623063306430653066000102030405060708090a0b0c0d0e0f0e00000003000000a50f0000000000000000000000000000027802010a', '{"f0": "00010203-0405-0607-0809-0a0b0c0d0e0f", "f1": "00010203-0405-0607-0809-0a0b0c0d0e0f", "f2": "P14M3DT4.005S", "f3": "PT0S", "f4": "x", "f5": "AQ==", "f6": 5}');
SELECT name, coalesce(nullif(got, expected::text), 'as expected')
FROM vectors, decoded(jsonb_build_object('format', 'avro', 'avro_schema', schema), payload) AS got;
-- cut anywhere, or longer by a byte, none is accepted
SELECT name, string_agg(DISTINCT left(got, strpos(got, ':') - 1), ' ')
FROM vectors, generate_series(0, length(payload) / 2) n,
	decoded(jsonb_build_object('format', 'avro', 'avro_schema', schema),
		CASE WHEN n = length(payload) / 2 THEN payload || '00' ELSE left(payload, 2 * n) END) got
WHERE name IN ('primitives', 'array', 'named', 'map') GROUP BY name ORDER BY name;
CREATE FUNCTION avro(schema jsonb, payload text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql
	RETURN left(decoded(jsonb_build_object('format', 'avro', 'avro_schema',
		'{"type": "record", "name": "R", "fields": [{"name": "f"}]}'::jsonb || jsonb_build_object('fields',
			jsonb_build_array(jsonb_build_object('name', 'f', 'type', schema)))) || more, payload), 200);
-- what is no value
SELECT avro(t, p) FROM (VALUES
	('"boolean"'::jsonb, '02'), ('"int"', '8080808010'), ('"int"', 'ffffffff0f'), ('"int"', 'ffffffff1f'),
	('"long"', 'ffffffffffffffffff01'), ('"long"', 'ffffffffffffffffff02'), ('"long"', 'ffffffffffffffffffff01'),
	('"string"', '01'), ('"string"', '04ff61'), ('"string"', '0200'), ('"string"', 'feffffffffffffffff0161'), ('"bytes"', '03'),
	('["null", "int"]', '04'), ('["null", "int"]', '01'),
	('{"type": "enum", "name": "E", "symbols": ["A"]}', '02'), ('{"type": "enum", "name": "E", "symbols": ["A"]}', '01'),
	('{"type": "int", "logicalType": "date"}', 'feffffff0f'),
	('{"type": "int", "logicalType": "time-millis"}', '01'), ('{"type": "int", "logicalType": "time-millis"}', '80f0b252'),
	('{"type": "long", "logicalType": "timestamp-millis"}', 'ffffffffffffffffff01'),
	('{"type": "array", "items": "int"}', 'ffffffffffffffffff01'), ('{"type": "array", "items": "int"}', '0301'),
	('{"type": "array", "items": "int"}', '03040204'), ('{"type": "array", "items": "int"}', '0304020400')) v (t, p);
-- blocks with their sizes, and several of them; repeated keys of a map
SELECT avro(t, p) FROM (VALUES ('{"type": "array", "items": "int"}'::jsonb, '0304020401020000'), ('{"type": "array", "items": "int"}', '0202020400'),
	('{"type": "map", "values": "int"}', '04026102026204010602610600'), ('{"type": "map", "values": "int"}', '0402610202610400')) v (t, p);
-- values without bytes, deep recursion, many names: all bounded
SELECT avro(t, p) FROM (VALUES ('{"type": "array", "items": "null"}'::jsonb, 'feffffffffffffffff0100'), ('{"type": "array", "items": "null"}', '0600'),
	('{"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}', '80a0b7f4c5aaf90100'),
	('{"type": "record", "name": "A", "fields": [{"name": "a", "type": "A"}]}', ''), ('{"type": "record", "name": "A", "fields": [{"name": "a", "type": ["null", "A"]}]}', repeat('02', 98) || '00'),
	('{"type": "record", "name": "A", "fields": [{"name": "a", "type": ["null", "A"]}]}', repeat('02', 48) || '00')) v (t, p);
SELECT avro(jsonb_build_object('type', 'record', 'name', 'N0', 'fields', jsonb_build_array(
	jsonb_build_object('name', repeat('n', 500), 'type', 'null'))), '');
SELECT avro('{"type": "array", "items": {"type": "record", "name": "L", "fields": [{"name": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "type": "null"}]}}', 'fe0f00');
SELECT avro('{"type": "array", "items": {"type": "record", "name": "L", "fields": [{"name": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "type": "null"}]}}', 'fe3f00');
SELECT avro('"bytes"', '40' || repeat('00', 32), '{"max_payload_bytes": 40}');
-- a decimal of too many digits
SELECT avro('{"type": "bytes", "logicalType": "decimal", "precision": 9}', 'd406' || '7f' || repeat('ff', 425));
SELECT length(avro('{"type": "bytes", "logicalType": "decimal", "precision": 9}', 'd206' || '7f' || repeat('ff', 424), '{"keep": true}'));
-- schemas that are none
SELECT s, avro(s, '') FROM unnest(ARRAY['7', '"nothing"', '{}', '{"type": "record"}', '{"type": "record", "name": "A"}', '{"type": "record", "name": "A", "fields": [7]}',
	'{"type": "record", "name": "A", "fields": [{"name": "x"}]}', '{"type": "record", "name": "R", "fields": []}', '{"type": "enum", "name": "E"}',
	'{"type": "enum", "name": "E", "symbols": [1]}', '{"type": "fixed", "name": "F"}', '{"type": "fixed", "name": "F", "size": -1}', '{"type": "array"}', '{"type": "map"}', '[7]', 'true']::jsonb[]) s;
-- events are objects
SELECT decoded('{"format": "avro", "avro_schema": "string"}', '0261');
SELECT decoded('{"format": "avro", "avro_schema": {"type": "map", "values": "string"}}', '020261026200');
-- options that do not go together
SELECT o, decoded(o, '') FROM unnest(ARRAY['{"format": "avro"}', '{"format": "avro", "registry": "r"}', '{"format": "avro", "framing": "confluent"}',
	'{"format": "avro", "framing": "glue", "avro_schema": "string", "registry": "r"}', '{"avro_schema": "string"}', '{"registry": "r"}', '{"format": "bytes", "framing": "confluent", "registry": "r"}',
	'{"format": "avro", "avro_schema": "string", "message": "m"}', '{"format": "avro", "avro_schema": "string", "proto": ""}']::jsonb[]) o;
DELETE FROM evaudit.dead_letter_store;
DROP FUNCTION decoded CASCADE;
