package com.example.parties;

import com.nimbusds.jwt.JWT;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.GrantType;
import com.nimbusds.oauth2.sdk.PushedAuthorizationRequest;
import com.nimbusds.oauth2.sdk.PushedAuthorizationResponse;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.client.ClientDeleteRequest;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.AuthenticationSuccessResponse;
import com.nimbusds.openid.connect.sdk.LogoutRequest;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.claims.IDTokenClaimsSet;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientInformation;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientInformationResponse;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientMetadata;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientRegistrationRequest;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientRegistrationResponseParser;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import com.nimbusds.openid.connect.sdk.validators.AccessTokenValidator;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import net.minidev.json.JSONObject;

/**
 * Signs somebody in by Nimbus, as a web application does that registers itself and pushes its requests. Reads the world as a
 * line of JSON on stdin, prints each address that a person has to visit, reads where that led to, and tells as JSON what came of
 * each step. Nothing is set: plain HTTP is no matter to this library.
 */
public final class SignIn {
    private final BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private final JSONObject world = JSONObjectUtils.parse(input.readLine());
    private final OIDCProviderMetadata server =
            OIDCProviderMetadata.resolve(new Issuer(JSONObjectUtils.getString(world, "issuer")));
    private final OIDCClientInformation client = register();
    private final ClientSecretBasic proof = new ClientSecretBasic(client.getID(), client.getSecret());
    private final Scope scope = client.getMetadata().getScope();
    private final URI back = client.getMetadata().getRedirectionURI();
    private final Map<String, Object> told = new TreeMap<>();

    private SignIn() throws Exception {}

    public static void main(String[] arguments) throws Exception {
        var self = new SignIn();
        var tokens = self.signIn();
        var renewed = self.refresh(tokens);
        self.signOut(renewed.getIDToken());
        self.leave(renewed);
        System.out.println(new JSONObject(self.told).toJSONString());
    }

    private OIDCClientInformation register() throws Exception {
        var wanted = new OIDCClientMetadata();
        wanted.setName("Prints");
        wanted.setRedirectionURI(URI.create("https://prints.test/callback"));
        wanted.setPostLogoutRedirectionURIs(Set.of(URI.create("https://prints.test/")));
        wanted.setGrantTypes(Set.of(GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN));
        wanted.setScope(new Scope("openid", "profile", "email", "offline_access", "orders:read"));
        var initial = new BearerAccessToken(JSONObjectUtils.getString(world, "initial"));
        var request = new OIDCClientRegistrationRequest(server.getRegistrationEndpointURI(), wanted, initial);
        var response = OIDCClientRegistrationResponseParser.parse(request.toHTTPRequest().send());
        return ((OIDCClientInformationResponse) response.toSuccessResponse()).getOIDCClientInformation();
    }

    private OIDCTokens signIn() throws Exception {
        var state = new State();
        var nonce = new Nonce();
        var verifier = new CodeVerifier();
        var asked = new AuthenticationRequest.Builder(ResponseType.CODE, scope, client.getID(), back)
                .state(state)
                .nonce(nonce)
                .codeChallenge(verifier, CodeChallengeMethod.S256)
                .resource(JSONObjectUtils.getURI(world, "audience"))
                .build();
        var push = new PushedAuthorizationRequest(server.getPushedAuthorizationRequestEndpointURI(), proof, asked);
        var pushed = PushedAuthorizationResponse.parse(push.toHTTPRequest().send()).toSuccessResponse();
        told.put("pushed_for", pushed.getLifetime());
        var go = new AuthenticationRequest.Builder(pushed.getRequestURI(), client.getID())
                .endpointURI(server.getAuthorizationEndpointURI())
                .build();
        AuthenticationSuccessResponse answer =
                AuthenticationResponseParser.parse(visit(go.toURI())).toSuccessResponse();
        told.put("state", state.equals(answer.getState()));
        told.put("iss", server.getIssuer().equals(answer.getIssuer()));

        var other = redeem(answer.getAuthorizationCode(), new CodeVerifier());
        told.put("other_verifier", other.toErrorResponse().getErrorObject().getCode());
        var made = redeem(answer.getAuthorizationCode(), verifier).toSuccessResponse();
        var tokens = made.getTokens().toOIDCTokens();
        told.put("scope", tokens.getAccessToken().getScope().toString());
        var claims = validate(tokens, nonce);
        told.put("id_token", Map.of("sub", claims.getSubject().getValue(), "acr", claims.getACR().getValue()));
        told.put("other_nonce", refusal(tokens, new Nonce()));
        told.put("userinfo", userInfo(tokens));
        return tokens;
    }

    private TokenResponse redeem(AuthorizationCode code, CodeVerifier verifier) throws Exception {
        return token(new AuthorizationCodeGrant(code, back, verifier));
    }

    private TokenResponse token(AuthorizationGrant grant) throws Exception {
        var request = new TokenRequest.Builder(server.getTokenEndpointURI(), proof, grant).build();
        return OIDCTokenResponseParser.parse(request.toHTTPRequest().send());
    }

    /** Verifies an ID token, and that the access token is the one that it came with. */
    private IDTokenClaimsSet validate(OIDCTokens tokens, Nonce nonce) throws Exception {
        var claims = IDTokenValidator.create(server, client).validate(tokens.getIDToken(), nonce);
        var alg = client.getOIDCMetadata().getIDTokenJWSAlg();
        AccessTokenValidator.validate(tokens.getAccessToken(), alg, claims.getAccessTokenHash());
        return claims;
    }

    private String refusal(OIDCTokens tokens, Nonce nonce) {
        try {
            return "good, for " + validate(tokens, nonce).getSubject();
        } catch (Exception refused) {
            return refused.getMessage();
        }
    }

    private Map<String, Object> userInfo(OIDCTokens tokens) throws Exception {
        var request = new UserInfoRequest(server.getUserInfoEndpointURI(), tokens.getAccessToken());
        var info = UserInfoResponse.parse(request.toHTTPRequest().send()).toSuccessResponse().getUserInfo();
        return Map.of(
                "sub", info.getSubject().getValue(),
                "name", info.getName(),
                "email", info.getEmailAddress(),
                "email_verified", info.getEmailVerified());
    }

    private OIDCTokens refresh(OIDCTokens tokens) throws Exception {
        var made = token(new RefreshTokenGrant(tokens.getRefreshToken())).toSuccessResponse();
        var renewed = made.getTokens().toOIDCTokens();
        told.put("refreshed", Map.of(
                "access", !renewed.getAccessToken().equals(tokens.getAccessToken()),
                "sub", validate(renewed, null).getSubject().getValue()));
        return renewed;
    }

    private void signOut(JWT idToken) throws Exception {
        var state = new State();
        var after = client.getOIDCMetadata().getPostLogoutRedirectionURIs().iterator().next();
        var request = new LogoutRequest(server.getEndSessionEndpointURI(), idToken, after, state);
        var left = visit(request.toURI());
        told.put("logout_state", ("state=" + state).equals(left.getQuery()));
    }

    /** Ends the registration, and everything with it. */
    private void leave(OIDCTokens tokens) throws Exception {
        var request = new ClientDeleteRequest(client.getRegistrationURI(), client.getRegistrationAccessToken());
        request.toHTTPRequest().send().ensureStatusCode(204);
        var refused = token(new RefreshTokenGrant(tokens.getRefreshToken())).toErrorResponse();
        told.put("after_deletion", refused.getErrorObject().getCode());
    }

    /** Has the person go somewhere; where that led to. */
    private URI visit(URI address) throws Exception {
        System.out.println(address);
        return URI.create(input.readLine());
    }
}
