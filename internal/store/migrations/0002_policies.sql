-- Routing policies: whom a project's leads are offered to, in versions.

CREATE TABLE policy (
  account_id ID NOT NULL,
  policy_id ID NOT NULL,
  project_id ID NOT NULL,
  version INT NOT NULL,                  -- of the project; 1 is the plain rotation, which has no row
  name TEXT NOT NULL,
  body TEXT NOT NULL,                    -- JSON; never changed: another text is another version
  by_actor TEXT NOT NULL,
  created_at INT NOT NULL,
  published_at INT,                      -- last; NULL: never
  replaced_id ID,                        -- what was published before it; NULL: the plain rotation
  PRIMARY KEY (account_id, policy_id),
  UNIQUE (account_id, project_id, version)
END;

ALTER TABLE pool ADD COLUMN policy_id ID;
ALTER TABLE pool_member ADD COLUMN credit INT NOT NULL DEFAULT 0;
ALTER TABLE pool_member ADD COLUMN misses INT NOT NULL DEFAULT 0;
ALTER TABLE pool_member ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';

CREATE INDEX assignment_user ON assignment (account_id, user_id, from_at);
CREATE INDEX round_pool ON round (account_id, pool_id, decided_at, round_id);
