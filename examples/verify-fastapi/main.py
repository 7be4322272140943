"""An API that verifies the access tokens of Admit by itself. ISSUER and AUDIENCE say whose tokens, and for which API."""

import json
import os
from typing import Annotated
from urllib.request import urlopen

import jwt
from fastapi import FastAPI, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]

with urlopen(f"{ISSUER}/.well-known/openid-configuration", timeout=10) as answer:
    metadata = json.load(answer)
if metadata["issuer"] != ISSUER:
    raise RuntimeError(f"{metadata['issuer']} answers for {ISSUER}")

# Fetches the keys when it needs them, and again when a token names one that it does not know.
keys = jwt.PyJWKClient(metadata["jwks_uri"], timeout=10)
bearer = HTTPBearer(auto_error=False)


def refused(status: int, challenge: str) -> HTTPException:
    return HTTPException(status, headers={"WWW-Authenticate": challenge})


def verified(
    scopes: SecurityScopes, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> dict:
    if credentials is None:
        raise refused(401, "Bearer")
    token = credentials.credentials
    try:
        found = jwt.decode_complete(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["ES256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=10,
            options={"require": ["exp", "iss", "aud", "sub", "client_id"]},
        )
    except jwt.PyJWKClientConnectionError:
        raise HTTPException(503) from None
    except jwt.PyJWTError:
        raise refused(401, 'Bearer error="invalid_token"') from None
    if found["header"].get("typ") != "at+jwt":
        raise refused(401, 'Bearer error="invalid_token"')
    claims = found["payload"]
    if not set(scopes.scopes) <= set(claims.get("scope", "").split()):
        raise refused(403, f'Bearer error="insufficient_scope", scope="{scopes.scope_str}"')
    return claims


app = FastAPI()


@app.get("/orders")
def orders(caller: Annotated[dict, Security(verified, scopes=["orders:read"])]) -> dict:
    return {"subject": caller["sub"], "orders": [42]}
