-- Files of leads (docs/files.md). The content lies in the bucket, sealed under a
-- key of its own; that key and the name open with the person's.

CREATE TABLE lead_file (
  account_id ID NOT NULL,
  file_id ID NOT NULL,
  lead_id ID NOT NULL,
  person_id ID NOT NULL,
  by_actor TEXT NOT NULL,
  state TEXT NOT NULL,                   -- arriving: its content is not whole in the bucket yet; kept
  name BYTES,                            -- NULL while it arrives
  content_key BYTES NOT NULL,
  kind TEXT NOT NULL,                    -- media type, by its content; '' while it arrives
  size INT NOT NULL,                     -- bytes in clear; while it arrives what it may have
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, file_id)
END;
CREATE INDEX lead_file_lead ON lead_file (account_id, lead_id, created_at, file_id);
