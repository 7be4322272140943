// A device without a browser that people connect to Admit. ISSUER and CLIENT_ID say where and as what.
import * as client from "openid-client";

const { ISSUER, CLIENT_ID } = process.env;
// Plain HTTP is for trying it on one machine.
const execute = ISSUER.startsWith("http:") ? [client.allowInsecureRequests] : [];
const issuer = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.None(), { execute });

const begun = await client.initiateDeviceAuthorization(issuer, { scope: "openid profile offline_access" });
console.log(`Open ${begun.verification_uri} and type ${begun.user_code}`);

// Asks every five seconds until somebody said yes or no, and verifies the ID token.
const tokens = await client.pollDeviceAuthorizationGrant(issuer, begun);
const person = await client.fetchUserInfo(issuer, tokens.access_token, tokens.claims().sub);
console.log(`Hello, ${person.name}.`);
