-- Lists of leads that stay quick among a million: by source, by stage, and by
-- what the first enquiry's link named.

CREATE INDEX lead_source ON lead (account_id, source_id, created_at, lead_id);
CREATE INDEX lead_stage ON lead (account_id, stage_id, created_at, lead_id);

CREATE TABLE lead_origin (
  account_id ID NOT NULL,
  dim TEXT NOT NULL,                     -- origin, campaign
  key TEXT NOT NULL,                     -- as the figures have it; a lead whose link named none has no row
  created_at INT NOT NULL,               -- the lead's
  lead_id ID NOT NULL,
  PRIMARY KEY (account_id, dim, key, created_at, lead_id)
END;
