// A television that a person connects by openid-client.
import * as client from "openid-client";
import { tell, visit, world } from "./conversation.mjs";

// The only setting: the tests' issuer speaks plain HTTP on loopback.
const http = { execute: [client.allowInsecureRequests] };
const config = await client.discovery(new URL(world.issuer), world.device.id, undefined, client.None(), http);
const told = {};

const asked = { scope: "openid offline_access orders:read", resource: world.audience };
const begun = await client.initiateDeviceAuthorization(config, asked);
const grant = "urn:ietf:params:oauth:grant-type:device_code";
const early = client.genericGrantRequest(config, grant, { device_code: begun.device_code });
told.early = await early.then(() => "tokens", (error) => error.error);

// It asks on while the person looks for his telephone.
const polled = client.pollDeviceAuthorizationGrant(config, begun);
told.person_is_at = (await visit(begun.verification_uri_complete)).pathname;
const tokens = await polled;
told.sub = tokens.claims().sub;
told.scope = tokens.scope;
told.renewed = (await client.refreshTokenGrant(config, tokens.refresh_token)).claims().sub;
tell(told);
