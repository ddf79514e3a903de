-- From where callers may come, and the review of what operators did.

ALTER TABLE sign_in_rule ADD COLUMN networks TEXT NOT NULL DEFAULT '{}';  -- JSON: admins, everyone, keys -> list of networks
ALTER TABLE api_key ADD COLUMN networks TEXT NOT NULL DEFAULT '[]';       -- JSON list: of one secret key

-- What an operator or somebody at the command line did waits for the eyes of
-- another operator.
ALTER TABLE platform_event ADD COLUMN review BOOL NOT NULL DEFAULT FALSE;
UPDATE platform_event SET review = TRUE WHERE actor LIKE 'user%' OR actor LIKE 'system:command%';
CREATE INDEX platform_event_review ON platform_event (at, event_id) WHERE review;

-- Never changed or removed.
CREATE TABLE platform_sign_off (
  event_id ID NOT NULL PRIMARY KEY,
  by_actor TEXT NOT NULL,
  at INT NOT NULL,
  words TEXT NOT NULL                     -- why it was in order
END;
