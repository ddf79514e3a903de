-- What strangers report to the operators: a fault, misuse, contact that somebody
-- does not want. It belongs to the platform: no account reads it. The texts are
-- sealed under a key of each report's own, which stands in a table of keys, so
-- that removing it destroys them.
CREATE TABLE concern (
  concern_id ID NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,                    -- vulnerability, misuse, contact, data, other
  place BYTES NOT NULL,                  -- sealed: where, an address or an id
  message BYTES NOT NULL,                -- sealed: what was seen
  email BYTES NOT NULL,                  -- sealed: where an answer goes; empty: not said
  link_mac BYTES NOT NULL,               -- of the link's secret
  received_at INT NOT NULL,
  told_at INT,                           -- operators were written to
  looked_at INT,
  answered_at INT,
  closed_at INT
END;
CREATE INDEX concern_list ON concern (received_at, concern_id);
CREATE INDEX concern_open ON concern (received_at, concern_id) WHERE closed_at IS NULL;
CREATE INDEX concern_closed ON concern (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE concern_key (
  concern_id ID NOT NULL PRIMARY KEY,
  wrapped BYTES NOT NULL
END;

-- What operators wrote to it: notes of theirs, and answers, which the link shows.
CREATE TABLE concern_word (
  concern_id ID NOT NULL,
  word_id ID NOT NULL,
  kind TEXT NOT NULL,                    -- note, answer
  operator_id ID NOT NULL,
  text BYTES NOT NULL,                   -- sealed
  at INT NOT NULL,
  PRIMARY KEY (concern_id, word_id)
END;
