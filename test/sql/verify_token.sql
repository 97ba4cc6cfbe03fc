-- Tokens: the vectors of the RFCs, and one fault at a time.
\set VERBOSITY terse
CREATE FUNCTION pg_temp.verify(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN evaudit.verify_token(token);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- RFC 7515, appendix A: the claims have expired, which is looked at only when
-- the signature is good
SELECT evaudit.create_issuer('rfc7515', '{"jwks": {"keys": [
	{"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
	{"kty": "EC", "crv": "P-256",
	 "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
	 "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
	]}}');
SELECT what, pg_temp.verify(header || '.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.' || signature)
FROM (VALUES
	('A.1, HS256', 'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'),
	('A.2, RS256', 'eyJhbGciOiJSUzI1NiJ9', 'cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw'),
	('A.2, broken', 'eyJhbGciOiJSUzI1NiJ9', 'dC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw'),
	('A.3, ES256', 'eyJhbGciOiJFUzI1NiJ9', 'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q'),
	('A.3, broken', 'eyJhbGciOiJFUzI1NiJ9', 'EtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q'),
	('A.3, in DER', 'eyJhbGciOiJFUzI1NiJ9', 'MEUCIA7RIVN5Y2xIPC9_FVgH1AKjsigDOvl8fheBmsMWnqZlAiEAxQoH04w8cOXY8S2vCEpUgKZlkMXyk1Cajz9_ioOjVNU'),
	('A.5, none', 'eyJhbGciOiJub25lIn0', '')) AS v(what, header, signature);
SELECT evaudit.drop_issuer('rfc7515');

-- RFC 7520, 4: the payload is a saying, which is looked at likewise
SELECT evaudit.create_issuer('rfc7520', '{"jwks": {"keys": [
	{"kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig",
	 "e": "AQAB", "n": "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"},
	{"kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig",
	 "crv": "P-521",
	 "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
	 "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"},
	{"kty": "oct", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037", "use": "sig",
	 "alg": "HS256", "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}
	]}}');
SELECT what, pg_temp.verify(header || '.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.' || signature)
FROM (VALUES
	('4.1, RS256', 'eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9', 'MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg'),
	('4.2, PS384', 'eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9', 'cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw'),
	('4.2 as RS256', 'eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9', 'cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw'),
	('4.3, ES512', 'eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9', 'AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2'),
	('4.4, HS256', 'eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9', 's0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0')) AS v(what, header, signature);
-- of the shared secret nothing was kept
SELECT jsonb_array_length(keys), keys::text ~ 'hJtX' FROM evaudit.issuers;
SELECT evaudit.drop_issuer('rfc7520');

-- RFC 8037, appendix A: the key, and the token of A.4
SELECT pg_temp.verify('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg');
SELECT evaudit.create_issuer('us', '{"audience": "us", "jwks": {"keys": [
	{"kty": "OKP", "crv": "Ed25519",
	 "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}');
SELECT pg_temp.verify('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg');
SELECT pg_temp.verify('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.igyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg');

-- tokens signed with that key, whose private half is published: twice each,
-- so that those that are good come from the cache the second time
SELECT evaudit.alter_issuer('us', '{"audience": null}');
CREATE TEMP TABLE tokens (id integer, what text, token text);
INSERT INTO tokens VALUES
	(1, 'good', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCg'),
	(2, 'good, with more in the header', 'eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImprdSI6Imh0dHBzOi8vZXZpbC5leGFtcGxlLyIsImp3ayI6eyJrdHkiOiJvY3QiLCJrIjoiQUEifSwieDVjIjpbIkFBIl0sIng1dSI6Imh0dHBzOi8vZXZpbC5leGFtcGxlLyJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.FlfJ1Ky-bMLZ4rhZ3mH4W2rFSDKZvssSs4lWWfrQgdctPIuSlmKu6IDs_zz2z4MR6AberVCjWrcqvs4R-ypcCg'),
	(3, 'good, kid of a key without one', 'eyJhbGciOiJFZERTQSIsImtpZCI6ImFueSJ9.eyJleHAiOjI1MzQwMjMwMDc5OX0.FyYvT7Rg0cszNR1Rv6cth8vWcgu3HLFRmBVzFI7e75ULBIKDIuF1i6HBW2zXw0Sq5DxbF17dU6dXQfMJ3FJ6Cw'),
	(4, 'good, escapes and nesting', 'eyJhbGciOiJFZERTQSJ9.eyAiXHUwMDczdWIiIDogIlx1MDA0MTpcInsiICwgImEiOnsiYSI6eyJhIjpbeyJiIjoiOiJ9LHsiYiI6MX1dfX0sImV4cCI6MjUzNDAyMzAwNzk5fQ.cWl9GKQcv4Ctg7pMh87l2QekQtKWUC43yWIIJ9rG0q8h4pp4PIK3QNZnbcd-ZNDIBWxGglnuwrEUDsbbW5h9CA'),
	(5, 'no exp', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSJ9.05IUC4p-nj3EC9QS77P5oega6pPludjHHiosd6ywhIDE2cxa4qWRhqMQhKqMgCY1N9UFZ2favff2ulMhF_xqCQ'),
	(6, 'exp is text', 'eyJhbGciOiJFZERTQSJ9.eyJleHAiOiIyNTM0MDIzMDA3OTkifQ.EVDStGQxQ5TYAtAysOsX4EhKQ0QDV3JYpLUtMh4YZxKKi3F0T79SjxZOsrh3oZCtr8xk0GNzk7VTMRmDBNvUDA'),
	(7, 'exp is null', 'eyJhbGciOiJFZERTQSJ9.eyJleHAiOm51bGx9.kA3Ayh1-WZEMsBbSroLELyxgH76qbM8rmgLQanqMqHkPQhQxjQWr-LqYnZkKK4aoEdJC4-NqBOahFY9oJRz7AQ'),
	(8, 'exp is negative', 'eyJhbGciOiJFZERTQSJ9.eyJleHAiOi0xfQ.SFF8aa3brQYQkgVI67Ca_ZioO6D852NqB7AIgRsv5strKsAw2OyYPJtl-EWh-nESLEt8zMHUgQVONjGW2rtoBg'),
	(9, 'exp beyond all calendars', 'eyJhbGciOiJFZERTQSJ9.eyJleHAiOjI1MzQwMjMwMDgwMH0.nU9YW2fCqB1_TUYHmliSzG56iAtVq3ECvww932rtqPaCBqip6IinJ9X_AY94EG5DPc0rS8lBgm5rzfob9c3MDA'),
	(10, 'exp is huge', 'eyJhbGciOiJFZERTQSJ9.eyJleHAiOjFlNDAwfQ.eYYvp5sazrjoSyDHe1cffbGapHnNic-234twHO8OVuelT3D6yq6k63fGiOfrxbV82vRWKx9STXvUHlRYryYLAA'),
	(11, 'exp cannot be a number of SQL', 'eyJhbGciOiJFZERTQSJ9.eyJleHAiOjFlOTk5OTk5fQ.kr22CWoYnYcGcEzYj2qi-jQftKQMiTzk2kgOjAAvc7xOXMOZosC_qaB2wLI2LzPmU-djEj9l3dZ5QQM_37WPCg'),
	(12, 'expired', 'eyJhbGciOiJFZERTQSJ9.eyJleHAiOjEzMDA4MTkzODAuNX0.gfO5Bu5vxSJaw3PfgrIAboF2gTrGbiA-z0FLM6PK9osTNKntUNQfwgVWJUBnfB1-YHcF12tm0u2M1L0nMJlfCw'),
	(13, 'nbf ahead', 'eyJhbGciOiJFZERTQSJ9.eyJuYmYiOjI1MzQwMjMwMDc5OCwiZXhwIjoyNTM0MDIzMDA3OTl9.op9yq49jJtfZ0n4y5gWM3DUGQFA1K0ZTxQ2TNhxl2dz8TMwkXf1SpD0DprmLcf-LU__LfeRDA3p81Dzlw70HDQ'),
	(14, 'nbf is no time', 'eyJhbGciOiJFZERTQSJ9.eyJuYmYiOnRydWUsImV4cCI6MjUzNDAyMzAwNzk5fQ.d4E-_s8WB4mGDoPkd1GTP5iRFktA__-KWtPSg0Vf3WGQXOu2y7Ja-HaUoytt9sFaF-zx9MTAGAZk2D9LtGSnAQ'),
	(15, 'iat ahead', 'eyJhbGciOiJFZERTQSJ9.eyJpYXQiOjI1MzQwMjMwMDc5OCwiZXhwIjoyNTM0MDIzMDA3OTl9.gCTykfpc-MwGl03yuowFbnKe6r67QBflxlrq1719RsbDFRU4pBvHm1GSyZ921SZHVMqxxOZB6pxDfD0j-9oOBQ'),
	(16, 'iat is no time', 'eyJhbGciOiJFZERTQSJ9.eyJpYXQiOltdLCJleHAiOjI1MzQwMjMwMDc5OX0.WwJy45Vk7t_GXLlIWw9Sp6qx4UqD8dR_TEfjj9LDrcnJC02R_tCRJggud0P4jw_4EyT5r-o9w8SP3gqmZRHiAw'),
	(17, 'sub is a number', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOjEsImV4cCI6MjUzNDAyMzAwNzk5fQ._xHtkclrq-rfkZnVsjSZmjgNBG6gl-6d_Orc6yl9yi6pU339dtvdRa9OtICR5d2XiFIInFUdX2uqkPZWw16wDg'),
	(18, 'sub is empty', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIiLCJleHAiOjI1MzQwMjMwMDc5OX0.p5qM4Jalq4O3B4l6m9tJdQNk-pnycIr5USiuFarXJPc4J1vkuJOpwnqPbZ_-aufONzrSZPO6U_A_QYKLhEeGDg'),
	(19, 'sub is null', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOm51bGwsImV4cCI6MjUzNDAyMzAwNzk5fQ.fzZ6dBw92fEK-X62mj7zqQ9uV-VC2UKpiMpH7b4-hWHeoqwQWayRm7XO9ET3C9j61r1v9iEECGJXRUrt_cyKAQ'),
	(20, 'iss is a number', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOjEsImV4cCI6MjUzNDAyMzAwNzk5fQ.wgysPvjHJqWspGrBgUK71xczZWwAQcUzwlNNd8u6ZoIik0upKl8Ji0zmqitzqLexJBNWImw4nQ1uVAtrNBeoBw'),
	(21, 'iss is another', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJvdGhlciIsImV4cCI6MjUzNDAyMzAwNzk5fQ.VB2UkSdBiU_VxLOEy8HxJ1NaJsp_BeZqXB8ctYYTHIlRi7zFq0v39euWcP5Qs2lGLwLvHykg_Absu7Uk1A8_Aw'),
	(22, 'aud of others', 'eyJhbGciOiJFZERTQSJ9.eyJhdWQiOiJvdGhlciIsImV4cCI6MjUzNDAyMzAwNzk5fQ.9aVU7trtQMJcS3tSdSLt0m56TbIc3uN_rMJwXEmc0EKS-MzK7oZ2lSB72gK-BX961gaZq3x98XStYRvCD6xPBQ'),
	(23, 'aud is ours', 'eyJhbGciOiJFZERTQSJ9.eyJhdWQiOiJ1cyIsImV4cCI6MjUzNDAyMzAwNzk5fQ.-rbg5YyonR7nnb4cKYvB9fAHtfgU-_p4IaBJKHU-TckhnnZBZ4d0mEfCWdtnYRzkUDrcroOuqtZwyNLs-ERlCA'),
	(24, 'aud lists us', 'eyJhbGciOiJFZERTQSJ9.eyJhdWQiOlsib3RoZXIiLCJ1cyJdLCJleHAiOjI1MzQwMjMwMDc5OX0.bgv-s1IkbX_DXDWMvF6g0Oy1W8bOumJkAkbhDJFJPyXxvNEdqobsEOxbu64uyUTenUT7MWYi77V5aSzE87fwCA'),
	(25, 'aud lists others', 'eyJhbGciOiJFZERTQSJ9.eyJhdWQiOlsib3RoZXIiXSwiZXhwIjoyNTM0MDIzMDA3OTl9.GMOY3YTGhkWC7axw9mIaKwbAIWRSArDbvhaQ9_gk95dnT0CNOS7mcgM6NsMwP4B7JU2udn4rVfqVvOPTXNkNAQ'),
	(26, 'aud is empty', 'eyJhbGciOiJFZERTQSJ9.eyJhdWQiOltdLCJleHAiOjI1MzQwMjMwMDc5OX0.YbMYlFw6Kpl_1ZW7gApgsgG_BGfFPOQIuqKrSQxWZfDuZuvDEz8GhhTQ-JnuIv1mMH0suj0DzIsMiIVE0cZRAw'),
	(27, 'aud is a number', 'eyJhbGciOiJFZERTQSJ9.eyJhdWQiOjcsImV4cCI6MjUzNDAyMzAwNzk5fQ.0z74u7TH-LWWLhjh6Zr5_AY0_xCal9N8J-Hl_Xs83DRsexfyRRNYfAljaJ3DkfRNTBPCuXpiWPC3aux4rtExBg'),
	(28, 'aud lists a number', 'eyJhbGciOiJFZERTQSJ9.eyJhdWQiOlsidXMiLDddLCJleHAiOjI1MzQwMjMwMDc5OX0.KF_UdqqOBRJlS8meQ3xAQL7E-pR6L_afZQazfCio_cV4WygZBVS6o60p9reD47_nJ6T5gvVQrUBtA-eFC547CQ'),
	(29, 'a claim twice', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsInN1YiI6InlvdSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.AKLUaVjPEZO38ZzMmmYTeVFQciturFHJktkNxpiB_GUGquAReMhM-trlL-5nRmhoilQMkwISrrsByVhm4jl2Bw'),
	(30, 'a claim twice, once escaped', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsIlx1MDA3M3ViIjoibWUiLCJleHAiOjI1MzQwMjMwMDc5OX0.L6Bwcjbak1P-diLeHY_n_PBoJE_pwr1r7pkwDjcNiW5zp9MkrhDzZdGhbtwJ1NQFsdzgKLu1ZokAUM2GjyN_DQ'),
	(31, 'a claim twice, deep', 'eyJhbGciOiJFZERTQSJ9.eyJhIjpbeyJiIjoxLCJiIjoxfV0sImV4cCI6MjUzNDAyMzAwNzk5fQ.amASbA7uBWcpmO5yhXoerw_crpk8-Ul5emfuk5RvOPQtYcAkUvVqyf6GmKvkyXHHN__r2MCLoWNiB6m-ytFICA'),
	(32, 'alg twice', 'eyJhbGciOiJFZERTQSIsImFsZyI6IkVkRFNBIn0.eyJleHAiOjI1MzQwMjMwMDc5OX0.LmU88zDbrUCqM8kJaM-mPNpQio4LcZrNhyHMp1rK9dwoX-7GI9FWkaTF--l4b4t9_D0MsoPfsQ-Dg0iaizkEAQ'),
	(33, 'payload is an array', 'eyJhbGciOiJFZERTQSJ9.W3siZXhwIjoyNTM0MDIzMDA3OTl9XQ.hMXtJ293FCshdqJz2loL8sBGsRoTTWbx9-uysJt8WnZ8JhgUJAm9UPdW7wVjzrnNsdyanqDSI1oT2DdrZo2VDA'),
	(34, 'payload is a text', 'eyJhbGciOiJFZERTQSJ9.Im1lIg.Ut3T8NKeLbCuvxF40fDb0SufmVcNNRRbXtkEWy_uEn_8RKyNVJ4ZSnuNbo9arCZ_IITp3_uetWq6dcbpVeMQDg'),
	(35, 'payload is empty', 'eyJhbGciOiJFZERTQSJ9..UklveQZ9MCr5ICzzC5TtNY0PSY_DIT5nHJVTgv20fyArN8_hCZJoXUuQAsQdi318ii0RcCQmvZB_DwIX1U9YAg'),
	(36, 'payload is cut', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSI.1m2lax4p93vW_KN1TsZmjsSRVaq2M_rmDtMf8lxPALE35eU3y8WVaKqMD19QSWMb_fKnYHX7FHbQq4kjuzDfBw'),
	(37, 'payload goes on', 'eyJhbGciOiJFZERTQSJ9.eyJleHAiOjI1MzQwMjMwMDc5OX0ge30.xjMKuBnAMWVIpdT3cFESV_Yd94REOnAcTG9seOwJLWiCS6slpN5eeAD4EPj-K6-EhBxHel5I-xFLWmIQVCyJDw'),
	(38, 'payload has a zero', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhAGIifQ.Q1U3Snf058fZUi17FSafnZuJkyTjjHeX2Hu4ZJqni6f_ft2q5ilWQaC8Y_KEAbgtVgbB2CzMuU1MM1LMX9XpBA'),
	(39, 'payload has an escaped zero', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJcdTAwMDAiLCJleHAiOjI1MzQwMjMwMDc5OX0.ojgXgOQFxfrfy7dJkekVLNyHAgrMbR83_hhOCufcJxLs4PuHv1m4OwuwjOaQ5vGRmc35qlJ_g7GPkZ58hos1Aw'),
	(40, 'payload is not UTF-8', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiL_In0.vEXOhrN7MRRkdRHcC2T8A7qQxc-q1MTAvRe6fIU6_XujaVby34CztbJjwM1qb3bLqxD51L2ieLzw6j-z3B0iBg'),
	(41, 'payload nests deep', 'eyJhbGciOiJFZERTQSJ9.eyJhIjpbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW11dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dLCJleHAiOjI1MzQwMjMwMDc5OX0.7_5M0qVyHWuZxyz9MTyjjnVb9yO4x07-SKuGjP_I6s5bkpENrSbUhIQMjXVMJC-oDtkueY-QZPdb6umbTLauCg'),
	(42, 'header is an array', 'WyJFZERTQSJd.eyJleHAiOjI1MzQwMjMwMDc5OX0.1lHdIh94hXCln_kgh3JRFwlGCuHfNH_MM4B97s-mAZa5FgqDmOxUu5L9S3LNuhkcOusi-mj8f8r3SG9qzxTEBQ'),
	(43, 'header is cut', 'eyJhbGciOiJFZERTQSI.eyJleHAiOjI1MzQwMjMwMDc5OX0.lwooVf88mkEEkkDV1BgR5J5xZkbdYQ4KM5w0KKOox0EjZcG0HoXzkVrmCAfwv2hGeTzjNu9XJYR9wHCh6tPWBg'),
	(44, 'header names no alg', 'eyJ0eXAiOiJKV1QifQ.eyJleHAiOjI1MzQwMjMwMDc5OX0.6IvWosDb9w9fNZzQLIuydjX3L66R4uzYmPhJW-bSUC11glITgu8qO4K83Oa2gq3_BcKasi3DLCiiTYdZjwxLAQ'),
	(45, 'alg is a number', 'eyJhbGciOjF9.eyJleHAiOjI1MzQwMjMwMDc5OX0.SHKpThTomIw-1orIAOV1V8c3WCYxx13oAYyL9mt-pzgbYQ39bPHI6zSgBmVlagJPbW6wSSO1UVb443CIoPWBBw'),
	(46, 'alg in another case', 'eyJhbGciOiJlZGRzYSJ9.eyJleHAiOjI1MzQwMjMwMDc5OX0.dy4VnDjobcBahg32lJsykpcEztyhWyhQqdOA_EpOxc2fAQNWC1Q60RBiO9GGQPQOSeSI0ge1rIw4QNEy92JmAQ'),
	(47, 'alg none', 'eyJhbGciOiJub25lIn0.eyJleHAiOjI1MzQwMjMwMDc5OX0.75zNwc4685HBJNBOOnBMGsguQHiCadIMUTIeUJU5P5cd-AmE3GPA3hkLDRpiyzBO97-y09WyUBb4j8AMpAHgDA'),
	(48, 'alg nOnE', 'eyJhbGciOiJuT25FIn0.eyJleHAiOjI1MzQwMjMwMDc5OX0.qLNzNZYYXlzW2ET76zhy0oqyOyTv22JdqLVxb0d2rtCeFRQG-snEocogabeinKU1EjEWkeVCR_r1t5U7FBfCDA'),
	(49, 'alg HS256', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjI1MzQwMjMwMDc5OX0.93K7veGiO28VlGPMBDKkris_nJqxmSdn8FDBd1btVl7Y8jbLPSB0NHIxeJurmbY0JhrvHOriU87P9x0RBRG-Bw'),
	(50, 'alg of keys that are not here', 'eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjI1MzQwMjMwMDc5OX0.j0s8a9uddvuBiXSsZ4eTJ6Em_3JYyUUfaDJ_M3CfzdWyYSNwfEEDj7Vo3oqlECvfbnXkxDl4q3v6vXGgTgRUCw'),
	(51, 'kid is a number', 'eyJhbGciOiJFZERTQSIsImtpZCI6MX0.eyJleHAiOjI1MzQwMjMwMDc5OX0.6J-XoQ7XX4bYI9qG67IWbanuceACDVmyDvFQhg6pHOQxHlxZnbXPQkYLTNoE38o9Gwi0NjV6CGDSiLlBGugvAw'),
	(52, 'crit', 'eyJhbGciOiJFZERTQSIsImNyaXQiOlsiZXhwIl0sImV4cCI6MX0.eyJleHAiOjI1MzQwMjMwMDc5OX0.UxmKW1sGQ--fSWD-X4aDKYMgF6L0BkXp6rSwn6YPBPBrMO8y5XaBLzzawtYsDfOaumVYUkWZosclD0-_szIKCA'),
	(53, 'crit is empty', 'eyJhbGciOiJFZERTQSIsImNyaXQiOltdfQ.eyJleHAiOjI1MzQwMjMwMDc5OX0.eIJrgSXKY13OsIUQ-Cmn7tZAT5OyOWoB1eKSf8JKTaP8aOjg2IlfAov44tT7HaDfJPe0dMwEmKxDgMMUjaFrDQ'),
	(54, 'nothing', ''),
	(55, 'two parts', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ'),
	(56, 'four parts', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCg.'),
	(57, 'one part', 'x'),
	(58, 'dots', '..'),
	(59, 'no signature', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.'),
	(60, 'signature is cut', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWr'),
	(61, 'signature is longer', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCgAAAA'),
	(62, 'signature in a second spelling', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCh'),
	(63, 'payload in a second spelling', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fR.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCg'),
	(64, 'padding', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCg=='),
	(65, 'a space', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCg '),
	(66, 'a newline within', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV
4cCI6MjUzNDAyMzAwNzk5fQ.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCg'),
	(67, 'base64 of another alphabet', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.+uiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCg'),
	(68, 'signature of zeros', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
	(69, 'another payload', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ5b3UiLCJleHAiOjI1MzQwMjMwMDc5OX0.quiKM716pH6OJE34BWEhnNCFUSGe9neqdNsxGjZfpbkGwjX_sYd6RPLP5fsk8Kw1kpT95ErA6BpxFxKqWrxtCg');
SELECT id, what, pg_temp.verify(token) AS result FROM tokens ORDER BY id;
SELECT count(*) FILTER (WHERE pg_temp.verify(token) LIKE '{%') AS good,
	count(*) FILTER (WHERE pg_temp.verify(token) LIKE '28000: %') AS bad,
	count(*) FILTER (WHERE pg_temp.verify(token) LIKE '%' || token || '%' AND token <> '' AND token <> '..' AND token <> 'x') AS told
FROM tokens;
SELECT pg_temp.verify(NULL);
SELECT pg_temp.verify(repeat('x', 16385));
SELECT pg_temp.verify(repeat('x', 16384));

-- with an audience, an issuer's name, without exp
SELECT evaudit.alter_issuer('us', '{"audience": ["us", "them"]}');
SELECT what, pg_temp.verify(token) AS result FROM tokens
WHERE what LIKE 'aud %' OR what = 'good' ORDER BY id;
SELECT evaudit.alter_issuer('us', '{"audience": null, "issuer": "other", "require_exp": false}');
SELECT what, pg_temp.verify(token) AS result FROM tokens
WHERE what LIKE 'iss %' OR what = 'good' ORDER BY id;
SELECT evaudit.alter_issuer('us', '{"issuer": null}');
SELECT what, pg_temp.verify(token) AS result FROM tokens
WHERE what IN ('good', 'no exp', 'exp is null') ORDER BY id;

-- two issuers: one is for "other", the second for whoever names nobody
SELECT evaudit.alter_issuer('us', '{"require_exp": null}');
SELECT evaudit.create_issuer('first', '{"issuer": "other", "jwks": {"keys": [
	{"kty": "OKP", "crv": "Ed25519",
	 "x": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}]}}');
SELECT what, pg_temp.verify(token) AS result FROM tokens
WHERE what LIKE 'iss %' OR what = 'good' ORDER BY id;

-- what is rolled back was never so, for tokens that are known too
BEGIN;
SELECT evaudit.drop_issuer('us');
SELECT pg_temp.verify(token) FROM tokens WHERE id = 1;
ROLLBACK;
SELECT pg_temp.verify(token) FROM tokens WHERE id = 1;
BEGIN;
SAVEPOINT s;
SELECT evaudit.alter_issuer('us', '{"algorithms": "EdDSA", "audience": "x"}');
SELECT pg_temp.verify(token) FROM tokens WHERE id = 1;
ROLLBACK TO s;
SELECT pg_temp.verify(token) FROM tokens WHERE id = 1;
COMMIT;
-- a transaction that repeats its reads sees the keys as they are
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.verify(token) FROM tokens WHERE id = 1;
SELECT evaudit.drop_issuer('us');
SELECT pg_temp.verify(token) FROM tokens WHERE id = 1;
COMMIT;
SELECT pg_temp.verify(token) FROM tokens WHERE id = 1;
SELECT evaudit.drop_issuer('first');

-- a token names its key and its algorithm, and no other key or algorithm will
-- do, be it one that the token was signed with
SELECT evaudit.create_issuer('kid', '{"jwks": {"keys": [
	{"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
	{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}]}}');
SELECT pg_temp.verify('eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.IND8XTLmvvRQBCgcHFkeLYxy7ASSGTWUGgnKGzDjvBZjbmZ-FxYo1fpVy0_CQtabYGZr0dxEcM-wvdLHnovbBg');
SELECT pg_temp.verify('eyJhbGciOiJFZERTQSIsImtpZCI6ImIifQ.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.vnEcWCn0La7Av8qQ5MvaaXNVBMttX7e4CojtbE06heaY0LhwBG6eL5RrFku7bPZaePOJ0B3Kbii1s2nwrisPBg');
SELECT evaudit.alter_issuer('kid', '{"algorithms": "ES256", "jwks": {"keys": [
	{"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
	{"kty": "EC", "crv": "P-256", "kid": "c", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}}');
SELECT pg_temp.verify('eyJhbGciOiJFZERTQSIsImtpZCI6ImIifQ.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDAyMzAwNzk5fQ.vnEcWCn0La7Av8qQ5MvaaXNVBMttX7e4CojtbE06heaY0LhwBG6eL5RrFku7bPZaePOJ0B3Kbii1s2nwrisPBg');
SELECT evaudit.drop_issuer('kid');
