-- For whom the account makes a second factor compulsory.

ALTER TABLE sign_in_rule ADD COLUMN second_factor TEXT NOT NULL DEFAULT '[]';  -- JSON list of roles
