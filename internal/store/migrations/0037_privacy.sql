-- Erasing: a person whose key is destroyed stays as a row that says so.
ALTER TABLE person ADD COLUMN erased_at INT;
CREATE INDEX enquiry_no_lead ON enquiry (account_id, person_id) WHERE lead_id IS NULL AND person_id IS NOT NULL;

-- What a person asked of the account, as the law lets them, with its clock.
CREATE TABLE subject_request (
  account_id ID NOT NULL,
  request_id ID NOT NULL,
  kind TEXT NOT NULL,                    -- access, rectify, erase, restrict, unrestrict
  person_id ID NOT NULL,
  state TEXT NOT NULL,                   -- open, running, done, refused
  reason TEXT NOT NULL,                  -- a code: why it was refused
  received_at INT NOT NULL,              -- when the person asked
  due_at INT NOT NULL,                   -- by when the law wants an answer
  by_actor TEXT NOT NULL,                -- who wrote it down
  done_by TEXT NOT NULL,
  created_at INT NOT NULL,
  finished_at INT,
  PRIMARY KEY (account_id, request_id)
END;
CREATE INDEX subject_request_list ON subject_request (account_id, created_at, request_id);
CREATE INDEX subject_request_person ON subject_request (account_id, person_id, created_at);
