-- The first tables. One text for both engines: {id} is 16 bytes, {bytes} {text} {int} are columns of that type, {serial} a number
-- in order of insertion, {strict} and {clustered} end a table (clustered: kept in the order of its primary key). Times are
-- milliseconds since 1970; there are no booleans, only times since when something holds. `spec` and `metadata` are JSON.

CREATE TABLE meta (
  name {text} NOT NULL PRIMARY KEY,
  value {bytes} NOT NULL
){clustered};

CREATE TABLE realm (
  id {id} NOT NULL PRIMARY KEY,
  name {text} NOT NULL UNIQUE,
  prefix {text} NOT NULL UNIQUE,
  host {text} UNIQUE,
  disabled_at {int},
  valid_after {int},
  metadata {text},
  created_at {int} NOT NULL,
  updated_at {int} NOT NULL,
  version {int} NOT NULL
){strict};

CREATE TABLE api (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  uri {text} NOT NULL,
  external_id {text},
  spec {text} NOT NULL,
  created_at {int} NOT NULL,
  updated_at {int} NOT NULL,
  version {int} NOT NULL,
  UNIQUE (realm_id, uri)
){strict};
CREATE INDEX api_by_realm ON api (realm_id, id);

CREATE TABLE client (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  org_id {id},
  name {text} NOT NULL,
  external_id {text},
  spec {text} NOT NULL,
  disabled_at {int},
  valid_after {int},
  created_at {int} NOT NULL,
  updated_at {int} NOT NULL,
  version {int} NOT NULL,
  UNIQUE (realm_id, name)
){strict};
CREATE INDEX client_by_realm ON client (realm_id, id);

CREATE TABLE user_account (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  org_id {id},
  name {text} NOT NULL,
  email_folded {text},
  external_id {text},
  spec {text} NOT NULL,
  disabled_at {int},
  valid_after {int},
  created_at {int} NOT NULL,
  updated_at {int} NOT NULL,
  version {int} NOT NULL,
  UNIQUE (realm_id, name),
  UNIQUE (realm_id, email_folded)
){strict};
CREATE INDEX user_account_by_realm ON user_account (realm_id, id);

CREATE TABLE role (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  name {text} NOT NULL,
  spec {text} NOT NULL,
  created_at {int} NOT NULL,
  updated_at {int} NOT NULL,
  version {int} NOT NULL,
  UNIQUE (realm_id, name)
){strict};
CREATE INDEX role_by_realm ON role (realm_id, id);

-- Who holds which role.
CREATE TABLE subject_role (
  realm_id {id} NOT NULL,
  subject_id {id} NOT NULL,
  role_id {id} NOT NULL REFERENCES role (id),
  PRIMARY KEY (realm_id, subject_id, role_id)
){clustered};
CREATE INDEX subject_role_by_role ON subject_role (role_id);

-- Everything that can act. Subject, client and API may be gone: what is left of the grant is judged, not cascaded.
CREATE TABLE access_grant (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  org_id {id},
  kind {text} NOT NULL,
  subject_kind {text} NOT NULL,
  subject_id {id} NOT NULL,
  client_id {id},
  parent_id {id},
  root_id {id} NOT NULL,
  api_id {id},
  scopes {text} NOT NULL,
  created_at {int} NOT NULL,
  expires_at {int},
  revoked_at {int}
){clustered};
CREATE INDEX access_grant_by_realm ON access_grant (realm_id, id);
CREATE INDEX access_grant_by_subject ON access_grant (realm_id, subject_id, id);
CREATE INDEX access_grant_by_parent ON access_grant (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX access_grant_by_end ON access_grant (realm_id, expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE api_key (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  org_id {id},
  grant_id {id} NOT NULL UNIQUE REFERENCES access_grant (id),
  name {text} NOT NULL,
  lifetime_ms {int},
  rate {text},
  ip {text},
  external_id {text},
  metadata {text},
  disabled_at {int},
  seen_in_browser_at {int},
  created_by {text} NOT NULL,
  created_at {int} NOT NULL,
  updated_at {int} NOT NULL,
  version {int} NOT NULL
){clustered};
CREATE INDEX api_key_by_realm ON api_key (realm_id, id);
CREATE INDEX api_key_by_name ON api_key (realm_id, name, id);
CREATE INDEX api_key_by_external_id ON api_key (realm_id, external_id, id) WHERE external_id IS NOT NULL;

-- Long-lived credentials, found by the keyed hash of their text.
CREATE TABLE credential (
  hash {bytes} NOT NULL PRIMARY KEY,
  lookup_key {int} NOT NULL,
  kind {text} NOT NULL,
  realm_id {id} NOT NULL,
  grant_id {id} NOT NULL,
  key_id {id} REFERENCES api_key (id),
  number {int} NOT NULL,
  hint {text} NOT NULL,
  created_at {int} NOT NULL,
  expires_at {int},
  UNIQUE (key_id, number)
){clustered};

CREATE TABLE key_usage (
  key_id {id} NOT NULL,
  number {int} NOT NULL,
  day {int} NOT NULL,
  code {text} NOT NULL,
  count {int} NOT NULL,
  last_at {int} NOT NULL,
  last_ip {text},
  last_agent {text},
  PRIMARY KEY (key_id, number, day, code)
){clustered};
CREATE INDEX key_usage_by_day ON key_usage (day);

-- How imported keys may look.
CREATE TABLE key_pattern (
  realm_id {id} NOT NULL REFERENCES realm (id),
  pattern {text} NOT NULL,
  PRIMARY KEY (realm_id, pattern)
){clustered};

CREATE TABLE rule (
  id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  name {text} NOT NULL,
  priority {int} NOT NULL,
  place {int} NOT NULL,
  spec {text} NOT NULL,
  created_at {int} NOT NULL,
  updated_at {int} NOT NULL,
  version {int} NOT NULL,
  UNIQUE (realm_id, name)
){strict};
CREATE INDEX rule_by_order ON rule (realm_id, priority, place, id);

-- The audit, numbered in commit order, and its seals.
CREATE TABLE event (
  number {serial},
  id {id} NOT NULL UNIQUE,
  realm_id {id},
  at {int} NOT NULL,
  kind {text} NOT NULL,
  actor {text} NOT NULL,
  target {text} NOT NULL,
  reason {text},
  request_id {text},
  detail {text},
  seal_number {int}
){strict};
CREATE INDEX event_by_realm ON event (realm_id, number);

CREATE TABLE event_seal (
  number {int} NOT NULL PRIMARY KEY,
  first_event {int} NOT NULL,
  last_event {int} NOT NULL,
  mac {bytes} NOT NULL,
  previous_mac {bytes} NOT NULL,
  sealed_at {int} NOT NULL
){strict};

-- The change feed: what a cache may no longer believe.
CREATE TABLE change (
  number {serial},
  realm_id {id} NOT NULL,
  kind {text} NOT NULL,
  id {id} NOT NULL,
  at {int} NOT NULL
){strict};

-- Answers to requests with an Idempotency-Key.
CREATE TABLE idempotency (
  caller {text} NOT NULL,
  key {text} NOT NULL,
  method {text} NOT NULL,
  path {text} NOT NULL,
  digest {bytes} NOT NULL,
  status {int} NOT NULL,
  body {text},
  target {text},
  created_at {int} NOT NULL,
  expires_at {int} NOT NULL,
  PRIMARY KEY (caller, key, method, path)
){strict};
CREATE INDEX idempotency_by_end ON idempotency (expires_at);
