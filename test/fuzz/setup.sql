CREATE EXTENSION evaudit;
CREATE FUNCTION fuzz(target text, arguments text) RETURNS int AS '$libdir/evaudit', 'evaudit_fuzz' LANGUAGE c STRICT;
SELECT evaudit.register_schema('https://example.com/name', '{"type": "string", "minLength": 1}');
SELECT evaudit.create_topic('checked', '{"type": "object", "required": ["id"], "properties": {"id": {"format": "uuid"}}}', '{"event_id": "/id", "keep": true}');
-- the keys of RFC 7515, appendix A, and RFC 8037
SELECT evaudit.create_issuer('a', '{"issuer": "a", "jwks": {"keys": [
	{"kty": "RSA", "kid": "a", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}}');
SELECT evaudit.create_issuer('any', '{"require_exp": false, "jwks": {"keys": [
	{"kty": "EC", "crv": "P-256",
	 "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
	 "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
	{"kty": "OKP", "crv": "Ed25519",
	 "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}');
SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false, "token_url": "https://login.example", "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
SELECT evaudit.grant_publish('checked', 'Alice', '{"s": ["(a|aa)+", "b"]}');
