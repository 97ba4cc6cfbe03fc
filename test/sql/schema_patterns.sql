-- Patterns of JSON Schema are those of ECMA-262.  What each answers here is
-- what V8's RegExp answers with the flag u; there should be no row.
SELECT pattern, instance, answer, got
FROM (VALUES
	('\d', U&'\0663', false),
	('\w', U&'\00e9', false),
	('\W', U&'\00e9', true),
	('^\s+$', U&'\feff\00a0\2028\1680\3000 \0009', true),
	('\S', U&'\feff\00a0\2029', false),
	('[\s]', U&'\205f', true),
	('[^\s]', U&'\205f', false),
	('[\S]', U&'\2028', false),
	('[\s\S]', U&'\000a', true),
	('.', U&'\2028', false),
	('.', U&'\000a', false),
	('.', U&'\0085', true),
	('^a$', U&'a\000a', false),
	('\x41\u0042\u{43}', 'ABC', true),
	('^\u{1F600}$', U&'\+01f600', true),
	('^\ud83d\ude00$', U&'\+01f600', true),
	('^.$', U&'\+01f600', true),
	(U&'[\+01f600-\+01f602]', U&'\+01f601', true),
	('[\u{1F600}-\u{1F602}]', U&'\+01f603', false),
	('^\cJ\t\v\f\r$', U&'\000a\0009\000b\000c\000d', true),
	('[\cI\b]', U&'\0009', true),
	('\p{Letter}', U&'\0436', true),
	('\p{gc=Uppercase_Letter}', U&'\0436', false),
	('\P{Lu}', U&'\0416', false),
	('\p{Script=Greek}', U&'\03c9', true),
	('\p{sc=Latin}', U&'\03c9', false),
	('\p{Cased_Letter}', U&'\01c5', true),
	('\p{punct}', '-', true),
	('[^\p{L}\d]', 'x', false),
	('(a)?\1b', 'b', true),
	('(?<n>a)\k<n>', 'aa', true),
	('(?<n>a)?\k<n>b', 'b', true),
	('^(?<n>a)?\k<n>{2}b', 'b', true),
	('(a)(b)\2', 'abb', true),
	('(?=a)b|(?!a)c', 'c', true),
	('(?<=a)b', 'ab', true),
	('(?<!a)b', 'ab', false),
	('[]', 'a', false),
	('[^]', U&'\000a', true),
	('[[]', '[', true),
	('[\]]', ']', true),
	('a{2}', 'aa', true),
	('^a{2,}?$', 'aaa', true),
	('^(?:ab){1,2}$', 'abab', true),
	('^a+?$', 'aaa', true),
	(U&'\00e9+', U&'\00e9\00e9\00e9', true))
	AS v(pattern, instance, answer),
	evaudit.json_schema_is_valid(
		jsonb_build_object('pattern', pattern), to_jsonb(instance::text)) got
WHERE got <> answer;

-- without that flag: what schemas are full of
SELECT pattern, evaudit.json_schema_is_valid(
	jsonb_build_object('pattern', pattern), to_jsonb(instance::text))
FROM (VALUES
	('\/\-\.\$', '/-.$'),
	('a{,2}', 'a{,2}'),
	('a{', 'a{'),
	('}]', '}]'),
	('\@', '@'))
	AS v(pattern, instance);

-- what is no pattern, or one of another language
CREATE FUNCTION refusal(pattern text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM evaudit.json_schema_is_valid(jsonb_build_object('pattern', pattern), '""');
	RETURN 'accepted';
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN replace(sqlerrm, 'invalid JSON Schema at "/pattern": ', '');
END $$;
SELECT pattern, refusal(pattern) FROM unnest(ARRAY[
	'a\', '\u', '\u12', '\u{}', '\u{110000}', '\u{123456789}', '\u{12', '\u{x}', '\ud83d', '\x', '\xg0', '\c', '\c1',
	'\p', '\pL', '\p{}', '\p{L', '\p{L-}', '\p{Age=6.0}', '\p{Foo=L}',
	'\01', '\k', '\k<n', '[\1]', '[\k<n>]', '[\B]', '\A', '\e', '\Q', '[a', '[a\',
	'(', '(?', '(?>a)', '(?i:a)', '(?#a)', '(?P<n>a)', '(*F)', 'a**', 'a*+', 'a?+', 'a{2}*'
]) pattern;
-- what PCRE2 refuses, in words of its own
SELECT pattern, refusal(pattern) = 'accepted' AS accepted
FROM unnest(ARRAY['\p{Nonsense}', '\k<x>', '[z-a]', '*', 'a)']) pattern;
DROP FUNCTION refusal;

-- names that are there twice
SELECT evaudit.json_schema_is_valid('{"required": ["a", "b", "a"]}', '{}');
SELECT evaudit.json_schema_is_valid('{"dependentRequired": {"x": ["a", "a"]}}', '{}');
SELECT evaudit.json_schema_is_valid('{"$schema": "http://json-schema.org/draft-04/schema#", "dependencies": {"x": ["a", "a"]}}', '{}');
SELECT evaudit.json_schema_is_valid('{"type": ["string", "null", "string"]}', '{}');
SELECT evaudit.json_schema_is_valid('{"required": ["a", "A"], "type": ["integer", "number", "object"]}', '{"a": 1, "A": 1}');
-- a thousand patterns, a thousand members, each of which matches one
SELECT evaudit.json_schema_is_valid(
	(SELECT jsonb_build_object('additionalProperties', false, 'patternProperties', jsonb_object_agg('^member_' || n || '$', '{"type": "integer"}'::jsonb)) FROM generate_series(1, 1000) n),
	(SELECT jsonb_object_agg('member_' || n, n) FROM generate_series(1, 1000) n));
