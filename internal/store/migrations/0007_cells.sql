-- Figures in one table of packed sums: a day or month of one key, or a half
-- hour of all keys. What was kept in other forms is counted anew from the tables.

DROP TABLE rollup;
DROP TABLE figure;
DROP TABLE figure_share;

CREATE TABLE figure_share (
  account_id ID NOT NULL,
  lead_id ID NOT NULL,
  share BYTES NOT NULL,                  -- what the sums hold of this lead
  PRIMARY KEY (account_id, lead_id)
END;

CREATE TABLE figure_cell (
  account_id ID NOT NULL,
  cell TEXT NOT NULL,                    -- by what, grain, when (UTC), which: source/d/20260302/src_…; half hours end with /
  sums BYTES NOT NULL,
  PRIMARY KEY (account_id, cell)
END;
