-- Rotation of keys: since when the doors seal to a generation's drop box.

ALTER TABLE account_keyset ADD COLUMN published_at INT;  -- the newest one's, once; NULL: not yet
