-- Tokens: the keys that sign them, the secrets of clients, opaque access tokens, and what was taken back before its end.

-- Private keys, sealed under a master key. The public half is taken out of them and stands nowhere, so that nobody can plant one.
-- `purpose` is `issuer` (tokens of the realm) or `upstream` (what applications are told).
CREATE TABLE signing_key (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  purpose {text} NOT NULL,
  algorithm {text} NOT NULL,
  kid {text} NOT NULL,
  sealed {bytes} NOT NULL,
  master_key {int} NOT NULL,
  made_at {int} NOT NULL,
  signs_from {int} NOT NULL,
  revoked_at {int},
  UNIQUE (realm_id, purpose, kid)
){strict};
CREATE INDEX signing_key_by_master_key ON signing_key (master_key);
CREATE INDEX signing_key_by_start ON signing_key (signs_from);

-- Two live ones at most for a client.
CREATE TABLE client_secret (
  id {id} NOT NULL PRIMARY KEY,
  hash {bytes} NOT NULL UNIQUE,
  lookup_key {int} NOT NULL,
  realm_id {id} NOT NULL REFERENCES realm (id),
  client_id {id} NOT NULL REFERENCES client (id),
  hint {text} NOT NULL,
  created_at {int} NOT NULL,
  expires_at {int},
  last_used_at {int}
){strict};
CREATE INDEX client_secret_by_client ON client_secret (realm_id, client_id, id);

-- What a client has shown once and may not show again: the `jti` of its assertions, hashed.
CREATE TABLE spent_assertion (
  realm_id {id} NOT NULL,
  client_id {id} NOT NULL,
  digest {bytes} NOT NULL,
  expires_at {int} NOT NULL,
  PRIMARY KEY (realm_id, client_id, digest)
){clustered};
CREATE INDEX spent_assertion_by_end ON spent_assertion (expires_at);

-- Opaque access tokens, found by the keyed hash of their text. A grant lends what they are worth; they may be worth less.
CREATE TABLE access_token (
  hash {bytes} NOT NULL PRIMARY KEY,
  lookup_key {int} NOT NULL,
  realm_id {id} NOT NULL,
  id {id} NOT NULL,
  grant_id {id} NOT NULL,
  scopes {text} NOT NULL,
  created_at {int} NOT NULL,
  expires_at {int} NOT NULL
){clustered};
CREATE INDEX access_token_by_end ON access_token (expires_at);

-- Tokens that were taken back before their end, by their `jti`; kept until then.
CREATE TABLE revoked_token (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL,
  revoked_at {int} NOT NULL,
  expires_at {int} NOT NULL
){clustered};
CREATE INDEX revoked_token_by_end ON revoked_token (expires_at);

-- Clients that run in browsers say where: the few of them are found without looking at the others.
CREATE INDEX client_with_origins ON client (realm_id, id) WHERE spec LIKE '%"origins":[%';
