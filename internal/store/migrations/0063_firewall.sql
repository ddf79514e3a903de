-- Which rules of the firewall spoke of a held enquiry, by number; nothing of
-- the text that was matched.
ALTER TABLE quarantine ADD COLUMN rules TEXT NOT NULL DEFAULT '[]';  -- JSON array
ALTER TABLE quarantine ADD COLUMN inspected_at INT;                  -- the whole set was asked

-- Those that wait for the whole set.
CREATE INDEX quarantine_inspect ON quarantine (account_id, received_at, enquiry_id)
  WHERE reason = 'firewall' AND state = 'held' AND inspected_at IS NULL;
