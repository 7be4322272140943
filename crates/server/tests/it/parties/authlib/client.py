"""Does at an issuer what a client and an API do there, by Authlib. Reads the world as JSON on stdin and tells on stdout, as
JSON, what came of each step."""

import json
import sys
import time

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import ECKey, KeySet

world = json.load(sys.stdin)
audience = world["audience"]
server = requests.get(f"{world['issuer']}/.well-known/oauth-authorization-server", timeout=10).json()
assert server["issuer"] == world["issuer"]


class Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        return KeySet.import_key_set(requests.get(server["jwks_uri"], timeout=10).json())


validator = Validator(issuer=world["issuer"], resource_server=audience)


def verify(token):
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, None, None)
    return claims


def session(client, secret, method):
    return OAuth2Session(client["id"], secret, token_endpoint_auth_method=method)


def token(by, **parameters):
    asked = {"resource": audience, "scope": "orders:read", **parameters}
    return by.fetch_token(server["token_endpoint"], grant_type="client_credentials", **asked)


def refusal(by, **parameters):
    try:
        return token(by, **parameters)
    except OAuthError as error:
        return error.error


def judged(text):
    try:
        verify(text)
    except OAuth2Error as error:
        return str(error.__cause__)
    return "good"


client, secret = world["client"], world["client"]["secret"]
basic = session(client, secret, "client_secret_basic")
made = token(basic)
told = {"basic": made["scope"], "subject": verify(made["access_token"])["sub"]}
told["post"] = token(session(client, secret, "client_secret_post"))["scope"]

signer = session(world["signer"], ECKey.import_key(world["signer"]["key"]), "private_key_jwt")
# It is for the issuer and ends soon, where the library would say the endpoint and an hour.
ends, headers = {"exp": int(time.time()) + 60}, {"kid": world["signer"]["key"]["kid"]}
signer.register_client_auth_method(PrivateKeyJWT(world["issuer"], claims=ends, headers=headers, alg="ES256"))
told["private_key_jwt"] = token(signer)["scope"]


def is_active():
    asked = {"token": made["access_token"], "token_type_hint": "access_token"}
    return basic.introspect_token(server["introspection_endpoint"], **asked).json()["active"]


told["before_revocation"] = is_active()
basic.revoke_token(server["revocation_endpoint"], token=made["access_token"]).raise_for_status()
told["after_revocation"] = is_active()

told["wrong_secret"] = refusal(session(client, "wrong", "client_secret_basic"))
told["unknown_scope"] = refusal(basic, scope="orders:everything")
told["unknown_resource"] = refusal(basic, resource="https://nobody.test")
told["tokens"] = {name: judged(text) for name, text in world["tokens"].items()}
print(json.dumps(told))
