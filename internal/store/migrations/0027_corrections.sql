-- What stood in a person's row before a human corrected it. The ciphertext is
-- the one that stood there, bound to the person's row and field as before.

CREATE TABLE person_past (
  account_id ID NOT NULL,
  person_id ID NOT NULL,                 -- whose key seals it
  corrected_at INT NOT NULL,
  field TEXT NOT NULL,                   -- name, phone, email
  was BYTES,                             -- NULL: nothing
  by_actor TEXT NOT NULL,
  PRIMARY KEY (account_id, person_id, corrected_at, field)
END;
