"""An application on a server that people sign in to by Authlib. One line of stdin is the world as JSON. Each line of stdout is
an address for a person's browser, and stdin says where that ended. The last line of stdout is JSON of what came of each step."""

import json
import sys

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

world = json.loads(sys.stdin.readline())
web = world["web"]
server = requests.get(f"{world['issuer']}/.well-known/openid-configuration", timeout=10).json()
assert server["issuer"] == world["issuer"]


def visit(address):
    print(address, flush=True)
    return sys.stdin.readline().strip()


def verified(tokens, nonce):
    keys = KeySet.import_key_set(requests.get(server["jwks_uri"], timeout=10).json())
    signed = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    expected = {"iss": {"value": server["issuer"]}, "aud": {"value": web["id"]}}
    known = {"nonce": nonce, "client_id": web["id"], "access_token": tokens["access_token"]}
    claims = CodeIDToken(signed.claims, signed.header, expected, known)
    claims.validate(leeway=10)
    return claims


def refusal(step, *arguments, **named):
    try:
        return step(*arguments, **named)
    except (AuthlibBaseError, JoseError) as error:
        return error.error


scope = "openid profile email offline_access orders:read"
session = OAuth2Session(
    web["id"], web["secret"], scope=scope, redirect_uri=web["redirect_uri"], code_challenge_method="S256"
)
nonce, verifier = generate_token(), generate_token(48)
address, state = session.create_authorization_url(
    server["authorization_endpoint"], code_verifier=verifier, nonce=nonce, resource=world["audience"]
)
answer = visit(address)
told = {}


def redeem(state, verifier):
    return session.fetch_token(
        server["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier
    )


told["other_state"] = refusal(redeem, generate_token(), verifier)
told["other_verifier"] = refusal(redeem, state, generate_token(48))
tokens = redeem(state, verifier)
claims = verified(tokens, nonce)
told["claims"] = {"sub": claims["sub"], "amr": claims["amr"], "has_sid": "sid" in claims}
told["other_nonce"] = refusal(verified, tokens, generate_token())
told["scope"] = tokens["scope"]
told["userinfo"] = session.get(server["userinfo_endpoint"]).json()
del told["userinfo"]["updated_at"]

# It goes on without a nonce (OpenID Connect Core 12.2).
renewed = session.refresh_token(server["token_endpoint"], refresh_token=tokens["refresh_token"])
told["renewed"] = verified(renewed, None)["sub"]
third = session.refresh_token(server["token_endpoint"], refresh_token=renewed["refresh_token"])
told["first_again"] = refusal(session.refresh_token, server["token_endpoint"], refresh_token=tokens["refresh_token"])
told["third_after_that"] = refusal(
    session.refresh_token, server["token_endpoint"], refresh_token=third["refresh_token"]
)

out = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": web["post_logout_redirect_uri"]}
told["signed_out"] = visit(add_params_to_uri(server["end_session_endpoint"], list(out.items())))
print(json.dumps(told))
