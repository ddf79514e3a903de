-- An account that is to end, and how far its removal has got. The row goes with
-- the account; what is left is the deletion ledger's entry with its certificate.
CREATE TABLE account_end (
  account_id ID NOT NULL PRIMARY KEY,
  asked_at INT NOT NULL,
  due_at INT NOT NULL,                   -- the end of the grace time
  by_actor TEXT NOT NULL,
  started_at INT,                        -- since when its keys are destroyed
  keys TEXT NOT NULL,                    -- JSON: ids of the keys that were
  counts TEXT NOT NULL                   -- JSON object: table -> rows removed so far
END;
