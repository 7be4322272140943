-- What a seal says of each of its events, and with which key: no seal was made before this. Events are found by their seal,
-- and those without one in the order of their numbers.
DROP TABLE event_seal;
CREATE TABLE event_seal (
  number {int} NOT NULL PRIMARY KEY,
  first_event {int} NOT NULL,
  last_event {int} NOT NULL,
  event_count {int} NOT NULL,
  key_number {int} NOT NULL,
  tags {bytes} NOT NULL,
  previous_mac {bytes} NOT NULL,
  mac {bytes} NOT NULL,
  sealed_at {int} NOT NULL
){strict};
CREATE INDEX event_by_seal ON event (seal_number, number);
