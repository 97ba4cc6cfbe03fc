-- Issuers: their options, and the keys that are refused or passed over.
\set VERBOSITY terse
CREATE ROLE regress_issuers LOGIN;

-- whoever may not execute these functions sets up nothing and asks nothing
SET ROLE regress_issuers;
SELECT evaudit.create_issuer('i', '{}');
SELECT evaudit.alter_issuer('i', '{}');
SELECT evaudit.drop_issuer('i');
SELECT evaudit.verify_token('x');
SELECT * FROM evaudit.stat_issuers;
SELECT * FROM evaudit.issuers;
RESET ROLE;

-- options
SELECT evaudit.create_issuer('', '{}');
SELECT evaudit.create_issuer(repeat('x', 64), '{}');
SELECT evaudit.create_issuer('i', '[]');
SELECT evaudit.create_issuer('i', '{"audiences": "us"}');
SELECT evaudit.create_issuer('i', '{}');
SELECT evaudit.create_issuer('i', '{"jwks": null}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "pem": ""}');
SELECT evaudit.create_issuer('i', '{"jwks_url": "https://x/", "keys": []}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "issuer": 1}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "audience": 1}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "audience": []}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "audience": ["a", 1]}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "algorithms": "none"}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "algorithms": ["RS256", "HS256"]}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "algorithms": "rs256"}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "algorithms": "RS1"}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "clock_skew": "2 days"}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "clock_skew": -1}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "require_exp": "no"}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "refresh_interval": "1ms"}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "token_url": "javascript:alert(1)"}');
SELECT evaudit.create_issuer('i', '{"jwks_url": "http://keys.example/"}');
SELECT evaudit.create_issuer('i', '{"jwks_url": "file:///etc/passwd"}');
SELECT evaudit.create_issuer('i', '{"jwks_url": "https://"}');
SELECT evaudit.create_issuer('i', '{"jwks_url": "https:///keys"}');
SELECT evaudit.create_issuer('i', '{"jwks_url": "https://me:secret@keys.example/"}');
SELECT evaudit.create_issuer('i', '{"jwks_url": "https://keys.example/ HTTP/1.0"}');
SELECT evaudit.create_issuer('i', '{"jwks": {}, "ca_file": "/etc/ca.pem"}');

-- documents that are none
SELECT evaudit.create_issuer('i', '{"jwks": "{}"}');
SELECT evaudit.create_issuer('i', '{"jwks": {}}');
SELECT evaudit.create_issuer('i', '{"jwks": {"keys": {}}}');
SELECT evaudit.create_issuer('i', '{"jwks": {"keys": []}}');
SELECT evaudit.create_issuer('i', '{"jwks": {"keys": [1]}}');
SELECT evaudit.create_issuer('i', '{"jwks": {"keys": [{}]}}');
SELECT evaudit.create_issuer('i', '{"keys": {"keys": [{"key": "?"}]}}');
SELECT evaudit.create_issuer('i', '{"keys": {"keys": [{"key": "AAAA"}]}}');
SELECT evaudit.create_issuer('i', '{"pem": "MCow"}');
SELECT evaudit.create_issuer('i', E'{"pem": "-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\\n"}');
SELECT evaudit.create_issuer('i', E'{"pem": "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\\n-----END PRIVATE KEY-----\\n"}');
SELECT evaudit.create_issuer('i', E'{"pem": "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\\n-----END PUBLIC KEY-----\\n-----BEGIN PUBLIC KEY-----\\nMCow"}');

-- keys that are ours and cannot be used: the place is told
CREATE TABLE jwk (name text, jwk jsonb);
INSERT INTO jwk VALUES
	('ed25519', '{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
	('p256', '{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}'),
	('rsa2048', '{"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}');
CREATE FUNCTION pg_temp.try(jwk jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM evaudit.create_issuer('try', jsonb_build_object('jwks',
		jsonb_build_object('keys', jsonb_build_array(
			(SELECT j.jwk FROM jwk j WHERE name = 'ed25519'), try.jwk))));
	SELECT CASE keys WHEN 1 THEN 'passed over' ELSE 'accepted' END
		FROM evaudit.stat_issuers WHERE name = 'try' INTO result;
	PERFORM evaudit.drop_issuer('try');
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT what, pg_temp.try(jwk || change) AS result
FROM jwk, LATERAL (VALUES
	('ed25519', 'as it is', '{}'::jsonb),
	('ed25519', 'with its private half', '{"d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}'),
	('ed25519', 'for signatures', '{"use": "sig", "key_ops": ["verify"], "alg": "EdDSA"}'),
	('ed25519', 'of another curve', '{"crv": "X25519"}'),
	('ed25519', 'of no curve', '{"crv": null}'),
	('ed25519', 'too short', '{"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ"}'),
	('ed25519', 'padded', '{"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}'),
	('ed25519', 'without x', '{"x": null}'),
	('ed25519', 'alg of another type', '{"alg": "ES256"}'),
	('ed25519', 'unknown alg', '{"alg": "Ed448"}'),
	('p256', 'as it is', '{}'),
	('p256', 'of a larger curve', '{"crv": "P-384"}'),
	('p256', 'of a foreign curve', '{"crv": "secp256k1"}'),
	('p256', 'too long', '{"y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1A"}'),
	('p256', 'beside the curve', '{"y": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}'),
	('p256', 'at zero', '{"x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'),
	('p256', 'without y', '{"y": null}'),
	('rsa2048', 'as it is', '{}'),
	('rsa2048', 'PS256 only', '{"alg": "PS256"}'),
	('rsa2048', 'for encryption', '{"use": "enc"}'),
	('rsa2048', 'to sign only', '{"key_ops": ["sign"]}'),
	('rsa2048', 'alg for encryption', '{"alg": "RSA-OAEP"}'),
	('rsa2048', '1024 bits', '{"n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63ks"}'),
	('rsa2048', 'even', '{"n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpog"}'),
	('rsa2048', 'exponent 1', '{"e": "AQ"}'),
	('rsa2048', 'exponent 2', '{"e": "Ag"}'),
	('rsa2048', 'exponent of 72 bits', '{"e": "AQAAAAAAAAAB"}'),
	('rsa2048', 'without e', '{"e": null}'),
	('rsa2048', 'in base64', '{"e": "+/+/"}'),
	('rsa2048', 'shared secret', '{"kty": "oct", "k": "AAAA"}'),
	('rsa2048', 'lower case', '{"kty": "rsa"}')) AS v(key, what, change)
WHERE key = name ORDER BY name, what COLLATE "C";
-- 16384 bits cost too much
SELECT pg_temp.try(jsonb_build_object('kty', 'RSA', 'e', 'AQAB', 'n', repeat('_', 2728)));
-- none is left
SELECT evaudit.create_issuer('i', '{"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}]}}');
SELECT evaudit.create_issuer('i', jsonb_build_object('algorithms', 'RS256', 'jwks', jsonb_build_array(jwk))) FROM jwk WHERE name = 'p256';
-- too many
SELECT evaudit.create_issuer('i', jsonb_build_object('jwks', (SELECT jsonb_agg(jwk) FROM jwk, generate_series(1, 65) WHERE name = 'ed25519')));

-- every form, and what is kept
SELECT evaudit.create_issuer('gateway', '{"keys": {"keys": [{"key": "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}, {"key": "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw"}]}, "clock_skew": 30, "token_url": "https://login.example/token"}');
SELECT evaudit.create_issuer('pem', E'{"pem": "a comment\\n-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\\n-----END PUBLIC KEY-----\\n", "clock_skew": "1min", "audience": ["a", "b"], "issuer": "https://login.example/", "algorithms": ["EdDSA"]}');
SELECT evaudit.create_issuer('pem', E'{"pem": "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\\n-----END PUBLIC KEY-----\\n"}');
SELECT * FROM evaudit.issuers ORDER BY name;
SELECT * FROM evaudit.stat_issuers ORDER BY name;

-- options stay, keys stay, until others are given
SELECT evaudit.alter_issuer('pem', '{"audience": null, "clock_skew": "2min"}');
SELECT evaudit.alter_issuer('pem', '{"algorithms": "RS256"}');
SELECT evaudit.alter_issuer('pem', '{"jwks": {"keys": []}}');
SELECT evaudit.alter_issuer('pem', '{"jwks": {}, "pem": "x"}');
SELECT evaudit.alter_issuer('pem', '[]');
SELECT evaudit.alter_issuer('pem', '{"x": 1}');
SELECT evaudit.alter_issuer('nobody', '{}');
SELECT * FROM evaudit.issuers WHERE name = 'pem';
SELECT evaudit.alter_issuer('pem', jsonb_build_object('jwks', jsonb_build_array(jwk || '{"kid": "1", "alg": "ES256"}'), 'algorithms', null)) FROM jwk WHERE name = 'p256';
SELECT * FROM evaudit.issuers WHERE name = 'pem';
SELECT evaudit.drop_issuer('nobody');
SELECT evaudit.drop_issuer('pem');
SELECT evaudit.drop_issuer('gateway');
SELECT count(*) FROM evaudit.issuers;

-- options are bounded, keys that are given apart from them
SELECT evaudit.create_issuer('i', jsonb_build_object('jwks', jsonb_build_array(jwk), 'issuer', repeat('x', 65536))) FROM jwk WHERE name = 'ed25519';
SELECT evaudit.create_issuer('i', jsonb_build_object('jwks', jsonb_build_array(jwk), 'audience', (SELECT jsonb_agg(i::text) FROM generate_series(1, 9000) i))) FROM jwk WHERE name = 'ed25519';
SELECT evaudit.create_issuer('i', jsonb_build_object('jwks', jsonb_build_array(jwk, jsonb_build_object('kty', 'none', 'x', repeat('x', 100000))), 'issuer', repeat('x', 65000))) FROM jwk WHERE name = 'ed25519';
SELECT name, keys, invalid FROM evaudit.stat_issuers;
SELECT evaudit.drop_issuer('i');

-- rows that no function wrote: each refuses what it concerns, and harms no other
CREATE FUNCTION pg_temp.verify(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN evaudit.verify_token(token);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE TABLE token AS SELECT 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw' AS token;
SELECT evaudit.create_issuer('any', '{"require_exp": false, "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
INSERT INTO evaudit.issuers VALUES ('1', '[]', '[]'), ('2', '"issuer"', '[]'), ('3', '{"issuer": 7}', '[]'), ('4', '{"clock_skew": "much"}', '[]'), ('5', '{"jwks_url": "http://x"}', '[]'),
	('6', '{"unknown": 1}', '{}'), ('7', jsonb_build_object('ca_file', repeat('x', 100000)), '[]'), ('8', '{}', to_jsonb(repeat('x', 300000))), ('9', '{"algorithms": "none"}', '7');
SELECT pg_temp.verify(token) FROM token;
INSERT INTO evaudit.issuers SELECT 'gate', '{"issuer": "gate", "clock_skew": "much"}', keys FROM evaudit.issuers WHERE name = 'any';
SELECT pg_temp.verify(token) FROM token;
SELECT name, keys, invalid FROM evaudit.stat_issuers ORDER BY name COLLATE "C";
SELECT evaudit.drop_issuer('gate');
SELECT pg_temp.verify(token) FROM token;
-- not even a null in a column that has none
BEGIN;
ALTER TABLE evaudit.issuers ALTER options DROP NOT NULL, ALTER keys DROP NOT NULL;
INSERT INTO evaudit.issuers VALUES ('10', NULL, '[]'), ('11', '{}', NULL);
SELECT pg_temp.verify(token) FROM token;
SELECT name, keys, invalid FROM evaudit.stat_issuers WHERE name LIKE '1_';
ROLLBACK;
-- an invalid one can be altered to be good
SELECT evaudit.alter_issuer('4', '{"clock_skew": null}');
SELECT name, keys, invalid FROM evaudit.stat_issuers WHERE name = '4';
SELECT evaudit.alter_issuer('1', '{}');
TRUNCATE evaudit.issuers;
DROP TABLE token;
DROP TABLE jwk;
DROP ROLE regress_issuers;
