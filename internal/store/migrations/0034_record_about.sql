-- The record is found by whom and what it is about.

-- One row for each thing that an entry names: what it is about, and whose data
-- was opened. It only finds entries; what counts stands in audit_event.
CREATE TABLE audit_about (
  account_id ID NOT NULL,
  thing TEXT NOT NULL,                   -- an id's text
  at INT NOT NULL,                       -- the entry's
  event_id ID NOT NULL,
  PRIMARY KEY (account_id, thing, at, event_id)
END;
INSERT INTO audit_about (account_id, thing, at, event_id) SELECT account_id, about, at, event_id FROM audit_event WHERE about <> '';
CREATE INDEX audit_actor ON audit_event (account_id, actor, at, event_id);
