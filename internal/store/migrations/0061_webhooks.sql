-- Addresses of an account's choice that are told what happened (docs/webhooks.md).

CREATE TABLE webhook (
  account_id ID NOT NULL,
  webhook_id ID NOT NULL,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  kinds TEXT NOT NULL,                   -- JSON list: of events that it asks for; empty: of all
  state TEXT NOT NULL,                   -- active; paused, by somebody; gone, because the receiver said so
  state_at INT NOT NULL,
  resume_at INT NOT NULL,                -- of a paused one: the position that it had read to
  secret_key BYTES NOT NULL,             -- wrapped; both secrets are sealed under it
  secret BYTES NOT NULL,
  earlier BYTES,                         -- the secret before, which signs too until then
  earlier_until INT,
  created_at INT NOT NULL,
  changed_at INT NOT NULL,
  -- the deliverer's own
  follower TEXT NOT NULL,                -- its name in event_cursor
  leased_until INT NOT NULL,             -- by which deliverer, and until when
  lease ID,
  rest_until INT NOT NULL,               -- nothing is sent before
  next_at INT,                           -- when the first of its deliveries is due; NULL: none waits
  fails INT NOT NULL,                    -- since something was taken last
  failing_since INT,
  alarmed BOOL NOT NULL,
  taken INT NOT NULL,                    -- messages, in all
  recent TEXT NOT NULL,                  -- JSON list: the last answers
  checkpoint_size INT NOT NULL,          -- entries of the record in the newest checkpoint that was taken; -1: it asks for none
  PRIMARY KEY (account_id, webhook_id)
END;

-- What a webhook did not take at the first try. A row without next_at is on the
-- dead list: nothing is tried any more unless somebody says so.
CREATE TABLE webhook_delivery (
  account_id ID NOT NULL,
  webhook_id ID NOT NULL,
  position INT NOT NULL,                 -- of the event
  kind TEXT NOT NULL,
  body TEXT NOT NULL,                    -- JSON as it is sent: ids, nothing personal
  happened_at INT NOT NULL,
  tries INT NOT NULL,
  tried_at INT NOT NULL,
  status INT NOT NULL,                   -- HTTP's; 0: there was no answer
  class TEXT NOT NULL,                   -- why it was not taken, in a word
  next_at INT,
  PRIMARY KEY (account_id, webhook_id, position)
END;
CREATE INDEX webhook_delivery_due ON webhook_delivery (account_id, webhook_id, next_at) WHERE next_at IS NOT NULL;
