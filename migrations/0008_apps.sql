-- Sign-in to applications: what people let them do, and the tokens that renew it.

-- What somebody lets an application do: a decision that is remembered, not a grant. `spec` is JSON.
CREATE TABLE consent (
  realm_id {id} NOT NULL REFERENCES realm (id),
  user_id {id} NOT NULL,
  client_id {id} NOT NULL,
  spec {text} NOT NULL,
  created_at {int} NOT NULL,
  updated_at {int} NOT NULL,
  PRIMARY KEY (realm_id, user_id, client_id)
){clustered};

-- What a grant of the kind `authorization` knows beside the grant; `session_id` is the sign-in behind it, `spec` JSON.
CREATE TABLE client_authorization (
  grant_id {id} NOT NULL PRIMARY KEY REFERENCES access_grant (id),
  realm_id {id} NOT NULL,
  user_id {id} NOT NULL,
  client_id {id} NOT NULL,
  session_id {id} NOT NULL,
  spec {text} NOT NULL,
  expires_at {int} NOT NULL,
  last_at {int} NOT NULL,
  last_ip {text},
  last_agent {text}
){clustered};
CREATE INDEX client_authorization_by_user ON client_authorization (realm_id, user_id, grant_id);
CREATE INDEX client_authorization_by_session ON client_authorization (session_id);
CREATE INDEX client_authorization_by_end ON client_authorization (expires_at);

-- Refresh tokens. No index mentions a column that a rotation updates. `reply` is what the one before was answered, sealed under
-- that one's text; it is forgotten at `reply_ends`, or with the first use.
CREATE TABLE refresh_token (
  hash {bytes} NOT NULL PRIMARY KEY,
  lookup_key {int} NOT NULL,
  realm_id {id} NOT NULL,
  grant_id {id} NOT NULL,
  created_at {int} NOT NULL,
  expires_at {int} NOT NULL,
  last_at {int} NOT NULL,
  spent_at {int},
  successor {bytes},
  reply {bytes},
  reply_ends {int}
){clustered};
CREATE INDEX refresh_token_by_grant ON refresh_token (grant_id);
CREATE INDEX refresh_token_by_start ON refresh_token (created_at);
CREATE INDEX refresh_token_by_end ON refresh_token (expires_at);

-- Which applications are still to be told that somebody signed out; written along with what ends the session.
CREATE TABLE logout_notice (
  session_id {id} NOT NULL,
  client_id {id} NOT NULL,
  realm_id {id} NOT NULL,
  user_id {id} NOT NULL,
  created_at {int} NOT NULL,
  next_at {int} NOT NULL,
  tries {int} NOT NULL,
  PRIMARY KEY (session_id, client_id)
){clustered};
CREATE INDEX logout_notice_by_turn ON logout_notice (next_at);

-- Devices that wait for somebody who types a code (RFC 8628). `asked` and `approved` are JSON.
CREATE TABLE device_code (
  hash {bytes} NOT NULL PRIMARY KEY,
  user_hash {bytes} NOT NULL UNIQUE,
  lookup_key {int} NOT NULL,
  realm_id {id} NOT NULL,
  client_id {id} NOT NULL,
  asked {text} NOT NULL,
  interval_ms {int} NOT NULL,
  polled_at {int},
  approved {text},
  denied_at {int},
  used_at {int},
  grant_id {id},
  created_at {int} NOT NULL,
  expires_at {int} NOT NULL
){clustered};
CREATE INDEX device_code_by_end ON device_code (expires_at);

-- Clients that registered themselves (RFC 7591), and what lets each of them change what it said.
CREATE TABLE client_registration (
  client_id {id} NOT NULL PRIMARY KEY REFERENCES client (id),
  realm_id {id} NOT NULL,
  hash {bytes} NOT NULL UNIQUE,
  lookup_key {int} NOT NULL,
  registered_by {text} NOT NULL,
  created_at {int} NOT NULL
){clustered};
CREATE INDEX client_registration_by_realm ON client_registration (realm_id, client_id);
