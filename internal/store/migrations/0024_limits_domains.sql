-- What an operator has let one account have, instead of the platform's limits;
-- and which domains of single sign-on were shown to be the account's.

CREATE TABLE account_limit (
  account_id ID NOT NULL PRIMARY KEY,
  holder_rate INT NOT NULL,              -- requests a second with one key or of one user; 0: the platform's
  account_rate INT NOT NULL,             -- requests a second of the account; 0: the platform's
  lead_rate INT NOT NULL,                -- leads a second that it hands in; 0: the platform's
  changed_at INT NOT NULL
END;

ALTER TABLE sso_domain ADD COLUMN verified_at INT;       -- its record was seen; NULL: not yet, or it is lost
ALTER TABLE sso_domain ADD COLUMN checked_at INT;        -- when the name servers answered last
ALTER TABLE sso_domain ADD COLUMN missing_since INT;     -- from when on a verified one's record was not there
CREATE UNIQUE INDEX sso_domain_verified ON sso_domain (domain) WHERE verified_at IS NOT NULL;
CREATE INDEX sso_domain_checked ON sso_domain (checked_at);
