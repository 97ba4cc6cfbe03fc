"""Credentials for the fault server: it hands them out where AWS would, and
checks what requests are signed with.
"""

import hashlib
import hmac
import itertools
import json
import re
import time
import urllib.parse
from memory_queue import Refusal

IMDS = "/latest/meta-data/iam/security-credentials/"
ROLE = "test-role"


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret, request, scope, names):
    """The signature of SigV4, as its documentation says."""
    headers = "".join(
        f"{n}:{' '.join(request.headers.get(n, '').split())}\n" for n in names)
    path, _, query = request.path.partition("?")
    canonical = "\n".join([
        request.command, path,
        "&".join(sorted(query.split("&"))) if query else "", headers,
        ";".join(names), hashlib.sha256(request.body).hexdigest()])
    to_sign = "\n".join([
        "AWS4-HMAC-SHA256", request.headers.get("X-Amz-Date", ""),
        "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope:
        key = digest(key, part)
    return digest(key, to_sign).hex()


class Credentials:
    """The keys that there are.

    settings: lifetime (seconds until what is handed out expires), requests
    (how many it is good for), fail (a status for every place that hands out),
    check (whether requests must be signed by one of the keys).
    """

    def __init__(self):
        self.keys = {}
        self.numbers = itertools.count(1)
        self.tokens = set()
        self.settings = {"lifetime": 3600, "requests": None, "check": False,
                         "fail": None, "container_token": None}
        self.issued = []

    def add(self, key, secret, token=None, requests=None):
        self.keys[key] = {"secret": secret, "token": token, "left": requests,
                          "expires": None}

    def issue(self, door):
        n = next(self.numbers)
        made = {"AccessKeyId": f"ASIATEST{n:08}", "Token": f"token-{n}/+=",
                "SecretAccessKey": f"secret-{n}/+=",
                "Expiration": time.strftime(
                    "%Y-%m-%dT%H:%M:%SZ",
                    time.gmtime(time.time() + self.settings["lifetime"]))}
        self.add(made["AccessKeyId"], made["SecretAccessKey"], made["Token"],
                 self.settings["requests"])
        self.keys[made["AccessKeyId"]]["expires"] = (
            time.time() + self.settings["lifetime"])
        self.issued.append({"door": door, "access_key_id":
                            made["AccessKeyId"]})
        return made

    # --- checking -----------------------------------------------------------

    def check(self, request):
        """Refuse a request whose signature is not good."""
        found = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), *SignedHeaders="
            r"([^,]+), *Signature=([0-9a-f]{64})$",
            request.headers.get("Authorization", ""))
        if not found:
            raise Refusal("MissingAuthenticationToken", "not signed", 403)
        known = self.keys.get(found[1])
        if known is None:
            raise Refusal("InvalidClientTokenId",
                          "The security token included in the request is"
                          " invalid.", 403)
        self.check_signature(request, known, found)
        self.check_life(known)

    @staticmethod
    def check_signature(request, known, found):
        scope, names = found[2].split("/"), found[3].split(";")
        right = signature(known["secret"], request, scope, names)
        stamp = request.headers.get("X-Amz-Date", "")
        signed_token = (known["token"] is None or
                        "x-amz-security-token" in names)
        if (not hmac.compare_digest(right, found[4]) or
                "host" not in names or not signed_token or
                not stamp.startswith(scope[0])):
            raise Refusal("SignatureDoesNotMatch",
                          "The request signature we calculated does not match"
                          " the signature you provided.", 403)
        if request.headers.get("X-Amz-Security-Token") != known["token"]:
            raise Refusal("InvalidClientTokenId", "another token", 403)

    @staticmethod
    def check_life(known):
        if known["left"] is not None:
            known["left"] -= 1
        if ((known["left"] or 0) < 0 or
                (known["expires"] or time.time() + 1) < time.time()):
            raise Refusal("ExpiredToken",
                          "The security token included in the request is"
                          " expired", 403)

    # --- handing out --------------------------------------------------------

    def answer(self, request):
        """(status, content type, body) if the request is for credentials,
        else None."""
        path = request.path.partition("?")[0]
        for prefix, door in (("/latest/", self.imds), ("/ecs", self.container)):
            if path.startswith(prefix):
                return self.opened(door, request, path)
        if (request.command == "POST" and request.headers.get(
                "Content-Type", "").startswith(
                    "application/x-www-form-urlencoded") and
                b"TopicArn=" not in request.body):
            return self.opened(self.sts, request, path)
        return None

    def opened(self, door, request, path):
        if self.settings["fail"]:
            return self.settings["fail"], "text/plain", "no credentials here"
        return door(request, path)

    def imds(self, request, path):
        if path == "/latest/api/token":
            if (request.command != "PUT" or not request.headers.get(
                    "X-aws-ec2-metadata-token-ttl-seconds")):
                return 400, "text/plain", ""
            token = f"imds-{len(self.tokens)}"
            self.tokens.add(token)
            return 200, "text/plain", token
        if request.headers.get("X-aws-ec2-metadata-token") not in self.tokens:
            return 401, "text/plain", ""
        if path == IMDS:
            return 200, "text/plain", ROLE
        if path == IMDS + ROLE:
            made = {"Code": "Success", "Type": "AWS-HMAC",
                    "LastUpdated": "2026-01-01T00:00:00Z",
                    **self.issue("imds")}
            return 200, "text/plain", json.dumps(made, indent=2)
        return 404, "text/plain", ""

    def container(self, request, path):
        wanted = self.settings["container_token"]
        if wanted and request.headers.get("Authorization") != wanted:
            return 401, "application/json", "{}"
        made = {"RoleArn": f"arn:aws:iam::000000000000:role/{ROLE}",
                **self.issue("container")}
        return 200, "application/json", json.dumps(made)

    def sts(self, request, path):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        action = form.get("Action")
        if action in ("AssumeRole", "GetCallerIdentity"):
            try:
                self.check(request)
            except Refusal as refusal:
                return self.sts_error(refusal)
            if action == "GetCallerIdentity":
                return 200, "text/xml", (
                    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>"
                    "arn:aws:iam::000000000000:user/test</Arn>"
                    "</GetCallerIdentityResult></GetCallerIdentityResponse>")
        elif (action != "AssumeRoleWithWebIdentity" or
              not form.get("WebIdentityToken")):
            return self.sts_error(Refusal("InvalidIdentityToken", "no token"))
        made = self.issue(action)
        return 200, "text/xml", (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/'
            f'2011-06-15/">\n <{action}Result>\n  <Credentials>\n'
            f"   <AccessKeyId>{made['AccessKeyId']}</AccessKeyId>\n"
            f"   <SecretAccessKey>{made['SecretAccessKey']}"
            "</SecretAccessKey>\n"
            f"   <SessionToken>{made['Token']}</SessionToken>\n"
            f"   <Expiration>{made['Expiration']}</Expiration>\n"
            "  </Credentials>\n  <AssumedRoleUser><Arn>"
            f"{form.get('RoleArn')}</Arn></AssumedRoleUser>\n"
            f" </{action}Result>\n</{action}Response>\n")

    @staticmethod
    def sts_error(refusal):
        return refusal.status, "text/xml", (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<Error><Type>Sender</Type><Code>{refusal.code}</Code>"
            f"<Message>{refusal.message}</Message></Error></ErrorResponse>")
