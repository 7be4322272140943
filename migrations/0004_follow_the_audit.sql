-- The audit of a realm in the order of its seals: what is committed late lies behind what was sealed before it.
CREATE INDEX event_by_realm_and_seal ON event (realm_id, seal_number, number);
