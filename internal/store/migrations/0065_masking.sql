-- What an account masks of persons. Without a row nothing.

CREATE TABLE masking (
  account_id ID NOT NULL PRIMARY KEY,
  on_offer BOOL NOT NULL                  -- how a person is reached, until the offer of their lead is accepted
END;
