-- Keys that are changed without a gap: the texts that a key had before, each
-- until the end of its overlap; and when a key was used last.

ALTER TABLE api_key ADD COLUMN rotated_at INT;   -- since when it has its present text; NULL: since created_at
ALTER TABLE api_key ADD COLUMN used_at INT;      -- coarse: noted once a minute; the present text's, at the API
ALTER TABLE api_key ADD COLUMN warned_at INT;    -- when its near end was told

CREATE TABLE key_generation (
  account_id ID NOT NULL,
  key_id ID NOT NULL,
  key_hash BYTES NOT NULL UNIQUE,        -- SHA-256 of the text
  tail TEXT NOT NULL,
  created_at INT NOT NULL,
  ends_at INT NOT NULL,                  -- of the overlap
  used_at INT,
  PRIMARY KEY (account_id, key_id, key_hash)
END;
