// An API that verifies the access tokens of Admit by itself. ISSUER and AUDIENCE say whose tokens, and for which API.
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { ISSUER, AUDIENCE, PORT = "9000" } = process.env;

const metadata = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json();
if (metadata.issuer !== ISSUER) throw new Error(`${metadata.issuer} answers for ${ISSUER}`);

// Fetches the keys when it needs them, and again when a token names one that it does not know.
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
const checks = {
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ["ES256"],
  typ: "at+jwt",
  requiredClaims: ["exp", "sub", "client_id"],
  clockTolerance: 10,
};

function requireScope(scope) {
  return async (request, response, next) => {
    const [, token] = /^Bearer (\S+)$/i.exec(request.get("authorization") ?? "") ?? [];
    if (!token) return response.set("WWW-Authenticate", "Bearer").sendStatus(401);
    try {
      request.auth = (await jwtVerify(token, keys, checks)).payload;
    } catch (error) {
      if (error.code === "ERR_JWKS_TIMEOUT" || !error.code?.startsWith("ERR_J")) return next(error);
      return response.set("WWW-Authenticate", 'Bearer error="invalid_token"').sendStatus(401);
    }
    if ((request.auth.scope ?? "").split(" ").includes(scope)) return next();
    response.set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="${scope}"`).sendStatus(403);
  };
}

const app = express();
app.get("/orders", requireScope("orders:read"), (request, response) => {
  response.json({ subject: request.auth.sub, orders: [42] });
});
app.listen(Number(PORT), "127.0.0.1");
