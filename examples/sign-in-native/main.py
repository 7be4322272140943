"""A command that people sign in to with Admit, in the browser of their machine. ISSUER and CLIENT_ID say where and as what."""

import os
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

ISSUER, CLIENT_ID = os.environ["ISSUER"], os.environ["CLIENT_ID"]


class Callback(BaseHTTPRequestHandler):
    """Hears one answer of the browser."""

    def do_GET(self):
        if self.path.startswith("/callback?"):
            self.server.answer = self.path
        self.send_response(200 if self.server.answer else 404)
        self.end_headers()
        self.wfile.write(b"Close this tab and go back to the terminal.\n")

    def log_message(self, *arguments):
        """It has a code in it: it is not shown."""


def get(address):
    answer = requests.get(address, timeout=10)
    answer.raise_for_status()
    return answer.json()


def verified(tokens, nonce):
    keys = KeySet.import_key_set(get(issuer["jwks_uri"]))
    signed = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    expected = {"iss": {"value": ISSUER}, "aud": {"value": CLIENT_ID}}
    known = {"nonce": nonce, "client_id": CLIENT_ID, "access_token": tokens["access_token"]}
    claims = CodeIDToken(signed.claims, signed.header, expected, known)
    claims.validate(leeway=10)
    return claims


issuer = get(f"{ISSUER}/.well-known/openid-configuration")
if issuer["issuer"] != ISSUER:
    raise RuntimeError(f"{issuer['issuer']} answers for {ISSUER}")

# Any free port of this machine: a native application registers the address without one.
listener = HTTPServer(("127.0.0.1", 0), Callback)
listener.answer = None
here = f"http://127.0.0.1:{listener.server_port}"
session = OAuth2Session(
    CLIENT_ID,
    scope="openid profile email",
    redirect_uri=f"{here}/callback",
    code_challenge_method="S256",
    token_endpoint_auth_method="none",
)
nonce, verifier = generate_token(), generate_token(48)
address, state = session.create_authorization_url(
    issuer["authorization_endpoint"], code_verifier=verifier, nonce=nonce
)
print(f"Sign in at {address}", flush=True)
webbrowser.open(address)
while listener.answer is None:
    listener.handle_request()

# The answer names who gave it (RFC 9207), which Authlib does not look at.
if parse_qs(urlsplit(listener.answer).query).get("iss") != [ISSUER]:
    raise RuntimeError("somebody else answered")
tokens = session.fetch_token(
    issuer["token_endpoint"], authorization_response=here + listener.answer, state=state, code_verifier=verifier
)
claims = verified(tokens, nonce)
person = session.get(issuer["userinfo_endpoint"]).json()
if person["sub"] != claims["sub"]:
    raise RuntimeError("userinfo is about somebody else")
print(f"Hello, {person['name']}.")
