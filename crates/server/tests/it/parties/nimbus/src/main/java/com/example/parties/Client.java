package com.example.parties;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.TokenRevocationRequest;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.TreeMap;
import net.minidev.json.JSONObject;

/**
 * Does at an issuer what a client and an API do there, by Nimbus. Reads the world as JSON on stdin and tells on stdout, as
 * JSON, what came of each step.
 */
public final class Client {
    private final String audience;
    private final AuthorizationServerMetadata server;
    private final DefaultJWTProcessor<SecurityContext> verifier = new DefaultJWTProcessor<>();

    private Client(String issuer, String audience) throws Exception {
        this.audience = audience;
        server = AuthorizationServerMetadata.resolve(new Issuer(issuer));
        var keys = JWKSourceBuilder.create(server.getJWKSetURI().toURL()).build();
        verifier.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        verifier.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, keys));
        var issued = new JWTClaimsSet.Builder().issuer(issuer).build();
        verifier.setJWTClaimsSetVerifier(
                new DefaultJWTClaimsVerifier<>(audience, issued, Set.of("sub", "exp", "client_id")));
    }

    public static void main(String[] arguments) throws Exception {
        var world = JSONObjectUtils.parse(new String(System.in.readAllBytes(), StandardCharsets.UTF_8));
        var self = new Client(JSONObjectUtils.getString(world, "issuer"), JSONObjectUtils.getString(world, "audience"));
        var client = JSONObjectUtils.getJSONObject(world, "client");
        var id = new ClientID(JSONObjectUtils.getString(client, "id"));
        var secret = new Secret(JSONObjectUtils.getString(client, "secret"));
        var basic = new ClientSecretBasic(id, secret);
        var told = new TreeMap<String, Object>();

        var made = self.token(basic, "orders:read", self.audience).toSuccessResponse().getTokens().getAccessToken();
        told.put("basic", made.getScope().toString());
        told.put("subject", self.verifier.process(made.getValue(), null).getSubject());
        told.put("post", self.scope(new ClientSecretPost(id, secret)));
        told.put("private_key_jwt", self.scope(self.assertion(JSONObjectUtils.getJSONObject(world, "signer"))));

        told.put("before_revocation", self.isActive(basic, made));
        var revocation = new TokenRevocationRequest(self.server.getRevocationEndpointURI(), basic, made);
        revocation.toHTTPRequest().send().ensureStatusCode(200);
        told.put("after_revocation", self.isActive(basic, made));

        var wrong = new ClientSecretBasic(id, new Secret("wrong"));
        told.put("wrong_secret", self.refusal(wrong, "orders:read", self.audience));
        told.put("unknown_scope", self.refusal(basic, "orders:everything", self.audience));
        told.put("unknown_resource", self.refusal(basic, "orders:read", "https://nobody.test"));

        var judged = new TreeMap<String, String>();
        for (var token : JSONObjectUtils.getJSONObject(world, "tokens").entrySet()) {
            judged.put(token.getKey(), self.judge((String) token.getValue()));
        }
        told.put("tokens", judged);
        System.out.println(new JSONObject(told).toJSONString());
    }

    private TokenResponse token(ClientAuthentication proof, String scope, String resource) throws Exception {
        var request = new TokenRequest.Builder(server.getTokenEndpointURI(), proof, new ClientCredentialsGrant())
                .scope(Scope.parse(scope))
                .resource(URI.create(resource))
                .build();
        return TokenResponse.parse(request.toHTTPRequest().send());
    }

    private String scope(ClientAuthentication proof) throws Exception {
        var response = token(proof, "orders:read", audience).toSuccessResponse();
        return response.getTokens().getAccessToken().getScope().toString();
    }

    private String refusal(ClientAuthentication proof, String scope, String resource) throws Exception {
        return token(proof, scope, resource).toErrorResponse().getErrorObject().getCode();
    }

    private PrivateKeyJWT assertion(JSONObject signer) throws Exception {
        var key = ECKey.parse(JSONObjectUtils.getJSONObject(signer, "key"));
        var id = new ClientID(JSONObjectUtils.getString(signer, "id"));
        // It is for the issuer, and not, as the name of the argument has it, for the endpoint.
        var issuer = URI.create(server.getIssuer().getValue());
        return new PrivateKeyJWT(id, issuer, JWSAlgorithm.ES256, key.toPrivateKey(), key.getKeyID(), null);
    }

    private boolean isActive(ClientAuthentication proof, AccessToken token) throws Exception {
        var bearer = new BearerAccessToken(token.getValue());
        var request = new TokenIntrospectionRequest(server.getIntrospectionEndpointURI(), proof, bearer);
        var response = TokenIntrospectionResponse.parse(request.toHTTPRequest().send());
        return response.toSuccessResponse().isActive();
    }

    private String judge(String token) {
        try {
            verifier.process(token, null);
            return "good";
        } catch (Exception refused) {
            return refused.getMessage();
        }
    }
}
