-- Second factors. An operator's rows have sixteen zero bytes for their account.

CREATE TABLE second_factor (
  account_id ID NOT NULL,
  user_id ID NOT NULL,
  tries INT NOT NULL,                    -- wrong ones since tries_at
  tries_at INT NOT NULL,
  totp_salt BYTES,                       -- the seed is its HMAC under a key that is in no database; NULL: none
  totp_at INT,                           -- since when
  totp_step INT NOT NULL,                -- the last time step of which a code was taken
  next_salt BYTES,                       -- of a seed that was shown and not confirmed yet
  next_at INT,
  PRIMARY KEY (account_id, user_id)
END;

CREATE TABLE recovery_code (
  account_id ID NOT NULL,
  user_id ID NOT NULL,
  code_mac BYTES NOT NULL,               -- HMAC of the code, bound to the user
  created_at INT NOT NULL,
  used_at INT,
  PRIMARY KEY (account_id, user_id, code_mac)
END;
