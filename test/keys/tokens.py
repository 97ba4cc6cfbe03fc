#!/usr/bin/env python3
"""Tokens, made and broken by PyJWT and cryptography.

	tokens.py

writes SQL: an issuer's keys, and rows (what, token, verdict) of a table
"tokens", where the verdict is the claims of a token that is good, and of any
other a regular expression that its error matches.
"""

import base64
import hashlib
import hmac
import json
import random
import time

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature, encode_dss_signature)

NOW = int(time.time())
CLAIMS = {"sub": "me", "exp": NOW + 86400, "iat": NOW - 60, "nbf": NOW - 60,
          "iss": "https://login.example/", "aud": ["us", "them"]}

RSA = rsa.generate_private_key(65537, 2048)
KEYS = {"rsa": RSA,
        "rsa3": rsa.generate_private_key(3, 2056),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "ed": ed25519.Ed25519PrivateKey.generate()}
ALGORITHMS = {"RS256": "rsa", "RS384": "rsa", "RS512": "rsa3",
              "PS256": "rsa", "PS384": "rsa3", "PS512": "rsa",
              "ES256": "p256", "ES384": "p384", "ES512": "p521",
              "EdDSA": "ed"}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

rows = []


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


def jwk(kid):
    """The public half as a JWK, written from RFC 7518 and 8037."""
    public = KEYS[kid].public_key()
    if isinstance(public, rsa.RSAPublicKey):
        n = public.public_numbers()
        return {"kty": "RSA", "kid": kid, "use": "sig",
                "n": number(n.n), "e": number(n.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        n = public.public_numbers()
        size = (public.curve.key_size + 7) // 8
        return {"kty": "EC", "kid": kid, "use": "sig",
                "crv": "P-%d" % public.curve.key_size,
                "x": number(n.x, size), "y": number(n.y, size)}
    raw = public.public_bytes(serialization.Encoding.Raw,
                              serialization.PublicFormat.Raw)
    return {"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": b64(raw)}


def public(kid, encoding, form=serialization.PublicFormat.SubjectPublicKeyInfo):
    return KEYS[kid].public_key().public_bytes(encoding, form)


def add(what, token, verdict):
    rows.append((what, token, verdict))


def good(what, token, claims=None):
    add(what, token, json.dumps(claims or CLAIMS))


def encode(algorithm, kid=None, claims=None, key=None, **header):
    kid = ALGORITHMS[algorithm] if kid is None else kid
    # not jwt.encode(): it refuses claims that must be refused by others
    return jwt.api_jws.encode(json.dumps(claims or CLAIMS).encode(),
                              key or KEYS[ALGORITHMS[algorithm]],
                              algorithm=algorithm, headers={"kid": kid, **header})


def raw(header, sign, payload=None):
    """A token of any header, signed by a function."""
    text = b64(json.dumps(header).encode()) + "." + b64(
        json.dumps(payload or CLAIMS).encode())
    return text + "." + b64(sign(text.encode()))


def split(token):
    head, signature = token.rsplit(".", 1)
    return head, unb64(signature)


SIGNATURE = "^signature of the token does not match$"
SECRET = "^token is signed with a shared secret"
NO_KEY = "^issuer of the token has no key"
FORM = "base64url$|three parts$|^no token"

for name in ALGORITHMS:
    good(name, encode(name))
good("without a kid", jwt.encode(CLAIMS, KEYS["p384"], algorithm="ES384"))
good("another order of claims",
     encode("EdDSA", claims=dict(reversed(CLAIMS.items()))))
good("unicode", encode("ES256", claims={**CLAIMS, "name": "\u00e9\u4e16\U0001f600"}),
     {**CLAIMS, "name": "\u00e9\u4e16\U0001f600"})

# a public key taken for a shared secret, in all its shapes
for name, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384),
                     ("HS512", hashlib.sha512), ("hs256", hashlib.sha256)):
    for kid in ("rsa", "p256", "ed"):
        for shape, secret in (
                ("PEM", public(kid, serialization.Encoding.PEM)),
                ("PEM, stripped", public(kid, serialization.Encoding.PEM).strip()),
                ("DER", public(kid, serialization.Encoding.DER)),
                ("base64", base64.b64encode(public(kid, serialization.Encoding.DER))),
                ("JWK", json.dumps(jwk(kid)).encode()),
                ("nothing", b"")):
            add("%s with %s of %s" % (name, shape, kid),
                raw({"alg": name, "kid": kid},
                    lambda text: hmac.new(secret, text, digest).digest()),
                SECRET)

# no signature
for name in ("none", "None", "NONE", "nOnE", "none ", " none", ""):
    add("alg %r" % name, raw({"alg": name}, lambda text: b""),
        "^token is not signed$|^algorithm of the token is not supported$")
    add("alg %r with kid" % name, raw({"alg": name, "kid": "rsa"}, lambda text: b""),
        "^token is not signed$|^algorithm of the token is not supported$")
for name in ALGORITHMS:
    head, signature = split(encode(name))
    add("%s, signature left out" % name, head + ".", SIGNATURE)
    add("%s, zeros" % name, head + "." + b64(bytes(len(signature))), SIGNATURE)
    add("%s, ones" % name, head + "." + b64(b"\xff" * len(signature)), SIGNATURE)
    add("%s, a byte short" % name, head + "." + b64(signature[:-1]), SIGNATURE)
    add("%s, a byte more" % name, head + "." + b64(signature + b"\0"), SIGNATURE)
    add("%s, a zero before" % name, head + "." + b64(b"\0" + signature), SIGNATURE)
    add("%s, twice" % name, head + "." + b64(signature * 2), SIGNATURE)
    add("%s, in padded base64" % name,
        head + "." + base64.urlsafe_b64encode(signature + b"x").decode(),
        FORM + "|" + SIGNATURE)
    add("%s, other claims" % name,
        ".".join([head.split(".")[0], b64(json.dumps({**CLAIMS, "sub": "you"}).encode()),
                  b64(signature)]), SIGNATURE)

# one algorithm's signature under another's name
for name, kid in ALGORITHMS.items():
    for other in ALGORITHMS:
        if other != name:
            head, signature = split(encode(name))
            header = {"alg": other, "kid": kid}
            text = b64(json.dumps(header).encode()) + "." + head.split(".")[1]
            # the same signature, which is over another header
            add("%s as %s" % (name, other), text + "." + b64(signature),
                SIGNATURE + "|" + NO_KEY)
add("PKCS 1 signed as PS256", raw(
    {"alg": "PS256", "kid": "rsa"},
    lambda text: RSA.sign(text, padding.PKCS1v15(), hashes.SHA256())), SIGNATURE)
add("PSS signed as RS256", raw(
    {"alg": "RS256", "kid": "rsa"},
    lambda text: RSA.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32),
                          hashes.SHA256())), SIGNATURE)
add("PSS with a salt of another size", raw(
    {"alg": "PS256", "kid": "rsa"},
    lambda text: RSA.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 20),
                          hashes.SHA256())), SIGNATURE)
add("PSS with another MGF1", raw(
    {"alg": "PS256", "kid": "rsa"},
    lambda text: RSA.sign(text, padding.PSS(padding.MGF1(hashes.SHA1()), 32),
                          hashes.SHA256())), SIGNATURE)
add("RS256 over SHA-1", raw(
    {"alg": "RS256", "kid": "rsa"},
    lambda text: RSA.sign(text, padding.PKCS1v15(), hashes.SHA1())), SIGNATURE)
add("P-384 key as ES256", raw(
    {"alg": "ES256", "kid": "p384"},
    lambda text: KEYS["p384"].sign(text, ec.ECDSA(hashes.SHA256()))), NO_KEY)
add("secp256k1 as ES256", raw(
    {"alg": "ES256", "kid": "p256"},
    lambda text: jwt.algorithms.der_to_raw_signature(
        ec.generate_private_key(ec.SECP256K1()).sign(
            text, ec.ECDSA(hashes.SHA256())), ec.SECP256R1())), SIGNATURE)

# r and s
head, signature = split(encode("ES256"))
r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
add("in DER", head + "." + b64(encode_dss_signature(r, s)), SIGNATURE)
for what, a, b in (("r of 0", 0, s), ("s of 0", r, 0), ("r of the order", ORDER, s),
                   ("s of the order", r, ORDER), ("r and s exchanged", s, r),
                   ("r of 1", 1, s), ("both 1", 1, 1)):
    add(what, head + "." + b64(a.to_bytes(32, "big") + b.to_bytes(32, "big")), SIGNATURE)
# which is how ECDSA is: the one who has a signature has a second one
good("s of the other sign", head + "." + b64(signature[:32] + (ORDER - s).to_bytes(32, "big")))
add("32 bytes as of P-384", head + "." + b64(
    bytes(16) + signature[:32] + bytes(16) + signature[32:]), SIGNATURE)

# kids
forger = rsa.generate_private_key(65537, 2048)
for kid in KEYS:
    if kid.startswith("rsa"):
        add("forged, kid " + kid, encode("RS256", kid, key=forger), SIGNATURE)
    else:
        add("forged, kid " + kid, encode("RS256", kid, key=forger), NO_KEY)
for kid in ("", " ", "rsa ", "RSA", "rs", "rsaa", "../../../../dev/null", "/dev/null",
            "' OR 'a' = 'a", "rsa'; DROP TABLE evaudit.issuers; --", "rsa\0", "%s%n",
            "x" * 3000, "\u0440sa", "$(id)", "http://evil.example/key"):
    add("kid %r" % kid[:40], encode("RS256", kid), NO_KEY + "|^header of the token")
for kid in (None, 1, True, ["rsa"], {"a": "rsa"}):
    add("kid %r" % (kid,), raw(
        {"alg": "RS256", "kid": kid},
        lambda text: RSA.sign(text, padding.PKCS1v15(), hashes.SHA256())),
        "kid.* is not a string$")

# keys that the token brings along
n = forger.public_key().public_numbers()
for header in ({"jwk": {"kty": "RSA", "n": number(n.n), "e": number(n.e)}},
               {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/"},
               {"x5c": [base64.b64encode(b"certificate").decode()]}):
    what = next(iter(header))
    add("forged, with " + what, encode("RS256", key=forger, **header), SIGNATURE)
    good("with " + what, encode("RS256", **header))
add("crit", encode("RS256", crit=["b64"], b64=False), "crit")
add("crit that is understood elsewhere", encode("RS256", crit=["exp"], exp=1), "crit")

# claims
for what, change, verdict in (
        ("expired", {"exp": NOW - 1}, "^token has expired$"),
        ("expired long ago", {"exp": 0}, "^token has expired$"),
        ("not before tomorrow", {"nbf": NOW + 86000}, "^token is not valid yet"),
        ("issued tomorrow", {"iat": NOW + 86000}, "^token is not valid yet"),
        ("for others", {"aud": "others"}, "^token is for another audience$"),
        ("for others in case", {"aud": "US"}, "^token is for another audience$"),
        ("for many others", {"aud": ["u", "s", "usus"]}, "^token is for another audience$"),
        ("of another issuer", {"iss": "https://login.example"}, "^issuer of the token is not known$"),
        ("of an issuer in a list", {"iss": ["https://login.example/"]},
         "^issuer of the token is not known$")):
    add(what, encode("RS256", claims={**CLAIMS, **change}), verdict)
for name in ("exp", "nbf", "iat"):
    for value in ("1", None, True, {}, [NOW + 100], -1, 1e300):
        add("%s %r" % (name, value), raw(
            {"alg": "EdDSA", "kid": "ed"}, KEYS["ed"].sign, {**CLAIMS, name: value}),
            "\"%s\" of the token is not a time$" % name)
for missing, verdict in (("exp", "no \"exp\"$"), ("aud", "no \"aud\""),
                         ("iss", "^issuer of the token is not known$")):
    add("no " + missing, encode("ES256", claims={
        k: v for k, v in CLAIMS.items() if k != missing}), verdict)
for missing in ("nbf", "iat", "sub"):
    claims = {k: v for k, v in CLAIMS.items() if k != missing}
    good("no " + missing, encode("ES256", claims=claims), claims)
good("a fraction of a second", encode("ES256", claims={**CLAIMS, "exp": NOW + 86400.5}),
     {**CLAIMS, "exp": NOW + 86400.5})

# size: a token may be as long as the limit, and not longer
for length, verdict in ((16384, None), (16385, "longer"), (16389, "longer"),
                        (100000, "longer")):
    header, payload, signature = encode("EdDSA").split(".")
    room = (length - len(header) - len(signature) - 2) * 3 // 4
    filled = json.dumps(CLAIMS).encode()
    filled = filled[:-1] + b" " * (room - len(filled)) + filled[-1:]
    text = (header + "." + b64(filled)).encode()
    token = text.decode() + "." + b64(KEYS["ed"].sign(text))
    if verdict is None and len(token) <= length:
        good("%d bytes" % length, token)
    elif verdict is not None and len(token) > 16384:
        add("%d bytes" % length, token, verdict)

# whatever is changed, or cut off, makes a token bad
chance = random.Random(7)
for name in ("RS256", "ES256", "EdDSA"):
    token = encode(name)
    for i in range(0, len(token), 13):
        add("%s up to %d" % (name, i), token[:i],
            FORM + "|" + SIGNATURE + "|^(header|payload) of the token|^issuer")
    for _ in range(60):
        i = chance.randrange(len(token))
        c = chance.choice("ABCDwxyz0189-_.=+/ \u00e9")
        if token[i] != c:
            add("%s with %r at %d" % (name, c, i), token[:i] + c + token[i + 1:],
                "^(?!\\?)")


def quote(text):
    return "'" + text.replace("'", "''") + "'"


print("SELECT evaudit.create_issuer('jwks', %s);" % quote(json.dumps({
    "issuer": "https://login.example/", "audience": ["us", "we"],
    "jwks": {"keys": [jwk(kid) for kid in KEYS]}})))
print("CREATE TABLE tokens (id serial, what text, token text, verdict text);")
for row in rows:
    print("INSERT INTO tokens (what, token, verdict) VALUES (%s);"
          % ", ".join(map(quote, row)))
print("CREATE TABLE forms (name text, value jsonb);")
print("INSERT INTO forms VALUES ('pem', %s), ('keys', %s);" % (
    quote(json.dumps("".join(public(kid, serialization.Encoding.PEM).decode()
                             for kid in KEYS))),
    quote(json.dumps({"keys": [{"key": base64.b64encode(public(
        kid, serialization.Encoding.DER)).decode()} for kid in KEYS]}))))
