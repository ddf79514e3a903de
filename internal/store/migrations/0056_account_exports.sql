-- Exports of a whole account beside those of leads (docs/export.md).
ALTER TABLE export ADD COLUMN kind TEXT NOT NULL DEFAULT 'leads';  -- leads, account
ALTER TABLE export ADD COLUMN recipient TEXT NOT NULL DEFAULT '';  -- of age, who alone opens the archive; '': it is in clear
ALTER TABLE export ADD COLUMN total INT NOT NULL DEFAULT 0;        -- rows to come, of an account's
