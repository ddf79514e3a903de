-- The record as a tree: each entry is in its writer's chain, and soon in the
-- account's tree, whose checkpoints are signed (docs/audit.md).

ALTER TABLE audit_event ADD COLUMN writer_id ID;              -- whose chain it is in; NULL: it is from before there were any
ALTER TABLE audit_event ADD COLUMN n INT NOT NULL DEFAULT 0;  -- its place in the chain, from 1
ALTER TABLE audit_event ADD COLUMN prev BYTES;                -- leaf hash of the one before it; NULL: it is the first
ALTER TABLE audit_event ADD COLUMN salt BYTES;                -- random: the hash of a payload that is gone tells nothing
CREATE UNIQUE INDEX audit_chain ON audit_event (account_id, writer_id, n);

-- Entries that have no place in the tree yet: count of one writer, from n on.
CREATE TABLE audit_waiting (
  account_id ID NOT NULL,
  writer_id ID NOT NULL,
  n INT NOT NULL,
  count INT NOT NULL,
  PRIMARY KEY (account_id, writer_id, n)
END;

CREATE TABLE audit_leaf (
  account_id ID NOT NULL,
  position INT NOT NULL,                 -- in the tree, from 0
  event_id ID NOT NULL,
  hash BYTES NOT NULL,                   -- of the leaf (RFC 6962)
  PRIMARY KEY (account_id, position)
END;
CREATE UNIQUE INDEX audit_leaf_event ON audit_leaf (account_id, event_id);

CREATE TABLE audit_head (
  account_id ID NOT NULL PRIMARY KEY,
  size INT NOT NULL,                     -- leaves in the tree
  peaks BYTES NOT NULL,                  -- hashes of its perfect subtrees, from the left
  sign_at INT,                           -- when it is due to be signed; NULL: it is
  export_at INT                          -- when a checkpoint is due to be exported; NULL: all are
END;
CREATE INDEX audit_unsigned ON audit_head (sign_at) WHERE sign_at IS NOT NULL;
CREATE INDEX audit_unexported ON audit_head (export_at) WHERE export_at IS NOT NULL;

CREATE TABLE audit_checkpoint (
  account_id ID NOT NULL,
  size INT NOT NULL,
  at INT NOT NULL,
  peaks BYTES NOT NULL,                  -- of the tree at that size
  note TEXT NOT NULL,                    -- signed
  PRIMARY KEY (account_id, size)
END;
