-- What was changed, by whom, from what to what: one row for each field. What
-- stood in a person's row is in person_past, an owner in assignment, a stage in
-- stage_change.

CREATE TABLE change (
  account_id ID NOT NULL,
  thing TEXT NOT NULL,                   -- an id's text: lead_…, src_…, acct_…
  changed_at INT NOT NULL,
  change_id ID NOT NULL,
  field TEXT NOT NULL,
  by_actor TEXT NOT NULL,
  was TEXT,                              -- JSON; NULL: nothing
  now TEXT,
  was_sealed BYTES,                      -- instead of was: a user's phone or e-mail, as it stood in their row
  now_sealed BYTES,
  PRIMARY KEY (account_id, thing, changed_at, change_id)
END;
